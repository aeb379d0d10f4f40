"""Returns against those of a benchmark, (n_times,) each, aligned by time; sessions on which either is missing are left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from quantlab.metrics.arrays import floats, paired
from quantlab.metrics.returns import sharpe, volatility


def alpha_beta(returns: pd.Series, benchmark: pd.Series, *, periods: float = 252) -> tuple[float, float]:
    """Return (alpha, beta) of the least-squares line on the benchmark's returns; alpha is the intercept times `periods`.

    Jensen (1968). NaN for a benchmark that never varies.
    """
    both = paired(own=returns, other=benchmark)
    own, other = floats(both["own"]), floats(both["other"])
    if len(both) < 2 or np.ptp(other) == 0:
        return math.nan, math.nan
    beta = float(np.cov(own, other, ddof=1)[0, 1] / np.var(other, ddof=1))
    return float((own.mean() - beta * other.mean()) * periods), beta


def active_returns(returns: pd.Series, benchmark: pd.Series) -> pd.Series:
    """Return what the strategy earned beyond the benchmark, a difference for each session on which both are known."""
    both = paired(own=returns, other=benchmark)
    return both["own"] - both["other"]


def tracking_error(returns: pd.Series, benchmark: pd.Series, *, periods: float = 252) -> float:
    """Return the annualised standard deviation (ddof = 1) of the active returns."""
    return volatility(active_returns(returns, benchmark), periods=periods)


def information_ratio(returns: pd.Series, benchmark: pd.Series, *, periods: float = 252) -> float:
    """Return mean active return / tracking error, annualised (Goodwin 1998); NaN if the active return never varies."""
    return sharpe(active_returns(returns, benchmark), periods=periods)


def up_capture(returns: pd.Series, benchmark: pd.Series) -> float:
    """Return the mean growth a session while the benchmark rose, over the benchmark's own in those sessions.

    Means are geometric, per session and not annualised: a year made of rising days alone is no figure that anybody knows.
    1 keeps pace; NaN if the benchmark never rose.
    """
    both = paired(own=returns, other=benchmark)
    return _capture(both[both["other"] > 0])


def down_capture(returns: pd.Series, benchmark: pd.Series) -> float:
    """Return the same while the benchmark fell: 1 falls as fast, 0 not at all, and below 0 it gained; NaN if it never fell."""
    both = paired(own=returns, other=benchmark)
    return _capture(both[both["other"] < 0])


def _capture(both: pd.DataFrame) -> float:
    """Return the ratio of the geometric means of 1 + return, less 1; NaN once everything was lost."""
    growth = (1.0 + both).prod()
    if not len(both) or (growth <= 0).any():
        return math.nan
    mean = growth ** (1.0 / len(both)) - 1.0
    return float(mean["own"] / mean["other"])
