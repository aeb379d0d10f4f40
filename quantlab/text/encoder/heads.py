"""The head of an encoder: where it starts, how far its outputs are from the target, and what they mean.

The head starts as the ridge regression of the labels on the frozen embeddings, its penalty chosen by generalised cross-validation
(Golub, Heath & Wahba 1979). Labels are mostly noise here: this start is as good as frozen embeddings get, and training adds to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays
from quantlab.repro import one_thread
from quantlab.text.encoder.training import Examples, Floats, Task

if TYPE_CHECKING:
    import torch

HEAD: Final = ("head.weight", "head.bias")
RAREST: Final = 1e-6  # base rate of a class that was not sampled
PENALTIES: Final = np.logspace(-4, 1, 21)  # of the ridge, per unit of weight


def first_head(embeddings: npt.NDArray[np.floating], examples: Examples) -> Arrays:
    """Return the head that the ridge regression gives, from all examples that are not held out.

    For shares of classes, log-odds around the base rates p, whose softmax is the share to first order: log p + (share - p) / p; for
    labels likewise under the logistic function: log p / (1 - p) + (share - p) / p / (1 - p).
    """
    rows = ~examples.held_out
    target, weight = examples.target[rows], examples.weight[rows]
    with one_thread():
        coefficients, intercept = ridge(embeddings[rows].astype(float), target, weight)
    if examples.task != "regression":
        rates = np.clip(weight @ target / weight.sum(), RAREST, 1.0 if examples.task == "classes" else 1.0 - RAREST)
        others = np.ones_like(rates) if examples.task == "classes" else 1.0 - rates
        slope = 1.0 / (rates * others)
        coefficients, intercept = coefficients * slope[:, None], np.log(rates / others) + (intercept - rates) * slope
    return {"head.weight": coefficients.astype(np.float32), "head.bias": intercept.astype(np.float32)}


def ridge(X: Floats, targets: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (n_targets, n_features) and intercepts (n_targets,) of the ridge with the least GCV error."""
    mean, centre = weight @ X / weight.sum(), weight @ targets / weight.sum()
    root = np.sqrt(weight)[:, None]
    A, B = X - mean, root * (targets - centre)
    A *= root
    values, vectors = np.linalg.eigh(A.T @ A)
    values, moments = np.clip(values, 0.0, None)[:, None], vectors.T @ (A.T @ B)
    n = weight.sum() ** 2 / (weight**2).sum()  # as many examples of equal weight
    best, solution = np.inf, np.zeros_like(moments)
    for penalty in PENALTIES[::-1] * weight.sum():  # the strongest first: it stays where nothing is better
        shrunk = moments / (values + penalty)
        residual = (B**2).sum() - 2 * (shrunk * moments).sum() + (shrunk**2 * values).sum()
        freedom = 1 - (1 + (values / (values + penalty)).sum()) / n
        if freedom > 0 and residual / freedom**2 < best:
            best, solution = residual / freedom**2, shrunk
    coefficients = (vectors @ solution).T
    return coefficients, centre - coefficients @ mean


def losses(output: torch.Tensor, target: torch.Tensor, task: Task, *, smoothing: float = 0.0) -> torch.Tensor:
    """Return the loss of each example, (n,): Huber's for numbers, cross-entropy for classes and for labels; means over the outputs."""
    from torch.nn import functional

    if task == "regression":
        return functional.huber_loss(output, target, reduction="none").mean(1)
    if task == "classes":
        return functional.cross_entropy(output, target, reduction="none", label_smoothing=smoothing)
    smoothed = target * (1.0 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(output, smoothed, reduction="none").mean(1)


def shares(output: Floats, task: Task) -> Floats:
    """Return what the outputs mean, (n, k): numbers as they are, the probability of each class, or of each label."""
    if task == "regression":
        return output
    if task == "classes":
        raised = np.exp(output - output.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * output)))


def averaged(outputs: list[Floats], task: Task) -> Floats:
    """Return the outputs of several heads as one, (n, k): the mean of numbers, the log-odds of mean probabilities."""
    if len(outputs) == 1:
        return outputs[0]
    mean = np.mean([shares(output, task) for output in outputs], axis=0)
    if task == "regression":
        return np.asarray(mean)
    mean = np.clip(mean, 1e-300, None)
    return np.asarray(np.log(mean) if task == "classes" else np.log(mean) - np.log(np.clip(1.0 - mean, 1e-300, None)))
