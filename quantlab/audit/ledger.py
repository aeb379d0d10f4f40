"""An independent ledger: what the orders did to the money, in plain numpy, without vectorbt.

It reads the orders file as anyone could and knows nothing of weights. If it and the simulation disagree on equity by more
than one millionth of the capital, one of them is wrong.
"""

from __future__ import annotations

from typing import IO

import numpy as np
import pandas as pd

from quantlab.bars import Bars
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
    """Return the table of an `orders.csv`; identifiers stay strings."""
    orders = pd.read_csv(file, dtype={"symbol": str, "side": str}, keep_default_na=False)
    return orders.assign(time=pd.to_datetime(orders["time"], utc=True, format="ISO8601").dt.as_unit("us"))


def ledger_check(portfolio: Portfolio, orders: pd.DataFrame, bars: Bars) -> Check:
    """Return whether the replayed equity agrees with the simulated one."""
    apart = (replay(orders, bars, portfolio.cash) - portfolio.equity).abs()
    worst = float(apart.max() / portfolio.cash)
    where = f" at {apart.idxmax()!s}" if worst > TOLERANCE else ""
    return Check("ledger", worst <= TOLERANCE, f"replayed orders agree with the simulated equity to {worst:.1e} of capital{where}")
