"""The haircut of a Sharpe ratio: what is left of it once one allows for the other tests (Harvey & Liu, Backtesting, 2015).

1. A Sharpe ratio per period over n returns is a t-statistic, sharpe * sqrt(n), with a two-sided p-value (of the normal distribution).
2. The p-value is raised for the number of tests: by Bonferroni and Holm (the chance of any false discovery) and by Benjamini,
   Hochberg and Yekutieli (the share of false ones among the discoveries, whatever the dependence between tests).
3. The haircut ratio is the one that would have had the raised p-value in a single test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab.errors import UsageError
from quantlab.significance.sharpe import NORMAL

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Adjusted:
    """What one method leaves: the raised p-value, the Sharpe ratio that goes with it, per period, and the share that was cut off."""

    p_value: float
    sharpe: float
    haircut: float


@dataclass(frozen=True)
class Haircut:
    """The p-value as if nothing else had been tried, and what three methods make of it."""

    p_value: float
    bonferroni: Adjusted
    holm: Adjusted
    bhy: Adjusted


def haircut_sharpe(sharpe: float, n: int, others: Sequence[float] = (), *, n_trials: int | None = None) -> Haircut:
    """Return the haircut of a Sharpe ratio of n returns, given the ratios of the other trials, all per period and over n returns.

    n_trials: how many were tried, this one included; those whose ratio is not known count as without any effect (p = 1), the
    assumption that leaves the most to correct. None means that all are known. A ratio <= 0 is left as it is: there is nothing to cut.
    All NaN if the ratio is, or n < 2. Raises UsageError if n_trials is less than the trials given.
    """
    known = [ratio for ratio in others if math.isfinite(ratio)]
    n_trials = 1 + len(others) if n_trials is None else n_trials
    if n_trials < 1 + len(others):
        raise UsageError(f"n_trials counts this trial and the {len(others)} others: it must be at least {1 + len(others)}, not {n_trials}")
    if not math.isfinite(sharpe) or n < 2:
        nothing = Adjusted(math.nan, math.nan, math.nan)
        return Haircut(math.nan, nothing, nothing, nothing)
    single = np.ones(n_trials)
    single[: 1 + len(known)] = p_values([sharpe, *known], n)
    left = (_left(sharpe, n, float(adjust(single)[0])) for adjust in (bonferroni, holm, bhy))
    return Haircut(float(single[0]), *left)


def p_values(sharpes: Sequence[float], n: int) -> Floats:
    """Return the two-sided p-values of Sharpe ratios per period, each over n returns."""
    return np.array([math.erfc(abs(ratio) * math.sqrt(n / 2.0)) for ratio in sharpes])


def bonferroni(single: Floats) -> Floats:
    """Return p-values times their number, at most 1."""
    return np.minimum(single * len(single), 1.0)


def holm(single: Floats) -> Floats:
    """Return p-values raised step by step from the smallest: times the number of tests not yet rejected (Holm 1979)."""
    order = np.argsort(single, kind="stable")
    remaining = np.arange(len(single), 0, -1)
    raised = np.minimum(np.maximum.accumulate(single[order] * remaining), 1.0)
    return _in_place(raised, order)


def bhy(single: Floats) -> Floats:
    """Return p-values raised for the false discovery rate (2001), as Harvey & Liu apply it: the largest stays as it is."""
    order = np.argsort(single, kind="stable")
    m = len(single)
    rank = np.arange(1, m + 1)
    raised = single[order] * m * np.sum(1.0 / rank) / rank
    raised[-1] = single[order][-1]
    return _in_place(np.minimum.accumulate(raised[::-1])[::-1], order)


def _left(sharpe: float, n: int, p_value: float) -> Adjusted:
    """Return the ratio whose single test would have had this p-value."""
    if sharpe <= 0:
        return Adjusted(p_value, sharpe, math.nan)
    t = -NORMAL.inv_cdf(p_value / 2.0) if p_value > 0 else math.inf
    left = min(sharpe, max(0.0, t / math.sqrt(n)))
    return Adjusted(p_value, left, 1.0 - left / sharpe)


def _in_place(values: Floats, order: npt.NDArray[np.intp]) -> Floats:
    """Return sorted values where they came from."""
    back = np.empty_like(values)
    back[order] = values
    return back
