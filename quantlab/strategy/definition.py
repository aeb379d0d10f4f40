"""The parts of a strategy, refused where they cannot do their work."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import pandas as pd

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.errors import StrategyError, nearest
from quantlab.folds import WalkForward
from quantlab.news import News

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Fill = Literal["open", "close"]


class Target(Protocol):
    """A label: what the model learns to predict, `horizon` bars ahead."""

    @property
    def horizon(self) -> int:
        """How far the label looks ahead, in bars."""
        ...

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
    fill: Fill = "open"
    max_gross: float = 1.0
    benchmark: str | None = None
    cash: float = 1e6
    description: str = ""
    source_hash: str = ""

    def __post_init__(self) -> None:
        """Refuse parts that cannot do their work."""
        _check_name(self.name)
        for part, arguments in (("features", "bars, news"), ("target", "bars"), ("weights", "signal, bars")):
            _check_function(part, getattr(self, part), arguments)
        horizon = getattr(self.target, "horizon", None)
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise StrategyError(f"the target needs a horizon in bars >= 1 (it sets the purge), not {horizon!r}")
        _check_model(self.model)
        for part, kind in (("folds", WalkForward), ("costs", Costs)):
            if not isinstance(getattr(self, part), kind):
                raise StrategyError(f"{part} must be {kind.__name__}(...), not {type(getattr(self, part)).__name__}")
        if self.fill not in (known := get_args(Fill)):
            raise StrategyError(f"fill must be one of {known}, not {self.fill!r}{nearest(str(self.fill), known)}")
        for part in ("max_gross", "cash"):
            value = getattr(self, part)
            if not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and value > 0):
                raise StrategyError(f"{part} must be a number above 0, not {value!r}")
        if not isinstance(self.description, str) or not isinstance(self.benchmark, str | None):
            raise StrategyError(f"description and benchmark are texts, not {self.description!r} and {self.benchmark!r}")


def _check_name(name: object) -> None:
    """Refuse a name that could not be shown or does not do as the name of a folder."""
    fits = isinstance(name, str) and name.isprintable() and name == name.strip() and not any(c in name for c in '/\\:*?"<>|')
    if not isinstance(name, str) or not fits or not name or name.startswith("."):
        raise StrategyError(f"the strategy's name {name!r} must do as the name of a folder: use letters, digits, - and _")


def _check_function(part: str, function: object, arguments: str) -> None:
    """Refuse what cannot be called with these arguments: better now than after the data has been read."""
    if not callable(function):
        raise StrategyError(f"{part} must be callable, not {type(function).__name__}")
    inner = function.func if isinstance(function, partial) else function
    try:
        known = inspect.signature(inner).parameters
    except ValueError:  # a built-in function that does not tell
        return
    takes_any = any(known[name].kind is inspect.Parameter.VAR_KEYWORD for name in known)
    for name in function.keywords if isinstance(function, partial) and not takes_any else ():
        if name not in known:
            raise StrategyError(f"{part}: {getattr(inner, '__name__', inner)} has no option {name!r}{nearest(name, known)}")
    try:
        inspect.signature(function).bind(*arguments.split(", "))
    except (TypeError, ValueError) as error:
        raise StrategyError(f"{part} is called as {part}({arguments}), which its signature does not allow: {error}") from error


def _check_model(model: object) -> None:
    """Refuse what is no estimator, or one that cannot be cloned for each fold."""
    from sklearn.base import clone

    if not all(hasattr(type(model), name) for name in ("fit", "predict", "get_params")):  # of a stack, only a fitted one predicts
        raise StrategyError(f"the model must be a scikit-learn estimator with fit, predict and get_params, not {type(model).__name__}")
    try:
        clone(model)
    except (RuntimeError, TypeError, ValueError) as error:
        raise StrategyError(f"the model cannot be cloned for each fold: {error}") from error
