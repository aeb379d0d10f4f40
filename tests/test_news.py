"""The point-in-time join: strict, causal, and equal to the obvious loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import closes, flat_bars, news_of
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.bars import Bars
from quantlab.errors import DataError, UsageError
from quantlab.news import MARKET, Documents, News, known_news

THREE_DAYS = flat_bars({"A": [1, 1, 1], "B": [2, 2, 2]})  # closes at 21:00 on 1, 2 and 3 January 2024


def cells(column: pd.Series) -> dict[tuple[int, str], list[str]]:
    """Return the texts of each non-empty cell by (day of month, symbol)."""
    return {(time.day, symbol): [doc["text"] for doc in docs] for (time, symbol), docs in column.items() if docs}


def test_a_document_before_the_close_is_known_at_that_close() -> None:
    """One second before the close is in time."""
    assert cells(known_news(news_of(("2024-01-02T20:59:59Z", "A", "x")), THREE_DAYS)) == {(2, "A"): ["x"]}


def test_a_document_at_the_very_close_is_too_late() -> None:
    """Known means strictly before: a stamp equal to the close counts for the next bar."""
    assert cells(known_news(news_of(("2024-01-02T21:00:00Z", "A", "x")), THREE_DAYS)) == {(3, "A"): ["x"]}


def test_a_document_one_microsecond_before_the_close_is_known() -> None:
    """The join is exact to the unit of the clock."""
    assert cells(known_news(news_of(("2024-01-02T20:59:59.999999Z", "A", "x")), THREE_DAYS)) == {(2, "A"): ["x"]}


def test_delay_postpones_what_is_known() -> None:
    """A document an hour before the close is too late if it takes an hour to arrive."""
    news = news_of(("2024-01-02T20:00:00Z", "A", "x"))
    assert cells(known_news(news, THREE_DAYS, delay=pd.Timedelta("1h"))) == {(3, "A"): ["x"]}
    assert cells(known_news(news, THREE_DAYS, delay=pd.Timedelta("59min"))) == {(2, "A"): ["x"]}


def test_a_negative_delay_is_refused() -> None:
    """Reading tomorrow's paper is an error."""
    with pytest.raises(UsageError, match="negative delay"):
        known_news(news_of(("2024-01-02T20:00:00Z", "A", "x")), THREE_DAYS, delay=pd.Timedelta("-1min"))


def test_lookback_keeps_a_document_in_view_for_that_many_bars() -> None:
    """Two bars of lookback show it on two bars, oldest first."""
    news = news_of(("2024-01-01T10:00:00Z", "A", "old"), ("2024-01-02T10:00:00Z", "A", "new"))
    assert cells(known_news(news, THREE_DAYS, lookback=2)) == {(1, "A"): ["old"], (2, "A"): ["old", "new"], (3, "A"): ["new"]}


@pytest.mark.parametrize("lookback", [0, -1, 1.5])
def test_lookback_must_be_a_positive_whole_number(lookback: float) -> None:
    """A lookback of no bars would know nothing."""
    with pytest.raises(UsageError, match="lookback"):
        known_news(News.none(), THREE_DAYS, lookback=lookback)  # type: ignore[arg-type]  # the point of the test


def test_market_wide_news_stands_under_every_symbol() -> None:
    """`*` means all."""
    assert cells(known_news(news_of(("2024-01-02T10:00:00Z", MARKET, "x")), THREE_DAYS)) == {(2, "A"): ["x"], (2, "B"): ["x"]}


def test_news_after_the_last_bar_and_of_unknown_symbols_is_nowhere() -> None:
    """Neither has a row to stand in."""
    news = news_of(("2024-01-09T10:00:00Z", "A", "late"), ("2024-01-02T10:00:00Z", "ZZZ", "who"))
    assert cells(known_news(news, THREE_DAYS)) == {}


def test_age_is_the_close_less_the_instant_of_availability() -> None:
    """Eleven hours before the close is eleven hours old, a day later a day more."""
    documents = Documents.of(known_news(news_of(("2024-01-01T10:00:00Z", "A", "x")), THREE_DAYS, lookback=2))
    assert documents.age_hours.tolist() == [11.0, 35.0]
    assert documents.row.tolist() == [0, 2]
    assert documents.decay(24.0)[1] == pytest.approx(0.5 ** (35 / 24))


def test_each_distinct_text_is_stored_once() -> None:
    """Two symbols, three bars, one text."""
    documents = Documents.of(known_news(news_of(("2024-01-01T10:00:00Z", MARKET, "x")), THREE_DAYS, lookback=3))
    assert documents.texts == ("x",)
    assert len(documents.text) == 6


def test_mean_by_row_weighs_documents_and_gives_zero_without_any() -> None:
    """Hand-worked: (1*1 + 3*0.5) / 1.5 in the first row; nothing in the second."""
    documents = Documents(("a", "b"), np.array([0, 1]), np.array([0, 0]), np.array([0.0, 0.0]), 2)
    means = documents.mean_by_row(np.array([[1.0], [3.0]]), np.array([1.0, 0.5]))
    assert means.tolist() == [[2.5 / 1.5], [0.0]]


