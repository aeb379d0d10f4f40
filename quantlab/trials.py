"""The trial ledger: how often a family of strategies was tried, so that its best figure can be judged as the best of many.

1. `<reports>/<family>/trials.jsonl` has one line per distinct trial: its id, the run that entered it, its Sharpe ratio per period.
2. Lines are only ever appended, under a lock (POSIX `flock`; none where the file system has none), so that several runs at once lose
   none. A run that counts and then enters does both in its `turn`: of several at once, each counts those before it.
3. Each line carries a sha256 over the line before it and its own content: a line that was edited or taken out breaks the chain.
4. The folders of the runs lie beside the ledger and name their trial. One that the ledger does not know is counted too, so deleting
   the ledger, or its last lines, hides nothing.
5. A last line without its end was being written by a run that was killed. It says nothing, and the next run writes over it.
6. What else is odd is said in the notes and never stops a run; every line that can be read counts.

Nothing here is a time: the same runs in the same order give the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from quantlab.errors import StorageError, UsageError
from quantlab.result import Trials
from quantlab.storage import locked

LEDGER = "trials.jsonl"


@dataclass(frozen=True)
class _Entry:
    """What one line says; sharpe is None for a trial that has no ratio, because it never traded."""

    trial_id: str
    run_id: str
    sharpe: float | None


@dataclass(frozen=True)
class _Ledger:
    """What all lines say: the Sharpe ratio of each trial, the runs that entered them, and how many lines are odd."""

    sharpes: Mapping[str, float | None]
    runs: frozenset[str]
    n_unreadable: int
    n_broken: int


def turn(folder: Path) -> AbstractContextManager[None]:
    """Wait until no other run of the family is between counting its trials and entering its own. Raises StorageError."""
    return locked(Path(folder))


def read_trials(folder: Path, trial_id: str) -> Trials:
    """Return how often the family in `folder` was tried, the trial `trial_id` included, whether it is entered yet or not.

    Raises StorageError if the ledger is there and cannot be opened.
    """
    path = Path(folder) / LEDGER
    try:
        with path.open("rb") as file:
            _lock(file, fcntl.LOCK_SH)  # nobody is half-way through a line
            ledger = _parsed(_finished(file.read()))
    except FileNotFoundError:
        ledger = _parsed(b"")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}: make it readable, or give --trials N") from error
    unknown = {trial for trial, run in _runs_beside(Path(folder)) if trial not in ledger.sharpes and run not in ledger.runs}
    others = sorted(ratio for trial, ratio in ledger.sharpes.items() if trial != trial_id and ratio is not None)
    return Trials(
        n=len({trial_id, *ledger.sharpes, *unknown}), sharpes=tuple(others), source="ledger", notes=tuple(_notes(ledger, len(unknown)))
    )


def record_trial(folder: Path, *, trial_id: str, run_id: str, sharpe: float) -> None:
    """Enter a trial with its Sharpe ratio per period (NaN is entered as none), unless it is there already.

    Raises StorageError if the ledger cannot be written; it is then as it was before.
    """
    path = Path(folder) / LEDGER
    entry = _Entry(trial_id, run_id, float(sharpe) if math.isfinite(sharpe) else None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            _lock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = _finished(file.read())
            if trial_id not in _parsed(content).sharpes:
                _append(file, content, entry)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}: free some space or choose another folder") from error


def given(n: int) -> Trials:
    """Return a count that the user states (`--trials N`), >= 1, in place of the ledger's. Raises UsageError."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise UsageError(f"--trials takes how many variants were tried, this one included, a whole number >= 1, not {n!r}")
    return Trials(n=n, source="given")


def _lock(file: BinaryIO | FileIO, kind: int) -> None:
    """Lock an open file, where the file system has locks; closing it gives the lock back."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, kind)


def _finished(content: bytes) -> bytes:
    """Return the content without a last line that was never finished."""
    whole, end, rest = content.rpartition(b"\n")
    return content if not rest or _read(rest) else whole + end


def _append(file: FileIO, content: bytes, entry: _Entry) -> None:
    """Write one line after the finished ones, and sync it; on failure (a full disk) nothing of it stays."""
    before = content.splitlines()[-1] if content else b""
    mend = b"" if content.endswith(b"\n") or not content else b"\n"  # of the last line only the end is missing
    file.truncate(len(content))
    line = mend + json.dumps({**asdict(entry), "chain": _chained(before, entry)}).encode() + b"\n"
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(len(content))
        raise


def _parsed(content: bytes) -> _Ledger:
    """Read every line that can be read, and check that it follows from the one before."""
    sharpes: dict[str, float | None] = {}
    runs, n_unreadable, n_broken, before = set(), 0, 0, b""
    for line in content.splitlines():
        found = _read(line)
        if found is None:
            n_unreadable += 1
        else:
            entry, chain = found
            n_broken += chain != _chained(before, entry)
            sharpes.setdefault(entry.trial_id, entry.sharpe)
            runs.add(entry.run_id)
        before = line
    return _Ledger(sharpes, frozenset(runs), n_unreadable, n_broken)


def _read(line: bytes) -> tuple[_Entry, object] | None:
    """Return what a line says and its link of the chain, or None if it is no such line."""
    try:
        fields = json.loads(line)
        entry = _Entry(fields["trial_id"], fields["run_id"], fields["sharpe"])
        chain = fields["chain"]
    except (ValueError, KeyError, TypeError):
        return None
    sound = isinstance(entry.trial_id, str) and isinstance(entry.run_id, str)
    sound = sound and (entry.sharpe is None or (isinstance(entry.sharpe, float) and math.isfinite(entry.sharpe)))
    return (entry, chain) if sound else None


def _chained(before: bytes, entry: _Entry) -> str:
    """Return the sha256 that ties a line to the bytes of the one before it."""
    return hashlib.sha256(before + b"\n" + json.dumps(asdict(entry)).encode()).hexdigest()


def _runs_beside(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (trial_id, run_id) of each run folder; a run from before trials were counted is its own trial."""
    for manifest in sorted(folder.glob("*/manifest.json")):
        run_id = manifest.parent.name
        if run_id.startswith("."):  # being written, or just replaced
            continue
        try:
            trial_id = json.loads(manifest.read_bytes()).get("trial_id")
        except (OSError, ValueError, AttributeError):
            trial_id = None
        yield (trial_id if isinstance(trial_id, str) and trial_id else run_id), run_id


def _notes(ledger: _Ledger, n_unknown: int) -> Iterator[str]:
    """Say what is odd about the ledger, in sentences for the report."""
    if ledger.n_unreadable:
        yield f"trial ledger: {ledger.n_unreadable} of its lines cannot be read and are not counted"
    if ledger.n_broken:
        yield f"trial ledger: {ledger.n_broken} of its lines do not follow from the line before: one was edited or taken out"
    if n_unknown:
        yield f"trial ledger: {n_unknown} of the trials beside it have no line in it, yet a run in their folder: they are counted too"
