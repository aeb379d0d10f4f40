"""What the sections are made with: facts with their intervals, and tables and figures from lists of rows as report.json holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from quantlab.report import wording as say
from quantlab.report.blocks import Fact, Interval, Table, table

Figures: TypeAlias = "Mapping[str, Any]"  # the content of report.json
Column: TypeAlias = "tuple[str, str, Callable[[Any], str]]"  # key of the row, CSS class, how it is written
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def fact(figures: Figures, name: str, place: str, written: say.Written, *, note: str = "", against: float | None = 0.0) -> Fact:
    """Return a figure, such as `returns.cagr`, with its interval if it has one, drawn unless there is nothing to hold it `against`."""
    part, key = place.split(".")
    value = figures[part][key]
    low, high = figures["intervals"].get(key, (None, None))
    if low is None or value is None:
        return Fact(name, written(value), note)
    span = f"95%: {written(low)} to {written(high)}"
    return Fact(name, written(value), f"{span}; {note}" if note else span, None if against is None else Interval(low, value, high, against))


def listed(caption: str, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Column], *, folded: bool = False) -> Table:
    """Return rows as a table: each title with the key that fills it, its kind, and how it is written."""
    lines = [[written(row[key]) for key, _, written in columns.values()] for row in rows]
    return table(caption, {title: kind for title, (_, kind, _) in columns.items()}, lines, folded=folded)


def frame(rows: Sequence[Mapping[str, Any]], index: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a table of numbers for a figure: indexed by a key, its columns (new name: key) missing where null."""
    values = {
        name: pd.array([row[key] for row in rows], dtype="Float64").to_numpy(dtype=float, na_value=float("nan"))
        for name, key in columns.items()
    }
    return pd.DataFrame(values, index=pd.Index([row[index] for row in rows]))


def text(value: object) -> str:
    """Return a text cut to the length of a cell."""
    return say.cut(str(value)) if value not in (None, "") else say.NONE


def whole(value: object) -> str:
    """Return a count."""
    return say.number(value, 0)


def basis_points(value: object) -> str:
    """Return a cost in basis points."""
    return f"{say.number(value, 1)} bps" if value is not None else say.NONE


def times(value: object) -> str:
    """Return how many times over."""
    return f"{say.number(value, 1)}×" if value is not None else say.NONE  # noqa: RUF001  (the sign for times)
