"""What a parameter may be: each check refuses a value with its owner, its name and what would do (UsageError)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from quantlab.cache import Cache
from quantlab.errors import UsageError, nearest

TASKS: Final = ("auto", "regression", "classes")


def whole(owner: object, name: str, least: int, *, also: str = "") -> None:
    """Refuse what is not a whole number of at least `least`; also: what else would do, for the message."""
    value = getattr(owner, name)
    if not _is_whole(value, least):
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be a whole number >= {least}{also and f', or {also}'}")


def whole_numbers(owner: object, name: str, least: int) -> None:
    """Refuse what is no sequence of one or more whole numbers of at least `least`."""
    value = getattr(owner, name)
    if not isinstance(value, Sequence | np.ndarray) or len(value) == 0 or not all(_is_whole(one, least) for one in value):
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be whole numbers >= {least}, such as (5, 10, 20)")


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


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


def optional(owner: object, name: str, *kinds: type) -> None:
    """Refuse what is neither None nor of one of these kinds."""
    value = getattr(owner, name)
    if value is not None and not isinstance(value, kinds):
        wanted = " or a ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{type(owner).__name__}: {name}={value!r} must be a {wanted}, or None")


def half_life(owner: Any) -> None:
    """Refuse a half_life_hours that is not a positive number; with an infinite one all documents count alike."""
    if owner.half_life_hours != np.inf:
        number(owner, "half_life_hours", above=0)


def seed(owner: Any) -> None:
    """Refuse a random_state that is neither None nor a whole number of at least 0."""
    if owner.random_state is not None:
        whole(owner, "random_state", 0)


def blocks(owner: Any, n_bars: int) -> None:
    """Refuse more blocks of time than there are bars to put into them."""
    if owner.n_blocks > n_bars:
        fix = f"give n_blocks={n_bars} or fewer, or train on more bars" if n_bars > 1 else "train on more bars"
        raise UsageError(f"{type(owner).__name__}: n_blocks={owner.n_blocks!r}, but the training rows have {n_bars} bars to cut: {fix}")


def text_encoder(encoder: Any) -> None:
    """Refuse parameters of a TextEncoder that are out of range or contradict each other."""
    for name, least in {"n_components": 1, "max_documents": 1, "n_blocks": 2, "max_tokens": 8}.items():
        whole(encoder, name, least)
    if encoder.horizon is not None:
        whole(encoder, "horizon", 0)
    seed(encoder)
    half_life(encoder)
    optional(encoder, "checkpoint", str, Path)
    optional(encoder, "cache", Cache)
    choice(encoder, "task", TASKS)
    for name in ("warm_start", "continual", "mask_entities"):
        switch(encoder, name)
    if encoder.dead_zone is not None:
        number(encoder, "dead_zone", least=0)
        if encoder.task == "regression":
            raise UsageError(f"TextEncoder: dead_zone={encoder.dead_zone!r} makes classes of numbers: leave out task='regression'")
