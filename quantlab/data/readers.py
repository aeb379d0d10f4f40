"""Readers: CSV, JSON Lines and Parquet to tables of text, without losing or bending a cell.

Columns are found by name, in lower case (`Adj Close` is `adj_close`). Short and long rows, headers with the same name
twice, other delimiters than the comma, and lines that are no JSON are findings with their file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.csv_files import cells_of
from quantlab.data.files import content_of, kind_of, stem_of
from quantlab.data.findings import Findings
from quantlab.data.tables import Table, canonical, shortened, table_of

Read: TypeAlias = "tuple[pd.DataFrame, npt.NDArray[np.int64]]"  # cells, and the line of each row


def read_table(folder: Path, paths: Iterable[Path], findings: Findings, *, symbol_from_name: bool = False) -> Table | None:
    """Return the rows of all files, in the order of the files, or None where there are none to read.

    symbol_from_name: in a folder of files, one without a column `symbol` holds the symbol after which it is named.
    """
    frames, lines, names = [], [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        kind = (kind_of(path) or "").removesuffix(".gz")
        read = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[kind](path, name, findings)
        if read is None:
            continue
        frame, line = read
        if list(frame.columns[:1]) == ["price"] and len(frame) and frame.iat[0, 0] == "Ticker":  # a table of yfinance, written as it is
            findings.add(rules.THREE_HEADERS, name)
            continue
        findings.read(table_of(name), len(frame))
        if symbol_from_name and path.parent != folder and "symbol" not in frame:
            frame = frame.assign(symbol=pd.Series(stem_of(path), index=frame.index, dtype="str"))
        frames.append(frame)
        lines.append(line)
        names.append(name)
    if not frames:
        return None
    _same_columns(frames, names, findings)
    joined = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    file = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    return Table(joined, tuple(names), file, np.concatenate(lines))


def _same_columns(frames: list[pd.DataFrame], names: list[str], findings: Findings) -> None:
    """Refuse files that do not go together: a column in one of them alone would be a hole in the others."""
    for frame, name in zip(frames[1:], names[1:], strict=True):
        odd = sorted(set(frame.columns) ^ set(frames[0].columns))
        if odd:
            findings.add(rules.OTHER_COLUMNS.of(first=names[0], columns=shortened(", ".join(odd))), name)


def _csv(path: Path, name: str, findings: Findings) -> Read | None:
    """Return the cells of a CSV file as text, and the line of each row."""
    content = content_of(path, name, findings)
    return None if content is None else cells_of(content, name, findings)


def _jsonl(path: Path, name: str, findings: Findings) -> Read | None:
    """Return the values of a file with one JSON object per line as text, and the line of each."""
    content = content_of(path, name, findings)
    if content is None:
        return None
    rows: list[dict[str, str]] = []
    lines: list[int] = []
    broken: dict[rules.Rule, list[tuple[int, str, str]]] = {}
    columns: set[str] = set()
    for line, text in enumerate(content.decode("utf-8").split("\n"), start=1):
        if not text.strip():
            continue
        row, error = _object(text)
        if row is None:
            broken.setdefault(rules.NOT_JSON if error else rules.NO_OBJECT, []).append((line, text, error))
            continue
        columns |= row.keys()
        if len(columns) > rules.MOST_COLUMNS:  # a name per row would make a table of rows times rows
            findings.add(rules.MANY_COLUMNS, name, line=line)
            return None
        rows.append(row)
        lines.append(line)
    for rule, places in broken.items():
        _report_broken(rule, places, name, findings)
    frame = pd.DataFrame(rows, dtype="str")
    return frame.fillna(""), np.array(lines, dtype=np.int64)


def _object(text: str) -> tuple[dict[str, str] | None, str]:
    """Return the values of a line of JSON as text; None for a line that is no JSON, with the reason, or no object."""
    try:
        row = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=str, parse_int=str)
        if "\\u" in text:
            json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is no character: ValueError
    except (ValueError, RecursionError) as error:
        return None, error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return ({name: _cell(value) for name, value in row.items()} if isinstance(row, dict) else None), ""


def _report_broken(rule: rules.Rule, places: list[tuple[int, str, str]], name: str, findings: Findings) -> None:
    """Report lines that could not be read at all."""
    lines, texts, errors = (list(part) for part in zip(*places, strict=True))
    table = Table(pd.DataFrame({"row": pd.Series(texts, dtype="str")}), (name,), np.zeros(len(places), np.int64), np.array(lines, np.int64))
    shown = pd.Series([f"{error}: {text}" if error else text for error, text in zip(errors, texts, strict=True)], dtype="str")
    findings.read(table.name, len(places))
    findings.rows(rule, table, np.ones(len(places), bool), shown=shown)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object with the names of columns; one of two values under the same name would be lost."""
    found = {canonical(name): value for name, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in the object")
    return found


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(f"{name} is not JSON")


def _cell(value: object) -> str:
    """Return a JSON value as text; a list (of symbols) is joined by `|`."""
    if isinstance(value, list):
        return "|".join(map(str, value))
    return "" if value is None else str(value)


def _parquet(path: Path, name: str, findings: Findings) -> Read | None:
    """Return the columns of a Parquet file, dates and instants as text, and the row of each, counted from 1."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            n_cells = file.metadata.num_rows * file.metadata.num_columns
            if n_cells > max(1 << 24, rules.UNPACKED_TIMES * path.stat().st_size):  # runs of one value take no room in the file
                findings.add(rules.BOMB, name)
                return None
            frame = file.read().to_pandas(integer_object_nulls=True, date_as_object=True)
    except (ArrowException, OSError, ValueError, TypeError, KeyError) as error:  # the last three: from damaged metadata
        findings.add(rules.UNREADABLE.of(how=" as Parquet", error=shortened(error)), name)
        return None
    if not len(frame):
        findings.add(rules.EMPTY_FILE, name)
        return None
    named = [level for level in frame.index.names if level is not None]
    table = Table.of_frame(frame.reset_index(named) if named else frame, name, findings)
    return table.frame, table.line + 1
