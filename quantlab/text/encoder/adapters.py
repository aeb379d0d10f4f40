"""Ways of tuning an encoder as a whole: all of its weights, or a few new ones that are added to it (adapters, by way of peft).

1. LoRA (Hu et al. 2022) adds products of two small matrices to queries and values; AdaLoRA (Zhang et al. 2023) takes rank from the
   products that matter least, as training goes on; (IA)3 (Liu et al. 2022) scales keys, values and inner states. peft puts them in place.
2. Prefix tuning (Li & Liang 2021) lets every block attend to learned keys and values. peft would hand them over by Hugging Face's cache of
   earlier tokens, through a forward pass of its own; here its prefix is handed to each block of a BERT or RoBERTa directly.
3. What they learn is plain arrays, like all that is learned here; the encoder itself stays as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from warnings import catch_warnings, simplefilter

from quantlab.errors import UsageError, nearest
from quantlab.text.encoder.checkpoint import LAYERED, Checkpoint

if TYPE_CHECKING:
    import torch

Step: TypeAlias = Callable[[int], None]  # called after each step of the optimiser, with its number

NUMBERS: Final = {"lora": 8, "adalora": 8, "prefix": 16}  # rank (AdaLoRA: on average, in the end), number of tokens
WITHOUT_NUMBER: Final = ("full", "ia3")
OVER_RANK: Final = 1.5  # AdaLoRA starts with so many times the rank
SCALE: Final = 2.0  # of LoRA's products, whatever their rank
NAME: Final = "default"  # of the adapter, to peft


@dataclass(frozen=True)
class Whole:
    """A way to tune the encoder as a whole: "full", "lora", "adalora", "ia3" or "prefix", with its rank or number of tokens (0: none)."""

    kind: str
    number: int = 0


def what_is_tuned(tune: str, checkpoint: Checkpoint) -> tuple[int, Whole | None]:
    """Return how many top blocks `tune` trains, and how the encoder as a whole is tuned (None if it is not).

    Raises UsageError for an unknown word, more blocks than there are, or a way that does not suit the encoder.
    """
    kind, colon, number = str(tune).partition(":")
    if tune in ("none", "head"):
        return 0, None
    if tune in WITHOUT_NUMBER:
        return 0, Whole(tune)
    if kind in NUMBERS and (not colon or (number.isdecimal() and int(number) > 0)):
        if kind == "prefix" and checkpoint.model_type not in LAYERED:
            raise UsageError(
                f"TextEncoder: a {checkpoint.model_type!r} takes no prefix (only {', '.join(LAYERED)} do): use tune='lora' or 'full'"
            )
        return 0, Whole(kind, int(number) if colon else NUMBERS[kind])
    tops = [f"top:{n}" for n in range(1, checkpoint.n_layers + 1)]
    if tune not in tops:
        known = ["none", "head", *tops, *WITHOUT_NUMBER, *NUMBERS]
        raise UsageError(
            f"TextEncoder: tune={tune!r} is none of 'none', 'head', 'top:1' to {tops[-1]!r}, 'full', 'ia3', "
            f"'lora:8', 'adalora:8', 'prefix:16' (or another number){nearest(str(tune), known)}"
        )
    if checkpoint.model_type not in LAYERED:
        raise UsageError(
            f"TextEncoder: the blocks of a {checkpoint.model_type!r} cannot be trained apart: use tune='full', 'lora', 'head' or 'none'"
        )
    return int(number), None


def require_peft() -> None:
    """Raise UsageError if peft is not installed; it is not imported for it, which takes seconds."""
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise UsageError("TextEncoder: adapters need the package peft: pip install 'quantlab[peft]', or use tune='top:n' or 'full'")


def with_adapter(model: Any, whole: Whole, n_steps: int) -> Step:
    """Put an adapter into a model, in place; its new weights alone require gradients.

    Return what is to be called after each of `n_steps` steps of the optimiser (its number, from 1) and before gradients are cleared.
    Raises UsageError if peft does not know where to put it.
    """
    import peft

    with _quiet():
        try:
            if whole.kind == "adalora":
                step: Step = peft.AdaLoraModel(model, {NAME: _adalora(whole.number, n_steps, _targets(model))}, NAME).update_and_allocate
                return step
            peft.inject_adapter_in_model(peft.IA3Config() if whole.kind == "ia3" else _lora(whole.number, _targets(model)), model)
        except ValueError as error:
            raise UsageError(f"TextEncoder: tune={whole.kind!r} does not suit this encoder: {error}; use tune='full'") from error
    return no_step


def no_step(_: int) -> None:
    """Do nothing after a step."""


def prefix_encoder(model: Any, n_tokens: int) -> torch.nn.Module:
    """Return peft's prefix: an embedding of `n_tokens` rows, each the keys and values of every block."""
    import peft
    from peft.tuners.prefix_tuning import PrefixEncoder

    config, size = peft.PrefixTuningConfig(num_virtual_tokens=n_tokens), model.config
    config.token_dim, config.num_layers, config.num_attention_heads = size.hidden_size, size.num_hidden_layers, size.num_attention_heads
    encoder: torch.nn.Module = PrefixEncoder(config)
    return encoder


