"""What of an encoder is trained, with its head: the top blocks, all of it, or an adapter in it.

Whatever it is, a text enters it as states (n_tokens, width): those below the top blocks, computed once and rounded to bfloat16, or the
embeddings of its tokens. Adversarial training disturbs them; token dropout hides some. What was learned is plain arrays by name.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays
from quantlab.repro import random_generator
from quantlab.text.encoder.adapters import Prefix, Step, Whole, no_step, prefix_encoder, require_peft, with_adapter
from quantlab.text.encoder.frozen import Chunk, FrozenPart
from quantlab.text.encoder.inference import Encoder, attention_penalty, pooled, token_mask

if TYPE_CHECKING:
    import torch

BLOCK = re.compile(r"\.(\d+)\.")  # in the name of a parameter
ADAPTED = re.compile(r"\b(?:lora_|ia3_|ranknum)")


@dataclass(frozen=True)
class Tuned:
    """The trained part of an encoder: `module` holds the head ("head") and blocks ("layers"), an encoder ("encoder"), a prefix ("prefix").

    encoder: the one as it came, shared and never changed; model: the Hugging Face model that texts go through, our own copy if it is
    changed; after_step: to be called after each step of the optimiser, with its number.
    """

    module: torch.nn.ModuleDict
    encoder: Encoder
    whole: Whole | None
    model: Any
    after_step: Step

    def mask(self, chunk: Chunk, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return which tokens of some rows of a chunk are text, (n, n_tokens)."""
        return token_mask(chunk.n_tokens[rows], chunk.states.shape[1]).to(self.encoder.device)

    def enter(self, chunk: Chunk, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the states that some rows of a chunk enter with, (n, n_tokens, width)."""
        import torch

        values = torch.from_numpy(chunk.states[rows])
        if self.whole is None:
            states = values.view(torch.bfloat16).to(self.encoder.device)
            return states if self.encoder.bfloat16 else states.float()
        with self._autocast():
            ids = values.to(self.encoder.device)
            embedded: torch.Tensor = (
                self.model.embeddings(input_ids=ids) if self.encoder.layered else self.model.get_input_embeddings()(ids)
            )
        return embedded

    def outputs(self, states: torch.Tensor, mask: torch.Tensor, *, dropout: float = 0.0) -> torch.Tensor:
        """Return the head's outputs for states (n, n_tokens, width), (n, n_outputs)."""
        import torch

        with self._autocast():
            hidden = self._through(states, mask)
        vectors = pooled(hidden, mask)
        output: torch.Tensor = self.module["head"](torch.nn.functional.dropout(vectors, dropout) if dropout else vectors)
        return output

    def _through(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the states above the last block."""
        import torch

        if not self.encoder.layered:
            above: torch.Tensor = self.model(inputs_embeds=hidden, attention_mask=mask.long()).last_hidden_state
            return above
        penalty, memory = attention_penalty(mask), {}
        if "prefix" in self.module:
            memory = {"past_key_values": Prefix(self.module["prefix"], self.model, len(hidden))}
            n_tokens = self.module["prefix"].embedding.weight.shape[0]
            penalty = torch.nn.functional.pad(penalty, (n_tokens, 0))
        for layer in self.module["layers"] if self.whole is None else self.model.encoder.layer:
            hidden = layer(hidden, penalty, **memory)
        return hidden

    def _autocast(self) -> Any:
        import torch

        return torch.autocast(self.encoder.device, torch.bfloat16, enabled=self.encoder.bfloat16)

    def learned(self) -> dict[str, torch.Tensor]:
        """Return the trained weights by name; they are the module's own, not copies."""
        trained = {name for name, parameter in self.module.named_parameters() if parameter.requires_grad}
        kept = {name for name in self.module.state_dict() if name in trained or ADAPTED.search(name)}
        return {name: value for name, value in self.module.state_dict().items() if name in kept}

    def arrays(self) -> Arrays:
        """Return a copy of the trained weights, float32."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned().items()}

    def load(self, weights: Arrays) -> None:
        """Take the weights given, those that it knows."""
        import torch

        with torch.no_grad():
            for name, value in self.learned().items():
                if name in weights:
                    value.copy_(torch.from_numpy(np.array(weights[name])))

    def depth(self, name: str) -> int:
        """Return how far below the head a parameter lies: 0 for the head, 1 for the last block, most for the embeddings."""
        if name.startswith("head."):
            return 0
        if name.startswith("prefix."):
            return 1
        n_layers = len(self.module["layers"]) if self.whole is None else self.model.config.num_hidden_layers
        found = BLOCK.search(name)
        return n_layers - int(found.group(1)) if found else n_layers + 1


def tuned_part(part: FrozenPart, head: Arrays, *, weights: Arrays | None = None, n_steps: int = 0, seed: int = 0) -> Tuned:
    """Return the trained part with this head and, if given, these weights, in evaluation mode.

    New weights of an adapter are drawn from `seed`; `n_steps` is how long it is going to be trained.
    """
    import torch

    encoder, whole = part.encoder, part.whole
    n_outputs, width = head["head.weight"].shape
    module = torch.nn.ModuleDict()
    after_step: Step = no_step
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_generator(seed, "encoder: first weights").integers(2**31)))
        module["head"] = torch.nn.Linear(width, n_outputs)
        if whole is None:
            module["layers"] = torch.nn.ModuleList(deepcopy(layer) for layer in encoder.layers[-part.n_top :]).requires_grad_(True)
        elif whole.kind == "prefix":
            require_peft()
            module["prefix"] = prefix_encoder(encoder.model, whole.number)
        else:
            module["encoder"], after_step = _whole_encoder(encoder, whole, n_steps)
    model = module["encoder"] if whole is not None and whole.kind != "prefix" else encoder.model
    tuned = Tuned(module.to(encoder.device).eval(), encoder, whole, model, after_step)
    tuned.load({**(weights or {}), **head})
    return tuned


def _whole_encoder(encoder: Encoder, whole: Whole, n_steps: int) -> tuple[torch.nn.Module, Step]:
    """Return a copy of the encoder to be tuned, all of it or by an adapter, and what is to be called after each step."""
    model = deepcopy(encoder.model)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # a head for another task: its weights would be learned from nothing
    if whole.kind == "full":
        return model.requires_grad_(True), no_step
    require_peft()
    return model, with_adapter(model, whole, n_steps)
