"""Examples: the rows of a labelled file as texts and targets, or every reason why they cannot be.

1. Cells are read as text, so no label becomes a number and no empty cell a hole; what is wrong is reported with its line.
2. A text is what the encoder will read of it (`plain`). Two that say the same in other case or punctuation are one: the first stays,
   in order of time where there is one, and the others are counted. The same text under two labels is refused, unless told how to settle it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data.columns import has_columns, numbers, refuse_stamps
from quantlab.data.duplicates import normalised
from quantlab.data.files import KINDS, kind_of
from quantlab.data.findings import Findings
from quantlab.data.readers import read_table
from quantlab.data.rules import Rule
from quantlab.data.stamps import instants
from quantlab.data.tables import Mask, Table, canonical
from quantlab.errors import DataError, UsageError
from quantlab.text.tokens import plain

Floats: TypeAlias = "npt.NDArray[np.float64]"
Task: TypeAlias = Literal["classes", "multilabel", "number"]

MAX_CLASSES: Final = 20  # whole numbers of more distinct values are numbers, not classes
MIN_ROWS: Final = 20  # in all
MIN_OF_LABEL: Final = 5  # rows of each class: with fewer, a fifth for the test is less than one
FLAGS: Final = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0}
SEPARATOR: Final = "|"  # between the labels of one cell
NOTHING_TO_READ: Final = Rule(
    "nothing to read", "bad row", "there is no text, or nothing but links, handles and cashtags", "fill it in or drop the row"
)
NO_LABEL: Final = Rule("no label", "bad row", "the label is empty", "fill it in or drop the row")
NO_FLAG: Final = Rule("no flag", "bad row", "not a flag", f"write one of {', '.join(FLAGS)}")
TWO_LABELS: Final = Rule(
    "two labels", "bad row", "the same text stands under another label too", "keep one of the rows, or pass --conflicts first or drop"
)


@dataclass(frozen=True)
class Columns:
    """Which columns of the file are which, and what to do with one text under two labels: `error`, `first` or `drop` (all of them)."""

    text: str = "text"
    labels: tuple[str, ...] = ("label",)
    time: str | None = None
    task: Literal["auto"] | Task = "auto"
    conflicts: Literal["error", "first", "drop"] = "error"


@dataclass(frozen=True)
class Examples:
    """Distinct texts with what is to be told of each, in order of time where there is one, else of the file.

    target: (n, n_labels) a 1 at the class, or a flag per label; (n, 1) for a number. labels: the classes or flags, () for a number.
    times: (n,) UTC, or None. n_read: rows of the file; left_out: how many were, by reason.
    """

    task: Task
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    target: Floats
    times: pd.DatetimeIndex | None
    n_read: int
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)


def read_examples(file: Path, columns: Columns) -> Examples:
    """Return the examples of a CSV, JSON Lines or Parquet file.

    Raises UsageError for a file of another kind or a column asked for twice, DataError with every problem of the rows.
    """
    table = _table(file, columns)
    findings = Findings()
    texts = _texts(table, canonical(columns.text), findings)
    names = [canonical(name) for name in columns.labels]
    task = _task(table, names) if columns.task == "auto" else columns.task
    labels, target = {"classes": _classes, "multilabel": _flags, "number": _numbers}[task](table, names, findings)
    times = None if columns.time is None else _times(table, canonical(columns.time), findings)
    findings.raise_if_any()
    order = np.arange(len(texts)) if times is None else np.argsort(times.asi8, kind="stable")
    kept, left_out = _once(table, texts, target, order, columns.conflicts)
    found = Examples(
        task,
        labels,
        tuple(texts.iloc[kept]),
        target[kept],
        None if times is None else times[kept],
        len(texts),
        left_out,
    )
    return checked(found, file.name)


def checked(examples: Examples, name: str) -> Examples:
    """Return the examples if there is something to learn from them; DataError if they are too few, or all of one label."""
    if len(examples) < MIN_ROWS:
        raise DataError(f"{name}: {len(examples)} usable rows are too few to learn from and be tested on: give at least {MIN_ROWS}")
    if examples.task == "number":
        if np.ptp(examples.target) == 0:
            raise DataError(f"{name}: every label is {examples.target[0, 0]:g}: there is nothing to tell apart")
        return examples
    counts = examples.target.sum(axis=0).astype(int)
    if examples.task == "classes" and len(counts) < 2:
        raise DataError(f"{name}: one class only, {examples.labels[0]!r}: add rows of another, or name another label column")
    fewest = np.minimum(counts, len(examples) - counts) if examples.task == "multilabel" else counts
    rare = [f"{label!r} ({count} of {len(examples)})" for label, count in zip(examples.labels, counts, strict=True)]
    short = [said for said, count in zip(rare, fewest, strict=True) if count < MIN_OF_LABEL]
    if short:
        kinds = "with and without it" if examples.task == "multilabel" else "of each class"
        raise DataError(f"{name}: too few rows of {', '.join(short)}: give at least {MIN_OF_LABEL} {kinds}, or merge or drop the label")
    return examples


def _table(file: Path, columns: Columns) -> Table:
    """Return the table in a file, once it has all columns asked for."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}: give a table with a column of texts and one of labels")
    if kind_of(file) is None:
        raise UsageError(f"{file.name} is none of {', '.join(KINDS)}: save it as one of these")
    named = [columns.text, *columns.labels, *([] if columns.time is None else [columns.time])]
    twice = sorted({name for name in named if [canonical(other) for other in named].count(canonical(name)) > 1})
    if twice:
        raise UsageError(f"the column {twice[0]!r} is asked for twice: text, labels and time are columns of their own")
    findings = Findings()
    table = read_table(file.parent, [file], findings)
    if table is not None:
        has_columns(table, [(canonical(name),) for name in named], findings)
    findings.raise_if_any()
    if table is None:
        raise DataError(f"{file.name} holds no table")
    return table


