"""TextEncoder: a pretrained transformer reads the news, frozen or fine-tuned inside each fold.

1. Each distinct text is read once (`plain`, fixed shapes, see `checkpoint`), whatever the folds: what is frozen cannot leak.
2. tune="none": embeddings, averaged over each row's documents by age, standardised and rotated to their principal components; mean,
   scale and components come from the training rows that have documents.
3. tune="top:n": the last n blocks and a linear head are fitted to the labels of the training rows (`finetune`). tune="head": the head
   alone, a ridge regression on the frozen embeddings.
4. One distinct text is one example, whatever the number of rows in which it stands: its label is their mean, by age, so a document that
   is in view for three bars does not count three times. It weighs as the square root of what it was seen: repeated labels overlap.
5. The score of a row is the mean of its documents' scores, by age; 0 without documents.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab import cache as store
from quantlab.cache import Arrays, Cache
from quantlab.errors import UsageError, nearest
from quantlab.news import Documents
from quantlab.repro import code_hash, one_thread, random_generator
from quantlab.result import Json
from quantlab.text.base import Floats, TextFeature
from quantlab.text.checkpoint import LAYERED, Checkpoint, find_checkpoint, resolved_dtype
from quantlab.text.finetune import Examples, Training, finetune, outputs, projected
from quantlab.text.frozen import FrozenPart
from quantlab.text.tokens import plain

MAX_DEVIATION: Final = 3.0  # standard deviations at which a label is clipped: the tails of returns are not the text's
MAX_CLASSES: Final = 3  # whole-numbered labels of at most so many values are classes
CODE: Final = ("text/checkpoint.py", "text/inference.py", "text/frozen.py", "text/finetune.py", "text/tokens.py")
LIBRARIES: Final = ("torch", "transformers", "tokenizers")


class TextEncoder(TextFeature):
    """What a pretrained encoder makes of each row's documents.

    Columns: `encoder_score`, the fitted head's (label in standard deviations; for labels -1, 0, 1 the probability of the highest less
    that of the lowest class); with tune="none" `encoder_0`, ... (principal components). All are 0 for a row without documents.

    checkpoint: folder or name of a Hugging Face encoder with safetensors weights; None is all-MiniLM-L6-v2, which comes with quantlab.
    tune: "none", "head", "top:1", "top:2", ... max_documents: distinct texts that blocks are
    trained on, at most, sampled evenly over time (the head starts from all).
    n_blocks: of time, for cross-fitting. max_tokens: a longer text is cut. dtype: "bfloat16", "float32" or "auto", the first where the
    processor has it. horizon (in bars) and random_state (None counts as 0) are set by the run.
    Raises UsageError for a value out of range, StorageError if the weights are damaged.
    """

    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = CODE
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        *,
        tune: str = "top:1",
        n_components: int = 16,
        half_life_hours: float = 24.0,
        epochs: int = 1,
        learning_rate: float = 2e-4,
        batch_size: int = 64,
        max_documents: int = 2500,
        n_blocks: int = 2,
        max_tokens: int = 128,
        dtype: str = "auto",
        horizon: int | None = None,
        random_state: int | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.checkpoint = checkpoint
        self.tune = tune
        self.n_components = n_components
        self.half_life_hours = half_life_hours
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_documents = max_documents
        self.n_blocks = n_blocks
        self.max_tokens = max_tokens
        self.dtype = dtype
        self.horizon = horizon
        self.random_state = random_state
        self.cache = cache

    @property
    def supervised(self) -> bool:  # type: ignore[override]  # the base says it of a class, here a parameter decides
        """Whether it learns from labels: unless tune="none"."""
        return self.tune != "none"

    def prepare(self, X: pd.Series) -> None:
        """Run the frozen part over every distinct text once, ahead of the folds."""
        self._part().fill(_readings(Documents.of(X))[0])

    def fit(self, X: pd.Series, y: pd.Series | None = None) -> Self:
        """Learn from the news column X, and unless tune="none" from the labels y, of the training rows."""
        self._part()
        return super().fit(X, y)

    def describe_learned(self) -> dict[str, Json]:
        """Return what the report says of a fit: the encoder's facts, how many texts there were and were trained on, the loss by epoch."""
        found = {name: value.tolist() for name, value in self.learned_.items() if name in ("n_texts", "n_trained_on", "loss")}
        return {**encoder_facts(self), **found}

    def _part(self) -> FrozenPart:
        """Return the frozen part that the parameters ask for, once all of them are found to be in range."""
        checkpoint = find_checkpoint(self.checkpoint)
        _check(self, checkpoint)
        namespace = store.key(code_hash(*CODE), [_version(name) for name in LIBRARIES])
        return FrozenPart(checkpoint, resolved_dtype(self.dtype), _n_top(self.tune, checkpoint), self.max_tokens, namespace, self.cache)

    def _identity(self) -> str:
        return store.key(super()._identity(), find_checkpoint(self.checkpoint).id, resolved_dtype(self.dtype))

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        texts, reading = _readings(documents)
        if y is None:
            return self._components(documents, texts, reading)
        learned: Arrays = {"n_texts": np.array(len(texts)), "n_trained_on": np.array(0), "loss": np.zeros(0)}
        target = _target(y)
        if len(texts) == 0 or target is None:
            return learned  # nothing to read, or nothing to tell apart: every score is 0
        seed = self.random_state or 0
        weight, means = _by_reading(documents, reading, target, self.half_life_hours, len(texts))
        sampled = _sample(len(texts), self.max_documents, seed)
        examples = Examples(texts, means, weight, sampled)
        # a sample must not undo what the head has from all texts: the smaller its share, the smaller the steps
        training = Training(self.epochs, self.learning_rate * float(sampled.mean()), self.batch_size, seed)
        weights = finetune(self._part(), examples, training)
        return learned | {"n_trained_on": np.array(int(sampled.sum()))} | weights

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        texts, reading = _readings(documents)
        decay = documents.decay(self.half_life_hours)
        if not self.supervised:
            rows = self._row_means(documents, texts, reading)
            mean, scale, components = (learned[name].astype(float) for name in ("mean", "scale", "components"))
            scores = projected((rows - mean) / scale, components)
            return np.where(documents.n_by_row[:, None] > 0, scores, 0.0)
        if "head.bias" not in learned or not texts:
            return np.zeros((documents.n_rows, 1))
        found = outputs(self._part(), learned, texts)
        scores = found[:, 0] if found.shape[1] == 1 else _up_less_down(found)
        return documents.mean_by_row(scores[reading][:, None], decay)

    def _names(self, learned: Arrays) -> list[str]:
        return ["encoder_score"] if self.supervised else [f"encoder_{number}" for number in range(len(learned["components"]))]

    def _row_means(self, documents: Documents, texts: Sequence[str], reading: npt.NDArray[np.int64]) -> Floats:
        """Return the mean embedding of each row's documents, by age, (n_rows, width)."""
        embeddings = self._part().embeddings(texts).astype(float)
        return documents.mean_by_row(embeddings[reading], documents.decay(self.half_life_hours))

    def _components(self, documents: Documents, texts: Sequence[str], reading: npt.NDArray[np.int64]) -> Arrays:
        """Return mean and scale of the rows that have documents, and their principal components, the largest entry of each positive."""
        rows = self._row_means(documents, texts, reading)[documents.n_by_row > 0]
        if len(rows) == 0:
            width = find_checkpoint(self.checkpoint).width
            return {"mean": np.zeros(width), "scale": np.ones(width), "components": np.zeros((0, width))}
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        scale = np.where(deviation > 0, deviation, 1.0)
        with one_thread():
            _, lengths, components = np.linalg.svd((rows - mean) / scale, full_matrices=False)
        rank = int((lengths > lengths[0] * max(rows.shape) * np.finfo(float).eps).sum())
        components = components[: min(self.n_components, rank)]
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
        return {"mean": mean, "scale": scale, "components": components * np.sign(largest)}


