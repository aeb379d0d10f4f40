"""Small tables on which every metric can be worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd


def series(*values: float, start: str = "2020-01-01") -> pd.Series:
    """Return daily returns in UTC."""
    return pd.Series(values, index=pd.date_range(start, periods=len(values), tz="UTC", unit="us"), dtype=float)


def rows(*sessions: list[float]) -> pd.Series:
    """Return a Series over (time, symbol): one list of values, for A, B, C ..., per session."""
    times = pd.date_range("2020-01-01", periods=len(sessions), tz="UTC", unit="us")
    index = pd.MultiIndex.from_tuples([(t, "ABCDEFGHIJ"[i]) for t, s in zip(times, sessions, strict=True) for i in range(len(s))])
    return pd.Series([value for session in sessions for value in session], index=index.set_names(["time", "symbol"]), dtype=float)


def published() -> pd.Series:
    """Return the 504 days on which four other tools disagree."""
    t = np.arange(504)
    values = 0.0008 + 0.012 * np.sin(1.7 * t) * np.cos(0.31 * t) + 0.004 * np.sin(t**1.3)
    values[0] = -0.05
    return series(*values)


def market() -> pd.Series:
    """Return a benchmark beside the 504 days: it moves with them, and by itself."""
    t = np.arange(504)
    return (0.3 * published() + 0.01 * np.cos(1.1 * t)).rename("benchmark")
