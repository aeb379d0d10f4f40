"""Headline figures of many resampled runs at once: what `interval` asks for.

Each function takes sessions as the bootstrap draws them, (n_resamples, n_sessions) or (n_resamples, n_sessions, n_columns), and
returns one value per resample, (n_resamples,); NaN where it does not apply. Definitions are those of `quantlab.metrics`, which
takes one run at a time: the tests hold the two together. Bind `periods` with functools.partial.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ROUNDING = 1e-12  # of a mean square: a series that never varies may show this much variance


def mean(drawn: Floats) -> Floats:
    """Return the mean over the sessions that have a value, such as the IC of each session."""
    known = ~np.isnan(drawn)
    return _ratio(np.where(known, drawn, 0.0).sum(axis=1), known.sum(axis=1, dtype=float))


def total_return(drawn: Floats) -> Floats:
    """Return what 1 grew by: the product of 1 + return, less 1."""
    return np.asarray(np.prod(1.0 + drawn, axis=1) - 1.0)


def cagr(drawn: Floats, *, periods: float = 252) -> Floats:
    """Return the compound annual growth rate; NaN if more than everything was lost."""
    wealth = 1.0 + total_return(drawn)
    return np.asarray(np.where(wealth >= 0, wealth, np.nan) ** (periods / drawn.shape[1]) - 1.0)


def volatility(drawn: Floats, *, periods: float = 252) -> Floats:
    """Return the annualised standard deviation (ddof = 1)."""
    return np.asarray(np.std(drawn, axis=1, ddof=1) * math.sqrt(periods))


def sharpe(drawn: Floats, *, periods: float = 252) -> Floats:
    """Return mean / standard deviation (ddof = 1), annualised; periods=1 leaves it per period."""
    spread = np.std(drawn, axis=1, ddof=1)
    varies = spread**2 > ROUNDING * np.mean(drawn**2, axis=1)
    return _ratio(np.mean(drawn, axis=1) * math.sqrt(periods), np.where(varies, spread, 0.0))


def max_drawdown(drawn: Floats) -> Floats:
    """Return the deepest fall from a peak, <= 0; a loss in the first session counts.

    Resampled sessions come in another order: the interval says how deep such returns may fall, and need not hold the depth that was seen.
    """
    wealth = np.cumprod(1.0 + drawn, axis=1)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
    return np.asarray(np.minimum((wealth / peak).min(axis=1) - 1.0, 0.0))


def share(drawn: Floats) -> Floats:
    """Return column 0 over column 1, both summed first: hits over judged rows of each session give the hit rate."""
    hits, judged = np.moveaxis(drawn.sum(axis=1), -1, 0)
    return _ratio(hits, judged)


def pooled_correlation(drawn: Floats) -> Floats:
    """Return the correlation over the rows of all sessions at once, from the sums n, a, b, aa, bb, ab of each session.

    `metrics.session_rank_sums` makes them from ranks over the whole span, which a resample keeps.
    """
    n, a, b, aa, bb, ab = np.moveaxis(drawn.sum(axis=1), -1, 0)
    spread = np.sqrt(np.clip(n * aa - a * a, 0.0, None) * np.clip(n * bb - b * b, 0.0, None))
    varies = spread > ROUNDING * n * np.sqrt(aa * bb)
    return _ratio(n * ab - a * b, np.where(varies, spread, 0.0))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where below is 0."""
    return above / np.where(below != 0, below, np.nan)
