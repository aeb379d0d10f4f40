"""The headlines behind the best and the worst: a market of four bars by hand, and the join as oracle."""

from __future__ import annotations

from dataclasses import replace

import fake_evidence
import numpy as np
import pytest
from conftest import flat_bars, news_of

from quantlab import evidence
from quantlab.errors import UsageError
from quantlab.news import News, known_news
from quantlab.result import BacktestResult

# A doubles on the third day and halves on the fourth, B does nothing; both are held from the second day on
BARS = flat_bars({"A": [10, 10, 20, 10], "B": [10, 10, 10, 10]})
HELD = [[0.5, 0.5]] * 4
NEWS = news_of(
    ("2024-01-01 09:00", "A", "old"),
    ("2024-01-02 20:00", "A", "known when decided"),
    ("2024-01-02 21:00", "A", "at the close of the decision"),
    ("2024-01-03 10:00", "A", "on the day"),
    ("2024-01-03 11:00", "B", "of another name"),
    ("2024-01-03 21:00", "A", "too late"),
)


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a run with trades and news."""
    return fake_evidence.finished(variants=False)


def test_a_best_and_a_worst_session_by_hand() -> None:
    """The gain of day three is A's; what was in view at its close is listed, the youngest first, and whether it came in time."""
    table = evidence.session_headlines(fake_evidence.hand_made(BARS, HELD, news=NEWS), k=1, lookback=2)
    best = table[table["side"] == "best"]
    assert best["text"].tolist() == ["on the day", "at the close of the decision", "known when decided"]
    assert best["in_time"].tolist() == [False, False, True]
    assert set(best["time"]) == {BARS.times[2]}
    assert set(best["symbol"]) == {"A"}  # B moved nothing
    np.testing.assert_allclose(best["contribution"], 0.5)
    np.testing.assert_allclose(best["net_return"], 0.5)
    assert set(best["n_documents"]) == {3}
    assert set(table.loc[table["side"] == "worst", "time"]) == {BARS.times[3]}


def test_a_document_at_the_very_close_is_first_known_a_bar_later() -> None:
    """Stamped at the close of day one it is known from day two on, so two bars back from day three it is in view."""
    run = fake_evidence.hand_made(BARS, HELD, news=news_of(("2024-01-01 21:00", "A", "at the close")))
    table = evidence.session_headlines(run, k=1, lookback=2)
    assert table.loc[table["side"] == "best", "text"].tolist() == ["at the close"]


def test_the_list_is_limited_and_says_of_how_many() -> None:
    """One document of three is shown; without any there is one row that says so."""
    run = fake_evidence.hand_made(BARS, HELD, news=NEWS)
    short = evidence.session_headlines(run, k=1, documents=1, lookback=2)
    assert short.loc[short["side"] == "best", ["text", "n_documents"]].to_numpy().tolist() == [["on the day", 3]]
    silent = evidence.session_headlines(replace(run, dataset=replace(run.dataset, news=News.none())), k=1)
    assert silent[["side", "symbol", "n_documents", "text", "source", "in_time"]].to_numpy().tolist() == [
        ["best", "A", 0, "", "", False],
        ["worst", "A", 0, "", "", False],
    ]
    assert silent["available_at"].isna().all()


def test_a_gain_is_not_among_the_worst(result: BacktestResult) -> None:
    """With k beyond the number of sessions, each stands on its own side, and those of 0 on none."""
    table = evidence.session_headlines(result, k=1000, names=1, documents=1)
    sign = np.where(table["side"] == "best", 1.0, -1.0)
    assert (table["net_return"] * sign > 0).all()
    assert len(table) == (result.portfolio.returns != 0).sum()


def test_documents_are_those_of_the_join(result: BacktestResult) -> None:
    """For every session and name listed: the number, and the texts from the youngest on, as `known_news` has them."""
    news = known_news(result.dataset.news, result.dataset.bars, lookback=3)
    table = evidence.session_headlines(result, k=20, names=4, documents=3)
    for (_, _, time, symbol), rows in table.groupby(["side", "rank", "time", "symbol"]):
        known = sorted(news[time, symbol], key=lambda document: document["age"])
        assert set(rows["n_documents"]) == {len(known)}
        shown = list(zip(time - rows["available_at"], rows["text"], strict=True)) if known else []
        assert [age for age, _ in shown] == [document["age"] for document in known[:3]]
        assert {text for _, text in shown} <= {document["text"] for document in known}


def test_names_are_ranked_by_what_they_moved(result: BacktestResult) -> None:
    """The largest part of the return comes first, whatever its sign."""
    table = evidence.session_headlines(result, k=3, names=3, documents=1)
    for _, rows in table.groupby(["side", "rank"]):
        parts = evidence.name_returns(result).loc[rows["time"].iloc[0]].abs().sort_values(ascending=False)
        assert rows["contribution"].abs().tolist() == pytest.approx(parts.iloc[: len(rows)].tolist())


def test_trades_show_what_was_known_when_they_were_decided() -> None:
    """A is bought on day two and sold, halved, on day four: decided at the close of day one, with one headline."""
    bars = flat_bars({"A": [10, 10, 10, 5], "B": [10, 10, 10, 10]})
    run = fake_evidence.hand_made(bars, [[1, 0], [1, 0], [0, 0], [0, 0]], news=NEWS)
    table = evidence.trade_headlines(run)
    assert table[["side", "rank", "symbol", "direction", "text", "signal", "n_documents"]].to_numpy().tolist() == [
        ["worst", 1, "A", "long", "old", 1.0, 1]
    ]
    assert table["decided_at"].tolist() == [bars.times[0]]
    assert table["entry_time"].tolist() == [bars.times[1]]
    assert table["pnl"].tolist() == pytest.approx([-5e5])


def test_trades_are_ranked_by_profit(result: BacktestResult) -> None:
    """The five best and worst of all, in order, with the signal of the bar that decided them."""
    table = evidence.trade_headlines(result).drop_duplicates(["side", "rank"])
    pnl = result.portfolio.trades["pnl"].sort_values()
    assert table["pnl"].tolist() == [*pnl.iloc[::-1][:5], *pnl.iloc[:5]]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    for row in table.itertuples():
        assert row.signal == result.predicted.signal[row.decided_at, row.symbol]
        assert row.decided_at < row.entry_time


def test_no_trades_no_rows() -> None:
    """A portfolio that never trades has no best day and no worst trade, and no error."""
    run = fake_evidence.hand_made(BARS, [[0, 0]] * 4, news=NEWS)
    assert len(evidence.session_headlines(run)) == 0
    assert len(evidence.trade_headlines(run)) == 0


def test_counts_below_one_are_refused(result: BacktestResult) -> None:
    """Zero documents would silently show nothing."""
    with pytest.raises(UsageError, match="documents must be a whole number >= 1, not 0"):
        evidence.session_headlines(result, documents=0)
    with pytest.raises(UsageError, match="k must be"):
        evidence.trade_headlines(result, k=0)
