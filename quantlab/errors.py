"""The family of errors that quantlab raises on purpose.

    QuantlabError            exit code 1
    ├── UsageError           2   a wrong option, or a value that does not fit it
    │   └── StrategyError    2   a strategy file that cannot be used
    ├── DataError            3   bad input data; carries every problem found
    ├── LeakError            4   the audit found a look into the future
    ├── StorageError         5   disk full, folder unwritable, file damaged
    └── WorkerError          5   a worker process that the machine ended, again and again

They are caught in `main()` alone; anything else that escapes is a bug of ours. What a user's own code raises is none: see `blame`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class QuantlabError(Exception):
    """What went wrong, the offending value and its place, and what to do."""

    exit_code = 1


class UsageError(QuantlabError):
    """A wrong option, or a value that does not fit it."""

    exit_code = 2


class StrategyError(UsageError):
    """A strategy file that cannot be used."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in the input: where it stands, what it is, and how to mend it."""

    message: str
    fix: str
    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """`bars.csv, line 12, column high: high < low (value '3.1'): fix the row`."""
        place = [self.file] if self.file else []
        place += [f"line {self.line}"] if self.line is not None else []
        place += [f"column {self.column}"] if self.column else []
        shown = f" (value {self.value!r})" if self.value is not None else ""
        return f"{', '.join(place)}{': ' if place else ''}{self.message}{shown}: {self.fix}"


class DataError(QuantlabError):
    """Bad input data. `problems` holds every one that was found, in the order of the files."""

    exit_code = 3

    def __init__(self, *problems: Problem | str) -> None:
        """Take problems with their place, or plain sentences."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class LeakError(QuantlabError):
    """The audit found that something at time t depends on what came after t."""

    exit_code = 4


class StorageError(QuantlabError):
    """A file or folder that cannot be read or written."""

    exit_code = 5


class WorkerError(QuantlabError):
    """A worker process that was lost again and again: for want of memory, or to code that crashes it."""

    exit_code = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest of the known names, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
