"""Tables as they stand in the files, and what was found wrong in them.

Cells are read as text and converted strictly later, so that no ticker becomes a number and no bad number a hole. Every
row remembers its file and line. Findings gather along the way: all of them are reported at once, before anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.dataset import Dropped
from quantlab.errors import DataError, Problem

Mask = npt.NDArray[np.bool_]
N_LISTED = 20  # problems of one kind that are spelt out; the rest are counted
N_EXAMPLES = 3  # dropped rows of one kind that are shown
SHOWN = 60  # characters of a value that are shown


@dataclass(frozen=True)
class Table:
    """Rows of one or several files: `frame` (n_rows, ...) with index 0..n_rows-1, and where each row stands.

    file: position in `files`, (n_rows,); line: its line there, counted from 1, or for a frame its row, counted from 0.
    """

    frame: pd.DataFrame
    files: tuple[str, ...]
    file: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]
    in_memory: bool = False

    def place(self, row: int) -> tuple[str, int | None]:
        """Return the file and line of a row; a frame in memory has rows instead of lines."""
        name, line = self.files[self.file[row]], int(self.line[row])
        return (f"{name} row {line}", None) if self.in_memory else (name, line)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, name: str, findings: Findings) -> Table:
        """Return a table of a frame in memory; named index levels become columns."""
        named = frame.index.names != [None]
        plain = frame.reset_index() if named else frame.reset_index(drop=True)
        plain = plain.set_axis(pd.Index([canonical(str(column)) for column in plain.columns]), axis=1)
        findings.columns_once(plain.columns, name)
        columns = {column: as_plain(plain[column]) for column in plain.columns if isinstance(plain[column], pd.Series)}
        n_rows = len(plain)
        return cls(
            pd.DataFrame(columns, index=pd.RangeIndex(n_rows)), (name,), np.zeros(n_rows, np.int64), np.arange(n_rows), in_memory=True
        )


@dataclass
class Findings:
    """What came up on the way in: problems (each an error), rows set aside, and notes for the reader of the report."""

    problems: list[Problem | str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, message: str, fix: str, *, file: str | None = None, line: int | None = None, column: str | None = None) -> None:
        """Add one problem that is not about particular rows."""
        self.problems.append(Problem(message, fix, file=file, line=line, column=column))

    def refuse_rows(
        self, table: Table, bad: Mask, what: tuple[str, str], *, column: str | None = None, shown: pd.Series | None = None
    ) -> None:
        """Add a problem per bad row, (n_rows,), the first twenty of them; `what` is the message and the fix."""
        rows = np.flatnonzero(bad)
        for row in rows[:N_LISTED]:
            file, line = table.place(row)
            value = None if shown is None else shortened(shown.iloc[row])
            self.problems.append(Problem(*what, file=file, line=line, column=column, value=value))
        if len(rows) > N_LISTED:
            self.problems.append(f"and {len(rows) - N_LISTED} more of this kind: {what[0]}")

    def drop(self, table: Table, rows: npt.NDArray[np.int64], reason: str, shown: pd.Series) -> None:
        """Count rows of the table that are set aside; `shown` is what to show of each of them, (len(rows),)."""
        if len(rows):
            examples = zip(rows[:N_EXAMPLES], shown.iloc[:N_EXAMPLES], strict=True)
            self.dropped.append(Dropped(reason, len(rows), tuple(f"{at(table, row)} {shortened(value)}" for row, value in examples)))

    def columns_once(self, columns: pd.Index, file: str) -> None:
        """Refuse names of columns that stand twice: one of the two would win in silence."""
        for name in sorted(set(columns[columns.duplicated()])):
            self.refuse(f"the column {name!r} stands twice in the header", "rename or remove one of them", file=file)

    def raise_if_any(self) -> None:
        """Raise a DataError that carries every problem found so far."""
        if self.problems:
            raise DataError(*self.problems)


def at(table: Table, row: int) -> str:
    """Return `file:line` of a row."""
    file, line = table.place(row)
    return file if line is None else f"{file}:{line}"


def shortened(value: object) -> str:
    """Return a value as it is shown in messages, cut where it is long."""
    text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def canonical(column: str) -> str:
    """Return the name of a column in lower case with underscores: `Adj Close` is `adj_close`."""
    return column.strip().lower().replace(" ", "_")


def as_plain(column: pd.Series) -> pd.Series:
    """Return a column as text (missing cells empty), or as it is where it holds numbers or what should be neither.

    Dates and instants become ISO text, so that frames and files go the same way.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return as_plain(column.astype(column.dtype.categories.dtype))
    if isinstance(column.dtype, pd.ArrowDtype):
        return as_plain(column.array.__arrow_array__().to_pandas().set_axis(column.index))
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _iso(column.dt.tz_convert(None)) + np.where(column.isna(), "", "Z")
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return _iso(column)
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("str").fillna("")
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty", "date", "datetime", "decimal"):
        return column.astype("str").where(column.notna(), "").astype("str")
    return column


def _iso(column: pd.Series) -> pd.Series:
    """Return naive instants as ISO text, each by itself (pandas would look at the whole column to choose a form)."""
    text = np.datetime_as_string(column.to_numpy().astype("datetime64[us]"), unit="us")
    return pd.Series(text, index=column.index, dtype="str").where(column.notna(), "")
