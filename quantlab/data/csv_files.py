"""CSV: the bytes of a file to cells of text, each with its line; what is no table is found, and nothing is guessed."""

from __future__ import annotations

import csv
import re
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.findings import Findings
from quantlab.data.tables import Table, canonical, columns_once, shortened

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

BLOCK = 1 << 26  # bytes parsed at a time; one row must fit
MOST_BROKEN = 100_000  # rows: with more of them it is no table of that header, and each of them takes memory
FIRST_ROW = re.compile(rb'(?:"(?:[^"]++|"")*+"|[^"\r\n]++)*+')
WELL_QUOTED = re.compile(
    rb'(?>(?:"(?:[^"]++|"")*+"|[^,\r\n"][^,\r\n]*+)?+(?:,|\r\n?|\n|\Z))*+'
)  # cells, as long as each quote closes at its end


def cells_of(content: bytes, name: str, findings: Findings) -> tuple[pd.DataFrame, npt.NDArray[np.int64]] | None:
    """Return the cells as text, without the header and blank lines, and the line of each row; None if it is no table."""
    from pyarrow import ArrowInvalid, string
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    header = _header(content, name, findings)
    if header is None:
        return None
    broken: list[InvalidRow] = []

    def set_aside(row: InvalidRow) -> str:
        broken.append(row)
        return "skip" if len(broken) <= MOST_BROKEN else "error"

    unique = [str(i) for i in range(len(header))]
    try:
        cells = read_csv(
            BytesIO(content),
            ReadOptions(column_names=unique, use_threads=False, block_size=BLOCK),
            ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside, ignore_empty_lines=False),
            ConvertOptions(column_types=dict.fromkeys(unique, string()), strings_can_be_null=False, quoted_strings_can_be_null=False),
        )
    except ArrowInvalid as error:
        rule = rules.MANY_BROKEN if len(broken) > MOST_BROKEN else rules.NOT_CSV.of(error=shortened(error))
        findings.add(rule, name)
        return None
    frame = cells.to_pandas().set_axis(header, axis=1)
    breaks = np.sum([frame.iloc[:, i].str.count("\n").to_numpy(np.int64) for i in range(frame.shape[1])], axis=0)
    if (breaks.any() or any("\n" in row.text for row in broken)) and not _quotes_close(content, name, findings):
        return None
    if not content.endswith((b"\n", b"\r")):
        findings.add(rules.CUT, name)
    line = _lines(breaks, broken, name, findings)
    filled = (frame != "").any(axis=1).to_numpy() & (np.arange(len(frame)) > 0)  # no blank lines, no header
    frame, line = frame[filled].reset_index(drop=True), line[filled]
    columns_once(frame.columns, name, findings)
    return frame.loc[:, ~frame.columns.duplicated()], line


def _header(content: bytes, name: str, findings: Findings) -> list[str] | None:
    """Return the names of the columns, or None if they are not separated by commas."""
    first = FIRST_ROW.match(content)
    try:
        header = next(csv.reader([first[0].decode("utf-8") if first else ""], strict=True), [])
    except csv.Error as error:
        findings.add(rules.HEADER.of(error=error), name, line=1)
        return None
    other = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if other is not None:
        findings.add(rules.DELIMITER.of(mark=repr(other)), name, line=1)
        return None
    if len(header) > rules.MOST_COLUMNS:
        findings.add(rules.MANY_COLUMNS, name, line=1)
        return None
    return [canonical(column) for column in header]


def _quotes_close(content: bytes, name: str, findings: Findings) -> bool:
    """Say whether every quoted cell ends with its quote, and report the first that does not.

    A quote that is never closed swallows the rows below it, up to the next quote; the parser sees one long cell.
    """
    good = WELL_QUOTED.match(content)
    end = 0 if good is None else good.end()
    if end == len(content):
        return True
    findings.add(rules.QUOTE, name, line=1 + content.count(b"\n", 0, end), value=content[end : end + 99].decode("utf-8", "replace"))
    return False


def _lines(breaks: npt.NDArray[np.int64], broken: list[InvalidRow], name: str, findings: Findings) -> npt.NDArray[np.int64]:
    """Return the line on which each row starts, and report those with too few or too many cells.

    Arrow counts rows; a row takes one line, and one more for each line break within its cells.
    """
    number = np.array([row.number for row in broken], dtype=np.int64) - 1
    n_rows = len(breaks) + len(broken)
    whole = np.setdiff1d(np.arange(n_rows), number)
    extra = np.zeros(n_rows, np.int64)
    extra[whole] = breaks
    extra[number] = [row.text.count("\n") for row in broken]
    line = 1 + np.concatenate([[0], np.cumsum(extra + 1)[:-1]])
    texts = pd.DataFrame({"row": pd.Series([row.text for row in broken], dtype="str")})
    table = Table(texts, (name,), np.zeros(len(broken), np.int64), line[number])
    shown = pd.Series([f"{row.actual_columns} cells instead of {row.expected_columns}: {row.text}" for row in broken], dtype="str")
    findings.read(table.name, len(broken))
    findings.rows(rules.BROKEN_ROW, table, np.ones(len(broken), bool), shown=shown)
    return line[whole]
