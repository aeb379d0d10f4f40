"""The event study: a window worked by hand, an obvious loop over events, and standard errors with a known answer."""

from __future__ import annotations

from dataclasses import replace

import fake_evidence
import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of

from quantlab import evidence
from quantlab.errors import UsageError
from quantlab.evidence.events import Events, _standard_error
from quantlab.news import MARKET, News
from quantlab.result import BacktestResult

PRICES = {"A": [100, 100, 110, 121, 121, 121], "B": [100, 100, 100, 100, 100, 100]}
FLAT = [[0.0, 0.0]] * 6


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a run with a halt, a late listing, a delisting, and news of strangers and of the whole market."""
    return fake_evidence.finished(variants=False)


def made_up(signal: list[float], position: list[int], paths: list[list[float]]) -> Events:
    """Return events with the given paths over the days -1, 0."""
    table = pd.DataFrame({"signal": signal, "topic": pd.Categorical(["topic_0"] * len(signal), ["topic_0", "topic_1"])})
    return Events(table, np.array(paths, dtype=float).reshape(len(signal), 2), np.array([-1, 0]), np.array(position), {})


def test_a_window_by_hand() -> None:
    """A gains 10% on the day it is written about and 10% the day after; the market is half A: 5% each day, none before."""
    run = fake_evidence.hand_made(
        flat_bars(PRICES), FLAT, news=news_of(("2024-01-03 12:00", "A", "news"), ("2024-01-03 13:00", "A", "more"))
    )
    events = evidence.find_events(run, before=1, after=2)
    assert events.days.tolist() == [-1, 0, 1, 2]
    assert events.table[["symbol", "signal", "n_documents"]].to_numpy().tolist() == [["A", 1.0, 2]]
    assert events.table["time"].tolist() == [pd.Timestamp("2024-01-03 21:00", tz="UTC")]
    np.testing.assert_allclose(events.cumulative, [[0.0, 0.05, 0.10, 0.10]], atol=1e-12)
    curve = evidence.event_curves(events)
    assert curve.index.tolist() == [("up", day) for day in (-1, 0, 1, 2)]
    np.testing.assert_allclose(curve["mean"], [0.0, 0.05, 0.10, 0.10], atol=1e-12)
    assert curve[["n_events", "n_sessions"]].to_numpy().tolist() == [[1, 1]] * 4
    assert curve[["low", "high"]].isna().all(axis=None)  # one session tells nothing about the spread


def test_a_named_benchmark_is_the_market() -> None:
    """Against B, which never moves, A's whole gain is abnormal."""
    run = fake_evidence.hand_made(flat_bars(PRICES), FLAT, news=news_of(("2024-01-03 12:00", "A", "news")))
    events = evidence.find_events(replace(run, benchmark_name="B"), before=1, after=2)
    np.testing.assert_allclose(events.cumulative, [[0.0, 0.10, 0.20, 0.20]], atol=1e-12)


def test_first_known_means_strictly_before_the_close() -> None:
    """A document at the very close is an event of the next bar."""
    run = fake_evidence.hand_made(flat_bars(PRICES), FLAT, news=news_of(("2024-01-02 21:00", "A", "news")))
    assert evidence.find_events(run, before=1, after=2).position.tolist() == [2]


@pytest.mark.parametrize(("day", "reason"), [(1, "before the data"), (2, ""), (4, ""), (5, "after the data")])
def test_a_window_that_leaves_the_data_is_counted(day: int, reason: str) -> None:
    """One day before needs the close two bars before the event; two days after must be there."""
    run = fake_evidence.hand_made(
        flat_bars({"A": range(10, 17), "B": range(10, 17)}), [[0, 0]] * 7, news=news_of((f"2024-01-0{day + 1}", "A", "x"))
    )
    events = evidence.find_events(run, before=1, after=2)
    assert len(events.table) == (reason == "")
    assert {name: n for name, n in events.left_out.items() if n} == ({reason: 1} if reason else {})


def test_a_delisted_and_a_late_name_are_counted() -> None:
    """A name without a bar at the start of the window, or from its end on, has no such window."""
    prices = {"A": [10.0] * 5 + [np.nan] * 3, "B": [np.nan] * 3 + [10.0] * 5, "C": [10.0] * 8}
    for symbol in "AB":
        run = fake_evidence.hand_made(flat_bars(prices), [[0] * 3] * 8, news=news_of(("2024-01-05 00:00", symbol, "x")))
        events = evidence.find_events(run, before=1, after=2)
        assert events.left_out["not listed"] == 1
        assert len(events.table) == 0


def test_news_of_the_market_is_no_event_of_a_name() -> None:
    """It is counted by documents, and does not add to those of a name."""
    news = news_of(("2024-01-03 12:00", MARKET, "rates"), ("2024-01-03 13:00", "A", "news"))
    events = evidence.find_events(fake_evidence.hand_made(flat_bars(PRICES), FLAT, news=news), before=1, after=2)
    assert events.left_out["market-wide"] == 1
    assert events.table["n_documents"].tolist() == [1]


