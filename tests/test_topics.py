"""LdaTopics: topics of the training rows' words; a text's proportions are its own, to the bit."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from scipy.special import psi
from sklearn.base import clone

from quantlab.cache import Cache
from quantlab.errors import UsageError
from quantlab.news import News, known_news
from quantlab.text.tokens import words
from quantlab.text.topics import LdaTopics, bags_of, posterior

OIL = ["crude", "barrel", "opec", "drilling", "pipeline", "refinery", "shale", "rig"]
DRUGS = ["trial", "patients", "vaccine", "approval", "clinical", "therapy", "dose", "biotech"]
N_DAYS, SYMBOLS = 40, ("A", "B", "C")
BARS = flat_bars({symbol: [1.0] * N_DAYS for symbol in SYMBOLS})


def texts(n: int, seed: int = 0) -> list[str]:
    """Return n texts of six words, even ones about oil and odd ones about drugs."""
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice((OIL, DRUGS)[number % 2], 6))} today" for number in range(n)]


def planted(seed: int = 0) -> News:
    """Return two texts a day: A hears of oil, B of drugs, C of nothing."""
    rows = [(str(BARS.times[n // 2] - pd.Timedelta(hours=1)), "AB"[n % 2], text) for n, text in enumerate(texts(2 * N_DAYS, seed))]
    return news_of(*rows)


COLUMN = known_news(planted(), BARS)
TRAIN, TEST = COLUMN[: 30 * 3], COLUMN[30 * 3 :]


@cache
def fitted() -> LdaTopics:
    """Return the learner of most tests."""
    return LdaTopics(2, min_documents=2).fit(TRAIN)


def test_planted_topics_are_told_apart() -> None:
    """Oil and drugs fall into one topic each, with their own top words; a row without news is all 0, others sum to 1."""
    features = fitted().transform(TEST).reshape(10, 3, 2)
    oil = features[:, 0].mean(axis=0).argmax()
    assert (features[:, 0, oil] > 0.8).all()
    assert (features[:, 1, 1 - oil] > 0.8).all()
    assert not features[:, 2].any()
    np.testing.assert_allclose(features[:, :2].sum(axis=2), 1)
    top = fitted().top_words(8)
    assert {frozenset(top[oil]), frozenset(top[1 - oil])} == {frozenset(OIL), frozenset(DRUGS)}


def test_a_text_has_the_same_bits_in_any_company() -> None:
    """Alone, in any batch, in any order: the posterior of a document is a function of its words only."""
    rng = np.random.default_rng(1)
    beta = rng.dirichlet(np.full(200, 0.1), 11)
    documents = [[f"w{word:03d}" for word in rng.integers(0, 200, length)] for length in rng.integers(0, 40, 4100)]
    vocabulary = [f"w{word:03d}" for word in range(200)]
    together = posterior(bags_of(documents, vocabulary), beta, 0.1)
    backwards = posterior(bags_of(documents[::-1], vocabulary), beta, 0.1)[::-1]
    np.testing.assert_array_equal(backwards, together)
    for size in (1, 2, 3, 7, 500):
        part = np.concatenate([posterior(bags_of(documents[at : at + size], vocabulary), beta, 0.1) for at in range(0, 60, size)])
        np.testing.assert_array_equal(part[:60], together[:60])


def test_the_posterior_is_that_of_the_obvious_loop() -> None:
    """Hoffman, Blei & Bach's E-step, one document and one word at a time, gives the same."""
    rng = np.random.default_rng(2)
    beta = rng.dirichlet(np.full(30, 0.1), 4)
    documents = [[f"w{word:02d}" for word in rng.integers(0, 30, length)] for length in (0, 1, 5, 20)]
    bags = bags_of(documents, [f"w{word:02d}" for word in range(30)])
    expected = []
    for document in documents:
        gamma = np.ones(4)
        for _ in range(100 if document else 0):
            theta = np.exp(psi(gamma) - psi(gamma.sum()))
            before, gamma = gamma, np.full(4, 0.25)
            for word in document:
                phi = theta * beta[:, int(word[1:])]
                gamma = gamma + phi / phi.sum()
            if np.abs(gamma - before).mean() < 1e-3:
                break
        expected.append(gamma if document else np.full(4, 0.25))
    np.testing.assert_allclose(posterior(bags, beta, 0.25), expected, rtol=1e-9)


