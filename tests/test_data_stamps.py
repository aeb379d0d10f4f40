"""Stamps: text to instants, or a reason why not."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.data import stamps as module
from quantlab.data.stamps import instants, local_midnights_as_dates, midnights_as_days, session_dates


def read(text, zone=None, day_zone="America/New_York"):
    """Return the instant of one stamp as text, or the reason against it."""
    found = instants(pd.Series([text], dtype="str"), zone=zone, day_zone=day_zone)
    return found.wrong.iloc[0] or found.at[0].isoformat()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-04T15:30:00Z", "2024-03-04T15:30:00+00:00"),
        ("2024-03-04 10:30-05:00", "2024-03-04T15:30:00+00:00"),
        ("2024-03-04T10:30:00.5-0500", "2024-03-04T15:30:00.500000+00:00"),
        ("2024-03-04T10:30:00,5 -05", "2024-03-04T15:30:00.500000+00:00"),
        (" 2024-03-04T15:30:00Z ", "2024-03-04T15:30:00+00:00"),
    ],
)
def test_iso_stamps_with_a_zone_are_instants(text, expected):
    """Fractions, offsets with and without a colon, a blank for the T."""
    assert read(text) == expected


def test_a_date_alone_is_the_end_of_that_local_day():
    """News of 4 March in New York is out by midnight there: 05:00 UTC on the 5th in winter, 04:00 in summer."""
    assert read("2024-03-04") == "2024-03-05T05:00:00+00:00"
    assert read("2024-07-04") == "2024-07-05T04:00:00+00:00"
    assert read("2024-03-04", day_zone="UTC") == "2024-03-05T00:00:00+00:00"


def test_a_day_that_ends_where_the_clocks_change_ends_late():
    """Santiago skips the first hour of 8 September 2024, Havana has that of 3 November twice: the later end counts."""
    assert read("2024-09-07", day_zone="America/Santiago") == "2024-09-08T04:00:00+00:00"
    assert read("2024-11-02", day_zone="America/Havana") == "2024-11-03T05:00:00+00:00"


def test_naive_stamps_need_a_declared_zone():
    """10:30 of nowhere is an error; declared to be New York, it is 15:30 UTC."""
    assert read("2024-03-04T10:30") == module.rules.NAIVE.name
    assert read("2024-03-04T10:30", zone="America/New_York") == "2024-03-04T15:30:00+00:00"


def test_local_times_that_the_clocks_skip_or_repeat_are_refused():
    """New York has no 02:30 on 10 March 2024 and two 01:30 on 3 November."""
    assert read("2024-03-10T02:30", zone="America/New_York") == module.rules.SKIPPED.name
    assert read("2024-11-03T01:30", zone="America/New_York") == module.rules.TWICE.name
    assert read("2024-11-03T01:30-04:00", zone="America/New_York") == "2024-11-03T05:30:00+00:00"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", module.rules.EMPTY.name),
        ("1709566200", module.rules.NUMBER.name),
        ("1709566200000.0", module.rules.NUMBER.name),
        ("20240304", module.rules.NUMBER.name),
        ("03/04/2024", module.rules.SLASHES.name),
        ("3.4.2024 10:30", module.rules.SLASHES.name),
        ("yesterday", module.rules.OTHER.name),
        ("Mon, 04 Mar 2024 10:30:00 GMT", module.rules.OTHER.name),
        ("2024-02-30", module.rules.IMPOSSIBLE.name),
        ("2024-02-30T10:00:00Z", module.rules.IMPOSSIBLE.name),
        ("2024-03-04T25:00:00Z", module.rules.IMPOSSIBLE.name),
        ("0204-03-04T10:00:00Z", module.rules.YEAR.name),
        ("9999-12-30", module.rules.YEAR.name),
    ],
)
def test_what_is_no_instant_is_refused_with_the_reason(text, reason):
    """Numbers, ambiguous days, days that do not exist, years out of this world."""
    assert read(text) == reason
    assert module.rules.STAMPS[reason].fix


def test_a_stamp_is_read_by_itself():
    """A column of mixed forms gives what each form gives alone, in the order of the rows."""
    texts = ["2024-03-04T15:30:00Z", "2024-03-04", "03/04/2024", "2024-03-04T10:30:00-05:00", "2024-03-04T15:30:00Z"]
    together = instants(pd.Series(texts, dtype="str"), zone=None, day_zone="UTC")
    for text, at, wrong in zip(texts, together.at, together.wrong, strict=True):
        assert read(text, day_zone="UTC") == (wrong or at.isoformat())


@given(st.datetimes(min_value=pd.Timestamp("1950-01-01"), max_value=pd.Timestamp("2090-01-01")))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_written_instants_are_read_back(when):
    """Any instant to the microsecond survives."""
    assert read(when.isoformat() + "+00:00") == pd.Timestamp(when, tz="UTC").isoformat()


def test_session_stamps_are_dates():
    """Midnight may be written out; any other time, or a zone, is no date of a session."""
    texts = ["2024-03-04", "2024-03-04 00:00:00", "2024-03-04T00:00:00.000000", "2024-03-04T16:00", "2024-03-04T00:00:00Z", "2024-02-30"]
    found = session_dates(pd.Series(texts, dtype="str"))
    instant = module.rules.NO_SESSION_DATE.name
    assert list(found.wrong) == ["", "", "", instant, instant, module.rules.IMPOSSIBLE.name]
    assert list(found.at[:3]) == [pd.Timestamp("2024-03-04")] * 3
    assert found.at[3:].isna().all()


@pytest.mark.parametrize("stamp", ["2024-03-05 00:00:00", "2024-03-05T00:00:00Z", "2024-03-05 00:00:00.000000", "2024-03-05T00:00+00:00"])
def test_midnights_mean_the_day_where_they_are_many(stamp):
    """A day that arrives as an instant would be known before it began; a rare midnight is an instant like any other."""
    many, n_days = midnights_as_days(pd.Series([stamp, stamp, "2024-03-05T10:00:00Z", ""]))
    assert (many.tolist(), n_days) == (["2024-03-05", "2024-03-05", "2024-03-05T10:00:00Z", ""], 2)
    few = pd.Series([stamp, *["2024-03-05T10:00:00Z"] * 9])
    assert midnights_as_days(few)[1] == 0
    assert midnights_as_days(few)[0].equals(few)


def test_local_midnights_name_days_only_where_all_of_them_are_midnights():
    """In winter and summer, in the exchange's zone; one other hour, one date alone, or another zone, and they are instants."""
    stamps = ["2024-03-04 00:00:00-05:00", "2024-07-04T04:00:00Z"]
    found = local_midnights_as_dates(pd.Series(stamps), "America/New_York")
    assert found is not None
    assert found.tolist() == ["2024-03-04", "2024-07-04"]
    assert local_midnights_as_dates(pd.Series(stamps), "UTC") is None
    for other in ("2024-03-04T21:00:00Z", "2024-03-04", ""):
        assert local_midnights_as_dates(pd.Series([*stamps, other]), "America/New_York") is None
    assert local_midnights_as_dates(pd.Series([], dtype="str"), "UTC") is None
