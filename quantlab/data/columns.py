"""Columns: cells of a table to names, numbers and instants, strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.findings import Findings
from quantlab.data.stamps import Stamps
from quantlab.data.tables import Mask, Table, shortened
from quantlab.errors import nearest

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
ALIASES = {  # what other sources call a column; a nearest name would not find them
    "symbol": ("ticker", "tickers", "code"),
    "time": ("datetime", "timestamp"),
    "published_at": ("datetime", "timestamp", "date", "time", "published"),
    "text": ("title", "content", "body"),
}
N_COLUMNS = 10  # columns that are not read, named in a note
MISSING = ("", "nan", "NaN")  # of a number; a name or a text may well be called so


def has_columns(table: Table, needed: Iterable[tuple[str, ...]], findings: Findings) -> bool:
    """Say whether the table has one of the names of each tuple, and refuse it with the nearest name if it has not."""
    complete = True
    for names in needed:
        if not any(name in table.frame for name in names):
            near = next((hint for hint in (_called(name, table.frame.columns) for name in names) if hint), "")
            present = shortened(", ".join(table.frame.columns)) or "none"
            findings.add(rules.COLUMN_MISSING.of(names=" or ".join(map(repr, names)), near=near, columns=present), table.files[0])
            complete = False
    return complete


def _called(name: str, columns: pd.Index) -> str:
    """Return ` (did you mean 'x'?)` for the column that another source calls so, or whose name is nearest; else an empty string."""
    alias = next((other for other in ALIASES.get(name, ()) if other in columns), None)
    return nearest(name, columns) if alias is None else f" (did you mean {alias!r}?)"


def unread(table: Table, known: Iterable[str], findings: Findings) -> None:
    """Note the columns that nothing is done with, with the name that each may have meant; one without a name holds row numbers."""
    known = list(known)
    others = [f"{shortened(name)}{nearest(name, known)}" for name in table.frame.columns if name not in known and name != ""]
    if others:
        findings.add(rules.COLUMN_UNREAD.of(names=", ".join(others[:N_COLUMNS])), table.files[0])


def texts(table: Table, name: str, findings: Findings) -> pd.Series:
    """Return a column of text, stripped, (n_rows,). Whole numbers are taken for an `id` only: a ticker 000001 is none."""
    column = table.frame[name]
    if name == "id" and pd.api.types.infer_dtype(column, skipna=True) == "integer":
        return column.astype("str").where(column.notna(), "")
    if column.isna().all():  # an empty column has no kind
        return pd.Series("", index=column.index, dtype="str")
    if not isinstance(column.dtype, pd.StringDtype):
        kind = pd.api.types.infer_dtype(column, skipna=True)
        findings.add(rules.NO_TEXT_COLUMN.of(kind=kind), table.files[0], column=name)
        return pd.Series("?", index=column.index, dtype="str")  # nothing more to say about its cells
    return column.str.strip()


def numbers(table: Table, name: str, findings: Findings) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return a column of numbers, NaN where missing, (n_rows,), and where the cell is none."""
    column = table.frame[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.zeros(len(values), dtype=bool)
    else:
        text = column.astype("str").where(column.notna(), "").str.strip()
        missing = text.isin(MISSING).to_numpy(dtype=bool)
        bad = ~(text.str.fullmatch(NUMBER).to_numpy(dtype=bool) | missing)
        values = np.full(len(text), np.nan)
        values[~(bad | missing)] = text[~(bad | missing)].to_numpy(dtype=object).astype(np.float64)
    bad |= np.isinf(values)  # 1e400 is a number as it is written
    findings.rows(rules.NO_NUMBER, table, bad, column=name, shown=column)
    return values, bad


def refuse_stamps(table: Table, name: str, stamps: Stamps, findings: Findings, *, skip: Mask | None = None, days: bool = False) -> Mask:
    """Report the stamps of a column that could not be read, but for those to skip, and return where they are, (n_rows,).

    days: the column names days, so that to write an instant would not mend it.
    """
    wrong = stamps.wrong.to_numpy(dtype=object)
    bad: Mask = np.asarray(wrong != "", dtype=bool) & ~(np.zeros(len(wrong), bool) if skip is None else skip)
    for reason in sorted(set(wrong[bad])):
        rule = rules.STAMPS[reason]
        rule = replace(rule, fix=rule.fix.replace(rules.ISO, rules.DAY)) if days else rule
        findings.rows(rule, table, bad & (wrong == reason), column=name, shown=table.frame[name])
    return bad
