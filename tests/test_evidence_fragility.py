"""Where it breaks: costs, delays, lucky trades, few names, size. Each figure by hand on a few bars."""

from __future__ import annotations

import math
from dataclasses import replace

import fake_evidence
import numpy as np
import pandas as pd
import pytest
from conftest import closes, flat_bars

from quantlab import evidence
from quantlab.costs import Costs
from quantlab.errors import UsageError
from quantlab.metrics import sharpe, total_return
from quantlab.result import BacktestResult, Delayed

PRICES = {"A": [10, 10, 20, 20], "B": [10, 10, 10, 5]}
BARS = flat_bars(PRICES)


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a run with trades, costs and delays."""
    return fake_evidence.finished()


def test_the_grid_by_hand(result: BacktestResult) -> None:
    """Gross 10% and -5% with turnover 1 and .5: at 20 bps net 9.8% and -5.1%; the delayed run stands in a row of its own."""
    times = closes(2)
    gross, turnover = pd.Series([0.10, -0.05], index=times), pd.Series([1.0, 0.5], index=times)
    portfolio = replace(result.portfolio, gross_returns=gross, turnover=turnover)
    run = replace(result, portfolio=portfolio, delayed=(Delayed(2, gross / 2, turnover * 2),))
    grid = evidence.cost_delay_grid(run, costs_bps=(0, 20))
    assert grid.index.tolist() == [(0, 0), (0, 20), (2, 0), (2, 20)]
    expected = [1.10 * 0.95 - 1, 1.098 * 0.949 - 1, 1.05 * 0.975 - 1, 1.046 * 0.973 - 1]
    assert grid["total_return"].tolist() == pytest.approx(expected)
    net = pd.Series([0.098, -0.051])
    assert grid.loc[(0, 20), "sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * math.sqrt(252))
    assert set(grid["n_sessions"]) == {2}


def test_the_grid_at_the_own_costs_is_the_own_return(result: BacktestResult) -> None:
    """The defaults are 0, 5, 10 and 20 bps for 0, 1 and 2 bars; at what the strategy paid, delay 0 gives its net return."""
    assert evidence.cost_delay_grid(result).index.tolist() == [(delay, cost) for delay in (0, 1, 2) for cost in (0, 5, 10, 20)]
    own = evidence.cost_delay_grid(result, costs_bps=[evidence.own_cost_bps(result)])
    assert own["total_return"].iloc[0] == pytest.approx(total_return(result.portfolio.returns), rel=1e-4)


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf])
def test_impossible_costs_are_refused(result: BacktestResult, cost: float) -> None:
    """A negative cost is an income."""
    with pytest.raises(UsageError, match="cost_delay_grid"):
        evidence.cost_delay_grid(result, costs_bps=[5.0, cost])


def test_own_costs_are_what_was_paid_on_what_was_traded() -> None:
    """2 bps of fee and 3 of slippage are 5 bps of the value traded; nothing traded costs nothing that could be told."""
    run = fake_evidence.hand_made(BARS, [[0.5, -0.5]] * 4, costs=Costs(fee_bps=2.0, slippage_bps=3.0))
    assert evidence.own_cost_bps(run) == pytest.approx(5.0, rel=1e-3)
    assert math.isnan(evidence.own_cost_bps(fake_evidence.hand_made(BARS, [[0, 0]] * 4)))


def test_without_the_best_by_hand() -> None:
    """Half in A, which doubles: a gain of 50% in one trade and on one day; without either nothing is left of it."""
    table = evidence.without_best(fake_evidence.hand_made(BARS, [[0.5, 0.0], [0, 0], [0, 0], [0, 0]]), k=1)
    assert table["profit"].to_dict() == pytest.approx({"all": 5e5, "trades": 0.0, "days": 0.0})
    assert table["total_return"].to_dict() == pytest.approx({"all": 0.5, "trades": 0.0, "days": 0.0})
    assert table["n_left"].to_dict() == {"all": 4, "trades": 0, "days": 3}


def test_without_the_best_days_compounds_the_others(result: BacktestResult) -> None:
    """The five greatest returns are left out, the others keep their order; trades lose the five greatest profits."""
    table, returns = evidence.without_best(result), result.portfolio.returns
    left = returns.drop(returns.nlargest(5).index)
    assert table.loc["days", "total_return"] == pytest.approx(total_return(left))
    assert table.loc["days", "sharpe"] == pytest.approx(sharpe(left))
    profit = result.portfolio.equity.iloc[-1] - result.portfolio.cash
    assert table.loc["all", "profit"] == pytest.approx(profit)
    assert table.loc["all", "total_return"] == pytest.approx(total_return(returns))
    best = result.portfolio.trades["pnl"].nlargest(5).sum()
    assert table.loc["trades", "profit"] == pytest.approx(profit - best)
    assert table["n_left"].to_dict() == {"all": len(returns), "trades": len(result.portfolio.trades) - 5, "days": len(returns) - 5}
    assert math.isnan(table.loc["trades", "sharpe"])


def test_fewer_trades_than_left_out() -> None:
    """Without five of no trades nothing is lost; without five of four days nothing is left."""
    table = evidence.without_best(fake_evidence.hand_made(BARS, [[0, 0]] * 4))
    assert table["n_left"].to_dict() == {"all": 4, "trades": 0, "days": 0}
    assert table.loc["trades", "profit"] == 0
    with pytest.raises(UsageError, match="k must be"):
        evidence.without_best(fake_evidence.hand_made(BARS, [[0, 0]] * 4), k=0)


def test_profits_by_name_and_month_add_up(result: BacktestResult) -> None:
    """What the parts made is what was made, halts and a delisting included."""
    profit = result.portfolio.equity.iloc[-1] - result.portfolio.cash
    for part in ("name", "month"):
        assert evidence.profit_by(result, part).sum() == pytest.approx(profit)
    months = evidence.profit_by(result, "month")
    equity = pd.concat([pd.Series([1e6]), result.portfolio.equity.groupby(result.portfolio.equity.index.strftime("%Y-%m")).last()])
    np.testing.assert_allclose(months, equity.diff().iloc[1:])
    with pytest.raises(UsageError, match="'week'"):
        evidence.profit_by(result, "week")


def test_a_month_ends_with_the_session_that_closes_at_midnight() -> None:
    """Half in A, which doubles in the last session of January, closing on 1 February at 00:00: January made it all."""
    times = pd.date_range("2024-01-30", periods=4, tz="UTC", unit="us")
    run = fake_evidence.hand_made(flat_bars({"A": [10, 10, 20, 20], "B": [10] * 4}, times=times), [[0.5, 0.0]] * 4)
    months = evidence.profit_by(run, "month")
    assert months.index.astype(str).tolist() == ["2024-01", "2024-02"]
    assert months.tolist() == pytest.approx([run.portfolio.equity.iloc[2] - run.portfolio.cash, 0.0])
    assert months.iloc[0] > 0


def test_concentration_by_hand() -> None:
    """Half in A, which doubles, makes 500,000; then half of 1,500,000 against B, which halves, 375,000: 4/7 and 3/7."""
    run = fake_evidence.hand_made(BARS, [[0.5, -0.5]] * 4)
    assert evidence.profit_by(run, "name").to_dict() == pytest.approx({"A": 500_000, "B": 375_000})
    row = evidence.concentration(run).loc["name"]
    assert row.tolist() == [2, pytest.approx(25 / 49), "A", pytest.approx(4 / 7), pytest.approx(1.0)]
    lost = fake_evidence.hand_made(BARS, [[0.5, 0.5]] * 4)  # held long, B loses what it made when short: as concentrated
    assert evidence.profit_by(lost, "name").to_dict() == pytest.approx({"A": 500_000, "B": -375_000})
    assert evidence.concentration(lost).loc["name", "herfindahl"] == pytest.approx(25 / 49)
    alone = evidence.concentration(fake_evidence.hand_made(BARS, [[0.5, 0.0]] * 4)).loc["name"]
    assert alone.tolist() == [1, pytest.approx(1.0), "A", pytest.approx(1.0), pytest.approx(1.0)]


def test_losses_count_as_much_as_profits(result: BacktestResult) -> None:
    """Shares are of the sizes, so a name that lost is as concentrated as one that won; months are named by their period."""
    made = evidence.profit_by(result, "month")
    row = evidence.concentration(result).loc["month"]
    assert row["top"] == str(made.abs().idxmax())
    assert row["top_share"] == pytest.approx(made.abs().max() / made.abs().sum())
    assert row["top_five_share"] == pytest.approx(made.abs().nlargest(5).sum() / made.abs().sum())


def test_nothing_made_is_not_concentrated() -> None:
    """No profit, no share: NaN and no top."""
    row = evidence.concentration(fake_evidence.hand_made(BARS, [[0, 0]] * 4)).loc["name"]
    assert row[["n", "top"]].tolist() == [0, ""]
    assert row[["herfindahl", "top_share", "top_five_share"]].isna().all()


def test_capacity_by_hand() -> None:
    """Half of the equity in A, whose bar trades 1000 shares at 10: one per cent of 10,000 is half of 200."""
    run = fake_evidence.hand_made(BARS, [[0.5, 0.0]] * 2 + [[0.25, 0.0]] * 2)
    run = replace(run, portfolio=replace(run.portfolio, orders=run.portfolio.orders.iloc[:1]))
    table = evidence.capacity(run)
    assert table["equity"].to_dict() == pytest.approx({0.01: 200.0, 0.05: 1000.0})
    assert table[["n_orders", "n_left_out"]].to_numpy().tolist() == [[1, 0]] * 2


def test_at_its_capacity_the_given_part_of_orders_stays_below(result: BacktestResult) -> None:
    """With that equity, 95 of 100 orders take at most the share; an order of a delisted name has no volume and is counted."""
    table = evidence.capacity(result, percentile=0.95)
    orders, bars = result.portfolio.orders, result.dataset.bars
    before = result.portfolio.equity.shift(1).fillna(result.portfolio.cash)
    taken = []
    for order in orders.itertuples():
        volume = bars.volume.loc[order.time, order.symbol] * bars.close.loc[order.time, order.symbol]
        if volume > 0:
            taken.append(order.size * order.price / before[order.time] * table.loc[0.01, "equity"] / volume)
    assert np.mean(np.array(taken) <= 0.01) == pytest.approx(0.95, abs=0.005)
    assert table["n_orders"].tolist() == [len(taken)] * 2
    assert table["n_left_out"].tolist() == [int((orders["reason"] == "delisted").sum())] * 2 == [1, 1]


def test_no_orders_have_no_capacity() -> None:
    """NaN, not infinity; and an order in a bar without volume is left out, not one that takes all."""
    run = fake_evidence.hand_made(BARS, [[0.5, 0.0]] * 4)
    silent = replace(run, dataset=replace(run.dataset, bars=flat_bars(PRICES, volume=0.0)))
    assert evidence.capacity(silent)["n_left_out"].tolist() == [len(run.portfolio.orders)] * 2
    assert evidence.capacity(fake_evidence.hand_made(BARS, [[0, 0]] * 4))["equity"].isna().all()
