"""Scores: how well the test part was told, as JSON for the card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quantlab.finetune.examples import Task
from quantlab.result import Json

Floats = npt.NDArray[np.float64]


def scores(task: Task, labels: Sequence[str], target: Floats, predicted: Floats) -> dict[str, Json]:
    """Return the metrics of the task; target and predicted are (n, n_labels): classes and flags as probabilities, (n, 1) for numbers."""
    if task == "number":
        return number_scores(target[:, 0], predicted[:, 0])
    if task == "multilabel":
        return flag_scores(labels, target > 0.5, predicted > 0.5)
    return class_scores(labels, target.argmax(axis=1), predicted.argmax(axis=1))


def class_scores(labels: Sequence[str], true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> dict[str, Json]:
    """Return accuracy with its standard error, macro-F1 and MCC (Gorodkin 2004), a table per class, and the confusion matrix.

    The base rate is the accuracy of always saying the most frequent class of the test. Classes neither true nor predicted are
    left out of the macro-F1, and a precision or recall of nothing is null.
    """
    from sklearn.metrics import confusion_matrix, matthews_corrcoef

    confusion = confusion_matrix(true, predicted, labels=np.arange(len(labels)))
    table = _table(labels, confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1))
    accuracy = float((true == predicted).mean())
    return {
        "accuracy": accuracy,
        "accuracy_standard_error": float(np.sqrt(accuracy * (1 - accuracy) / len(true))),
        "base_rate": float(confusion.sum(axis=1).max() / len(true)),
        "macro_f1": _mean_f1(table),
        "mcc": float(matthews_corrcoef(true, predicted)),
        "per_class": table,
        "confusion": {"rows": "true", "columns": "predicted", "labels": list(labels), "counts": confusion.tolist()},
    }


def flag_scores(labels: Sequence[str], true: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> dict[str, Json]:
    """Return micro- and macro-F1, the share of rows with every flag right, and a table per label."""
    hits, said, there = (true & predicted).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0)
    table = _table(labels, hits, said, there)
    return {
        "accuracy": float((true == predicted).all(axis=1).mean()),
        "micro_f1": _share(2 * int(hits.sum()), int(said.sum() + there.sum())),
        "macro_f1": _mean_f1(table),
        "per_label": table,
    }


def number_scores(true: Floats, predicted: Floats) -> dict[str, Json]:
    """Return the mean squared and absolute error in the label's units, and R2 against the mean of the test; null if that is constant."""
    spread = float(((true - true.mean()) ** 2).mean())
    mse = float(((true - predicted) ** 2).mean())
    return {"mse": mse, "mae": float(np.abs(true - predicted).mean()), "r2": None if spread == 0 else 1 - mse / spread}


def _table(labels: Sequence[str], hits: npt.NDArray[np.int64], said: npt.NDArray[np.int64], there: npt.NDArray[np.int64]) -> list[Json]:
    """Return precision, recall, F1 and the number of test rows of each label."""
    return [
        {
            "label": label,
            "precision": _share(hit, n_said),
            "recall": _share(hit, n_true),
            "f1": _share(2 * hit, n_said + n_true),
            "n_test": n_true,
        }
        for label, hit, n_said, n_true in zip(labels, hits.tolist(), said.tolist(), there.tolist(), strict=True)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean_f1(table: Sequence[Json]) -> float | None:
    """Return the mean F1 of the labels that were there or were said."""
    found = [row["f1"] for row in table if isinstance(row, dict)]
    values = [value for value in found if isinstance(value, float)]
    return float(np.mean(values)) if values else None
