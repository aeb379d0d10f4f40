"""Ordered maps: the same results in the same order, one at a time or in several processes.

A worker process may die: killed by the system for want of memory, by a library that crashes, by code that leaves the process. Nobody can
tell which of the tasks at hand was to blame. So the oldest one is done again, alone in a fresh process; then the others go on as before.
One that dies alone again and again is named in the error. As a task is a pure function, a result that took several attempts is the same.

Workers never outlive the process that started them: they are killed when it is interrupted, and leave by themselves when it is gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from itertools import islice
from logging.handlers import QueueHandler
from typing import Any, Protocol, TypeAlias, TypeVar

from quantlab.errors import WorkerError

Task = TypeVar("Task")
Done = TypeVar("Done")
_Told: TypeAlias = tuple[Done, list[logging.LogRecord]]
log = logging.getLogger(__name__)

ATTEMPTS = 3  # at a task whose process dies: the first beside others, then alone
DEATHS = (BrokenExecutor, MemoryError)
EXIT_CODES = re.compile(r"exit codes of the workers are \{(.*?)\}")  # in the words of loky
IDLE_SECONDS = 60.0  # after which a worker without work leaves
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA")
ONE_THREAD = {f"{library}_{'' if library.endswith('MAXIMUM') else 'NUM_'}THREADS": "1" for library in LIBRARIES}
WATCH_SECONDS = 0.3  # between two looks of a worker at whether its parent is still there


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
    """Return an executor with `n_jobs` worker processes; each is limited to one thread, as the serial one is.

    It raises WorkerError for a task whose process dies again and again, and calls it by its `str`.
    """
    if n_jobs == 1:
        return serial

    def parallel(function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
        """Do the tasks in worker processes, and yield what they return in the order of the tasks."""
        pool, waiting = _Pool(n_jobs), iter(tasks)
        sent: deque[tuple[Task, Future[_Told[Done]]]] = deque()  # the oldest first
        try:
            while True:
                sent.extend((task, pool.submit(function, task)) for task in islice(waiting, 2 * n_jobs - len(sent)))
                if not sent:
                    return
                task, future = sent[0]
                try:
                    done, records = future.result()
                except DEATHS as death:
                    pool.kill()
                    done, records = _alone(function, task, death)
                    for _ in range(len(sent) - 1):  # all but the oldest, in their order
                        sent.rotate(-1)
                        again, future = sent[0]
                        sent[0] = again, future if _is_done(future) else pool.submit(function, again)
                    sent.rotate(-1)
                sent.popleft()
                for record in records:
                    logging.getLogger(record.name).handle(record)
                yield done
        except BaseException:
            if sent:
                pool.kill()
            raise

    return parallel


class _Pool:
    """The worker processes that all executors of this process share; they are started when there is work."""

    def __init__(self, n_jobs: int) -> None:
        """Start nothing yet."""
        self.n_jobs = n_jobs
        self._workers: Any = None

    def submit(self, function: Callable[[Task], Done], task: Task) -> Future[_Told[Done]]:
        """Return the future of `function(task)`, with what it logs."""
        try:
            return self._submit(function, task)
        except BrokenExecutor:  # a worker has died since; then there are new ones
            return self._submit(function, task)

    def kill(self) -> None:
        """Kill the workers, whatever they are doing."""
        if self._workers is not None:
            self._workers.shutdown(wait=True, kill_workers=True)

    def _submit(self, function: Callable[[Task], Done], task: Task) -> Future[_Told[Done]]:
        from joblib.externals.loky import get_reusable_executor

        with _deaf_to_interrupts():
            self._workers = get_reusable_executor(max_workers=self.n_jobs, timeout=IDLE_SECONDS, **_settings())
            future: Future[_Told[Done]] = self._workers.submit(_told, function, task)
        return future


def _alone(function: Callable[[Task], Done], task: Task, death: BaseException) -> _Told[Done]:
    """Do a task in a process of its own, again if need be. Raises WorkerError when that has died as often as is reasonable."""
    from joblib.externals.loky import ProcessPoolExecutor

    for _ in range(1, ATTEMPTS):
        log.warning("a worker process was lost (%s): doing %s again, alone", _reason(death), task)
        with _deaf_to_interrupts():
            pool = ProcessPoolExecutor(max_workers=1, **_settings())
            future = pool.submit(_told, function, task)
        try:
            told: _Told[Done] = future.result()
        except DEATHS as again:
            death = again
        else:
            return told
        finally:
            pool.shutdown(wait=True, kill_workers=True)
    fix = "give it more memory (fewer --jobs, fewer symbols, a shorter span), or see with --jobs 1 what ends it"
    raise WorkerError(f"the worker process of {task} was lost {ATTEMPTS} times ({_reason(death)}): {fix}") from death


def _settings() -> dict[str, Any]:
    return {"env": ONE_THREAD, "initializer": _begin, "initargs": (os.getpid(),)}


def _begin(parent: int) -> None:
    """Set up a worker: it leaves the terminal's Ctrl-C to its parent, prints to stderr, and does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout = sys.stderr
    with contextlib.suppress(OSError):  # there is no stderr
        os.dup2(2, 1)  # what libraries print past Python
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _told(function: Callable[[Task], Done], task: Task) -> _Told[Done]:
    """Return what a task gives, and what it has logged, for the parent to say."""
    logger, records = logging.getLogger("quantlab"), queue.SimpleQueue[logging.LogRecord]()
    handler = QueueHandler(records)
    logger.addHandler(handler)
    try:
        done = function(task)
    finally:
        logger.removeHandler(handler)
    return done, [records.get() for _ in range(records.qsize())]


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach before they are set up; the parent hears of it right afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_done(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _reason(death: BaseException) -> str:
    """Return how a worker ended, as far as is known."""
    if isinstance(death, MemoryError):
        return "out of memory"
    found = EXIT_CODES.search(str(death))
    return f"exit {found[1]}" if found else type(death).__name__
