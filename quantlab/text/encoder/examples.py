"""From rows with documents and labels to examples: one distinct text is one example, whatever the number of rows in which it stands.

Its target is the mean of its rows' labels, by age, so a document that is in view for three bars does not count three times. It weighs as
the square root of what it was seen: repeated labels overlap.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.repro import random_generator
from quantlab.text.encoder.training import Examples, Flags, Floats, Task
from quantlab.text.masking import masked
from quantlab.text.tokens import plain

MAX_DEVIATION = 3.0  # standard deviations at which a label is clipped: the tails of returns are not the text's
MAX_CLASSES = 3  # whole-numbered labels of at most so many values are classes, unless a task is named
MOST_CLASSES = 50

_plain = functools.lru_cache(maxsize=2**17)(plain)  # every fit and every block reads the same texts again
_masked = functools.lru_cache(maxsize=2**17)(masked)


@dataclass(frozen=True)
class Target:
    """What the head is to tell of each row: values (n_rows, k), numbers in standard deviations or the share of each class."""

    task: Task
    values: Floats
    classes: Floats


def readings(documents: Documents, names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the distinct texts as the encoder reads them, in order of first use, and which of them each text is.

    names: of companies, which are masked, as tickers and numbers are; None masks nothing.
    """
    read = [_plain(text) for text in documents.texts]
    if names is not None:
        read = [_masked(text, names) for text in read]
    codes, distinct = pd.factorize(np.array(read, dtype=object))
    return tuple(distinct), codes.astype(np.int64)


def target_of(y: Floats, task: str = "auto", *, dead_zone: float | None = None, classes: Floats | None = None) -> Target | None:
    """Return what the head is to tell; None if all labels are equal.

    "auto": classes if the labels are whole numbers of at most three values, else a number. dead_zone: numbers become the classes -1, 0, 1
    (down, flat, up): flat within so many standard deviations of 0. classes: the values that there are, where the labels may lack one.
    Raises ValueError for a missing label, UsageError for more classes than a head should tell apart.
    """
    if not np.isfinite(y).all():
        raise ValueError("TextEncoder: a label is missing or infinite: drop its row")
    if len(np.unique(y)) < 2:
        return None
    if dead_zone is not None:
        y = np.sign(y) * (np.abs(y) > dead_zone * y.std())
    values = np.unique(y) if classes is None else classes
    whole = len(values) <= MAX_CLASSES and bool((values == np.round(values)).all())
    if dead_zone is None and (task == "regression" or (task == "auto" and not whole)):
        return Target("regression", np.clip((y - y.mean()) / y.std(), -MAX_DEVIATION, MAX_DEVIATION)[:, None], np.zeros(0))
    if len(values) > MOST_CLASSES:
        raise UsageError(f"TextEncoder: task={task!r}, but the labels have {len(values)} values: give dead_zone=, or task='regression'")
    return None if len(values) < 2 else Target("classes", np.asarray(y[:, None] == values, dtype=float), values)


def by_reading(
    documents: Documents, reading: npt.NDArray[np.int64], target: Floats, half_life_hours: float, n: int
) -> tuple[Floats, Floats]:
    """Return the weight (n,) and the mean target (n, n_targets) of each reading over its rows; its youngest view weighs 1."""
    place, age = reading[documents.text], documents.age_hours
    youngest = np.full(n, np.inf)
    np.minimum.at(youngest, place, age)
    views = 0.5 ** ((age - youngest[place]) / half_life_hours)
    seen = np.bincount(place, views, minlength=n)
    sums = [np.bincount(place, views * column[documents.row], minlength=n) for column in target.T]
    return np.sqrt(seen), np.column_stack(sums) / seen[:, None]


def tail(documents: Documents, reading: npt.NDArray[np.int64], bar: npt.NDArray[np.int64], share: float, gap: int) -> tuple[Flags, Flags]:
    """Return which readings may be learned from and which are held out, (n_readings,) each; the rest is neither.

    Held out is what is seen in the last `share` of the bars alone; learned from is what was last seen more than `gap` bars before them,
    so that no label of the one overlaps a label of the other. bar: the number of each row's bar, (n_rows,).
    """
    n, place, seen = int(reading.max()) + 1, reading[documents.text], bar[documents.row]
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, -1)
    np.minimum.at(first, place, seen)
    np.maximum.at(last, place, seen)
    bars = np.unique(bar)
    cut = bars[min(int(np.ceil(len(bars) * (1.0 - share))), len(bars) - 1)]
    return last < cut - gap, first >= cut


def with_tail_held_out(
    examples: Examples, documents: Documents, reading: npt.NDArray[np.int64], *, bar: npt.NDArray[np.int64], share: float, gap: int
) -> Examples:
    """Return the examples with their tail held out (`tail`), without those on either side of its edge."""
    learning, held_out = tail(documents, reading, bar, share, gap)
    return replace(examples, sampled=learning, held_out=held_out).only(np.flatnonzero(learning | held_out))


def sample(n: int, size: int, seed: int) -> Flags:
    """Return which `size` of n texts are taken, one at random from each of `size` equal stretches of time; all if there are no more."""
    if n <= size:
        return np.ones(n, dtype=bool)
    offsets = random_generator(seed, "encoder: sample of documents").random(size)
    sampled = np.zeros(n, dtype=bool)
    edges = np.arange(size + 1) * n // size
    sampled[edges[:-1] + (offsets * np.diff(edges)).astype(np.int64)] = True
    return sampled


def sampled(examples: Examples, size: int, seed: int) -> Examples:
    """Return the examples with at most `size` to train blocks on, and as many held out; what is held out beyond that is dropped."""
    learning, held = np.flatnonzero(~examples.held_out), np.flatnonzero(examples.held_out)
    taken = np.zeros(len(examples.texts), dtype=bool)
    taken[learning] = sample(len(learning), size, seed)
    kept = np.sort(np.concatenate([learning, held[sample(len(held), size, seed)]]))
    marked = replace(examples, sampled=taken)
    return marked if len(kept) == len(taken) else marked.only(kept)
