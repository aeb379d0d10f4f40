"""Sentiment: how good or bad the news of each row is, from a word list. Nothing here learns.

1. The list is VADER's (Hutto & Gilbert, 2014), extended and overruled by ours of financial English, `finance_words.csv`:
   `beats` and `downgrade` are news, `gross` is no insult and `share` no kindness. A score of 0 there takes a word out.
2. A phrase of ours (`guidance cut`, `short interest`) is joined into one word first, so that it counts as a whole.
3. VADER's rules do the rest: negation, intensifiers, `but`, emphasis.
4. Each row gets the mean over its documents, a document of age `half_life_hours` counting half.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.cache import Arrays, Cache, key
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.repro import code_hash
from quantlab.text.base import Floats, TextFeature
from quantlab.text.tokens import plain

WORDS = Path(__file__).with_name("finance_words.csv")
NEGATIONS = re.compile(r"\b(?:den(?:y|ies|ied)|(?:fail(?:s|ed)?|unable) to)\b", re.IGNORECASE)  # besides VADER's own: not, no, n't, without


class Sentiment(TextFeature):
    """Three columns per row: tone in [-1, 1], confidence in [0, 1] and disagreement in [0, 1]; all 0 without documents.

    sentiment_tone: mean tone of the documents (VADER's compound score). sentiment_confidence: mean share of their text that
    the list knows as good or bad, so a tone that rests on one word in thirty is told from one that rests on ten.
    sentiment_disagreement: standard deviation of the tone between the documents. All three are weighted by age.
    Raises UsageError if half_life_hours is not positive.
    """

    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = ("text/tokens.py", "text/finance_words.csv")
    libraries: ClassVar[tuple[str, ...]] = ("vaderSentiment",)

    def __init__(self, *, half_life_hours: float = 24.0, cache: Cache | None = None) -> None:
        """Keep the parameters."""
        self.half_life_hours = half_life_hours
        self.cache = cache

    def prepare(self, X: pd.Series) -> None:
        """Score every distinct text once, ahead of the folds."""
        if self.cache is not None:
            self._scores(Documents.of(X).texts)

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        if not self.half_life_hours > 0:
            raise UsageError(f"Sentiment: half_life_hours={self.half_life_hours!r}: a half-life must be positive")
        return {}

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        scores = self._scores(documents.texts)
        weights = documents.decay(self.half_life_hours)
        means = documents.mean_by_row(scores, weights)
        centred = scores[documents.text, 0] - means[documents.row, 0]
        total = np.bincount(documents.row, weights, minlength=documents.n_rows)
        squares = np.bincount(documents.row, weights * centred**2, minlength=documents.n_rows)
        return np.column_stack([means, np.sqrt(squares / np.where(total > 0, total, 1.0))])

    def _names(self, learned: Arrays) -> list[str]:
        return ["sentiment_tone", "sentiment_confidence", "sentiment_disagreement"]

    def _scores(self, texts: Sequence[str]) -> Floats:
        """Return tone and confidence of each text, (n_texts, 2), from the cache where it has them."""
        if not texts:
            return np.zeros((0, 2))
        if self.cache is None:
            return score(texts).astype(float)
        code = code_hash("text/sentiment.py", *self.code)
        found = [metadata.version(name) for name in self.libraries]
        return self.cache.rows(key("sentiment", code, found), texts, score).astype(float)


def score(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return tone in [-1, 1] and confidence in [0, 1] of each text, (n_texts, 2), each a pure function of that text."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    join = _overrule(analyzer.lexicon)
    found = [analyzer.polarity_scores(join(plain(text))) for text in texts]
    return np.array([(one["compound"], min(1.0, one["pos"] + one["neg"])) for one in found], dtype=np.float32).reshape(-1, 2)


def _overrule(lexicon: dict[str, float]) -> Callable[[str], str]:
    """Put our words in the place of VADER's, and return the function that joins our phrases into words of that lexicon."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        ours = {row["phrase"]: float(row["score"]) for row in csv.DictReader(file)}
    for phrase, value in ours.items():
        if value == 0:
            lexicon.pop(phrase, None)  # not 0: VADER adds emphasis to any listed word in capitals
        else:
            lexicon[phrase.replace(" ", "_")] = value
    phrases = sorted((phrase for phrase in ours if " " in phrase), key=lambda phrase: (-len(phrase), phrase))
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(phrases).replace(' ', '[ -]')})(?![\w-])", re.IGNORECASE)
    return lambda text: NEGATIONS.sub("not", pattern.sub(lambda match: re.sub("[ -]", "_", match.group()), text))
