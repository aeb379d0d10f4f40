"""Tables as they stand in the files.

Cells are read as text and converted strictly later, so that no ticker becomes a number and no bad number a hole. Every
row remembers its file and line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules

if TYPE_CHECKING:
    from quantlab.data.findings import Findings

Mask = npt.NDArray[np.bool_]
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

    @property
    def name(self) -> str:
        """The table that the files belong to: `bars` for bars.csv and for bars/A.csv."""
        return table_of(self.files[0])

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
        columns_once(plain.columns, name, findings)
        columns = {column: as_plain(plain[column]) for column in plain.columns if isinstance(plain[column], pd.Series)}
        n_rows = len(plain)
        return cls(
            pd.DataFrame(columns, index=pd.RangeIndex(n_rows)), (name,), np.zeros(n_rows, np.int64), np.arange(n_rows), in_memory=True
        )


def table_of(file: str) -> str:
    """Return the name of the table that a file belongs to: what comes before the first `/` or `.`."""
    return file.partition("/")[0].partition(".")[0]


def columns_once(columns: pd.Index, file: str, findings: Findings) -> None:
    """Refuse names of columns that stand twice: one of the two would win in silence."""
    for name in sorted(set(columns[columns.duplicated()])):
        findings.add(rules.COLUMN_TWICE.of(name=repr(shortened(name))), file)


def shortened(value: object) -> str:
    """Return a value as it is shown in messages: cut where it is long, with signs that would steer a terminal spelt out."""
    text = str(value)[: SHOWN + 1]
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


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
