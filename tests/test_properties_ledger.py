"""Money is neither made nor lost on the way from weights to equity, whatever is halted, delisted or too dear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import StringIO
from typing import Literal

import numpy as np
import pandas as pd
from conftest import random_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.audit.ledger import execution_check, ledger_check, read_orders, replay
from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.portfolio import simulate
from quantlab.result import Portfolio

N_TIMES, N_SYMBOLS = 24, 4
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Case:
    """A market, weights in it, and how they are traded."""

    bars: Bars
    weights: pd.DataFrame
    costs: Costs
    fill: Literal["open", "close"]
    delisted_after: int

    def simulated(self) -> Portfolio:
        """Return what became of the weights."""
        return simulate(self.weights, self.bars, self.costs, fill=self.fill, delisted_after=self.delisted_after)

    def passes(self, portfolio: Portfolio) -> bool:
        """Return whether ledger and execution find nothing wrong with a portfolio."""
        checks = (
            ledger_check(portfolio, portfolio.orders, self.bars),
            execution_check(portfolio, self.weights, self.bars, self.costs, self.fill),
        )
        return all(check.passed for check in checks)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a market with late listings, halts with and without prices and delistings, and weights in it."""
    bars = random_bars(N_TIMES, N_SYMBOLS, seed=draw(st.integers(0, 10**6)))
    listed, volume = bars.listed.copy(), bars.volume.copy()
    spans = st.tuples(st.integers(0, N_SYMBOLS - 1), st.integers(0, N_TIMES), st.integers(1, 9))
    for symbol, start, length in draw(st.lists(spans, max_size=4)):
        listed.iloc[start : start + length, symbol] = False
    for symbol, start, length in draw(st.lists(spans, max_size=2)):
        volume.iloc[start : start + length, symbol] = 0.0
    bars = Bars(**{name: getattr(bars, name).where(listed) for name in PRICES}, volume=volume.where(listed))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    raw = rng.normal(draw(st.sampled_from([0.0, 2.0])), 1.0, (N_TIMES, N_SYMBOLS)) * (rng.random((N_TIMES, N_SYMBOLS)) < 0.8)
    gross = np.abs(raw).sum(axis=1, keepdims=True)
    weights = pd.DataFrame(raw / np.where(gross > 0, gross, 1.0) * draw(st.sampled_from([0.3, 1.0])), bars.times, bars.symbols)
    bps = st.sampled_from([0.0, 5.0, 50.0])
    costs = Costs(fee_bps=draw(bps), slippage_bps=draw(bps), delisting_haircut_bps=draw(st.sampled_from([0.0, 3000.0])))
    return Case(bars, weights, costs, draw(st.sampled_from(["open", "close"])), draw(st.integers(1, 6)))


@given(cases())
@settings(max_examples=15)
def test_the_ledger_and_the_execution_agree_with_the_simulation(case: Case) -> None:
    """From the orders alone comes the same equity, each order stands at its price, and what was decided is held one bar later."""
    portfolio = case.simulated()
    assert case.passes(portfolio)
    np.testing.assert_allclose(replay(portfolio.orders, case.bars, portfolio.cash), portfolio.equity, rtol=1e-9)


