"""Whose fault an error is: what a user's own code raises is told with its file and line, and is no bug of ours."""

from __future__ import annotations

import inspect
import re
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType

from quantlab.errors import LeakError, QuantlabError, StorageError, StrategyError, nearest

PACKAGE = Path(__file__).parent
PYTHON = Path(sysconfig.get_path("stdlib"))
LIBRARIES = {"site-packages", "dist-packages"}  # a file below a folder of this name is installed, and not the user's
MISSPELT = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
LONGEST = 500  # characters of a message
MEND = "mend that line, or see the whole traceback with --debug"


@contextmanager
def blamed(part: str, hint: str = "") -> Iterator[None]:
    """Turn what a user's own code raises inside into a StrategyError that names the part, the file and the line.

    What a library raises that we called on the user's behalf is the part's fault too; what our own code raises is a bug, and passes.
    Leaving the process (`sys.exit`) counts as raising. hint: what to look at where no line of the user's is to blame.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit, MemoryError, StrategyError, LeakError, StorageError):
        raise
    except BaseException as error:
        place = users_line(error)
        if place is None and (isinstance(error, QuantlabError) or not _called_directly(error.__traceback__)):
            raise
        if isinstance(error, QuantlabError):
            raise StrategyError(f"{place}: {error}") from error
        fix = MEND if place else hint or "see the whole traceback with --debug"
        raise StrategyError(f"{place or part}{f', in {part},' if place else ''} {complaint(error)}: {fix}") from error


def complaint(error: BaseException) -> str:
    """Return `raises KeyError: 'x'`, with the nearest name for a misspelt option."""
    if isinstance(error, SystemExit):
        return f"leaves the process (SystemExit: {error.code})"
    said = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().partition("\n")[0][:LONGEST]  # some write essays
    return f"raises {type(error).__name__}{f': {said}' if said else ''}{_meant(error)}"


def users_line(error: BaseException) -> str | None:
    """Return `file, line n` of the innermost line that an error passed through and that is neither ours nor a library's."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_users(frame)]
    return f"{lines[-1][0]}, line {lines[-1][1]}" if lines else None


def _is_users(frame: FrameType) -> bool:
    file = Path(frame.f_code.co_filename)
    foreign = file.is_relative_to(PACKAGE) or file.is_relative_to(PYTHON) or not LIBRARIES.isdisjoint(file.parts)
    return file.suffix == ".py" and not foreign  # compiled modules give names such as hashtable.pyx, built-in ones <frozen runpy>


def _called_directly(trace: TracebackType | None) -> bool:
    """Return True if of our own code only the file that called passed an error on."""
    ours = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace) if Path(frame.f_code.co_filename).is_relative_to(PACKAGE)}
    return len(ours - {__file__}) <= 1


def _meant(error: BaseException) -> str:
    """Return the option nearest to a misspelt one, as far as the name of what was called tells."""
    found = MISSPELT.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return ""
    known: Mapping[str, object] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        known = {**known, **frame.f_globals}
    try:
        return nearest(found[2], inspect.signature(known[found[1]]).parameters)  # type: ignore[arg-type]  # what cannot be called raises
    except (KeyError, TypeError, ValueError):
        return ""
