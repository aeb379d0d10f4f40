"""An independent ledger: what the orders did to the money, in plain numpy, without vectorbt.

It reads the orders file as anyone could. If it and the simulation disagree on equity by more than one millionth of the capital, one
of them is wrong. `execution_check` then holds the orders against the market and the decisions: each at the price of its bar, and
together what was decided one bar before.
"""

from __future__ import annotations

from typing import IO, Literal

import numpy as np
import pandas as pd

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.result import Check, Portfolio

TOLERANCE = 1e-6  # of the capital


def replay(orders: pd.DataFrame, bars: Bars, cash: float) -> pd.Series:
    """Return the equity at each close, (n_times,), from the orders (time, symbol, side, size, price, fee) and the bars alone."""
    row = {time: number for number, time in enumerate(bars.times)}
    column = {symbol: number for number, symbol in enumerate(bars.symbols)}
    close, shares, last = bars.close.to_numpy(), np.zeros(len(column)), np.zeros(len(column))
    filled: list[list[tuple[int, float, float, float]]] = [[] for _ in row]
    for time, symbol, side, size, price, fee in zip(
        *(orders[name] for name in ("time", "symbol", "side", "size", "price", "fee")), strict=True
    ):
        filled[row[time]].append((column[symbol], size if side == "buy" else -size, price, fee))
    equity = np.empty(len(row))
    for bar, fills in enumerate(filled):
        for name, size, price, fee in fills:
            shares[name] += size
            cash -= size * price + fee
        last = np.where(np.isnan(close[bar]), last, close[bar])
        equity[bar] = cash + float(shares @ last)
    return pd.Series(equity, index=bars.times, name="equity")


def read_orders(file: IO[str]) -> pd.DataFrame:
    """Return the table of an `orders.csv`; identifiers stay strings, without the apostrophe that guards a symbol such as =X."""
    orders = pd.read_csv(file, dtype={"symbol": str, "side": str}, keep_default_na=False)
    symbol = orders["symbol"].str.replace(r"^'(?=[=+\-@\t\r])", "", regex=True)
    return orders.assign(symbol=symbol, time=pd.to_datetime(orders["time"], utc=True, format="ISO8601").dt.as_unit("us"))


def ledger_check(portfolio: Portfolio, orders: pd.DataFrame, bars: Bars) -> Check:
    """Return whether the replayed equity agrees with the simulated one."""
    apart = (replay(orders, bars, portfolio.cash) - portfolio.equity).abs()
    worst = float(apart.max(skipna=False) / portfolio.cash)  # an equity that is not known agrees with nothing
    where = "" if worst <= TOLERANCE else f" at {apart.index[int(apart.to_numpy().argmax())]!s}"
    said = f"replayed orders agree with the simulated equity to {worst:.1e} of capital{where}"
    return Check("ledger", "held" if worst <= TOLERANCE else "leak", said)


def execution_check(
    portfolio: Portfolio, weights: pd.DataFrame, bars: Bars, costs: Costs, fill: Literal["open", "close"] = "open"
) -> Check:
    """Return whether each order has its bar's price, worse by the stated slippage, and the holdings are those decided a bar before.

    Orders that cash cut short are listed in the report and not held against the decision.
    """
    orders, traded = portfolio.orders, bars.traded.to_numpy()
    bar = bars.times.get_indexer(pd.DatetimeIndex(orders["time"]))
    name = bars.symbols.get_indexer(pd.Index(orders["symbol"]))
    last_close, quoted = bars.close.ffill().to_numpy(), getattr(bars, fill).to_numpy()
    sign = np.where(orders["side"] == "buy", 1.0, -1.0)
    gone = (orders["reason"] == "delisted").to_numpy()
    worse = np.where(gone, costs.delisting_haircut_bps, costs.slippage_bps) / 1e4
    expected = np.where(gone, last_close[bar, name], np.where(traded, quoted, np.nan)[bar, name]) * (1 + sign * worse)
    mispriced = int((~np.isclose(orders["price"], expected, rtol=1e-9, atol=0.0)).sum())
    change, flow = np.zeros(traded.shape), np.zeros(len(traded))
    np.add.at(change, (bar, name), sign * orders["size"].to_numpy())
    np.add.at(flow, bar, (-sign * orders["size"] * orders["price"] - orders["fee"]).to_numpy())
    mark = np.nan_to_num(np.where(traded, quoted, last_close))
    before = change.cumsum(axis=0) - change
    value = portfolio.cash + flow.cumsum() - flow + (before * mark).sum(axis=1)  # of the equity, just before the bar's orders
    apart = np.abs((before + change) * mark / value[:, None] - np.vstack([np.zeros(traded.shape[1]), weights.to_numpy()[:-1]]))
    apart[bars.times.get_indexer(pd.DatetimeIndex(portfolio.cut["time"])), bars.symbols.get_indexer(pd.Index(portfolio.cut["symbol"]))] = 0
    worst = float(np.where(traded, apart, 0.0).max(initial=0.0))
    prices = f"{len(orders)} orders, {mispriced} of them not at the {fill} of their bar, worse by the stated slippage"
    held = f"what was held after trading is what was decided one bar before, to {worst:.1e} of equity"
    as_decided = mispriced == 0 and worst <= TOLERANCE
    return Check("execution", "held" if as_decided else "leak", f"{prices}; {held}")
