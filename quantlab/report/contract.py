"""The contract of report.json: the figures of a run, by names that do not change within a schema version.

Ratios are fractions, never percent. What does not apply is null, never 0 and never missing; there is no NaN and no infinity.
Annualised: cagr, volatility, sharpe, sortino, calmar, alpha, sharpe_ci. Per session: turnover and exposure (means), psr and dsr.
Money, in the currency of the bars: fees and slippage. In sessions: max_drawdown_sessions (the longest time below a peak,
not necessarily the deepest) and min_track_record. Spans: `data` is the data set, everything else starts at the first
out-of-sample bar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from quantlab import metrics, significance
from quantlab.result import BacktestResult, Json

SCHEMA_VERSION = 1
N_TRIALS = 1  # a single run knows of no other attempt; with one trial the deflated Sharpe ratio is the probabilistic one
WORST = 5  # drawdowns listed


def contract(result: BacktestResult) -> dict[str, Json]:
    """Return the content of report.json."""
    bars = result.dataset.bars
    per_session = metrics.information_coefficient(result.predicted.signal, result.target)
    by_fold = mean_by_fold(per_session, result)
    content = {
        "strategy": result.strategy,
        "run_id": result.run_id,
        "schema_version": SCHEMA_VERSION,
        "data": {
            "name": result.dataset.name,
            "start": bars.times[0],
            "end": bars.times[-1],
            "n_sessions": len(bars.times),
            "n_symbols": len(bars.symbols),
            "n_documents": len(result.dataset.news),
        },
        "returns": _returns(result),
        "drawdown": _drawdown(result),
        "accuracy": {**_accuracy(result, per_session), "ic_by_fold": by_fold},
        "significance": _significance(result),
        "trading": _trading(result),
        "walk_forward": _walk_forward(result, by_fold),
        "text_ablation": None,
        "audit": _audit(result),
    }
    return {name: as_json(value) for name, value in content.items()}


def as_json(value: object) -> Json:
    """Return a value as strict JSON: instants as ISO 8601, numpy as Python, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or value is pd.NaT or isinstance(value, bool | str):
        return None if value is pd.NaT else value  # type: ignore[return-value]  # NaT is typed as a Timestamp
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"{value!r} of type {type(value).__name__} has no place in JSON")


def mean_by_fold(per_session: pd.Series, result: BacktestResult) -> list[float]:
    """Return the mean over the test sessions of each fold, one per fold; NaN where no session has a value."""
    folds = [fit.fold for fit in result.predicted.fits]
    return [float(per_session.loc[fold.test_start : fold.test_end].mean()) for fold in folds]


def _returns(result: BacktestResult) -> dict[str, object]:
    returns, periods = result.portfolio.returns, result.dataset.sessions_per_year
    alpha, beta = metrics.alpha_beta(returns, result.benchmark, periods=periods)
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
        "monthly": [{"month": str(month), "return": value} for month, value in metrics.monthly_returns(returns).items()],
    }


def _drawdown(result: BacktestResult) -> dict[str, object]:
    table = metrics.drawdowns(result.portfolio.returns)
    return {
        "max_drawdown": metrics.max_drawdown(result.portfolio.returns),
        "max_drawdown_sessions": table["sessions"].max() if len(table) else 0,
        "worst": table.head(WORST).to_dict("records"),
    }


def _accuracy(result: BacktestResult, per_session: pd.Series) -> dict[str, object]:
    signal, target = result.predicted.signal, result.target
    rows = metrics.judged(signal, target)
    return {
        "n": len(rows),
        "hit_rate": metrics.hit_rate(signal, target),
        "base_rate": metrics.base_rate(rows["target"]),
        "mcc": metrics.mcc(signal, target),
        "auc": metrics.auc(signal, target),
        "brier": metrics.brier((1.0 + signal) / 2.0, target) if result.predicted.is_probability else None,
        "ic_mean": per_session.mean(),
        "ic_std": per_session.std(ddof=1),
        "ic_t": metrics.newey_west_t(per_session, result.horizon),  # labels overlap over `horizon` bars
    }


def _significance(result: BacktestResult) -> dict[str, object]:
    returns, periods = result.portfolio.returns, result.dataset.sessions_per_year
    ratio = metrics.sharpe(returns, periods=1)
    skew, kurtosis = metrics.skewness(returns), metrics.kurtosis(returns)
    return {
        "psr": significance.probabilistic_sharpe(ratio, len(returns), skew, kurtosis),
        "dsr": significance.deflated_sharpe(ratio, len(returns), skew, kurtosis, N_TRIALS, 0.0),
        "n_trials": N_TRIALS,
        "min_track_record": significance.min_track_record(ratio, skew, kurtosis),
        "sharpe_ci": significance.sharpe_interval(returns, periods=periods),
        "pbo": None,
    }


def _trading(result: BacktestResult) -> dict[str, object]:
    portfolio = result.portfolio
    return {
        "turnover": portfolio.turnover.mean(),
        "n_trades": len(portfolio.trades),
        "exposure": portfolio.exposure.abs().sum(axis=1).mean(),
        "fees": portfolio.fees.sum(),
        "slippage": portfolio.slippage.sum(),
        "truncated_orders": len(portfolio.cut),
    }


def _walk_forward(result: BacktestResult, ic_by_fold: list[float]) -> list[dict[str, object]]:
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


def _audit(result: BacktestResult) -> dict[str, object]:
    checks = result.audit or ()
    verdict = "skipped" if result.audit is None else "passed" if all(check.passed for check in checks) else "failed"
    return {"verdict": verdict, "checks": [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks]}
