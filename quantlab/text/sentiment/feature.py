"""Sentiment: how good or bad the news of each row is, by a word list, a fine-tuned model, descriptions, or a few examples.

1. One source tells the tone of each text, a pure function of that text alone, computed once per text (`prepare`, the cache):
   a word list (`lexicon`), a folder made by `quantlab finetune` (`model_folder`), descriptions of labels or examples (`zero_shot`).
2. Each row gets the mean over its documents, a document of age `half_life_hours` counting half, and how far they disagree.

Nothing here learns from the rows, so nothing is cross-fitted. But a model or an examples list has been made from texts of some time: where
that is known, `describe_learned` says it (`knowledge_cutoff`), and the report marks the sessions before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from quantlab.cache import Arrays, Cache, key
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.repro import code_hash
from quantlab.result import Json
from quantlab.text import checks
from quantlab.text.base import Floats, TextFeature
from quantlab.text.sentiment.lexicon import WORDS, score
from quantlab.text.sentiment.tones import Labels, Source, WordList, source_of_model, tones_of
from quantlab.text.sentiment.zero_shot import SENTIMENT, ZeroShot

__all__ = ["WORDS", "Sentiment", "score"]


class Sentiment(TextFeature):
    """Three columns per row: tone in [-1, 1], confidence in [0, 1] and disagreement in [0, 1]; all 0 without documents.

    sentiment_tone: mean tone of the documents. sentiment_confidence: mean confidence in it. sentiment_disagreement: standard deviation
    of the tone between the documents. All three are weighted by age.

    Where the tone comes from, one of:
    nothing said: VADER's word list and rules with our words of finance; confidence is the share of a text that the list knows as good or
    bad, so a tone that rests on one word in thirty is told from one that rests on ten. lexicon: path of a word list that takes its place.
    model: folder made by `quantlab finetune`; tone is the mean over its classes, confidence one less the entropy as a share of the most
    there can be. Of a model of numbers: the number over the largest it learned from, and its size. zero_shot: description of each label,
    or True for negative, neutral and positive, put into `template`; examples: (text, label) pairs, alone or with zero_shot; as for
    classes. tones: the tone of each label, in [-1, 1], where its name does not tell it.
    Raises UsageError for two sources, labels whose tone is not known, half_life_hours that is not positive; DataError for a bad word list.
    """

    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (
        *(f"text/sentiment/{name}.py" for name in ("tones", "lexicon", "zero_shot", "model_folder")),
        *(f"text/encoder/{name}.py" for name in ("heads", "finetune", "frozen", "inference")),
        "text/tokens.py",
        "text/sentiment/finance_words.csv",
    )
    libraries: ClassVar[tuple[str, ...]] = ("vaderSentiment", "torch", "transformers", "tokenizers")

    def __init__(
        self,
        *,
        lexicon: str | Path | None = None,
        model: str | Path | None = None,
        zero_shot: Mapping[str, str] | bool | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
        template: str = "{}",
        tones: Mapping[str, float] | None = None,
        half_life_hours: float = 24.0,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.lexicon = lexicon
        self.model = model
        self.zero_shot = zero_shot
        self.examples = examples
        self.template = template
        self.tones = tones
        self.half_life_hours = half_life_hours
        self.cache = cache

    def prepare(self, X: pd.Series) -> None:
        """Score every distinct text once, ahead of the folds."""
        self._check()
        if self.cache is not None:
            self._scores(Documents.of(X).texts)

    def describe_learned(self) -> dict[str, Json]:
        """Return what the report says of the source, with the ISO date of the last text it may have read (`knowledge_cutoff`)."""
        return self._source().facts()

    def _identity(self) -> str:
        self._check()
        return key(super()._identity(), self._source().facts())

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
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
        source = self._source()
        if self.cache is None:
            return source.score(texts, None).astype(float)
        code = code_hash("text/sentiment/feature.py", *self.code)
        found = [metadata.version(name) for name in self.libraries]
        namespace = key("sentiment", code, found, source.facts())
        return self.cache.rows(namespace, texts, lambda missing: source.score(missing, self.cache)).astype(float)

    def _check(self) -> None:
        """Refuse values that cannot be; what contradicts another is refused where the source is made."""
        checks.half_life(self)
        checks.optional(self, "lexicon", str, Path)
        checks.optional(self, "model", str, Path)
        checks.optional(self, "zero_shot", Mapping, bool)
        checks.optional(self, "tones", Mapping)
        checks.optional(self, "cache", Cache)
        described = self.zero_shot if isinstance(self.zero_shot, Mapping) else {}
        if not all(isinstance(word, str) for pair in described.items() for word in pair):
            raise UsageError(f"Sentiment: zero_shot={self.zero_shot!r} must give each label a description: {{'good': 'profit rose', ...}}")
        if not isinstance(self.template, str):
            raise UsageError(f"Sentiment: template={self.template!r} must be a text with {{}} in it")
        pairs = () if self.examples is None else self.examples
        if not isinstance(pairs, Sequence) or not all(map(_is_example, pairs)):
            raise UsageError(f"Sentiment: examples={self.examples!r} must be pairs of text and label: [('Sales rose', 'positive'), ...]")
        for label, tone in (self.tones or {}).items():
            if not isinstance(tone, int | float) or isinstance(tone, bool):
                raise UsageError(f"Sentiment: tones has {label!r}: {tone!r}, which is no number from -1 to 1")

    def _source(self) -> Source:
        """Return where the tone comes from; UsageError for parameters that contradict each other."""
        given = [name for name in ("lexicon", "model", "zero_shot") if getattr(self, name) not in (None, False)]
        given += ["examples"] if self.examples is not None and "zero_shot" not in given else []
        if len(given) > 1:
            raise UsageError(f"Sentiment: {' and '.join(given)} are given: the tone comes from one of them (or zero_shot with examples)")
        if self.template != "{}" and "zero_shot" not in given:
            raise UsageError("Sentiment: template= is for the descriptions of zero_shot=, and there are none")
        if not given or given == ["lexicon"]:
            if self.tones is not None:
                raise UsageError("Sentiment: tones= is for labels, and a word list has none")
            return WordList(None if self.lexicon is None else Path(self.lexicon))
        if given == ["model"]:
            return source_of_model(str(self.model), self.tones)
        wanted = SENTIMENT if self.zero_shot is True else self.zero_shot or {}
        told = ZeroShot(dict(wanted), self.template, tuple((text, label) for text, label in self.examples or ()))
        return Labels(tones_of(told.labels, self.tones), told.predict, told.facts())


def _is_example(pair: object) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
