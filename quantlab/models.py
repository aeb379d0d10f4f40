"""Signal models with deterministic defaults, and the one way to put text in front of them.

Any scikit-learn regressor or classifier works as a strategy's model; these are good first choices for the weak signals of
markets: shallow, slow-learning trees and strongly shrunk linear models. Scaling and imputing are steps of the pipeline, so
they are fitted inside each fold. `random_state=None` means that the run's seed is used.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from quantlab.errors import UsageError


def lightgbm_regressor(
    *,
    n_estimators: int = 150,
    learning_rate: float = 0.03,
    num_leaves: int = 8,
    min_child_samples: int = 100,
    colsample_bytree: float = 0.7,
    reg_lambda: float = 10.0,
    random_state: int | None = None,
) -> BaseEstimator:
    """Return a gradient-boosted regressor (Ke et al., NeurIPS 2017) whose fit repeats to the bit."""
    import lightgbm

    settings = _boosting(n_estimators, learning_rate, num_leaves, min_child_samples, colsample_bytree, reg_lambda)
    return lightgbm.LGBMRegressor(**settings, random_state=random_state)


def lightgbm_classifier(
    *,
    n_estimators: int = 150,
    learning_rate: float = 0.03,
    num_leaves: int = 8,
    min_child_samples: int = 100,
    colsample_bytree: float = 0.7,
    reg_lambda: float = 10.0,
    random_state: int | None = None,
) -> BaseEstimator:
    """Return a gradient-boosted classifier whose fit repeats to the bit; the signal is P(up) - P(down)."""
    import lightgbm

    settings = _boosting(n_estimators, learning_rate, num_leaves, min_child_samples, colsample_bytree, reg_lambda)
    return lightgbm.LGBMClassifier(**settings, random_state=random_state)


def ridge_regressor(*, alpha: float = 1000.0) -> Pipeline:
    """Return ridge regression on imputed, standardised features; `alpha` is the penalty on standardised coefficients."""
    return _scaled(Ridge(alpha=alpha, solver="cholesky"))


def elastic_net_regressor(*, alpha: float = 0.001, l1_ratio: float = 0.5) -> Pipeline:
    """Return the elastic net on imputed, standardised features."""
    return _scaled(ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=10_000))


def logistic_classifier(*, C: float = 0.01, random_state: int | None = None) -> Pipeline:
    """Return logistic regression on imputed, standardised features; the signal is P(up) - P(down)."""
    return _scaled(LogisticRegression(C=C, max_iter=1000, random_state=random_state))


def with_text(estimator: BaseEstimator, *text_features: BaseEstimator, column: str = "news") -> Pipeline:
    """Return a pipeline: each text feature reads the news column, the other columns pass, the estimator gets them all.

    The steps are `features` and `model`; inside `features` each text feature is named after its class (`lda_topics`, ...), a second
    one of a class `lda_topics_2`, and its columns too: see `TextColumns`.
    """
    names = _step_names(text_features)
    text = [(name, feature, column) for name, feature in zip(names, text_features, strict=True)]
    joined = TextColumns(text, remainder="passthrough", verbose_feature_names_out=True)
    return Pipeline([("features", joined.set_output(transform="pandas")), ("model", estimator)])


class TextColumns(ColumnTransformer):
    """Text features, each a step, and the other columns after them. Columns keep their names, but for those of a second of a class.

    These have their step's name instead of the class's: `sentiment_tone` of the step `sentiment` is `sentiment_2_tone` of the step
    `sentiment_2`. A class and not a function for `verbose_feature_names_out`: a function among its parameters is nothing that a
    model can be told by, so that no fold of it could be kept.
    """

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns. Raises UsageError if two steps make a column of one name."""
        kind = {step: _class_name(feature) for step, feature, _ in self.transformers}
        made = [str(name).partition("__")[::2] for name in super().get_feature_names_out(input_features)]  # `step__column`
        names = [column if kind.get(step, step) == step else f"{step}_{column.removeprefix(kind[step] + '_')}" for step, column in made]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            steps = [step for (step, _), name in zip(made, names, strict=True) if name == twice[0]]
            raise UsageError(f"with_text: {' and '.join(steps)} both make a column {twice[0]!r}: rename one (remainder: your own features)")
        return np.asarray(names, dtype=object)


def _scaled(estimator: BaseEstimator) -> Pipeline:
    """Put imputing (a feature's mean, or 0 if it was never seen) and scaling before a linear model."""
    impute = SimpleImputer(strategy="mean", keep_empty_features=True).set_output(transform="pandas")
    scale = StandardScaler().set_output(transform="pandas")
    return Pipeline([("impute", impute), ("scale", scale), ("model", estimator)])


def _boosting(
    n_estimators: int, learning_rate: float, num_leaves: int, min_child_samples: int, colsample_bytree: float, reg_lambda: float
) -> dict[str, Any]:
    """Return LightGBM's settings: no bagging (it depends on the row order), one thread, bins from all rows."""
    return {
        "n_estimators": n_estimators,
        "learning_rate": learning_rate,
        "num_leaves": num_leaves,
        "min_child_samples": min_child_samples,
        "colsample_bytree": colsample_bytree,
        "reg_lambda": reg_lambda,
        "bin_construct_sample_cnt": 100_000_000,
        "deterministic": True,
        "force_row_wise": True,
        "n_jobs": 1,
        "importance_type": "gain",
        "verbosity": -1,
    }


def _step_names(text_features: tuple[BaseEstimator, ...]) -> list[str]:
    """Return `lda_topics` for LdaTopics; a second one of a class is `lda_topics_2`."""
    seen: Counter[str] = Counter()
    names = []
    for feature in text_features:
        name = _class_name(feature)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def _class_name(feature: object) -> str:
    """Return `lda_topics` for LdaTopics."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(feature).__name__).lower()
