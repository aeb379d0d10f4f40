"""What a report is made of: sections of blocks; a block is a figure, a table, a grid of facts or a list of notes.

The template lays them out and decides nothing, so that all that is said can be tested without a browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, and the CSS class that sets it."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its head and its rows."""

    caption: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    kind: str = "table"


@dataclass(frozen=True)
class Plot:
    """The place of a figure: its id, and how to read it."""

    id: str
    caption: str
    kind: str = "plot"


@dataclass(frozen=True)
class Fact:
    """A figure in numbers: its name, its value, and what to hold it against."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """A grid of facts."""

    facts: Sequence[Fact]
    kind: str = "facts"


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    lines: Sequence[str]
    kind: str = "notes"


Block: TypeAlias = "Table | Plot | Facts | Notes"


@dataclass(frozen=True)
class Section:
    """A part of the page with an anchor of its own."""

    id: str
    title: str
    lead: str = ""
    blocks: Sequence[Block] = field(default_factory=tuple)


def table(caption: str, columns: Mapping[str, str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table from texts; `columns` maps each title to `text`, `number` or `day`."""
    kinds = list(columns.values())
    head = [Cell(title, kind) for title, kind in columns.items()]
    return Table(caption, head, [[Cell(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows])


@dataclass(frozen=True)
class Row:
    """One run in the list: where its report lies, and its key figures as texts."""

    strategy: str
    run_id: str
    link: str
    verdict: str
    cells: tuple[str, ...]
