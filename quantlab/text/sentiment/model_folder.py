"""Model folders: a fine-tuned encoder with its head, as files that others can read too.

1. `model.safetensors`, `config.json` and the tokenizer lie as Hugging Face lays them out: `AutoModel.from_pretrained(folder)` and
   `TextEncoder(folder)` read the encoder. `head.safetensors` is the linear head on its embeddings; `card.json` says what it all is.
2. So a prediction is the frozen embedding by that encoder, cached per text, times the head: a pure function of each text.
3. The card names the sha256 of every file; a folder that is not what its card says is refused.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from quantlab.cache import Arrays, Cache, key
from quantlab.errors import StorageError, UsageError
from quantlab.storage import write_atomically
from quantlab.text.encoder.card import CARD, read_card
from quantlab.text.encoder.checkpoint import FILES, Checkpoint, find_checkpoint
from quantlab.text.encoder.finetune import members_of, projected
from quantlab.text.encoder.frozen import FrozenPart, frozen_part
from quantlab.text.encoder.heads import shares
from quantlab.text.encoder.training import Floats, Task
from quantlab.text.encoder.tuned import ADAPTED, Tuned, tuned_part

if TYPE_CHECKING:
    import torch

HEAD: Final = ("head.weight", "head.bias")
HEAD_FILE: Final = "head.safetensors"
SCHEMA_VERSION: Final = 1
TASKS: Final[Mapping[str, Task]] = {"classes": "classes", "multilabel": "labels", "number": "regression"}  # as the loop calls them
OWN: Final = ("config.json", "model.safetensors.index.json")  # written anew; all other FILES are copied as they are


@dataclass(frozen=True)
class ModelFolder:
    """A fine-tuned model: what its card says, its encoder. id: sha256 of all that its predictions depend on."""

    card: Mapping[str, Any]
    checkpoint: Checkpoint

    @property
    def id(self) -> str:
        """The name of what it computes."""
        return key(self.checkpoint.id, self.card["model"])

    @property
    def task(self) -> str:
        """One of `classes`, `multilabel`, `number`."""
        return str(self.card["task"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes or flags, in the order of the predictions; () for a number."""
        return tuple(self.card["labels"])

    @cached_property
    def head(self) -> Arrays:
        """The weights (n_outputs, width) and biases (n_outputs,) of the head."""
        from safetensors.numpy import load_file

        return dict(load_file(self.checkpoint.folder / HEAD_FILE))

    def predict(self, texts: Sequence[str], cache: Cache | None = None) -> Floats:
        """Return the probability of each class or flag, (n_texts, n_labels), or the number, (n_texts, 1); a pure function of each text."""
        model = self.card["model"]
        part = frozen_part(self.checkpoint.folder, tune="head", max_tokens=model["max_tokens"], dtype=model["dtype"], cache=cache)
        output = projected(part.embeddings(texts), self.head["head.weight"].astype(float)) + self.head["head.bias"].astype(float)
        return np.asarray(shares(output, TASKS[self.task]) * model["scale"] + model["offset"])


def find_model(folder: str | Path) -> ModelFolder:
    """Return the model in a folder.

    Raises UsageError if there is none, StorageError if a file of it is not what its card says.
    """
    path = Path(folder).expanduser()
    card = read_card(path)
    if card is None:
        raise UsageError(f"{str(folder)!r} holds no fine-tuned model ({CARD} is missing): make one with `quantlab finetune`")
    written = card.get("schema_version")
    if written != SCHEMA_VERSION:
        raise UsageError(f"{path / CARD} is of version {written}, this quantlab reads {SCHEMA_VERSION}: run `quantlab finetune` again")
    needed, of_model = (
        {"files", "task", "labels", "model", "fit_end", "knowledge_cutoff"},
        {"max_tokens", "dtype", "scale", "offset", "largest"},
    )
    lacking = sorted(needed - set(card)) or sorted(f"model.{name}" for name in of_model - set(card["model"] or ()))
    if lacking:
        raise StorageError(f"{path / CARD} is damaged (it lacks {', '.join(lacking)}): run `quantlab finetune` again")
    return ModelFolder(card, find_checkpoint(path))


def file_hashes(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the sha256 of each file in a checkpoint's folder that its results depend on."""
    present = [checkpoint.folder / name for name in FILES if (checkpoint.folder / name).is_file()]
    small = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in present}
    return dict(sorted({**small, **dict(checkpoint.weights)}.items()))


def write_model(folder: Path, part: FrozenPart, learned: Arrays) -> None:
    """Write encoder, head and tokenizer of a fit into an empty folder, all but the card. Of an ensemble: the mean of its weights.

    The mean of fits that began at the same weights is as good as their ensemble, at the cost of one (Wortsman et al. 2022).
    Raises UsageError for a prefix, which has no place in such a folder.
    """
    from safetensors.numpy import save
    from safetensors.torch import save as save_tensors

    if part.whole is not None and part.whole.kind == "prefix":
        raise UsageError("a prefix is no weight of the encoder, so others could not read the folder: use tune='lora' or 'full'")
    members = members_of(learned)
    heads = [{name: member[name] for name in HEAD} for member in members]
    states = [part.encoder.model.state_dict()]
    if part.tuned:
        states = [_state(part, tuned_part(part, head, weights=member)) for head, member in zip(heads, members, strict=True)]
    weights = {name: value.cpu().contiguous() for name, value in _mean(states).items()}
    part.encoder.model.config.save_pretrained(folder)
    write_atomically(folder / "model.safetensors", save_tensors(weights, {"format": "pt"}))
    # in C order: safetensors writes memory as it lies, so that a transposed array would come back as another
    mean = {name: np.ascontiguousarray(np.stack([head[name] for head in heads]).astype(float).mean(axis=0), np.float32) for name in HEAD}
    write_atomically(folder / HEAD_FILE, save(mean))
    for name in FILES:
        if name not in OWN and (part.checkpoint.folder / name).is_file():
            shutil.copy(part.checkpoint.folder / name, folder / name)


def _state(part: FrozenPart, tuned: Tuned) -> dict[str, torch.Tensor]:
    """Return the weights of the encoder with what was learned in their place, adapters merged into them."""
    state = dict(part.encoder.model.state_dict())
    if "layers" in tuned.module:
        first = part.checkpoint.n_layers - part.n_top
        for name, value in tuned.module["layers"].state_dict().items():
            number, rest = name.split(".", 1)
            state[f"encoder.layer.{first + int(number)}.{rest}"] = value
    if "encoder" in tuned.module:
        for module in tuned.module["encoder"].modules():
            if hasattr(module, "merge") and hasattr(module, "base_layer"):
                module.merge()
        merged = tuned.module["encoder"].state_dict()
        state |= {name.replace(".base_layer.", "."): value for name, value in merged.items() if not ADAPTED.search(name)}
    return state


def _mean(states: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the mean of each weight."""
    import torch

    if len(states) == 1:
        return dict(states[0])
    return {name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype) for name, value in states[0].items()}
