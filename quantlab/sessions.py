"""Sessions: when an exchange opens and closes, holidays and half days included.

The dates come from exchange_calendars, always asked for an explicit span: its default range moves with today's date.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from quantlab.bars import TIME_UNIT
from quantlab.errors import DataError, nearest

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

Day: TypeAlias = "str | pd.Timestamp"
Span: TypeAlias = "tuple[pd.Timestamp, pd.Timestamp]"
YEARS_COUNTED = 20  # single years differ (XNYS 2023: 250, 2020: 253); over twenty it is the usual 252
DAYS_PER_YEAR = 365.2425


def sessions(calendar: str, start: Day, end: Day) -> pd.DataFrame:
    """Return the sessions from `start` to `end`, both included: `open` and `close` in UTC, (n_sessions, 2).

    The index is the date of the session, naive midnight. `calendar` is a name of exchange_calendars (`XNYS`, `XLON`,
    `24/7`, ...). Dates without a zone are session dates; an instant with a zone stands for its date in UTC.
    A span without a session gives an empty table. Raises DataError for an unknown calendar, for dates that are no dates
    or in the wrong order, and for those that the calendar does not know.
    """
    first, last = _day(start), _day(end)
    if first > last:
        raise DataError(f"sessions of {calendar}: the start {first.date()} lies after the end {last.date()}: exchange them")
    table = _around(calendar, first, last).schedule.loc[first:last, ["open", "close"]]
    return pd.DataFrame(
        {name: pd.DatetimeIndex(table[name]).as_unit(TIME_UNIT) for name in table.columns},
        index=pd.DatetimeIndex(table.index.to_numpy(), name="session").as_unit(TIME_UNIT),
    )


def sessions_per_year(calendar: str, start: Day, end: Day) -> float:
    """Return the number of sessions in a year, a whole number: 252 for XNYS, 365 for 24/7.

    Counted from the first to the last day of the years of `start` and `end`, and over at least twenty years up to `end`,
    as far as the calendar reaches. Raises DataError as `sessions` does.
    """
    known = _around(calendar, _day(start), _day(end))
    first, last = _long_span(_day(start), _day(end))
    first, last = max(first, known.bound_min() or first), min(last, known.bound_max() or last)
    n_days = (last - first).days + 1
    return float(round(len(sessions(calendar, first, last)) / n_days * DAYS_PER_YEAR))


@lru_cache(maxsize=32)  # a constant of the exchange, and the library keeps one span of each calendar: asking would cost a rebuild
def time_zone(calendar: str) -> str:
    """Return the name of the zone in which the exchange keeps its clock: `America/New_York` for XNYS."""
    return str(_calendar(calendar, (pd.Timestamp("2022-01-01"), pd.Timestamp("2022-12-31"))).tz)  # a year that all know


def _day(value: Day) -> pd.Timestamp:
    """Return the midnight of a date, without a zone."""
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise DataError(f"{value!r} is no date: write YYYY-MM-DD") from error
    if pd.isna(stamp):
        raise DataError("a date is missing: write YYYY-MM-DD")
    return (stamp.tz_convert(None) if stamp.tzinfo else stamp).normalize()


def _long_span(first: pd.Timestamp, last: pd.Timestamp) -> Span:
    """Return the whole years of a span, twenty or more."""
    return pd.Timestamp(min(first.year, last.year - YEARS_COUNTED + 1), 1, 1), pd.Timestamp(last.year, 12, 31)


def _around(name: str, first: pd.Timestamp, last: pd.Timestamp) -> ExchangeCalendar:
    """Return a calendar that holds the span, and as much around it as it can.

    Whole years always hold a session, which exchange_calendars insists on, and have no holiday observed across their edge.
    The long span is tried first, so that it is made once for `sessions` and `sessions_per_year`: the library keeps the last.
    """
    return _calendar(name, _long_span(first, last), (pd.Timestamp(first.year, 1, 1), pd.Timestamp(last.year, 12, 31)), (first, last))


def _calendar(name: str, *spans: Span) -> ExchangeCalendar:
    """Return the calendar of the first of the spans that it knows."""
    from exchange_calendars import get_calendar, get_calendar_names

    names = get_calendar_names()
    if name not in names:
        known = nearest(name, names) or nearest(name.upper(), names)
        raise DataError(f"there is no calendar {name!r}{known}: use a name of exchange_calendars, such as 'XNYS' or '24/7'")
    reason = ""
    for first, last in spans:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # exchange_calendars 4.13 uses what pandas 4 will change
                return get_calendar(name, start=first, end=last)
        except ValueError as error:
            reason = f"the calendar {name} cannot be had from {first.date()} to {last.date()}: {error}"
    raise DataError(reason)
