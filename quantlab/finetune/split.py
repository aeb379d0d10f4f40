"""Split: which examples are learned from and which are kept for the test.

Without times: rows in order of their label, shuffled within equal labels, and every fifth of them is tested (for a share of 0.2). So each
class, each combination of flags, and each stretch of a number is tested in proportion. With times: the last fifth is tested, and what
was not settled before it began is purged from training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import DataError, UsageError
from quantlab.finetune.examples import Examples
from quantlab.repro import random_generator
from quantlab.result import Json

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Positions among the examples, each (n,), increasing. purged: how many are in neither.

    By time: cut is the first test instant, settled when the last label learned from was known.
    """

    train: Ints
    test: Ints
    purged: int = 0
    cut: pd.Timestamp | None = None
    settled: pd.Timestamp | None = None

    def facts(self) -> dict[str, Json]:
        """Return what the card says."""
        return {
            "kind": "random, stratified" if self.cut is None else "chronological, purged",
            "n_train": len(self.train),
            "n_test": len(self.test),
            "n_purged": self.purged,
            "settled": None if self.settled is None else self.settled.isoformat(),
            "test_start": None if self.cut is None else self.cut.isoformat(),
        }


def split(examples: Examples, *, test_share: float, horizon: pd.Timedelta, seed: int) -> Split:
    """Return the split: by time if the examples have one, else random and stratified.

    test_share: as a fraction; horizon: how long after its stamp the label of a row is settled, >= 0.
    Raises UsageError for a value out of range, DataError if a part is empty or the test has a label that training has not.
    """
    if not 0 < test_share < 1:
        raise UsageError(f"the share of the test must lie between 0 and 1, not {test_share!r}")
    if horizon < pd.Timedelta(0):
        raise UsageError(f"a horizon of {horizon} lies in the past: say how long after its stamp a label is settled")
    if examples.times is None and horizon > pd.Timedelta(0):
        raise UsageError("a horizon needs the times of the rows: name their column (--time)")
    found = _random(examples, test_share, seed) if examples.times is None else _chronological(examples.times, test_share, horizon)
    _check(examples, found)
    return found


def _random(examples: Examples, share: float, seed: int) -> Split:
    """Return every 1 / share-th row in order of label, starting at random."""
    rng = random_generator(seed, "finetune: split")
    shuffled = rng.permutation(len(examples))
    order = shuffled[np.lexsort(examples.target[shuffled].T)]  # stable: equal labels stay shuffled
    steps = np.floor(np.arange(len(order) + 1) * share + rng.random())
    tested = np.zeros(len(order), dtype=bool)
    tested[order] = np.diff(steps) > 0
    return Split(np.flatnonzero(~tested), np.flatnonzero(tested))


def _chronological(times: pd.DatetimeIndex, share: float, horizon: pd.Timedelta) -> Split:
    """Return the last rows for the test (rows of one instant stay together), and those settled before it began."""
    cut = times[min(int(np.floor(len(times) * (1 - share))), len(times) - 1)]
    test = np.flatnonzero(times >= cut)
    train = np.flatnonzero(times + horizon < cut)
    settled = times[train].max() + horizon if len(train) else None
    return Split(train, test, len(times) - len(train) - len(test), cut, settled)


def _check(examples: Examples, found: Split) -> None:
    """Refuse parts that nothing can be learned from or told by."""
    for name, rows in (("training", found.train), ("the test", found.test)):
        if len(rows) < 2:
            raise DataError(f"{len(rows)} rows are left for {name}: give more rows, spread over more instants, or another share or horizon")
    if examples.task == "number":
        if np.ptp(examples.target[found.train]) == 0:
            raise DataError(f"every label of the training part is {examples.target[found.train][0, 0]:g}: there is nothing to learn")
        return
    learned, tested = (examples.target[rows].sum(axis=0) for rows in (found.train, found.test))
    unseen = [
        f"{label!r} ({int(count)} rows)"
        for label, count, known in zip(examples.labels, tested, learned, strict=True)
        if count and not known
    ]
    if unseen:
        raise DataError(
            f"the test part has labels that the training part has not: {', '.join(unseen)}; "
            f"drop or merge them, or give more of the time before {found.cut}"
        )
    if examples.task == "classes" and (learned > 0).sum() < 2:
        label = examples.labels[int(learned.argmax())]
        raise DataError(f"the training part has one class only, {label!r}: give a longer time, or a smaller share to the test")
