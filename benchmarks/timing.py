"""What the benchmarks share: alternating runs, medians and spread in one table, fresh processes with their peak memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


@dataclass(frozen=True)
class Finished:
    """A process that ended well: seconds on the wall clock, the most memory it held, what it printed."""

    seconds: float
    peak_bytes: int
    stdout: str


def interleaved(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way in each round, run A, B, A, B, ... so that a busy spell of the machine hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()  # nobody pays for what the one before left behind
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def fresh(*command: str | Path) -> Finished:
    """Run a command at the root of the project in its own process; CalledProcessError if it fails.

    Its peak can never read lower than what this process holds (Linux counts the fork), so call it before making anything large.
    """
    start = time.perf_counter()
    with subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        stdout = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # of this child alone: RUSAGE_CHILDREN is the maximum over all so far
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Finished(seconds, usage.ru_maxrss * RSS_UNIT, stdout)


def table(seconds: Mapping[str, Sequence[float]], *, reference: str, peak_bytes: Mapping[str, int] | None = None) -> str:
    """Return one line per way: median and range of its seconds, and of its ratios to the reference of the same round."""
    width = max(map(len, seconds))
    lines = [f"{'':{width}}  {'median':>9}  {'from - to':>17}  {'ratio':>6}  {'from - to':>13}" + ("  peak" if peak_bytes else "")]
    for name, own in seconds.items():
        ratios = [mine / other for mine, other in zip(own, seconds[reference], strict=True)]
        span, ratio_span = f"{min(own):.3f} - {max(own):.3f}", f"{min(ratios):.3f} - {max(ratios):.3f}"
        peak = f"  {peak_bytes[name] / 2**20:,.0f} MiB" if peak_bytes else ""
        lines.append(f"{name:{width}}  {median(own):7.3f} s  {span:>15} s  {median(ratios):6.3f}  {ratio_span:>13}{peak}")
    rounds = len(seconds[reference])
    return "\n".join([*lines, f"{rounds} alternating rounds; ratio: median over rounds of the time as a multiple of {reference!r}"])
