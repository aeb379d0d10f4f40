"""Where the result breaks: dearer or slower trading, without its best trades, in few names or months, with more money."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from quantlab.errors import UsageError
from quantlab.evidence.attribution import equity_before, name_profits
from quantlab.metrics import sharpe, total_return
from quantlab.metrics.returns import last_open
from quantlab.result import BacktestResult

BPS = 1e-4
COSTS_BPS = (0.0, 5.0, 10.0, 20.0)
SHARES = (0.01, 0.05)  # of a bar's traded value


def cost_delay_grid(result: BacktestResult, *, costs_bps: Sequence[float] = COSTS_BPS) -> pd.DataFrame:
    """Return total_return, sharpe (annualised) and n_sessions for each (delay, cost_bps), (n_delays * n_costs, 3).

    delay: bars that the same weights are traded later than the strategy does, 0 and those of the result; cost_bps: of the traded
    value, both sides counted, instead of the strategy's own costs. Net return = return before costs - turnover * cost / 10,000.
    Raises UsageError for a cost that is negative or not finite.
    """
    wrong = [cost for cost in costs_bps if not (math.isfinite(cost) and cost >= 0)]
    if wrong:
        raise UsageError(f"cost_delay_grid: a cost must be a finite number of basis points >= 0, not {wrong[0]!r}")
    traded = {0: (result.portfolio.gross_returns, result.portfolio.turnover)}
    traded |= {delayed.n_bars: (delayed.gross_returns, delayed.turnover) for delayed in result.delayed}
    net = {(delay, cost): gross - turnover * cost * BPS for delay, (gross, turnover) in sorted(traded.items()) for cost in costs_bps}
    figures = [(total_return(returns), sharpe(returns, periods=result.dataset.sessions_per_year), len(returns)) for returns in net.values()]
    index = pd.MultiIndex.from_tuples(list(net), names=["delay", "cost_bps"])
    return pd.DataFrame(figures, index=index, columns=["total_return", "sharpe", "n_sessions"])


def own_cost_bps(result: BacktestResult) -> float:
    """Return what the strategy paid in fees and slippage, in basis points of the value that it traded; NaN if it never traded."""
    paid = float((result.portfolio.fees + result.portfolio.slippage).sum())
    traded = float((result.portfolio.turnover * equity_before(result)).sum())
    return paid / traded / BPS if traded > 0 else math.nan


def without_best(result: BacktestResult, *, k: int = 5) -> pd.DataFrame:
    """Return profit (money), total_return, sharpe (annualised) and n_left for `all`, without the `k` best `trades`, and `days`.

    Without trades: their profits, net of fees, are taken off the end; the rest is not traded anew, so there is no Sharpe ratio. n_left:
    trades that are left. Without days: the other sessions are compounded; n_left: sessions that are left. Raises UsageError for k < 1.
    """
    if k < 1:
        raise UsageError(f"without_best: k must be a whole number >= 1, not {k!r}")
    cash, returns, periods = result.portfolio.cash, result.portfolio.returns, result.dataset.sessions_per_year
    pnl = np.sort(result.portfolio.trades["pnl"].to_numpy(dtype=float), kind="stable")
    left = returns.iloc[np.sort(np.argsort(returns.to_numpy(), kind="stable")[: max(len(returns) - k, 0)])]
    profit = float(result.portfolio.equity.iloc[-1] - cash)
    fewer = profit - float(pnl[-k:].sum())
    rows = {
        "all": (profit, profit / cash, sharpe(returns, periods=periods), len(returns)),
        "trades": (fewer, fewer / cash, math.nan, max(len(pnl) - k, 0)),
        "days": (total_return(left) * cash, total_return(left), sharpe(left, periods=periods), len(left)),
    }
    columns = ["profit", "total_return", "sharpe", "n_left"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("without")


def profit_by(result: BacktestResult, part: str) -> pd.Series:
    """Return the money made by each `name`, (n_symbols,), or in each `month` (UTC) with a session, (n_months,), net of costs.

    Raises UsageError for another part.
    """
    if part == "name":
        return name_profits(result).sum().rename("profit").rename_axis("name")
    if part == "month":
        made = result.portfolio.equity - equity_before(result)
        months = last_open(made.index).to_period("M")
        return made.groupby(months).sum().rename("profit").rename_axis("month")
    raise UsageError(f"profit_by: part must be 'name' or 'month', not {part!r}")


def concentration(result: BacktestResult) -> pd.DataFrame:
    """Return how much of the profits and losses few names, or months, made: rows `name` and `month`.

    The share of a part is its profit or loss, without the sign, over the sum of those of all parts. n: parts that made or lost anything;
    herfindahl: the sum of squared shares, from 1/n (spread evenly) to 1 (one alone); top, top_share: the greatest part, the first
    of equal ones; top_five_share: of the five greatest. NaN where nothing was made or lost.
    """
    rows = {}
    for part in ("name", "month"):
        size = profit_by(result, part).abs()
        share = size / size.sum() if size.sum() > 0 else size * math.nan
        greatest = share.sort_values(ascending=False, kind="stable")
        known = greatest.notna().all()
        rows[part] = {
            "n": int((size > 0).sum()),
            "herfindahl": float((share**2).sum(skipna=False)),
            "top": str(greatest.index[0]) if known else "",
            "top_share": float(greatest.iloc[0]),
            "top_five_share": float(greatest.iloc[:5].sum(skipna=False)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")


def capacity(result: BacktestResult, *, shares: Sequence[float] = SHARES, percentile: float = 0.95) -> pd.DataFrame:
    """Return the equity up to which orders stay below a share of what was traded, one row per share: equity, n_orders, n_left_out.

    An order of value v placed with equity E is the fraction w = v / E of it, whatever E is. In a bar that traded V = close * volume
    it takes the part E * w / V of the market, which stays below `share` up to E = share * V / w. So

        equity = share / quantile(w / V, percentile),

    in the currency of the bars: at that equity `percentile` of the orders stay below the share. Orders without a traded volume (of a
    delisted name) have no such part: n_left_out. NaN without an order. Market impact itself is not in it.
    """
    orders, bars = result.portfolio.orders, result.dataset.bars
    value = (orders["size"] * orders["price"]).to_numpy(dtype=float)
    weight = value / equity_before(result).reindex(pd.DatetimeIndex(orders["time"])).to_numpy(dtype=float)
    place = (bars.times.get_indexer(pd.DatetimeIndex(orders["time"])), bars.symbols.get_indexer(pd.Index(orders["symbol"])))
    market = bars.close.to_numpy(dtype=float)[place] * bars.volume.to_numpy(dtype=float)[place]
    known = market > 0
    part = float(np.quantile(weight[known] / market[known], percentile)) if known.any() else math.nan
    figures = [(share / part, int(known.sum()), int((~known).sum())) for share in shares]
    return pd.DataFrame(figures, index=pd.Index(shares, name="share"), columns=["equity", "n_orders", "n_left_out"])
