"""Options that commands share: how their texts are read."""

from __future__ import annotations

import pandas as pd
import pytest

from quantlab.commands.options import span
from quantlab.errors import UsageError


def test_a_day_holds_the_bars_that_end_in_it() -> None:
    """A bar that is complete at midnight, as those of markets that never close are, belongs to the day that it ends."""
    first, last = span("2023-12-30", "2023-12-31")
    closes = pd.date_range("2023-12-30", periods=4, tz="UTC", unit="us")  # of the 29th to the 1st
    assert [first <= close <= last for close in closes] == [False, True, True, False]
    assert span(None, None) == (None, None)


def test_a_span_of_one_day_is_fine_and_one_that_ends_before_it_starts_is_said() -> None:
    """With both dates, before anything is read."""
    span("2024-06-30", "2024-06-30")
    with pytest.raises(UsageError, match="--start 2024-07-01 lies after --end 2024-06-30: exchange them"):
        span("2024-07-01", "2024-06-30")


@pytest.mark.parametrize("text", ["soon", "2024-13-01", "2024-06-30 12:00", "2024-06-30T00:00Z"])
def test_what_is_no_date_is_said(text: str) -> None:
    """With the option and the value."""
    with pytest.raises(UsageError, match="--end takes a date"):
        span(None, text)
