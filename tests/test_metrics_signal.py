"""Rank correlation, quantiles and persistence of the signal against hand-worked cases, obvious loops and a Monte Carlo study."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pandas as pd
import pytest
from conftest import random_bars
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_case import rows, series
from scipy.signal import lfilter
from scipy.stats import spearmanr

from quantlab import metrics
from quantlab.errors import UsageError
from quantlab.target import ForwardReturn


def test_information_coefficient_by_hand() -> None:
    """Same order +1, reversed -1, one swap of three +.5; NaN for two names, a constant, or an unknown target."""
    signal = rows([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2], [5, 5, 5], [1, 2, 3])
    target = rows([4, 5, 9], [3, 2, 1], [1, 3, 2], [1, 2], [1, 2, 3], [1, 2, math.nan])
    coefficient = metrics.information_coefficient(signal, target)
    assert coefficient.iloc[:3].tolist() == pytest.approx([1.0, -1.0, 0.5])
    assert coefficient.iloc[3:].isna().all()
    assert coefficient.index.equals(signal.index.get_level_values(0).unique())
    assert coefficient.name == "ic"


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=8), min_size=1, max_size=5))
def test_information_coefficient_matches_scipy(sessions: list[list[tuple[int, int]]]) -> None:
    """Session by session it is scipy's Spearman, ties and all."""
    signal = rows(*[[float(a) for a, _ in session] for session in sessions])
    target = rows(*[[float(b) for _, b in session] for session in sessions])
    expected = [
        math.nan if len({a for a, _ in s}) == 1 or len({b for _, b in s}) == 1 else spearmanr(*zip(*s, strict=True)).statistic
        for s in sessions
    ]
    assert metrics.information_coefficient(signal, target).tolist() == pytest.approx(expected, nan_ok=True)


def test_newey_west_vector() -> None:
    """Twelve values with three lags: standard error .00497292, t 3.351485."""
    values = series(0.02, 0.05, -0.01, 0.03, 0.04, -0.02, 0.01, 0.06, 0, 0.02, 0.03, -0.03)
    t = metrics.newey_west_t(values, 3)
    assert t == pytest.approx(3.351485, abs=1e-6)
    assert values.mean() / t == pytest.approx(0.00497292, abs=1e-8)
    assert metrics.newey_west_t(pd.concat([values, series(math.nan, start="2021-01-01")]), 3) == t


def test_newey_west_without_lags_and_without_variation() -> None:
    """Lag 0 is the plain t-test (ddof 0); a constant series has none; more lags than values are as many as there are."""
    values = series(1.0, 2.0, 3.0, 4.0)
    assert metrics.newey_west_t(values, 0) == pytest.approx(2.5 / math.sqrt(1.25 / 4))
    assert math.isnan(metrics.newey_west_t(series(1, 1, 1), 1))
    assert math.isnan(metrics.newey_west_t(series(), 1))
    assert metrics.newey_west_t(values, 99) == metrics.newey_west_t(values, 3)
    assert metrics.newey_west_t(values, 3) != metrics.newey_west_t(values, 2)
    assert metrics.newey_west_t(series(0, 1), 0) == pytest.approx(0.5 / math.sqrt(0.25 / 2))
    assert metrics.newey_west_t(series(2, 4, 2, 4), 1) == pytest.approx(3 * 4 / math.sqrt(4 - 2 * 0.5 * 3))


def test_overlapping_labels_fool_the_naive_test() -> None:
    """Signals of AR(.95) without any skill, labels over five bars: the plain t-test rejects a third of the worlds, not 5%."""
    n_worlds, n_times, n_names, horizon = 200, 252, 6, 5
    random = np.random.default_rng(0)
    signal = lfilter([1.0], [1.0, -0.95], random.normal(size=(n_worlds, n_times + 100, n_names)), axis=1)[:, 100:]
    price = np.cumsum(random.normal(size=(n_worlds, n_times + horizon, n_names)), axis=1)
    label = price[:, horizon:] - price[:, :-horizon]
    index = pd.MultiIndex.from_product([range(n_worlds * n_times), range(n_names)])
    ic = metrics.information_coefficient(pd.Series(signal.ravel(), index), pd.Series(label.ravel(), index))
    worlds = [pd.Series(world) for world in ic.to_numpy().reshape(n_worlds, n_times)]

    def rejected(lag: int) -> float:
        return float(np.mean([abs(metrics.newey_west_t(world, lag)) > 1.96 for world in worlds]))

    assert rejected(0) > 0.25
    assert 0.02 < rejected(metrics.overlap_lags(horizon)) < 0.12


