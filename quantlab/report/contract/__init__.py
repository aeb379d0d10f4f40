"""The contract of report.json: the figures of a run, by names that do not change within a schema version.

Ratios are fractions, never percent. What does not apply is null, never 0 and never missing; there is no NaN and no infinity.
Annualised: cagr, volatility, sharpe and the other ratios, alpha, tracking_error, sharpe_ci, expected_max_sharpe, the haircut ratios.
Per session: turnover and exposure (means), value_at_risk, expected_shortfall, captures, ic_ir, psr and dsr. Money, in the currency of
the bars: fees, slippage, profit, capacity's equity. In sessions: max_drawdown_sessions (the longest time below a peak, not necessarily
the deepest), min_track_record, blocks. In bars: horizon, delay, days. Spans: `data` is the data set, everything else starts at the
first out-of-sample bar.

    encode     strict JSON                      accuracy   accuracy, walk_forward[].ic
    returns    returns, drawdown                horizons   accuracy.ic_decay
    luck       intervals, significance, trials  text       text_ablation
    trading    trading, walk_forward, audit     fragility  fragility

Everything is computed here once; the page says and draws what stands in it.
Version 2: ic_t has a lag of twice the horizon (version 1: the horizon), and sharpe_ci blocks of a length chosen from the returns.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantlab.dataset import Dropped
from quantlab.report.contract.accuracy import Told, foretold, mean_by_fold
from quantlab.report.contract.encode import as_json
from quantlab.report.contract.fragility import by_stress
from quantlab.report.contract.luck import by_luck, every_interval, pair
from quantlab.report.contract.returns import drawn_down, earned
from quantlab.report.contract.text import by_text
from quantlab.report.contract.trading import audited, folds, traded
from quantlab.report.verdict import verdict
from quantlab.result import BacktestResult, Json

__all__ = ["SCHEMA_VERSION", "as_json", "contract", "mean_by_fold"]
SCHEMA_VERSION = 2


def counts(rows: Iterable[Dropped]) -> list[dict[str, object]]:
    """Return how many rows there are for each reason."""
    return [{"reason": one.reason, "n": one.n_rows} for one in rows]


def contract(result: BacktestResult) -> dict[str, Json]:
    """Return the content of report.json."""
    bars, told = result.dataset.bars, Told.of(result)
    intervals = every_interval(result, told)
    accuracy = foretold(result, told)
    figures = {
        "data": {
            "name": result.dataset.name,
            "start": bars.times[0],
            "end": bars.times[-1],
            "n_sessions": len(bars.times),
            "n_symbols": len(bars.symbols),
            "n_documents": len(result.dataset.news),
            "sessions_per_year": result.dataset.sessions_per_year,
            "n_quarantined": len(result.dataset.quarantined),
            "quarantined": counts(result.dataset.bad_rows),
            "left_out": counts(result.dataset.dropped),
            "notes": result.dataset.notes,
        },
        "returns": earned(result),
        "drawdown": drawn_down(result),
        "accuracy": accuracy,
        "intervals": {name: pair(found) for name, found in intervals.items()},
        "significance": by_luck(result, intervals),
        "trials": {"n": result.trials.n, "source": result.trials.source, "notes": result.trials.notes},
        "trading": traded(result),
        "walk_forward": folds(result, mean_by_fold(told.ic, result)),
        "text_ablation": by_text(result),
        "fragility": by_stress(result),
        "audit": audited(result),
    }
    content = {name: as_json(value) for name, value in figures.items()}
    named: dict[str, Json] = {"strategy": result.strategy, "run_id": result.run_id, "schema_version": SCHEMA_VERSION}
    return {**named, "verdict": as_json(verdict(content)), **content}
