"""Folds: when a model learns and when it is judged.

The purge is derived, never typed in. The label of bar t runs from the open of t+1 to the open of t+1+horizon. At
the close of the first test bar T, that open must have passed: t + 1 + horizon <= T. So the last training bar is
T - (horizon + 1), less an embargo if one is asked for (Lopez de Prado, Advances in Financial Machine Learning, 7.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from quantlab.errors import UsageError


@dataclass(frozen=True)
class Fold:
    """Four instants, both ends of each window included; `partial` marks a last test window cut short by the data."""

    train_start: pd.Timestamp
    train_end: pd.Timestamp
    test_start: pd.Timestamp
    test_end: pd.Timestamp
    partial: bool = False

    def __post_init__(self) -> None:
        """Refuse a fold that trains on or after what it is tested on."""
        if not self.train_start <= self.train_end < self.test_start <= self.test_end:
            raise UsageError(f"a fold must train before it tests, not {self}")


@dataclass(frozen=True, kw_only=True)
class WalkForward:
    """Train on the past, test on the next window, move on by that window. All sizes in bars.

    train: length of the training window, or None for one that expands from the first bar.
    test: length of the test window; the last one may be shorter and is then flagged as partial.
    embargo: further bars left out between train and test, beyond the purge.
    min_train: bars needed before the first test; None means 252, or `train` if that is less.
    """

    train: int | None = 504
    test: int = 63
    embargo: int = 0
    min_train: int | None = None

    def __post_init__(self) -> None:
        """Refuse windows that cannot be."""
        for name, least in (("train", 2), ("test", 1), ("embargo", 0), ("min_train", 2)):
            value = getattr(self, name)
            if value is None and name in ("train", "min_train"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"WalkForward.{name} must be a whole number of bars >= {least}, not {value!r}")
        if self.train is not None and self.min_train is not None and self.min_train > self.train:
            raise UsageError(f"WalkForward.min_train ({self.min_train}) must not exceed train ({self.train})")

    def gap(self, horizon: int) -> int:
        """Return the number of bars from the last training bar to the first test bar."""
        return horizon + 1 + self.embargo

    def split(self, times: pd.DatetimeIndex, horizon: int) -> Iterator[Fold]:
        """Yield the folds over the bars `times`, for labels that look `horizon` bars ahead.

        Raises UsageError if not even one fold fits.
        """
        needed = self.min_train if self.min_train is not None else min(252, self.train or 252)
        first = needed - 1 + self.gap(horizon)
        if first >= len(times):
            raise UsageError(
                f"{len(times)} bars are too few for one fold: min_train {needed} + horizon {horizon} + 1 + embargo"
                f" {self.embargo} leaves nothing to test; use more data, or a smaller folds.min_train / folds.train"
            )
        for test_start in range(first, len(times), self.test):
            train_end = test_start - self.gap(horizon)
            train_start = 0 if self.train is None else max(0, train_end - self.train + 1)
            test_end = min(test_start + self.test, len(times)) - 1
            yield Fold(
                times[train_start], times[train_end], times[test_start], times[test_end], partial=test_end - test_start + 1 < self.test
            )
