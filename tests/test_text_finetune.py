"""Fine-tuning: a ridge to start from, one thread, and the same bits for the same examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_case import tiny_checkpoint, toned_headlines
from sklearn.base import clone
from sklearn.linear_model import Ridge

from quantlab.cache import Arrays, Cache
from quantlab.errors import UsageError
from quantlab.text.encoder.checkpoint import find_checkpoint
from quantlab.text.encoder.finetune import finetune, members_of, outputs, projected
from quantlab.text.encoder.frozen import FrozenPart
from quantlab.text.encoder.heads import PENALTIES, ridge, shares
from quantlab.text.encoder.loop import State
from quantlab.text.encoder.training import Examples, Training

TRAINING = Training(epochs=2, learning_rate=1e-3, batch_size=8)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> FrozenPart:
    """Return the frozen part below the last block of a small checkpoint."""
    return FrozenPart(find_checkpoint(tiny_checkpoint(tmp_path_factory.mktemp("tiny"))), "bfloat16", 1, 64, "test")


def examples(n: int = 60, n_classes: int = 0) -> Examples:
    """Return headlines of two lengths, labelled by tone or by class."""
    texts, tone = toned_headlines(n)
    texts = [text if number % 3 else f"{text}, {text}" for number, text in enumerate(texts)]
    target = np.eye(n_classes)[(tone > 0).astype(int)] if n_classes else tone[:, None]
    return Examples.of(texts, target, task="classes" if n_classes else "regression")


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
    assert not same(fits[0], finetune(part, given, TRAINING, seed=1))


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
    learned = finetune(part, examples(), clone(TRAINING).set_params(epochs=5))
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


def trained(part: FrozenPart, given: Examples, **parameters: object) -> Arrays:
    """Return a fit with some parameters of its own."""
    return finetune(part, given, clone(TRAINING).set_params(**parameters))


def moved(part: FrozenPart, learned: Arrays, block: int) -> float:
    """Return how far a trained block is from what it was."""
    before = part.encoder.layers[block - part.n_top].state_dict()
    return float(sum(np.square(learned[f"layers.{block}.{name}"] - value.numpy()).sum() for name, value in before.items()) ** 0.5)


@pytest.mark.parametrize("task", ["regression", "classes", "labels"])
def test_one_loop_learns_numbers_classes_and_several_labels(part: FrozenPart, task: str) -> None:
    """What it was trained on it can tell; probabilities are in [0, 1], those of classes sum to one."""
    texts, tone = toned_headlines(120)
    good, long = tone > 0, np.array([len(text) > 40 for text in texts])
    target = {"regression": tone[:, None], "classes": np.eye(2)[good.astype(int)], "labels": np.column_stack([good, long]).astype(float)}[
        task
    ]
    given = Examples.of(texts, target, task=task)  # type: ignore[arg-type]  # a parameter of the test
    learned = trained(part, given, epochs=12, label_smoothing=0.0 if task == "regression" else 0.1)
    assert learned["loss"][-1] < learned["loss"][0]
    found = shares(outputs(part, learned, texts, task), task)  # type: ignore[arg-type]  # likewise
    assert np.corrcoef(found[:, 1 if task == "classes" else 0], tone)[0, 1] > 0.7
    if task != "regression":
        assert ((found >= 0) & (found <= 1)).all()
    if task == "classes":
        np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_the_head_of_labels_starts_at_the_ridges_shares(part: FrozenPart) -> None:
    """Its logistic function is near the linear estimate of each label's probability."""
    texts, tone = toned_headlines(100)
    given, own = Examples.of(texts, np.column_stack([tone > 0, tone < 0]).astype(float), task="labels"), replace(part, n_top=0)
    found = shares(outputs(own, finetune(own, given, TRAINING), texts, "labels"), "labels")
    coefficients, intercept = ridge(own.embeddings(texts).astype(float), given.target, given.weight)
    assert np.corrcoef(found[:, 0], (own.embeddings(texts) @ coefficients.T + intercept)[:, 0])[0, 1] > 0.95


