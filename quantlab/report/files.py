"""The files of a run, as bytes: what `write_report` lays into the folder.

CSV files are meant for spreadsheets too, so a text that one would take for a formula (it begins with = + - @, a tab or a
return) gets a leading apostrophe. Numbers have all their digits, and times are ISO 8601 in UTC, so that orders.csv can be
replayed exactly.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow.csv import write_csv

from quantlab.report.contract import SCHEMA_VERSION, as_json
from quantlab.result import BacktestResult

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def tables(result: BacktestResult) -> dict[str, bytes]:
    """Return the CSV files by name: returns, weights, signal (the target beside it), orders, trades; bad rows if there are any."""
    portfolio = result.portfolio
    by_session = {
        "return": portfolio.returns,
        "gross_return": portfolio.gross_returns,
        "benchmark": result.benchmark,
        "equity": portfolio.equity,
        "turnover": portfolio.turnover,
        "fees": portfolio.fees,
        "slippage": portfolio.slippage,
    }
    signal = pd.DataFrame({"signal": result.predicted.signal, "target": result.target.reindex(result.predicted.signal.index)})
    frames = {
        "returns": pd.DataFrame(by_session).rename_axis("time").reset_index(),
        "weights": result.weights.rename_axis(index="time", columns=None).reset_index(),
        "signal": signal.rename_axis(["time", "symbol"]).reset_index(),
        "orders": portfolio.orders,
        "trades": portfolio.trades,
    }
    if len(result.dataset.quarantined):
        frames["quarantine"] = result.dataset.quarantined
    return {f"{name}.csv": csv(frame) for name, frame in frames.items()}


def csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV in UTF-8, safe to open in a spreadsheet; the index is not written."""
    columns = [pa.array(_column(frame.iloc[:, position]), from_pandas=True) for position in range(frame.shape[1])]
    written = io.BytesIO()  # Arrow writes the shortest digits that read back to the same float, six times as fast as pandas
    write_csv(pa.Table.from_arrays(columns, [neutral(str(name)) for name in frame.columns]), written)
    return written.getvalue()


def neutral(text: str) -> str:
    """Return a text that no spreadsheet runs."""
    return "'" + text if text.startswith(FORMULA) else text


def manifest(result: BacktestResult, files: Mapping[str, bytes]) -> bytes:
    """Return manifest.json: what the result depends on, when each learner stopped learning, and the sha256 of each file."""
    fits = [
        {
            "test_start": fit.fold.test_start,
            "test_end": fit.fold.test_end,
            "fit_end": fit.fit_end,
            "importance": fit.importance,
            "learned": fit.learned,
        }
        for fit in result.predicted.fits
    ]
    content = {
        "schema_version": SCHEMA_VERSION,
        "run_id": result.run_id,
        "trial_id": result.trial_id,
        "strategy": result.strategy,
        "data": {"name": result.dataset.name, "hashes": result.dataset.hashes},
        "config": result.config,
        "provenance": result.provenance,
        "fits": fits,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    return json_bytes(as_json(content), sort_keys=True)


def json_bytes(content: Any, *, sort_keys: bool = False) -> bytes:
    """Return strict JSON, readable by eye, that ends in a new line."""
    return (json.dumps(content, indent=2, sort_keys=sort_keys, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _column(values: pd.Series) -> pd.Series:
    """Return times as ISO texts (empty where there is none) and texts that are safe; each distinct one is made once."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.map({instant: instant.isoformat() for instant in values.dropna().unique()})
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    return values.map({text: neutral(str(text)) for text in values.dropna().unique()})
