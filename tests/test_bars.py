"""Bars cannot exist in a bad state."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, random_bars

from quantlab.bars import Bars
from quantlab.errors import DataError


def changed(bars: Bars, field: str, row: int, column: int, value: float) -> dict[str, pd.DataFrame]:
    """Return one table of the bars with one cell changed."""
    table = getattr(bars, field).copy()
    table.iat[row, column] = value
    return {field: table}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("high", 1.0, "high < low"),
        ("low", 1e6, "high < low"),
        ("open", 1e6, "outside"),
        ("close", -5.0, "not positive"),
        ("close", np.inf, "not positive"),
        ("open", np.nan, "in part missing"),
        ("volume", -1.0, "volume is negative"),
    ],
)
def test_an_impossible_bar_is_refused_with_its_place_and_value(field: str, value: float, said: str) -> None:
    """The message names what is wrong, the symbol, the time and the values."""
    bars = random_bars(3, 2)
    with pytest.raises(DataError, match=said) as caught:
        replace(bars, **changed(bars, field, 1, 1, value))
    assert "S01" in str(caught.value)
    assert bars.times[1].isoformat() in str(caught.value)


def test_every_impossible_bar_is_reported_at_once() -> None:
    """Two bad bars are two problems in one error."""
    bars = random_bars(3, 2)
    volume = bars.volume.copy()
    volume.iloc[0, 0] = volume.iloc[2, 1] = -1
    with pytest.raises(DataError) as caught:
        replace(bars, volume=volume)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_times_must_be_utc(zone: str | None) -> None:
    """Naive and local indexes are refused."""
    bars = random_bars(3, 2)
    tables = {name: getattr(bars, name).tz_convert(zone) for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(DataError, match="UTC"):
        Bars(**tables)


def test_times_must_have_the_one_unit() -> None:
    """Nanoseconds beside microseconds would be off by 1000."""
    bars = random_bars(3, 2)
    tables = {name: getattr(bars, name).set_axis(bars.times.as_unit("ns")) for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(DataError, match="'us'"):
        Bars(**tables)


def test_times_must_increase() -> None:
    """A repeated bar is refused."""
    bars = random_bars(3, 2)
    with pytest.raises(DataError, match="unique and increasing"):
        flat_bars({"A": [1, 2]}, times=bars.times[[0, 0]])


def test_tables_must_be_aligned() -> None:
    """Columns in another order are refused: vectorbt pairs by position."""
    bars = random_bars(3, 2)
    with pytest.raises(DataError, match="not aligned"):
        replace(bars, open=bars.open[["S01", "S00"]])


def test_a_halted_or_unlisted_bar_is_all_missing_and_does_not_trade() -> None:
    """NaN in all four prices is allowed; volume 0 is listed but not traded."""
    bars = flat_bars({"A": [np.nan, 10, 10], "B": [5, 5, np.nan]})
    assert bars.listed.to_numpy().tolist() == [[False, True], [True, True], [True, False]]
    quiet = replace(bars, volume=bars.volume * 0)
    assert not quiet.traded.to_numpy().any()
    assert bars.last_bar.tolist() == [2, 1]


def test_last_bar_of_a_symbol_without_bars_is_minus_one() -> None:
    """An all-missing column has no last bar."""
    assert flat_bars({"A": [1.0, 2.0], "B": [np.nan, np.nan]}).last_bar.tolist() == [1, -1]


def test_between_keeps_both_ends() -> None:
    """The slice is inclusive and keeps the symbols."""
    bars = random_bars(5, 2)
    part = bars.between(bars.times[1], bars.times[3])
    assert part.times.equals(bars.times[1:4])
    assert part.symbols.equals(bars.symbols)
