"""What topics are worth, and how to show them: top words, coherence, typical texts, likelihood of texts held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quantlab.text.topics.bags import Bags, Floats, bags_of
from quantlab.text.topics.inference import proportions

Ints = npt.NDArray[np.int64]
RELEVANCE = 0.6  # weight of probability against lift in the choice of top words (Sievert & Shirley, 2014)
MIN_KNOWN = 3  # words of the vocabulary that a typical text has
MAX_ALIKE = 0.5  # Jaccard similarity of the words from which two typical texts say the same


def top_words(topic_word: Floats, n: int) -> Ints:
    """Return the positions of the `n` words that tell each topic best, (n_topics, n), the best first, ties by position."""
    in_topic = topic_word / np.maximum(topic_word.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    overall = topic_word.sum(axis=0) / np.maximum(topic_word.sum(), np.finfo(float).tiny)
    relevance = np.log(in_topic) - (1 - RELEVANCE) * np.log(overall)
    return np.asarray(np.argsort(-relevance, axis=1, kind="stable")[:, :n])


def coherence(bags: Bags, top: Ints, n_words: int) -> tuple[Floats, Floats]:
    """Return the coherence of each topic's top words in the texts of the bags: NPMI in [-1, 1] and UMass, <= 0, (n_topics,) each.

    Means over pairs of top words. NPMI: ln(p(ab) / (p(a) p(b))) / -ln p(ab), -1 for words never met together (Bouma, 2009;
    Roeder, Both & Hinneburg, 2015). UMass: ln((n(ab) + 1) / n(a)), a the more typical of the two (Mimno et al., 2011). A topic of
    one word has neither: NaN.
    """
    from scipy.sparse import csr_matrix

    ends = np.concatenate([[0], np.cumsum(bags.length)])
    has = csr_matrix((np.ones(len(bags.word)), bags.word, ends), shape=(len(bags.length), n_words)).tocsc()
    first, second = np.triu_indices(top.shape[1], 1)
    if len(first) == 0:
        return np.full(len(top), np.nan), np.full(len(top), np.nan)
    npmi, umass = [], []
    for words in top:
        part = has[:, words]
        together = np.asarray((part.T @ part).toarray())
        alone, both = together.diagonal(), together[first, second]
        p = np.maximum(both, 1) / len(bags.length)
        information = np.log(p * len(bags.length) ** 2 / (alone[first] * alone[second]))
        certain = p >= 1  # both in every text: as close as can be
        npmi.append(np.where(both > 0, np.where(certain, 1.0, information / np.where(certain, 1.0, -np.log(p))), -1.0).mean())
        umass.append(np.log((both + 1) / alone[first]).clip(max=0).mean())
    return np.array(npmi), np.array(umass)


def typical(bags: Bags, n_words: Ints, topic_word: Floats, n: int) -> list[list[int]]:
    """Return the texts that are most about each topic, at most `n` per topic: the highest share first, ties by position.

    The share is that of all the text's distinct words (n_words, (n_texts,)): what is mostly unknown is typical of nothing. A text
    has at least MIN_KNOWN known words, and none repeats most of the words of one chosen before it.
    """
    share = proportions(bags, topic_word)
    share[share < share.max(axis=1, keepdims=True)] = 0.0  # it is about another topic in the first place
    share *= np.where(bags.length < MIN_KNOWN, 0.0, bags.length / np.maximum(n_words, 1))[:, None]
    end = np.cumsum(bags.length)
    chosen: list[list[int]] = []
    for column in share.T:
        picked: list[tuple[int, frozenset[int]]] = []
        for text in np.argsort(-column, kind="stable")[: 20 * n].tolist():
            words = frozenset(bags.word[end[text] - bags.length[text] : end[text]].tolist())
            if column[text] > 0 and all(len(words & other) < MAX_ALIKE * len(words | other) for _, other in picked):
                picked.append((text, words))
        chosen.append([text for text, _ in picked[:n]])
    return chosen


def held_out_likelihood(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], topic_word: Floats) -> float:
    """Return the mean log-likelihood of a held-out word, in nats: every other word of a text tells its topics, the rest is scored.

    Document completion (Wallach, Murray, Salakhutdinov & Mimno, 2009); only words of the vocabulary count. NaN if no text has two.
    """
    known_words = set(vocabulary)
    known = [[word for word in text if word in known_words] for text in texts]
    known = [text for text in known if len(text) > 1]
    if not known:
        return float("nan")
    share = proportions(bags_of([text[::2] for text in known], vocabulary), topic_word)
    scored = bags_of([text[1::2] for text in known], vocabulary)
    in_topic = topic_word / topic_word.sum(axis=1, keepdims=True)
    likelihood = (np.repeat(share, scored.length, axis=0) * in_topic.T[scored.word]).sum(axis=1)
    return float((scored.count * np.log(likelihood)).sum() / scored.count.sum())
