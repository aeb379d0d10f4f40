"""A finished run as its folder tells it; every file that is read is checked against the manifest first."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow.csv import ConvertOptions, read_csv

from quantlab.errors import DataError, UsageError, nearest
from quantlab.report.files import FORMULA

SHOWN = 6  # runs named in a message


@dataclass(frozen=True)
class Record:
    """What a run left behind.

    report, manifest: the content of report.json and manifest.json.
    sessions: returns.csv over time, (n_times, ...): return, gross_return, benchmark, turnover, fees, slippage, equity.
    signal: signal.csv over (time, symbol): signal and target.
    """

    folder: Path
    report: Mapping[str, Any]
    manifest: Mapping[str, Any]
    sessions: pd.DataFrame
    signal: pd.DataFrame

    @property
    def run_id(self) -> str:
        """The run's id, which names its folder."""
        return str(self.manifest["run_id"])

    @property
    def strategy(self) -> str:
        """The name of the strategy."""
        return str(self.manifest["strategy"])

    @property
    def periods(self) -> float:
        """Sessions a year, as the run states them; for one that does not, its volatility over that of one session, or 252."""
        told = self.report.get("data", {}).get("sessions_per_year")
        if told:
            return float(told)
        stated, once = self.report["returns"]["volatility"], self.sessions["return"].std(ddof=1)
        return round((stated / once) ** 2, 6) if stated and once > 0 else 252.0


def find_run(name: str, reports: Path) -> Path:
    """Return the folder of a run: a path, or `<strategy>/<run id>` under the folder of reports, or the beginning of a run id.

    Raises UsageError if there is none, or more than one.
    """
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        if (Path(name) / "manifest.json").is_file():
            return Path(name)
    known = sorted(path.parent for path in Path(reports).glob("*/*/manifest.json") if not path.parent.name.startswith("."))
    strategy, slash, start = name.strip("/").rpartition("/")
    found = [folder for folder in known if folder.name.startswith(start) and (not slash or folder.parent.name == strategy)]
    exact = [folder for folder in found if folder.name == start]
    if len(exact or found) == 1:
        return (exact or found)[0]
    names = [f"{folder.parent.name}/{folder.name}" for folder in found or known]
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    if found:
        raise UsageError(f"{name!r} could mean any of {len(found)} runs ({shown}): write more of its id")
    there = f"; there are {shown}" if names else ""
    raise UsageError(f"no run {name!r} in {reports}{nearest(name, names)}: name the folder of a run, or <strategy>/<run id>{there}")


def read_run(folder: Path) -> Record:
    """Return what a run left in its folder. Raises DataError if a file is missing, unreadable, or not as the run wrote it."""
    folder = Path(folder)
    manifest = _json(folder, "manifest.json", _bytes(folder, "manifest.json"))
    try:
        hashes = dict(manifest["files"])
        content = {name: _verified(folder, name, hashes) for name in ("report.json", "returns.csv", "signal.csv")}
        record = Record(
            folder,
            _json(folder, "report.json", content["report.json"]),
            manifest,
            _table(content["returns.csv"], ["time"]),
            _table(content["signal.csv"], ["time", "symbol"]),
        )
        _check(record)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{folder} is not the folder of a run that this version can read ({error!r}): run the backtest again") from error
    return record


def _check(record: Record) -> None:
    """Refuse files that belong to different runs; a KeyError says which figure is missing."""
    ids = {str(record.manifest["run_id"]), str(record.report["run_id"])}
    if len(ids) > 1:
        raise DataError(f"{record.folder}: report.json and manifest.json are of different runs ({', '.join(sorted(ids))}): run it again")
    if not len(record.sessions):
        raise DataError(f"{record.folder}: returns.csv has no session: run the backtest again")
    for name in ("return", "benchmark", "turnover"):
        record.sessions[name]
    for name in ("signal", "target"):
        record.signal[name]
    for name in ("strategy", "config", "provenance", "data"):
        record.manifest[name]


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {folder / name}: {error.strerror or error}: name the folder of a finished run") from error


def _verified(folder: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """Return the bytes of a file that is still as the run wrote it."""
    content = _bytes(folder, name)
    found = hashlib.sha256(content).hexdigest()
    if found != hashes[name]:
        raise DataError(
            f"{folder / name} has been changed since the run: its sha256 is {found[:12]}..., "
            f"its manifest says {str(hashes[name])[:12]}...: run the backtest again"
        )
    return content


def _json(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{folder / name} is not JSON ({error}): run the backtest again") from error
    if not isinstance(found, dict):
        raise DataError(f"{folder / name} holds no JSON object: run the backtest again")
    return found


def _table(content: bytes, index: list[str]) -> pd.DataFrame:
    """Return a table of numbers over time (and symbol); symbols are texts, whatever they look like."""
    head = content.split(b"\n", 1)[0].decode().replace('"', "").strip().split(",")
    kinds = {name: pa.string() if name in ("time", "symbol") else pa.float64() for name in head}
    table = read_csv(pa.py_buffer(content), convert_options=ConvertOptions(column_types=kinds, null_values=[""])).to_pandas()
    table["time"] = pd.to_datetime(table["time"], format="ISO8601", utc=True).astype("datetime64[us, UTC]")
    if "symbol" in table:
        guarded = table["symbol"].str.startswith(tuple("'" + character for character in FORMULA))
        table["symbol"] = table["symbol"].mask(guarded, table["symbol"].str[1:])
    indexed: pd.DataFrame = table.set_index(index).sort_index()
    return indexed
