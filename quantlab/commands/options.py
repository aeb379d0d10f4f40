"""What the commands share: options that mean the same everywhere, and how their texts are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quantlab.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from quantlab.cache import Cache

SAMPLE = Path("data/sample")
REPORTS = Path("reports")

StrategyFile = Annotated[Path, typer.Argument(metavar="FILE", help="Strategy file: a .py file that defines `strategy`.")]
DataFolder = Annotated[Path, typer.Option(metavar="DIR", help="Data folder (see data/README.md).")]
ReportsFolder = Annotated[Path, typer.Option(metavar="DIR", help="Where reports go.")]
Start = Annotated[str | None, typer.Option(metavar="DATE", help="First session of the samples; earlier bars only warm features up.")]
End = Annotated[str | None, typer.Option(metavar="DATE", help="Last session; nothing after it is read.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: folds.train=504, weights.quantile=0.1, model.n_topics=12."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Jobs = Annotated[int, typer.Option(min=1, help="Folds fitted at the same time; the result does not depend on it.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Cache folder; by default ~/.cache/quantlab.", show_default=False)
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute everything anew and keep nothing.")]
BadRows = Annotated[
    Literal["error", "quarantine"], typer.Option(help="What becomes of rows that cannot be right: an error, or set aside and counted.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]  # read by entry.answer, even where parsing fails


def cache_at(folder: Path | None) -> Cache:
    """Return the cache in a folder; by default in that of the user, shared by all projects."""
    from quantlab.cache import Cache, default_folder

    return Cache(folder or default_folder())


@contextmanager
def opened_cache(folder: Path | None, *, no_cache: bool) -> Iterator[Cache]:
    """Give the cache in a folder, or one that is gone afterwards."""
    if not no_cache:
        yield cache_at(folder)
        return
    from quantlab.storage import temporary_folder

    with temporary_folder() as kept:
        yield cache_at(kept)


def span(start: str | None, end: str | None) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Return the first moment of the day `start` and the last of the day `end`, in UTC.

    Midnight is the last moment of the day that it ends: a bar that is complete then is of that day.
    Raises UsageError for what is no date, and for a start after the end.
    """
    first, last = _day(start, "start"), _day(end, "end", last_moment=True)
    if first is not None and last is not None and first > last:
        raise UsageError(f"--start {start} lies after --end {end}: exchange them")
    return first, last


def _day(text: str | None, option: str, *, last_moment: bool = False) -> pd.Timestamp | None:
    """Return a date as an instant in UTC: its first moment after midnight, or its last."""
    if text is None:
        return None
    import pandas as pd

    try:
        day = pd.Timestamp(pd.to_datetime(text, format="ISO8601"))
    except ValueError as error:
        raise UsageError(f"--{option} takes a date such as 2024-06-30, not {text!r}") from error
    if day.tz is not None or day != day.normalize():
        raise UsageError(f"--{option} takes a date without a time, such as 2024-06-30, not {text!r}")
    instant = day + (pd.Timedelta(days=1) if last_moment else pd.Timedelta(1, "us"))
    return instant.tz_localize("UTC").as_unit("us")
