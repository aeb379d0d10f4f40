"""The split: proportional and random, or by time and purged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantlab.errors import DataError, UsageError
from quantlab.finetune import Examples, split

NONE = pd.Timedelta(0)


def examples(classes: list[int], times: pd.DatetimeIndex | None = None) -> Examples:
    """Return examples of these classes."""
    n_classes = max(classes) + 1
    texts = tuple(f"text {row}" for row in range(len(classes)))
    return Examples("classes", tuple("abcdef"[:n_classes]), texts, np.eye(n_classes)[classes], times, len(classes), {})


def daily(n: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    """Return n days."""
    return pd.date_range(start, periods=n, freq="D", tz="UTC").as_unit("us")


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_tested_in_proportion(seed: int) -> None:
    """50, 30 and 20 rows: 10, 6 and 4 in the test, give or take one; nothing is lost and nothing in both."""
    given = examples([0] * 50 + [1] * 30 + [2] * 20)
    found = split(given, test_share=0.2, horizon=NONE, seed=seed)
    assert np.abs(given.target[found.test].sum(axis=0) - [10, 6, 4]).max() <= 1
    assert sorted([*found.train, *found.test]) == list(range(100))
    assert len(found.test) in (20, 21)
    again = split(given, test_share=0.2, horizon=NONE, seed=seed)
    assert (again.test == found.test).all()
    assert (split(given, test_share=0.2, horizon=NONE, seed=seed + 1).test != found.test[: len(found.test)]).any()


def test_combinations_of_flags_and_stretches_of_numbers_are_tested_in_proportion() -> None:
    """Of 20 rows with both flags 4 are tested; of numbers in order every fifth."""
    flags = np.array([[1, 1]] * 20 + [[1, 0]] * 40 + [[0, 0]] * 40, dtype=float)
    texts = tuple(map(str, range(100)))
    both = Examples("multilabel", ("a", "b"), texts, flags, None, 100, {})
    found = split(both, test_share=0.2, horizon=NONE, seed=0)
    assert abs((flags[found.test].sum(axis=1) == 2).sum() - 4) <= 1
    numbers = Examples("number", (), texts, np.random.default_rng(0).normal(size=(100, 1)), None, 100, {})
    ranks = np.sort(np.argsort(np.argsort(numbers.target[:, 0]))[split(numbers, test_share=0.2, horizon=NONE, seed=0).test])
    assert (np.diff(ranks) == 5).all()


def test_the_last_rows_are_the_test_and_what_is_not_settled_before_it_is_purged() -> None:
    """Ten days: the last two are tested; a label that takes two days is known in time only for the first six."""
    given = examples([0, 1] * 5, daily(10))
    found = split(given, test_share=0.2, horizon=NONE, seed=0)
    assert (found.train.tolist(), found.test.tolist(), found.purged) == (list(range(8)), [8, 9], 0)
    assert found.cut == daily(10)[8]
    found = split(given, test_share=0.2, horizon=pd.Timedelta("2D"), seed=0)
    assert (found.train.tolist(), found.test.tolist(), found.purged) == (list(range(6)), [8, 9], 2)
    assert found.settled == daily(10)[7]
    assert found.facts()["kind"] == "chronological, purged"


def test_rows_of_one_instant_stay_together() -> None:
    """The cut falls between instants, never within one."""
    times = daily(5).repeat(4)
    found = split(examples([0, 1] * 10, times), test_share=0.3, horizon=NONE, seed=0)
    assert found.test.tolist() == list(range(12, 20))
    assert times[found.train].max() < times[found.test].min()


def test_labels_that_training_has_not_are_refused() -> None:
    """Class c comes up in the last days alone; before them there is but one class."""
    with pytest.raises(DataError, match=r"training part has not: 'c' \(2 rows\)"):
        split(examples([0, 1] * 4 + [2, 2], daily(10)), test_share=0.2, horizon=NONE, seed=0)
    with pytest.raises(DataError, match="'b'"):
        split(examples([0] * 8 + [0, 1], daily(10)), test_share=0.2, horizon=NONE, seed=0)


def test_values_out_of_range_are_refused() -> None:
    """Shares, horizons, and parts that are left empty."""
    given = examples([0, 1] * 5, daily(10))
    with pytest.raises(UsageError, match="between 0 and 1"):
        split(given, test_share=1.0, horizon=NONE, seed=0)
    with pytest.raises(UsageError, match="in the past"):
        split(given, test_share=0.2, horizon=pd.Timedelta("-1D"), seed=0)
    with pytest.raises(UsageError, match="--time"):
        split(examples([0, 1] * 5), test_share=0.2, horizon=pd.Timedelta("1D"), seed=0)
    with pytest.raises(DataError, match="0 rows are left for training"):
        split(given, test_share=0.2, horizon=pd.Timedelta("30D"), seed=0)
