"""Combinatorial purged cross-validation: how many splits and paths, what is purged, and what the paths find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from math import comb

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.bars import Bars
from quantlab.combinatorial import Paths, combinatorial_paths, design
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.errors import StrategyError, UsageError
from quantlab.executor import Done, Task
from quantlab.features import panel
from quantlab.folds import WalkForward
from quantlab.models import logistic_classifier, ridge_regressor
from quantlab.news import News
from quantlab.run import Settings
from quantlab.strategy import Strategy
from quantlab.target import Direction, ForwardReturn
from quantlab.weights import long_short

N_BARS, N_NAMES = 180, 8


def hint(bars: Bars) -> pd.DataFrame:
    """Return the number that the market of `planted` was made from."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(rng.normal(size=(N_BARS, N_NAMES))[: len(bars.times)], bars.times, bars.symbols)


def features(bars: Bars, news: News) -> pd.DataFrame:
    """One number per name and bar."""
    return panel(hint=hint(bars))


def planted(effect: float, seed: int = 0) -> Dataset:
    """Return a market in which the open-to-open return after bar t is `effect` times the hint of t, and noise."""
    rng = np.random.default_rng(seed)
    names = [f"S{k}" for k in range(N_NAMES)]
    told = hint(flat_bars(dict.fromkeys(names, [1.0] * N_BARS))).to_numpy()
    growth = rng.normal(scale=0.01, size=(N_BARS, N_NAMES))
    growth[2:] += effect * told[:-2]
    return Dataset(name="planted", bars=flat_bars(dict(zip(names, 100 * np.exp(np.cumsum(growth, axis=0)).T, strict=True))))


def strategy(**changes: object) -> Strategy:
    """Return a strategy of one feature and one coefficient, without costs."""
    parts = {"target": ForwardReturn(horizon=1), "model": ridge_regressor(), "folds": WalkForward(train=60, test=20), **changes}
    return Strategy(name="one_number", features=features, weights=long_short, costs=Costs(fee_bps=0.0, slippage_bps=0.0), **parts)


@pytest.fixture(scope="module")
def found() -> Paths:
    """Return the paths of the planted market."""
    return combinatorial_paths(strategy(), planted(0.01))


def test_six_groups_two_tested_are_fifteen_splits_and_five_paths() -> None:
    """CPCV(6, 2); each bar is tested in five of the splits, one for each path."""
    plan = design(60, 5)
    assert len(plan.splits) == 15
    assert plan.paths.shape == (5, 60)
    tested = np.zeros(60)
    for split in plan.splits:
        tested[split.test] += 1
    assert (tested == 5).all()
    for bar in range(60):
        assert sorted(plan.paths[:, bar]) == [number for number, split in enumerate(plan.splits) if bar in split.test]