def test_a_slice_has_the_fingerprint_of_the_same_rows_from_another_join() -> None:
    """The fingerprint is of the documents, not of the table that they came from: later news changes nothing."""
    early = news_of(("2024-01-01T10:00:00Z", "A", "x"), ("2024-01-02T10:00:00Z", "B", "y"))
    more = news_of(("2024-01-01T10:00:00Z", "A", "x"), ("2024-01-02T10:00:00Z", "B", "y"), ("2024-01-03T10:00:00Z", "A", "a"))
    first, second = (Documents.of(known_news(news, THREE_DAYS).iloc[:4]) for news in (early, more))
    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != Documents.of(known_news(more, THREE_DAYS)).fingerprint()


def test_the_column_has_the_type_that_learners_read() -> None:
    """Distinct texts as text, ages as durations, and rows named time and symbol; flat, whole numbers of 64 bits."""
    column = known_news(news_of(("2024-01-02T10:00:00Z", "A", "x")), THREE_DAYS)
    document = pa.struct([("text", pa.dictionary(pa.int32(), pa.string())), ("age", pa.duration("us"))])
    assert column.dtype == pd.ArrowDtype(pa.list_(document))
    for made in (column, known_news(News.none(), THREE_DAYS)):
        assert (made.name, list(made.index.names)) == ("news", ["time", "symbol"])
        documents = Documents.of(made)
        assert [array.dtype for array in (documents.text, documents.row, documents.bar)] == [np.int64] * 3
        assert documents.bar.tolist() == [0, 0, 1, 1, 2, 2]
        assert documents.n_rows == 6


def test_a_missing_cell_is_one_without_documents() -> None:
    """Rows that came in by a reindex hold none; a column without times has no bars."""
    column = known_news(news_of(("2024-01-01T10:00:00Z", "A", "x")), THREE_DAYS)
    more = column.reindex([(THREE_DAYS.times[0], "A"), (THREE_DAYS.times[0], "C"), (THREE_DAYS.times[1], "A")])
    assert more.isna().tolist() == [False, True, False]
    documents = Documents.of(more)
    assert (documents.n_by_row.tolist(), documents.texts, documents.bar.tolist()) == ([1, 0, 0], ("x",), [0, 0, 1])
    assert Documents.of(column.reset_index(drop=True)).bar.tolist() == []


def test_many_documents_of_one_cell_stay_in_order() -> None:
    """Forty of the market and of the name in turn, a minute apart: oldest first, where a sort that is not stable would deal them out."""
    rows = [(f"2024-01-02T10:{minute:02}:00Z", "A" if minute % 2 else MARKET, f"{minute:02}") for minute in range(40)]
    found = cells(known_news(news_of(*rows), THREE_DAYS))
    assert found[2, "A"] == [f"{minute:02}" for minute in range(40)]
    assert found[2, "B"] == [f"{minute:02}" for minute in range(0, 40, 2)]


def test_a_mean_needs_no_document_in_the_last_row_and_weights_of_any_size() -> None:
    """Hand-worked: (1 + 3) / 2 with weights of a quarter; the second row holds the second document alone, the third none."""
    documents = Documents(("a", "b"), np.array([0, 1, 1]), np.array([0, 0, 1]), np.zeros(3), 3)
    means = documents.mean_by_row(np.array([[1.0, 10.0], [3.0, 30.0]]), np.full(3, 0.25))
    assert means.tolist() == [[2.0, 20.0], [3.0, 30.0], [0.0, 0.0]]


def test_everything_that_a_learner_reads_is_in_the_fingerprint() -> None:
    """Another text, row, age, bar or number of rows is another fingerprint, and so is a text that ends elsewhere."""
    base: dict[str, Any] = {"texts": ("ab", "c"), "text": np.array([0, 1]), "row": np.array([0, 1]), "age_hours": np.array([1.0, 2.0])}
    base |= {"n_rows": 3, "bar": np.array([0, 0, 1])}
    changes: list[dict[str, Any]] = [
        {},
        {"texts": ("a", "bc")},
        {"texts": ("ab", "\ud800")},  # half a character, as a careless crawler leaves it
        {"text": np.array([1, 0])},
        {"row": np.array([0, 2])},
        {"age_hours": np.array([1.0, 2.5])},
        {"n_rows": 4},
        {"bar": np.array([0, 1, 2])},
    ]
    found = [Documents(**(base | change)).fingerprint() for change in changes]
    assert len(set(found)) == len(changes)
    assert found[0] == Documents(**base).fingerprint()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["a"], "not list"),
        (np.array(["a"]), "not ndarray"),
        (pd.Series([1.0]), "not Series"),
        (pd.Series(["a"], dtype=pd.ArrowDtype(pa.string())), "not one of string"),
    ],
)
def test_documents_of_anything_else_is_a_clear_error(wrong: Any, said: str) -> None:
    """What came instead is named."""
    with pytest.raises(TypeError, match=rf"^a text learner reads the news column made by known_news\(\), {said}$"):
        Documents.of(wrong)


