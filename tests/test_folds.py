"""Folds: windows, purge and embargo, against the obvious loop."""

from __future__ import annotations

from itertools import pairwise

import pytest
from conftest import closes
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.errors import UsageError
from quantlab.folds import Fold, WalkForward

TIMES = closes(20)


def positions(folds: WalkForward, horizon: int, n: int = 20) -> list[tuple[int, int, int, int, bool]]:
    """Return the folds as bar numbers."""
    number = {time: position for position, time in enumerate(closes(n))}
    return [
        (number[f.train_start], number[f.train_end], number[f.test_start], number[f.test_end], f.partial)
        for f in folds.split(closes(n), horizon)
    ]


def test_rolling_folds_by_hand() -> None:
    """Train 6, test 5, horizon 2: the last training bar is 3 bars before the first test bar; the last window is cut short."""
    assert positions(WalkForward(train=6, test=5), 2) == [(0, 5, 8, 12, False), (5, 10, 13, 17, False), (10, 15, 18, 19, True)]


def test_expanding_folds_start_at_the_first_bar() -> None:
    """train=None keeps all of the past."""
    assert positions(WalkForward(train=None, test=5, min_train=6), 2) == [
        (0, 5, 8, 12, False),
        (0, 10, 13, 17, False),
        (0, 15, 18, 19, True),
    ]


def test_embargo_widens_the_gap() -> None:
    """Two bars of embargo on top of the purge."""
    assert positions(WalkForward(train=6, test=12, embargo=2), 2)[0] == (0, 5, 10, 19, True)


def test_min_train_lets_the_first_test_begin_earlier() -> None:
    """The first window may be shorter than `train`, but not than `min_train`."""
    assert positions(WalkForward(train=10, test=8, min_train=4), 1)[0] == (0, 3, 5, 12, False)


@given(st.integers(2, 15), st.integers(1, 9), st.integers(0, 3), st.integers(1, 6), st.booleans())
@settings(deadline=None, derandomize=True, max_examples=150)
def test_no_training_label_reaches_into_the_test(train: int, test: int, embargo: int, horizon: int, expanding: bool) -> None:
    """The label of bar t ends at the open of t+1+horizon, which must not come after the bar of the first decision."""
    folds = WalkForward(train=None if expanding else train, test=test, embargo=embargo, min_train=train)
    found = positions(folds, horizon, 60)
    for train_start, train_end, test_start, test_end, partial in found:
        assert train_end + 1 + horizon + embargo == test_start  # neither a leak nor a bar given away
        assert train_end - train_start + 1 >= train
        assert partial == (test_end - test_start + 1 < test)
    assert found[-1][3] == 59
    assert all(before[3] + 1 == after[2] for before, after in pairwise(found))


def test_too_few_bars_is_a_usage_error_that_says_what_to_do() -> None:
    """Not an empty list of folds; one bar more, and there is a fold of one test bar."""
    with pytest.raises(UsageError, match=r"20 bars are too few.*min_train"):
        list(WalkForward(train=18, test=5).split(TIMES, 5))
    with pytest.raises(UsageError, match=r"20 bars are too few for one fold: min_train 15 \+ horizon 5 \+ 1 \+ embargo 0 leaves nothing"):
        list(WalkForward(train=15, test=5).split(TIMES, 5))
    assert positions(WalkForward(train=14, test=5), 5) == [(0, 13, 19, 19, True)]


@pytest.mark.parametrize("train", [None, 504, 100])
def test_the_first_test_comes_after_a_year_or_the_whole_window(train: int | None) -> None:
    """Without min_train: 252 bars, or `train` if that is less."""
    assert positions(WalkForward(train=train, test=500), 1, 300)[0][:3] == (0, min(252, train or 252) - 1, min(252, train or 252) + 1)


@pytest.mark.parametrize(
    "wrong",
    [{"train": 1}, {"test": 0}, {"embargo": -1}, {"train": 10, "min_train": 11}, {"test": 2.5}, {"test": True}, {"train": None, "test": 0}],
)
def test_impossible_windows_are_refused(wrong: dict[str, object]) -> None:
    """Each is named with its value."""
    with pytest.raises(UsageError, match="WalkForward"):
        WalkForward(**wrong)  # type: ignore[arg-type]  # the point of the test


def test_a_fold_that_trains_on_its_test_is_refused() -> None:
    """The noun itself holds the order of its instants; a window of one bar is one."""
    assert Fold(TIMES[5], TIMES[5], TIMES[6], TIMES[6]).partial is False
    with pytest.raises(UsageError, match="train before it tests"):
        Fold(TIMES[0], TIMES[5], TIMES[5], TIMES[8])
