"""ClusterRule: rows grouped by their news, each group bought, sold or left alone as its past says."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import closes
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from quantlab.errors import UsageError
from quantlab.text.clusters import ClusterRule, _t_statistic


@parametrize_with_checks([ClusterRule()])
def test_it_keeps_the_contract_of_scikit_learn(estimator: ClusterRule, check: object) -> None:
    """All checks of scikit-learn pass; none is expected to fail."""
    check(estimator)


def planted(seed: int = 0, n_sessions: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """Return three tight groups of rows with returns of +1%, -1% and noise, and rows without news that crash."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([closes(n_sessions), list("ABCDEFGHIJKL")], names=["time", "symbol"])
    group = np.tile(np.repeat([0, 1, 2, 3], 3), n_sessions)
    centre = np.array([[1, 0, 0.5], [0, 1, 0], [0.5, 0.5, -0.5], [0, 0, 0]])
    X = centre[group] + rng.normal(0, 0.02, (len(group), 3)) * (group < 3)[:, None]
    y = np.array([0.01, -0.01, 0, -0.5])[group] + rng.normal(0, 0.02, len(group))
    return pd.DataFrame(X, index, ["topic_0", "topic_1", "sentiment_tone"]), pd.Series(y, index)


def test_planted_groups_are_bought_sold_and_left_alone() -> None:
    """The good group is bought, the bad one sold, the noise left; rows without news are 0 although their past is awful."""
    X, y = planted()
    rule = ClusterRule(3, t_threshold=3.0).fit(X, y)
    np.testing.assert_array_equal(rule.predict(X), np.tile(np.repeat([1, -1, 0, 0], 3), 60))
    assert sorted(rule.position_) == [-1, 0, 1]


def test_the_threshold_decides_what_is_traded() -> None:
    """No t-statistic reaches 1000; every one reaches 0, and yet rows without news are left alone."""
    X, y = planted()
    assert not ClusterRule(3, t_threshold=1000).fit(X, y).predict(X).any()
    every = ClusterRule(3, t_threshold=0).fit(X, y)
    assert np.abs(every.position_).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(every.predict(X) != 0, X.any(axis=1))


def test_t_statistic_by_hand() -> None:
    """Two sessions of two equal labels each, 3 and 1: mean 2, residual sums +2 and -2, so t = 2 * 4 / sqrt(8)."""
    y, sessions, everyone = np.array([3.0, 3, 1, 1]), np.array([0, 0, 1, 1]), np.ones(4, dtype=bool)
    assert _t_statistic(y, everyone, sessions, 0) == pytest.approx(8 / np.sqrt(8))
    assert _t_statistic(y, everyone, np.arange(4), 0) == pytest.approx(8 / np.sqrt(4)), "as if rows were independent"


def test_t_statistic_by_hand_with_overlapping_labels() -> None:
    """Residuals 1, 1, -1, -1 at one lag: variance 4 + 2 * 1/2 * (1 - 1 + 1) = 5; the session apart has none of the group."""
    y, sessions = np.array([3.0, 3, 1, 1, 9]), np.arange(5)
    group = np.array([True, True, True, True, False])
    assert _t_statistic(y, group, sessions, 1) == pytest.approx(8 / np.sqrt(5))


def test_the_horizon_is_the_number_of_lags() -> None:
    """A horizon of 3 bars lets labels three sessions apart overlap; None lets none."""
    X, y = planted()
    sessions, everyone = np.repeat(np.arange(60), 12), X.any(axis=1).to_numpy()
    for horizon, lags in ((None, 0), (3, 3)):
        assert ClusterRule(1, horizon=horizon).fit(X, y).t_[0] == _t_statistic(y.to_numpy(), everyone, sessions, lags)


def test_copies_of_a_row_prove_nothing_more() -> None:
    """Twenty copies of every name in its session leave t as it was: the sessions count, not the rows."""
    X, y = planted()
    once = ClusterRule(3).fit(X, y)
    copied = ClusterRule(3).fit(pd.concat([X] * 20), pd.concat([y] * 20))
    np.testing.assert_allclose(np.sort(copied.t_), np.sort(once.t_), rtol=1e-6)


def test_one_session_or_equal_labels_tell_nothing() -> None:
    """Without a spread over at least two sessions there is no t-statistic, and no position."""
    everyone = np.ones(3, dtype=bool)
    assert _t_statistic(np.array([-0.7, 0.3, 0.2, 0.2]), np.ones(4, dtype=bool), np.zeros(4, dtype=int), 0) == 0
    assert _t_statistic(np.full(3, 0.1), everyone, np.arange(3), 0) == 0


def test_the_past_alone_decides() -> None:
    """The mapping is learned in fit: other rows to predict, and other companions, change nothing."""
    X, y = planted()
    rule = ClusterRule(3).fit(X, y)
    whole = rule.predict(X)
    np.testing.assert_array_equal(rule.predict(X[::-1]), whole[::-1])
    assert all(rule.predict(X.iloc[[row]])[0] == whole[row] for row in range(24))


def test_fits_repeat_to_the_bit_and_the_last_fit_counts() -> None:
    """Fitted again, as a clone or after something else, it has the same centres, numbered by size."""
    X, y = planted()
    first = ClusterRule(4).fit(X, y)
    again = clone(first).fit(*planted(1, 20)).fit(X, y)
    np.testing.assert_array_equal(first.cluster_centers_, again.cluster_centers_)
    np.testing.assert_array_equal(first.t_, again.t_)
    assert (np.diff(first.n_rows_) <= 0).all()
    assert first.n_rows_.sum() == X.any(axis=1).sum()


def test_without_news_or_with_few_distinct_rows() -> None:
    """No news gives no clusters and positions of 0; two distinct rows give two clusters, however many were asked for."""
    X, y = planted(n_sessions=2)
    silent = ClusterRule().fit(X * 0, y)
    assert not silent.predict(X).any()
    assert silent.describe_learned() == {"clusters": []}
    assert len(ClusterRule(6).fit([[1, 0], [0, 1], [1, 0], [0, 0]], [1, 2, 3, 4]).cluster_centers_) == 2


def test_what_it_says_of_itself_is_json() -> None:
    """Size, mean label, t, position and named centre of each cluster."""
    X, y = planted()
    learned = ClusterRule(3).fit(X, y).describe_learned()
    assert json.loads(json.dumps(learned)) == learned
    assert set(learned["clusters"][0]) == {"cluster", "n_rows", "mean_label", "t", "position", "centre"}
    assert set(learned["clusters"][0]["centre"]) == set(X.columns)


@pytest.mark.parametrize("bad", [{"n_clusters": 0}, {"n_clusters": 2.5}, {"t_threshold": -1.0}, {"t_threshold": float("nan")}])
def test_impossible_parameters_are_named(bad: dict[str, float]) -> None:
    """The error names the parameter and its value."""
    with pytest.raises(UsageError, match=f"{next(iter(bad))}={next(iter(bad.values()))!r}"):
        ClusterRule(**bad).fit(*planted(n_sessions=2))
