"""What a parameter may be: each check refuses a value with its owner, its name and what would do (UsageError)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from quantlab.errors import UsageError, nearest

TASKS: Final = ("auto", "regression", "classes")


def whole(owner: object, name: str, least: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    value = getattr(owner, name)
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be a whole number >= {least}")


def number(owner: object, name: str, *, above: float = -np.inf, least: float = -np.inf, below: float = np.inf) -> None:
    """Refuse what is not a finite number above `above`, at least `least` and below `below`."""
    value = getattr(owner, name)
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not (above < value < below and value >= least):
        bounds = [f"> {above:g}"] * (above > -np.inf) + [f">= {least:g}"] * (least > -np.inf) + [f"< {below:g}"] * (below < np.inf)
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be a number {' and '.join(bounds)}")


def choice(owner: object, name: str, known: Sequence[str]) -> None:
    """Refuse what is none of the words known."""
    value = getattr(owner, name)
    if value not in known:
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} is none of {tuple(known)}{nearest(str(value), known)}")


def switch(owner: object, name: str) -> None:
    """Refuse what is neither True nor False."""
    value = getattr(owner, name)
    if not isinstance(value, bool):
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be True or False")


def text_encoder(encoder: Any) -> None:
    """Refuse parameters of a TextEncoder that are out of range or contradict each other."""
    for name, least in {"n_components": 1, "max_documents": 1, "n_blocks": 2, "max_tokens": 8}.items():
        whole(encoder, name, least)
    for name in ("horizon", "random_state"):
        if getattr(encoder, name) is not None:
            whole(encoder, name, 0)
    number(encoder, "half_life_hours", above=0)
    choice(encoder, "task", TASKS)
    for name in ("warm_start", "continual", "mask_entities"):
        switch(encoder, name)
    if encoder.dead_zone is not None:
        number(encoder, "dead_zone", least=0)
        if encoder.task == "regression":
            raise UsageError(f"TextEncoder: dead_zone={encoder.dead_zone!r} makes classes of numbers: leave out task='regression'")
