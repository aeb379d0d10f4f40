"""Where to cut: the bars at which a leak shows, if there is one. Random bars alone miss most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.folds import Fold
from quantlab.repro import random_generator
from quantlab.sessions import time_zone

N_RANDOM = 4
N_SPECIAL = 4  # cuts of one kind, spread evenly
N_COLD = 4  # cuts for which everything is fitted without a cache


@dataclass(frozen=True)
class Cut:
    """A last known bar. cold: nothing that was remembered may be used; whole_prefix: fit all folds before it again."""

    time: pd.Timestamp
    reason: str
    cold: bool = False
    whole_prefix: bool = False

    def __str__(self) -> str:
        """`cut after 2021-03-04, first test bar + 1, cold cache`."""
        return f"cut after {self.time.date()}, {self.reason}, {'cold' if self.cold else 'warm'} cache"


def adversarial_cuts(
    folds: Sequence[Fold], bars: Bars, horizon: int, *, calendar: str | None = None, seed: int = 0, quick: bool = False
) -> tuple[Cut, ...]:
    """Return cuts in order of time, at decisions only; the cold ones come last.

    They are each fold's first test bar + {0, 1, h-1, h}, weekends of a clock change, half days, the bars around which a name comes, goes
    or halts, and some at random. quick: the first and the last fold, and one cut of each other kind.
    """
    times = bars.times
    first, last = int(times.searchsorted(folds[0].test_start)), min(int(times.searchsorted(folds[-1].test_end)), len(times) - 2)
    chosen = [folds[0], folds[-1]] if quick else folds
    found: dict[int, str] = {}
    for fold in chosen:
        for step in (0, 1, horizon - 1, horizon):
            found.setdefault(int(times.searchsorted(fold.test_start)) + step, f"first test bar + {step}")
    for reason, places in _special(bars, calendar).items():
        inside = places[(places >= first) & (places <= last)]
        for place in spread(inside, 1 if quick else N_SPECIAL):
            found.setdefault(int(place), reason)
    rng = random_generator(seed, "audit: random cuts")
    for place in sorted(rng.choice(np.arange(first, last + 1), size=min(1 if quick else N_RANDOM, last - first + 1), replace=False)):
        found.setdefault(int(place), "at random")
    warm = [Cut(times[place], reason) for place, reason in sorted(found.items()) if first <= place <= last]
    return (*warm, *_cold(warm, 2 if quick else N_COLD))


def _cold(cuts: Sequence[Cut], n: int) -> list[Cut]:
    """Return cold copies of some cuts, the first bar of a fold before others; the last one fits all folds again."""
    edges = [cut for cut in cuts if cut.reason == "first test bar + 0"] or list(cuts)
    picked = [edges[place] for place in spread(np.arange(len(edges)), n - 1)]
    cold = [Cut(cut.time, cut.reason, cold=True) for cut in picked]
    return [*cold, Cut(cuts[-1].time, cuts[-1].reason, cold=True, whole_prefix=True)] if cuts else []


def _special(bars: Bars, calendar: str | None) -> dict[str, npt.NDArray[np.int64]]:
    """Return the positions of bars that a sloppy clock or a sloppy universe gets wrong, by kind."""
    listed = bars.listed.to_numpy()
    changes = np.flatnonzero((listed[1:] != listed[:-1]).any(axis=1))
    found = {
        "last bar before a name comes, goes or halts": changes,
        "first bar after a name comes, goes or halts": changes + 1,
    }
    if calendar is not None:
        local = bars.times.tz_convert(time_zone(calendar))
        wall, utc = local.tz_localize(None).as_unit("us").asi8, bars.times.asi8
        offset = wall - utc
        minute = np.asarray(local.hour) * 60 + np.asarray(local.minute)
        turned = np.flatnonzero(np.diff(offset) != 0)
        found["last bar before a clock change"], found["first bar after a clock change"] = turned, turned + 1
        found["half day"] = np.flatnonzero(minute < np.median(minute))
    return found


def some(cuts: Sequence[Cut], n: int) -> list[Cut]:
    """Return at most n cuts, evenly apart, the first and the last among them."""
    return [cuts[place] for place in spread(np.arange(len(cuts)), n)]


def spread(places: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return at most n of the places, evenly apart, the first and the last among them."""
    return (
        places[np.unique(np.linspace(0, len(places) - 1, min(n, len(places))).round().astype(int))] if len(places) and n > 0 else places[:0]
    )
