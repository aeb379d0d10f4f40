"""Combinatorial purged cross-validation: one strategy, several histories (Lopez de Prado 2018, chapter 12).

1. The bars are cut into `n_groups` groups. Every choice of `n_test` of them is a split: fit on the others, predict these.
2. Training bars whose labels touch a test group are left out on both sides of it: the target's horizon, and the folds' embargo.
3. Each group is predicted in several splits; taking one prediction for each gives a path, a signal over the whole span.
4. Each path is traded like any signal. Six groups, two of them tested: 15 splits, 5 paths.

It is a distribution and never the headline: most splits train on what came *after* their test, which nobody could have done. What it
says is how much the figure depends on which history the model was shown; what the strategy would have earned, walk-forward says.

The splits and paths come from the package `purgedcv`, an option, behind `Design`: nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone

from quantlab import metrics
from quantlab.dataset import Dataset
from quantlab.errors import StrategyError, UsageError
from quantlab.portfolio import simulate
from quantlab.repro import one_thread
from quantlab.run import Settings, decided, learner, samples
from quantlab.strategy import Strategy
from quantlab.walkforward.fold import is_classifier

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The bars, by position, that one fit learns from and those that it predicts."""

    train: Positions
    test: Positions


@dataclass(frozen=True)
class Design:
    """All splits, and which of them predicts each bar on each path, (n_paths, n_bars)."""

    splits: tuple[Split, ...]
    paths: Positions


@dataclass(frozen=True)
class Paths:
    """How the strategy fared on each path, (n_paths,) rows of `sharpe` (annualised), `ic_mean` and `total_return` (net of costs).

    signals: the signal of each path, (n_rows, n_paths), over (time, symbol).
    """

    table: pd.DataFrame
    signals: pd.DataFrame
    n_splits: int


@dataclass(frozen=True)
class _Task:
    """All that one split needs, so that any process can do it."""

    model: BaseEstimator
    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame

    def __str__(self) -> str:
        """Say which split it is."""
        times = self.X_test.index.get_level_values(0)
        return f"the split tested on {len(self.X_test)} rows from {times.min().date()} to {times.max().date()}"


def combinatorial_paths(
    strategy: Strategy, dataset: Dataset, settings: Settings | None = None, *, n_groups: int = 6, n_test: int = 2
) -> Paths:
    """Return the paths of a strategy, C(n_groups - 1, n_test - 1) of them, from C(n_groups, n_test) fits.

    Raises UsageError if `purgedcv` is not installed, or if the groups cannot be; StrategyError if a split has nothing to learn from.
    """
    settings = settings or Settings()
    dataset = dataset if settings.end is None else dataset.until(settings.end)
    X, y = samples(strategy, dataset, settings.start)
    times = pd.DatetimeIndex(X.index.get_level_values(0).unique())
    plan = design(len(times), strategy.target.horizon, embargo=strategy.folds.embargo, n_groups=n_groups, n_test=n_test)
    bar = times.get_indexer(X.index.get_level_values(0))  # of each row
    if is_classifier(strategy.model) and not set(y.dropna().unique()) <= {-1.0, 0.0, 1.0}:
        raise StrategyError("a classifier needs the labels -1, 0 and 1: use target=Direction(...) or a regressor")
    model = learner(strategy, dataset, settings)
    done = settings.executor(_predicted, _tasks(model, X, y, bar, plan))
    of_split = list(settings.progress(done, "splits", len(plan.splits)))
    signals = pd.DataFrame(_stitched(of_split, bar, plan), index=X.index).rename_axis(columns="path")
    table = pd.DataFrame([_judged(strategy, dataset, signals[path].rename("signal"), y) for path in signals], index=signals.columns)
    return Paths(table, signals, len(plan.splits))


