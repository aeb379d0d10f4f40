"""Settings: `--set folds.train=504` reaches every part of a strategy, and nothing that is misspelt is ignored."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from quantlab.errors import UsageError, nearest
from quantlab.strategy.definition import Strategy

LONGEST_SETTING = 1000  # characters


@dataclass(frozen=True)
class _Setting:
    """A value for the part at `path`; `name` is what the user wrote."""

    path: tuple[str, ...]
    value: object
    name: str


def with_settings(strategy: Strategy, settings: Sequence[str]) -> Strategy:
    """Return the strategy with `NAME=VALUE` settings applied; NAME is a dotted path (`folds.train`, `weights.quantile`, ...).

    Settings of one part are applied together: only what comes out must be valid, whatever their order.
    Raises UsageError for an unknown name, with the nearest known one.
    """
    parsed = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set takes NAME=VALUE, not {setting[:LONGEST_SETTING]!r}")
        if len(setting) > LONGEST_SETTING:
            raise UsageError(f"--set {name[:80]}: a value of {len(text):,} characters is too long: write it into the strategy file")
        parsed.append(_Setting(tuple(name.strip().split(".")), _literal(text.strip()), name))
    changed: Strategy = _changed(strategy, parsed)
    return changed


def _literal(text: str) -> object:
    """Read a number, True (or true), None, a list ... or, failing that, a string."""
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the last two for brackets inside brackets
        return text


def _changed(owner: Any, settings: Sequence[_Setting]) -> Any:
    """Return a copy of `owner` in which the parts that the settings name have their values."""
    if hasattr(owner, "get_params"):
        for setting in settings:
            owner = _with_parameter(owner, setting)
        return owner
    if dataclasses.is_dataclass(owner) and not isinstance(owner, type):
        return _replaced(owner, settings)
    function = owner.func if isinstance(owner, partial) else owner
    for setting in settings:
        if not callable(owner) or len(setting.path) > 1:
            raise UsageError(f"--set {setting.name}: {setting.path[0]!r} is not a setting of a {type(owner).__name__}")
        known = [name for name in inspect.signature(function).parameters if name not in ("signal", "bars", "news", "weights")]
        _must_know(setting, known)
    return partial(owner, **{setting.path[0]: setting.value for setting in settings})


def _replaced(owner: Any, settings: Sequence[_Setting]) -> Any:
    """Return a copy of a dataclass with some fields, or parts of them, replaced."""
    parts: dict[str, Any] = {}
    inside: dict[str, list[_Setting]] = {}
    for setting in settings:
        _must_know(setting, [item.name for item in dataclasses.fields(owner) if item.name != "source_hash"])
        head, *rest = setting.path
        if rest:
            inside.setdefault(head, []).append(dataclasses.replace(setting, path=tuple(rest)))
        else:
            parts[head] = setting.value
    parts |= {head: _changed(parts.get(head, getattr(owner, head)), those) for head, those in inside.items()}
    return dataclasses.replace(owner, **parts)


def _with_parameter(model: Any, setting: _Setting) -> Any:
    """Set a parameter of a learner; steps may be left out where the rest is unique (`model.n_topics`)."""
    from sklearn.base import clone

    path = list(setting.path)
    known = {parameter: parameter.split("__") for parameter in model.get_params(deep=True)}
    meant = [parameter for parameter, steps in known.items() if _within(path, steps)]
    exact = [parameter for parameter in meant if known[parameter] == path]
    if not meant:
        leaves = sorted({steps[-1] for steps in known.values()})
        raise UsageError(f"--set {setting.name}: no learner has a parameter {path[-1]!r}{nearest(path[-1], leaves)}")
    if len(meant) > 1 and not exact:
        shown = ", ".join(f"{setting.name.split('.')[0]}.{parameter.replace('__', '.')}" for parameter in sorted(meant))
        raise UsageError(f"--set {setting.name} could mean any of {shown}: write it out")
    return clone(model).set_params(**{(exact or meant)[0]: setting.value})


def _within(path: list[str], steps: list[str]) -> bool:
    """Return True if `path` is a subsequence of `steps` that ends where they end."""
    rest = iter(steps)
    return path[-1] == steps[-1] and all(part in rest for part in path)


def _must_know(setting: _Setting, known: Sequence[str]) -> None:
    head = setting.path[0]
    if head not in known:
        raise UsageError(f"--set {setting.name}: unknown name {head!r}{nearest(head, known)}; known: {', '.join(known) or 'none'}")
