"""What the metrics compute on: plain arrays of floats, and rows that are known on both sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError


def floats(series: pd.Series) -> npt.NDArray[np.float64]:
    """Return the values of a Series, (n,); numpy lets NaN through where pandas would skip it in silence."""
    return series.to_numpy(dtype=float)


def paired(**columns: pd.Series) -> pd.DataFrame:
    """Return the named Series side by side, aligned by index, without the rows on which any of them is missing."""
    return pd.DataFrame(columns).dropna()


def check_count(name: str, value: int, *, least: int) -> None:
    """Raise UsageError unless the value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name} must be a whole number >= {least}, not {value!r}")


def check_share(name: str, value: float) -> None:
    """Raise UsageError unless the value lies between 0 and 1, both excluded."""
    if not 0.0 < value < 1.0:
        raise UsageError(f"{name} must lie between 0 and 1, as a fraction, not {value!r}")
