"""Selection: what it is worth to be the best of many variants.

overfitting_probability  how often the variant that was best in one half of the time is below the median in the other
superior_ability         whether the best variant beats a benchmark by more than the best of as many would by luck
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError
from quantlab.significance.bootstrap import LEAST_SESSIONS, block_length

Floats = npt.NDArray[np.float64]
ROUNDING = 1e-12  # of a mean square: a variant that never traded may show this much variance
TIE = 1e-9  # of a Sharpe ratio: settings that change nothing give variants that differ by the last bits of their sums


class Overfitting(NamedTuple):
    """The probability of backtest overfitting, with and without the splits in which the winner came out right at the median (logit 0)."""

    at_most_zero: float
    below_zero: float


@dataclass(frozen=True)
class SuperiorAbility:
    """The p-values of Hansen's test; `consistent` is the one to quote, between its two bounds."""

    lower: float
    consistent: float
    upper: float


def overfitting_probability(performance: pd.DataFrame | Floats, n_blocks: int = 16) -> Overfitting:
    """Return the shares of splits with a logit <= 0 and < 0, from returns (n_times, n_variants).

    Combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado & Zhu, The Probability of Backtest Overfitting, 2017).
    Raises UsageError as `overfitting_logits` does.
    """
    logits = overfitting_logits(performance, n_blocks)
    return Overfitting(float(np.mean(logits <= 0)), float(np.mean(logits < 0)))


def overfitting_logits(performance: pd.DataFrame | Floats, n_blocks: int = 16) -> Floats:
    """Return the logit of each split, (n_splits,): ln(rank / (n_variants + 1 - rank)), n_splits = C(n_blocks, n_blocks / 2).

    1. The times are cut into n_blocks blocks of the same length, as far as it divides; every half of the blocks is a split.
    2. The variant with the highest Sharpe ratio (ddof = 1) in that half is the winner; the first one of a tie.
    3. `rank` is its place among all in the other half, 1 the worst; ties share their mean rank. A logit below 0: worse than the median.

    A variant that never varies within a half has a ratio of 0 there. Raises UsageError for an odd number of blocks, blocks of fewer than
    2 times, fewer than 2 variants, or missing values.
    """
    values = np.asarray(performance, dtype=float)
    _check(values, n_blocks)
    blocks = np.array_split(np.arange(len(values)), n_blocks)
    centre = values.mean(axis=0)  # sums of squares around it lose no digits
    firsts = [block[0] for block in blocks]
    sums = np.add.reduceat(values - centre, firsts, axis=0)
    squares = np.add.reduceat((values - centre) ** 2, firsts, axis=0)
    sizes = np.array([len(block) for block in blocks])
    halves = np.array(list(combinations(range(n_blocks), n_blocks // 2)))
    inside = np.zeros((len(halves), n_blocks))
    np.put_along_axis(inside, halves, 1.0, axis=1)
    earlier, later = (_sharpes(half @ sums, half @ squares, half @ sizes, centre) for half in (inside, 1.0 - inside))
    winner = np.argmax(earlier, axis=1)
    behind = np.take_along_axis(later, winner[:, None], axis=1) - later  # how far each variant is behind the winner
    tied = np.abs(behind) <= TIE
    rank = (~tied & (behind > 0)).sum(axis=1) + (tied.sum(axis=1) + 1) / 2.0
    return np.asarray(np.log(rank / (values.shape[1] + 1 - rank)))


def superior_ability(
    returns: pd.DataFrame | pd.Series, benchmark: pd.Series, *, n_resamples: int = 1000, block: int | None = None, seed: int = 0
) -> SuperiorAbility:
    """Return the p-values of the hypothesis that no variant earns more than the benchmark on average (Hansen 2005, by `arch`).

    returns: (n_times,) or (n_times, n_variants); benchmark: (n_times,), on the same times; pass zeros for "earns nothing".
    Stationary bootstrap; block: mean length of its blocks, None means `block_length` of the excess returns.
    A p-value of 0 means less than 1 / n_resamples. A variant whose excess never varies, such as the benchmark itself, is left out.
    All NaN for fewer than 20 sessions, or without any other variant.
    Raises UsageError if the times differ or a value is missing.
    """
    if not returns.index.equals(benchmark.index):
        raise UsageError(f"the returns have {len(returns)} sessions and the benchmark {len(benchmark)}: both need the same ones")
    own = returns.to_numpy(dtype=float).reshape(len(returns), -1)
    excess = own - benchmark.to_numpy(dtype=float)[:, None]
    if not np.isfinite(excess).all():
        raise UsageError("returns or benchmark have missing values: give both the same span")
    excess = excess[:, excess.max(axis=0, initial=-np.inf) > excess.min(axis=0, initial=np.inf)]
    if len(excess) < LEAST_SESSIONS or not excess.shape[1]:
        return SuperiorAbility(math.nan, math.nan, math.nan)
    from arch.bootstrap import SPA

    block = block_length(excess) if block is None else block
    random = np.random.default_rng([seed, crc32(b"superior_ability")])
    test = SPA(np.zeros(len(excess)), -excess, block_size=block, reps=n_resamples, seed=random)  # it compares losses
    test.compute()
    found = test.pvalues
    return SuperiorAbility(float(found["lower"]), float(found["consistent"]), float(found["upper"]))


def _sharpes(sums: Floats, squares: Floats, n: Floats, centre: Floats) -> Floats:
    """Return Sharpe ratios per period, (n_splits, n_variants), from sums of returns less `centre` and of their squares."""
    n = n[:, None]
    variance = (squares - sums**2 / n) / (n - 1)
    varies = variance > ROUNDING * (squares / n + centre**2)
    return np.where(varies, (sums / n + centre) / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def _check(values: Floats, n_blocks: int) -> None:
    """Refuse what cannot be split in halves, or compared."""
    if values.ndim != 2 or values.shape[1] < 2:
        raise UsageError(f"performance must hold at least two variants, (n_times, n_variants), not {values.shape}: run a sweep")
    if n_blocks < 2 or n_blocks % 2 or n_blocks > len(values) // 2:
        raise UsageError(f"n_blocks must be even and from 2 to half of the {len(values)} times, not {n_blocks!r}")
    if not np.isfinite(values).all():
        time, variant = np.argwhere(~np.isfinite(values))[0]
        raise UsageError(f"the return of variant {variant} at position {time} is {values[time, variant]}: give all variants the same span")