def test_asking_twice_gives_one_answer() -> None:
    """A row's features are the same bits on every call and in every selection of rows."""
    whole = fitted().transform(COLUMN)
    np.testing.assert_array_equal(fitted().transform(COLUMN), whole)
    picked = np.random.default_rng(0).permutation(len(COLUMN))[:17]
    np.testing.assert_array_equal(fitted().transform(COLUMN.iloc[picked]), whole[picked])
    np.testing.assert_array_equal(np.concatenate([fitted().transform(COLUMN.iloc[[row]]) for row in range(9)]), whole[:9])


def test_the_order_of_training_texts_changes_nothing() -> None:
    """Rows in another order, or the same texts on other days, teach the same to the bit."""
    shuffled = LdaTopics(2, min_documents=2).fit(TRAIN.iloc[np.random.default_rng(0).permutation(len(TRAIN))])
    for name, array in fitted().learned_.items():
        np.testing.assert_array_equal(array, shuffled.learned_[name])


def test_the_vocabulary_is_of_the_training_rows_only() -> None:
    """A word that only test rows have is ignored: they have the features they would have without it."""
    plain, novel = (known_news(news_of(("2024-01-02T01:00Z", "A", f"crude barrel opec{word}")), BARS) for word in ("", " bitcoin"))
    assert b"bitcoin" not in fitted().learned_["vocabulary"].tobytes()
    np.testing.assert_array_equal(fitted().transform(novel), fitted().transform(plain))


def test_later_rows_never_change_earlier_features() -> None:
    """Truncating or poisoning the news after the cut leaves the features before it as they were, fit and all."""
    news, cut = planted(), BARS.times[29]
    later = news.table["available_at"] > cut
    poisoned = News(news.table.assign(text=news.table["text"].where(~later, "crude vaccine poison")))
    for other in (news.until(cut), poisoned):
        column = known_news(other, BARS)[: len(TRAIN)]
        learner = LdaTopics(2, min_documents=2).fit(column)
        np.testing.assert_array_equal(learner.transform(column), fitted().transform(TRAIN))


def test_the_last_fit_counts_and_a_clone_is_as_good() -> None:
    """Fitted on something else before, it learns the same; a clone has the parameters and nothing else."""
    other = known_news(planted(7), BARS)
    learner = clone(fitted())
    assert learner.get_params() == fitted().get_params()
    assert not hasattr(learner, "learned_")
    again = learner.fit(other).fit(TRAIN)
    np.testing.assert_array_equal(again.learned_["topic_word"], fitted().learned_["topic_word"])
    assert again.fit_end_ == BARS.times[29]


def test_the_seed_decides_where_learning_starts() -> None:
    """None means 0; another seed finds other numbers; nobody else's random numbers are touched."""
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 (the global generator is what must stay as it is)
    zero, one = (LdaTopics(2, min_documents=2, random_state=seed).fit(TRAIN).learned_["topic_word"] for seed in (0, 1))
    np.testing.assert_array_equal(zero, fitted().learned_["topic_word"])
    assert not np.array_equal(zero, one)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 (likewise)


def test_rare_and_ubiquitous_words_are_left_out() -> None:
    """Words in fewer than `min_documents` texts or in more than half of them ("today") are not counted; the list is bounded."""
    everything = set(words(" ".join(OIL + DRUGS)))
    vocabulary = json.loads(fitted().learned_["vocabulary"].tobytes())
    assert set(vocabulary) == everything
    assert vocabulary == sorted(vocabulary)
    assert json.loads(LdaTopics(2, min_documents=1000).fit(TRAIN).learned_["vocabulary"].tobytes()) == []
    assert len(json.loads(LdaTopics(2, vocabulary_size=3, min_documents=2).fit(TRAIN).learned_["vocabulary"].tobytes())) == 3


def test_copies_and_retweets_are_learned_from_once() -> None:
    """A text told by a hundred accounts is one text."""
    told = planted().table
    retold = pd.concat([told, *(told.head(20).assign(text=f"RT @user{n}: " + told["text"].head(20)) for n in range(5))])
    learner = LdaTopics(2, min_documents=2).fit(known_news(News(retold), BARS)[: len(TRAIN)])
    np.testing.assert_array_equal(learner.learned_["topic_word"], fitted().learned_["topic_word"])


