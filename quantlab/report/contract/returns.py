"""What was earned and what was lost on the way: the parts `returns` and `drawdown`."""

from __future__ import annotations

import pandas as pd

from quantlab import metrics
from quantlab.result import BacktestResult

WORST = 5  # drawdowns listed
EXTREMES = 5  # best and worst sessions and months listed


def earned(result: BacktestResult) -> dict[str, object]:
    """Return growth, risk, ratios and tails, alone and against the benchmark."""
    returns, gross, periods = result.portfolio.returns, result.portfolio.gross_returns, result.dataset.sessions_per_year
    alpha, beta = metrics.alpha_beta(returns, result.benchmark, periods=periods)
    months = metrics.monthly_returns(returns)
    return {
        "total_return": metrics.total_return(returns),
        "cagr": metrics.cagr(returns, periods=periods),
        "volatility": metrics.volatility(returns, periods=periods),
        "sharpe": metrics.sharpe(returns, periods=periods),
        "sortino": metrics.sortino(returns, periods=periods),
        "calmar": metrics.calmar(returns, periods=periods),
        "benchmark_total_return": metrics.total_return(result.benchmark),
        "alpha": alpha,
        "beta": beta,
        "monthly": [{"month": str(month), "return": value} for month, value in months.items()],
        "gross_total_return": metrics.total_return(gross),
        "gross_sharpe": metrics.sharpe(gross, periods=periods),
        "benchmark_sharpe": metrics.sharpe(result.benchmark, periods=periods),
        "omega": metrics.omega(returns),
        "tail_ratio": metrics.tail_ratio(returns),
        "value_at_risk": metrics.value_at_risk(returns),
        "expected_shortfall": metrics.expected_shortfall(returns),
        "skewness": metrics.skewness(returns),
        "kurtosis": metrics.kurtosis(returns),
        "win_rate": metrics.win_rate(returns),
        "profit_factor": metrics.profit_factor(returns),
        "tracking_error": metrics.tracking_error(returns, result.benchmark, periods=periods),
        "information_ratio": metrics.information_ratio(returns, result.benchmark, periods=periods),
        "up_capture": metrics.up_capture(returns, result.benchmark),
        "down_capture": metrics.down_capture(returns, result.benchmark),
        "best_days": _dated(metrics.best(returns, EXTREMES), "time"),
        "worst_days": _dated(metrics.worst(returns, EXTREMES), "time"),
        "best_months": _dated(metrics.best(months, EXTREMES), "month"),
        "worst_months": _dated(metrics.worst(months, EXTREMES), "month"),
    }


def drawn_down(result: BacktestResult) -> dict[str, object]:
    """Return how deep, how long and how often the equity stood below its peak."""
    returns = result.portfolio.returns
    table = metrics.drawdowns(returns)
    return {
        "max_drawdown": metrics.max_drawdown(returns),
        "max_drawdown_sessions": table["sessions"].max() if len(table) else 0,
        "worst": table.head(WORST).to_dict("records"),
        "time_under_water": metrics.time_under_water(returns),
        "ulcer_index": metrics.ulcer_index(returns),
    }


def _dated(values: pd.Series, name: str) -> list[dict[str, object]]:
    times = [str(time) if isinstance(time, pd.Period) else time for time in values.index]
    return [{name: time, "return": value} for time, value in zip(times, values.tolist(), strict=True)]