def test_smoothing_a_number_is_refused(part: FrozenPart) -> None:
    """It has no share that could be spread."""
    with pytest.raises(UsageError, match=r"label_smoothing=.* needs classes"):
        trained(part, examples(), label_smoothing=0.1)


def test_the_best_weights_on_what_is_held_out_come_back(part: FrozenPart) -> None:
    """Their loss is the least of all passes and of the start; training stops `patience` passes after it."""
    given = examples(90)
    rng = np.random.default_rng(0)
    held_out = np.arange(90) >= 60
    given = replace(given, target=rng.normal(size=(90, 1)), held_out=held_out, sampled=~held_out)  # noise: training can only over-fit
    learned = trained(part, given, epochs=30, patience=3, learning_rate=3e-3)
    losses = learned["validation_loss"]
    assert len(losses) == len(learned["loss"]) + 1
    assert len(losses) - 1 - losses.argmin() == 3
    error = outputs(part, learned, given.texts)[held_out, 0] - given.target[held_out, 0]
    size = np.abs(error)
    assert np.mean(np.where(size < 1, size**2 / 2, size - 0.5)) == pytest.approx(losses.min(), rel=1e-3)


def test_what_is_held_out_teaches_nothing_but_when_to_stop(part: FrozenPart) -> None:
    """With other labels there, every pass is the same."""
    given = examples(60)
    held_out = np.arange(60) % 4 == 0
    given = replace(given, held_out=held_out, sampled=~held_out)
    other = replace(given, target=np.where(held_out[:, None], 7.0, given.target))
    assert np.array_equal(trained(part, given, patience=9)["loss"], trained(part, other, patience=9)["loss"])
    alone = given.only(np.flatnonzero(~held_out))
    np.testing.assert_array_equal(trained(part, given, patience=9)["loss"], trained(part, alone, patience=9)["loss"])


def test_accumulated_batches_are_one_step(part: FrozenPart) -> None:
    """Two of eight do what one of sixteen does, but for rounding and the order of examples."""
    texts = [text for text in toned_headlines(60)[0] if len(text) < 45][:16]
    given = Examples.of(texts, np.arange(16.0)[:, None] / 8 - 1, task="regression")
    whole = trained(part, given, epochs=1, batch_size=16, warm_up=0.0)
    halves = trained(part, given, epochs=1, batch_size=8, accumulation=2, warm_up=0.0)
    quarters = trained(part, given, epochs=1, batch_size=8, warm_up=0.0)
    apart = [np.abs(outputs(part, one, texts) - outputs(part, whole, texts)).max() for one in (halves, quarters)]
    assert apart[0] < 0.1 * apart[1]


def test_lower_blocks_can_learn_more_slowly_or_later(part: FrozenPart) -> None:
    """A decay per block; and one more block in each pass, the head alone in the first."""
    two, given = replace(part, n_top=2), examples()
    even, slow = trained(two, given), trained(two, given, layer_decay=0.1)
    assert moved(two, slow, 0) < 0.2 * moved(two, even, 0)
    one, both = (trained(two, given, epochs=epochs, gradual_unfreezing=True) for epochs in (1, 2))
    assert [moved(two, one, block) for block in (0, 1)] == [0.0, 0.0]
    assert moved(two, both, 0) == 0.0 < moved(two, both, 1)
    assert not np.array_equal(one["head.weight"], finetune(replace(part, n_top=0), given, TRAINING)["head.weight"])


