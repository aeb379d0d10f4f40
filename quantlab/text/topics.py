"""LDA topics: what the news of each row is about, as proportions.

1. The distinct texts of the training rows, sorted, become bags of words (a text and its retweet are one); the vocabulary
   is theirs alone.
2. Topics are learned by online variational Bayes (Hoffman, Blei & Bach, 2010): gensim's `LdaModel` with our E-step.
3. The E-step starts every document at the same constant and stops each one on its own, with no sum across documents. So
   a text has the same proportions, to the bit, alone or in any company; gensim's own draws a random start for each
   call, and the same question asked twice has two answers.
4. Topics are numbered by their weight in the training texts, the heaviest first.
5. Each row gets the mean over its documents, a document of age `half_life_hours` counting half.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays, Cache, strings, unpacked
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.result import Json
from quantlab.text.base import Floats, TextFeature
from quantlab.text.tokens import words

MAX_SHARE = 0.5  # of the texts: a word in more of them than that tells no topic from another
MAX_STEPS, TOLERANCE = 100, 1e-3  # of the E-step; TOLERANCE is gensim's, the mean change of gamma
CHUNK = 2000  # documents per update, and per call of the E-step, which bounds its memory
RELEVANCE = 0.6  # weight of probability against lift in the choice of top words (Sievert & Shirley, 2014)


@dataclass(frozen=True)
class Bags:
    """Bags of words, flat: distinct words of each document (n_docs,), then word and count of each of them, (n_entries,)."""

    length: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    count: Floats


class LdaTopics(TextFeature):
    """One column per topic: the share of the row's news that is about it, in [0, 1].

    A row sums to 1, or is all 0 if no document of it has a word of the vocabulary: such documents say nothing and are
    left out. The vocabulary is the `vocabulary_size` most frequent words that occur in at least `min_documents` training
    texts and at most half of them. `random_state` None means 0. Raises UsageError for parameters out of range.

    Training rows without usable words give no topics: all features are 0 and `describe_learned()` says so.
    """

    libraries: ClassVar[tuple[str, ...]] = ("gensim", "scipy")
    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = ("text/tokens.py",)

    def __init__(
        self,
        n_topics: int = 10,
        *,
        n_passes: int = 10,
        vocabulary_size: int = 5000,
        min_documents: int = 5,
        half_life_hours: float = 24.0,
        random_state: int | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.n_topics = n_topics
        self.n_passes = n_passes
        self.vocabulary_size = vocabulary_size
        self.min_documents = min_documents
        self.half_life_hours = half_life_hours
        self.random_state = random_state
        self.cache = cache

    def top_words(self, n: int = 8) -> list[list[str]]:
        """Return the `n` words that tell each topic best, (n_topics, n); empty lists if nothing was learned."""
        topic_word, vocabulary = np.asarray(self.learned_["topic_word"], float), unpacked(self.learned_["vocabulary"])
        in_topic = topic_word / np.maximum(topic_word.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        overall = topic_word.sum(axis=0) / np.maximum(topic_word.sum(), np.finfo(float).tiny)
        relevance = np.log(in_topic) - (1 - RELEVANCE) * np.log(overall)
        best = np.argsort(-relevance, axis=1, kind="stable")[:, :n]  # the vocabulary is sorted: ties go by alphabet
        return [[vocabulary[word] for word in row] for row in best]

    def describe_learned(self) -> dict[str, Json]:
        """Return the top words of each topic, and how many distinct texts and words they were learned from."""
        n_texts, n_words = int(self.learned_["n_texts"][0]), int(self.learned_["topic_word"].shape[1])
        topics: list[Json] = [list[Json](row) for row in self.top_words()]
        note = None if n_words else f"no topics: {n_texts} training texts, and no word occurs in {self.min_documents} of them"
        return {"topics": topics if n_words else [], "n_texts": n_texts, "n_words": n_words, "note": note}

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        self._check()
        texts = sorted({tuple(words(text)) for text in documents.texts})  # the corpus must not depend on who came first
        vocabulary = _vocabulary(texts, self.vocabulary_size, self.min_documents)
        topic_word = np.zeros((self.n_topics, 0))
        if vocabulary:
            bags = bags_of(texts, vocabulary)
            topic_word = _topic_word(bags, len(vocabulary), self.n_topics, self.n_passes, self.random_state or 0)
        heaviest = np.argsort(-topic_word.sum(axis=1), kind="stable")
        return {"topic_word": topic_word[heaviest], "vocabulary": strings(vocabulary), "n_texts": np.array([len(texts)])}

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        topic_word = np.asarray(learned["topic_word"], dtype=float)
        bags = bags_of([words(text) for text in documents.texts], unpacked(learned["vocabulary"]))
        gamma = posterior(bags, _exp_expected_log(topic_word), 1 / len(topic_word))
        weights = documents.decay(self.half_life_hours) * (bags.length > 0)[documents.text]
        return documents.mean_by_row(gamma / gamma.sum(axis=1, keepdims=True), weights)

    def _names(self, learned: Arrays) -> list[str]:
        return [f"topic_{topic}" for topic in range(len(learned["topic_word"]))]

    def _check(self) -> None:
        for name in ("n_topics", "n_passes", "vocabulary_size", "min_documents"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise UsageError(f"LdaTopics: {name}={value!r}: it must be a whole number of at least 1")
        if not self.half_life_hours > 0:
            raise UsageError(f"LdaTopics: half_life_hours={self.half_life_hours!r}: a half-life must be positive")


def bags_of(texts: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Bags:
    """Return the words of each text that are in the vocabulary, with their counts, in the vocabulary's order."""
    position = {word: place for place, word in enumerate(vocabulary)}
    counted = [sorted(Counter(position[word] for word in text if word in position).items()) for text in texts]
    pairs = np.fromiter(chain.from_iterable(chain.from_iterable(counted)), dtype=np.int64).reshape(-1, 2)
    return Bags(np.array([len(bag) for bag in counted], dtype=np.int64), pairs[:, 0], pairs[:, 1].astype(float))


