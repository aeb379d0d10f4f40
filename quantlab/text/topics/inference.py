"""What a text is about, given topics: the E-step, which gives the same answer in any company.

Every document starts at the same constant and stops on its own, with no sum across documents. So a text has the same
proportions, to the bit, alone or in any batch; gensim's own draws a random start for each call, and the same question asked
twice has two answers.
"""

from __future__ import annotations

import numpy as np

from quantlab.text.topics.bags import Bags, Floats

MAX_STEPS, TOLERANCE = 100, 1e-3  # of the E-step; TOLERANCE is gensim's, the mean change of gamma
CHUNK = 2000  # documents per update, and per call of the E-step, which bounds its memory


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


def proportions(bags: Bags, topic_word: Floats) -> Floats:
    """Return the mean share of each topic in each document, (n_docs, n_topics), given lambda, (n_topics, n_words)."""
    gamma = posterior(bags, exp_expected_log(topic_word), 1 / len(topic_word))
    return np.asarray(gamma / gamma.sum(axis=1, keepdims=True))


def exp_expected_log(dirichlet: Floats) -> Floats:
    """Return exp(E[log x]) for x ~ Dirichlet(each row), of the same shape."""
    from scipy.special import psi

    return np.asarray(np.exp(psi(dirichlet) - psi(dirichlet.sum(axis=1, keepdims=True))))


def _converged(bags: Bags, beta: Floats, alpha: float) -> Floats:
    """Iterate documents, each with a word, until each one has settled; beta: of each entry's word, (n_entries, n_topics)."""
    length, count = bags.length, bags.count
    result = np.ones((len(length), beta.shape[1]))
    active, gamma = np.arange(len(length)), result.copy()
    for _ in range(MAX_STEPS):
        if len(active) == 0:
            break
        row = np.repeat(np.arange(len(length)), length)
        phi = beta * exp_expected_log(gamma)[row]  # (n_entries, n_topics)
        phi *= (count / (phi.sum(axis=1) + np.finfo(float).eps))[:, None]
        before, gamma = gamma, alpha + np.add.reduceat(phi, np.cumsum(length) - length, axis=0)
        result[active] = gamma
        going = np.abs(gamma - before).mean(axis=1) >= TOLERANCE
        entries = going[row]
        active, gamma, length, count, beta = active[going], gamma[going], length[going], count[entries], beta[entries]
    return result