def test_ic_summary_by_hand() -> None:
    """.1 .3 -.1 .1: mean .1, deviation .163 (ddof 1), ratio .612, t without lags .1 / sqrt(.02 / 4), three of four positive."""
    found = metrics.ic_summary(series(0.1, 0.3, math.nan, -0.1, 0.1), 0)
    assert (found.n, found.mean, found.positive) == (4, pytest.approx(0.1), 0.75)
    assert found.std == pytest.approx(math.sqrt(0.08 / 3))
    assert found.ir == pytest.approx(0.1 / math.sqrt(0.08 / 3))
    assert found.t == pytest.approx(0.1 / math.sqrt(0.02 / 4))
    nothing = metrics.ic_summary(series(math.nan), 3)
    assert nothing.n == 0
    assert all(math.isnan(value) for value in (nothing.mean, nothing.std, nothing.ir, nothing.t, nothing.positive))
    assert math.isnan(metrics.ic_summary(series(0.2, 0.2), 1).ir)


def test_an_ic_of_nothing_is_not_positive_and_one_session_has_no_spread() -> None:
    """0.1, 0 and 0.2: two of three; the deviation of two is theirs, of one is unknown."""
    assert metrics.ic_summary(series(0.1, 0.0, 0.2), 1).positive == pytest.approx(2 / 3)
    two, one = metrics.ic_summary(series(0.1, 0.3), 0), metrics.ic_summary(series(0.1), 0)
    assert (two.std, two.ir) == pytest.approx((math.sqrt(0.02), 0.2 / math.sqrt(0.02)))
    assert (one.n, one.mean, one.positive) == (1, 0.1, 1.0)
    assert all(math.isnan(value) for value in (one.std, one.ir, one.t))


def test_ic_summary_corrects_for_overlap() -> None:
    """Its t is Newey and West's with the lags given."""
    values = series(0.02, 0.05, -0.01, 0.03, 0.04, -0.02, 0.01, 0.06, 0, 0.02, 0.03, -0.03)
    assert metrics.ic_summary(values, 3).t == pytest.approx(3.351485, abs=1e-6)


def test_ic_decay_over_horizons() -> None:
    """A signal that knows the next bar ranks it perfectly, and longer spans less and less; each t has the lags of its horizon."""
    bars = random_bars(60, 8)
    targets = {h: ForwardReturn(h)(bars) for h in (5, 1, 2)}
    table = metrics.ic_decay(targets[1], targets)
    assert table.index.tolist() == [1, 2, 5]
    assert table["mean"].iloc[0] == 1.0
    assert table["mean"].is_monotonic_decreasing
    ic = metrics.information_coefficient(targets[1], targets[5])
    assert table.loc[5, "t"] == metrics.newey_west_t(ic, 10)
    assert table.loc[5, ["n", "mean", "std", "ir", "positive"]].tolist() == pytest.approx(
        [54, ic.mean(), ic.std(), ic.mean() / ic.std(), (ic.dropna() > 0).mean()]
    )
    assert (table.index.name, list(table.columns)) == ("horizon", ["n", "mean", "std", "ir", "t", "positive"])
    none = metrics.ic_decay(targets[1], {})
    assert none.empty
    assert list(none.columns) == list(table.columns)
    with pytest.raises(UsageError, match="horizon must be a whole number >= 1, not 0"):
        metrics.ic_decay(targets[1], {0: targets[1]})


