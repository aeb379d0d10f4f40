"""From words to numbers: phrases, a vocabulary and bags of words, all learned from the texts that they are given."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import log
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quantlab.text.tokens import runs

Floats = npt.NDArray[np.float64]
Runs: TypeAlias = "Sequence[Sequence[str]]"  # a text as `tokens.runs` gives it

MAX_SHARE = 0.5  # of the texts: a word in more of them than that tells no topic from another
JOINT = "_"  # between the words of a phrase; no word has one
MIN_NPMI = 0.5  # from which two neighbours are a phrase: half way from chance (0) to never apart (1)
ROUNDS = 2  # of joining neighbours: phrases of up to four words


@dataclass(frozen=True)
class Bags:
    """Bags of words, flat: distinct words of each document (n_docs,), then word and count of each of them, (n_entries,)."""

    length: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    count: Floats


@dataclass(frozen=True)
class Corpus:
    """Distinct texts that have words, in an order that only their words decide and that has nothing to do with what they say.

    texts: the runs of each; raw: how it was written (the first in the alphabet, where several say the same); fingerprint: of its
    words; place: the order in which they were first used. Shapes (n_texts,).

    Online learning takes texts in portions and wants each to be a sample of all: in the order of the alphabet, and in the order
    of time, it is not. Measured on tweets, this order raised the likelihood of held-out words and the overlap of topics between folds.
    """

    texts: list[Runs]
    raw: list[str]
    fingerprint: npt.NDArray[np.uint64]
    place: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Corpus:
        """Read texts given in the order of their first use; those that differ only in what `words` leaves out are one."""
        found: dict[tuple[str, ...], tuple[str, Runs]] = {}
        for text in texts:
            side_by_side = runs(text)
            words = tuple(chain.from_iterable(side_by_side))
            if words and (words not in found or text < found[words][0]):
                found[words] = (text, side_by_side)
        fingerprint = _fingerprints(list(found))
        order = np.lexsort([np.arange(len(found)), fingerprint])
        values = list(found.values())
        written = [values[place] for place in order]
        return cls([text for _, text in written], [raw for raw, _ in written], fingerprint[order], order)

    def only(self, chosen: npt.NDArray[np.bool_]) -> Corpus:
        """Return the chosen texts, (n_texts,)."""
        at = np.flatnonzero(chosen)
        return Corpus([self.texts[i] for i in at], [self.raw[i] for i in at], self.fingerprint[at], self.place[at])


@dataclass(frozen=True)
class Counting:
    """What to count: phrases or not, at most `size` words, those in at least `min_documents` texts."""

    phrases: bool
    size: int
    min_documents: int


@dataclass(frozen=True)
class Counted:
    """A corpus in numbers: the phrases and the vocabulary that it taught, its texts in these words, and their bags."""

    phrases: list[str]
    vocabulary: list[str]
    texts: list[list[str]]
    bags: Bags

    def read(self, texts: Sequence[Runs]) -> list[list[str]]:
        """Return other texts in these phrases."""
        known = frozenset(self.phrases)
        return [joined(text, known) for text in texts]


def counted(corpus: Corpus, counting: Counting) -> Counted:
    """Learn phrases and vocabulary from the corpus, and count its texts in them."""
    found = phrases_of(corpus.texts, counting.min_documents) if counting.phrases else []
    known = frozenset(found)
    texts = [joined(text, known) for text in corpus.texts]
    vocabulary = vocabulary_of(texts, counting.size, counting.min_documents)
    return Counted(found, vocabulary, texts, bags_of(texts, vocabulary))


def bags_of(texts: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Bags:
    """Return the words of each text that are in the vocabulary, with their counts, in the vocabulary's order."""
    position = {word: place for place, word in enumerate(vocabulary)}
    counted = [sorted(Counter(position[word] for word in text if word in position).items()) for text in texts]
    pairs = np.fromiter(chain.from_iterable(chain.from_iterable(counted)), dtype=np.int64).reshape(-1, 2)
    return Bags(np.array([len(bag) for bag in counted], dtype=np.int64), pairs[:, 0], pairs[:, 1].astype(float))


def phrases_of(texts: Sequence[Runs], min_documents: int) -> list[str]:
    """Return the phrases that the texts teach: `interest_rate`, `federal_reserve_bank`; two words first, the closest first.

    Two neighbours are a phrase if they stand side by side in at least `min_documents` texts and their normalised pointwise
    mutual information, ln(p(ab) / (p(a) p(b))) / -ln p(ab) over texts (Bouma, 2009), is at least MIN_NPMI.
    """
    phrases: list[str] = []
    for _ in range(ROUNDS):
        known = frozenset(phrases)
        now = [_joined_runs(text, known) for text in texts] if known else texts
        n_with = Counter(chain.from_iterable(set(chain.from_iterable(text)) for text in now))
        n_pairs = Counter(chain.from_iterable({pair for run in text for pair in pairwise(run)} for text in now))
        found = sorted(
            (-_npmi(n, n_with[a], n_with[b], len(texts)), a, b) for (a, b), n in n_pairs.items() if min_documents <= n < len(texts)
        )
        phrases += [a + JOINT + b for strength, a, b in found if -strength >= MIN_NPMI and a != b]
    return phrases


def joined(text: Runs, phrases: Collection[str]) -> list[str]:
    """Return the words of a text with its phrases as one word each, joined from left to right, as often as they were learned."""
    return list(chain.from_iterable(_joined_runs(text, phrases)))


def vocabulary_of(texts: Sequence[Sequence[str]], size: int, min_documents: int) -> list[str]:
    """Return the words to count, sorted: the most frequent ones that are neither rare nor everywhere."""
    n_texts_with = Counter(chain.from_iterable(set(text) for text in texts))
    usable = [(-n, word) for word, n in n_texts_with.items() if min_documents <= n <= MAX_SHARE * len(texts)]
    return sorted(word for _, word in sorted(usable)[:size])


def _fingerprints(texts: Sequence[Sequence[str]]) -> npt.NDArray[np.uint64]:
    """Return a number for each text that only its words decide, (n_texts,): 64 bits of a sha256."""
    digests = b"".join(hashlib.sha256(" ".join(text).encode()).digest()[:8] for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _joined_runs(text: Runs, phrases: Collection[str]) -> list[list[str]]:
    """Join neighbours that are a phrase, twice over: what the first round joined may be part of a longer phrase."""
    runs = [list(run) for run in text]
    for _ in range(ROUNDS):
        runs = [_joined_once(run, phrases) for run in runs]
    return runs


def _joined_once(run: Sequence[str], phrases: Collection[str]) -> list[str]:
    found: list[str] = []
    free = False  # whether the last word may still become part of a phrase
    for word in run:
        if free and f"{found[-1]}{JOINT}{word}" in phrases:
            found[-1] += JOINT + word
            free = False
        else:
            found.append(word)
            free = True
    return found


def _npmi(n_both: int, n_first: int, n_second: int, n_texts: int) -> float:
    """Return the normalised pointwise mutual information of two words; n_both < n_texts."""
    return log(n_both * n_texts / (n_first * n_second)) / -log(n_both / n_texts)
