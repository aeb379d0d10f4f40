"""What topics are worth: coherence and held-out likelihood by hand, typical texts, and the choice of their number."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from quantlab.text.topics.bags import Corpus, Counting, bags_of
from quantlab.text.topics.choice import scores
from quantlab.text.topics.inference import proportions
from quantlab.text.topics.quality import coherence, held_out_likelihood, top_words, typical

WORDS = ["aa", "bb", "cc", "dd"]


def test_coherence_by_hand() -> None:
    """Of four texts two say aa bb, one cc dd, one aa cc: aa and bb nearly always meet, aa and dd never do."""
    bags = bags_of([["aa", "bb"], ["aa", "bb"], ["cc", "dd"], ["aa", "cc"]], WORDS)
    npmi, umass = coherence(bags, np.array([[0, 1], [2, 3], [0, 3]]), 4)
    assert npmi == pytest.approx([log(2 * 4 / (3 * 2)) / log(2), log(1 * 4 / (2 * 1)) / log(4), -1])
    assert umass == pytest.approx([log((2 + 1) / 3), log((1 + 1) / 2), log((0 + 1) / 3)])


def test_coherence_at_its_bounds() -> None:
    """Words that share every text cannot be closer: 1; a topic of a single word has no pairs: NaN; the same word twice counts once."""
    together = bags_of([["aa", "bb", "bb"], ["aa", "bb"]], WORDS)
    assert coherence(together, np.array([[0, 1]]), 4)[0].tolist() == [1.0]
    assert np.isnan(coherence(together, np.array([[0]]), 4)).all()


def test_top_words_weigh_probability_against_lift() -> None:
    """A word that both topics have is no top word of either, though it is their most frequent one; ties go by position."""
    topic_word = np.array([[10.0, 9, 0.1, 0.1], [10, 0.1, 9, 0.1]])
    assert top_words(topic_word, 2).tolist() == [[1, 0], [2, 0]]
    assert top_words(np.ones((1, 3)), 3).tolist() == [[0, 1, 2]]


def test_typical_texts_are_wholly_about_the_topic_and_not_alike() -> None:
    """The purest known text comes first; a near-copy, a text of few known words and one that is more about another topic do not come."""
    vocabulary = ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3"]
    topic_word = np.array([[9.0] * 5 + [0.01] * 3, [0.01] * 5 + [9.0] * 3])
    texts = [
        ["a1", "a2", "b1"],
        ["a1", "a2", "a3", "a4"],
        ["a1", "a2", "a3", "a4", "a5"],
        ["a1", "a2"],
        ["b1", "b2", "b3", *"uvwxyz"],
    ]
    n_words = np.array([len(text) for text in texts])
    assert typical(bags_of(texts, vocabulary), n_words, topic_word, 2) == [[2, 0], [4]]
    unknown = [["b1", "b2", "b3", *"uvwxyz"], ["a1", "b1", "b2", "b3"]]
    assert typical(bags_of(unknown, vocabulary), np.array([9, 4]), topic_word, 1)[1] == [1], "mostly unknown"


def test_held_out_likelihood_by_the_obvious_loop() -> None:
    """Every other known word tells the topics; the others are scored by the mixture of topics that results."""
    topic_word = np.array([[6.0, 2, 1, 1], [1, 1, 2, 6]])
    texts = [["aa", "bb", "xx", "aa"], ["dd", "cc", "dd"], ["aa"], ["xx", "yy"]]
    in_topic, found = topic_word / topic_word.sum(axis=1, keepdims=True), []
    for told, scored in ((["aa", "aa"], ["bb"]), (["dd", "dd"], ["cc"])):
        share = proportions(bags_of([told], WORDS), topic_word)[0]
        found += [log(float(share @ in_topic[:, WORDS.index(word)])) for word in scored]
    assert held_out_likelihood(texts, WORDS, topic_word) == pytest.approx(np.mean(found))
    assert np.isnan(held_out_likelihood([["aa"]], WORDS, topic_word))


def themes(n_themes: int, n_texts: int, seed: int = 0) -> list[str]:
    """Return texts of six words, each of one of `n_themes` themes of six words."""
    rng = np.random.default_rng(seed)
    return [" ".join(f"{'abcdefgh'[theme]}{word}x" for word in rng.integers(0, 6, 6)) for theme in rng.integers(0, n_themes, n_texts)]


@pytest.mark.parametrize("by", ["likelihood", "coherence"])
def test_too_few_topics_score_worse(by: str) -> None:
    """Four themes told by one or two topics are told worse than by four, on texts held out and by what meets in them."""
    found = scores(Corpus.of(themes(4, 300)), [1, 2, 4], Counting(phrases=False, size=100, min_documents=2), by=by, n_passes=10, seed=0)
    assert found[:, 0].tolist() == [1, 2, 4]
    assert found[2, 1] > found[1, 1]
    assert found[2, 1] > found[0, 1]


def test_the_held_out_texts_are_the_last_and_taught_nothing() -> None:
    """Other texts in the last fifth change the score, not the topics that are scored: a fit on the first four fifths finds the same."""
    early = [f"{text} e{number}x" for number, text in enumerate(themes(2, 80))]
    counting = Counting(phrases=False, size=100, min_documents=2)
    settings = {"by": "likelihood", "n_passes": 5, "seed": 0}
    late = [[f"{text} z{number}x" for number, text in enumerate(themes(2, 20, seed))] for seed in (1, 2)]
    one, two = (scores(Corpus.of(early + more), [2], counting, **settings)[0, 1] for more in late)
    assert one != two
    nonsense = [f"qqqx rrrx sss{number}x" for number in range(20)]
    assert np.isnan(scores(Corpus.of(early + nonsense), [2], counting, **settings)[0, 1]), "no held-out text has a word of the early ones"
    again = scores(Corpus.of(early + late[0] + early[:5]), [2], counting, **settings)[0, 1]
    assert again == one, "an early text that is told again stays an early text"
