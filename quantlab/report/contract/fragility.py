"""Where the result breaks: the part `fragility`.

Each line of `stress` asks the same: of the profit, how much would be left if one thing were otherwise? 1 is all of it, 0 none, below
0 a loss. So things as different as costs and luck in a few trades can be set side by side, and the least of them is the weakest point.
"""

from __future__ import annotations

import math

import pandas as pd

from quantlab import evidence, metrics
from quantlab.evidence.fragility import COSTS_BPS
from quantlab.report.contract.encode import rows
from quantlab.result import BacktestResult

EXTREMES = 5  # names listed at either end
FEW = 5  # trades, or days


def by_stress(result: BacktestResult) -> dict[str, object]:
    """Return what costs, delay, few trades, names or months, more money and other times would do to the profit."""
    own = evidence.own_cost_bps(result)
    asked = (*COSTS_BPS, own, 2.0 * own) if math.isfinite(own) else COSTS_BPS
    grid = evidence.cost_delay_grid(result, costs_bps=tuple(dict.fromkeys(asked)))
    without, periods = evidence.without_best(result, k=FEW), evidence.sub_periods(result)
    by_name = evidence.profit_by(result, "name").sort_values(ascending=False, kind="stable")
    return {
        "own_cost_bps": own,
        "cost_delay": rows(grid.loc[[cost in COSTS_BPS for cost in grid.index.get_level_values("cost_bps")]]),
        "stress": rows(_stress(result, grid, without, periods, by_name)),
        "without_best": rows(without),
        "concentration": rows(evidence.concentration(result)),
        "best_names": _named(by_name[by_name > 0].head(EXTREMES)),
        "worst_names": _named(by_name[by_name < 0].tail(EXTREMES)[::-1]),
        "capacity": rows(evidence.capacity(result)),
        "sub_periods": rows(periods[periods.index.get_level_values("kind") != "fold"]),
        "legs": rows(evidence.legs(result)),
        "regimes": rows(evidence.market_regimes(result)),
    }


def _stress(result: BacktestResult, grid: pd.DataFrame, without: pd.DataFrame, periods: pd.DataFrame, by_name: pd.Series) -> pd.DataFrame:
    """Return the share of the profit that is left, (n_stresses, 1), a row per stress; none where there is no profit."""
    own, total = evidence.own_cost_bps(result), metrics.total_return(result.portfolio.returns)
    made = dict(zip(without.index, without["profit"].tolist(), strict=True))
    profit = made["all"]
    if not (math.isfinite(own) and total > 0 and profit > 0):
        return pd.DataFrame({"left": []}, index=pd.Index([], name="stress"))
    by_month = evidence.profit_by(result, "month")
    halves = periods["total_return"][periods.index.get_level_values("kind") == "half"]
    net = dict(zip(grid.index, grid["total_return"].tolist(), strict=True))  # by delay and cost
    reference = net[0, own]
    left = {
        "costs_doubled": net[0, 2.0 * own] / reference,
        **({"traded_later": net[1, own] / reference} if (1, own) in net else {}),
        "without_best_trades": made["trades"] / profit,
        "without_best_days": made["days"] / profit,
        "without_best_name": 1.0 - float(by_name.iloc[0]) / profit,
        "without_best_month": 1.0 - float(by_month.max()) / profit,
        "as_in_weaker_half": 2.0 * _log(float(halves.min())) / _log(total),
    }
    return pd.DataFrame({"left": left}).rename_axis("stress")


def _log(total: float) -> float:
    return math.log1p(total) if total > -1.0 else -math.inf


def _named(profits: pd.Series) -> list[dict[str, object]]:
    return [{"name": str(name), "profit": profit} for name, profit in profits.items()]