class Prefix:
    """Keys and values that every block attends to before those of a text: as much of Hugging Face's cache as a block asks for."""

    def __init__(self, encoder: torch.nn.Module, model: Any, n_texts: int) -> None:
        """Unfold peft's prefix into keys and values of each block, (n_heads, n_tokens, n_texts' share of the width)."""
        import torch

        size = model.config
        n_tokens, heads = encoder.embedding.weight.shape[0], size.num_attention_heads
        flat = encoder(torch.arange(n_tokens, device=encoder.embedding.weight.device))  # (n_tokens, n_layers * 2 * width)
        parts = flat.view(n_tokens, 2 * size.num_hidden_layers, heads, -1).permute(1, 2, 0, 3)  # (2 * n_layers, heads, n_tokens, width)
        self.parts = parts[:, None].expand(-1, n_texts, -1, -1, -1)

    def update(self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keys and values of a block's tokens, (n_texts, n_heads, n_tokens, width), after the prefix."""
        import torch

        before, kind = self.parts[2 * layer : 2 * layer + 2], key.dtype
        return torch.cat([before[0].to(kind), key], dim=2), torch.cat([before[1].to(kind), value], dim=2)


def orthogonality(model: torch.nn.Module) -> torch.Tensor:
    """Return how far AdaLoRA's matrices are from orthogonal: the mean of ||P'P - I|| (Zhang et al. 2023, eq. 4)."""
    import torch

    products = [
        weight @ weight.T if "lora_A" in name else weight.T @ weight for name, weight in model.named_parameters() if _is_factor(name)
    ]
    return torch.stack([torch.linalg.norm(product - torch.eye(len(product), device=product.device)) for product in products]).mean()


def _is_factor(name: str) -> bool:
    return "lora_A" in name or "lora_B" in name


def _lora(rank: int, targets: str | None) -> Any:
    import peft

    return peft.LoraConfig(r=rank, lora_alpha=SCALE * rank, lora_dropout=0.0, bias="none", target_modules=targets)


def _adalora(rank: int, n_steps: int, targets: str | None) -> Any:
    """Return AdaLoRA's plan: the first tenth of the steps at full rank, the last third at the final one."""
    import peft

    initial, steps = int(OVER_RANK * rank), {"tinit": n_steps // 10, "tfinal": n_steps // 3, "total_step": max(n_steps, 2)}
    shape = {"target_r": rank, "init_r": initial, "lora_alpha": SCALE * initial, "target_modules": targets}
    return peft.AdaLoraConfig(lora_dropout=0.0, **shape, **steps)


def _targets(model: Any) -> str | None:
    """Return where LoRA goes: where peft has it for this kind of encoder (None), else into all of its linear layers."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    return None if model.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING else "all-linear"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep peft's remarks to itself while it builds what we asked for."""
    with catch_warnings():
        simplefilter("ignore")
        yield
