"""Scores: hand-worked, null where they do not apply."""

from __future__ import annotations

import json

import numpy as np
import pytest

from quantlab.finetune import scores
from quantlab.finetune.scores import class_scores, flag_scores, number_scores


def test_classes_by_hand() -> None:
    """Four rows: a is told rightly once of two, b twice of two. Accuracy 3/4; F1 of a 2/3, of b 4/5; MCC 1/sqrt(3)."""
    found = class_scores(("a", "b"), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    assert found["accuracy"] == 0.75
    assert found["accuracy_standard_error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert found["base_rate"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["mcc"] == pytest.approx(1 / np.sqrt(3))
    assert found["confusion"]["counts"] == [[1, 1], [0, 2]]
    assert found["per_class"][1] == {"label": "b", "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": 0.8, "n_test": 2}


def test_a_class_that_is_neither_there_nor_told_does_not_count() -> None:
    """Its figures are null, not 0, and the macro-F1 is that of the others."""
    found = class_scores(("a", "b", "c"), np.array([0, 1]), np.array([0, 1]))
    assert found["macro_f1"] == 1.0
    assert found["per_class"][2] == {"label": "c", "precision": None, "recall": None, "f1": None, "n_test": 0}
    json.dumps(found, allow_nan=False)


def test_flags_by_hand() -> None:
    """Two rows, two labels; a: one hit, one missed; b: one false alarm. Micro-F1 2/4."""
    found = flag_scores(("a", "b"), np.array([[True, False], [True, False]]), np.array([[True, False], [False, True]]))
    assert (found["micro_f1"], found["accuracy"]) == (0.5, 0.5)
    assert [row["f1"] for row in found["per_label"]] == [pytest.approx(2 / 3), 0.0]
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_numbers_by_hand() -> None:
    """Errors 1, 0, -1 around a spread of 2/3; a constant test has no R2."""
    found = number_scores(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]))
    assert found == {"mse": pytest.approx(2 / 3), "mae": pytest.approx(2 / 3), "r2": 0.0}
    assert number_scores(np.ones(2), np.zeros(2))["r2"] is None


def test_probabilities_are_judged_by_the_largest_or_by_one_half() -> None:
    """`scores` takes what a model predicts."""
    target = np.eye(2)
    assert scores("classes", ("a", "b"), target, np.array([[0.4, 0.3], [0.1, 0.2]]))["accuracy"] == 1.0
    assert scores("multilabel", ("a", "b"), target, np.array([[0.4, 0.3], [0.1, 0.2]]))["micro_f1"] == 0.0
    assert scores("number", (), np.ones((2, 1)), np.ones((2, 1)))["mse"] == 0.0