@given(cases())
@settings(max_examples=15)
def test_what_is_earned_is_what_prices_moved_less_what_was_paid(case: Case) -> None:
    """Bar by bar: shares held times the move of the close, plus the orders' distance from it, less fees: the change of equity."""
    bars, costs, portfolio = case.bars, case.costs, case.simulated()
    close = bars.close.ffill()
    held = portfolio.positions.shift(1, fill_value=0.0)
    moved = (held * close.diff()).sum(axis=1)
    orders = portfolio.orders
    signed = orders["size"].where(orders["side"] == "buy", -orders["size"])
    closed = close.to_numpy()[bars.times.get_indexer(orders["time"]), bars.symbols.get_indexer(orders["symbol"])]
    traded = (signed * (closed - orders["price"]) - orders["fee"]).groupby(orders["time"]).sum().reindex(bars.times, fill_value=0.0)
    before = portfolio.equity.shift(1, fill_value=portfolio.cash)
    np.testing.assert_allclose(portfolio.equity - before, moved + traded, atol=1e-6 * portfolio.cash)
    np.testing.assert_allclose(portfolio.returns, portfolio.equity / before - 1, rtol=1e-12, atol=1e-15)
    paid = (portfolio.fees + portfolio.slippage) / before
    np.testing.assert_allclose(portfolio.gross_returns, portfolio.returns + paid, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(portfolio.fees.sum(), orders["fee"].sum(), rtol=1e-12)
    np.testing.assert_allclose(orders["fee"], orders["size"] * orders["price"] * costs.fee_bps / 1e4, rtol=1e-9)


@given(cases())
@settings(max_examples=15)
def test_positions_are_the_orders_added_up_and_no_halted_name_is_traded(case: Case) -> None:
    """Also: a name that is gone is held no more, and cash alone is held at the start."""
    bars, portfolio = case.bars, case.simulated()
    orders = portfolio.orders
    signed = orders.assign(signed=orders["size"].where(orders["side"] == "buy", -orders["size"]))
    added = signed.pivot_table(index="time", columns="symbol", values="signed", aggfunc="sum")
    added = added.reindex(index=bars.times, columns=bars.symbols).fillna(0.0).cumsum()
    np.testing.assert_allclose(portfolio.positions, added, atol=1e-6)
    assert portfolio.equity.iloc[0] == portfolio.cash  # nothing was decided before the first bar
    normal = orders[orders["reason"] == "target"]
    place = bars.times.get_indexer(normal["time"]), bars.symbols.get_indexer(normal["symbol"])
    assert bars.traded.to_numpy()[place].all()
    for time, symbol in orders.loc[orders["reason"] == "delisted", ["time", "symbol"]].itertuples(index=False):
        assert abs(portfolio.positions.loc[time, symbol]) < 1e-6


@given(cases())
@settings(max_examples=6)
def test_orders_survive_their_file(case: Case) -> None:
    """Written as CSV and read back they are the same to the last bit, and replay to the same equity."""
    bars, portfolio = case.bars, case.simulated()
    text = portfolio.orders.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f%z")
    read = read_orders(StringIO(text))
    names = ["time", "symbol", "side", "size", "price", "fee"]
    pd.testing.assert_frame_equal(read[names], portfolio.orders[names], check_exact=True, check_dtype=False)
    assert replay(read, bars, portfolio.cash).equals(replay(portfolio.orders, bars, portfolio.cash))


@given(cases(), st.sampled_from(["size", "price", "fee", "side", "time", "lost"]), st.integers(0, 10**6))
@settings(max_examples=15)
def test_an_order_that_was_bent_is_noticed(case: Case, what: str, number: int) -> None:
    """Any order of weight: its size, price, fee, side or bar changed, or the order lost, and one of the two checks fails."""
    bars, portfolio = case.bars, case.simulated()
    worth = portfolio.orders["size"] * portfolio.orders["price"]
    heavy = np.flatnonzero(worth > 0.01 * portfolio.cash)
    if not len(heavy):
        return
    row = heavy[number % len(heavy)]
    orders = portfolio.orders.copy()
    place = bars.times.get_loc(orders.loc[row, "time"])
    if what == "lost":
        orders = orders.drop(index=row).reset_index(drop=True)
    elif what == "side":
        orders.loc[row, "side"] = "sell" if orders.loc[row, "side"] == "buy" else "buy"
    elif what == "time":
        orders.loc[row, "time"] = bars.times[place - 1]
    else:
        orders.loc[row, what] = orders.loc[row, what] * 1.02 + (100.0 if what == "fee" else 0.0)
    assert not case.passes(replace(portfolio, orders=orders))