def test_quantile_returns_by_hand() -> None:
    """Four names in two halves; tied names stay together; too few names, or one signal for all, is unknown."""
    signal = rows([1, 2, 3, 4], [0, 0, 0, 1], [5, 5, 5, 5], [1], [2, 1])
    target = rows([0.01, 0.02, 0.03, 0.05], [0.01, 0.02, 0.03, 0.05], [1, 1, 1, 1], [1], [0.1, math.nan])
    table = metrics.quantile_returns(signal, target, n_quantiles=2)
    assert table.columns.tolist() == [1, 2]
    assert table.iloc[0].tolist() == pytest.approx([0.015, 0.04])
    assert table.iloc[1].tolist() == pytest.approx([0.02, 0.05])
    assert table.iloc[2:].isna().all(axis=None)
    assert len(table) == 5
    assert metrics.quantile_returns(signal, target, n_quantiles=5).isna().all(axis=None)
    assert metrics.quantile_spread(table).iloc[:2].tolist() == pytest.approx([0.025, 0.03])
    assert (table.columns.name, metrics.quantile_spread(table).name) == ("quantile", "spread")
    assert metrics.quantile_returns(signal, target).columns.tolist() == [1, 2, 3, 4, 5]


def test_a_quantile_that_ties_leave_empty_is_there_without_a_value() -> None:
    """Two low and two high signals in three parts: nobody is in the middle; the spread is of the ends."""
    table = metrics.quantile_returns(rows([1, 1, 2, 2]), rows([0.1, 0.3, 0.5, 0.9]), n_quantiles=3)
    assert table.iloc[0].tolist() == pytest.approx([0.2, math.nan, 0.7], nan_ok=True)
    assert metrics.quantile_spread(table).tolist() == pytest.approx([0.5])


def test_the_number_of_quantiles_is_checked() -> None:
    """One part is none."""
    signal = target = rows([1, 2, 3])
    with pytest.raises(UsageError, match="n_quantiles must be a whole number >= 2, not 1"):
        metrics.quantile_returns(signal, target, n_quantiles=1)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(1, 3), st.randoms(use_true_random=False))
def test_quantiles_of_distinct_signals_are_equal_parts(n_quantiles: int, n_each: int, random: Random) -> None:
    """Sorted by signal and cut into equal parts, as one would by hand."""
    n = n_quantiles * n_each
    order = random.sample(range(n), n)
    outcome = [random.random() for _ in range(n)]
    index = pd.MultiIndex.from_product([pd.DatetimeIndex(["2020-01-01"], tz="UTC"), range(n)])
    table = metrics.quantile_returns(pd.Series(order, index, dtype=float), pd.Series(outcome, index), n_quantiles=n_quantiles)
    by_signal = np.array(outcome)[np.argsort(order)]
    assert table.iloc[0].tolist() == pytest.approx([part.mean() for part in np.array_split(by_signal, n_quantiles)])


def test_quantile_summary_by_hand() -> None:
    """The average over sessions of each quantile, and of the top less the bottom, with the t of the mean."""
    per_session = pd.DataFrame({1: [0.0, 0.2, math.nan], 2: [0.1, 0.5, 0.3]})
    table = metrics.quantile_summary(per_session, 0)
    assert table.index.tolist() == [1, 2, "spread"]
    assert (table.index.name, table.index.dtype) == ("quantile", np.dtype(object))
    assert table["mean"].tolist() == pytest.approx([0.1, 0.3, 0.2])
    assert table["n"].tolist() == [2, 3, 2]
    assert table.loc["spread", "t"] == pytest.approx(0.2 / math.sqrt(0.01 / 2))
    longer = pd.DataFrame({1: [0.0] * 6, 2: [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]})
    assert metrics.quantile_summary(longer, 2).loc["spread", "t"] == metrics.newey_west_t(longer[2], 2)


def test_rank_autocorrelation_by_hand() -> None:
    """The same order again is 1, the reverse -1; the first session has nothing before it; only names that have both count."""
    signal = rows([1, 2, 3], [2, 5, 9], [3, 2, 1], [4, 2, 1, 0])
    assert metrics.rank_autocorrelation(signal).tolist() == pytest.approx([math.nan, 1, -1, 1], nan_ok=True)
    assert metrics.rank_autocorrelation(signal).name == "rank_autocorrelation"
    assert metrics.rank_autocorrelation(signal, lag=2).tolist() == pytest.approx([math.nan, math.nan, -1, -1], nan_ok=True)
    with pytest.raises(UsageError, match="lag must be a whole number >= 1, not -1"):
        metrics.rank_autocorrelation(signal, lag=-1)


