"""The JSON of a comparison, by names that do not change within a schema version.

`schema_version`, `comparison_id`,
`sessions{start, end, n}`: those that all runs have,
`runs[{name, strategy, run_id, folder, start, end, n_sessions, n_left_out, figures{}, reported{}}]`: the first is the baseline; `figures`
are on the common sessions, `reported` is what each report.json says of its own span (returns, drawdown, accuracy, significance,
trading, without tables),
`differences[{run_id, figures{name: {value, low, high}}}]`: each run but the first, less the first,
`settings{dotted name: [value of each run]}`, `data{...}`, `code{...}`: only what differs, null where a run has no such name,
`notes[]`.

Ratios are fractions, never percent; what does not apply is null. cagr, volatility and sharpe are annualised; turnover is per session.
low and high bound the 95% interval of a difference, from a circular block bootstrap that draws the same sessions for both runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from quantlab.compare.comparison import Comparison
from quantlab.report.contract import as_json
from quantlab.result import Json

SCHEMA_VERSION = 1
REPORTED = ("returns", "drawdown", "accuracy", "significance", "trading")


def contract(comparison: Comparison) -> dict[str, Json]:
    """Return the comparison as strict JSON."""
    content: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "comparison_id": comparison.comparison_id,
        "sessions": {"start": comparison.sessions[0], "end": comparison.sessions[-1], "n": len(comparison.sessions)},
        "runs": [_run(comparison, position) for position in range(len(comparison.runs))],
        "differences": [
            {
                "run_id": record.run_id,
                "figures": {name: {"value": found.value, "low": found.low, "high": found.high} for name, found in differences.items()},
            }
            for record, differences in zip(comparison.runs[1:], comparison.differences, strict=True)
        ],
        "settings": comparison.settings,
        "data": comparison.data,
        "code": comparison.code,
        "notes": comparison.notes,
    }
    return {name: as_json(value) for name, value in content.items()}


def curves(comparison: Comparison) -> pd.DataFrame:
    """Return what 1 became in each run, (n_common, n_runs), from the first common session on."""
    named = zip(comparison.names, comparison.runs, strict=True)
    return pd.DataFrame({name: (1.0 + record.sessions["return"].loc[comparison.sessions]).cumprod() for name, record in named})


def _run(comparison: Comparison, position: int) -> dict[str, object]:
    record = comparison.runs[position]
    return {
        "name": comparison.names[position],
        "strategy": record.strategy,
        "run_id": record.run_id,
        "folder": str(record.folder),
        "start": record.sessions.index[0],
        "end": record.sessions.index[-1],
        "n_sessions": len(record.sessions),
        "n_left_out": comparison.left_out[position],
        "figures": comparison.figures[position],
        "reported": {part: _plain(record.report[part]) for part in REPORTED if part in record.report},
    }


def _plain(part: Mapping[str, object]) -> dict[str, object]:
    """Return the figures of a part of report.json that are single values, or an interval."""
    return {name: value for name, value in part.items() if not isinstance(value, dict | list) or name.endswith("_ci")}
