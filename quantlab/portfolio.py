"""From target weights to money. The only module that knows vectorbt.

1. Weights decided at the close of t are traded at the open of t+1 (or its close): one `shift(1)`, in one line.
2. A bar without trading (halt, no listing) trades nothing: the position is held, valued at its last close.
3. A name that has had no bar for `delisted_after` sessions counts as delisted, whatever comes later: nobody knew better then. Its
   position is closed at the last close less the stated haircut, a loss and not a cost.
4. vectorbt sizes all orders of a bar from the equity at its fill prices, sells before it buys, and shares one cash.
5. Every order that was filled short of its target is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.errors import DataError, UsageError
from quantlab.result import Portfolio

BPS = 1e-4
MOST_CELLS = 4_000_000  # bars x symbols x weights simulated in one call: 32 MB for each of its tables
ROUNDING = 1e-9  # of a weight: sums of floats may exceed the limit by this much


def simulate(
    weights: pd.DataFrame,
    bars: Bars,
    costs: Costs,
    *,
    cash: float = 1e6,
    fill: Literal["open", "close"] = "open",
    max_gross: float = 1.0,
    delisted_after: int = 5,
) -> Portfolio:
    """Return what the target weights (n_times, n_symbols), fractions of equity decided at each close, would have earned.

    Raises DataError if the weights are not aligned with the bars or not finite, UsageError if their gross exceeds `max_gross` or
    if they lose all there is.
    """
    _check(weights, bars, max_gross)
    market = _market(bars, costs, fill, delisted_after)
    simulated, target = _simulated([weights], market, costs, cash)
    orders = _orders(simulated.orders.values, market)
    equity = pd.Series(simulated.value().to_numpy().reshape(-1), index=bars.times, name="equity")
    _refuse_ruin(equity)
    return _portfolio(simulated, orders, equity, target=target, market=market, cash=cash)


def simulate_many(
    weights: Sequence[pd.DataFrame],
    bars: Bars,
    costs: Costs,
    *,
    cash: float = 1e6,
    fill: Literal["open", "close"] = "open",
    max_gross: float = 1.0,
    delisted_after: int = 5,
) -> list[tuple[pd.Series, pd.Series]]:
    """Return (returns, turnover) of each of several weights, to the last bit what `simulate` gives, in few calls of vectorbt.

    Each has a cash of its own. Raises as `simulate` does, for all if for one.
    """
    for one in weights:
        _check(one, bars, max_gross)
    market = _market(bars, costs, fill, delisted_after)
    together = max(1, MOST_CELLS // max(1, market.price.size))
    return [
        earned for first in range(0, len(weights), together) for earned in _earned(weights[first : first + together], market, costs, cash)
    ]


@dataclass(frozen=True)
class _Market:
    """What orders are filled at, (n_times, n_symbols) each: price, last close, names that are closed out, slippage as a fraction."""

    bars: Bars
    price: pd.DataFrame
    last_close: pd.DataFrame
    delisted: pd.DataFrame
    slippage: pd.DataFrame


def _market(bars: Bars, costs: Costs, fill: str, delisted_after: int) -> _Market:
    if fill not in ("open", "close"):
        raise UsageError(f"fill must be 'open' or 'close', not {fill!r}")
    delisted = _delisted(bars, delisted_after)
    last_close = bars.close.ffill().fillna(1.0)  # before its first bar a name is never held: any number will do
    price = getattr(bars, fill).where(bars.traded, last_close)
    slippage = (delisted * costs.delisting_haircut_bps).where(delisted, costs.slippage_bps) * BPS
    return _Market(bars, price, last_close, delisted, slippage)


def _vectorbt() -> Any:
    """Return vectorbt without compiled Python: the engine is Rust, and the one function left counts columns.

    numba would keep what it compiles in a cache that must be writable, and that it does not verify.
    """
    import numba

    settings = vars(numba.config)
    before, settings["DISABLE_JIT"] = settings["DISABLE_JIT"], 1
    try:
        import vectorbt
    finally:
        settings["DISABLE_JIT"] = before
    return vectorbt


def _simulated(many: Sequence[pd.DataFrame], market: _Market, costs: Costs, cash: float) -> tuple[Any, pd.DataFrame]:
    """Return vectorbt's portfolio of several weights side by side, a group with its own cash each, and the targets of the last one."""
    vbt = _vectorbt()
    n, k = len(market.bars.symbols), len(many)
    targets = [
        weights.shift(1).where(market.bars.traded).where(~market.delisted, 0.0)  # decided at t, traded at t+1; NaN holds
        for weights in many
    ]
    columns = pd.RangeIndex(n * k)

    def tiled(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(np.tile(frame.to_numpy(dtype=float), (1, k)), index=frame.index, columns=columns)

    simulated = vbt.Portfolio.from_orders(
        close=tiled(market.last_close),
        size=pd.DataFrame(np.concatenate([target.to_numpy(dtype=float) for target in targets], axis=1), market.price.index, columns),
        size_type="targetpercent",
        price=tiled(market.price),
        fees=costs.fee_bps * BPS,
        slippage=tiled(market.slippage),
        init_cash=cash,
        group_by=np.repeat(np.arange(k), n),
        cash_sharing=True,
        call_seq="auto",
        freq="1D",
        engine="rust",
    )
    return simulated, targets[-1]


def _earned(many: Sequence[pd.DataFrame], market: _Market, costs: Costs, cash: float) -> Iterator[tuple[pd.Series, pd.Series]]:
    """Yield (returns, turnover) of each of the weights."""
    simulated, _ = _simulated(many, market, costs, cash)
    values, records = simulated.value().to_numpy().reshape(len(market.price), -1), simulated.orders.values
    n = len(market.bars.symbols)
    for place in range(len(many)):
        own = records[records["col"] // n == place].copy()
        own["col"] %= n
        orders = _orders(own, market)
        equity = pd.Series(values[:, place], index=market.price.index, name="equity")
        _refuse_ruin(equity)
        before = equity.shift(1, fill_value=cash)
        yield _returns(equity, before), _turnover(orders, before)


def _returns(equity: pd.Series, before: pd.Series) -> pd.Series:
    return (equity / before - 1).rename("returns")


def _turnover(orders: pd.DataFrame, before: pd.Series) -> pd.Series:
    """Return the traded value over the equity before trading, both sides counted, (n_times,)."""
    return (_per_bar(orders["size"] * orders["price"], orders, before.index) / before).rename("turnover")


def _per_bar(money: pd.Series, orders: pd.DataFrame, times: pd.Index) -> pd.Series:
    """Return the sum over the orders of each bar, (n_times,)."""
    return money.groupby(orders["time"]).sum().reindex(times, fill_value=0.0)


def _portfolio(simulated: Any, orders: pd.DataFrame, equity: pd.Series, *, target: pd.DataFrame, market: _Market, cash: float) -> Portfolio:
    """Gather the values of a simulated portfolio."""
    before = equity.shift(1, fill_value=cash)
    positions = _positions(orders, equity.index, target.columns)
    fees, slippage = (_per_bar(orders[name], orders, equity.index) for name in ("fee", "slippage"))
    returns = _returns(equity, before)
    return Portfolio(
        cash=cash,
        equity=equity,
        returns=returns,
        gross_returns=(returns + (fees + slippage) / before).rename("gross_returns"),
        turnover=_turnover(orders, before),
        fees=fees.rename("fees"),
        slippage=slippage.rename("slippage"),
        positions=positions,
        exposure=(positions * market.last_close).div(equity, axis=0),
        orders=orders,
        cut=_cut(target, market.price, positions, cash_flow=_cash_flow(orders, equity.index), cash=cash),
        trades=_trades(simulated.positions.values, target),
    )


def _check(weights: pd.DataFrame, bars: Bars, max_gross: float) -> None:
    """Refuse weights that would be paired with the wrong prices, hold by accident, or borrow."""
    if not (weights.index.equals(bars.times) and weights.columns.equals(bars.symbols)):
        raise DataError("weights are not aligned with the bars: reindex them to bars.times and bars.symbols (vectorbt pairs by position)")
    values = weights.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        found = f"the weight of {weights.columns[column]!s} at {weights.index[row]!s} is {values[row, column]}"
        raise DataError(f"{found}: 0 means flat, NaN would hold")
    gross = weights.abs().sum(axis=1)
    if len(gross) and gross.max() > max_gross + ROUNDING:
        excess = f"gross exposure {gross.max():.4f} at {gross.idxmax()!s} exceeds the limit of {max_gross:g}"
        raise UsageError(f"{excess}: scale the weights, or raise max_gross")


def _delisted(bars: Bars, after: int) -> pd.DataFrame:
    """Return True at the first bar at which a name has been missing for `after` sessions, days in UTC, (n_times, n_symbols)."""
    listed = bars.listed.to_numpy()
    session = pd.factorize((bars.times - pd.Timedelta(1, "us")).normalize())[0][:, None]  # midnight ends a day
    last = np.maximum.accumulate(np.where(listed, session, -1), axis=0)
    missing = (session >= last + after) & (last >= 0) & ~listed
    return pd.DataFrame(missing & ~np.roll(missing, 1, axis=0), index=bars.times, columns=bars.symbols)


def _refuse_ruin(equity: pd.Series) -> None:
    """Refuse to go on below zero: a return on negative equity means nothing."""
    if (equity <= 0).any():
        first = equity.index[int((equity <= 0).to_numpy().argmax())]
        raise UsageError(
            f"the portfolio is ruined: its equity is {equity[first]:,.0f} at {first!s}; lower the gross exposure of its weights"
        )


def _orders(records: npt.NDArray[Any], market: _Market) -> pd.DataFrame:
    """Return the filled orders in order of (time, symbol)."""
    bar, name, price = records["idx"], records["col"], market.price
    quoted = price.to_numpy()[bar, name]
    gone = market.delisted.to_numpy()[bar, name]
    orders = pd.DataFrame(
        {
            "time": price.index[bar],
            "decided_at": price.index[np.maximum(bar - 1, 0)],
            "symbol": price.columns[name].to_numpy(),
            "side": np.where(records["side"] == 0, "buy", "sell"),
            "size": records["size"],
            "price": records["price"],
            "fee": records["fees"],
            "slippage": np.where(gone, 0.0, np.abs(records["price"] - quoted) * records["size"]),
            "reason": np.where(gone, "delisted", "target"),
        }
    )
    return orders.sort_values(["time", "symbol"], kind="stable", ignore_index=True)


def _signed(orders: pd.DataFrame) -> pd.Series:
    return orders["size"].where(orders["side"] == "buy", -orders["size"])


def _positions(orders: pd.DataFrame, times: pd.Index, symbols: pd.Index) -> pd.DataFrame:
    """Return the shares held after each bar, (n_times, n_symbols)."""
    traded = np.zeros((len(times), len(symbols)))
    np.add.at(traded, (times.get_indexer(pd.Index(orders["time"])), symbols.get_indexer(pd.Index(orders["symbol"]))), _signed(orders))
    return pd.DataFrame(traded.cumsum(axis=0), index=times, columns=symbols)


def _cash_flow(orders: pd.DataFrame, times: pd.Index) -> pd.Series:
    """Return the money that orders brought in at each bar, fees paid, (n_times,)."""
    flow = -_signed(orders) * orders["price"] - orders["fee"]
    return flow.groupby(orders["time"]).sum().reindex(times, fill_value=0.0)


def _cut(target: pd.DataFrame, price: pd.DataFrame, positions: pd.DataFrame, *, cash_flow: pd.Series, cash: float) -> pd.DataFrame:
    """List the orders that ended away from their target: asked and filled, in signed shares."""
    held = positions.shift(1, fill_value=0.0)
    value = cash + cash_flow.cumsum().shift(1, fill_value=0.0) + (held * price).sum(axis=1)  # at the fill prices, before any order
    wanted = (target.mul(value, axis=0) / price).where(target.notna(), held)
    short = (wanted - positions).abs() * price > 1e-9 * value.abs().to_numpy()[:, None]
    bar, name = np.nonzero(short.to_numpy())
    return pd.DataFrame(
        {
            "time": target.index[bar],
            "symbol": target.columns[name].to_numpy(),
            "asked": (wanted - held).to_numpy()[bar, name],
            "filled": (positions - held).to_numpy()[bar, name],
        }
    )


def _trades(records: npt.NDArray[Any], target: pd.DataFrame) -> pd.DataFrame:
    """Return the round trips, from flat to flat, in order of their entry; those still open have no exit."""
    still_open = records["status"] == 0
    trades = pd.DataFrame(
        {
            "symbol": target.columns[records["col"]].to_numpy(),
            "side": np.where(records["direction"] == 0, "long", "short"),
            "entry_time": target.index[records["entry_idx"]],
            "exit_time": target.index[records["exit_idx"]].where(~still_open),
            "size": records["size"],
            "entry_price": records["entry_price"],
            "exit_price": np.where(still_open, np.nan, records["exit_price"]),
            "pnl": records["pnl"],
            "return": records["return"],
        }
    )
    return trades.sort_values(["entry_time", "symbol"], kind="stable", ignore_index=True)
