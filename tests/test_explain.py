"""Contributions: what each feature added to a prediction, and all of it together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor

from quantlab.explain import contributions, mean_contribution
from quantlab.models import lightgbm_classifier, lightgbm_regressor, logistic_classifier, ridge_regressor

RNG = np.random.default_rng(0)
X = pd.DataFrame({"good": RNG.normal(size=400), "weak": RNG.normal(size=400), "noise": RNG.normal(size=400)})
Y = X["good"] + 0.3 * X["weak"] + 0.1 * RNG.normal(size=400)


@pytest.mark.parametrize("model", [lightgbm_regressor(min_child_samples=5, random_state=0), ridge_regressor(alpha=1.0)])
def test_contributions_add_up_to_the_prediction_less_its_mean(model: object) -> None:
    """For trees and for linear models, on every row."""
    model.fit(X, Y)
    predicted = model.predict(X)
    np.testing.assert_allclose(contributions(model, X).sum(axis=1), predicted - predicted.mean(), atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifiers_contributions_add_up_to_its_log_odds(classes: int) -> None:
    """Those of the highest class less those of the lowest, with trees and with the logistic function."""
    y = (Y > 0) * 2 - 1 if classes == 2 else np.sign(Y.where(Y.abs() > 0.5, 0.0)).astype(int)
    for model in (lightgbm_classifier(min_child_samples=5, random_state=0), logistic_classifier(C=1.0)):
        model.fit(X, y)
        chance = model.predict_proba(X)
        odds = np.log(chance[:, -1] / chance[:, 0])
        np.testing.assert_allclose(contributions(model, X).sum(axis=1), odds - odds.mean(), atol=1e-6)


def test_what_matters_more_contributes_more() -> None:
    """In the order in which the features were planted."""
    found = mean_contribution(lightgbm_regressor(min_child_samples=5, random_state=0).fit(X, Y), X)
    assert found["good"] > found["weak"] > found["noise"]


def test_a_model_that_cannot_say_says_nothing() -> None:
    """No column, no figure: not zeros."""
    assert contributions(KNeighborsRegressor().fit(X, Y), X).shape == (400, 0)
    assert mean_contribution(KNeighborsRegressor().fit(X, Y), X) == {}