def test_pooled_ic_by_hand() -> None:
    """One name over four sessions: 1 2 3 4 against 1 2 4 3 is a rank correlation of .8; per session there is none."""
    signal, target = rows([1], [2], [3], [4], [9]), rows([1], [2], [4], [3], [math.nan])
    sums = metrics.session_rank_sums(signal, target)
    assert metrics.pooled_ic(sums) == pytest.approx(0.8)
    assert metrics.information_coefficient(signal, target).isna().all()
    assert sums.index.equals(signal.index.get_level_values(0))
    assert sums.iloc[-1].tolist() == [0.0] * 6
    assert sums.iloc[:4].to_numpy() == pytest.approx(  # ranks 1 2 3 4 of 5 about the middle: -.3 -.1 .1 .3
        np.array([[1, a, b, a * a, b * b, a * b] for a, b in [(-0.3, -0.3), (-0.1, -0.1), (0.1, 0.3), (0.3, 0.1)]])
    )
    falling = [
        metrics.session_rank_sums(rows(*[[float(k)] for k in range(n)]), rows(*[[float(-k)] for k in range(n)])) for n in range(3, 80)
    ]
    assert {metrics.pooled_ic(one) for one in falling} <= {-1.0, np.nextafter(-1.0, 0.0), np.nextafter(np.nextafter(-1.0, 0.0), 0.0)}
    assert math.isnan(metrics.pooled_ic(metrics.session_rank_sums(rows([1, 2]), rows([1, 2]))))
    assert math.isnan(metrics.pooled_ic(metrics.session_rank_sums(rows([7, 7, 7, 7]), rows([1, 2, 3, 4]))))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=3), min_size=3, max_size=12))
def test_pooled_ic_matches_scipy_and_resampled_rows(sessions: list[list[tuple[int, int]]]) -> None:
    """Over all rows it is scipy's Spearman; over sessions drawn again it is the correlation of the drawn rows' ranks."""
    signal, target = (rows(*[[float(pair[k]) for pair in session] for session in sessions]) for k in (0, 1))
    sums = metrics.session_rank_sums(signal, target)
    varies = signal.nunique() > 1 and target.nunique() > 1
    expected = spearmanr(signal.to_numpy(), target.to_numpy()).statistic if varies else math.nan
    assert metrics.pooled_ic(sums) == pytest.approx(expected, nan_ok=True)
    drawn = [0, 0, *range(1, len(sessions) - 1)]
    ranks = pd.DataFrame({"a": signal.rank(), "b": target.rank()})
    taken = np.concatenate([np.flatnonzero(signal.index.get_level_values(0) == sums.index[k]) for k in drawn])
    a, b = ranks["a"].to_numpy()[taken], ranks["b"].to_numpy()[taken]
    known = len(taken) >= 3 and np.ptp(a) > 0 and np.ptp(b) > 0
    resampled = np.corrcoef(a, b)[0, 1] if known else math.nan
    assert metrics.pooled_ic(sums.iloc[drawn]) == pytest.approx(resampled, nan_ok=True)


def test_many_resamples_at_once() -> None:
    """Totals of shape (n_resamples, 6) give one correlation each: that of the drawn rows' ranks among all rows."""
    signal, target = rows([1, 4], [2, 3], [5, 6]), rows([2, 3], [1, 4], [6, 5])
    sums = metrics.session_rank_sums(signal, target)
    draws = np.array([[0, 1, 2], [0, 0, 1]])
    found = metrics.correlation_of_sums(sums.to_numpy()[draws].sum(axis=1))
    assert found.tolist() == pytest.approx([metrics.pooled_ic(sums.iloc[draw]) for draw in draws])
    assert found[1] == pytest.approx(np.corrcoef([1, 4, 1, 4, 2, 3], [2, 3, 2, 3, 1, 4])[0, 1])


def test_inputs_are_left_alone() -> None:
    """No metric of a signal changes what it is given."""
    signal, target = rows([3, 1, 2], [1, 2, 2]), rows([1, 2, math.nan], [0.1, -0.1, 0.2])
    before = signal.copy(), target.copy()
    metrics.information_coefficient(signal, target), metrics.quantile_returns(signal, target, n_quantiles=2)
    metrics.rank_autocorrelation(signal), metrics.session_rank_sums(signal, target), metrics.session_hits(signal, target)
    pd.testing.assert_series_equal(signal, before[0])
    pd.testing.assert_series_equal(target, before[1])