def test_events_agree_with_a_loop(result: BacktestResult) -> None:
    """Each document in turn, each day in turn: the same events, paths and number left out."""
    bars, close = result.dataset.bars, result.dataset.bars.close.ffill()
    market = close.pct_change(fill_method=None).where(bars.listed).mean(axis=1)
    cells: dict[tuple[int, str], int] = {}
    for document in result.dataset.news.table.itertuples():
        bar = next((number for number, time in enumerate(bars.times) if document.available_at < time), None)
        if document.symbol in bars.symbols and bar is not None:
            cells[bar, document.symbol] = cells.get((bar, document.symbol), 0) + 1
    events, kept = evidence.find_events(result), 0
    for (bar, symbol), n_documents in sorted(cells.items()):
        span = bars.listed[symbol].to_numpy().nonzero()[0]
        inside = bar - 6 >= span[0] and bar + 20 <= span[-1]
        if not inside or (bars.times[bar], symbol) not in result.predicted.signal.index:
            continue
        path, total = [], 0.0
        for t in range(bar - 5, bar + 21):
            total += close[symbol].iloc[t] / close[symbol].iloc[t - 1] - 1.0 - market.iloc[t]
            path.append(total)
        np.testing.assert_allclose(events.cumulative[kept], path, atol=1e-12)
        assert events.table.loc[kept, ["time", "symbol", "n_documents"]].tolist() == [bars.times[bar], symbol, n_documents]
        assert events.table.loc[kept, "signal"] == result.predicted.signal[bars.times[bar], symbol]
        kept += 1
    assert len(events.table) == kept > 50
    assert kept + sum(events.left_out.values()) - events.left_out["market-wide"] == len(cells)


def test_classes_by_sign_and_tercile() -> None:
    """Signals -2, -1, 0, 1, 2, 2: signs part them 2 / 1 / 3, terciles 2 / 2 / 2; equal signals share a class."""
    events = made_up([-2, -1, 0, 1, 2, 2], [0, 1, 2, 3, 4, 5], [[number, number] for number in range(6)])
    by_sign = evidence.event_curves(events)
    assert by_sign.xs(0, level="day")["n_events"].to_dict() == {"down": 2, "flat": 1, "up": 3}
    assert by_sign.xs(0, level="day")["mean"].to_dict() == {"down": 0.5, "flat": 2.0, "up": 4.0}
    by_tercile = evidence.event_curves(events, "tercile").xs(0, level="day")
    assert by_tercile["n_events"].to_dict() == {"low": 2, "middle": 2, "high": 2}
    assert by_tercile["mean"].to_dict() == {"low": 0.5, "middle": 2.5, "high": 4.5}
    on_edge = made_up([1, 2, 3, 4], [0, 1, 2, 3], [[0, 0]] * 4)  # 2 and 3 are the edges themselves: each ends the class below
    assert evidence.event_curves(on_edge, "tercile").xs(0, level="day")["n_events"].to_dict() == {"low": 2, "middle": 1, "high": 1}
    assert evidence.event_curves(events, "topic").index.unique(0).tolist() == ["topic_0"]  # a topic without events has no curve


def test_no_events_give_an_empty_table() -> None:
    """Without news there is nothing to average, by whatever class."""
    run = fake_evidence.hand_made(flat_bars(PRICES), FLAT, news=News.none())
    for by in ("sign", "tercile", "topic"):
        assert len(evidence.event_curves(evidence.find_events(run, before=1, after=2), by)) == 0


def test_wrong_arguments_are_refused() -> None:
    """A class that is not known comes with the nearest one; a window cannot end before it begins."""
    with pytest.raises(UsageError, match="did you mean 'tercile'"):
        evidence.event_curves(made_up([1.0], [0], [[0, 0]]), "terciles")
    with pytest.raises(UsageError, match="-1"):
        evidence.find_events(fake_evidence.hand_made(flat_bars(PRICES), FLAT), before=-1)


def test_lone_events_far_apart_have_the_usual_standard_error() -> None:
    """Bars further apart than the window: standard deviation (ddof = 1) over sqrt(n)."""
    values = [1.0, 4.0, 2.0, 9.0]
    curve = evidence.event_curves(made_up([1] * 4, [0, 10, 20, 30], [[value, value] for value in values])).xs(0, level="day").iloc[0]
    width = 1.959964 * np.std(values, ddof=1) / 2.0
    assert (curve["mean"], curve["low"], curve["high"]) == pytest.approx((4.0, 4.0 - width, 4.0 + width), rel=1e-6)


def test_events_of_one_bar_are_one_observation() -> None:
    """Ten copies of each event, all on its bar, leave the interval as wide as it was."""
    once = made_up([1] * 3, [0, 10, 20], [[1, 1], [2, 2], [6, 6]])
    often = made_up([1] * 30, [0] * 10 + [10] * 10 + [20] * 10, [[1, 1]] * 10 + [[2, 2]] * 10 + [[6, 6]] * 10)
    pd.testing.assert_frame_equal(*(evidence.event_curves(events)[["mean", "low", "high"]] for events in (once, often)))


def test_overlapping_windows_agree_with_a_loop() -> None:
    """Newey and West with Bartlett weights over bars, empty ones included, term by term."""
    random = np.random.default_rng(0)
    bar, sums, lag, n = np.array([0, 1, 3, 7, 8]), random.normal(size=(5, 2)), 3, 9
    total = np.zeros(2)
    for one, a in zip(bar, sums, strict=True):
        for other, b in zip(bar, sums, strict=True):
            if abs(one - other) <= lag:
                total += (1 - abs(one - other) / (lag + 1)) * a * b
    np.testing.assert_allclose(_standard_error(sums, bar, n, lag=lag), np.sqrt(np.maximum(total, 0) * 5 / 4) / n)
