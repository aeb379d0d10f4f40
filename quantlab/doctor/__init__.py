"""Whether this installation is fit to be trusted: each check says what it found, and none can keep the others from being made.

1. `installed`: Python, quantlab and the packages that it asks for, against the ranges in its own metadata.
2. `machine`: the processor, the threads, and the cache on the disk.
3. `trial`: the embedded encoder reads a sentence, and a tiny back-test is run twice; both have known answers.

Nothing heavy is imported before a check needs it: a missing package is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from quantlab.doctor import installed, machine, trial
from quantlab.doctor.finding import Finding

__all__ = ["Finding", "examine", "exit_code"]


def examine(cache_folder: Path | None = None) -> Iterator[Finding]:
    """Yield what each check finds, in order; a check that fails is itself a problem. Without a folder the user's cache is looked at."""
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "packages": installed.packages,
        "extras": installed.extras,
        "identity": installed.identity,
        "processor": machine.processor,
        "cache": partial(machine.cache, cache_folder),
        "encoder": trial.encoder,
        "back-test": trial.backtest,
        "threads": machine.threads,  # after what loads the libraries whose threads are counted
    }
    for subject, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            yield trial.failed(subject, error)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 without a problem (warnings are none), 5 if every problem is one of files on the disk, 1 otherwise."""
    problems = [finding for finding in findings if finding.level == "problem"]
    if not problems:
        return 0
    return 5 if all(finding.on_disk for finding in problems) else 1
