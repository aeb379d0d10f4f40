"""Sessions: opens and closes in UTC, half days and holidays included."""

import pandas as pd
import pytest

from quantlab.errors import DataError
from quantlab.sessions import sessions, sessions_per_year, time_zone


def test_a_session_has_its_open_and_close_in_utc():
    """New York trades 9:30 to 16:00, which is 14:30 to 21:00 UTC in winter and 13:30 to 20:00 in summer."""
    week = sessions("XNYS", "2014-03-07", "2014-03-10")  # the clocks change on Sunday the 9th
    assert list(week.index) == [pd.Timestamp("2014-03-07"), pd.Timestamp("2014-03-10")]
    assert list(week["open"]) == [pd.Timestamp("2014-03-07 14:30", tz="UTC"), pd.Timestamp("2014-03-10 13:30", tz="UTC")]
    assert list(week["close"]) == [pd.Timestamp("2014-03-07 21:00", tz="UTC"), pd.Timestamp("2014-03-10 20:00", tz="UTC")]


def test_holidays_are_left_out_and_half_days_close_early():
    """Thanksgiving 2014 has no session; the Friday after it closes at 13:00 New York."""
    table = sessions("XNYS", "2014-11-27", "2014-11-30")
    assert list(table.index) == [pd.Timestamp("2014-11-28")]
    assert table["close"].iloc[0] == pd.Timestamp("2014-11-28 18:00", tz="UTC")


def test_everything_is_in_microseconds():
    """One unit everywhere: a mix of ns and us makes joins raise or err by 1000."""
    table = sessions("XNYS", "2014-11-28", "2014-11-28")
    assert str(table.index.dtype) == "datetime64[us]"
    assert list(table.dtypes.astype(str)) == ["datetime64[us, UTC]"] * 2


def test_a_span_without_a_session_is_an_empty_table():
    """A weekend is no error."""
    table = sessions("XNYS", "2020-01-04", "2020-01-05")
    assert len(table) == 0
    assert list(table.columns) == ["open", "close"]


def test_a_round_the_clock_calendar_closes_at_the_next_midnight():
    """24/7 has a session for every day."""
    table = sessions("24/7", "2020-02-28", "2020-03-01")
    assert list(table["close"].dt.strftime("%m-%d %H:%M")) == ["02-29 00:00", "03-01 00:00", "03-02 00:00"]


def test_the_sessions_do_not_depend_on_the_span_asked_for():
    """Every part of a span has the sessions that the whole has, observed holidays at its edges included."""
    whole = sessions("XNYS", "2015-01-01", "2023-12-31")
    for start, end in (
        ("2015-12-25", "2016-01-04"),
        ("2016-12-26", "2017-01-03"),
        ("2021-12-24", "2022-01-03"),
        ("2022-12-26", "2023-01-03"),
    ):
        pd.testing.assert_frame_equal(sessions("XNYS", start, end), whole.loc[start:end])


def test_instants_with_a_zone_stand_for_their_utc_date():
    """So that the ends of a bars index can be passed as they are."""
    close = pd.Timestamp("2014-11-28 18:00", tz="UTC")
    assert list(sessions("XNYS", close, close).index) == [pd.Timestamp("2014-11-28")]


@pytest.mark.parametrize(("calendar", "expected"), [("XNYS", 252.0), ("24/7", 365.0), ("24/5", 261.0)])
def test_sessions_per_year_are_counted_on_the_calendar(calendar, expected):
    """252 for New York even for data of 2023 alone, which had 250 sessions; 365 round the clock."""
    assert sessions_per_year(calendar, "2023-02-01", "2023-11-30") == expected
    assert sessions_per_year(calendar, "2012-09-04", "2017-09-01") == expected


def test_a_calendar_with_a_short_memory_is_counted_as_far_as_it_reaches():
    """Riyadh is known from 2021 on: fewer than twenty years, but no error."""
    assert 245 <= sessions_per_year("XSAU", "2022-01-03", "2023-06-01") <= 252


def test_an_exchange_keeps_its_clock_in_a_zone():
    """The zone in which a date without a time is read."""
    assert time_zone("XNYS") == "America/New_York"
    assert time_zone("24/7") == "UTC"


@pytest.mark.parametrize(
    ("calendar", "start", "end", "said"),
    [
        ("XNSY", "2020-01-01", "2020-02-01", "did you mean 'XNYS'"),
        ("xnys", "2020-01-01", "2020-02-01", "did you mean 'XNYS'"),
        ("XKRX", "1950-01-01", "1960-01-01", "1956"),
        ("XHKG", "2015-01-01", "2060-01-01", "2049"),
        ("XNYS", "2020-03-01", "2020-02-01", "lies after"),
        ("XNYS", "soon", "2020-02-01", "'soon' is no date"),
        ("XNYS", None, "2020-02-01", "date is missing"),
    ],
)
def test_what_the_calendar_cannot_answer_is_a_data_error(calendar, start, end, said):
    """An unknown name is answered with the nearest one; spans out of reach say how far it reaches."""
    with pytest.raises(DataError, match=said):
        sessions(calendar, start, end)
