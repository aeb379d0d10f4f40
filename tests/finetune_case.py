"""What the tests of fine-tuning share: labelled files with a planted tone, and a small model."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from encoder_case import toned_headlines

from quantlab.finetune import Settings
from quantlab.text.encoder.training import Training

QUICK = {"epochs": 3, "learning_rate": 3e-3, "batch_size": 16, "schedule": "linear", "dropout": 0.1}


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """Write a CSV file and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def toned_file(path: Path, n: int = 100, names: tuple[str, str] = ("bad", "good")) -> Path:
    """Write headlines labelled by their tone."""
    texts, tone = toned_headlines(n)
    return write(path, ("text", "label"), [(text, names[int(value > 0)]) for text, value in zip(texts, tone, strict=True)])


def quick(base: Path, **changes: object) -> Settings:
    """Return settings that train a small checkpoint in a second."""
    training = Training(**{**QUICK, **changes.pop("training", {})})
    return Settings(base=base, training=training, max_tokens=64, **changes)
