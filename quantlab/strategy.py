"""Strategy: what a user writes, and how a file becomes one."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.errors import StrategyError, UsageError, nearest
from quantlab.folds import WalkForward
from quantlab.news import News

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

MODULE_PREFIX = "quantlab_strategy_"


class Target(Protocol):
    """A label: what the model learns to predict, `horizon` bars ahead."""

    horizon: int

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the label of each (time, symbol), NaN where there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """Everything that decides what is traded. Raises StrategyError if a part is missing or of the wrong kind.

    features(bars, news): one row per (time, symbol), known at that time; nothing in it learns.
    target(bars): the label; its `horizon` (in bars) sets the purge.
    model: any scikit-learn regressor or classifier; everything that learns is inside it.
    weights(signal, bars): fraction of equity per (time, symbol), decided at the close.
    fill: trade at the next bar's open or close. max_gross: limit on the sum of absolute weights.
    benchmark: a symbol, or None for the data set's own (an equal weight of all names if it has none).
    """

    name: str
    features: Callable[[Bars, News], pd.DataFrame]
    target: Target
    model: BaseEstimator
    weights: Callable[[pd.Series, Bars], pd.DataFrame]
    folds: WalkForward = field(default_factory=WalkForward)
    costs: Costs = field(default_factory=Costs)
    fill: Literal["open", "close"] = "open"
    max_gross: float = 1.0
    benchmark: str | None = None
    cash: float = 1e6
    description: str = ""
    source_hash: str = ""

    def __post_init__(self) -> None:
        """Refuse parts that cannot do their work."""
        if not self.name or self.name != self.name.strip() or any(c in self.name for c in '/\\:*?"<>|\0') or self.name.startswith("."):
            raise StrategyError(f"the strategy's name {self.name!r} must do as the name of a folder: use letters, digits, - and _")
        for part in ("features", "target", "weights"):
            if not callable(getattr(self, part)):
                raise StrategyError(f"{part} must be callable, not {type(getattr(self, part)).__name__}")
        horizon = getattr(self.target, "horizon", None)
        if not isinstance(horizon, int) or horizon < 1:
            raise StrategyError(f"the target needs a horizon in bars >= 1 (it sets the purge), not {horizon!r}")
        if not all(hasattr(type(self.model), name) for name in ("fit", "predict", "get_params")):  # of a stack, only a fitted one predicts
            raise StrategyError(
                f"the model must be a scikit-learn estimator with fit, predict and get_params, not {type(self.model).__name__}"
            )
        for part, kind in (("folds", WalkForward), ("costs", Costs)):
            if not isinstance(getattr(self, part), kind):
                raise StrategyError(f"{part} must be {kind.__name__}(...), not {type(getattr(self, part)).__name__}")


def load_strategy(path: Path) -> Strategy:
    """Return the object named `strategy` in a Python file. The file is code and is run; StrategyError says what is wrong with it."""
    path = Path(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise StrategyError(f"cannot read the strategy file {path}: {error.strerror}: check the path") from error
    module = _executed(path)
    strategy = getattr(module, "strategy", None)
    if strategy is None:
        raise StrategyError(f"{path} defines no `strategy`{nearest('strategy', vars(module))}: end the file with strategy = Strategy(...)")
    if not isinstance(strategy, Strategy):
        raise StrategyError(f"`strategy` in {path} is of type {type(strategy).__name__}: it must be a quantlab.Strategy(...)")
    said = inspect.getdoc(module) or ""
    return dataclasses.replace(strategy, description=strategy.description or said, source_hash=hashlib.sha256(source).hexdigest())


def _executed(path: Path) -> ModuleType:
    """Run a strategy file as a module of its own, which worker processes receive by value."""
    import cloudpickle

    name = MODULE_PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{path} is not a Python file: a strategy is a .py file that defines `strategy`")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes defined in the file look their module up
    try:
        spec.loader.exec_module(module)
    except UsageError as error:
        raise StrategyError(f"{_place(path, error)}: {error}") from error
    except (Exception, SystemExit) as error:
        raise StrategyError(f"{_place(path, error)} raises {type(error).__name__}: {error}") from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _place(path: Path, error: BaseException) -> str:
    """Return `file, line n` of the last line of the strategy file that an error passed through."""
    if isinstance(error, SyntaxError):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    return f"{path}, line {lines[-1]}" if lines else str(path)


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
            raise UsageError(f"--set takes NAME=VALUE, not {setting!r}")
        parsed.append(_Setting(tuple(name.strip().split(".")), _literal(text.strip()), name))
    changed: Strategy = _changed(strategy, parsed)
    return changed


def _literal(text: str) -> object:
    """Read a number, True (or true), None, a list ... or, failing that, a string."""
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
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
        raise UsageError(f"--set {setting.name}: unknown name {head!r}{nearest(head, known)}; known: {', '.join(known)}")
