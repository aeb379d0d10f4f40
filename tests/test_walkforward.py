"""Walk-forward: fitted on the past alone, recorded, and the same bytes in any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import closes
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression

from quantlab.cache import Cache
from quantlab.errors import StrategyError
from quantlab.executor import processes, serial
from quantlab.folds import WalkForward
from quantlab.models import lightgbm_regressor, logistic_classifier, ridge_regressor, with_text
from quantlab.text import Sentiment, TextEncoder
from quantlab.walkforward import prepared, walk_forward


class Witness(RegressorMixin, BaseEstimator):
    """Remembers what it was fitted on, and predicts the time of its last training row."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Witness:
        """Keep the last time and the rows."""
        self.last_ = X.index.get_level_values(0).max()
        self.seen_ = list(X.index)
        assert not hasattr(self, "used_"), "a fitted model was fitted again instead of a clone"
        self.used_ = True
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the day of the last training row."""
        return np.full(len(X), float(self.last_.timestamp()))


def sample(n_times: int = 60, n_symbols: int = 4, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Return a panel with one feature that explains the label, and one that does not."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([closes(n_times), [f"S{n}" for n in range(n_symbols)]], names=["time", "symbol"])
    X = pd.DataFrame(rng.normal(size=(len(index), 2)), index=index, columns=["good", "noise"])
    return X, pd.Series(X["good"] + rng.normal(size=len(index)), index=index)


FOLDS = WalkForward(train=20, test=10, min_train=20)


def folds_of(X: pd.DataFrame, horizon: int = 3) -> list[object]:
    """Return the folds over a panel."""
    return list(FOLDS.split(pd.DatetimeIndex(X.index.get_level_values(0).unique()), horizon))


def test_every_test_row_is_predicted_once_by_a_model_of_its_own_past() -> None:
    """The signal of a row is the last training day of its fold; no row is missing or doubled."""
    X, y = sample()
    folds = folds_of(X)
    found = walk_forward(Witness(), X, y, folds)
    for fold in folds:
        rows = found.signal.loc[fold.test_start : fold.test_end]
        assert (rows == fold.train_end.timestamp()).all()
    assert found.signal.index.equals(X.loc[folds[0].test_start :].index)


def test_what_was_fitted_is_recorded() -> None:
    """Rows, the end of learning, and the share of each feature."""
    X, y = sample()
    found = walk_forward(LinearRegression(), X, y, folds_of(X))
    fit = found.fits[0]
    assert (fit.n_train, fit.n_test) == (80, 40)
    assert fit.fit_end == {"model": fit.fold.train_end}
    assert fit.importance["good"] > 0.8
    assert sum(fit.importance.values()) == pytest.approx(1)


def test_rows_without_a_label_are_not_trained_on_but_are_predicted() -> None:
    """Half of the training labels missing: half of the rows train; every test row has a signal."""
    X, y = sample()
    y.iloc[::2] = np.nan
    found = walk_forward(LinearRegression(), X, y, folds_of(X))
    assert found.fits[0].n_train == 40
    assert found.signal.notna().all()


def test_no_label_at_all_is_an_error() -> None:
    """Not an empty model."""
    X, y = sample()
    with pytest.raises(StrategyError, match="NaN throughout"):
        walk_forward(LinearRegression(), X, y * np.nan, folds_of(X))


def test_the_model_that_is_passed_in_is_never_fitted() -> None:
    """Each fold has its own clone."""
    X, y = sample()
    model = LinearRegression()
    walk_forward(model, X, y, folds_of(X))
    assert not hasattr(model, "coef_")


def test_a_classifiers_signal_is_its_probability_of_up_less_that_of_down() -> None:
    """Between -1 and 1, the sign that of the better class."""
    X, y = sample()
    labels = pd.Series(np.where(y > 0, 1.0, -1.0), index=y.index)
    found = walk_forward(LogisticRegression(), X, labels, folds_of(X))
    assert found.is_probability
    assert found.signal.between(-1, 1).all()
    assert np.corrcoef(found.signal, X.loc[found.signal.index, "good"])[0, 1] > 0.9


@pytest.mark.parametrize(
    "model", [lightgbm_regressor(min_child_samples=5), ridge_regressor(), logistic_classifier()], ids=["lightgbm", "ridge", "logistic"]
)
def test_processes_give_the_same_bytes_as_serial(model: BaseEstimator) -> None:
    """Two workers, the same signal to the bit and the same records."""
    X, y = sample()
    y = pd.Series(np.sign(y), index=y.index) if hasattr(model, "predict_proba") else y
    one, two = (walk_forward(model, X, y, folds_of(X), executor=executor) for executor in (serial, processes(2)))
    assert one.signal.to_numpy().tobytes() == two.signal.to_numpy().tobytes()
    assert one.fits == two.fits


def test_prepared_fills_what_was_left_open_and_nothing_else(tmp_path: Path) -> None:
    """The seed and the cache reach nested learners; what the user set stays."""
    model = with_text(lightgbm_regressor(random_state=7), Sentiment())
    ready = prepared(model, horizon=5, random_state=3, cache=Cache(tmp_path))
    parameters = ready.get_params()
    assert parameters["model__random_state"] == 7
    assert parameters["features__sentiment__cache"] == Cache(tmp_path)
    assert model.get_params()["features__sentiment__cache"] is None
    assert prepared(lightgbm_regressor(), horizon=5, random_state=3, cache=None).get_params()["random_state"] == 3


def test_a_horizon_shorter_than_the_targets_is_refused() -> None:
    """Blocks would be purged by too little; a longer one, and the same, are the learner's own choice."""
    for own in (5, 9):
        model = prepared(with_text(ridge_regressor(), TextEncoder(horizon=own)), horizon=5, random_state=3, cache=None)
        assert model.get_params()["features__text_encoder__horizon"] == own
    with pytest.raises(
        StrategyError, match=r"features__text_encoder__horizon=4 is shorter than the target's horizon, 5 bars.*leave it out"
    ):
        prepared(with_text(ridge_regressor(), TextEncoder(horizon=4)), horizon=5, random_state=3, cache=None)
