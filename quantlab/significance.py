"""Significance: whether luck alone could have made this Sharpe ratio.

Every Sharpe ratio here is per period (mean / standard deviation of one session's returns, not annualised), except in
`sharpe_interval`, which annualises. Skewness and kurtosis are moments of the population, kurtosis *not* in excess of 3.
Sources: Lo, The Statistics of Sharpe Ratios (2002); Bailey & Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012)
and The Deflated Sharpe Ratio (2014); Politis & Romano, A Circular Block-Resampling Procedure (1992).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from zlib import crc32

import numpy as np
import pandas as pd

NORMAL = NormalDist()
EULER = 0.5772156649015329  # Euler-Mascheroni constant
LEAST_SESSIONS = 20  # below that, a resampled interval has no meaning


def probabilistic_sharpe(sharpe: float, n: int, skew: float, kurtosis: float, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds `benchmark`, given n returns (2012, equation 11)."""
    spread = _spread(sharpe, skew, kurtosis)
    if not (n > 1 and spread > 0):
        return math.nan
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt(n - 1) / spread)


def expected_max_sharpe(n_trials: int, variance: float) -> float:
    """Return the best Sharpe ratio to expect of `n_trials` strategies without skill (2014, equation 1); 0 for one trial.

    variance: of the Sharpe ratios of the trials.
    """
    if n_trials <= 1:
        return 0.0
    best = (1.0 - EULER) * NORMAL.inv_cdf(1.0 - 1.0 / n_trials) + EULER * NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(sharpe: float, n: int, skew: float, kurtosis: float, n_trials: int, variance: float) -> float:
    """Return the probability that the true Sharpe ratio exceeds what the best of `n_trials` would show by luck (2014)."""
    return probabilistic_sharpe(sharpe, n, skew, kurtosis, expected_max_sharpe(n_trials, variance))


def min_track_record(sharpe: float, skew: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many periods this Sharpe ratio would need to beat `benchmark` with confidence (2012, equation 13).

    Infinite if it does not exceed the benchmark.
    """
    if math.isnan(sharpe):
        return math.nan
    if sharpe <= benchmark:
        return math.inf
    return 1.0 + (_spread(sharpe, skew, kurtosis) * NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def lo_standard_error(sharpe: float, n: int) -> float:
    """Return the standard error of a Sharpe ratio of n independent normal returns (2002, equation 9)."""
    return math.sqrt((1.0 + 0.5 * sharpe**2) / n)


def lo_annualisation(autocorrelation: float, periods: int) -> float:
    """Return what to multiply a per-period Sharpe ratio by, for returns that follow an AR(1) (2002, equation 20).

    sqrt(periods) without autocorrelation; less if gains follow gains.
    """
    lags = np.arange(1, periods)
    return float(periods / math.sqrt(periods + 2.0 * np.sum((periods - lags) * autocorrelation**lags)))


def sharpe_interval(
    returns: pd.Series, *, periods: float = 252, confidence: float = 0.95, block: int | None = None, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return (low, high) of the annualised Sharpe ratio, from a circular block bootstrap (1992), by percentiles.

    block: sessions kept together, so that clusters of good and bad days survive; None means n^(1/3), rounded up.
    Both are NaN for fewer than 20 returns, or returns that never vary.
    """
    values = returns.to_numpy(dtype=float)
    n = len(values)
    if n < LEAST_SESSIONS or not np.ptp(values) > 0:
        return math.nan, math.nan
    block = min(n, math.ceil(n ** (1 / 3)) if block is None else block)
    random = np.random.default_rng([seed, crc32(b"sharpe_interval")])
    starts = random.integers(0, n, size=(n_resamples, -(-n // block)))
    rows = (starts[:, :, None] + np.arange(block)).reshape(n_resamples, -1)[:, :n] % n  # (n_resamples, n), round the end
    drawn = values[rows]
    spread = drawn.std(axis=1, ddof=1)
    ratios = drawn.mean(axis=1)[spread > 0] / spread[spread > 0] * math.sqrt(periods)
    low, high = np.quantile(ratios, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return float(low), float(high)


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    """Return the standard deviation of the estimated Sharpe ratio, times sqrt(n - 1); NaN for impossible moments."""
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return math.sqrt(variance) if variance > 0 else math.nan
