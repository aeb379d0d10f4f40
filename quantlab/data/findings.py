"""Findings: what came up on the way in, each with its rule, its places and its count.

They gather while the tables are read, so that all of them are known before anything is computed. What happens then follows from
the answer of each rule (see `quantlab.data.rules`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.rules import BadRows, Rule
from quantlab.data.tables import Mask, Table, shortened, table_of
from quantlab.dataset import QUARANTINE, Dropped
from quantlab.errors import DataError, Problem

N_LISTED = 20  # problems of one kind that are spelt out; the rest are counted
N_EXAMPLES = 3  # dropped rows of one kind that are shown
ROWS_OF = ("bars", "news")  # tables whose bad rows can be set aside; a listing or the settings must be right


@dataclass(frozen=True, eq=False)
class Finding:
    """One rule that something does not keep: `problems` are the first twenty places, `n` counts all.

    table, rows: the rows of a table that it is about; None for a finding about a file or the whole.
    """

    rule: Rule
    problems: tuple[Problem, ...]
    n: int = 1
    table: Table | None = None
    rows: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def place(self) -> str:
        """Where it is first: `file:line`, or the empty string."""
        return placed(self.problems[0])

    @property
    def can_be_set_aside(self) -> bool:
        """True for bad rows of bars or news."""
        return self.rule.answer == "bad row" and self.table is not None and self.table.name in ROWS_OF

    def blocks(self, bad_rows: BadRows) -> bool:
        """Return True if nothing may run before this is mended."""
        return self.rule.answer == "refused" or (self.rule.answer == "bad row" and not (bad_rows == "quarantine" and self.can_be_set_aside))


@dataclass
class Findings:
    """What came up so far, in the order in which it was looked at, and how many rows each table has."""

    all: list[Finding] = field(default_factory=list)
    n_rows: dict[str, int] = field(default_factory=dict)

    def add(
        self, rule: Rule, file: str | None = None, *, line: int | None = None, column: str | None = None, value: str | None = None
    ) -> None:
        """Add one thing that is not about the rows of a table."""
        shown = None if value is None else shortened(value)
        self.all.append(Finding(rule, (Problem(rule.message, rule.fix, file=file, line=line, column=column, value=shown),)))

    def rows(self, rule: Rule, table: Table, bad: Mask, *, column: str | None = None, shown: pd.Series | None = None) -> None:
        """Add the rows under a mask, (n_rows,); `shown` is what to show of each row, on the index of the table."""
        if bad.any():
            self.at(rule, table, np.flatnonzero(bad), column=column, shown=None if shown is None else shown[bad])

    def at(
        self, rule: Rule, table: Table, rows: npt.NDArray[np.int64], *, column: str | None = None, shown: pd.Series | None = None
    ) -> None:
        """Add rows of a table by their numbers; `shown` is what to show of each of them, (len(rows),)."""
        if not len(rows):
            return
        problems = []
        for nth, row in enumerate(rows[:N_LISTED]):
            file, line = table.place(row)
            value = None if shown is None else shortened(shown.iloc[nth])
            problems.append(Problem(rule.message, rule.fix, file=file, line=line, column=column, value=value))
        self.all.append(Finding(rule, tuple(problems), len(rows), table, np.asarray(rows, np.int64)))

    def read(self, table: str, n_rows: int) -> None:
        """Count rows of a table, broken ones included."""
        self.n_rows[table] = self.n_rows.get(table, 0) + n_rows

    def can_be_used(self, bad_rows: BadRows = "error") -> bool:
        """Return True if nothing stands against going on."""
        return not self._blocking(bad_rows)

    def raise_if_any(self, bad_rows: BadRows = "error") -> None:
        """Raise a DataError that carries everything that blocks."""
        said: list[Problem | str] = []
        for finding in self._blocking(bad_rows):
            said += finding.problems
            if finding.n > len(finding.problems):
                said.append(f"and {finding.n - len(finding.problems)} more of this kind: {finding.rule.message}")
        if said:
            raise DataError(*said)

    def dropped(self) -> tuple[Dropped, ...]:
        """Return the rows that were left out, by reason."""
        return tuple(summary(finding) for finding in self.all if finding.rule.answer == "left out")

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the report must know, as sentences."""
        return tuple(noted(finding) for finding in self.all if finding.rule.answer == "noted")

    def set_aside(self) -> tuple[Dropped, ...]:
        """Return the bad rows that can be set aside, by reason; a row that is bad twice counts under both."""
        return tuple(summary(finding) for finding in self.all if finding.can_be_set_aside)

    def quarantine(self) -> pd.DataFrame:
        """Return the bad rows of bars and news, one each: file, row (line, or number in a frame), reason, and the raw cells as JSON."""
        parts = [part for part in map(_rows_of, filter(lambda finding: finding.can_be_set_aside, self.all)) if len(part)]
        if not parts:
            return pd.DataFrame(columns=list(QUARANTINE), dtype="str")
        every = pd.concat(parts, ignore_index=True)
        grouped = every.groupby(["file", "row"], sort=False, as_index=False)
        return grouped.agg({"reason": "; ".join, "cells": "first"})[list(QUARANTINE)]

    def _blocking(self, bad_rows: BadRows) -> list[Finding]:
        """Return what must be mended before anything can run."""
        blocking = [finding for finding in self.all if finding.blocks(bad_rows)]
        return [*self._too_many(), *blocking] if bad_rows == "quarantine" else blocking

    def _too_many(self) -> Iterable[Finding]:
        """Yield the tables of which too many rows are bad to go on without them."""
        tables = list(map(table_of, self.quarantine()["file"]))
        for name in ROWS_OF:
            bad, total = tables.count(name), self.n_rows.get(name, 0)
            if bad > rules.MOST_BAD * total:
                rule = rules.TOO_MANY.of(bad=bad, total=total, table=name)
                first = next(finding for finding in self.all if finding.can_be_set_aside and finding.table and finding.table.name == name)
                yield Finding(rule, (Problem(rule.message, rule.fix), *first.problems[:1]), n=2)


