"""How many topics: each candidate is fitted on the training rows alone, and scored there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from quantlab.text.topics.bags import Corpus, Counting, Floats, counted
from quantlab.text.topics.fitting import fresh_topics
from quantlab.text.topics.quality import coherence, held_out_likelihood, top_words

CHOICES: Final = ("likelihood", "coherence")
HELD_OUT = 0.2  # of the distinct texts, the last to be used first
N_TOP = 10  # words per topic whose coherence counts


def scores(corpus: Corpus, candidates: Sequence[int], counting: Counting, *, by: str, n_passes: int, seed: int) -> Floats:
    """Return (number of topics, score) of each candidate, (n_candidates, 2); the higher the better, NaN where there are too few texts.

    By likelihood: learned from the texts first used in the earlier part of the window, scored on those first used after it. A
    text that is in view on both sides of the cut belongs to the earlier part only, so nothing is scored that was learned from:
    that is the purge which topics, learned without labels, need. By coherence: the mean NPMI of the top words in all texts.
    """
    early = corpus.place < (1 - HELD_OUT) * len(corpus.texts) if by == "likelihood" else np.ones(len(corpus.texts), dtype=bool)
    words = counted(corpus.only(early), counting)
    if not words.vocabulary:
        return np.array([(n, np.nan) for n in candidates])
    late = words.read(corpus.only(~early).texts)
    found = []
    for n_topics in candidates:
        topic_word = fresh_topics(words.bags, words.vocabulary, n_topics, n_passes, seed)
        if by == "likelihood":
            score = held_out_likelihood(late, words.vocabulary, topic_word)
        else:
            score = float(coherence(words.bags, top_words(topic_word, N_TOP), len(words.vocabulary))[0].mean())
        found.append((n_topics, score))
    return np.array(found)
