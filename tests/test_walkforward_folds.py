"""Folds: kept when finished and never mistaken for others; fitted to other columns; handed on where a learner goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from conftest import closes, flat_bars, news_of
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from quantlab.cache import SUFFIX, Arrays, Cache
from quantlab.folds import WalkForward
from quantlab.models import lightgbm_classifier, lightgbm_regressor, logistic_classifier, ridge_regressor, with_text
from quantlab.news import Documents, News, known_news
from quantlab.result import OutOfSample
from quantlab.text import LdaTopics, Sentiment, TopicClusters
from quantlab.text.base import Floats, Start, TextFeature
from quantlab.walkforward import walk_forward

FOLDS = WalkForward(train=20, test=10, min_train=20)
SAID = ("Profit soars", "Profit collapses", "Board meets", "Record sales", "Fraud found")


def sample(n_times: int = 50) -> tuple[pd.DataFrame, pd.Series]:
    """Return a panel of one number and one headline per row, and labels that both explain."""
    rng = np.random.default_rng(1)
    bars = flat_bars({name: [1.0] * n_times for name in "ABCD"})
    picked = rng.integers(0, len(SAID), n_times * 4)
    stamps = (closes(n_times) - pd.Timedelta(hours=1)).repeat(4)
    table = pd.DataFrame({"available_at": stamps, "symbol": list("ABCD") * n_times, "text": [SAID[number] for number in picked]})
    news = known_news(News(table), bars)
    X = pd.DataFrame({"number": rng.normal(size=len(news)), "news": news}, index=news.index)
    tone = np.array([1.0, -1.0, 0.0, 1.0, -1.0])[picked]
    return X, pd.Series(X["number"] + tone + rng.normal(size=len(X)), index=X.index)


def found_in(X: pd.DataFrame, y: pd.Series, model: BaseEstimator | None = None, **settings: Any) -> OutOfSample:
    """Walk forward over the panel."""
    folds = list(FOLDS.split(pd.DatetimeIndex(X.index.get_level_values(0).unique()), 3))
    return walk_forward(model or with_text(ridge_regressor(), Sentiment()), X, y, folds, **settings)


def counted(seen: list[Any]) -> Callable[..., Iterator[Any]]:
    """Return a serial executor that notes each task it is given."""

    def executor(function: Callable[[Any], Any], tasks: Any) -> Iterator[Any]:
        for task in tasks:
            seen.append(task)
            yield function(task)

    return executor


def assert_same(one: OutOfSample, two: OutOfSample) -> None:
    """Every number and every record is the same to the bit."""
    pd.testing.assert_series_equal(one.signal, two.signal, check_exact=True)
    pd.testing.assert_frame_equal(one.text, two.text, check_exact=True)
    assert one.fits == two.fits
    assert list(one.variants) == list(two.variants)
    for name, signal in one.variants.items():
        pd.testing.assert_series_equal(signal, two.variants[name], check_exact=True)


def test_a_repeated_run_fits_no_fold_and_gives_the_same(tmp_path: Path) -> None:
    """The second time every fold comes from the cache."""
    X, y = sample()
    first_time: list[Any] = []
    second_time: list[Any] = []
    first = found_in(X, y, ablate=True, cache=Cache(tmp_path), executor=counted(first_time))
    second = found_in(X, y, ablate=True, cache=Cache(tmp_path), executor=counted(second_time))
    assert (len(first_time), len(second_time)) == (3, 0)
    assert_same(first, second)
    assert_same(first, found_in(X, y, ablate=True))


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The folds that were finished are not fitted again, and the result is that of a run in one go."""
    X, y = sample()

    def dying(function: Callable[[Any], Any], tasks: Any) -> Iterator[Any]:
        yield function(next(iter(tasks)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found_in(X, y, cache=Cache(tmp_path), executor=dying)
    seen: list[Any] = []
    resumed = found_in(X, y, cache=Cache(tmp_path), executor=counted(seen))
    assert len(seen) == 2
    assert_same(resumed, found_in(X, y))


@pytest.mark.parametrize("change", ["label", "number", "text", "parameter", "ablate", "estimator"])
def test_whatever_changes_the_result_is_another_fold(change: str, tmp_path: Path) -> None:
    """One value of the last training row, a parameter, the model: fitted anew, with the result of a run without a cache."""
    X, y = sample()
    found_in(X, y, cache=Cache(tmp_path))
    model: BaseEstimator = with_text(ridge_regressor(), Sentiment())
    settings = {"ablate": change == "ablate"}
    if change == "label":
        y = y.copy()
        y.iloc[60] += 1.0
    if change == "number":
        X = X.assign(number=X["number"].where(np.arange(len(X)) != 60, 9.0))
    if change == "text":
        X, _ = sample(n_times=49)
        y = y.reindex(X.index)
    if change == "parameter":
        model = with_text(ridge_regressor(alpha=1.0), Sentiment())
    if change == "estimator":
        model = with_text(lightgbm_regressor(min_child_samples=5), Sentiment())
    seen: list[Any] = []
    changed = found_in(X, y, model, cache=Cache(tmp_path), executor=counted(seen), **settings)
    assert seen
    assert_same(changed, found_in(X, y, model, **settings))


def test_a_damaged_fold_is_fitted_again(tmp_path: Path) -> None:
    """One flipped bit in each file: the same numbers."""
    X, y = sample()
    first = found_in(X, y, cache=Cache(tmp_path))
    for path in tmp_path.rglob(f"*{SUFFIX}"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert_same(first, found_in(X, y, cache=Cache(tmp_path)))


class Own(LinearRegression):
    """A user's own estimator: its code may change while its parameters do not."""


def test_the_folds_of_a_model_that_a_user_wrote_are_not_kept(tmp_path: Path) -> None:
    """Better slow than stale."""
    X, y = sample()
    seen: list[Any] = []
    for _ in range(2):
        found_in(X[["number"]], y, Own(), cache=Cache(tmp_path), executor=counted(seen))
    assert len(seen) == 6


def test_the_variants_are_the_same_estimator_on_other_columns() -> None:
    """Without the text: as if there were no news; the text alone: as if there were nothing else; the placebo loses what the text knew."""
    X, y = sample(120)
    found = found_in(X, y, ablate=True)
    assert list(found.variants) == ["no_text", "text_only", "placebo"]
    pd.testing.assert_series_equal(found.variants["no_text"], found_in(X[["number"]], y, ridge_regressor()).signal)
    pd.testing.assert_series_equal(found.variants["text_only"], found_in(X[["news"]], y).signal)
    fit = {name: np.corrcoef(signal, y[signal.index])[0, 1] for name, signal in {**found.variants, "all": found.signal}.items()}
    assert fit["all"] > fit["no_text"] + 0.05
    assert abs(fit["placebo"] - fit["no_text"]) < 0.05


def test_a_strategy_of_text_alone_has_a_placebo_and_one_without_text_no_variant() -> None:
    """What cannot be left out is not made up."""
    X, y = sample()
    assert list(found_in(X[["news"]], y, ablate=True).variants) == ["placebo"]
    assert found_in(X[["number"]], y, ridge_regressor(), ablate=True).variants == {}


def test_what_the_text_learners_made_of_the_test_rows_is_kept() -> None:
    """The same numbers as their transform gives, with the step that made each."""
    X, y = sample()
    found = found_in(X, y)
    assert found.text.index.equals(found.signal.index)
    expected = Sentiment().fit(X["news"]).transform(X["news"].loc[found.signal.index[0][0] :])
    np.testing.assert_array_equal(found.text.to_numpy(), expected)
    assert set(found.fits[0].groups.values()) == {"sentiment"}
    assert set(found.fits[0].groups) == set(found.text.columns)


def test_contributions_tell_which_feature_moved_the_signal() -> None:
    """For a linear model: the mean size of coefficient times standardised feature; noise has none."""
    X, y = sample(120)
    X = X[["number"]].assign(noise=0.0)
    contribution = found_in(X, y, ridge_regressor(alpha=1e-6)).fits[0].contribution
    assert contribution["number"] > 0.5
    assert contribution["noise"] == 0.0


class Counting(TextFeature):
    """Goes on from the fold before: learns how many rows all folds so far had."""

    cacheable: ClassVar[bool] = True

    def __init__(self, *, start: Start | None = None, cache: Cache | None = None) -> None:
        """Keep the parameters."""
        self.start = start
        self.cache = cache

    @property
    def continues(self) -> bool:
        """Always."""
        return True

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        before = 0 if self.start is None else int(self.start.learned["n"])
        return {"n": np.array(before + documents.n_rows)}

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        return np.full((documents.n_rows, 1), float(learned["n"]))

    def _names(self, learned: Arrays) -> list[str]:
        return ["n_rows"]


def test_a_learner_that_goes_on_is_handed_what_the_last_fold_learned(tmp_path: Path) -> None:
    """20, 40 and 60 bars of four symbols: in order, whatever the executor, with and without a cache."""
    X, y = sample()
    for cache in (None, Cache(tmp_path)):
        found = found_in(X, y, with_text(ridge_regressor(), Counting(cache=cache)), cache=cache)
        assert [found.text.loc[fit.fold.test_start].iloc[0, 0] for fit in found.fits] == [80.0, 160.0, 240.0]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
        make_pipeline(SimpleImputer(), PCA(1), Ridge()),
        Pipeline([("scale", StandardScaler()), ("model", LinearRegression())]),
    ],
    ids=["bare arrays", "fewer columns", "named"],
)
def test_any_pipeline_of_scikit_learn_is_a_model(model: BaseEstimator, tmp_path: Path) -> None:
    """Steps that return bare arrays, or other columns: the signal is that of the pipeline itself."""
    X, y = sample()
    found = found_in(X[["number"]], y, model, cache=Cache(tmp_path))
    fit = found.fits[-1]
    whole = clone(model).fit(X[["number"]].loc[fit.fold.train_start : fit.fold.train_end], y.loc[fit.fold.train_start : fit.fold.train_end])
    test = X[["number"]].loc[fit.fold.test_start : fit.fold.test_end]
    np.testing.assert_allclose(found.signal.loc[fit.fold.test_start : fit.fold.test_end], whole.predict(test))


def test_what_follows_the_text_is_fitted_anew_for_each_variant(tmp_path: Path) -> None:
    """Imputing and components between text and estimator: three variants, and a text learner may stand in a pipeline of its own."""
    X, y = sample(120)
    joined = ColumnTransformer([("tone", make_pipeline(Sentiment(), StandardScaler()), "news")], remainder="passthrough")
    model = Pipeline([("features", joined), ("impute", SimpleImputer()), ("components", PCA(1)), ("model", Ridge())])
    found = found_in(X, y, model, ablate=True, cache=Cache(tmp_path))
    assert list(found.variants) == ["no_text", "text_only", "placebo"]
    assert set(found.fits[0].groups.values()) == {"tone"}
    assert found.fits[0].contribution == {}  # those of components are no feature's
    only = found_in(X[["number"]], y, make_pipeline(SimpleImputer(), PCA(1), Ridge()))
    assert np.corrcoef(found.variants["no_text"], only.signal)[0, 1] > 0.999


def test_a_variant_that_cannot_be_fitted_does_not_stop_the_strategy(caplog: pytest.LogCaptureFixture) -> None:
    """Two components of one column: the strategy has its signal, that variant none, and the log says why."""
    X, y = sample()
    model = Pipeline([*with_text(Ridge(), Sentiment()).steps[:1], ("components", PCA(2)), ("model", Ridge())])
    found = found_in(X, y, model, ablate=True)
    assert found.signal.notna().all()
    assert found.variants["no_text"].isna().all()
    assert found.variants["placebo"].notna().all()
    assert "cannot be fitted" in caplog.text


def test_a_fold_without_news_keeps_its_variants() -> None:
    """Where the training rows have no document, the text alone says nothing, and nothing is lost by leaving it out."""
    X, y = sample()
    bars = flat_bars({name: [1.0] * 50 for name in "ABCD"})
    late = news_of(*((f"2024-02-{day:02d} 20:00", "A", SAID[day % 5]) for day in range(1, 15)))
    X = X.assign(news=known_news(late, bars))
    found = found_in(
        X, y, with_text(ridge_regressor(), TopicClusters(LdaTopics(2, n_passes=1, min_documents=1), n_clusters=2)), ablate=True
    )
    assert set(found.variants) == {"no_text", "text_only", "placebo"}
    assert all(signal.index.equals(found.signal.index) for signal in found.variants.values())


def test_one_class_in_a_fold_is_predicted_and_said() -> None:
    """Most classifiers refuse to learn from one class."""
    X, y = sample()
    for model in (logistic_classifier(), lightgbm_classifier(min_child_samples=5)):
        found = found_in(X[["number"]], pd.Series(1.0, index=y.index), model)
        assert (found.signal == 1.0).all()
        assert "every training label is 1" in str(found.fits[0].learned["model"])


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FrozenEstimator(LinearRegression().fit(pd.DataFrame({"number": [0.0, 1.0]}), [0.0, 1.0]))),
        GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, scoring=lambda model, X, y: model.score(X, y), cv=2),
        TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh, check_inverse=False),
    ],
    ids=["frozen", "own scoring", "functions"],
)
def test_a_model_whose_parameters_do_not_tell_all_is_not_kept(model: BaseEstimator, tmp_path: Path) -> None:
    """Whatever holds a function, or what it has learned, could be another model under the same name."""
    X, y = sample()
    seen: list[Any] = []
    for _ in range(2):
        found_in(X[["number"]], y.clip(-0.9, 0.9), model, cache=Cache(tmp_path), executor=counted(seen))
    assert len(seen) == 6