def encoder_facts(estimator: TextEncoder) -> dict[str, Json]:
    """Return what a manifest says of an encoder: where it comes from, what it has read and how it computes.

    knowledge_cutoff: ISO date of the last text that the checkpoint may have been trained on, None if unknown.
    """
    checkpoint = find_checkpoint(estimator.checkpoint)
    return {
        "checkpoint": checkpoint.name,
        "checkpoint_id": checkpoint.id,
        "sha256": dict(checkpoint.weights),
        "dtype": resolved_dtype(estimator.dtype),
        "knowledge_cutoff": checkpoint.knowledge_cutoff,
        "tune": estimator.tune,
    }


_plain = functools.lru_cache(maxsize=2**17)(plain)  # every fit and every block reads the same texts again


def _readings(documents: Documents) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the distinct texts as the encoder reads them, in order of first use, and which of them each text is."""
    codes, readings = pd.factorize(np.array([_plain(text) for text in documents.texts], dtype=object))
    return tuple(readings), codes.astype(np.int64)


def _target(y: Floats) -> Floats | None:
    """Return the labels as the head is to tell them: standardised, (n, 1), or one column per class; None if all are equal."""
    values = np.unique(y)
    if not np.isfinite(values).all():
        raise ValueError("TextEncoder: a label is missing or infinite: drop its row")
    if len(values) < 2:
        return None
    if len(values) <= MAX_CLASSES and (values == np.round(values)).all():
        return np.asarray(y[:, None] == values, dtype=float)
    return np.asarray(np.clip((y - y.mean()) / y.std(), -MAX_DEVIATION, MAX_DEVIATION)[:, None])


def _by_reading(
    documents: Documents, reading: npt.NDArray[np.int64], target: Floats, half_life_hours: float, n: int
) -> tuple[Floats, Floats]:
    """Return the weight (n,) and the mean target (n, n_targets) of each reading over its rows; its youngest view weighs 1."""
    place, age = reading[documents.text], documents.age_hours
    youngest = np.full(n, np.inf)
    np.minimum.at(youngest, place, age)
    views = 0.5 ** ((age - youngest[place]) / half_life_hours)
    seen = np.bincount(place, views, minlength=n)
    sums = [np.bincount(place, views * column[documents.row], minlength=n) for column in target.T]
    return np.sqrt(seen), np.column_stack(sums) / seen[:, None]


def _sample(n: int, size: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return which `size` of n texts are taken, one at random from each of `size` equal stretches of time; all if there are no more."""
    if n <= size:
        return np.ones(n, dtype=bool)
    offsets = random_generator(seed, "encoder: sample of documents").random(size)
    sampled = np.zeros(n, dtype=bool)
    edges = np.arange(size + 1) * n // size
    sampled[edges[:-1] + (offsets * np.diff(edges)).astype(np.int64)] = True
    return sampled


