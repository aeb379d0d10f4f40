"""The stages of a run, each of which can be made again from the ones before it.

A run is a chain: documents and features from the data, labels from the bars, the signal from features and labels, weights from signal and
bars, orders from weights and bars. To compare two runs, each stage is made again from the *whole run's* inputs, as far as they were known:
if every link gives the same, so does the chain; and a difference names the link at fault, not all that follow from it.

A signal is made again for one fold only, the one that holds the cut. An earlier fold has the same training and test rows as in the
whole run (that is what the comparison of features and labels says), so it would be fitted again for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import pandas as pd
from sklearn.base import BaseEstimator

from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.folds import Fold
from quantlab.portfolio import simulate
from quantlab.result import OutOfSample, Portfolio
from quantlab.steps import Settings, decided, learner, samples
from quantlab.strategy import Strategy
from quantlab.walkforward import walk_forward


class Engine(Protocol):
    """What turns weights into a portfolio: `quantlab.portfolio.simulate`, or one that is to be audited in its place."""

    def __call__(
        self, weights: pd.DataFrame, bars: Bars, costs: Costs, *, cash: float, fill: Literal["open", "close"], max_gross: float
    ) -> Portfolio:
        """Return what the weights would have earned."""
        ...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is audited. fresh: gives the strategy as if its file had just been read, so that nothing it remembers can help it.

    refits: models are fitted again at each cut, and orders made again, as the full audit does; a back-test leaves its signal as it is.
    """

    strategy: Strategy
    dataset: Dataset
    settings: Settings
    fresh: Callable[[], Strategy]
    engine: Engine = simulate
    refits: bool = True

    @property
    def horizon(self) -> int:
        """Bars that a label looks ahead."""
        return self.strategy.target.horizon

    @property
    def times(self) -> pd.DatetimeIndex:
        """The closes of all bars."""
        return self.dataset.bars.times

    def place(self, time: pd.Timestamp) -> int:
        """Return the position of a bar."""
        return int(self.times.searchsorted(time))


@dataclass(frozen=True)
class Stages:
    """What a run makes on the way; `features` holds the documents too, in its news columns."""

    features: pd.DataFrame
    labels: pd.Series
    signals: OutOfSample
    weights: pd.DataFrame
    portfolio: Portfolio

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds, in order."""
        return tuple(fit.fold for fit in self.signals.fits)

    @property
    def first_decision(self) -> pd.Timestamp:
        """The first bar out of sample."""
        return self.folds[0].test_start


def whole_run(subject: Subject) -> Stages:
    """Return the stages of the run on all the data, as a back-test makes them."""
    strategy, bars = subject.strategy, subject.dataset.bars
    X, y = samples(strategy, subject.dataset, subject.settings.start)
    signals = relearned(subject, strategy, X, y, folds_of(subject, X), cache=subject.settings.cache)
    weights = decided(strategy, signals.signal, bars)
    span = bars.between(signals.fits[0].fold.test_start, signals.fits[-1].fold.test_end)
    return Stages(X, y, signals, weights.loc[span.times], traded(subject, weights.loc[span.times], span))


def folds_of(subject: Subject, X: pd.DataFrame) -> list[Fold]:
    """Return the folds over the times of a panel."""
    return list(subject.strategy.folds.split(pd.DatetimeIndex(X.index.get_level_values(0).unique()), subject.horizon))


def relearned(
    subject: Subject, strategy: Strategy, X: pd.DataFrame, y: pd.Series, folds: Sequence[Fold], *, cache: Cache | None
) -> OutOfSample:
    """Return the signal of some folds, fitted on what X and y hold."""
    return walk_forward(ready_model(subject, strategy, cache), X, y, folds, cache=cache)


def ready_model(subject: Subject, strategy: Strategy, cache: Cache | None) -> BaseEstimator:
    """Return the strategy's model as a run fits it."""
    return learner(strategy, subject.dataset, replace(subject.settings, cache=cache))


def traded(subject: Subject, weights: pd.DataFrame, bars: Bars) -> Portfolio:
    """Return the portfolio of some weights on the bars of the same times."""
    strategy = subject.strategy
    return subject.engine(weights, bars, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross)


def fold_at(whole: Stages, cut: pd.Timestamp) -> Fold:
    """Return the fold whose test window holds the cut, as far as it was known then."""
    fold = [fold for fold in whole.folds if fold.test_start <= cut][-1]
    return replace(fold, test_end=min(fold.test_end, cut))


def refitted_folds(subject: Subject, whole: Stages, cut: pd.Timestamp) -> list[Fold]:
    """Return the folds to fit again for a cut: its own, and those before if a learner goes on from one fold to the next."""
    last = fold_at(whole, cut)
    parts = subject.strategy.model.get_params(deep=True).values()
    if not any(getattr(part, "continues", False) for part in parts):
        return [last]
    return [*(fold for fold in whole.folds if fold.test_start < last.test_start), last]