def design(n_bars: int, horizon: int, *, embargo: int = 0, n_groups: int = 6, n_test: int = 2) -> Design:
    """Return the splits of n_bars bars and the paths through them, for labels that look `horizon` bars ahead.

    The label of bar t ends at the open of t + 1 + horizon, so bars closer than that (and the embargo) to a test bar are not learned from.
    """
    if not 1 <= n_test < n_groups:
        raise UsageError(f"n_test must be at least 1 and less than n_groups ({n_groups}), not {n_test!r}")
    if n_bars < 2 * n_groups:
        raise UsageError(f"{n_bars} bars cannot be cut into {n_groups} groups of two or more: use more data, or a smaller n_groups")
    try:
        from purgedcv import CombinatorialPurgedCV, reconstruct_paths
    except ImportError as error:
        raise UsageError("combinatorial cross-validation needs the package purgedcv: pip install purgedcv") from error

    day = pd.Timedelta(1, "D")  # the splitter wants instants: bar t is day t, and its label lasts until day t + 1 + horizon
    decided_at = pd.Series(pd.Timestamp(0) + np.arange(n_bars) * day)
    splitter = CombinatorialPurgedCV(
        n_groups, n_test, prediction_times=decided_at, evaluation_times=decided_at + (1 + horizon) * day, purge_horizon=embargo * day
    )
    splits = tuple(Split(train, test) for train, test in splitter.split(np.empty((n_bars, 1))))
    number = [np.full(len(split.test), float(k)) for k, split in enumerate(splits)]
    paths = reconstruct_paths(number, [split.test for split in splits], n_groups, n_test, n_bars)
    return Design(splits, paths.astype(np.int64))


def _tasks(model: BaseEstimator, X: pd.DataFrame, y: pd.Series, bar: Positions, plan: Design) -> Iterator[_Task]:
    """Yield the rows of each split."""
    labelled = y.notna().to_numpy()
    for split in plan.splits:
        train = np.isin(bar, split.train) & labelled
        if not train.any():
            raise StrategyError("a split has no labelled row to learn from: use more data, fewer groups or a shorter horizon")
        yield _Task(model, X[train], y[train], X[np.isin(bar, split.test)])


def _predicted(task: _Task) -> npt.NDArray[np.float64]:
    """Fit a fresh clone and return its prediction of the test rows, (n_test_rows,); for a classifier the mean of its classes."""
    with one_thread():
        classifier = is_classifier(task.model)
        model = clone(task.model).fit(task.X_train, task.y_train.astype(int) if classifier else task.y_train)
        values = model.predict_proba(task.X_test) @ model.classes_ if classifier else model.predict(task.X_test)
    return np.asarray(values, dtype=float)


def _stitched(of_split: list[npt.NDArray[np.float64]], bar: Positions, plan: Design) -> npt.NDArray[np.float64]:
    """Return the signal of each path, (n_rows, n_paths): every row from the one split that predicts its bar on that path."""
    stitched = np.full((len(bar), len(plan.paths)), np.nan)
    for number, (split, values) in enumerate(zip(plan.splits, of_split, strict=True)):
        rows = np.flatnonzero(np.isin(bar, split.test))
        row, path = np.nonzero(np.isin(plan.paths[:, bar[rows]].T, number))  # of (n_test_rows, n_paths)
        stitched[rows[row], path] = values[row]
    return stitched


def _judged(strategy: Strategy, dataset: Dataset, signal: pd.Series, y: pd.Series) -> dict[str, float]:
    """Trade a path's signal and return its figures."""
    times = signal.index.get_level_values(0)
    span = dataset.bars.between(times[0], times[-1])
    weights = decided(strategy, signal, dataset.bars).loc[span.times]
    portfolio = simulate(weights, span, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross)
    return {
        "sharpe": metrics.sharpe(portfolio.returns, periods=dataset.sessions_per_year),
        "ic_mean": float(metrics.information_coefficient(signal, y).mean()),
        "total_return": metrics.total_return(portfolio.returns),
    }
