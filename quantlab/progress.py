"""What a person sees while waiting: rich progress on stderr, nothing at all where stderr is no terminal."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

Item = TypeVar("Item")


class Timings:
    """Shows progress and measures it: the seconds of each stage, for `timings.json`."""

    def __init__(self, *, shown: bool) -> None:
        """Show bars and spinners only if `shown`."""
        self.shown = shown
        self.seconds: dict[str, float] = {}

    def __call__(self, items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
        """Pass the items through, with a bar."""
        with self.stage(label):
            if not self.shown:
                yield from items
                return
            from rich.console import Console
            from rich.progress import track

            yield from track(items, description=label, total=total, console=Console(stderr=True), transient=True)

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Measure what is done inside, and say so on stderr when it begins."""
        start = time.perf_counter()
        if self.shown:
            print(f"{label} ...", file=sys.stderr)
        try:
            yield
        finally:
            self.seconds[label] = round(self.seconds.get(label, 0.0) + time.perf_counter() - start, 3)


def peak_memory_bytes() -> int:
    """Return the largest memory that this process and its finished workers have held, in bytes (Linux and macOS)."""
    scale = 1 if sys.platform == "darwin" else 1024
    return scale * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


@contextmanager
def log_to_stderr(*, quiet: bool) -> Iterator[None]:
    """Send warnings of quantlab to stderr for a while, one line each, and the same one once; errors only if `quiet`.

    What a strategy file prints goes there too: stdout is for the result.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_Once())
    handler.setFormatter(logging.Formatter("quantlab: %(message)s"))
    handler.setLevel(logging.ERROR if quiet else logging.WARNING)
    logger = logging.getLogger("quantlab")
    logger.addHandler(handler)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logger.removeHandler(handler)


class _Once(logging.Filter):
    """Pass a message the first time: a disk that is full is so for every file."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for what was not said yet."""
        message = record.getMessage()
        new = message not in self.said
        self.said.add(message)
        return new
