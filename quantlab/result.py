"""What comes out of a run: values only, everything that a report needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

import pandas as pd

from quantlab.dataset import Dataset
from quantlab.folds import Fold

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

EXAMPLES = "examples"  # among what a learner says it learned: headlines, and what each of their words added to its score


@dataclass(frozen=True)
class FoldFit:
    """What happened in one fold.

    n_train, n_test: rows. fit_end: for the model and each thing inside it that learned, the last bar it learned from.
    importance: share of each feature in the fitted model (sums to 1), empty where the model has none.
    learned: what learners say about themselves, by name (top words of topics, training loss, ...), JSON only.
    groups: for each feature that a text learner made, the name of its step (`sentiment`, `lda_topics`, ...); others are not in it.
    contribution: mean absolute contribution of each feature to the predictions of the test rows, in units of the signal.
    """

    fold: Fold
    n_train: int
    n_test: int
    fit_end: Mapping[str, pd.Timestamp]
    importance: Mapping[str, float] = field(default_factory=dict)
    learned: Mapping[str, Json] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    contribution: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OutOfSample:
    """The signal, a Series over (time, symbol) of test rows only, and how each fold was fitted.

    is_probability: True if the signal is P(up) - P(down) of a classifier, so that (1 + signal) / 2 is a probability.
    text: what the text learners made of the test rows, (n_rows, n_text_features), on the index of the signal; no column without them.
    variants: the signal with other columns by name, see `Variant`; empty if nobody asked.
    n_unlabelled: rows of the training windows that were left out, as they have no label.
    """

    signal: pd.Series
    fits: tuple[FoldFit, ...]
    is_probability: bool = False
    text: pd.DataFrame = field(default_factory=pd.DataFrame)
    variants: Mapping[str, pd.Series] = field(default_factory=dict)
    n_unlabelled: int = 0


@dataclass(frozen=True)
class Variant:
    """The same strategy over the same folds with other columns, to tell what the text added.

    name: `no_text` (without the text features), `text_only`, or `placebo` (the text features dealt out to other symbols and dates).
    signal: as the strategy's own; returns: net of costs, (n_times,); turnover: (n_times,).
    """

    name: str
    signal: pd.Series
    returns: pd.Series
    turnover: pd.Series


@dataclass(frozen=True)
class Delayed:
    """The same weights traded `n_bars` later than the strategy does: returns before costs and turnover, each (n_times,)."""

    n_bars: int
    gross_returns: pd.Series
    turnover: pd.Series


@dataclass(frozen=True)
class Trials:
    """How often a strategy family was tried, this run included: what the deflated Sharpe ratio allows for.

    n: distinct trials, >= 1: runs that decide otherwise, on other data or on other terms.
    sharpes: per-period Sharpe ratios of the others, as far as they are known.
    source: `alone` (nobody counted), `ledger` or `given` (--trials). notes: what is odd about the count, for the report.
    """

    n: int = 1
    sharpes: tuple[float, ...] = ()
    source: str = "alone"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """What the weights earned. Times are bar closes; money is in the currency of the bars.

    equity: value at each close, (n_times,); the capital before the first bar is `cash`.
    returns: simple, net of costs, (n_times,); gross_returns: the same with fees and slippage added back.
    turnover: traded value / equity before trading, both sides counted, (n_times,).
    fees, slippage: money paid, (n_times,).
    positions: shares held after the bar, (n_times, n_symbols); exposure: value / equity, (n_times, n_symbols).
    orders: time, decided_at, symbol, side (buy/sell), size, price (after slippage), fee, slippage, reason (target/delisted).
    cut: orders filled short of what was asked: time, symbol, asked, filled (shares, signed).
    trades: round trips: symbol, side (long/short), entry_time, exit_time (NaT while open), size, entry_price, exit_price,
        pnl (net of fees), return.
    """

    cash: float
    equity: pd.Series
    returns: pd.Series
    gross_returns: pd.Series
    turnover: pd.Series
    fees: pd.Series
    slippage: pd.Series
    positions: pd.DataFrame
    exposure: pd.DataFrame
    orders: pd.DataFrame
    cut: pd.DataFrame
    trades: pd.DataFrame


Stage: TypeAlias = Literal["documents", "features", "labels", "folds", "signal", "weights", "orders"]
Verdict: TypeAlias = Literal["held", "leak", "blind", "noted", "not applicable", "not tried"]


@dataclass(frozen=True)
class Finding:
    """One thing that depends on what came later.

    stage, column: where it shows; time, symbol: the first row; value: of the whole run; other: of the run that could not know.
    n_rows: rows that differ. cut: what the other run knew, in words. cause: the likely one, in words, with what to do.
    """

    stage: Stage
    column: str
    time: pd.Timestamp | None
    symbol: str
    value: str
    other: str
    n_rows: int
    cut: str
    cause: str

    def __str__(self) -> str:
        """`features, volume_z, AAA at 2021-03-04: 0.31 with the future, 0.28 without: ...`."""
        place = [self.stage, self.column, f"{self.symbol} at {self.time.isoformat()}" if self.time is not None else self.symbol]
        values = f"{self.value} with the future, {self.other} without ({self.n_rows} rows; {self.cut})"
        return f"{', '.join(part for part in place if part)}: {values}: {self.cause}"

    def as_json(self) -> dict[str, Json]:
        """Return the finding as JSON."""
        return asdict(self) | {"time": None if self.time is None else self.time.isoformat()}


@dataclass(frozen=True)
class Check:
    """One check of the audit, and what was seen.

    verdict: `held`, `leak`, `blind` (it could not have seen one: nothing is proven), `noted` (information), `not applicable`, or
    `not tried` (the full audit would).
    """

    name: str
    verdict: Verdict
    detail: str
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """True unless it found a leak, or could not have."""
        return self.verdict not in ("leak", "blind")

    def as_json(self) -> dict[str, Json]:
        """Return the check as JSON."""
        said: dict[str, Json] = {"name": self.name, "passed": self.passed, "verdict": self.verdict, "detail": self.detail}
        return said | {"findings": [finding.as_json() for finding in self.findings]}


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """Return `leak` if any check found one, `blind` if one could not have, else `held`."""
    verdicts = {check.verdict for check in checks}
    return "leak" if "leak" in verdicts else "blind" if "blind" in verdicts else "held"


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """One finished run. All tables start at the first out-of-sample bar.

    signal, target: Series over (time, symbol) of the test rows; the target is NaN where the data ends too early.
    horizon: of the target, in bars. weights: decided at each close, (n_times, n_symbols).
    benchmark: simple returns (n_times,) of the benchmark named in `benchmark_name`.
    config: the strategy, as JSON. provenance: versions, seed, hashes, threads: what goes into the manifest.
    dropped_rows: rows that were left out of training, by reason.
    audit: None if it was skipped. trials: how often the strategy was tried. trial_id: names what was decided, on which data.
    variants: the strategy with other columns, None if it reads no text or they were not asked for.
    delayed: the strategy traded later, one for each delay tried.
    """

    run_id: str
    strategy: str
    description: str
    dataset: Dataset
    horizon: int
    predicted: OutOfSample
    target: pd.Series
    weights: pd.DataFrame
    portfolio: Portfolio
    benchmark: pd.Series
    benchmark_name: str
    config: Mapping[str, Json]
    provenance: Mapping[str, Json]
    dropped_rows: Mapping[str, int]
    audit: tuple[Check, ...] | None
    trials: Trials = field(default_factory=Trials)
    trial_id: str = ""
    variants: tuple[Variant, ...] | None = None
    delayed: tuple[Delayed, ...] = ()
