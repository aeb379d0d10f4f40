"""Where two runs differ: the first row, both values, and nothing that is rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import closes, flat_bars, news_of

from quantlab.audit.differences import panels, series, tables
from quantlab.features import panel
from quantlab.news import known_news

BARS = flat_bars({"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]})


def test_equal_panels_do_not_differ() -> None:
    """Rounding in the last bits and NaN against NaN are no difference."""
    one = panel(x=BARS.close, y=BARS.close.where(BARS.close > 2))
    two = one.assign(x=one["x"] * (1 + 1e-15))
    assert list(panels(one, two)) == []


def test_the_first_row_and_both_values_are_named() -> None:
    """By time, then by symbol; all rows are counted."""
    one = panel(x=BARS.close)
    two = one.assign(x=[1.0, 4.0, 2.0, 5.5, 3.5, 6.0])
    (found,) = panels(one, two)
    assert (found.stage, found.column, found.time, found.symbol) == ("features", "x", closes(3)[1], "B")
    assert (found.value, found.other, found.n_rows) == ("5", "5.5", 2)


def test_a_number_against_a_gap_is_a_difference() -> None:
    """A value that is NaN without the future was made of it."""
    one = pd.Series([1.0, np.nan], pd.MultiIndex.from_tuples([(closes(2)[0], "A"), (closes(2)[1], "A")]))
    (found,) = series("signal", "", one, one.fillna(2.0))
    assert (found.value, found.other) == ("nan", "2")


def test_missing_rows_and_columns_are_differences() -> None:
    """A universe that changes is one as well."""
    one = panel(x=BARS.close, y=BARS.close)
    assert [d.column for d in panels(one, one[["x"]])] == ["y"]
    (found,) = panels(one, one.iloc[:-1])
    assert (found.column, found.value, found.other, found.symbol) == ("rows", "there", "missing", "B")


def test_documents_are_compared_by_text_and_age() -> None:
    """The document that only one side has is shown with its age."""
    said = [("2024-01-01 20:00", "A", "one"), ("2024-01-02 20:00", "A", "two")]
    one, two = (panel(news=known_news(news_of(*rows), BARS)) for rows in (said, said[:1]))
    (found,) = panels(one, two)
    assert (found.stage, found.symbol, found.time) == ("documents", "A", closes(2)[1])
    assert (found.value, found.other) == ("'two', 1.00 h old", "no such document")


def test_wide_tables_are_compared_cell_by_cell() -> None:
    """Weights, for one."""
    (found,) = tables("weights", "", BARS.close, BARS.close.replace(6.0, 7.0))
    assert (found.time, found.symbol, found.value, found.other) == (closes(3)[2], "B", "6", "7")


SAID = [("2024-01-01 20:00", "A", "one"), ("2024-01-02 20:00", "A", "two"), ("2024-01-03 20:00", "A", "one")]
OTHERS = {
    "another text": [*SAID[:1], ("2024-01-02 20:00", "A", "three"), *SAID[2:]],
    "the other of two known texts": [*SAID[:2], ("2024-01-03 20:00", "A", "two")],
    "another age": [*SAID[:2], ("2024-01-03 19:00", "A", "one")],
    "another name": [*SAID[:2], ("2024-01-03 20:00", "B", "one")],
    "one less": SAID[:2],
}


@pytest.mark.parametrize("said", OTHERS.values(), ids=list(OTHERS))
def test_each_way_in_which_documents_differ_is_seen(said: list[tuple[str, str, str]]) -> None:
    """The quick comparison of Arrow lists lets nothing through that the slow one would have seen."""
    one, two = (panel(news=known_news(news_of(*rows), BARS)) for rows in (SAID, said))
    assert [found.stage for found in panels(one, two)] == ["documents"]


def test_the_same_documents_in_another_dictionary_are_the_same() -> None:
    """A document that no bar knows yet changes how texts are numbered, and nothing else."""
    more = [("2023-12-01 20:00", "C", "zero"), *SAID, ("2025-01-01 20:00", "A", "later")]
    one, two = (panel(news=known_news(news_of(*rows), BARS)) for rows in (SAID, more))
    assert list(panels(one, two)) == []


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_how_large_a_column_is_does_not_hide_a_difference(scale: float) -> None:
    """Rounding is measured against the largest value of the column, or a leak times 1e-12 would pass."""
    one = panel(x=BARS.close * scale)
    (found,) = panels(one, panel(x=BARS.close.replace(5.0, 5.5) * scale))
    assert (found.column, found.n_rows) == ("x", 1)
    assert list(panels(one, one + 6.0 * scale * 1e-13)) == []


def test_a_column_of_zeros_differs_from_any_other() -> None:
    """There is nothing to round."""
    one = panel(x=BARS.close * 0.0)
    assert [found.n_rows for found in panels(one, one.assign(x=[0.0, 0.0, 0.0, 1e-30, 0.0, 0.0]))] == [1]


KINDS = {
    "str": pd.Series(["bank", "tech"] * 3).astype("str"),
    "category": pd.Series(["bank", "tech"] * 3, dtype="category"),
    "double[pyarrow]": pd.Series([1.0, None] * 3, dtype="double[pyarrow]"),
    "string[pyarrow]": pd.Series(["bank", None] * 3, dtype="string[pyarrow]"),
    "Int64": pd.Series([1, None] * 3, dtype="Int64"),
    "bool": pd.Series([True, False] * 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_every_kind_are_compared(kind: str) -> None:
    """Only Arrow lists are news: pandas keeps strings and numbers in Arrow as well."""
    one = panel(z=BARS.close)
    mine = one.assign(x=KINDS[kind].set_axis(one.index))
    assert list(panels(mine, mine.copy())) == []
    theirs = mine.assign(x=KINDS[kind].iloc[[0, 1, 2, 3, 4, 4]].set_axis(one.index))
    (found,) = panels(mine, theirs)
    assert (found.stage, found.column, found.time, found.symbol, found.n_rows) == ("features", "x", closes(3)[2], "B", 1)


def test_a_news_column_against_numbers_is_a_difference() -> None:
    """Only one of the two worlds has documents."""
    said = panel(news=known_news(news_of(*SAID), BARS))
    assert [found.column for found in panels(said, panel(news=BARS.close))] == ["news"]
