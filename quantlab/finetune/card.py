"""The card of a model folder: what it does, what it learned from, how good it is, and all that tells it from another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

from quantlab.cache import Arrays
from quantlab.finetune.examples import Examples
from quantlab.finetune.split import Split
from quantlab.repro import described, platform_facts
from quantlab.result import Json
from quantlab.storage import write_atomically
from quantlab.text.encoder.card import CARD, sealed
from quantlab.text.encoder.checkpoint import find_checkpoint
from quantlab.text.encoder.frozen import FrozenPart
from quantlab.text.encoder.training import Training
from quantlab.text.sentiment.model_folder import SCHEMA_VERSION, file_hashes

LIBRARIES: Final = ("numpy", "pandas", "peft", "scikit-learn", "tokenizers", "torch", "transformers")


def model_facts(folder: Path, part: FrozenPart, examples: Examples, parts: Split) -> dict[str, Json]:
    """Return what is needed to use the model, and what must be known to use it without hindsight.

    fit_end: the last stamp it learned from, None without times. knowledge_cutoff: the later of the day up to which the base has read and
    of that on which the last label was settled, as far as they are known: None if neither is. knowledge_rests_on: which of the two are
    known, `base`, `labels`; without `base` the cut-off is the least that it can be. largest: of the numbers learned from, by size.
    """
    mean, deviation = scale_of(examples, parts)
    number = examples.task == "number"
    fit_end = None if examples.times is None else examples.times[parts.train].max().isoformat()
    settled = None if parts.settled is None else parts.settled.date().isoformat()
    known = {name: day for name, day in {"base": part.checkpoint.knowledge_cutoff, "labels": settled}.items() if day is not None}
    return {
        "schema_version": SCHEMA_VERSION,
        "task": examples.task,
        "labels": list(examples.labels),
        "model": {
            "max_tokens": part.max_tokens,
            "dtype": part.dtype,
            "scale": deviation,
            "offset": mean,
            "largest": float(np.abs(examples.target[parts.train]).max()) if number else None,
        },
        "base": {
            "name": _name(part.checkpoint.name),
            "id": part.checkpoint.id,
            "sha256": dict(part.checkpoint.weights),
            "knowledge_cutoff": part.checkpoint.knowledge_cutoff,
        },
        "fit_end": fit_end,
        "knowledge_cutoff": max(known.values(), default=None),
        "knowledge_rests_on": list(known),
        "files": dict(file_hashes(find_checkpoint(folder))),
    }


def _name(checkpoint: str) -> str:
    """Return the name of a checkpoint: of a folder its last part, so that the card is the same wherever it lies."""
    return Path(checkpoint).name if Path(checkpoint).is_dir() else checkpoint


def data_facts(file: str, sha256: str, examples: Examples, licence: str | None) -> dict[str, Json]:
    """Return where the examples come from, how many there were, and under which licence."""
    counts = examples.target.sum(axis=0).astype(int).tolist()
    return {
        "file": file,
        "sha256": sha256,
        "licence": licence,
        "n_rows": examples.n_read,
        "left_out": dict(examples.left_out),
        "n_texts": len(examples),
        "per_label": dict(zip(examples.labels, counts, strict=True)) if examples.labels else None,
        "first": None if examples.times is None else examples.times.min().isoformat(),
        "last": None if examples.times is None else examples.times.max().isoformat(),
    }


def training_facts(tune: str, training: Training, seed: int, learned: Arrays) -> dict[str, Json]:
    """Return how it was trained, and the loss of each pass."""
    return {
        "tune": tune,
        "seed": seed,
        **{name: described(value) for name, value in sorted(training.get_params().items())},
        "loss": learned["loss"].tolist(),
        "validation_loss": learned["validation_loss"].tolist(),
    }


def versions() -> dict[str, Json]:
    """Return the versions of what took part, and the machine: the last bit depends on them."""
    found: dict[str, Json] = {"quantlab": metadata.version("quantlab"), **platform_facts()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def write_card(folder: Path, card: Mapping[str, Json]) -> dict[str, Json]:
    """Write the card, its keys in the order given and its seal last, and return what was written."""
    card = sealed(card)
    write_atomically(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return dict(card)


def scale_of(examples: Examples, parts: Split) -> tuple[float, float]:
    """Return mean and standard deviation of the numbers of the training part; (0, 1) for classes and flags."""
    if examples.task != "number":
        return 0.0, 1.0
    values = examples.target[parts.train]
    return float(values.mean()), float(values.std())
