"""What comes out of a sweep: values only."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from quantlab.result import Json


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One variant. settings: the swept ones, by dotted name; for the strategy as it stands, what it has is not named.

    own: whether it is the strategy as it stands in its file. trial_id: what the ledger counts it by, empty if it failed.
    figures: total_return, sharpe, sharpe_low, sharpe_high, max_drawdown, ic_mean, turnover on the common sessions; empty if it failed.
    error: what went wrong, None if nothing did.
    """

    settings: Mapping[str, Json]
    own: bool = False
    trial_id: str = ""
    figures: Mapping[str, float] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Chosen:
    """One choice of the nested selection.

    start, end: the sessions whose weights it decided. variant: its place in `SweepResult.variants`.
    sharpe: annualised, of the sessions before `start`: all that the choice knew; NaN if there was nothing to know. n_known: how many.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    variant: int
    sharpe: float
    n_known: int


@dataclass(frozen=True)
class Nested:
    """What choosing by past performance earned: returns net of costs, (n_sessions,), switching included; its figures; the choices."""

    returns: pd.Series
    figures: Mapping[str, float]
    choices: tuple[Chosen, ...]


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A finished sweep. A variant is named by its place in `variants`; figures are as in `Tried`.

    choices: what each setting could be, a range as text. n_asked: trials that a search was given, None for a grid.
    returns: net of costs, (n_common, n_worked), a column per variant that worked. n_left_out: sessions that not every variant has.
    nested: the claim; after a search it begins later than `returns`, where the search has not looked.
    hindsight: the variant with the highest Sharpe ratio over the sessions of the claim; its figures are over those, too.
    own: the strategy as it stands, or the first variant that worked if that failed; likewise.
    deflated: probability that the best in hindsight has more skill than the best of as many without any would show (2014).
    pbo: probability of backtest overfitting (2017): how often the best of one half is no better than the median of the other; may be NaN.
    periods: sessions a year.
    """

    sweep_id: str
    strategy: str
    dataset: str
    choices: Mapping[str, Json]
    n_asked: int | None
    variants: tuple[Tried, ...]
    returns: pd.DataFrame
    n_left_out: int
    nested: Nested
    hindsight: int
    hindsight_figures: Mapping[str, float]
    own: int
    own_figures: Mapping[str, float]
    deflated: float
    pbo: float
    periods: float
    notes: tuple[str, ...]

    @property
    def worked(self) -> tuple[int, ...]:
        """The places of the variants that did not fail."""
        return tuple(place for place, tried in enumerate(self.variants) if tried.error is None)

    @property
    def n_switches(self) -> int:
        """How often the nested selection changed from one variant to another."""
        places = [choice.variant for choice in self.nested.choices]
        return sum(one != other for one, other in itertools.pairwise(places))
