"""ClusterRule: rows grouped by their news, each group bought, sold or left alone as its past says."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import closes
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from quantlab.errors import UsageError
from quantlab.text.clusters import ClusterRule
from quantlab.text.clusters.rule import _mean_and_error, _shrunk


@parametrize_with_checks([ClusterRule(), ClusterRule(method="gaussian"), ClusterRule(output="mean")])
def test_it_keeps_the_contract_of_scikit_learn(estimator: ClusterRule, check: object) -> None:
    """All checks of scikit-learn pass; none is expected to fail."""
    check(estimator)


def t_statistic(y: np.ndarray, member: np.ndarray, sessions: np.ndarray, lags: int) -> float:
    """Return the mean label over its standard error."""
    mean, error = _mean_and_error(y, member.astype(float), sessions, lags)
    return mean / error


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
    assert t_statistic(y, everyone, sessions, 0) == pytest.approx(8 / np.sqrt(8))
    assert t_statistic(y, everyone, np.arange(4), 0) == pytest.approx(8 / np.sqrt(4)), "as if rows were independent"


def test_t_statistic_by_hand_with_overlapping_labels() -> None:
    """Residuals 1, 1, -1, -1 at one lag: variance 4 + 2 * 1/2 * (1 - 1 + 1) = 5; the session apart has none of the group."""
    y, sessions = np.array([3.0, 3, 1, 1, 9]), np.arange(5)
    group = np.array([True, True, True, True, False])
    assert t_statistic(y, group, sessions, 1) == pytest.approx(8 / np.sqrt(5))


def test_the_horizon_is_the_number_of_lags() -> None:
    """A horizon of 3 bars lets labels three sessions apart overlap; None lets none."""
    X, y = planted()
    sessions, everyone = np.repeat(np.arange(60), 12), X.any(axis=1).to_numpy()
    for horizon, lags in ((None, 0), (3, 3)):
        assert ClusterRule(1, horizon=horizon).fit(X, y).t_[0] == t_statistic(y.to_numpy(), everyone, sessions, lags)


def test_copies_of_a_row_prove_nothing_more() -> None:
    """Twenty copies of every name in its session leave t as it was: the sessions count, not the rows."""
    X, y = planted()
    once = ClusterRule(3).fit(X, y)
    copied = ClusterRule(3).fit(pd.concat([X] * 20), pd.concat([y] * 20))
    np.testing.assert_allclose(np.sort(copied.t_), np.sort(once.t_), rtol=1e-6)


def test_one_session_or_equal_labels_tell_nothing() -> None:
    """Without a spread over at least two sessions there is no t-statistic, and no position."""
    everyone = np.ones(3, dtype=bool)
    assert t_statistic(np.array([-0.7, 0.3, 0.2, 0.2]), np.ones(4, dtype=bool), np.zeros(4, dtype=int), 0) == 0
    assert t_statistic(np.full(3, 0.1), everyone, np.arange(3), 0) == 0


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
    assert set(learned["clusters"][0]) == {"cluster", "n_rows", "mean_label", "t", "shrunk_mean", "position", "centre"}
    assert set(learned["clusters"][0]["centre"]) == set(X.columns)


@pytest.mark.parametrize("method", ["kmeans", "gaussian"])
def test_memberships_are_probabilities_of_regimes(method: str) -> None:
    """One per cluster, summing to 1 with news and 0 without, the same bits alone; k-means says 0 or 1."""
    X, y = planted()
    rule = ClusterRule(3, method=method).fit(X, y)
    member = rule.memberships(X)
    np.testing.assert_allclose(member.sum(axis=1), X.any(axis=1).astype(float), atol=1e-12)
    np.testing.assert_array_equal(rule.memberships(X[:7]), member[:7])
    np.testing.assert_array_equal(rule.memberships(X.iloc[[30]]), member[[30]])
    assert set(np.unique(member)) == {0, 1} or method == "gaussian"


def test_a_gaussian_mixture_finds_the_planted_groups_too() -> None:
    """The good group is bought, the bad one sold, the noise left, rows without news are 0."""
    X, y = planted()
    rule = ClusterRule(3, method="gaussian", t_threshold=3.0).fit(X, y)
    np.testing.assert_array_equal(rule.predict(X), np.tile(np.repeat([1, -1, 0, 0], 3), 60))


def test_given_memberships_are_the_clusters() -> None:
    """With n_clusters=None a column is a cluster: the position is that of the cluster with more than half of the row."""
    X, y = planted()
    good, bad = (X["topic_0"] > 0.8).astype(float), (X["topic_1"] > 0.8).astype(float)
    given = pd.DataFrame({"cluster_0": good, "cluster_1": bad, "cluster_2": X.any(axis=1) - good - bad})
    rule = ClusterRule(None, t_threshold=3.0).fit(given, y)
    assert rule.position_.tolist() == [1, -1, 0]
    rows = pd.DataFrame([[0.6, 0.0, 0.4], [0.4, 0.0, 0.6], [0.3, 0.7, 0.0], [0, 0, 0]], columns=given.columns)
    assert rule.predict(rows).tolist() == [1, 0, 0, 0], "0.3 against 0.7 leaves 0.4: no majority"
    assert rule.memberships(rows).tolist() == rows.to_numpy().tolist()
    with pytest.raises(UsageError, match=r"ClusterRule: 1\.0\d+ in column 0 is no membership in \[0, 1\]"):
        ClusterRule(None).fit(X, y)


def test_the_mean_is_a_number_to_rank_by() -> None:
    """output="mean" predicts the shrunk mean label, weighted by membership: between 0 and the mean, of its sign."""
    X, y = planted()
    rule = ClusterRule(3, output="mean").fit(X, y)
    cluster = rule.memberships(X[:12]).argmax(axis=1)
    expected = np.where(X[:12].any(axis=1), rule.shrunk_[cluster], 0)
    np.testing.assert_array_equal(rule.predict(X[:12]), expected)
    assert (np.abs(rule.shrunk_) <= np.abs(rule.mean_)).all()
    assert rule.predict(X)[0] > 0.005
    assert rule.predict(X)[3] < -0.005


def test_shrinkage_by_hand() -> None:
    """t of 3 and -1: spread (9 + 1 - 2) / (1 + 1) = 4, so 4/5 is kept; t of 1 and 1 are chance, and nothing is."""
    np.testing.assert_allclose(_shrunk(np.array([3.0, -1.0]), np.ones(2)), [2.4, -0.8])
    assert _shrunk(np.array([1.0, 1.0]), np.ones(2)).tolist() == [0, 0]
    np.testing.assert_allclose(_shrunk(np.array([3.0, -1.0, 7.0]), np.array([1, 1, np.inf])), [2.4, -0.8, 0])
    assert _shrunk(np.zeros(0), np.zeros(0)).tolist() == []


def test_a_cluster_of_few_sessions_is_not_traded() -> None:
    """Sixty sessions are enough for min_sessions=60, not for 61."""
    X, y = planted()
    assert ClusterRule(3, min_sessions=60).fit(X, y).position_.any()
    assert not ClusterRule(3, min_sessions=61).fit(X, y).position_.any()


@pytest.mark.parametrize("method", ["kmeans", "gaussian"])
def test_permuted_labels_teach_nothing(method: str) -> None:
    """The labels of all rows permuted: what the rule earns on later rows is within chance, in twelve worlds together."""
    earned, positions = [], []
    for seed in range(12):
        X, y = planted(seed, 80)
        X, y = X[X.any(axis=1)], y[X.any(axis=1)]
        permuted = pd.Series(np.random.default_rng(seed).permutation(y - y.mean()), y.index)
        train, test = slice(0, 40 * 9), slice(40 * 9, None)
        said = ClusterRule(3, method=method).fit(X[train], permuted[train]).predict(X[test])
        earned.append((said * permuted[test]).mean())
        positions.append(np.abs(said).mean())
    assert abs(np.mean(earned)) < 3 * np.std(earned, ddof=1) / np.sqrt(12)
    assert np.mean(positions) < 0.6, "most rows are left alone"


@pytest.mark.parametrize(
    "bad",
    [
        {"n_clusters": 0}, {"n_clusters": 2.5}, {"t_threshold": -1.0}, {"t_threshold": float("nan")},
        {"min_sessions": 0}, {"method": "ward"}, {"output": "sign"},
    ],
)  # fmt: skip
def test_impossible_parameters_are_named(bad: dict[str, float]) -> None:
    """The error names the parameter and its value."""
    with pytest.raises(UsageError, match=re.escape(f"{next(iter(bad))}={next(iter(bad.values()))!r}")):
        ClusterRule(**bad).fit(*planted(n_sessions=2))
