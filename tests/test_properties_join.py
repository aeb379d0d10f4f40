"""The join, whatever the clock and the papers: what is known where, how old it is, and what cannot change it."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from conftest import flat_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.bars import Bars
from quantlab.news import MARKET, Documents, News, known_news

MICRO = pd.Timedelta(microseconds=1)
START = pd.Timestamp("2024-03-08 21:00", tz="UTC")
Cell: TypeAlias = "list[tuple[str, pd.Timedelta]]"
Papers: TypeAlias = "list[tuple[pd.Timestamp, str, str]]"

# closes at uneven distances; stamps are counted in microseconds around them, so that ties and near misses are common
gaps = st.lists(st.sampled_from([1, 2, 3_600_000_000, 86_400_000_000]), min_size=1, max_size=5)
symbols = st.sampled_from(["A", "B", MARKET, "ZZZ"])
delays = st.sampled_from([0, 1, 2, 3_600_000_000]).map(lambda micros: micros * MICRO)


@st.composite
def papers(draw: st.DrawFn, *, least: int = 0) -> tuple[Bars, Papers]:
    """Draw bars of A and B, and documents near their closes."""
    micros = np.cumsum([0, *draw(gaps)])
    times = pd.DatetimeIndex([START + int(micro) * MICRO for micro in micros]).as_unit("us")
    near = st.tuples(st.sampled_from(list(times)), st.sampled_from([-3_600_000_001, -2, -1, 0, 1])).map(lambda at: at[0] + at[1] * MICRO)
    documents = draw(st.lists(st.tuples(near, symbols, st.sampled_from("xyz")), min_size=least, max_size=8))
    return flat_bars({"A": [1] * len(times), "B": [1] * len(times)}, times=times), documents


def news_from(documents: Papers) -> News:
    """Return news of (instant, symbol, text) rows, which may be none."""
    if not documents:
        return News.none()
    at = pd.DatetimeIndex([stamp for stamp, _, _ in documents])
    return News(pd.DataFrame({"available_at": at, "symbol": [s for _, s, _ in documents], "text": [t for *_, t in documents]}))


def cells(column: pd.Series) -> list[Cell]:
    """Return the (text, age) pairs of every cell, in order of the rows."""
    return [[(document["text"], pd.Timedelta(document["age"])) for document in found] for found in column]


def obvious_join(news: News, bars: Bars, lookback: int, delay: pd.Timedelta) -> list[Cell]:
    """Ask each cell about each document: usable before this close, and not yet so `lookback` bars ago."""
    found = []
    for position, time in enumerate(bars.times):
        for symbol in bars.symbols:
            cell = []
            for document in news.table.itertuples():
                usable = document.available_at + delay
                too_old = position >= lookback and usable < bars.times[position - lookback]
                if document.symbol in (symbol, MARKET) and usable < time and not too_old:
                    cell.append((document.text, time - document.available_at))
            found.append(cell)
    return found


@given(papers(), st.integers(1, 4), delays)
@settings(max_examples=40)
def test_the_join_with_any_delay_equals_the_obvious_loop(market: tuple[Bars, Papers], lookback: int, delay: pd.Timedelta) -> None:
    """Texts, their order and their ages, on uneven bars, to the microsecond."""
    bars, documents = market
    news = news_from(documents)
    assert cells(known_news(news, bars, lookback=lookback, delay=delay)) == obvious_join(news, bars, lookback, delay)


@given(papers(least=1), st.integers(1, 4), delays)
@settings(max_examples=40)
def test_a_delay_is_the_same_as_a_later_arrival(market: tuple[Bars, Papers], lookback: int, delay: pd.Timedelta) -> None:
    """The same documents in the same cells; only the age counts from where it stood before."""
    bars, documents = market
    delayed = known_news(news_from(documents), bars, lookback=lookback, delay=delay)
    later = known_news(news_from([(at + delay, symbol, text) for at, symbol, text in documents]), bars, lookback=lookback)
    assert cells(delayed) == [[(text, age + delay) for text, age in cell] for cell in cells(later)]


@given(papers(least=1))
@settings(max_examples=40)
def test_what_is_known_stays_known(market: tuple[Bars, Papers]) -> None:
    """With a lookback over all bars, each cell of a symbol begins with the whole cell of the bar before."""
    bars, documents = market
    column = known_news(news_from(documents), bars, lookback=len(bars.times))
    for symbol in bars.symbols:
        texts = [[text for text, _ in cell] for cell in cells(column.xs(symbol, level="symbol"))]
        for before, after in pairwise(texts):
            assert after[: len(before)] == before


@given(papers(), papers(), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=40)
def test_documents_added_later_change_no_earlier_cell(
    market: tuple[Bars, Papers],
    other: tuple[Bars, Papers],
    lookback: int,
    cut: int,
) -> None:
    """Whatever arrives at a close or after it: the rows up to that close stay, to the fingerprint that caches are keyed by."""
    bars, documents = market
    end = bars.times[min(cut, len(bars.times) - 1)]
    late = [(max(at, end), symbol, text) for at, symbol, text in other[1]]
    alone = known_news(news_from(documents), bars, lookback=lookback).loc[:end]
    among = known_news(news_from([*late, *documents]), bars, lookback=lookback).loc[:end]
    assert cells(among) == cells(alone)
    assert Documents.of(among).fingerprint() == Documents.of(alone).fingerprint()


@given(papers(), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_flat_form_says_what_the_cells_say(market: tuple[Bars, Papers], lookback: int, dealer: random.Random) -> None:
    """Of the whole column, and of any choice of its rows: texts, rows, ages, counts and bars are those of the cells."""
    bars, documents = market
    column = known_news(news_from(documents), bars, lookback=lookback)
    some = sorted(dealer.sample(range(len(column)), dealer.randint(1, len(column))))
    for part in (column, column.iloc[some]):
        flat, whole = Documents.of(part), cells(part)
        said: list[Cell] = [[] for _ in whole]
        for row, text, age in zip(flat.row, flat.text, flat.age_hours, strict=True):
            said[row].append((flat.texts[text], pd.Timedelta(hours=age).round("us")))
        assert said == whole
        assert len(set(flat.texts)) == len(flat.texts)
        assert flat.n_by_row.tolist() == [len(cell) for cell in whole]
        times = part.index.get_level_values("time")
        assert flat.bar.tolist() == [sorted(set(times)).index(time) for time in times]