def _texts(table: Table, name: str, findings: Findings) -> pd.Series:
    """Return what there is to read in each row, (n_rows,)."""
    cells = _cells(table, name)
    read = cells.map(plain).astype("str")
    findings.rows(NOTHING_TO_READ, table, (read == "").to_numpy(dtype=bool), column=name, shown=cells)
    return read


def _cells(table: Table, name: str) -> pd.Series:
    """Return a column as stripped text, missing cells empty; whole numbers of a typed file as digits."""
    column = table.frame[name]
    return column.astype("str").where(column.notna(), "").astype("str").str.strip()


def _filled(table: Table, name: str, findings: Findings) -> pd.Series:
    """Return a column of labels as text; empty ones are reported."""
    cells = _cells(table, name)
    findings.rows(NO_LABEL, table, (cells == "").to_numpy(dtype=bool), column=name)
    return cells


def _task(table: Table, names: Sequence[str]) -> Task:
    """Return what the label columns look like: several are flags; one of many or broken numbers is a number; else classes."""
    if len(names) > 1:
        return "multilabel"
    values, bad = numbers(table, names[0], Findings())
    if bad.any() or np.isnan(values).any():
        return "classes"
    distinct = np.unique(values)
    return "number" if len(distinct) > MAX_CLASSES or (distinct != np.round(distinct)).any() else "classes"


def _classes(table: Table, names: Sequence[str], findings: Findings) -> tuple[tuple[str, ...], Floats]:
    """Return the classes, in order of number or alphabet, and a 1 at that of each row."""
    _only_one(names, "classes")
    cells = _filled(table, names[0], findings)
    labels = _ordered(set(cells) - {""})
    return labels, np.asarray(cells.to_numpy(dtype=object)[:, None] == np.array(labels, dtype=object), dtype=float)


def _flags(table: Table, names: Sequence[str], findings: Findings) -> tuple[tuple[str, ...], Floats]:
    """Return the labels and a flag for each of them in each row: a column each, or one column that lists them, joined by `|`."""
    if len(names) == 1:
        listed = _cells(table, names[0]).str.get_dummies(SEPARATOR)
        merged = listed.T.groupby(listed.columns.str.strip()).max().T
        labels = _ordered(set(merged.columns) - {""})
        return labels, merged[list(labels)].to_numpy(dtype=float)
    flags = []
    for name in names:
        cells = _filled(table, name, findings)
        values = cells.str.lower().map(FLAGS).to_numpy(dtype=float)
        bad = np.isnan(values) & (cells != "").to_numpy(dtype=bool)
        findings.rows(NO_FLAG, table, bad, column=name, shown=cells)
        flags.append(values)
    return tuple(names), np.column_stack(flags)


def _numbers(table: Table, names: Sequence[str], findings: Findings) -> tuple[tuple[str, ...], Floats]:
    """Return no labels, and the number of each row."""
    _only_one(names, "number")
    _filled(table, names[0], findings)
    return (), numbers(table, names[0], findings)[0][:, None]


def _only_one(names: Sequence[str], task: Task) -> None:
    if len(names) > 1:
        raise UsageError(f"--task {task} takes one label column, not {len(names)}: leave --task out for a flag per column")


def _ordered(labels: set[str]) -> tuple[str, ...]:
    """Return labels in order: as numbers if all of them are whole ones, else by alphabet."""
    whole = all(label.lstrip("+-").isdecimal() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label), label) if whole else (0, label)))


def _times(table: Table, name: str, findings: Findings) -> pd.DatetimeIndex:
    """Return the instant of each row; a date alone is the end of that day in UTC."""
    stamps = instants(_cells(table, name), zone=None, day_zone="UTC")
    refuse_stamps(table, name, stamps, findings)
    return stamps.at


def _once(
    table: Table, texts: pd.Series, target: Floats, order: npt.NDArray[np.int64], conflicts: str
) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Return the rows to keep, in order, one of each text, and how many copies were left out."""
    said = normalised(texts).to_numpy(dtype=object)[order]
    group, _ = pd.factorize(said)
    first = np.flatnonzero(~pd.Series(group).duplicated().to_numpy())
    differs = (target[order] != target[order][first[group]]).any(axis=1)
    contested: Mask = np.isin(group, group[differs])
    if contested.any() and conflicts == "error":
        findings = Findings()
        refused = np.zeros(len(order), dtype=bool)
        refused[order[contested]] = True
        findings.rows(TWO_LABELS, table, refused, shown=texts)
        findings.raise_if_any()
    copy = np.ones(len(order), dtype=bool)
    copy[first] = False
    dropped = copy | contested if conflicts == "drop" else copy
    counts = {"copies of a text": int((dropped & ~contested).sum()), "copies under another label": int((dropped & contested).sum())}
    return order[~dropped], {reason: count for reason, count in counts.items() if count}


def some(examples: Examples, rows: npt.NDArray[np.int64]) -> Examples:
    """Return some of the examples, in the order asked for."""
    times = None if examples.times is None else examples.times[rows]
    return replace(examples, texts=tuple(examples.texts[row] for row in rows), target=examples.target[rows], times=times)
