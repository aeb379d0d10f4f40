"""Labels without training, or from a handful of examples: how near a text is to what describes each label.

1. Each description, put into the template, and each text is embedded by the encoder that comes with quantlab. The probability of a
   label is the softmax of the cosines over a temperature (Yin, Hay & Roth 2019, by entailment; here by similarity).
2. Examples correct it: a ridge regression on their embeddings, its penalty chosen by generalised cross-validation, tells how far the
   probabilities are from their labels, and adds that for every text. Without descriptions it begins at equal probabilities.

Where texts and labels are the same, so are the bits: a prediction is a pure function of its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantlab.cache import Cache, key
from quantlab.errors import UsageError, nearest
from quantlab.repro import one_thread
from quantlab.result import Json
from quantlab.text.encoder.checkpoint import find_checkpoint, resolved_device, resolved_dtype
from quantlab.text.encoder.finetune import projected
from quantlab.text.encoder.frozen import frozen_part
from quantlab.text.encoder.heads import ridge, shares
from quantlab.text.tokens import plain

Floats = npt.NDArray[np.float64]

SENTIMENT: Final = {  # chosen on the training part of the Financial PhraseBank: wordings about "good news" did worse (.43 against .63)
    "negative": "profit, sales or orders fell",
    "neutral": "facts about the company",
    "positive": "profit, sales or orders rose",
}
TEMPERATURE: Final = 0.05  # of cosines, most of which lie between 0 and 0.5


@dataclass(frozen=True)
class ZeroShot:
    """What tells the labels: a description of each, or examples (text, label), or both. `template` holds `{}` where a description goes.

    Raises UsageError for fewer than two labels, a template without a place, an example of an unknown label or under two labels.
    """

    descriptions: Mapping[str, str]
    template: str = "{}"
    examples: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot tell labels apart."""
        before, place, after = self.template.partition("{}")
        if not place or set(before + after) & set("{}"):
            raise UsageError(f"the template {self.template!r} must hold {{}} once, for the description of a label, and no other brace")
        if len(self.labels) < 2:
            raise UsageError(f"two labels are needed to tell apart, not {len(self.labels)}: {list(self.labels)}")
        known: dict[str, str] = {}
        for text, label in self.examples:
            if self.descriptions and label not in self.descriptions:
                raise UsageError(f"the example {text!r} is labelled {label!r}, which is not described{nearest(label, self.descriptions)}")
            if known.setdefault(plain(text), label) != label:
                raise UsageError(f"the example {text!r} is labelled both {known[plain(text)]!r} and {label!r}: keep one of them")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in order of the alphabet."""
        return tuple(sorted({*self.descriptions, *(label for _, label in self.examples)}))

    def facts(self) -> dict[str, Json]:
        """Return what it is: the labels' descriptions, the encoder, and a hash of the examples."""
        encoder, device = find_checkpoint(None), resolved_device("auto")
        return {
            "source": "zero_shot" if not self.examples else "few_shot",
            "descriptions": dict(self.descriptions),
            "template": self.template,
            "n_examples": len(self.examples),
            "examples": key(sorted(self.examples)),
            "encoder": encoder.id,
            "dtype": resolved_dtype("auto", device),
            "device": device,
            "knowledge_cutoff": encoder.knowledge_cutoff,
        }

    def predict(self, texts: Sequence[str], cache: Cache | None = None) -> Floats:
        """Return the probability of each label, (n_texts, n_labels), a pure function of each text (as `plain` gives it)."""
        correction = self._correction(cache)
        first, vectors = self._first(texts, cache)
        if correction is None:
            return first
        coefficients, intercept = correction
        found = np.clip(first + projected(vectors, coefficients) + intercept, 0.0, None)
        total = found.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 0, found / np.where(total > 0, total, 1.0), first))

    def _first(self, texts: Sequence[str], cache: Cache | None) -> tuple[Floats, Floats]:
        """Return the probabilities by the descriptions alone, (n_texts, n_labels), and the embeddings, (n_texts, width)."""
        part = frozen_part(None, tune="none", cache=cache)
        vectors = part.embeddings(texts).astype(float)
        if not self.descriptions:
            return np.full((len(texts), len(self.labels)), 1.0 / len(self.labels)), vectors
        prompts = part.embeddings([self.template.format(self.descriptions[label]) for label in self.labels]).astype(float)
        return shares(projected(vectors, prompts) / TEMPERATURE, "classes"), vectors

    def _correction(self, cache: Cache | None) -> tuple[Floats, Floats] | None:
        """Return coefficients (n_labels, width) and intercepts (n_labels,) of what the examples add, or None if there are none."""
        if not self.examples:
            return None
        first, vectors = self._first([plain(text) for text, _ in self.examples], cache)
        told = np.array([label for _, label in self.examples], dtype=object)[:, None] == np.array(self.labels, dtype=object)
        with one_thread():
            return ridge(vectors, told - first, np.ones(len(told)))