def test_features_are_means_weighted_by_age() -> None:
    """Two documents, a half-life apart, count 2 to 1; one without a known word does not count."""
    bars = flat_bars({"A": [1, 1]})
    rows = [("2024-01-01T20:00Z", "A", "crude opec"), ("2024-01-02T20:00Z", "A", "vaccine dose"), ("2024-01-02T20:30Z", "A", "$X 5%")]
    old, new = (fitted().transform(known_news(news_of(row), bars))[-1 - (row is rows[0])] for row in rows[:2])
    learner = clone(fitted()).set_params(half_life_hours=24.0).fit(TRAIN)
    both = learner.transform(known_news(news_of(*rows), bars, lookback=2))[1]
    np.testing.assert_allclose(both, (old + 2 * new) / 3, rtol=1e-12)


def test_without_training_documents_features_are_zero_and_it_says_so(tmp_path: Path) -> None:
    """No news, or no usable word, is no error: there are no topics, all features are 0, and the description tells why."""
    for learner in (LdaTopics(3), LdaTopics(3, cache=Cache(tmp_path)), LdaTopics(3, cache=Cache(tmp_path))):
        learner.fit(TRAIN[:0])
        assert learner.transform(TEST).tolist() == np.zeros((len(TEST), 3)).tolist()
        assert [*learner.get_feature_names_out()] == ["topic_0", "topic_1", "topic_2"]
        assert learner.describe_learned()["topics"] == []
        assert learner.describe_learned()["note"] == "no topics: 0 training texts, and no word occurs in 5 of them"
    assert LdaTopics(3, min_documents=1000).fit(TRAIN).describe_learned()["note"].startswith("no topics: 60 training texts")


def test_what_it_says_of_itself_is_json() -> None:
    """The top words of each topic, and from how much they were learned."""
    learned = fitted().describe_learned()
    assert json.loads(json.dumps(learned)) == learned
    assert learned["topics"] == fitted().top_words()
    assert (learned["n_texts"], learned["n_new_texts"], learned["n_words"], learned["note"]) == (60, 60, 16, None)
    assert all(-1 <= value <= 1 for value in learned["coherence_npmi"])
    for words_of_topic, headlines in zip(learned["topics"], learned["typical_texts"], strict=True):
        assert len(headlines) == 3
        assert all(set(words(headline)) - {"today"} <= set(words_of_topic) for headline in headlines)


def test_gensim_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its advice on the number of passes stays off the log, and its logger is left as it was."""
    level = logging.getLogger("gensim").level
    LdaTopics(2, n_passes=1, min_documents=2).fit(TRAIN)
    assert caplog.records == []
    assert logging.getLogger("gensim").level == level


@pytest.mark.parametrize(
    "bad",
    [
        {"n_topics": 0}, {"n_topics": 100_000},
        {"n_topics": "many"}, {"n_passes": 1.5}, {"vocabulary_size": -1}, {"min_documents": 0}, {"half_life_hours": 0},
        {"candidates": ()}, {"candidates": (5, 0)}, {"choose_by": "lot"}, {"phrases": "false"}, {"align": "no"}, {"warm_start": 1},
        {"n_topics": True}, {"n_passes": "auto"}, {"candidates": 5}, {"candidates": "auto"}, {"candidates": (True, 5)}, {"start": 5},
        {"half_life_hours": "abc"}, {"half_life_hours": float("nan")}, {"cache": "a/folder"}, {"random_state": "x"},
    ],
)  # fmt: skip
def test_impossible_parameters_are_named(bad: dict[str, object]) -> None:
    """The error names the parameter and its value."""
    with pytest.raises(UsageError, match=re.escape(f"{next(iter(bad))}={next(iter(bad.values()))!r}")):
        LdaTopics(**bad).fit(TRAIN)


PROGRAM = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_topics
from quantlab.cache import Cache
from quantlab.text.topics import LdaTopics
learner = LdaTopics(2, min_documents=2, cache=Cache(Path(sys.argv[2])))
features = learner.fit(test_topics.TRAIN).transform(test_topics.TEST)
print(hashlib.sha256(features.tobytes()).hexdigest(), "gensim" in sys.modules)
"""


def test_another_process_finds_the_same_bytes_and_the_cache_spares_gensim(tmp_path: Path) -> None:
    """Whatever the hash seed or the number of threads, the bytes are the same; on a hit gensim is not even imported."""
    expected = hashlib.sha256(fitted().transform(TEST).tobytes()).hexdigest()
    for hash_seed, threads, learns in (("1", "1", True), ("2", "2", False)):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(tmp_path)],
            env={"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "TZ": "Asia/Tokyo"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == [expected, str(learns)]
        assert done.stderr == ""