def test_news_is_a_sorted_table_of_text() -> None:
    """Sorted by instant, symbol, id, text and source, whatever the order, types and missing columns of the input."""
    stamps = pd.DatetimeIndex(["2024-01-02", "2024-01-01", "2024-01-01", "2024-01-01"]).tz_localize("Asia/Tokyo").as_unit("ns")
    table = pd.DataFrame({"text": ["x", "z", "y", "y"], "symbol": pd.Categorical(["A", "A", "B", "A"]), "available_at": stamps})
    made = News(table).table
    assert list(made.columns) == ["available_at", "symbol", "text", "source", "id"]
    assert made.index.equals(pd.RangeIndex(4))
    assert made["available_at"].dtype == pd.DatetimeTZDtype("us", "UTC")
    assert {str(made[name].dtype) for name in ("symbol", "text", "source", "id")} == {"str"}
    assert made[["symbol", "text", "source", "id"]].to_numpy().tolist() == [
        ["A", "y", "", ""],
        ["A", "z", "", ""],
        ["B", "y", "", ""],
        ["A", "x", "", ""],
    ]
    known = News(table.assign(id=["1", "2", None, None], source=[None, "wire", None, "wire"])).table
    assert known[["symbol", "text", "source", "id"]].to_numpy().tolist() == [
        ["A", "y", "wire", ""],
        ["A", "z", "wire", "2"],
        ["B", "y", "", ""],
        ["A", "x", "", "1"],
    ]


def test_until_keeps_a_document_of_that_very_instant() -> None:
    """Both ends included, as with bars: whether it was known is the join's question."""
    news = news_of(("2024-01-01T10:00:00Z", "A", "x"), ("2024-01-01T10:00:01Z", "A", "y"))
    assert news.until(pd.Timestamp("2024-01-01T10:00:00Z")).table["text"].tolist() == ["x"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"available_at": pd.to_datetime(["2024-01-01"]), "symbol": ["A"], "text": ["x"]},
            r"^news.available_at must be time-zone aware: use tz_localize\(...\).tz_convert\('UTC'\)$",
        ),
        ({"symbol": ["A"], "text": ["x"]}, "available_at"),
        ({"available_at": pd.to_datetime(["2024-01-01"], utc=True), "symbol": [""], "text": ["x"]}, "news.symbol is empty in row 0"),
        ({"available_at": pd.to_datetime(["2024-01-01"], utc=True), "symbol": ["A"], "text": [None]}, "news.text is empty in row 0"),
        ({"available_at": pd.to_datetime([None], utc=True), "symbol": ["A"], "text": ["x"]}, "news.available_at is empty in row 0"),
        (
            {"available_at": pd.to_datetime(["2024-01-01"] * 3, utc=True), "symbol": ["A", "B", ""], "text": ["x", "y", "z"]},
            "^news.symbol is empty in row 2: fill it or drop the row$",
        ),
    ],
)
def test_news_without_instant_symbol_or_text_is_refused(table: dict[str, object], said: str) -> None:
    """The message names the column and the row."""
    with pytest.raises(DataError, match=said):
        News(pd.DataFrame(table))


def obvious_join(news: News, bars: Bars, lookback: int) -> dict[tuple[int, str], list[str]]:
    """Join with the loop that anyone would write first."""
    found: dict[tuple[int, str], list[str]] = {}
    for position, time in enumerate(bars.times):
        opened = bars.times[position - lookback] if position >= lookback else pd.Timestamp.min.tz_localize("UTC")
        for symbol in bars.symbols:
            texts = [row.text for row in news.table.itertuples() if row.symbol in (symbol, MARKET) and opened <= row.available_at < time]
            if texts:
                found[time.day, symbol] = texts
    return found


stamps = st.integers(-12, 5 * 24).map(lambda hours: (closes(1)[0] + pd.Timedelta(hours=hours)).isoformat())
rows = st.tuples(stamps, st.sampled_from(["A", "B", "C", MARKET, "ZZZ"]), st.sampled_from(["x", "y", "z"]))


@given(st.lists(rows, max_size=12), st.integers(1, 3))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_the_join_equals_the_obvious_loop(documents: list[tuple[str, str, str]], lookback: int) -> None:
    """Whatever stands in the news, exact ties with a close included."""
    bars = flat_bars({"A": [1] * 4, "B": [1] * 4, "C": [1] * 4})
    news = news_of(*documents) if documents else News.none()
    assert cells(known_news(news, bars, lookback=lookback)) == obvious_join(news, bars, lookback)


@given(st.lists(rows, max_size=12), st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_what_comes_later_changes_nothing_before(documents: list[tuple[str, str, str]], lookback: int, cut: int) -> None:
    """The join of truncated inputs is a prefix of the whole join."""
    bars = flat_bars({"A": [1] * 4, "B": [1] * 4, "C": [1] * 4})
    news = news_of(*documents) if documents else News.none()
    end = bars.times[cut]
    whole = known_news(news, bars, lookback=lookback).loc[:end]
    part = known_news(news.until(end), bars.between(end=end), lookback=lookback)
    assert cells(whole) == cells(part)
    assert Documents.of(whole).fingerprint() == Documents.of(part).fingerprint()