def posterior(bags: Bags, beta: Floats, alpha: float) -> Floats:
    """Return gamma, the Dirichlet posterior of each document's topics, (n_docs, n_topics).

    beta: exp(E[log beta]), (n_topics, n_words). Hoffman, Blei & Bach (2010), algorithm 2, E-step, from gamma = 1.
    Each sum is over one document's words or one document's topics, in a fixed order: companions cannot change a bit.
    """
    start = np.concatenate([[0], np.cumsum(bags.length)])
    gamma = np.full((len(bags.length), len(beta)), alpha)  # the prior, which is right for a document without words
    for first in range(0, len(bags.length), CHUNK):
        document = first + np.flatnonzero(bags.length[first : first + CHUNK])
        entries = slice(start[first], start[min(first + CHUNK, len(bags.length))])
        part = Bags(bags.length[document], bags.word[entries], bags.count[entries])
        gamma[document] = _converged(part, np.ascontiguousarray(beta.T[part.word]), alpha)
    return gamma


def _converged(bags: Bags, beta: Floats, alpha: float) -> Floats:
    """Iterate documents, each with a word, until each one has settled; beta: of each entry's word, (n_entries, n_topics)."""
    length, count = bags.length, bags.count
    result = np.ones((len(length), beta.shape[1]))
    active, gamma = np.arange(len(length)), result.copy()
    for _ in range(MAX_STEPS):
        if len(active) == 0:
            break
        row = np.repeat(np.arange(len(length)), length)
        phi = beta * _exp_expected_log(gamma)[row]  # (n_entries, n_topics)
        phi *= (count / (phi.sum(axis=1) + np.finfo(float).eps))[:, None]
        before, gamma = gamma, alpha + np.add.reduceat(phi, np.cumsum(length) - length, axis=0)
        result[active] = gamma
        going = np.abs(gamma - before).mean(axis=1) >= TOLERANCE
        entries = going[row]
        active, gamma, length, count, beta = active[going], gamma[going], length[going], count[entries], beta[entries]
    return result


def _vocabulary(texts: Sequence[Sequence[str]], size: int, min_documents: int) -> list[str]:
    """Return the words to count, sorted: the most frequent ones that are neither rare nor everywhere."""
    n_texts_with = Counter(chain.from_iterable(set(text) for text in texts))
    usable = [(-n, word) for word, n in n_texts_with.items() if min_documents <= n <= MAX_SHARE * len(texts)]
    return sorted(word for _, word in sorted(usable)[:size])


def _topic_word(bags: Bags, n_words: int, n_topics: int, n_passes: int, seed: int) -> Floats:
    """Return lambda, the Dirichlet posterior of each topic's words, (n_topics, n_words), as gensim learns it with our E-step."""
    from gensim.models import LdaModel

    class FixedStart(LdaModel):
        """LdaModel that asks `posterior` instead of starting each document at random."""

        def inference(self, chunk: list[list[tuple[int, float]]], collect_sstats: bool = False) -> tuple[Floats, Floats]:
            """Return gamma and the expected counts of each word in each topic."""
            pairs = np.array(list(chain.from_iterable(chunk)), dtype=float)
            part = Bags(np.array([len(bag) for bag in chunk]), pairs[:, 0].astype(np.int64), pairs[:, 1])
            gamma = posterior(part, self.expElogbeta, 1 / n_topics)
            theta = np.repeat(_exp_expected_log(gamma), part.length, axis=0)  # (n_entries, n_topics)
            norm = (theta * self.expElogbeta.T[part.word]).sum(axis=1) + np.finfo(float).eps
            share = theta * (part.count / norm)[:, None]
            counts = np.stack([np.bincount(part.word, column, minlength=n_words) for column in share.T])
            return gamma, counts * self.expElogbeta

    last = np.cumsum(bags.length)
    entries = list(zip(bags.word.tolist(), bags.count.tolist(), strict=True))
    corpus = [entries[end - n : end] for end, n in zip(last.tolist(), bags.length.tolist(), strict=True) if n]
    names = dict(enumerate(map(str, range(n_words))))
    with _quiet_gensim():
        model = FixedStart(
            corpus, n_topics, names, passes=n_passes, chunksize=CHUNK, random_state=seed, eval_every=None, dtype=np.float64
        )  # fmt: skip
    return np.asarray(model.state.get_lambda(), dtype=float)


def _exp_expected_log(dirichlet: Floats) -> Floats:
    """Return exp(E[log x]) for x ~ Dirichlet(each row), of the same shape."""
    from scipy.special import psi

    return np.asarray(np.exp(psi(dirichlet) - psi(dirichlet.sum(axis=1, keepdims=True))))


@contextmanager
def _quiet_gensim() -> Iterator[None]:
    """Keep gensim's advice on the number of passes off the user's screen."""
    logger = logging.getLogger("gensim")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
