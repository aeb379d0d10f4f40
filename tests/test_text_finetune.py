"""Fine-tuning: a ridge to start from, one thread, and the same bits for the same examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_case import tiny_checkpoint, toned_headlines
from sklearn.linear_model import Ridge

from quantlab.cache import Arrays, Cache
from quantlab.text.checkpoint import find_checkpoint
from quantlab.text.finetune import PENALTIES, Examples, Training, finetune, outputs, projected, ridge
from quantlab.text.frozen import FrozenPart

TRAINING = Training(epochs=2, learning_rate=1e-3, batch_size=8, seed=0)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> FrozenPart:
    """Return the frozen part below the last block of a small checkpoint."""
    return FrozenPart(find_checkpoint(tiny_checkpoint(tmp_path_factory.mktemp("tiny"))), "bfloat16", 1, 64, "test")


def examples(n: int = 60, n_classes: int = 0) -> Examples:
    """Return headlines of two lengths, labelled by tone or by class."""
    texts, tone = toned_headlines(n)
    texts = [text if number % 3 else f"{text}, {text}" for number, text in enumerate(texts)]
    target = np.eye(n_classes)[(tone > 0).astype(int)] if n_classes else tone[:, None]
    return Examples(texts, target, np.ones(n), np.ones(n, dtype=bool))


def same(first: Arrays, second: Arrays) -> bool:
    """Return whether two fits agree in every bit."""
    return first.keys() == second.keys() and all(np.asarray(first[name]).tobytes() == np.asarray(second[name]).tobytes() for name in first)


def test_the_ridge_is_scikit_learns_with_the_penalty_of_least_gcv_error() -> None:
    """An obvious loop over the penalties, with the hat matrix written out; unequal weights."""
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(40, 5)), rng.uniform(0.5, 2.0, 40)
    targets = X[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(40, 2))
    n, errors = weight.sum() ** 2 / (weight**2).sum(), {}
    for penalty in PENALTIES * weight.sum():
        fits = [Ridge(penalty).fit(X, unit, sample_weight=weight).predict(X) for unit in np.eye(40)]
        hat = np.column_stack(fits)  # column j: the fit to a label of 1 at example j alone
        errors[penalty] = (weight[:, None] * (targets - hat @ targets) ** 2).sum() / (1 - np.trace(hat) / n) ** 2
    best = Ridge(min(errors, key=lambda penalty: errors[penalty])).fit(X, targets, sample_weight=weight)
    coefficients, intercept = ridge(X, targets, weight)
    np.testing.assert_allclose(coefficients, best.coef_, rtol=1e-8)
    np.testing.assert_allclose(intercept, best.intercept_, rtol=1e-8)


def test_projected_is_the_matrix_product_whatever_the_companions() -> None:
    """Every row alone gives the same bits as in a crowd."""
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(300, 384)), rng.normal(size=(16, 384))
    whole = projected(values, weights)
    np.testing.assert_allclose(whole, values @ weights.T, rtol=1e-9, atol=1e-12)
    assert all(np.array_equal(projected(values[row : row + 1], weights)[0], whole[row]) for row in range(300))


@pytest.mark.parametrize("n_classes", [0, 2])
def test_the_same_examples_give_the_same_bits_on_any_number_of_threads(part: FrozenPart, n_classes: int) -> None:
    """Training takes one thread whatever torch was given, and gives the others back."""
    import torch

    given, n_threads, fits = examples(n_classes=n_classes), torch.get_num_threads(), []
    try:
        for number in (1, 2, 2):
            torch.set_num_threads(number)
            fits.append(finetune(part, given, TRAINING))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(n_threads)
    assert same(fits[0], fits[1])
    assert same(fits[1], fits[2])
    assert not same(fits[0], finetune(part, given, replace(TRAINING, seed=1)))


def test_neither_the_disk_nor_its_order_counts(part: FrozenPart, tmp_path: Path) -> None:
    """Without a cache, and from segments written in another order."""
    given, cached = examples(), replace(part, cache=Cache(tmp_path))
    for start in (40, 7, 0):
        cached.fill(given.texts[start:])
    learned = finetune(cached, given, TRAINING)
    assert same(learned, finetune(part, given, TRAINING))
    assert np.array_equal(outputs(cached, learned, given.texts), outputs(part, learned, given.texts))


def test_training_moves_the_top_block_and_nothing_below(part: FrozenPart) -> None:
    """The loss falls; what the encoder is for others stays as it was."""
    before = part.embeddings(examples().texts)
    learned = finetune(part, examples(), replace(TRAINING, epochs=5))
    assert learned["loss"][-1] < learned["loss"][0]
    block = part.encoder.layers[-1].state_dict()
    changed = [not np.array_equal(learned[f"layers.0.{name}"], value.numpy()) for name, value in block.items()]
    assert len(changed) == 16
    assert all(changed[2:4] + changed[6:])  # (a softmax is blind to the bias of a key)
    assert np.array_equal(part.embeddings(examples().texts), before)


@pytest.mark.parametrize("n_top", [0, 1])
def test_outputs_are_a_pure_function_of_each_text(part: FrozenPart, n_top: int) -> None:
    """In any order, in any company, alone."""
    given, own = examples(), replace(part, n_top=n_top)
    learned = finetune(own, given, TRAINING)
    whole = outputs(own, learned, given.texts)
    assert np.array_equal(outputs(own, learned, given.texts[::-1]), whole[::-1])
    assert np.array_equal(outputs(own, learned, given.texts[:1]), whole[:1])


def test_the_head_of_classes_starts_at_the_ridges_shares(part: FrozenPart) -> None:
    """Its softmax is near the linear estimate of each class's probability, and a class never seen has almost none."""
    given, own = examples(n_classes=3), replace(part, n_top=0)
    found = outputs(own, finetune(own, given, TRAINING), given.texts)
    shares = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    coefficients, intercept = ridge(own.embeddings(given.texts).astype(float), given.target, given.weight)
    expected = own.embeddings(given.texts) @ coefficients.T + intercept
    assert np.corrcoef(shares[:, 1], expected[:, 1])[0, 1] > 0.95
    assert shares[:, 2].max() < 1e-3
