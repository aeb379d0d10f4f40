"""Block bootstrap over sessions: how far a figure could have come out otherwise.

1. Sessions are drawn in blocks, so that clusters of good and bad days survive; all names of a session stay together.
2. A block runs on from the last session to the first (circular, Politis & Romano 1992): every session is drawn equally often.
3. Its length is what the series asks for (Politis & White 2004, corrected by Patton, Politis & White 2009, circular scheme), the
   longest of all columns and of their squared deviations: calm and stormy spells persist where the returns themselves do not.
4. The interval lies between percentiles of the resampled figures, further out the fewer blocks there are: blocks that are long against
   the series understate what dependence adds (fixed-b asymptotics, Kiefer & Vogelsang 2005). The same seed draws the same sessions.

The block length comes from `arch`. Alone it takes 0.6 s to import, after vectorbt, which has loaded the same libraries in every run,
0.06 s; so it is imported where it is used, and there is no copy of the formula here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError
from quantlab.significance import figures

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Table: TypeAlias = Floats | pd.Series | pd.DataFrame
Statistic: TypeAlias = Callable[[Floats], Floats]
PANDAS = (pd.Series, pd.DataFrame)
LEAST_SESSIONS = 20  # below that, a resampled interval has no meaning
LEAST_DEFINED = 0.95  # share of resamples that must have a value: percentiles of the others would be those of a chosen few
NORMAL = NormalDist()
FIXED_B = (-0.5324, 0.4160, 2.9694, 1.9600)  # coefficients of the share of a block, its third power first
SLICE = 2**17  # values resampled at a time: few enough to stay in the processor's cache, which is three times as fast


@dataclass(frozen=True)
class Interval:
    """Between which values a figure lies with the confidence asked for; NaN where that cannot be said. block: in sessions."""

    low: float
    high: float
    block: int


def block_length(table: Table) -> int:
    """Return how many sessions to keep together, >= 1, for a table (n_sessions,) or (n_sessions, ...); NaN is left out."""
    from arch.bootstrap import optimal_block_length

    values = np.asarray(table, dtype=float)
    longest = 1.0
    for column in values.reshape(len(values), -1).T:
        known = column[np.isfinite(column)]
        for series in (known, (known - known.mean()) ** 2) if len(known) >= LEAST_SESSIONS else ():
            if np.ptp(series) > figures.ROUNDING * np.max(np.abs(series)):
                with np.errstate(divide="ignore", invalid="ignore"):  # gains that cancel out exactly have no long-run variance
                    longest = max(longest, float(optimal_block_length(series)["circular"].iloc[0]))
    return min(len(values), math.ceil(longest))


def resampled(n: int, block: int, *, n_resamples: int = 1000, seed: int = 0) -> Positions:
    """Return the positions of the sessions drawn, (n_resamples, n), each row made of blocks of consecutive sessions."""
    return _positions(_starts(n, block, n_resamples, seed), n, block)


def interval(
    table: Table,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    block: int | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the interval of a figure of sessions, from a table (n_sessions,) or (n_sessions, ...), one row per session.

    statistic: takes resampled sessions, (n_resamples, n_sessions, ...), and returns (n_resamples,): see `significance.figures`.
    block: sessions kept together; None means `block_length`. NaN bounds for fewer than 20 sessions, a table that never varies, or
    a figure that more than a twentieth of the resamples do not have. Raises UsageError for a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence!r}: .95 is usual")
    values = np.asarray(table, dtype=float)
    if len(values) < LEAST_SESSIONS or not _varies(values):
        return Interval(math.nan, math.nan, 0)
    block = block_length(values) if block is None else block
    starts = _starts(len(values), block, n_resamples, seed)
    parts = np.array_split(starts, min(n_resamples, 1 + n_resamples * values.size // SLICE))
    drawn = np.concatenate([statistic(values[_positions(part, len(values), block)]) for part in parts])
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < LEAST_DEFINED * n_resamples:
        return Interval(math.nan, math.nan, block)
    tail = _tail(confidence, block / len(values))
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(float(low), float(high), block)


def difference_interval(
    one: Table,
    other: Table,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    block: int | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the interval of a figure of `one` less that of `other`, two runs over the same sessions; as `interval` in all else.

    The same sessions are drawn for both, so that what moves both alike cancels out (Ledoit & Wolf 2008).
    Raises UsageError if the sessions differ.
    """
    if len(one) != len(other) or (isinstance(one, PANDAS) and isinstance(other, PANDAS) and not one.index.equals(other.index)):
        raise UsageError(f"a difference needs the same sessions on both sides, not {len(one)} and {len(other)}: take those they share")
    pair = np.stack([np.asarray(one, dtype=float), np.asarray(other, dtype=float)], axis=1)  # (n_sessions, 2, ...)
    if block is None and len(pair):
        block = max(block_length(pair), block_length(pair[:, 0] - pair[:, 1]))

    def difference(drawn: Floats) -> Floats:
        return statistic(drawn[:, :, 0]) - statistic(drawn[:, :, 1])

    return interval(pair, difference, confidence=confidence, block=block, n_resamples=n_resamples, seed=seed)


def sharpe_interval(
    returns: pd.Series, *, periods: float = 252, confidence: float = 0.95, block: int | None = None, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return (low, high) of the annualised Sharpe ratio of returns (n_times,), as `interval` has it."""
    ratio = partial(figures.sharpe, periods=periods)
    found = interval(returns, ratio, confidence=confidence, block=block, n_resamples=n_resamples, seed=seed)
    return found.low, found.high


def _starts(n: int, block: int, n_resamples: int, seed: int) -> Positions:
    """Return the first session of each block, (n_resamples, n_blocks)."""
    if not 1 <= block <= n:
        raise UsageError(f"block must be from 1 to the {n} sessions there are, not {block!r}")
    if n_resamples < 1:
        raise UsageError(f"n_resamples must be at least 1, not {n_resamples!r}: 1000 are usual")
    random = np.random.default_rng([seed, crc32(b"block_bootstrap")])
    return random.integers(0, n, size=(n_resamples, -(-n // block)), dtype=np.intp)


def _positions(starts: Positions, n: int, block: int) -> Positions:
    """Return the sessions of the blocks one after the other, (n_resamples, n): round the end, and no more than there are."""
    rows = (starts[:, :, None] + np.arange(block)).reshape(len(starts), -1)[:, :n]
    return np.where(rows < n, rows, rows - n)


def _tail(confidence: float, share: float) -> float:
    """Return the percentile at which an interval ends, (1 - confidence) / 2 for blocks that are a vanishing share of the series.

    A block bootstrap of the mean has the variance of a Bartlett kernel as wide as the block; Kiefer & Vogelsang (2005, Econometric Theory
    21) give the critical value of its t-statistic, at 5 %, as a polynomial in that width. The others are taken to grow by the same factor.
    """
    wider = float(np.polyval(FIXED_B, share)) / FIXED_B[-1]
    return NORMAL.cdf(NORMAL.inv_cdf((1.0 - confidence) / 2.0) * wider)


def _varies(values: Floats) -> bool:
    """Return True if any column has two different values."""
    columns = values.reshape(len(values), -1)
    return bool(np.any(np.fmax.reduce(columns, axis=0) > np.fmin.reduce(columns, axis=0)))
