"""Variants of one strategy on one data set, each thing computed once.

1. The panel depends on `features` alone, the signal on features, target, model and folds: each is remembered by what determines it.
2. A variant that differs in its weights alone costs one weight rule: all of them are simulated in one call. One that differs in costs,
   cash, fill or limit costs a simulation of its own.
3. A fit that failed is not tried again for the next variant that needs it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from quantlab import metrics
from quantlab.bars import Bars
from quantlab.cache import key
from quantlab.dataset import Dataset
from quantlab.folds import Fold
from quantlab.news import News
from quantlab.portfolio import simulate, simulate_many
from quantlab.provenance import trial_id
from quantlab.repro import described
from quantlab.result import OutOfSample
from quantlab.run import Settings, decided, predicted
from quantlab.strategy import Strategy


@dataclass(frozen=True)
class Outcome:
    """What a variant earned: returns net of costs and turnover, (n_times,); the IC of each session; its folds; what counts it."""

    strategy: Strategy
    trial_id: str
    returns: pd.Series
    turnover: pd.Series
    ic: pd.Series
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class Bench:
    """Runs variants on a data set, and remembers panels and signals by what determines them."""

    dataset: Dataset
    settings: Settings
    _panels: dict[str, pd.DataFrame] = field(default_factory=dict)
    _signals: dict[str, OutOfSample | Exception] = field(default_factory=dict)
    _coefficients: dict[str, pd.Series] = field(default_factory=dict)
    _earned: dict[str, tuple[str, pd.Series, pd.Series]] = field(default_factory=dict)

    @functools.cached_property
    def read(self) -> Dataset:
        """The data set, as far as it may be read."""
        return self.dataset if self.settings.end is None else self.dataset.until(self.settings.end)

    @property
    def bars(self) -> Bars:
        """The bars, as far as they may be read."""
        return self.read.bars

    def prepare(self, strategies: Sequence[Strategy]) -> None:
        """Trade variants of one signal together, as far as they share costs, cash, fill and limit: a call costs more than a variant.

        Where one of them cannot be traded, none is prepared: `outcome` then trades them one by one, and says which it is.
        """
        groups: dict[str, list[Strategy]] = {}
        for strategy in strategies:
            groups.setdefault(key(described((strategy.costs, strategy.cash, strategy.fill, strategy.max_gross))), []).append(strategy)
        for group in groups.values():
            with contextlib.suppress(Exception):
                weights = [self._decided(strategy) for strategy in group]
                many = simulate_many(weights, self._span(group[0]), **_terms(group[0]))
                for strategy, table, earned in zip(group, weights, many, strict=True):
                    self._earned[strategy_key(strategy)] = (trial_id(strategy, self.read, table), *earned)

    def outcome(self, strategy: Strategy) -> Outcome:
        """Return what a variant earned, as a run of it would have; whatever goes wrong is raised."""
        found = self._earned.pop(strategy_key(strategy), None)
        if found is None:
            weights = self._decided(strategy)
            portfolio = simulate(weights, self._span(strategy), **_terms(strategy))
            found = trial_id(strategy, self.read, weights), portfolio.returns, portfolio.turnover
        folds = tuple(fit.fold for fit in self.signals(strategy).fits)
        return Outcome(strategy, *found, self._coefficient(strategy), folds)

    def _decided(self, strategy: Strategy) -> pd.DataFrame:
        return self.weights(strategy).loc[self._span(strategy).times]

    def _span(self, strategy: Strategy) -> Bars:
        """Return the bars from a variant's first test session to its last."""
        fits = self.signals(strategy).fits
        return self.bars.between(fits[0].fold.test_start, fits[-1].fold.test_end)

    def weights(self, strategy: Strategy) -> pd.DataFrame:
        """Return what a variant decided, (n_times, n_symbols), over all bars; 0 before its first out-of-sample bar."""
        return decided(strategy, self.signals(strategy).signal, self.bars).copy()

    def _coefficient(self, strategy: Strategy) -> pd.Series:
        """Return the IC of each session, computed once for each signal."""
        name = signal_key(strategy)
        if name not in self._coefficients:
            signal = self.signals(strategy).signal
            self._coefficients[name] = metrics.information_coefficient(signal, strategy.target(self.bars).reindex(signal.index))
        return self._coefficients[name]

    def signals(self, strategy: Strategy) -> OutOfSample:
        """Return the out-of-sample signal of a variant, fitted at its first use."""
        name = signal_key(strategy)
        if name not in self._signals:
            try:
                found = predicted(self._with_panel(strategy), self.dataset, replace(self.settings, ablation=False))
                self._signals[name] = replace(found, text=pd.DataFrame(index=found.signal.index))  # large, and nobody asks for it here
            except Exception as error:  # kept, and raised below each time
                self._signals[name] = error
        known = self._signals[name]
        if isinstance(known, Exception):
            raise known
        return known

    def _with_panel(self, strategy: Strategy) -> Strategy:
        """Return the strategy with features that are computed at their first use, and remembered."""
        name = panel_key(strategy)

        def features(bars: Bars, news: News) -> pd.DataFrame:
            """Return the panel, made once for variants with the same features."""
            if name not in self._panels:
                self._panels.clear()  # panels are large: only the last one is kept, and variants come sorted by their features
                self._panels[name] = strategy.features(bars, news)
            return self._panels[name]

        functools.update_wrapper(features, strategy.features, updated=())
        return replace(strategy, features=features)


def _terms(strategy: Strategy) -> dict[str, Any]:
    """Return on what terms a strategy trades, as the simulator takes them."""
    return {"costs": strategy.costs, "cash": strategy.cash, "fill": strategy.fill, "max_gross": strategy.max_gross}


def strategy_key(strategy: Strategy) -> str:
    """Return a sha256 of all that decides what a strategy trades."""
    return key(described(replace(strategy, description="")))


def signal_key(strategy: Strategy) -> str:
    """Return a sha256 of everything in a strategy that determines its signal; data, span and seed are the bench's."""
    return key(described((strategy.features, strategy.target, strategy.model, strategy.folds)))


def panel_key(strategy: Strategy) -> str:
    """Return a sha256 of what determines the panel."""
    return key(described(strategy.features))
