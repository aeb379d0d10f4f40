"""The steps of a run that can be made again: samples from data, a learner, weights from a signal.

They call what a user wrote, on tables that it may change without changing ours, and check what comes back. A run makes each of them
once; the audit makes them again from less data, or from other data.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from quantlab.bars import Bars
from quantlab.blame import blamed
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import DataError, StrategyError, UsageError
from quantlab.executor import Executor, Progress, serial, silent
from quantlab.news import News
from quantlab.strategy import Strategy
from quantlab.walkforward import prepared

log = logging.getLogger(__name__)
Noun = TypeVar("Noun", Bars, News)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run needs besides strategy and data.

    start: first bar of the samples (earlier bars warm the features up); end: nothing after it is read.
    audit: check the run. ablation: also run without the text, with the text alone and with a placebo, and later than decided.
    fresh: reads the strategy's file again for the audit, so that nothing it remembers can help it there.
    cache, executor and progress change how long a run takes and what it shows, never its result.
    """

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    seed: int = 0
    audit: bool = True
    ablation: bool = True
    fresh: Callable[[], Strategy] | None = None
    cache: Cache | None = None
    executor: Executor = serial
    progress: Progress = silent


def samples(strategy: Strategy, dataset: Dataset, start: pd.Timestamp | None) -> tuple[pd.DataFrame, pd.Series]:
    """Return the panel X and the labels y of every (time, symbol) from `start` on at which the symbol has a bar.

    Raises StrategyError if the features are not a panel of finite numbers and news columns on the bars' times and symbols.
    """
    bars = dataset.bars
    with blamed("features"):
        X = strategy.features(_lent(bars), _lent(dataset.news))
    _check_panel(X, bars, _where("features", strategy.features))
    listed = bars.listed.stack().reindex(X.index).to_numpy(dtype=bool)
    if start is not None:
        listed = listed & (X.index.get_level_values(0) >= start)
    if not listed.any():
        raise UsageError(
            f"there is no bar{'' if start is None else f' from {start} on'}: the data runs from {bars.times[0]} to {bars.times[-1]}"
        )
    X = X[listed]
    return X, labels(strategy, bars).reindex(X.index)


def labels(strategy: Strategy, bars: Bars) -> pd.Series:
    """Return the strategy's labels, checked: finite numbers or NaN, one per (time, symbol). Raises StrategyError."""
    with blamed("the target"):
        y = strategy.target(_lent(bars))
    if not isinstance(y, pd.Series) or not isinstance(y.index, pd.MultiIndex) or y.index.nlevels != 2 or not y.index.is_unique:
        raise StrategyError(
            f"{_where('target', strategy.target)} must return a Series with one label per (time, symbol): see quantlab.target"
        )
    if not pd.api.types.is_numeric_dtype(y.dtype) or np.isinf(y.to_numpy(dtype=float)).any():
        raise StrategyError(f"{_where('target', strategy.target)} must return finite numbers, or NaN where there is no label")
    return y


def learner(strategy: Strategy, dataset: Dataset, settings: Settings) -> BaseEstimator:
    """Return the strategy's model, told what it left open: the horizon, the seed, the cache, the names that texts may be masked by."""
    return prepared(
        strategy.model,
        horizon=strategy.target.horizon,
        random_state=settings.seed,
        cache=settings.cache,
        entity_names=[*dataset.bars.symbols, *dataset.names.values()],
    )


def decided(strategy: Strategy, signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Return the strategy's weights for a signal, checked: one row per bar, one column per symbol."""
    with blamed("weights"):
        weights = strategy.weights(signal.copy(deep=False), _lent(bars))
    where = _where("weights", strategy.weights)
    if not isinstance(weights, pd.DataFrame) or not (weights.index.equals(bars.times) and weights.columns.equals(bars.symbols)):
        raise StrategyError(f"{where} must return a DataFrame with the times and symbols of bars: see quantlab.weights")
    odd = [name for name, column in weights.items() if not pd.api.types.is_any_real_numeric_dtype(column.dtype)]
    if odd and not all(isinstance(value, int | float) for value in weights[odd].to_numpy().ravel()):
        raise StrategyError(f"{where} must return numbers, fractions of equity, which those of {odd[0]!s} are not")
    decisions = weights.astype(float)
    traded = decisions[decisions.index.isin(signal.index.get_level_values(0))]  # before its first signal a rule may say nothing
    values = traded.to_numpy()
    lost = np.argwhere(~np.isfinite(values))
    if len(lost):
        row, column = lost[0]
        found = f"{traded.to_numpy()[row, column]} for {traded.columns[column]!s} at {traded.index[row]!r}"
        raise StrategyError(f"{where} gives {found}: 0 means flat, NaN would hold")
    return decisions


def _lent(noun: Noun) -> Noun:
    """Return bars or news whose tables a user's function may change without changing ours: pandas copies them at the first write."""
    lent = copy.copy(noun)
    for field in fields(noun):
        object.__setattr__(lent, field.name, getattr(noun, field.name).copy(deep=False))
    return lent


def _where(part: str, function: Callable[..., object]) -> str:
    """Return `part(arguments)`, with the file and line of a function written in Python."""
    inner = inspect.unwrap(getattr(function, "func", function))
    code = getattr(inner, "__code__", getattr(type(inner).__call__, "__code__", None))
    place = f" ({code.co_filename}, line {code.co_firstlineno})" if code is not None else ""
    return {"features": "features(bars, news)", "target": "target(bars)", "weights": "weights(signal, bars)"}[part] + place


def _check_panel(X: object, bars: Bars, where: str) -> None:
    """Refuse features that are no panel: a wrong shape would be joined to the wrong rows, an infinity would drown a model."""
    if not isinstance(X, pd.DataFrame) or not isinstance(X.index, pd.MultiIndex) or X.index.nlevels != 2:
        raise StrategyError(f"{where} must return a DataFrame indexed by (time, symbol): build it with quantlab.features.panel")
    if not X.index.is_monotonic_increasing or not X.index.is_unique:
        raise StrategyError(f"the rows of {where} must be unique and sorted by (time, symbol): call .sort_index()")
    foreign = ~(X.index.get_level_values(0).isin(bars.times) & X.index.get_level_values(1).isin(bars.symbols))
    if foreign.any():
        raise StrategyError(f"{where} has {int(foreign.sum())} rows that are no (time, symbol) of the bars, first {X.index[foreign][0]}")
    if X.shape[1] == 0 or len(X) == 0:
        raise StrategyError(f"{where} has no {'row' if X.shape[1] else 'column'}: build it with quantlab.features.panel")
    names = [name for name in X.columns if not isinstance(name, str)] or list(X.columns[X.columns.duplicated()])
    if names:
        raise StrategyError(f"the columns of {where} need names that are texts and differ: rename {names[0]!r}")
    _check_values(X, where)


def _check_values(X: pd.DataFrame, where: str) -> None:
    """Refuse what is infinite or complex; say which features are empty."""
    for name, column in X.items():
        if pd.api.types.is_complex_dtype(column.dtype):
            raise StrategyError(f"the feature {name!r} of {where} holds complex numbers: give its parts")
        if pd.api.types.is_numeric_dtype(column.dtype) and (endless := np.isinf(column.to_numpy(dtype=float))).any():
            raise DataError(f"the feature {name!r} is infinite at {X.index[endless][0]}: guard the division that made it")
        if column.isna().all():
            log.warning("the feature %r is missing in every row: a model learns nothing from it", name)
