"""Ordered maps: the same results in the same order, one at a time or in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")


class Executor(Protocol):
    """Call `function` on each task and yield what it returns, in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
        """Yield `function(task)` for each task, in order."""
        ...


class Progress(Protocol):
    """Show how far a loop has come: pass the items through, one by one."""

    def __call__(self, items: Iterable[Done], label: str, total: int) -> Iterator[Done]:
        """Yield the items unchanged."""
        ...


def silent(items: Iterable[Done], label: str, total: int) -> Iterator[Done]:
    """Show nothing: the null progress."""
    del label, total
    yield from items


def serial(function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
    """Do one task after the other in this process."""
    for task in tasks:
        yield function(task)


def processes(n_jobs: int) -> Executor:
    """Return an executor with `n_jobs` worker processes; each is limited to one thread, as the serial one is."""
    if n_jobs == 1:
        return serial

    def parallel(function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
        """Do the tasks in worker processes, and yield what they return in the order of the tasks."""
        from joblib import Parallel, delayed

        pool = Parallel(n_jobs=n_jobs, backend="loky", return_as="generator", inner_max_num_threads=1, mmap_mode=None, max_nbytes=None)
        yield from pool(delayed(function)(task) for task in tasks)

    return parallel