def test_dropout_disturbs_training_and_nothing_else(part: FrozenPart) -> None:
    """The same bits twice, other bits than without; the outputs of what was learned are pure."""
    import torch

    given = examples()
    state = torch.random.get_rng_state()
    first, second = trained(part, given, dropout=0.2), trained(part, given, dropout=0.2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same(first, second)
    assert not same(first, trained(part, given))
    assert np.array_equal(outputs(part, first, given.texts[:1])[0], outputs(part, first, given.texts)[0])


def test_an_adversary_makes_the_loss_worse_and_training_harder(part: FrozenPart) -> None:
    """At the first step the loss against it exceeds the plain one, and more so the longer its reach."""
    given = examples(32)
    plain, near, far = (
        trained(part, given, epochs=1, batch_size=32, learning_rate=1e-9, adversarial=reach)["loss"][0] for reach in (0.0, 0.01, 0.1)
    )
    assert 2 * plain < near < far
    assert same(trained(part, given, adversarial=0.05), trained(part, given, adversarial=0.05))


@pytest.mark.parametrize("parameters", [{"token_dropout": 0.3}, {"synonyms": 0.9}])
def test_augmented_training_still_learns_and_repeats(part: FrozenPart, parameters: dict[str, object]) -> None:
    """The same bits twice; not those of training without."""
    given = examples()
    first = trained(part, given, epochs=4, **parameters)
    assert same(first, trained(part, given, epochs=4, **parameters))
    assert not same(first, trained(part, given, epochs=4))
    assert first["loss"][-1] < first["loss"][0]


@pytest.mark.parametrize("task", ["regression", "classes"])
def test_an_ensemble_is_the_mean_of_its_members(part: FrozenPart, task: str) -> None:
    """Of numbers, or of probabilities; the first member is the single fit."""
    given = examples(n_classes=2 if task == "classes" else 0)
    single, learned = trained(part, given), trained(part, given, n_seeds=3)
    members = members_of(learned)
    assert len(members) == 3
    assert all(np.array_equal(members[0][name], single[name]) for name in ("head.weight", "head.bias"))
    assert not np.array_equal(members[1]["head.weight"], members[2]["head.weight"])
    each = [shares(outputs(part, member, given.texts), task) for member in members]  # type: ignore[arg-type]  # a parameter of the test
    together = shares(outputs(part, learned, given.texts, task), task)  # type: ignore[arg-type]  # likewise
    np.testing.assert_allclose(together, np.mean(each, axis=0), rtol=1e-6)


def test_a_killed_fit_goes_on_from_its_last_pass(part: FrozenPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in the same bits as one that was never stopped, and only the passes that were missing are made."""
    given, how = examples(), {"epochs": 4, "dropout": 0.1, "schedule": "linear"}
    whole = trained(part, given, **how)

    def kill(items: Iterable[int], label: str, total: int) -> Iterator[int]:
        """Stop after two passes."""
        for item in items:
            if item == 2:
                raise KeyboardInterrupt
            yield item

    training = clone(TRAINING).set_params(**how)
    with pytest.raises(KeyboardInterrupt):
        finetune(part, given, training, progress=kill, journal=Cache(tmp_path))
    made, train = [], State.train
    monkeypatch.setattr(State, "train", lambda self, plan, epoch, seed: (made.append(epoch), train(self, plan, epoch, seed)))
    assert same(finetune(part, given, training, journal=Cache(tmp_path)), whole)
    assert made == [2, 3]
    assert not same(finetune(part, given, training, seed=1, journal=Cache(tmp_path)), whole)


def test_a_warm_start_goes_on_from_the_weights_given(part: FrozenPart) -> None:
    """With a rate of almost nothing it is where it was; a third of the passes is made; a start of another shape counts for nothing."""
    given = examples()
    first = trained(part, given, epochs=6)
    still = finetune(part, given, clone(TRAINING).set_params(epochs=6, learning_rate=1e-12), start=first)
    np.testing.assert_allclose(outputs(part, still, given.texts), outputs(part, first, given.texts), atol=1e-5)
    assert len(still["loss"]) == 2
    assert len(finetune(part, given, clone(TRAINING).set_params(further_epochs=5), start=first)["loss"]) == 5
    classes = examples(n_classes=3)
    assert same(finetune(part, classes, TRAINING, start=first), finetune(part, classes, TRAINING))


def test_a_pull_keeps_the_weights_near_the_old_ones(part: FrozenPart) -> None:
    """The stronger, the nearer."""
    given = examples()
    first = trained(part, given, epochs=3)
    other = replace(given, target=-given.target)
    how = clone(TRAINING).set_params(further_epochs=3)
    names = [name for name in first if name.startswith("layers.")]
    far = []
    for pull in (0.0, 0.1, 10.0):
        learned = finetune(part, other, clone(how).set_params(pull=pull), start=first)
        far.append(sum(float(np.square(learned[name] - first[name]).sum()) for name in names))
    assert far[0] > far[1] > far[2]
