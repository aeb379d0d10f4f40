"""Dataset: the bars and news of one market, with what was dropped on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from quantlab.bars import Bars
from quantlab.errors import DataError
from quantlab.news import News

QUARANTINE = ("file", "row", "reason", "cells")  # columns of a table of bad rows


@dataclass(frozen=True)
class Dropped:
    """Rows of the input that were set aside: how many, why, and the first few, as `file:line value`."""

    reason: str
    n_rows: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Bars and news of one market. `hashes` maps each file read (or `bars`, `news`, `settings`) to its sha256.

    benchmark: the symbol to compare with, or None for an equal weight of all names.
    sessions_per_year: bars in a year, for annualisation, counted on the calendar (252 for daily bars of XNYS).
    names: the company's name of each symbol, as far as it is known.
    notes: what a reader of the report must know: licence, source, survivors, ...
    quarantined: bad rows that were set aside on request, (n_rows, 4): file, row, reason, and the raw cells as JSON;
        bad_rows: how many for which reason.
    """

    name: str
    bars: Bars
    news: News = field(default_factory=News.none)
    calendar: str | None = None
    benchmark: str | None = None
    sessions_per_year: float = 252.0
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    quarantined: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(QUARANTINE), dtype="str"))
    bad_rows: tuple[Dropped, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a benchmark that has no bars."""
        if self.benchmark is not None and self.benchmark not in self.bars.symbols:
            raise DataError(f"the benchmark {self.benchmark!r} has no bars: name one of the symbols, or leave it out")

    def until(self, end: pd.Timestamp) -> Dataset:
        """Return what was there at `end`: no bar and no document after it."""
        return replace(self, bars=self.bars.between(end=end), news=self.news.until(end))
