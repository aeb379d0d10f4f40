"""Readers: CSV, JSON Lines and Parquet to tables of text, without losing or bending a cell.

Columns are found by name, in lower case (`Adj Close` is `adj_close`). Short and long rows, headers with the same name
twice, other delimiters than the comma, and lines that are no JSON are problems with their file and line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data.files import content_of, kind_of, stem_of
from quantlab.data.tables import Findings, Table, canonical, shortened

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

BLOCK = 1 << 26  # bytes parsed at a time; one row must fit
Read: TypeAlias = "tuple[pd.DataFrame, npt.NDArray[np.int64]]"  # cells, and the line of each row


def read_table(folder: Path, paths: Iterable[Path], findings: Findings, *, symbol_from_name: bool = False) -> Table | None:
    """Return the rows of all files, in the order of the files, or None where there are none to read.

    symbol_from_name: a file without a column `symbol` holds the symbol after which it is named.
    """
    frames, lines, names = [], [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        kind = (kind_of(path) or "").removesuffix(".gz")
        read = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[kind](path, name, findings)
        if read is None:
            continue
        frame, line = read
        if symbol_from_name and "symbol" not in frame:
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
            findings.refuse(f"other columns than in {names[0]}: {', '.join(odd)}", "give all files the same columns", file=name)


def _csv(path: Path, name: str, findings: Findings) -> Read | None:
    """Return the cells of a CSV file as text, and the line of each row."""
    from pyarrow import ArrowInvalid, string
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    content = content_of(path, name, findings)
    if content is None:
        return None
    header = _header(content, name, findings)
    if header is None:
        return None
    broken: list[InvalidRow] = []

    def set_aside(row: InvalidRow) -> str:
        broken.append(row)
        return "skip"

    unique = [str(i) for i in range(len(header))]
    try:
        cells = read_csv(
            BytesIO(content),
            ReadOptions(column_names=unique, use_threads=False, block_size=BLOCK),
            ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside, ignore_empty_lines=False),
            ConvertOptions(column_types=dict.fromkeys(unique, string()), strings_can_be_null=False, quoted_strings_can_be_null=False),
        )
    except ArrowInvalid as error:
        findings.refuse(f"not a CSV table: {shortened(error)}", "look for a quote that is never closed", file=name)
        return None
    frame = cells.to_pandas().set_axis(header, axis=1)
    line = _lines(frame, broken, name, findings)
    filled = (frame != "").any(axis=1).to_numpy() & (np.arange(len(frame)) > 0)  # no blank lines, no header
    frame, line = frame[filled].reset_index(drop=True), line[filled]
    findings.columns_once(frame.columns, name)
    return frame.loc[:, ~frame.columns.duplicated()], line


def _header(content: bytes, name: str, findings: Findings) -> list[str] | None:
    """Return the names of the columns, or None if they are not separated by commas."""
    first = content[: content.find(b"\n") + 1] or content
    header = next(csv.reader([first.decode("utf-8")]), [])
    other = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if other is not None:
        findings.refuse(f"the columns are separated by {other!r}", "write commas", file=name, line=1)
        return None
    return [canonical(column) for column in header]


def _lines(frame: pd.DataFrame, broken: list[InvalidRow], name: str, findings: Findings) -> npt.NDArray[np.int64]:
    """Return the line on which each row starts, and report those with too few or too many cells.

    Arrow counts rows; a row takes one line, and one more for each line break within its cells.
    """
    number = np.array([row.number for row in broken], dtype=np.int64) - 1
    n_rows = len(frame) + len(broken)
    whole = np.setdiff1d(np.arange(n_rows), number)
    extra = np.zeros(n_rows, np.int64)
    extra[whole] = np.sum([frame.iloc[:, i].str.count("\n").to_numpy(np.int64) for i in range(frame.shape[1])], axis=0)
    extra[number] = [row.text.count("\n") for row in broken]
    line = 1 + np.concatenate([[0], np.cumsum(extra + 1)[:-1]])
    table = Table(pd.DataFrame(index=range(len(broken))), (name,), np.zeros(len(broken), np.int64), line[number])
    counts = pd.Series([f"{row.actual_columns} cells instead of {row.expected_columns}: {row.text}" for row in broken], dtype="str")
    what = ("the row is too short or too long", "quote cells that hold commas, and fill up short rows")
    findings.refuse_rows(table, np.ones(len(broken), bool), what, shown=counts)
    return line[whole]


def _jsonl(path: Path, name: str, findings: Findings) -> Read | None:
    """Return the values of a file with one JSON object per line as text, and the line of each."""
    content = content_of(path, name, findings)
    if content is None:
        return None
    rows, lines = [], []
    for line, text in enumerate(content.decode("utf-8").split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=str, parse_int=str)
            if "\\u" in text:
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is no character: ValueError
        except (ValueError, RecursionError) as error:
            findings.refuse(f"not JSON: {error}", "write one object per line", file=name, line=line)
            continue
        if not isinstance(row, dict):
            findings.refuse("not a JSON object", 'write one object per line: {"published_at": ...}', file=name, line=line)
            continue
        rows.append({name: _cell(value) for name, value in row.items()})
        lines.append(line)
    frame = pd.DataFrame(rows, dtype="str")
    return frame.fillna(""), np.array(lines, dtype=np.int64)


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
            frame = file.read().to_pandas(integer_object_nulls=True, date_as_object=True)
    except (ArrowException, OSError) as error:
        findings.refuse(f"cannot be read as Parquet: {shortened(error)}", "replace the file: it is damaged", file=name)
        return None
    named = [level for level in frame.index.names if level is not None]
    table = Table.of_frame(frame.reset_index(named) if named else frame, name, findings)
    return table.frame, table.line + 1
