"""Topics learned from bags of words: afresh by gensim with our E-step, or from those of an earlier fold and the new texts alone.

Afresh, every word starts at weights that only the seed and the word itself decide. So the folds, which share no state and
may be fitted at the same time, start at the same place, and their topics come out in the same order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import numpy.typing as npt

from quantlab.repro import random_generator
from quantlab.text.topics.bags import Bags, Floats
from quantlab.text.topics.inference import CHUNK, exp_expected_log, posterior

Ints = npt.NDArray[np.int64]
START_SHAPE = 100.0  # of the Gamma(shape, 1/shape) start, gensim's: a spread of a tenth. At 0.1 the start would decide, not the texts


def fresh_topics(bags: Bags, vocabulary: Sequence[str], n_topics: int, n_passes: int, seed: int) -> Floats:
    """Return lambda, the Dirichlet posterior of each topic's words, (n_topics, n_words): online variational Bayes.

    Hoffman, Blei & Bach (2010), as gensim's `LdaModel` does it, with our start and our E-step.
    """
    from gensim.models import LdaModel

    class FixedStart(LdaModel):
        """LdaModel that asks `posterior` instead of starting each document at random."""

        def inference(self, chunk: list[list[tuple[int, float]]], collect_sstats: bool = False) -> tuple[Floats, Floats]:
            """Return gamma and the expected counts of each word in each topic."""
            pairs = np.array(list(chain.from_iterable(chunk)), dtype=float)
            part = Bags(np.array([len(bag) for bag in chunk]), pairs[:, 0].astype(np.int64), pairs[:, 1])
            return _expected(part, self.expElogbeta)

    last = np.cumsum(bags.length)
    entries = list(zip(bags.word.tolist(), bags.count.tolist(), strict=True))
    corpus = [entries[end - n : end] for end, n in zip(last.tolist(), bags.length.tolist(), strict=True) if n]
    names = dict(enumerate(vocabulary))
    with _quiet_gensim():
        model = FixedStart(None, n_topics, names, chunksize=CHUNK, random_state=seed, eval_every=None, dtype=np.float64)
        model.state.sstats = _start(vocabulary, n_topics, seed)
        model.sync_state()
        model.update(corpus, passes=n_passes)
    return np.asarray(model.state.get_lambda(), dtype=float)


def continued_topics(before: Floats, new: Bags, share_new: float, growth: float, n_passes: int) -> Floats:
    """Return lambda after one step of online variational Bayes on the new texts, (n_topics, n_words).

    before: lambda of the earlier fold, its words in the order of now, 0 where a word is new. The step's size rho is the share
    of the window's texts that are new, so that the topics remember about one window: lambda = eta + (1 - rho) growth (lambda
    before - eta) + the counts of the new texts (Hoffman, Blei & Bach, 2010, eq. 8, with |D| / |S| = 1 / rho). growth: texts of
    this window over those of the one before. `n_passes` E-steps, each from the same lambda before.
    """
    eta = 1 / len(before)
    kept = (1 - share_new) * growth * np.maximum(before - eta, 0.0)
    after = eta + kept
    for _ in range(n_passes if len(new.length) else 0):
        after = eta + kept + _expected(new, exp_expected_log(after))[1]
    return np.asarray(after)


def aligned(topic_word: Floats, before: Floats) -> Ints:
    """Return the order of the topics in which each stands at the place of the one before that it is most like, (n_topics,).

    Best one-to-one assignment on the cosine of the topics' words, as far as both know them (before: 0 where it does not). Topics
    without a counterpart, where there are more than before, come last.
    """
    from scipy.optimize import linear_sum_assignment

    common = before.any(axis=0)
    now, then = ((m / np.maximum(np.sqrt((m**2).sum(axis=1, keepdims=True)), np.finfo(float).tiny)) for m in (topic_word * common, before))
    likeness = np.stack([(now * row).sum(axis=1) for row in then])  # no matrix product, whose last bit depends on the machine's threads
    matched = linear_sum_assignment(-likeness)[1]
    return np.concatenate([matched, np.setdiff1d(np.arange(len(topic_word)), matched)])


def _expected(bags: Bags, beta: Floats) -> tuple[Floats, Floats]:
    """Return gamma, (n_docs, n_topics), and the expected counts of each word in each topic, (n_topics, n_words)."""
    gamma = posterior(bags, beta, 1 / len(beta))
    theta = np.repeat(exp_expected_log(gamma), bags.length, axis=0)  # (n_entries, n_topics)
    norm = (theta * beta.T[bags.word]).sum(axis=1) + np.finfo(float).eps
    share = theta * (bags.count / norm)[:, None]
    counts = np.stack([np.bincount(bags.word, column, minlength=beta.shape[1]) for column in share.T])
    return gamma, counts * beta


def _start(vocabulary: Sequence[str], n_topics: int, seed: int) -> Floats:
    """Return where learning starts, (n_topics, n_words): each word's weights are its own, whatever the rest of the vocabulary."""
    return np.stack([random_generator(seed, word).gamma(START_SHAPE, 1 / START_SHAPE, n_topics) for word in vocabulary], axis=1)


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
