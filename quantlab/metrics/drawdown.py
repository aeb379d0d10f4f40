"""How far, how long and how often the equity stood below its peak."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from quantlab.errors import DataError
from quantlab.metrics.arrays import floats

ROUNDING = 1e-12  # of wealth: a loss and its exact recovery may differ by the last bits of a float


def underwater(returns: pd.Series) -> pd.Series:
    """Return how far the equity stands below its highest value so far, (n_times,), <= 0; it starts from 1 before the first."""
    wealth = np.cumprod(1.0 + floats(returns))
    peak = np.maximum(np.maximum.accumulate(wealth), 1.0)
    depth = wealth / peak - 1.0
    return pd.Series(np.where(depth > -ROUNDING, 0.0, depth), index=returns.index)


def max_drawdown(returns: pd.Series) -> float:
    """Return the deepest fall from a peak, <= 0; a loss on the first day counts."""
    return float(np.min(underwater(returns).to_numpy())) if len(returns) else math.nan


def drawdowns(returns: pd.Series) -> pd.DataFrame:
    """Return one row per drawdown, the deepest first.

    start: first session below the peak; trough: the deepest; recovery: first session back at the peak, NaT while
    ongoing; depth: as a fraction, < 0; sessions: spent below the peak; calendar_days: start to recovery, or to the end.
    Raises DataError for a missing return: past it, nobody knows where the peak is.
    """
    if returns.isna().any():
        unknown = returns.index[int(returns.isna().to_numpy().argmax())]
        raise DataError(f"drawdowns: the return at {unknown!s} is missing: fill it, or start after it")
    depth = underwater(returns)
    below = depth.to_numpy() < 0
    number = np.cumsum(below & ~np.concatenate([[False], below[:-1]]))[below]  # 1, 2, ... for each run of sessions below
    times = pd.DatetimeIndex(returns.index)
    position = pd.Series(np.flatnonzero(below)).groupby(number)
    start, end = position.first().to_numpy(), position.last().to_numpy() + 1
    deepest = pd.Series(depth.to_numpy()[below]).groupby(number)
    trough = np.flatnonzero(below)[deepest.idxmin().to_numpy()] if len(start) else start
    ongoing = end == len(times)
    recovery = times[np.where(ongoing, 0, end)].where(~ongoing) if len(start) else times[:0]
    table = pd.DataFrame(
        {
            "start": times[start],
            "trough": times[trough],
            "recovery": recovery,
            "depth": deepest.min().to_numpy(),
            "sessions": end - start,
            "calendar_days": (times[np.minimum(end, len(times) - 1)] - times[start]).days,
        }
    )
    return table.sort_values("depth", kind="stable", ignore_index=True)


def time_under_water(returns: pd.Series) -> float:
    """Return the share of sessions that end below the highest equity so far."""
    depth = floats(underwater(returns))
    return float(np.mean(depth < 0)) if len(depth) and not np.isnan(depth).any() else math.nan


def ulcer_index(returns: pd.Series) -> float:
    """Return the root mean square of the depth below the peak over all sessions, >= 0 (Martin & McCann 1989)."""
    return float(np.sqrt(np.mean(floats(underwater(returns)) ** 2))) if len(returns) else math.nan
