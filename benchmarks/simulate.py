"""The simulation against bare vectorbt and against a plain event loop, in one process.

All three trade the same daily weights of a random market without halts or delistings, at the next open, with the same fees and
slippage, and must end every bar with the same equity. `quantlab.simulate` alone also returns orders, positions, round trips,
turnover and the orders that cash cut short.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import pandas as pd
import vectorbt as vbt
from timing import interleaved, table

from quantlab import Bars, Costs, simulate

CASH = 1e6
COSTS = Costs(fee_bps=1.0, slippage_bps=5.0)
FEE, SLIPPAGE = COSTS.fee_bps * 1e-4, COSTS.slippage_bps * 1e-4


def market(n_times: int, n_symbols: int, seed: int = 0) -> tuple[pd.DataFrame, Bars]:
    """Return random daily weights of gross 1, new each day, and the random walk they trade."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2015-01-02 21:00", periods=n_times, tz="UTC").as_unit("us")
    columns = pd.Index([f"S{number:03d}" for number in range(n_symbols)])
    close = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.015, (n_times, n_symbols)), axis=0)), index, columns)
    open_ = close * np.exp(rng.normal(0, 0.005, close.shape))
    volume = pd.DataFrame(1e6, index, columns)
    raw = rng.normal(0, 1, close.shape)
    weights = pd.DataFrame(raw / np.abs(raw).sum(axis=1, keepdims=True), index, columns)
    return weights, Bars(open_, np.fmax(open_, close), np.fmin(open_, close), close, volume)


def bare_vectorbt(weights: pd.DataFrame, bars: Bars) -> pd.Series:
    """Return the equity from the same vectorbt call, without anything before or after it."""
    return vbt.Portfolio.from_orders(
        close=bars.close,
        size=weights.shift(1),
        size_type="targetpercent",
        price=bars.open,
        fees=FEE,
        slippage=SLIPPAGE,
        init_cash=CASH,
        group_by=True,
        cash_sharing=True,
        call_seq="auto",
        freq="1D",
        engine="rust",
    ).value()


def event_loop(weights: pd.DataFrame, bars: Bars) -> pd.Series:
    """Return the equity from a loop over bars and orders, as one writes it first: lists and floats, no broker objects."""
    targets, opens, closes = (frame.to_numpy().tolist() for frame in (weights.shift(1), bars.open, bars.close))
    cash, shares, equity = CASH, [0.0] * len(bars.symbols), []
    for bar, (target, price, close) in enumerate(zip(targets, opens, closes, strict=True)):
        if bar > 0:  # nothing was decided before the first close
            value = cash + sum(held * quoted for held, quoted in zip(shares, price, strict=True))
            orders = sorted((target[name] * value - shares[name] * price[name], name) for name in range(len(shares)))
            for order_value, name in orders:  # sells first: they pay for the buys
                size = order_value / price[name]
                paid = price[name] * (1 + SLIPPAGE if size > 0 else 1 - SLIPPAGE)
                if size > 0:
                    size = min(size, cash / (paid * (1 + FEE)))
                cash -= size * paid + abs(size) * paid * FEE
                shares[name] += size
        equity.append(cash + sum(held * last for held, last in zip(shares, close, strict=True)))
    return pd.Series(equity, index=bars.times)


def main() -> None:
    """Check that all ways agree, time them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2520, help="number of sessions")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()

    weights, bars = market(given.times, given.symbols)
    portfolio = simulate(weights, bars, COSTS, cash=CASH)
    others = {"bare vectorbt": partial(bare_vectorbt, weights, bars), "event loop": partial(event_loop, weights, bars)}
    for name, way in others.items():
        apart = (portfolio.equity - way()).abs().max() / CASH
        assert apart < 1e-6, f"{name}: equity differs by {apart:.1e} of the capital"

    seconds = interleaved({"quantlab.simulate": partial(simulate, weights, bars, COSTS, cash=CASH), **others}, rounds=given.rounds)
    print(f"{given.times} sessions x {given.symbols} symbols, {len(portfolio.orders):,} orders; the same equity to 1e-6 of the capital")
    print(table(seconds, reference="quantlab.simulate"))


if __name__ == "__main__":
    main()
