"""LdaTopics from fold to fold: topic 3 stays topic 3, an update needs the new texts only, and the future changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sweep import differences

from quantlab import Costs, ForwardReturn, Strategy, WalkForward
from quantlab.bars import Bars
from quantlab.cache import Cache, unpacked
from quantlab.dataset import Dataset
from quantlab.features import panel
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.synthetic import make_market
from quantlab.text import LdaTopics
from quantlab.text.topics.fitting import aligned, continued_topics
from quantlab.weights import long_short

K = 6


@cache
def market() -> Dataset:
    """Return a year and a half of invented news."""
    return make_market(400, 12, seed=5).dataset


@cache
def column() -> pd.Series:
    """Return its news column."""
    return known_news(market().news, market().bars, lookback=2)


def window(first: int) -> pd.Series:
    """Return the rows of 200 sessions; windows 50 apart share three quarters."""
    return column().iloc[first * 12 : (first + 200) * 12]


def cosine(one: LdaTopics, other: LdaTopics) -> np.ndarray:
    """Return the cosine of each pair of topics over their common vocabulary."""
    vocabularies = [unpacked(learner.learned_["vocabulary"]) for learner in (one, other)]
    common = sorted(set(vocabularies[0]) & set(vocabularies[1]))
    parts = [
        learner.learned_["topic_word"][:, [vocabulary.index(word) for word in common]]
        for learner, vocabulary in zip((one, other), vocabularies, strict=True)
    ]
    first, second = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts)
    return first @ second.T


def in_place(one: LdaTopics, other: LdaTopics) -> int:
    """Return how many topics are matched with the one of their own number by the best assignment."""
    row, column_ = linear_sum_assignment(-cosine(one, other))
    return int((row == column_).sum())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_topics_keep_their_number_although_folds_know_nothing_of_each_other(seed: int) -> None:
    """Fitted afresh on neighbouring windows, every topic is most like the one of its own number."""
    folds = [LdaTopics(K, n_passes=5, random_state=seed).fit(window(first)) for first in (0, 50, 100)]
    assert [in_place(*pair) for pair in ((folds[0], folds[1]), (folds[1], folds[2]))] == [K, K]


def continued(learner: LdaTopics, *firsts: int) -> list[LdaTopics]:
    """Fit on one window after the other, each handed what the last one learned, as a walk-forward run does."""
    done: list[LdaTopics] = []
    for first in firsts:
        following = clone(learner).set_params(start=done[-1].as_start() if done else None)
        done.append(following.fit(window(first)))
    return done


def test_align_gives_topics_the_numbers_of_the_fold_before() -> None:
    """From another seed the topics come out in another order; aligned, the best assignment is the identity, topic for topic."""
    first = LdaTopics(K, n_passes=5, random_state=0).fit(window(0))
    fresh = LdaTopics(K, n_passes=5, random_state=9).fit(window(50))
    numbered = LdaTopics(K, n_passes=5, random_state=9, align=True, start=first.as_start()).fit(window(50))
    assert numbered.continues
    assert not fresh.continues
    assert in_place(first, fresh) < K
    assert in_place(first, numbered) == K
    order = lambda learner: np.sort(learner.learned_["topic_word"].sum(axis=1))  # noqa: E731 (the same topics, re-numbered)
    np.testing.assert_array_equal(order(fresh), order(numbered))


def test_alignment_by_hand() -> None:
    """Topics swapped are swapped back; a word unknown before does not count; one more topic than before comes last, one less moves up."""
    before = np.array([[9.0, 1, 0], [1, 9, 0]])
    assert aligned(np.array([[1.0, 9, 0], [9, 1, 0]]), before).tolist() == [1, 0]
    assert aligned(np.array([[1.0, 9, 999], [4, 6, 0]]), before).tolist() == [1, 0], "by what both know, the first is the surer"
    assert aligned(np.array([[5.0, 5, 0], [1, 9, 0], [9, 1, 0]]), before).tolist() == [2, 1, 0]
    assert aligned(np.array([[1.0, 9, 0]]), before).tolist() == [0]


def test_a_warm_start_learns_from_the_new_texts_and_keeps_every_number() -> None:
    """Three quarters of the window are known: a quarter is learned from, the topics stay what they were, and drift a little."""
    folds = continued(LdaTopics(K, n_passes=5, warm_start=True), 0, 50, 100)
    for before, after in ((folds[0], folds[1]), (folds[1], folds[2])):
        said = after.describe_learned()
        assert 0.1 * said["n_texts"] < said["n_new_texts"] < 0.45 * said["n_texts"]
        assert in_place(before, after) == K
        assert np.diag(cosine(before, after)).min() > 0.8
        assert np.diag(cosine(before, after)).max() < 1 - 1e-6
    assert folds[2].key_ != LdaTopics(K, n_passes=5, warm_start=True).fit(window(100)).key_, "what it started from is part of what it is"


def test_an_update_by_hand() -> None:
    """Half of the window is new, as large as before: half of the old counts stay, and those of the new texts come on top."""
    before = np.array([[4.5, 0.5, 0.0], [0.5, 4.5, 0.0]])  # eta 1/2; the third word is new
    nothing_new = continued_topics(before, bags([]), share_new=0.0, growth=1.0, n_passes=3)
    np.testing.assert_allclose(nothing_new, [[4.5, 0.5, 0.5], [0.5, 4.5, 0.5]])
    after = continued_topics(before, bags([["aa", "cc"]] * 10), share_new=0.5, growth=1.0, n_passes=20)
    assert after.sum() == pytest.approx(3.0 + 0.5 * 8 + 20), "eta of six entries, half of eight old counts, twenty new ones"
    assert after[0, 2] > 9, "the new word goes with the topic of the word beside it"


def bags(texts: list[list[str]]) -> object:
    """Return bags over three words."""
    from quantlab.text.topics import bags_of

    return bags_of(texts, ["aa", "bb", "cc"])


def test_a_warm_start_from_nothing_starts_afresh() -> None:
    """A fold before without topics is no start; the first fold has none at all."""
    empty = LdaTopics(K, n_passes=2, warm_start=True).fit(window(0)[:0])
    after = LdaTopics(K, n_passes=2, warm_start=True, start=empty.as_start()).fit(window(50))
    np.testing.assert_array_equal(after.learned_["topic_word"], LdaTopics(K, n_passes=2).fit(window(50)).learned_["topic_word"])


def test_the_number_of_topics_is_chosen_inside_the_fold(tmp_path: Path) -> None:
    """The best of the candidates by its own account, and again from the cache; a warm start keeps the number."""
    learner = LdaTopics("auto", candidates=(2, 6), n_passes=2, cache=Cache(tmp_path)).fit(window(0))
    tried = learner.describe_learned()["tried"]
    best = max(tried, key=lambda one: one["likelihood"])["n_topics"]
    assert [one["n_topics"] for one in tried] == [2, 6]
    assert learner.transform(window(0)[:24]).shape == (24, best)
    again = clone(learner).fit(window(0))
    np.testing.assert_array_equal(again.transform(window(0)), learner.transform(window(0)))
    following = LdaTopics("auto", candidates=(2, 6), warm_start=True, start=learner.as_start()).fit(window(50))
    assert (len(following.get_feature_names_out()), following.describe_learned()["tried"]) == (best, [])


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Return the news column alone."""
    return panel(news=known_news(news, bars, lookback=2))


def strategy(topics: LdaTopics) -> Strategy:
    """Return a strategy whose model knows nothing but topics."""
    return Strategy(
        name="topics", features=features, target=ForwardReturn(horizon=3), model=with_text(ridge_regressor(), topics),
        weights=long_short, folds=WalkForward(train=120, test=40, min_train=100), costs=Costs(),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"n_topics": "auto", "candidates": (3, 6)}, {"warm_start": True}, {"align": True}], ids=str)
def test_the_future_changes_nothing_before(settings: dict[str, object], tmp_path: Path) -> None:
    """Cut at the edge of the third fold, and inside it, features, signal and weights before the cut are as they were."""
    plan = strategy(LdaTopics(**{"n_topics": 4, "n_passes": 2, **settings}))
    data = replace(market().until(market().bars.times[230]))
    assert differences(plan, data, 2, tmp_path) == []
