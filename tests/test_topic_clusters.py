"""TopicClusters: soft memberships in clusters of topics and sentiment; a row's own, to the bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sweep import differences

from quantlab import Costs, ForwardReturn, Strategy, WalkForward
from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import UsageError
from quantlab.features import panel
from quantlab.models import with_text
from quantlab.news import News, known_news
from quantlab.synthetic import make_market
from quantlab.text import LdaTopics, Sentiment
from quantlab.text.base import TextFeature
from quantlab.text.clusters import ClusterRule, TopicClusters
from quantlab.text.clusters.mixture import Mixture
from quantlab.walkforward import prepared
from quantlab.weights import cluster_rule

METHODS = ["gaussian", "kmeans"]


@cache
def market() -> Dataset:
    """Return a small invented market."""
    return make_market(190, 8, seed=3).dataset


@cache
def column() -> pd.Series:
    """Return its news column."""
    return known_news(market().news, market().bars, lookback=2)


def train(first: int = 0) -> pd.Series:
    """Return the rows of 120 sessions."""
    return column().iloc[first * 8 : (first + 120) * 8]


def learner(method: str = "gaussian", **settings: object) -> TopicClusters:
    """Return what most tests use."""
    return TopicClusters(LdaTopics(4, n_passes=2), Sentiment(), **{"n_clusters": 3, "method": method, **settings})


@cache
def fitted(method: str = "gaussian") -> TopicClusters:
    """Return it fitted."""
    return learner(method).fit(train())


@pytest.mark.parametrize("method", METHODS)
def test_memberships_are_probabilities(method: str) -> None:
    """A row with news sums to 1 over the clusters; one without is all 0; every cluster has rows."""
    features = fitted(method).transform(column())
    space = np.hstack([LdaTopics(4, n_passes=2).fit(train()).transform(column()), Sentiment().fit(train()).transform(column())])
    assert [*fitted(method).get_feature_names_out()] == ["cluster_0", "cluster_1", "cluster_2"]
    np.testing.assert_allclose(features.sum(axis=1), space.any(axis=1).astype(float), atol=1e-12)
    assert (features >= 0).all()
    assert set(features.argmax(axis=1)) == {0, 1, 2}
    assert ((features > 0.01) & (features < 0.99)).any(), "soft"


@pytest.mark.parametrize("method", METHODS)
def test_a_row_has_the_same_bits_in_any_company(method: str) -> None:
    """Alone, in a batch, in another order."""
    whole = fitted(method).transform(column())
    picked = np.random.default_rng(0).permutation(len(column()))[:40]
    np.testing.assert_array_equal(fitted(method).transform(column().iloc[picked]), whole[picked])
    busy = np.flatnonzero(whole.any(axis=1))[:5]
    np.testing.assert_array_equal(np.concatenate([fitted(method).transform(column().iloc[[row]]) for row in busy]), whole[busy])


def test_memberships_by_hand() -> None:
    """Half way between two clusters of equal weight a row belongs to both; far from both, to the nearer one; 3 to 1 by weight."""
    one, two = np.array([[0.0], [2.0]]), np.ones((2, 1))
    equal = Mixture(np.array([0.5, 0.5]), one, two).memberships(np.array([[1.0], [1000.0], [-1000.0]]))
    np.testing.assert_allclose(equal, [[0.5, 0.5], [0, 1], [1, 0]], atol=1e-300)
    np.testing.assert_allclose(Mixture(np.array([0.75, 0.25]), one, two).memberships(np.array([[1.0]])), [[0.75, 0.25]])


def test_other_code_inside_is_another_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a part is, its code included, is part of the key: a cache never serves clusters of another topic model."""
    key = learner().fit(train()).key_
    monkeypatch.setattr(LdaTopics, "_identity", lambda self: "changed")
    assert learner().fit(train()).key_ != key


def test_the_last_fit_counts_and_a_clone_is_as_good(tmp_path: Path) -> None:
    """Fitted again, cloned, or read from the cache: the same; another topic model is another learner."""
    expected = fitted().transform(train())
    for _ in range(2):
        again = clone(fitted()).set_params(cache=Cache(tmp_path)).fit(train(20)).fit(train())
        np.testing.assert_array_equal(again.transform(train()), expected)
        assert again.fit_end_ == market().bars.times[119]
    assert learner().set_params(topics__n_topics=5).fit(train()).key_ != fitted().key_


@pytest.mark.parametrize("method", METHODS)
def test_aligned_clusters_keep_their_numbers(method: str) -> None:
    """Started at the clusters of the fold before, each stays the nearest to what it was; topics are numbered after theirs."""
    first = learner(method, align=True).fit(train())
    second = learner(method, align=True, start=first.as_start()).fit(train(40))
    assert first.continues
    assert not learner(method, align=False).continues
    assert TopicClusters(LdaTopics(4, warm_start=True), align=False).continues
    distance = ((first.learned_["centre"][:, None] - second.learned_["centre"][None]) ** 2).sum(axis=2)
    assert distance.argmin(axis=1).tolist() == [0, 1, 2]
    elsewhere = learner(method, align=True, start=first.as_start()).set_params(topics__n_topics=5).fit(train(40))
    assert elsewhere.transform(train()).shape == (960, 3), "another space: a start of its own"


