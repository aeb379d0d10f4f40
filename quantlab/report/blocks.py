"""What a page is made of: a verdict, and sections of blocks: a figure, a table, a grid of facts, a list of notes or of terms.

The template lays them out and decides nothing, so that all that is said can be tested without a browser.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from plotly import graph_objects as go

Level = Literal["real", "weak", "luck", "loss", "untested", "invalid"]
LEVELS: Mapping[str, str] = {
    "real": "Holds up",
    "weak": "Weak evidence",
    "luck": "Could be luck",
    "loss": "Loses money",
    "untested": "Not tested",
    "invalid": "Cannot be trusted",
}


@dataclass(frozen=True)
class Verdict:
    """The answer in one line: how it stands, and the sentence that says why; `also` are sentences for those who read on.

    called: what stands above it in place of the level in words.
    """

    level: Level
    sentence: str
    also: Sequence[str] = ()
    called: str = ""

    @property
    def title(self) -> str:
        """Return the level in words."""
        return self.called or LEVELS[self.level]

    @property
    def rank(self) -> int:
        """Return where the level stands among all of them, the best highest."""
        return len(LEVELS) - list(LEVELS).index(self.level)


def verdict(found: object) -> Verdict | None:
    """Return the verdict that a report.json holds, or None where an older one has none; ValueError for a level that does not exist."""
    if found is None:
        return None
    if not isinstance(found, Mapping) or found.get("level") not in LEVELS:
        raise ValueError(f"verdict {found!r} has no level of {', '.join(LEVELS)}")
    return Verdict(found["level"], str(found.get("sentence", "")), tuple(map(str, found.get("also", ()))))


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, the CSS class that sets it, and what it is sorted by (a list of runs can be sorted)."""

    text: str
    kind: str = "text"
    key: float | str | None = None


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its head and its rows; a folded one opens when the reader asks for it."""

    caption: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    kind: str = "table"
    folded: bool = False


@dataclass(frozen=True)
class Plot:
    """The place of a figure: its id, how to read it, the figure; `half` sets it beside another one where there is room.

    A plot without a figure is filled with the run's figure of that id, or left out where the run has none.
    """

    id: str
    caption: str
    kind: str = "plot"
    figure: go.Figure | None = None
    half: bool = False


@dataclass(frozen=True)
class Interval:
    """A figure with its interval, to be drawn as a small bar; `against` is what it is to be held against, such as 0."""

    low: float | None
    value: float | None
    high: float | None
    against: float = 0.0

    @property
    def marks(self) -> Mapping[str, str] | None:
        """Return where low, high, value and against stand on the bar, in percent of its width, or None if one of them is unknown."""
        points = [math.nan if point is None else point for point in (self.low, self.value, self.high, self.against)]
        if not all(math.isfinite(point) for point in points) or points[0] > points[2]:
            return None
        left, right = min(points), max(points)
        span = right - left or 1.0
        low, value, high, against = (5.0 + 90.0 * (point - left) / span for point in points)
        places = {"low": low, "width": high - low, "value": value, "against": against}
        return {name: f"{place:.2f}%" for name, place in places.items()}


@dataclass(frozen=True)
class Fact:
    """A figure in numbers: its name, its value, what to hold it against, and its interval if it is known."""

    name: str
    value: str
    note: str = ""
    interval: Interval | None = None


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


@dataclass(frozen=True)
class Terms:
    """What words mean: (anchor, word, definition) each."""

    terms: Sequence[tuple[str, str, str]]
    kind: str = "terms"


Block: TypeAlias = "Table | Plot | Facts | Notes | Terms"


@dataclass(frozen=True)
class Section:
    """A part of the page with an anchor of its own."""

    id: str
    title: str
    lead: str = ""
    blocks: Sequence[Block] = field(default_factory=tuple)


def table(caption: str, columns: Mapping[str, str], rows: Iterable[Sequence[str]], *, folded: bool = False) -> Table:
    """Return a table from texts; `columns` maps each title to `text`, `number` or `day`."""
    kinds = list(columns.values())
    head = [Cell(title, kind) for title, kind in columns.items()]
    lines = [[Cell(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows]
    return Table(caption, head, lines, folded=folded)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page: what stands at its top, and its sections.

    badges: (text, CSS class) each. alarm: why nothing below can be trusted, if so. summary: the sentences that a reader who reads
    nothing else should read.
    """

    title: str
    sections: Sequence[Section]
    eyebrow: str = ""
    badges: Sequence[tuple[str, str]] = ()
    description: str = ""
    alarm: str = ""
    verdict: Verdict | None = None
    headline: Facts | None = None
    summary: Sequence[str] = ()
    footer: str = ""


@dataclass(frozen=True)
class Row:
    """One run in the list: where its report lies, its verdict, the points of its equity, and its key figures."""

    strategy: str
    run_id: str
    link: str
    verdict: Verdict | None
    sparkline: str
    cells: Sequence[Cell]