def placed(problem: Problem) -> str:
    """Return `file:line` of a problem, or as much of it as there is."""
    return ":".join(str(part) for part in (problem.file, problem.line) if part is not None)


def summary(finding: Finding) -> Dropped:
    """Return how many rows a finding is about, of which column, and the first few."""
    shown = finding.problems[:N_EXAMPLES]
    return Dropped(_reason(finding), finding.n, tuple(" ".join(filter(None, (placed(one), one.value))) for one in shown))


def noted(finding: Finding) -> str:
    """Return a finding as a sentence. Rows are counted; only `data check` places them, for a run must not depend on their order."""
    if finding.table is not None:
        return f"{finding.n} {finding.rule.message}"
    first = " ".join(filter(None, (finding.place, finding.problems[0].value)))
    return f"{finding.rule.message}{f' (first: {first})' if first else ''}"


def _reason(finding: Finding) -> str:
    """Return what is wrong, with the column that it is about."""
    column = finding.problems[0].column
    return finding.rule.message if column is None else f"{column}: {finding.rule.message}"


def _rows_of(finding: Finding) -> pd.DataFrame:
    """Return every row that a finding is about, with its raw cells."""
    table, rows = finding.table, finding.rows
    if table is None:  # never: what can be set aside has a table
        return pd.DataFrame(columns=list(QUARANTINE))
    cells = table.frame.iloc[rows].astype("str").fillna("").to_dict("records")  # bad rows alone: few, or the table is refused
    said = {
        "file": np.array(table.files, dtype=object)[table.file[rows]],
        "row": table.line[rows],
        "reason": _reason(finding),
        "cells": [json.dumps(row, ensure_ascii=False) for row in cells],
    }
    return pd.DataFrame(said)
