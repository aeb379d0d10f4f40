"""Folds and labels together: what a model learns from was over before it is asked."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from conftest import closes, random_bars
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantlab.bars import Bars
from quantlab.errors import UsageError
from quantlab.folds import WalkForward
from quantlab.target import Direction, ForwardReturn, TripleBarrier

BARS = random_bars(40, 2, seed=5)
TARGETS = [ForwardReturn, lambda horizon: Direction(horizon, neutral="keep"), lambda horizon: TripleBarrier(horizon, 1.0, 1.0, 3)]

windows = st.builds(
    WalkForward,
    train=st.one_of(st.none(), st.integers(6, 20)),
    test=st.integers(1, 9),
    embargo=st.integers(0, 3),
    min_train=st.integers(2, 6),
)
horizons = st.integers(1, 6)


@given(windows, horizons, st.sampled_from(TARGETS))
@settings(max_examples=20)
def test_training_labels_need_nothing_after_the_first_decision(
    folds: WalkForward, horizon: int, target: Callable[[int], Callable[[Bars], pd.Series]]
) -> None:
    """Computed from the bars up to the first test bar alone, the labels of the training window are those of the whole data."""
    whole = target(horizon)(BARS)
    for fold in folds.split(BARS.times, horizon):
        then = target(horizon)(BARS.between(end=fold.test_start))
        pd.testing.assert_series_equal(then.loc[fold.train_start : fold.train_end], whole.loc[fold.train_start : fold.train_end])


@given(windows, horizons, st.integers(1, 40))
@settings(max_examples=100)
def test_later_bars_change_no_earlier_fold(folds: WalkForward, horizon: int, n: int) -> None:
    """The folds of the first n bars are those of all bars; only the last of them may be cut short by the end of the data."""
    times = closes(40)
    whole = list(folds.split(times, horizon))
    try:
        early = list(folds.split(times[:n], horizon))
    except UsageError:
        assert times[n - 1] < whole[0].test_start
        return
    assert early[:-1] == whole[: len(early) - 1]
    last, same = early[-1], whole[len(early) - 1]
    assert (last.train_start, last.train_end, last.test_start) == (same.train_start, same.train_end, same.test_start)
    assert last.test_end == min(same.test_end, times[n - 1])


@given(windows, horizons)
@settings(max_examples=100)
def test_every_bar_is_tested_once_from_the_first_that_can_be(folds: WalkForward, horizon: int) -> None:
    """The first test bar is the first with `min_train` bars behind the gap; every later bar is tested in just one fold."""
    times = closes(40)
    tested = [time for fold in folds.split(times, horizon) for time in times[(times >= fold.test_start) & (times <= fold.test_end)]]
    assert tested == list(times[folds.min_train - 1 + horizon + 1 + folds.embargo :])


@given(windows, horizons)
@settings(max_examples=100)
def test_training_windows_are_as_long_as_they_can_be(folds: WalkForward, horizon: int) -> None:
    """All bars up to the gap, or the last `train` of them."""
    number = {time: place for place, time in enumerate(closes(40))}
    for fold in folds.split(closes(40), horizon):
        end = number[fold.test_start] - (horizon + 1 + folds.embargo)
        assert number[fold.train_end] == end
        assert number[fold.train_start] == (0 if folds.train is None else max(0, end - folds.train + 1))


@given(windows, horizons)
@settings(max_examples=15)
def test_one_bar_of_less_gap_would_leak(folds: WalkForward, horizon: int) -> None:
    """The purge gives nothing away: without an embargo, the label of the very next bar is not known at the first decision."""
    assume(folds.embargo == 0)
    for fold in folds.split(BARS.times, horizon):
        place = BARS.times.get_loc(fold.train_end) + 1
        then = ForwardReturn(horizon)(BARS.between(end=fold.test_start))
        assert then.loc[BARS.times[place]].isna().all()
        assert then.loc[BARS.times[place - 1]].notna().all()


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_embargo_comes_on_top_of_the_purge(horizon: int) -> None:
    """Three bars of embargo end the training three bars earlier, for the same test."""
    plain, wider = (next(WalkForward(train=None, test=5, min_train=10 + 3 - e, embargo=e).split(BARS.times, horizon)) for e in (0, 3))
    assert plain.test_start == wider.test_start
    assert BARS.times.get_loc(plain.train_end) - BARS.times.get_loc(wider.train_end) == 3