@given(
    n_bars=st.integers(20, 80), horizon=st.integers(1, 12), embargo=st.integers(0, 6), n_groups=st.integers(2, 6), n_test=st.integers(1, 3)
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_no_label_of_a_training_bar_overlaps_a_label_of_a_test_bar(
    n_bars: int, horizon: int, embargo: int, n_groups: int, n_test: int
) -> None:
    """Bar t is judged on what lies from its close to the open of t + 1 + horizon: training bars stay clear of that on both sides."""
    if n_test >= n_groups:
        n_test = n_groups - 1
    plan = design(n_bars, horizon, embargo=embargo, n_groups=n_groups, n_test=n_test)
    assert len(plan.splits) == comb(n_groups, n_test)
    assert len(plan.paths) == comb(n_groups - 1, n_test - 1)
    for split in plan.splits:
        apart = np.abs(split.train[:, None] - split.test[None, :])
        assert (apart >= horizon + 1 + embargo).all()
        far = [bar for bar in range(n_bars) if np.abs(bar - split.test).min() >= horizon + 1 + embargo]
        assert split.train.tolist() == far  # and no more than that is left out


def test_what_a_split_leaves_out_by_hand() -> None:
    """Twenty bars in four groups, horizon 2, embargo 1: with bars 5 to 9 tested, 0 and 1 and 13 to 19 are learned from."""
    split = design(20, 2, embargo=1, n_groups=4, n_test=1).splits[1]
    assert split.test.tolist() == [5, 6, 7, 8, 9]
    assert split.train.tolist() == [0, 1, 13, 14, 15, 16, 17, 18, 19]


def test_every_path_is_a_signal_over_the_whole_span(found: Paths) -> None:
    """No row is missing, and the paths differ, because other models made them."""
    assert found.n_splits == 15
    assert found.signals.shape == (N_BARS * N_NAMES, 5)
    assert found.signals.notna().all(axis=None)
    assert found.signals.T.duplicated().sum() == 0


def test_a_row_is_predicted_by_a_model_that_never_saw_its_group() -> None:
    """By hand: the prediction of a path for a bar is that of the split which the design names."""
    dataset = planted(0.01)
    mine = strategy()
    paths = combinatorial_paths(mine, dataset, n_groups=4, n_test=2)
    plan = design(N_BARS, 1, n_groups=4, n_test=2)
    X, y = features(dataset.bars, dataset.news), mine.target(dataset.bars)
    times = dataset.bars.times
    for path, bar in ((0, 0), (1, 70), (2, 179)):
        split = plan.splits[plan.paths[path, bar]]
        known = y[y.index.get_level_values(0).isin(times[split.train])].dropna()
        model = ridge_regressor().fit(X.loc[known.index], known)
        expected = model.predict(X.loc[[times[bar]]])
        assert paths.signals[path].loc[times[bar]].to_numpy() == pytest.approx(expected)


def test_the_paths_find_what_is_planted(found: Paths) -> None:
    """All five earn, and rank the names rightly."""
    assert list(found.table.columns) == ["sharpe", "ic_mean", "total_return"]
    assert (found.table["ic_mean"] > 0.3).all()
    assert (found.table["sharpe"] > 3).all()
    assert (found.table["total_return"] > 0.5).all()


def test_on_a_null_market_the_paths_straddle_nothing() -> None:
    """Without an effect some paths win and some lose."""
    table = pd.concat([combinatorial_paths(strategy(), planted(0.0, seed), n_groups=4).table for seed in range(3)])
    assert table["ic_mean"].min() < 0 < table["ic_mean"].max()
    assert table["sharpe"].min() < 0 < table["sharpe"].max()
    assert table["ic_mean"].abs().max() < 0.15


def elsewhere(function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
    """Do each task as another process would: with what comes out of the bytes that it was sent."""
    for task in tasks:
        sent = cloudpickle.dumps((function, task))
        far_function, far_task = cloudpickle.loads(sent)
        yield far_function(far_task)


def test_another_process_gives_the_same_bytes(found: Paths) -> None:
    """The executor changes how long it takes, never what comes out."""
    again = combinatorial_paths(strategy(), planted(0.01), Settings(executor=elsewhere))
    pd.testing.assert_frame_equal(again.signals, found.signals, check_exact=True)
    pd.testing.assert_frame_equal(again.table, found.table, check_exact=True)


def test_the_end_of_the_settings_cuts_the_data() -> None:
    """What lies after the end is not read."""
    dataset = planted(0.01)
    end = dataset.bars.times[119]
    whole = combinatorial_paths(strategy(), dataset, Settings(end=end))
    cut = combinatorial_paths(strategy(), dataset.until(end))
    pd.testing.assert_frame_equal(whole.signals, cut.signals)
    assert whole.signals.index.get_level_values(0).max() == end


def test_a_classifier_signals_by_its_classes() -> None:
    """P(up) - P(down), within -1 and 1; a target that is no direction is refused."""
    up_or_down = strategy(model=logistic_classifier(), target=Direction(horizon=1, lower=0.0, upper=0.0))
    paths = combinatorial_paths(up_or_down, planted(0.01), n_groups=3, n_test=1)
    assert paths.signals.abs().max(axis=None) <= 1.0
    assert paths.table["ic_mean"].item() > 0.3
    with pytest.raises(StrategyError, match="classifier needs the labels"):
        combinatorial_paths(strategy(model=logistic_classifier()), planted(0.01))


def test_what_cannot_be_is_refused() -> None:
    """Groups that do not fit, and a split whose purge leaves nothing."""
    with pytest.raises(UsageError, match="n_test must be at least 1 and less than n_groups"):
        design(60, 1, n_groups=3, n_test=3)
    with pytest.raises(UsageError, match="11 bars cannot be cut into 6 groups"):
        design(11, 1)
    with pytest.raises(StrategyError, match="no labelled row to learn from"):
        combinatorial_paths(strategy(target=ForwardReturn(horizon=100)), planted(0.01))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """purgedcv is an option."""
    monkeypatch.setitem(sys.modules, "purgedcv", None)
    with pytest.raises(UsageError, match="pip install purgedcv"):
        design(60, 1)