def test_what_a_part_was_made_with_tells_it_apart(tmp_path: Path) -> None:
    """A column selector is no estimator, but its pattern decides what is learned."""
    X, y = sample()
    X = X[["number"]].assign(other=np.arange(len(X), dtype=float))
    models = [make_pipeline(ColumnTransformer([("some", "passthrough", make_column_selector(pattern=p))]), Ridge()) for p in ("num", "oth")]
    one, two = (found_in(X, y, model, cache=Cache(tmp_path)) for model in models)
    assert not one.signal.equals(two.signal)
    assert_same(two, found_in(X, y, models[1]))


def test_columns_of_strings_are_told_apart(tmp_path: Path) -> None:
    """A sector is neither a number nor news."""
    X, y = sample()
    model = make_pipeline(ColumnTransformer([("sector", OneHotEncoder(handle_unknown="ignore"), ["sector"])]), Ridge())
    cache = Cache(tmp_path)
    X = X[["number"]].assign(sector=pd.Series(np.where(np.arange(len(X)) % 2, "bank", "oil"), index=X.index, dtype="str"))
    one = found_in(X, y, model, cache=cache)
    two = found_in(X.assign(sector=X["sector"].where(np.arange(len(X)) != 0, "bank")), y, model, cache=cache)
    assert not one.signal.equals(two.signal)


def test_a_fold_is_known_by_what_it_learned_from() -> None:
    """The records of two runs on other data differ."""
    X, y = sample()
    one, two = found_in(X, y), found_in(X, -y)
    assert one.fits != tuple(replace(fit, importance={}) for fit in two.fits)
    np.testing.assert_allclose(one.signal, -two.signal, rtol=1e-9)
