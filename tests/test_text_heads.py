"""Heads: losses and probabilities that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantlab.text.encoder.heads import averaged, losses, shares


def loss_of(output: list[float], target: list[float], task: str, smoothing: float = 0.0) -> float:
    """Return the loss of one example."""
    import torch

    return float(losses(torch.tensor([output]), torch.tensor([target]), task, smoothing=smoothing)[0])  # type: ignore[arg-type]  # tests


def test_a_number_costs_hubers_loss() -> None:
    """Half the square up to one, then linear; several numbers cost their mean."""
    assert loss_of([0.5], [0.0], "regression") == pytest.approx(0.125)
    assert loss_of([3.0], [0.0], "regression") == pytest.approx(2.5)
    assert loss_of([0.5, 3.0], [0.0, 0.0], "regression") == pytest.approx((0.125 + 2.5) / 2)


def test_a_class_costs_its_surprise() -> None:
    """At even odds ln 2; a tenth of smoothing moves a twentieth of the target to the other class."""
    assert loss_of([0.0, 0.0], [1.0, 0.0], "classes") == pytest.approx(math.log(2))
    likely = math.log(math.e / (math.e + 1))
    assert loss_of([1.0, 0.0], [1.0, 0.0], "classes", 0.1) == pytest.approx(-0.95 * likely - 0.05 * (likely - 1.0))


def test_labels_cost_the_mean_of_their_surprises() -> None:
    """Each by itself; smoothing moves the target towards a half."""
    assert loss_of([0.0, 0.0], [1.0, 0.0], "labels") == pytest.approx(math.log(2))
    yes = -math.log(1 / (1 + math.exp(-1)))
    assert loss_of([1.0], [1.0], "labels") == pytest.approx(yes)
    assert loss_of([1.0], [1.0], "labels", 0.2) == pytest.approx(0.9 * yes + 0.1 * (yes + 1.0))


def test_probabilities_are_means_of_probabilities() -> None:
    """Two heads that are sure of opposite classes make an even one; the mean of their log-odds would do so too, of 1 and 0.5 not."""
    sure, even = np.array([[math.log(9.0), 0.0]]), np.zeros((1, 2))
    np.testing.assert_allclose(shares(sure, "classes"), [[0.9, 0.1]])
    np.testing.assert_allclose(shares(averaged([sure, even], "classes"), "classes"), [[0.7, 0.3]])
    np.testing.assert_allclose(shares(averaged([sure, even], "labels"), "labels"), [[0.7, 0.5]])
    np.testing.assert_allclose(averaged([sure, even], "regression"), sure / 2)
    assert averaged([sure], "classes") is sure
    extreme = np.array([[800.0, -800.0]])
    assert np.isfinite(averaged([extreme, extreme], "labels")).all()
    np.testing.assert_allclose(shares(extreme, "classes"), [[1.0, 0.0]])
