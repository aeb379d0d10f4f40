"""Where the money came from: the portfolio's return taken apart by name and by leg, exactly, from its own positions and orders.

1. What a name made at a bar is the change of its value at the closes plus the cash that its orders brought in, fees paid.
2. Divided by the equity at the close before, these parts sum over the names to the portfolio's net return, to the last bits.
3. A bar has two halves. Up to the fill the old position earns, after it the new one; the fee goes with the new one. So a name
   that turns from long to short within a bar is split between the legs where it turned.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from quantlab.evidence.ranks import Floats
from quantlab.result import BacktestResult

LEGS = ("long", "short")
ROUNDING = 1e-9  # of the equity: a position that was closed may be off zero by the last bits of a float


def name_returns(result: BacktestResult) -> pd.DataFrame:
    """Return what each name added to the net return of each bar, (n_times, n_symbols), as a fraction of the equity before it."""
    return name_profits(result).div(equity_before(result), axis=0)


def leg_returns(result: BacktestResult) -> pd.DataFrame:
    """Return what the long and the short positions added to the net return of each bar, (n_times, 2): `long` and `short`."""
    after, traded, _ = _flows(result)
    before, close = _before(after), _close(result)
    fill = np.divide(traded, after - before, out=close.copy(), where=after != before)
    first = before * (fill - _before(close))  # what the old position made until the fill
    second = name_profits(result).to_numpy() - first
    held = _side(result)
    old, new = _before(held), np.where(held == 0, _before(held), held)
    legs = [np.where(old == sign, first, 0.0) + np.where(new == sign, second, 0.0) for sign in (1, -1)]
    table = pd.DataFrame(np.stack([leg.sum(axis=1) for leg in legs], axis=1), index=result.portfolio.equity.index, columns=list(LEGS))
    return table.div(equity_before(result), axis=0)


def leg_exposure(result: BacktestResult) -> pd.DataFrame:
    """Return the value of the long and of the short positions after each bar, (n_times, 2), >= 0, as a fraction of the equity."""
    side, size = _side(result), np.abs(result.portfolio.positions.to_numpy(dtype=float) * _close(result))
    value = np.stack([np.where(side == sign, size, 0.0).sum(axis=1) for sign in (1, -1)], axis=1)
    return pd.DataFrame(value, index=result.portfolio.equity.index, columns=list(LEGS)).div(result.portfolio.equity, axis=0)


def name_profits(result: BacktestResult) -> pd.DataFrame:
    """Return the money that each name made at each bar, net of costs, (n_times, n_symbols), in the currency of the bars."""
    after, traded, fees = _flows(result)
    value = after * _close(result)
    profit = value - _before(value) - traded - fees
    return pd.DataFrame(profit, index=result.portfolio.positions.index, columns=result.portfolio.positions.columns)


def equity_before(result: BacktestResult) -> pd.Series:
    """Return the equity at the close before each bar, (n_times,); the capital before the first."""
    return result.portfolio.equity.shift(1, fill_value=result.portfolio.cash)


def _flows(result: BacktestResult) -> tuple[Floats, Floats, Floats]:
    """Return the shares held after each bar, the money paid for shares (less what they brought in), and the fees, (n_times, n_symbols)."""
    positions, orders = result.portfolio.positions, result.portfolio.orders
    place = (positions.index.get_indexer(pd.Index(orders["time"])), positions.columns.get_indexer(pd.Index(orders["symbol"])))
    sign = np.where(orders["side"] == "buy", 1.0, -1.0)
    traded, fees = np.zeros(positions.shape), np.zeros(positions.shape)
    np.add.at(traded, place, sign * (orders["size"] * orders["price"]).to_numpy())
    np.add.at(fees, place, orders["fee"].to_numpy())
    return positions.to_numpy(dtype=float), traded, fees


def _close(result: BacktestResult) -> Floats:
    """Return the last known closes, (n_times, n_symbols); before its first bar a name is never held: any number will do."""
    positions = result.portfolio.positions
    close = result.dataset.bars.close.ffill().reindex(index=positions.index, columns=positions.columns)
    return close.fillna(1.0).to_numpy(dtype=float)


def _side(result: BacktestResult) -> Floats:
    """Return 1 where a name is held long after a bar, -1 where short, (n_times, n_symbols); what sums of floats left over is flat."""
    value = result.portfolio.positions.to_numpy(dtype=float) * _close(result)
    return np.where(np.abs(value) > ROUNDING * result.portfolio.equity.to_numpy()[:, None], np.sign(value), 0.0)


def _before(values: Floats) -> Floats:
    """Return each row's row before, 0 before the first."""
    return np.vstack([np.zeros((1, values.shape[1])), values[:-1]])
