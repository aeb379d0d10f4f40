"""Checks: the rows of a bars table as (at, session, symbol, prices, volume), each one possible and there once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import PRICES, TIME_UNIT
from quantlab.data import rules
from quantlab.data.columns import has_columns, numbers, refuse_stamps, texts, unread
from quantlab.data.findings import Findings
from quantlab.data.hours import refuse_hours
from quantlab.data.rules import Rule
from quantlab.data.settings import FILE, Settings
from quantlab.data.stamps import Stamps, instants, local_midnights_as_dates, session_dates
from quantlab.data.tables import Mask, Table
from quantlab.errors import DataError
from quantlab.news import MARKET
from quantlab.sessions import sessions, time_zone

VALUES = (*PRICES, "volume")
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
    odd = ~_names_one(symbol)
    findings.rows(rules.SYMBOL, table, odd, column="symbol", shown=symbol)
    bad |= odd
    columns = {}
    for name in (*VALUES, *(["adj_close"] if "adj_close" in table.frame else [])):
        columns[name], no_number = numbers(table, name, findings)
        bad |= no_number
    frame = when.assign(symbol=symbol, **columns)
    fine = np.flatnonzero(~bad)
    rows = _priced(BarRows(frame.iloc[fine].reset_index(drop=True), fine), table, findings)
    rows = _possible(rows, table, settings, findings)
    unread(table, (*(name for names in needed for name in names), "adj_close"), findings)
    return _once(rows, table, findings)


def _names_one(symbol: pd.Series) -> Mask:
    """Return where a text is the name of one symbol: seen as it is, so that two that look the same are the same, (n_rows,)."""
    codes, distinct = pd.factorize(symbol)
    names = [
        name != "" and name != MARKET and "|" not in name and len(name) <= rules.LONGEST_SYMBOL and name.isprintable() for name in distinct
    ]
    return np.array(names, dtype=bool)[codes]


def _when(table: Table, settings: Settings, findings: Findings) -> tuple[pd.DataFrame, Mask]:
    """Return `at`, when each bar is complete, and its `session`, (n_rows, 2), and where they cannot be told."""
    name = "date" if "date" in table.frame else "time"
    if "date" in table.frame and "time" in table.frame:
        findings.add(rules.DATE_AND_TIME, table.files[0])
    cells = table.frame[name] if isinstance(table.frame[name].dtype, pd.StringDtype) else table.frame[name].astype("str")
    if settings.bar_stamp != "session":
        stamps = instants(cells, zone=settings.timezone, day_zone=None)
        bad = refuse_stamps(table, name, stamps, findings)
        complete = stamps.at + (settings.duration("bar_length").as_unit(TIME_UNIT) if settings.bar_stamp == "open" else pd.Timedelta(0))
        local = complete.tz_convert(time_zone(settings.calendar)).tz_localize(None).normalize()
        off = ~bad & _closes(Stamps(local, stamps.wrong), settings, findings).isna()
        findings.rows(rules.OFF_SESSION.of(calendar=settings.calendar), table, off, column=name, shown=cells)
        refuse_hours(pd.DatetimeIndex(complete[~bad].unique()).sort_values(), table.files[0], settings, findings)
        return pd.DataFrame({"at": complete, "session": local}), bad
    zone = time_zone(settings.calendar)
    days = local_midnights_as_dates(cells, zone)
    if days is not None:
        findings.add(rules.LOCAL_MIDNIGHTS.of(column=repr(name), zone=zone))
    dates = session_dates(cells if days is None else days)
    bad = refuse_stamps(table, name, dates, findings, days=True)
    closes = _closes(dates, settings, findings)
    closed = ~bad & closes.isna()
    findings.rows(rules.NO_SESSION.of(calendar=settings.calendar), table, closed, column=name, shown=cells)
    return pd.DataFrame({"at": closes, "session": dates.at}), bad | closed


def _closes(dates: Stamps, settings: Settings, findings: Findings) -> pd.DatetimeIndex:
    """Return the close of each session named, (n_rows,), NaT where there is none."""
    if dates.at.isna().all():
        return pd.DatetimeIndex(dates.at).tz_localize("UTC")
    try:
        table = sessions(settings.calendar, dates.at.min(), dates.at.max())
    except DataError as error:  # the calendar does not reach so far
        findings.add(rules.NO_CALENDAR.of(error=error), FILE)
        return pd.DatetimeIndex(dates.at).tz_localize("UTC")
    return pd.DatetimeIndex(table["close"].reindex(dates.at))


def _priced(rows: BarRows, table: Table, findings: Findings) -> BarRows:
    """Set aside rows without any price, and report those with some."""
    missing = rows.frame[list(PRICES)].isna().to_numpy()
    none: Mask = np.asarray(missing.all(axis=1))
    findings.at(rules.NO_PRICE, table, rows.row[none], shown=rows.named(none))
    part: Mask = np.asarray(missing.any(axis=1)) & ~none
    _report(rules.PART_PRICE, rows, part, table, findings)
    void = ~none & ~part & rows.frame["volume"].isna().to_numpy()
    _report(rules.NO_VOLUME, rows, void, table, findings)
    return rows.keep(~(none | part | void))


def _possible(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> BarRows:
    """Report bars that no market prints, widen [low, high] a little where open or close lies just outside, and adjust."""
    open_, high, low, close, volume = (rows.frame[name].to_numpy() for name in VALUES)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    kinds = {
        rules.NOT_POSITIVE: np.minimum(np.minimum(open_, close), np.minimum(high, low)) <= 0,
        rules.HIGH_LOW: high < low,
        rules.NEGATIVE_VOLUME: volume < 0,
        rules.OUTSIDE: (top > high * (1 + rules.WIDENED)) | (bottom < low * (1 - rules.WIDENED)),
        rules.WIDE_RANGE.of(jump=settings.largest_jump): high >= low * settings.largest_jump,
    }
    bad = np.zeros(len(rows.row), dtype=bool)
    for rule, mask in kinds.items():
        _report(rule, rows, mask & ~bad, table, findings)
        bad |= mask
    wide = ~bad & ((top > high) | (bottom < low))
    findings.at(rules.WIDENED_BARS, table, rows.row[wide])
    frame = rows.frame.assign(high=np.maximum(high, top), low=np.minimum(low, bottom))
    return _adjusted(BarRows(frame, rows.row).keep(~bad), table, settings, findings)


def _adjusted(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> BarRows:
    """Scale the prices by adj_close / close where there is an adj_close, so that returns include dividends.

    All four by the same factor: rounding is monotonic, so high stays above and low below. Volume is left as it is.
    """
    if "adj_close" not in rows.frame:
        missing = {"splits": "dividends", "none": "dividends or splits (returns jump where there was one)"}.get(settings.adjusted)
        if missing:
            findings.add(rules.UNADJUSTED.of(missing=missing))
        return rows
    close, adjusted = rows.frame["close"].to_numpy(), rows.frame["adj_close"].to_numpy()
    bad = ~(adjusted > 0)
    _report(rules.NO_ADJUSTED, rows, bad, table, findings)
    if settings.adjusted == "all":
        other = ~bad & (np.abs(adjusted - close) > SAME * close)
        _report(rules.ADJUSTED_TWICE, rows, other, table, findings)
        return BarRows(rows.frame.drop(columns="adj_close"), rows.row).keep(~(bad | other))
    rows = rows.keep(~bad)
    factor = (rows.frame["adj_close"] / rows.frame["close"]).to_numpy()
    scaled = rows.frame.assign(**{name: rows.frame[name] * factor for name in PRICES})
    return BarRows(scaled.drop(columns="adj_close"), rows.row)


def _once(rows: BarRows, table: Table, findings: Findings) -> BarRows:
    """Set aside rows that say the same as an earlier one, and report all that contradict each other: nobody knows which is right."""
    key = ["at", "symbol"]
    same = rows.frame.duplicated([*key, *VALUES]).to_numpy()
    findings.at(rules.SAME_BAR, table, rows.row[same], shown=rows.named(same))
    rows = rows.keep(~same)
    other = rows.frame.duplicated(key, keep=False).to_numpy()
    _report(rules.OTHER_BAR, rows, other, table, findings)
    return rows.keep(~other)


def _report(rule: Rule, rows: BarRows, bad: Mask, table: Table, findings: Findings) -> None:
    """Report bad bars with their values as they stand in the table."""
    if bad.any():
        columns = [name for name in ("date", "time", "symbol", *VALUES, "adj_close") if name in table.frame]
        cells = table.frame.iloc[rows.row[bad]][columns].astype("str").fillna("").agg(" ".join, axis=1)
        findings.at(rule, table, rows.row[bad], shown=cells)