def _up_less_down(log_odds: Floats) -> Floats:
    """Return the probability of the highest class less that of the lowest."""
    shares = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray((shares[:, -1] - shares[:, 0]) / shares.sum(axis=1))


def _n_top(tune: str, checkpoint: Checkpoint) -> int:
    """Return how many of the encoder's blocks `tune` trains."""
    forms = ["none", "head", *(f"top:{number}" for number in range(1, checkpoint.n_layers + 1))]
    if tune in ("none", "head"):
        return 0
    if tune not in forms:
        whole = (
            f": the most is 'top:{checkpoint.n_layers}', all blocks above frozen word embeddings"
            if tune == "full"
            else nearest(str(tune), forms)
        )
        raise UsageError(f"TextEncoder: tune={tune!r} is none of 'none', 'head', 'top:1' to 'top:{checkpoint.n_layers}'{whole}")
    if checkpoint.model_type not in LAYERED:
        raise UsageError(f"TextEncoder: the blocks of a {checkpoint.model_type!r} cannot be trained apart: use tune='head' or 'none'")
    return int(tune.removeprefix("top:"))


def _check(encoder: TextEncoder, checkpoint: Checkpoint) -> None:
    """Refuse values out of range."""
    least: dict[str, int] = {"n_components": 1, "epochs": 1, "batch_size": 1, "max_documents": 1, "n_blocks": 2, "max_tokens": 8}
    least |= {name: 0 for name in ("horizon", "random_state") if getattr(encoder, name) is not None}
    for name, bound in least.items():
        value = getattr(encoder, name)
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < bound:
            raise UsageError(f"TextEncoder: {name}={value!r} must be a whole number >= {bound}")
    for name in ("half_life_hours", "learning_rate"):
        number = getattr(encoder, name)
        if not isinstance(number, int | float) or not 0 < number < np.inf:
            raise UsageError(f"TextEncoder: {name}={number!r} must be a positive number")
    if encoder.max_tokens > checkpoint.max_tokens:
        raise UsageError(f"TextEncoder: max_tokens={encoder.max_tokens}, but {checkpoint.name} reads {checkpoint.max_tokens} at most")
    if encoder.dtype not in (dtypes := ("auto", "bfloat16", "float32")):
        raise UsageError(f"TextEncoder: dtype={encoder.dtype!r} is none of {dtypes}{nearest(str(encoder.dtype), dtypes)}")


@functools.cache
def _version(name: str) -> str:
    from importlib import metadata

    return metadata.version(name)
