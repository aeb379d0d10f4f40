"""Bars: five aligned (time x symbol) tables of prices and volume, valid by construction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import pandas as pd

from quantlab.errors import DataError, Problem

PRICES = ("open", "high", "low", "close")
TIME_UNIT: Final = "us"  # calendars return ns and pandas 3 defaults to us: one unit everywhere, or joins raise or err by 1000


@dataclass(frozen=True)
class Bars:
    """Open, high, low, close and volume, each (n_times, n_symbols); never changed once made.

    The index is the instant at which a bar is complete: time-zone aware UTC, unique, increasing.
    A row in which all four prices of a symbol are NaN means that it did not trade as a listed name:
    before its first bar, after its last one (delisted), or in between (halted for the whole bar).

    Raises DataError if the tables are not aligned, or any bar is impossible (not positive, high < low,
    open or close outside [low, high], prices in part missing, volume negative).
    """

    open: pd.DataFrame
    high: pd.DataFrame
    low: pd.DataFrame
    close: pd.DataFrame
    volume: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse what cannot be a market."""
        _check_index(self.close.index)
        if not self.close.columns.is_unique or not self.close.columns.is_monotonic_increasing:
            raise DataError("the symbols of bars must be unique and sorted: sort the columns")
        for field in fields(self):
            table = getattr(self, field.name)
            if not (table.index.equals(self.close.index) and table.columns.equals(self.close.columns)):
                raise DataError(f"the table '{field.name}' is not aligned with 'close': reindex it to the same times and symbols")
        problems = self._impossible()
        if problems:
            raise DataError(*problems)

    @property
    def times(self) -> pd.DatetimeIndex:
        """The instants at which the bars are complete, (n_times,)."""
        return pd.DatetimeIndex(self.close.index)

    @property
    def symbols(self) -> pd.Index:
        """The names, sorted, (n_symbols,)."""
        return self.close.columns

    @property
    def listed(self) -> pd.DataFrame:
        """True where a symbol has prices, (n_times, n_symbols)."""
        return self.close.notna()

    @property
    def traded(self) -> pd.DataFrame:
        """True where a symbol has prices and changed hands, (n_times, n_symbols)."""
        return self.listed & (self.volume > 0)

    @property
    def last_bar(self) -> pd.Series:
        """Position in `times` of each symbol's last bar, (n_symbols,); -1 for a symbol without any."""
        listed = self.listed.to_numpy()
        last = len(listed) - 1 - listed[::-1].argmax(axis=0)
        return pd.Series(np.where(listed.any(axis=0), last, -1), index=self.symbols)

    def between(self, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None) -> Bars:
        """Return the bars from `start` to `end`, both included, of the same symbols."""
        return Bars(**{field.name: getattr(self, field.name).loc[start:end] for field in fields(self)})

    def _impossible(self) -> list[Problem]:
        """List every bar that no market could print."""
        price = {name: getattr(self, name).to_numpy(dtype=float) for name in PRICES}
        volume = self.volume.to_numpy(dtype=float)
        missing = sum(np.isnan(values).astype(int) for values in price.values())
        bad = {
            "prices are in part missing": (missing > 0) & (missing < len(PRICES)),
            "a price is not positive and finite": np.any([(p <= 0) | np.isinf(p) for p in price.values()], axis=0),
            "high < low": price["high"] < price["low"],
            "open or close lies outside [low, high]": (np.fmax(price["open"], price["close"]) > price["high"])
            | (np.fmin(price["open"], price["close"]) < price["low"]),
            "volume is negative or infinite": (volume < 0) | np.isinf(volume),
        }
        return [
            Problem(
                f"{what} for {self.symbols[column]} at {self.times[row].isoformat()}",
                fix="fix the row or drop the symbol",
                value=", ".join(f"{name} {values[row, column]:g}" for name, values in [*price.items(), ("volume", volume)]),
            )
            for what, mask in bad.items()
            for row, column in np.argwhere(mask)
        ]


def _check_index(times: pd.Index) -> None:
    """Refuse an index that is not UTC, unique, increasing and in the one unit."""
    if not isinstance(times, pd.DatetimeIndex) or str(times.tz) != "UTC":
        raise DataError("bars need a time-zone aware UTC index: use tz_localize / tz_convert('UTC')")
    if times.unit != TIME_UNIT:
        raise DataError(f"bars need an index in {TIME_UNIT!r}, not {times.unit!r}: use .as_unit({TIME_UNIT!r})")
    if times.hasnans or not times.is_unique or not times.is_monotonic_increasing:
        late = times[1:][np.diff(times.asi8) <= 0]
        raise DataError(f"the times of bars must be unique and increasing, they are not at {list(late[:3])}: sort and deduplicate them")
