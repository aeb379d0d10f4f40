"""What was traded, on which folds, and what the audit saw: the parts `trading`, `walk_forward` and `audit`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from quantlab import metrics
from quantlab.result import BacktestResult, verdict_of


def traded(result: BacktestResult) -> dict[str, object]:
    """Return turnover, exposure, costs and the outcome of the trades."""
    portfolio = result.portfolio
    gain = portfolio.trades.loc[portfolio.trades["exit_time"].notna(), "pnl"]
    delisted = portfolio.orders[portfolio.orders["reason"] == "delisted"]
    return {
        "turnover": portfolio.turnover.mean(),
        "n_trades": len(portfolio.trades),
        "exposure": portfolio.exposure.abs().sum(axis=1).mean(),
        "fees": portfolio.fees.sum(),
        "slippage": portfolio.slippage.sum(),
        "truncated_orders": len(portfolio.cut),
        "n_open": len(portfolio.trades) - len(gain),
        "trades_won": metrics.win_rate(gain),
        "trade_profit_factor": metrics.profit_factor(gain),
        "annual_turnover": metrics.annual_turnover(portfolio.turnover, periods=result.dataset.sessions_per_year),
        "net_exposure": portfolio.exposure.sum(axis=1).mean(),
        "time_in_market": metrics.time_in_market(portfolio.exposure),
        "n_delisted": len(delisted),
        "delisting_haircut": _haircut(delisted, result.dataset.bars.close),
    }


def _haircut(delisted: pd.DataFrame, close: pd.DataFrame) -> float:
    """Return by how much less than their last closes positions were closed that were delisted, in money."""
    last = close.ffill().to_numpy()
    at = close.index.get_indexer(pd.Index(delisted["time"])), close.columns.get_indexer(pd.Index(delisted["symbol"]))
    return float(((last[at] - delisted["price"]).abs() * delisted["size"]).sum())


def folds(result: BacktestResult, ic_by_fold: Sequence[float]) -> list[dict[str, object]]:
    """Return what each fold learned from, and how it did."""
    return [
        {
            "train_start": fit.fold.train_start,
            "train_end": fit.fold.train_end,
            "test_start": fit.fold.test_start,
            "test_end": fit.fold.test_end,
            "n_train": fit.n_train,
            "n_test": fit.n_test,
            "ic": ic,
        }
        for fit, ic in zip(result.predicted.fits, ic_by_fold, strict=True)
    ]


def audited(result: BacktestResult) -> dict[str, object]:
    """Return what the audit tried, and what it saw: `passed`, `failed`, `blind` (it could not have seen a leak) or `skipped`."""
    if result.audit is None:
        return {"verdict": "skipped", "checks": []}
    verdict = {"leak": "failed", "blind": "blind"}.get(verdict_of(result.audit), "passed")
    return {"verdict": verdict, "checks": [check.as_json() for check in result.audit]}
