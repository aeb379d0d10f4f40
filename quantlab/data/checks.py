"""Checks: the rows of a bars table as (at, session, symbol, prices, volume), each one possible and there once.

What happens to an odd row is listed in the docstring of `quantlab.data`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import PRICES, TIME_UNIT
from quantlab.data.columns import has_columns, numbers, refuse_stamps, texts
from quantlab.data.settings import Settings
from quantlab.data.stamps import Stamps, instants, session_dates
from quantlab.data.tables import Findings, Mask, Table, at
from quantlab.errors import nearest
from quantlab.news import MARKET
from quantlab.sessions import sessions, time_zone

VALUES = (*PRICES, "volume")
WIDENED = 0.005  # an open or close this far, as a fraction, outside [low, high] is rounding or another venue's print; beyond, an error
SAME = 1e-6  # adj_close equal to close, up to the rounding of printed prices


@dataclass(frozen=True)
class BarRows:
    """Bars in long form: `frame` (n_rows, ...) with at (UTC), session (naive date), symbol, open ... volume; `row` of the table each."""

    frame: pd.DataFrame
    row: npt.NDArray[np.int64]

    def keep(self, mask: Mask) -> BarRows:
        """Return the rows under the mask."""
        return BarRows(self.frame[mask].reset_index(drop=True), self.row[mask])

    def named(self, mask: Mask) -> pd.Series:
        """Return `symbol date` of the rows under the mask, to show them."""
        part = self.frame[mask]
        shown: pd.Series = part["symbol"].str.cat(part["session"].dt.strftime("%Y-%m-%d"), sep=" ")
        return shown


def bar_rows(table: Table, settings: Settings, findings: Findings) -> BarRows | None:
    """Return the rows of a bars table that are good, in its order, or None if it has not the columns of one."""
    needed = [("date", "time"), ("symbol",), *((name,) for name in VALUES)]
    if not has_columns(table, needed, findings):
        return None
    when, bad = _when(table, settings, findings)
    symbol = texts(table, "symbol", findings)
    odd = ((symbol == "") | (symbol == MARKET) | symbol.str.contains("|", regex=False)).to_numpy(dtype=bool)
    findings.refuse_rows(table, odd, ("not the symbol of one name", "name one, without * and |"), column="symbol", shown=symbol)
    bad |= odd
    columns = {}
    for name in (*VALUES, *(["adj_close"] if "adj_close" in table.frame else [])):
        columns[name], no_number = numbers(table, name, findings)
        bad |= no_number
    frame = when.assign(symbol=symbol, **columns)
    fine = np.flatnonzero(~bad)
    rows = _priced(BarRows(frame.iloc[fine].reset_index(drop=True), fine), table, findings)
    rows = _possible(rows, table, settings, findings)
    return _once(rows, table, findings)


def _when(table: Table, settings: Settings, findings: Findings) -> tuple[pd.DataFrame, Mask]:
    """Return `at`, when each bar is complete, and its `session`, (n_rows, 2), and where they cannot be told."""
    name = "date" if "date" in table.frame else "time"
    if "date" in table.frame and "time" in table.frame:
        findings.refuse("there are both a date and a time", "keep the one that bar_stamp speaks of", file=table.files[0])
    cells = table.frame[name] if isinstance(table.frame[name].dtype, pd.StringDtype) else table.frame[name].astype("str")
    if settings.bar_stamp != "session":
        stamps = instants(cells, zone=settings.timezone, day_zone=None)
        bad = refuse_stamps(table, name, stamps, findings)
        complete = stamps.at + (settings.duration("bar_length").as_unit(TIME_UNIT) if settings.bar_stamp == "open" else pd.Timedelta(0))
        local = complete.tz_convert(time_zone(settings.calendar)).tz_localize(None).normalize()
        return pd.DataFrame({"at": complete, "session": local}), bad
    dates = session_dates(cells)
    bad = refuse_stamps(table, name, dates, findings)
    closes = _closes(dates, settings)
    closed = ~bad & closes.isna()
    what = (f"{settings.calendar} has no session on this day", "remove the row, or correct `calendar` in dataset.toml")
    findings.refuse_rows(table, closed, what, column=name, shown=cells)
    return pd.DataFrame({"at": closes, "session": dates.at}), bad | closed


def _closes(dates: Stamps, settings: Settings) -> pd.DatetimeIndex:
    """Return the close of each session named, (n_rows,), NaT where there is none."""
    if dates.at.isna().all():
        return pd.DatetimeIndex(dates.at).tz_localize("UTC")
    table = sessions(settings.calendar, dates.at.min(), dates.at.max())
    return pd.DatetimeIndex(table["close"].reindex(dates.at))


def _priced(rows: BarRows, table: Table, findings: Findings) -> BarRows:
    """Set aside rows without any price, and report those with some."""
    missing = rows.frame[list(PRICES)].isna().to_numpy()
    none: Mask = np.asarray(missing.all(axis=1))
    findings.drop(table, rows.row[none], "bars without a price", rows.named(none))
    part: Mask = np.asarray(missing.any(axis=1)) & ~none
    _refuse(rows, part, table, findings, ("prices are in part missing", "fill them in, or leave all four empty"))
    void = ~none & ~part & rows.frame["volume"].isna().to_numpy()
    _refuse(rows, void, table, findings, ("the volume is missing", "write 0 if nothing was traded"))
    return rows.keep(~(none | part | void))


def _possible(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> BarRows:
    """Report bars that no market prints, widen [low, high] a little where open or close lies just outside, and adjust."""
    open_, high, low, close, volume = (rows.frame[name].to_numpy() for name in VALUES)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    kinds = {
        "a price is not positive": np.minimum(np.minimum(open_, close), np.minimum(high, low)) <= 0,
        "high < low": high < low,
        "volume is negative": volume < 0,
        "open or close lies outside [low, high]": (top > high * (1 + WIDENED)) | (bottom < low * (1 - WIDENED)),
    }
    bad = np.zeros(len(rows.row), dtype=bool)
    for message, mask in kinds.items():
        _refuse(rows, mask & ~bad, table, findings, (message, "fix the row or drop the symbol"))
        bad |= mask
    wide = ~bad & ((top > high) | (bottom < low))
    if wide.any():
        first = at(table, int(rows.row[wide][0]))
        findings.notes.append(f"{wide.sum()} bars: high or low moved by at most {WIDENED:.1%} to take in open and close (first: {first})")
    frame = rows.frame.assign(high=np.maximum(high, top), low=np.minimum(low, bottom))
    return _adjusted(BarRows(frame, rows.row).keep(~bad), table, settings, findings)


def _adjusted(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> BarRows:
    """Scale the prices by adj_close / close where there is an adj_close, so that returns include dividends.

    All four by the same factor: rounding is monotonic, so high stays above and low below. Volume is left as it is.
    """
    if "adj_close" not in rows.frame:
        missing = {"splits": "dividends", "none": "dividends or splits (returns jump where there was one)"}.get(settings.adjusted)
        findings.notes.extend([f"prices are not adjusted for {missing}"] if missing else [])
        return rows
    close, adjusted = rows.frame["close"].to_numpy(), rows.frame["adj_close"].to_numpy()
    bad = ~(adjusted > 0)
    _refuse(rows, bad, table, findings, ("adj_close is missing or not positive", "fill it in, or remove the column"))
    if settings.adjusted == "all":
        other = ~bad & (np.abs(adjusted - close) > SAME * close)
        fix = "say adjusted = 'splits' or 'none' in dataset.toml, or remove the column"
        _refuse(rows, other, table, findings, ("adj_close differs from close, although all is said to be adjusted", fix))
        return BarRows(rows.frame.drop(columns="adj_close"), rows.row).keep(~(bad | other))
    rows = rows.keep(~bad)
    factor = (rows.frame["adj_close"] / rows.frame["close"]).to_numpy()
    scaled = rows.frame.assign(**{name: rows.frame[name] * factor for name in PRICES})
    return BarRows(scaled.drop(columns="adj_close"), rows.row)


def _once(rows: BarRows, table: Table, findings: Findings) -> BarRows:
    """Set aside rows that say the same as an earlier one, and report those that contradict it."""
    again = rows.frame.duplicated(["at", "symbol"]).to_numpy()
    same = rows.frame.duplicated(["at", "symbol", *VALUES]).to_numpy()
    findings.drop(table, rows.row[same], "bars that stand twice", rows.named(same))
    _refuse(rows, again & ~same, table, findings, ("a second bar of the same time and symbol, with other values", "keep one of them"))
    return rows.keep(~again)


def listed_rows(rows: BarRows, table: Table, listing: Table, findings: Findings) -> BarRows:
    """Return the bars within their symbol's dated listing (symbol, start, end; empty = open), the others set aside.

    A symbol listed twice (a ticker that another company took over) is a problem: features and positions would join the two. So are bars
    of a symbol that the listing does not know.
    """
    spells = _spells(listing, findings)
    if spells is None:
        return rows
    known = pd.Index(spells["symbol"].unique())
    for name in sorted(set(rows.frame["symbol"]) - set(known)):
        fix = "add it, or drop its bars"
        findings.refuse(f"the symbol {name!r} of the bars is not listed{nearest(name, known)}", fix, file=listing.files[0])
    idle = len(set(known) - set(rows.frame["symbol"]))
    findings.notes.extend([f"{idle} symbols of {listing.files[0]} have no bars"] if idle else [])
    each = rows.frame[["symbol", "session"]].assign(nth=np.arange(len(rows.row))).merge(spells, on="symbol", how="inner")
    inside = each.loc[each["session"].between(each["start"], each["end"]), "nth"]
    fits = np.isin(np.arange(len(rows.row)), inside.to_numpy())
    findings.drop(table, rows.row[~fits], "bars outside their symbol's listing", rows.named(~fits))
    return rows.keep(fits)


def names_of(listing: Table, findings: Findings) -> dict[str, str]:
    """Return the name of each symbol that has one."""
    if "name" not in listing.frame:
        return {}
    symbol, name = texts(listing, "symbol", findings), texts(listing, "name", findings)
    return {str(key): str(value) for key, value in zip(symbol, name, strict=True) if value != ""}


def _spells(listing: Table, findings: Findings) -> pd.DataFrame | None:
    """Return symbol, start and end of each listing, or None if the table cannot be used."""
    if not has_columns(listing, [("symbol",)], findings):
        return None
    spells = pd.DataFrame({"symbol": texts(listing, "symbol", findings)})
    for name, missing in (("start", "1900-01-01"), ("end", "2099-12-31")):
        column = texts(listing, name, findings) if name in listing.frame else pd.Series("", index=spells.index)
        dates = session_dates(column.where(column != "", missing))
        if refuse_stamps(listing, name, dates, findings).any():
            return None
        spells[name] = dates.at
    wrong = (spells["start"] > spells["end"]).to_numpy()
    findings.refuse_rows(listing, wrong, ("start lies after end", "exchange them"), column="start", shown=spells["symbol"])
    twice = spells["symbol"].duplicated().to_numpy()
    findings.refuse_rows(listing, twice, ("the symbol is listed twice", "give each company a symbol of its own"), column="symbol")
    return spells


def _refuse(rows: BarRows, bad: Mask, table: Table, findings: Findings, what: tuple[str, str]) -> None:
    """Report bad bars with their symbol, date and values as they stand in the table."""
    mask = np.zeros(len(table.frame), dtype=bool)
    mask[rows.row[bad]] = True
    if mask.any():
        shown = [name for name in ("date", "time", "symbol", *VALUES, "adj_close") if name in table.frame]
        cells = table.frame.loc[mask, shown].astype("str").fillna("").agg(" ".join, axis=1)
        findings.refuse_rows(table, mask, what, shown=cells.reindex(table.frame.index))
