"""Models: deterministic defaults, scaling inside, and text in front."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from sklearn.base import BaseEstimator, clone

from quantlab.cache import Cache
from quantlab.errors import UsageError
from quantlab.folds import Fold
from quantlab.models import elastic_net_regressor, lightgbm_classifier, lightgbm_regressor, logistic_classifier, ridge_regressor, with_text
from quantlab.news import known_news
from quantlab.repro import described
from quantlab.text import LdaTopics, Sentiment
from quantlab.walkforward.fold import Task, fit_and_predict
from quantlab.walkforward.memory import load, name_of, save

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


def told(n: int = 12) -> tuple[pd.DataFrame, pd.Series]:
    """Return n bars of two symbols with a price feature and a headline now and then, and a label."""
    bars = flat_bars({"A": [1.0] * n, "B": [1.0] * n})
    rows = [(f"2024-01-{day + 2:02d}T10:00:00Z", "AB"[day % 2], ("profit surges", "heavy losses")[day % 3 == 0]) for day in range(n)]
    column = known_news(news_of(*rows), bars, lookback=5)
    random = np.random.default_rng(0)
    X = pd.DataFrame({"x": random.normal(size=2 * n), "news": column}, index=column.index)
    return X, pd.Series(random.normal(size=2 * n), index=column.index)


def test_the_columns_of_a_second_learner_have_the_name_of_its_step() -> None:
    """The first keeps its names, the others pass unchanged; clones and copies in other processes say the same."""
    X, y = told()
    model = clone(with_text(ridge_regressor(), Sentiment(), Sentiment(half_life_hours=5), LdaTopics(2), LdaTopics(3))).fit(X, y)
    kinds = ["tone", "confidence", "disagreement"]
    expected = [
        *(f"sentiment_{kind}" for kind in kinds),
        *(f"sentiment_2_{kind}" for kind in kinds),
        *("topic_0", "topic_1", "lda_topics_2_topic_0", "lda_topics_2_topic_1", "lda_topics_2_topic_2", "x"),
    ]
    assert list(model["model"].feature_names_in_) == expected
    sent = pickle.loads(pickle.dumps(model))  # noqa: S301  # its own bytes, as a worker gets them
    assert list(sent[:-1].transform(X).columns) == expected
    assert described(clone(model)) == described(model)


def test_each_column_is_of_its_own_learner() -> None:
    """What stands under a name is what that learner alone makes."""
    X, y = told()
    slow, quick = Sentiment(half_life_hours=500), Sentiment(half_life_hours=1)
    made = with_text(ridge_regressor(), slow, quick)[:-1].fit_transform(X, y)
    np.testing.assert_array_equal(made.iloc[:, :3], slow.fit_transform(X["news"]))
    np.testing.assert_array_equal(made[[name for name in made if name.startswith("sentiment_2_")]], quick.fit_transform(X["news"]))
    assert not made["sentiment_tone"].equals(made["sentiment_2_tone"])


@pytest.mark.parametrize("cached", [False, True])
def test_a_fold_tells_two_learners_of_a_class_apart(cached: bool, tmp_path: Path) -> None:
    """Each column belongs to its step, in groups, contributions and variants; such a fold can be kept, and is read back alike."""
    X, y = told(24)
    times = X.index.get_level_values(0).unique()
    train, test = X.loc[: times[15]], X.loc[times[18] :]
    model = with_text(ridge_regressor(), Sentiment(), Sentiment(half_life_hours=5))
    task = Task(model, Fold(times[0], times[15], times[18], times[-1]), train, y.loc[train.index], test, ablate=True)
    done = fit_and_predict(task)
    if cached:
        name, store = name_of(task), Cache(tmp_path)
        assert name is not None
        save(store, name, done)
        done = load(store, name, task)
    assert done is not None
    assert {name for name, step in done.fit.groups.items() if step == "sentiment_2"} == {name for name in done.text if "_2_" in name}
    assert len(done.fit.groups) == len(done.text.columns) == 6
    assert set(done.fit.contribution) == {*done.fit.groups, "x"}
    assert set(done.fit.importance) == {*done.fit.groups, "x"}
    assert set(done.variants) == {"no_text", "text_only", "placebo"}


def test_a_feature_named_as_a_text_column_is_refused() -> None:
    """It is said which column, and whose; nothing is renamed behind the user's back."""
    X, y = told()
    with pytest.raises(UsageError, match="sentiment and remainder both make a column 'sentiment_tone'"):
        with_text(ridge_regressor(), Sentiment()).fit(X.rename(columns={"x": "sentiment_tone"}), y)
