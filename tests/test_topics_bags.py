"""Phrases and vocabulary: learned from the texts that they are given, the same in any order of them."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.text.tokens import runs, words
from quantlab.text.topics.bags import Corpus, Counting, bags_of, counted, joined, phrases_of, vocabulary_of

RATES = [
    *["Fed raises interest rate", "interest rate in focus", "Interest-rate worries", "the interest rate rises"],
    *["oil rises", "oil rally", "gold rally", "gold rises"],
]


def test_neighbours_that_keep_together_are_a_phrase() -> None:
    """Four of eight texts say interest rate and no text says one without the other: NPMI 1; oil and rises meet once only."""
    assert phrases_of([runs(text) for text in RATES], 2) == ["interest_rate"]


def test_the_threshold_by_hand() -> None:
    """Of 8 texts, `a` and `a b` stand in 2: ln(2 * 8 / (2 * n_b)) / ln 4 is 1/2 for b in 4 of them, 0.34 for b in 5."""
    texts = [[["a1", "b1"]], [["a1", "b1"]], [["b1"]], [["b1"]], [["c1"]], [["d1"]], [["e1"]], [["f1"]]]
    assert log(2 * 8 / (2 * 4)) / log(4) == 0.5
    assert phrases_of(texts, 2) == ["a1_b1"]
    assert phrases_of([*texts[:-1], [["b1"]]], 2) == []
    assert phrases_of([[["a1", "b1"], ["a1"], ["a1"]], *texts[1:]], 2) == ["a1_b1"], "texts count, not mentions"
    assert phrases_of(texts, 3) == [], "too rare"


def test_phrases_grow_to_three_and_four_words() -> None:
    """A second round joins what the first one joined; what is kept apart by a comma or a stop word is no phrase."""
    texts = ["new york stock exchange opens", "new york stock exchange closes", "gold", "silver", "oil", "gas"]
    assert phrases_of([runs(text) for text in texts], 2)[-1] == "new_york_stock_exchange"
    assert phrases_of([runs(text) for text in ["interest, rate", "interest of rate", "gold", "oil"]], 2) == []


def test_words_are_joined_from_left_to_right() -> None:
    """A word is part of one phrase only; text without phrases stays as it is."""
    assert joined([["aa", "bb", "cc"]], {"aa_bb", "bb_cc"}) == ["aa_bb", "cc"]
    assert joined([["aa", "bb", "cc", "dd"]], {"aa_bb", "cc_dd", "aa_bb_cc_dd"}) == ["aa_bb_cc_dd"]
    assert joined([["aa"], ["bb"]], {"aa_bb"}) == ["aa", "bb"]
    assert joined([], {"aa_bb"}) == []


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from(["aa", "bb", "cc", "dd", "ee"]), max_size=6), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_texts_changes_no_phrase_and_joining_loses_no_word(texts: list[list[str]], random: object) -> None:
    """Phrases are a function of the set of texts; taken apart again, joined texts are the words."""
    corpus = [[text] for text in texts]
    shuffled = corpus.copy()
    random.shuffle(shuffled)
    phrases = phrases_of(corpus, 1)
    assert phrases_of(shuffled, 1) == phrases
    for text in texts:
        assert "_".join(joined([text], phrases)).split("_") == text or not text


def test_phrases_stand_in_the_place_of_their_words() -> None:
    """The vocabulary counts the phrase; a word of it that never stands alone is not in it."""
    learned = counted(Corpus.of(RATES), Counting(phrases=True, size=100, min_documents=2))
    assert learned.vocabulary == ["gold", "interest_rate", "oil", "rally", "rises"]
    assert learned.read([runs("INTEREST RATE, oil")]) == [["interest_rate", "oil"]]
    without = counted(Corpus.of(RATES), Counting(phrases=False, size=100, min_documents=2))
    assert (without.phrases, without.vocabulary) == ([], ["gold", "interest", "oil", "rally", "rate", "rises"])


def test_a_corpus_is_of_distinct_texts_in_an_order_of_their_own() -> None:
    """Texts that say the same are one, written as the first in the alphabet; who came first decides `place` and nothing else."""
    texts = ["Oil rises", "RT @x: gold rally", "oil rises $XOM", "gold rally", "5% to 3", "silver falls"]
    first, second = Corpus.of(texts), Corpus.of(texts[::-1])
    assert sorted(first.raw) == ["Oil rises", "RT @x: gold rally", "silver falls"]
    assert (first.raw, first.texts) == (second.raw, second.texts)
    np.testing.assert_array_equal(first.fingerprint, second.fingerprint)
    assert [first.raw[at] for at in np.argsort(first.place)] == ["Oil rises", "RT @x: gold rally", "silver falls"]
    assert [second.raw[at] for at in np.argsort(second.place)] == ["silver falls", "RT @x: gold rally", "Oil rises"]
    assert (np.diff(first.fingerprint.astype(float)) > 0).all()
    assert Corpus.of([]).texts == []


def test_bags_count_known_words_only() -> None:
    """Distinct words of each text and how often, in the vocabulary's order; the rest is left out."""
    bags = bags_of([["bb", "aa", "bb", "xx"], [], ["xx"]], ["aa", "bb"])
    assert (bags.length.tolist(), bags.word.tolist(), bags.count.tolist()) == ([2, 0, 0], [0, 1], [1, 2])


@pytest.mark.parametrize(("size", "expected"), [(10, ["aa", "bb"]), (1, ["aa"])])
def test_the_vocabulary_is_of_the_most_frequent_words(size: int, expected: list[str]) -> None:
    """Neither words in fewer than two texts nor those in more than half; ties go by alphabet."""
    texts = [words(text) for text in ("zz aa bb", "zz aa bb", "zz cc", "zz dd")]
    assert vocabulary_of(texts, size, 2) == expected
