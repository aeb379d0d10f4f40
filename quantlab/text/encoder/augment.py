"""Augmentation: the same news said in other words, so that a label is not learned from one turn of phrase.

The near-synonyms are a list of our own, `near_synonyms.txt`: words of one line say nearly the same in a headline, in the same form and
with the same sign. Swapping them is a choice of words, drawn anew for each text from its own seed: a pure function of text and seed.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

from quantlab.repro import random_generator
from quantlab.text.encoder.training import Examples

WORD: Final = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")


@functools.cache
def near_synonyms() -> dict[str, tuple[str, ...]]:
    """Return the other words of each word's line."""
    lines = files("quantlab.text.encoder").joinpath("near_synonyms.txt").read_text(encoding="utf-8").splitlines()
    groups = [line.split() for line in lines if line and not line.startswith("#")]
    return {word: tuple(other for other in group if other != word) for group in groups for word in group}


def swapped(text: str, share: float, seed: int) -> str:
    """Return the text with about `share` of its words that have near-synonyms swapped; a capital first letter stays one."""
    rng = random_generator(seed, text)

    def other(match: re.Match[str]) -> str:
        """Return the word, or a near-synonym of it."""
        word = match.group()
        known = near_synonyms().get(word.lower())
        if known is None or rng.random() >= share:
            return word
        found = known[rng.integers(len(known))]
        return found.capitalize() if word[0].isupper() else found

    return WORD.sub(other, text)


def with_swapped(examples: Examples, share: float, seed: int) -> Examples:
    """Return the examples with a second copy, its words swapped, of each text that is trained on; the two share its weight."""
    rows = np.flatnonzero(examples.sampled & ~examples.held_out)
    copies = [swapped(examples.texts[row], share, seed) for row in rows.tolist()]
    taken, fresh = set(examples.texts), np.zeros(len(rows), dtype=bool)
    for number, copy in enumerate(copies):  # a chunk holds each text once
        fresh[number] = copy not in taken
        taken.add(copy)
    rows = rows[fresh]
    weight = examples.weight.copy()
    weight[rows] /= 2
    return Examples(
        [*examples.texts, *(copy for copy, new in zip(copies, fresh, strict=True) if new)],
        np.concatenate([examples.target, examples.target[rows]]),
        np.concatenate([weight, weight[rows]]),
        np.concatenate([examples.sampled, examples.sampled[rows]]),
        np.concatenate([examples.held_out, examples.held_out[rows]]),
        examples.task,
    )


def hidden(n_tokens: npt.NDArray[np.int64], bucket: int, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which tokens are left when about `share` of each text's are hidden, (n_texts, bucket): never none, the first always stays."""
    left = (np.arange(bucket) < n_tokens[:, None]) & (rng.random((len(n_tokens), bucket)) >= share)
    left[:, 0] = True
    return left