def test_the_run_reaches_the_learners_inside() -> None:
    """Seed and cache that are left open are set, inside as well; parameters have their dotted names."""
    model = prepared(with_text(ClusterRule(None), learner()), horizon=5, random_state=7, cache=None)
    parameters = model.get_params()
    assert parameters["features__topic_clusters__random_state"] == 7
    assert parameters["features__topic_clusters__topics__random_state"] == 7
    default = TopicClusters(n_clusters=2, random_state=3).fit(train())
    seeded = TopicClusters(LdaTopics(random_state=3), Sentiment(), n_clusters=2, random_state=3).fit(train())
    np.testing.assert_array_equal(default.transform(train()), seeded.transform(train()))


def test_without_news_there_are_no_clusters() -> None:
    """No rows to learn from: the usual columns, all 0, and no error."""
    empty = learner().fit(train()[:0])
    assert [*empty.get_feature_names_out()] == ["cluster_0", "cluster_1", "cluster_2"]
    np.testing.assert_array_equal(empty.transform(train()), np.zeros((960, 3)))
    assert empty.describe_learned() == {"clusters": [], "converged": True, "knowledge_cutoff": None}


def test_fewer_distinct_rows_than_clusters_leave_the_last_columns_at_0() -> None:
    """One row with news: one cluster, and as many columns as ever."""
    busy = np.flatnonzero(Sentiment().fit_transform(train()).any(axis=1))[:1]
    found = TopicClusters(Sentiment(half_life_hours=9), Sentiment(), n_clusters=3).fit(train().iloc[busy]).transform(train())
    assert found.shape == (960, 3)
    assert found[:, 0].any()
    assert not found[:, 1:].any()


@pytest.mark.parametrize("method", METHODS)
def test_a_start_of_another_size_is_no_start(method: str) -> None:
    """After a fold with too few rows for all clusters their numbers would mean nothing: they are given anew, as in a first fold."""
    alone = TopicClusters(LdaTopics(4, n_passes=2, min_documents=1), Sentiment(), n_clusters=3, method=method)
    busy = np.flatnonzero(fitted().transform(train()).any(axis=1))[:2]
    few = clone(alone).fit(train().iloc[busy])
    assert len(few.learned_["weight"]) < 3
    after = clone(alone).set_params(start=few.as_start()).fit(train())
    np.testing.assert_array_equal(after.learned_["centre"], alone.fit(train()).learned_["centre"])


def test_what_an_encoder_inside_has_read_is_said() -> None:
    """The latest cut-off of the parts; none of a word list and of topics."""
    assert fitted().describe_learned()["knowledge_cutoff"] is None
    inside = TopicClusters(LdaTopics(2, n_passes=1), Sentiment(zero_shot=True), n_clusters=2).fit(train().iloc[:40])
    assert inside.describe_learned()["knowledge_cutoff"] == "2021-12-31"


def test_what_it_says_of_itself_is_json() -> None:
    """Share, leading topic's words and centre of each cluster."""
    said = fitted().describe_learned()
    assert json.loads(json.dumps(said)) == said
    assert sum(one["share_of_rows"] for one in said["clusters"]) == pytest.approx(1)
    assert all(len(one["about"]) == 5 for one in said["clusters"])
    assert [*said["clusters"][0]["centre"]][:4] == ["topic_0", "topic_1", "topic_2", "topic_3"]


class Supervised(TextFeature):
    """A text feature that learns from labels."""

    supervised = True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"n_clusters": True}, "n_clusters=True"),
        ({"random_state": "x"}, "random_state='x'"),
        ({"start": 5}, "start=5"),
        ({"cache": "a/folder"}, "cache='a/folder'"),
        ({"topics": "lda"}, "topics='lda' is no text feature"),
        ({"sentiment": Sentiment(half_life_hours="abc")}, "half_life_hours='abc'"),
        ({"method": "ward"}, "method='ward'"),
        ({"align": "false"}, "align='false'"),
        ({"topics": 3}, "topics=3 is no text feature"),
        ({"sentiment": Supervised}, "learns from labels"),
    ],
)
def test_impossible_parameters_are_named(settings: dict[str, object], message: str) -> None:
    """The error names the parameter and what would do."""
    settings = {name: value() if value is Supervised else value for name, value in settings.items()}
    for act in ("prepare", "fit"):
        with pytest.raises(UsageError, match=message):
            getattr(TopicClusters(**settings), act)(train())


PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import test_topic_clusters as case
for method in case.METHODS:
    print(hashlib.sha256(case.fitted(method).transform(case.train()).tobytes()).hexdigest())
"""


def test_another_process_finds_the_same_bytes() -> None:
    """Whatever the hash seed, the time zone or the number of threads."""
    expected = [hashlib.sha256(fitted(method).transform(train()).tobytes()).hexdigest() for method in METHODS]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)],
        env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "TZ": "Asia/Tokyo"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == expected


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Return the news column alone."""
    return panel(news=known_news(news, bars, lookback=2))


@pytest.mark.slow
@pytest.mark.parametrize("align", [False, True])
def test_the_future_changes_nothing_before(align: bool, tmp_path: Path) -> None:
    """Memberships traded by ClusterRule: cut at the edge of the second fold and after it, all before is as it was, warm and cold."""
    plan = Strategy(
        name="clusters", features=features, target=ForwardReturn(horizon=3), model=with_text(ClusterRule(None), learner(align=align)),
        weights=cluster_rule, folds=WalkForward(train=90, test=30, min_train=80), costs=Costs(),
    )  # fmt: skip
    assert differences(plan, market(), 1, tmp_path) == []
