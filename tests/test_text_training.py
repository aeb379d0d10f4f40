"""Training: every parameter is checked, a misspelt one is an error, and the examples are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from quantlab.errors import UsageError
from quantlab.text.encoder.training import Examples, Training, rate_at


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs=0 must be a whole number >= 1"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"batch_size": True}, "batch_size=True"),
        ({"further_epochs": 0}, "further_epochs=0"),
        ({"replay": -1}, "replay=-1 must be a whole number >= 0"),
        ({"n_seeds": 0}, "n_seeds=0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan must be a number > 0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"max_gradient": "1"}, "max_gradient='1'"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 must be a number >= 0"),
        ({"adversarial": float("inf")}, "adversarial=inf"),
        ({"dropout": 1.0}, "dropout=1.0 must be a number >= 0 and < 1"),
        ({"validation": -0.1}, "validation=-0.1"),
        ({"token_dropout": 2}, "token_dropout=2"),
        ({"layer_decay": 0}, "layer_decay=0 must be a number > 0"),
        ({"schedule": "liner"}, "did you mean 'linear'"),
        ({"gradual_unfreezing": 1}, "gradual_unfreezing=1 must be True or False"),
    ],
)
def test_a_value_out_of_range_is_a_usage_error(parameters: dict[str, object], message: str) -> None:
    """It says which, what it was and what it may be."""
    with pytest.raises(UsageError, match=f"Training: .*{message}" if message.startswith("did") else f"Training: {message}"):
        Training(**parameters).checked()  # type: ignore[arg-type]  # wrong on purpose


def test_a_misspelt_parameter_is_an_error() -> None:
    """Nothing swallows it, when it is made or set."""
    with pytest.raises(TypeError, match="learning_rat"):
        Training(learning_rat=1e-3)  # type: ignore[call-arg]  # wrong on purpose
    with pytest.raises(ValueError, match="epoch"):
        Training().set_params(epoch=3)


def test_it_is_a_scikit_learn_estimator() -> None:
    """Cloned with all its parameters; its defaults are in range."""
    given = Training(epochs=7, schedule="linear", validation=0.2)
    assert clone(given).get_params() == given.get_params()
    assert given.checked() is given


def test_the_rate_warms_up_and_then_stays_or_falls() -> None:
    """Ten steps, the first two of them warm-up; linear decay would reach zero one step after the last."""
    constant, linear = Training(learning_rate=1.0, warm_up=0.2), Training(learning_rate=1.0, warm_up=0.2, schedule="linear")
    assert [rate_at(step, 10, constant) for step in (1, 2, 3, 10)] == [0.5, 1.0, 1.0, 1.0]
    np.testing.assert_allclose([rate_at(step, 10, linear) for step in (1, 2, 3, 9, 10)], [1 / 2, 1, 8 / 9, 2 / 9, 1 / 9])
    assert rate_at(1, 10, Training(learning_rate=1.0, warm_up=0.0)) == 1.0


def test_examples_of_texts_are_trained_on_unless_held_out() -> None:
    """And some of them are examples again."""
    given = Examples.of(["a", "b", "c"], np.eye(3), task="classes", held_out=np.array([False, True, False]))
    assert given.sampled.tolist() == [True, False, True]
    some = given.only(np.array([1, 2]))
    assert (some.texts, some.held_out.tolist(), some.task) == (["b", "c"], [True, False], "classes")
    assert np.array_equal(some.target, np.eye(3)[1:])
