"""What a Sharpe ratio is worth: given its length, the shape of its returns, and how often somebody tried.

Every Sharpe ratio here is per period (mean / standard deviation of one session's returns, not annualised). Skewness and
kurtosis are moments of the population, kurtosis *not* in excess of 3. Sources: Lo, The Statistics of Sharpe Ratios (2002);
Bailey & Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012) and The Deflated Sharpe Ratio (2014).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from quantlab.result import Trials

NORMAL = NormalDist()
EULER = 0.5772156649015329  # Euler-Mascheroni constant


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


def trial_variance(trials: Trials, own_sharpe: float, n: int) -> float:
    """Return the variance of the Sharpe ratios of the trials, what `deflated_sharpe` needs; n returns stand behind the own one.

    Over all that are known (ddof = 1), or, where no other than the own is, the sampling variance of that one (Lo 2002):
    by how much trials without skill would differ by luck alone. NaN if the own ratio is needed and undefined.
    """
    known = [ratio for ratio in (own_sharpe, *trials.sharpes) if math.isfinite(ratio)]
    return float(np.var(known, ddof=1)) if len(known) > 1 else lo_standard_error(own_sharpe, n) ** 2


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    """Return the standard deviation of the estimated Sharpe ratio, times sqrt(n - 1); NaN for impossible moments."""
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return math.sqrt(variance) if variance > 0 else math.nan
