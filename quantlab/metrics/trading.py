"""How much is held, how much is traded, and what trading may cost.

exposure: value / equity of each name, (n_times, n_symbols), negative when short; turnover: traded value / equity, purchases and
sales both counted, (n_times,). Both as in `Portfolio`; weights may stand in for exposure.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from quantlab.metrics.arrays import floats


def gross_exposure(exposure: pd.DataFrame) -> pd.Series:
    """Return the sum of the sizes of all positions over equity, (n_times,), >= 0."""
    return exposure.abs().sum(axis=1, skipna=False)


def net_exposure(exposure: pd.DataFrame) -> pd.Series:
    """Return long less short positions over equity, (n_times,)."""
    return exposure.sum(axis=1, skipna=False)


def time_in_market(exposure: pd.DataFrame) -> float:
    """Return the share of sessions that end with any position at all."""
    gross = floats(gross_exposure(exposure))
    return float(np.mean(gross > 0)) if len(gross) and not np.isnan(gross).any() else math.nan


def annual_turnover(turnover: pd.Series, *, periods: float = 252) -> float:
    """Return how many times its equity the strategy trades in a year, purchases and sales both counted."""
    return float(np.mean(floats(turnover)) * periods) if len(turnover) else math.nan


def break_even_bps(gross_returns: pd.Series, turnover: pd.Series) -> float:
    """Return the cost, in basis points of each traded value, that would leave a mean net return of 0.

    Mean gross return / mean turnover. Negative if it loses before any cost; NaN if nothing is traded.
    """
    traded = float(np.sum(floats(turnover)))
    return float(np.sum(floats(gross_returns)) / traded * 1e4) if traded else math.nan
