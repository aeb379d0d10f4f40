"""Where a tone comes from: a word list, a fine-tuned model, described labels. Each is a pure function of each text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from quantlab.cache import Cache, key
from quantlab.errors import UsageError, nearest
from quantlab.result import Json
from quantlab.text.encoder.checkpoint import resolved_device, resolved_dtype
from quantlab.text.sentiment.lexicon import read_words, score
from quantlab.text.sentiment.model_folder import ModelFolder, find_model
from quantlab.text.tokens import plain

Floats: TypeAlias = "npt.NDArray[np.float64]"
Float32: TypeAlias = "npt.NDArray[np.float32]"

TONES: Final[Mapping[str, float]] = {
    **dict.fromkeys(("positive", "pos", "good", "bullish", "bull", "buy", "up", "better"), 1.0),
    **dict.fromkeys(("negative", "neg", "bad", "bearish", "bear", "sell", "down", "worse"), -1.0),
    **dict.fromkeys(("neutral", "neu", "hold", "flat", "mixed", "unchanged"), 0.0),
    "-1": -1.0,
    "0": 0.0,
    "1": 1.0,
}


class Source(Protocol):
    """What tells the tone of a text."""

    def facts(self) -> dict[str, Json]:
        """Return what it is, by content: enough to tell it from any other."""
        ...

    def score(self, texts: Sequence[str], cache: Cache | None) -> Float32:
        """Return tone in [-1, 1] and confidence in [0, 1] of each text, (n_texts, 2)."""
        ...


@dataclass(frozen=True)
class WordList:
    """Our word list over VADER's, or that of a path in their place."""

    path: Path | None = None

    def facts(self) -> dict[str, Json]:
        """Return the name of the list and a hash of its words."""
        if self.path is None:
            return {"source": "lexicon", "lexicon": "built in"}
        return {"source": "lexicon", "lexicon": self.path.name, "words": key(read_words(self.path))}

    def score(self, texts: Sequence[str], cache: Cache | None) -> Float32:
        """Return the tone by the words; confidence is the share of the text that the list knows as good or bad."""
        del cache  # the rules are quick, and keep nothing of their own
        return score(texts, None if self.path is None else read_words(self.path))


@dataclass(frozen=True)
class Labels:
    """Probabilities of labels, each label with a tone."""

    tones: Mapping[str, float]
    predict: Callable[[Sequence[str], Cache | None], Floats]
    source: Mapping[str, Json]

    def facts(self) -> dict[str, Json]:
        """Return the labels' tones, and what tells them."""
        return {**self.source, "tones": dict(self.tones)}

    def score(self, texts: Sequence[str], cache: Cache | None) -> Float32:
        """Return the mean tone of the labels; confidence is one less the entropy, as a share of the most there can be."""
        probabilities = self.predict([plain(text) for text in texts], cache)
        tone = (probabilities * np.array(list(self.tones.values()))).sum(axis=1)
        logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
        surprise = -(probabilities * logs).sum(axis=1) / np.log(len(self.tones))
        return _silent_if_empty(np.column_stack([tone, np.clip(1.0 - surprise, 0.0, 1.0)]), texts)


@dataclass(frozen=True)
class Numbers:
    """A model of numbers."""

    model: ModelFolder

    def facts(self) -> dict[str, Json]:
        """Return the model's name and dates."""
        return model_facts(self.model)

    def score(self, texts: Sequence[str], cache: Cache | None) -> Float32:
        """Return the number over the largest that the model learned from, within [-1, 1]; confidence is its size."""
        found = self.model.predict([plain(text) for text in texts], cache)[:, 0] / self.model.card["model"]["largest"]
        tone = np.clip(found, -1.0, 1.0)
        return _silent_if_empty(np.column_stack([tone, np.abs(tone)]), texts)


def _silent_if_empty(scores: Floats, texts: Sequence[str]) -> Float32:
    """Return the scores, 0 for a text of which nothing is left to read: an encoder makes something of nothing."""
    said = np.array([plain(text) != "" for text in texts], dtype=bool)
    return np.where(said[:, None], scores, 0.0).astype(np.float32)


def source_of_model(folder: str | Path, tones: Mapping[str, float] | None) -> Source:
    """Return the model in a folder as a source of tones; UsageError if its labels have none."""
    model = find_model(folder)
    if model.task == "multilabel":
        raise UsageError(f"Sentiment: {folder} tells any number of labels at once, which is no tone: fine-tune one label column")
    if model.task == "number":
        return Numbers(model)

    return Labels(tones_of(model.labels, tones), model.predict, model_facts(model))


def model_facts(model: ModelFolder) -> dict[str, Json]:
    """Return what a report says of a fine-tuned model."""
    card, device = model.card, resolved_device("auto")
    return {
        "source": "model",
        "model": model.checkpoint.folder.name,
        "model_id": model.id,
        "dtype": resolved_dtype(card["model"]["dtype"], device),
        "device": device,
        "fit_end": card["fit_end"],
        "knowledge_cutoff": card["knowledge_cutoff"],
    }


def tones_of(labels: Sequence[str], given: Mapping[str, float] | None) -> dict[str, float]:
    """Return the tone of each label, as given or as its name tells.

    Raises UsageError if a name tells none, if one is given for a label that there is not, or lies outside [-1, 1], or if all are equal.
    """
    known = TONES if given is None else given
    for label in given or {}:
        if label not in labels:
            raise UsageError(f"Sentiment: tones has {label!r}, but the labels are {', '.join(labels)}{nearest(label, labels)}")
    found = {label: known.get(label if given is not None else label.lower()) for label in labels}
    unknown = [label for label, tone in found.items() if tone is None]
    if unknown or (given is None and "0" in labels and "-1" not in labels):  # 0 and 1 may be bad and good, or neutral and good
        example = ", ".join(f"{label!r}: ..." for label in labels)
        raise UsageError(f"Sentiment: what tone is {', '.join(unknown or labels)}? Say so: tones={{{example}}}, from -1 to 1")
    tones = {label: float(tone) for label, tone in found.items() if tone is not None}
    if not all(abs(tone) <= 1 for tone in tones.values()) or len(set(tones.values())) < 2:
        raise UsageError(f"Sentiment: tones={dict(tones)!r} must lie within [-1, 1], and differ")
    return tones
