"""Models: deterministic defaults, scaling inside, and text in front."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from sklearn.base import BaseEstimator, clone

from quantlab.models import elastic_net_regressor, lightgbm_classifier, lightgbm_regressor, logistic_classifier, ridge_regressor, with_text
from quantlab.news import known_news
from quantlab.text import Sentiment

REGRESSORS = {"lightgbm": lightgbm_regressor, "ridge": lambda: ridge_regressor(alpha=1.0), "elastic_net": elastic_net_regressor}
CLASSIFIERS = {"lightgbm": lightgbm_classifier, "logistic": logistic_classifier}


def panel(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Return features on very different scales, some missing, and a label that one of them explains."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)) * [1, 1000, 0.001], columns=["a", "b", "c"])
    y = X["c"] * 1000 + rng.normal(size=n)
    X.iloc[::7, 0] = np.nan
    return X, y


@pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors_find_a_small_scaled_feature_and_bear_missing_values(make: object) -> None:
    """Scaling and imputing are inside; a model is clone-able."""
    X, y = panel()
    model = clone(make()).fit(X.iloc[:400], y.iloc[:400])  # type: ignore[operator]  # a factory
    assert np.corrcoef(model.predict(X.iloc[400:]), y.iloc[400:])[0, 1] > 0.5


@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classifiers_give_probabilities(make: object) -> None:
    """Better than a coin, and their classes are those of the label."""
    X, y = panel()
    label = np.sign(y).astype(int)
    model = clone(make()).fit(X.iloc[:400], label.iloc[:400])  # type: ignore[operator]  # a factory
    assert model.classes_.tolist() == [-1, 1]
    assert (np.sign(model.predict_proba(X.iloc[400:]) @ model.classes_) == label.iloc[400:]).mean() > 0.6


def test_lightgbm_does_not_depend_on_the_order_of_rows() -> None:
    """No bagging, bins from all rows: shuffled training rows give the same predictions but for the last bits of sums."""
    X, y = panel()
    shuffled = np.random.default_rng(1).permutation(len(X))
    one = lightgbm_regressor(random_state=0).fit(X, y).predict(X)
    two = lightgbm_regressor(random_state=0).fit(X.iloc[shuffled], y.iloc[shuffled]).predict(X)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_a_feature_that_was_never_seen_is_zero_not_an_error() -> None:
    """All-missing in training: the linear models keep the column."""
    X, y = panel()
    model = ridge_regressor().fit(X.assign(a=np.nan), y)
    assert np.isfinite(model.predict(X)).all()


def test_with_text_joins_text_features_and_the_other_columns() -> None:
    """The estimator sees named columns: those of the text learner, then the rest."""
    bars = flat_bars({"A": [1.0] * 6, "B": [1.0] * 6})
    news = news_of(("2024-01-02T10:00:00Z", "A", "profit surges"), ("2024-01-03T10:00:00Z", "B", "heavy losses"))
    column = known_news(news, bars)
    X = pd.DataFrame({"x": np.arange(12.0), "news": column})
    y = pd.Series(np.arange(12.0), index=column.index)
    model = with_text(ridge_regressor(), Sentiment()).fit(X, y)
    names = list(model.named_steps["model"].feature_names_in_)
    assert names[-1] == "x"
    assert names[0].startswith("sentiment_")
    assert "features__sentiment__half_life_hours" in model.get_params()


def test_two_learners_of_a_class_have_names_of_their_own() -> None:
    """`sentiment` and `sentiment_2`."""
    model: BaseEstimator = with_text(ridge_regressor(), Sentiment(), Sentiment(half_life_hours=5))
    assert {"features__sentiment", "features__sentiment_2"} <= set(model.get_params())
