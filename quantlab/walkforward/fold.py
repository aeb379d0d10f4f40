"""One fold: fit on its training rows, predict its test rows, and say what was learned.

The model is a pipeline as a rule: what comes before its last step makes the features, the last step makes the signal. The features are
made once; the last step is then also fitted to other columns of them, to tell what the text added (`variants`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from quantlab.explain import mean_contribution
from quantlab.folds import Fold
from quantlab.repro import one_thread, random_generator
from quantlab.result import FoldFit


@dataclass(frozen=True)
class Task:
    """All that one fold needs, so that any process can do it. ablate: fit the variants too."""

    model: BaseEstimator
    fold: Fold
    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame
    ablate: bool


@dataclass(frozen=True)
class Done:
    """What one fold gives: the signal of its test rows, that of each variant, their text features, and its record.

    starts: for each part that goes on in the next fold, what it starts from.
    """

    signal: pd.Series
    variants: Mapping[str, pd.Series]
    text: pd.DataFrame
    fit: FoldFit
    starts: Mapping[str, object]


def fit_and_predict(task: Task) -> Done:
    """Fit a fresh clone on a fold's training rows and predict its test rows, on one thread."""
    with one_thread():
        model = clone(task.model)
        steps = isinstance(model, Pipeline) and len(model.steps) > 1
        front, final = (model[:-1], model[-1]) if steps else (None, model)
        y = task.y_train.astype(int) if is_classifier(final) else task.y_train
        train = task.X_train if front is None else front.fit_transform(task.X_train, y)
        test = task.X_test if front is None else front.transform(task.X_test)
        signal = _signal(final.fit(train, y), test)
        parts = dict(_fitted_parts("model", model))
        groups = {column: step for part in parts.values() for column, step in _made_from_text(part)}
        variants = _variants(final, train, y, test, groups, task.fold) if task.ablate else {}
        contribution = mean_contribution(final, test)
    fit = FoldFit(
        task.fold,
        len(task.X_train),
        len(task.X_test),
        {"model": task.X_train.index.get_level_values(0).max(), **_said(parts, lambda part: getattr(part, "fit_end_", None))},
        _importance(model),
        _said(parts, lambda part: part.describe_learned() if hasattr(part, "describe_learned") else None),
        groups,
        contribution,
    )
    text = test[list(groups)] if groups else pd.DataFrame(index=task.X_test.index)
    starts = _said(parts, lambda part: part.as_start() if getattr(part, "continues", False) else None)
    return Done(signal, variants, text, fit, starts)


def is_classifier(model: BaseEstimator) -> bool:
    """Return True if the model gives probabilities of classes."""
    return hasattr(type(model), "predict_proba") and hasattr(model, "predict_proba")


def _signal(fitted: Any, X: pd.DataFrame) -> pd.Series:
    """Return the prediction of each row; a classifier's is the mean of its classes, which for -1, 0, 1 is P(up) - P(down)."""
    values = fitted.predict_proba(X) @ fitted.classes_ if is_classifier(fitted) else fitted.predict(X)
    return pd.Series(np.asarray(values, dtype=float), index=X.index)


def _variants(
    final: BaseEstimator, train: pd.DataFrame, y: pd.Series, test: pd.DataFrame, groups: Mapping[str, str], fold: Fold
) -> dict[str, pd.Series]:
    """Return the signals of the same estimator without the text features, with them alone, and with them dealt out to other rows.

    The placebo keeps what the text learners made, and takes only its meaning: the rows of the text features are shuffled between
    symbols and dates, training rows among themselves and test rows among themselves. A strategy of text alone has the placebo only.
    """
    text = list(groups)
    rest = [column for column in train.columns if column not in groups]
    columns = {"no_text": rest, "text_only": text} if text and rest else {}
    found = {name: _signal(clone(final).fit(train[chosen], y), test[chosen]) for name, chosen in columns.items()}
    if text:
        rng = random_generator(0, f"placebo {fold.test_start.isoformat()}")
        dealt_train, dealt_test = (_dealt(X, text, rng) for X in (train, test))
        found["placebo"] = _signal(clone(final).fit(dealt_train, y), dealt_test)
    return found


def _dealt(X: pd.DataFrame, columns: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return X with the rows of some columns shuffled, all of them in the same way."""
    order: npt.NDArray[np.int64] = rng.permutation(len(X))
    return X.assign(**{name: X[name].to_numpy()[order] for name in columns})


def _said(parts: Mapping[str, Any], ask: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what each part answers, without those that have no answer."""
    answers = {name: ask(part) for name, part in parts.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _made_from_text(part: Any) -> Iterator[tuple[str, str]]:
    """Yield (column, step) for each column that a text learner inside a ColumnTransformer made."""
    if isinstance(part, ColumnTransformer):
        names = part.get_feature_names_out()
        for step, fitted, _ in part.transformers_:
            if hasattr(fitted, "prepare"):
                yield from ((str(column), step) for column in names[part.output_indices_[step]])


def _fitted_parts(name: str, part: Any) -> Iterator[tuple[str, Any]]:
    """Yield every fitted estimator inside a model, named by its step; a ColumnTransformer keeps its fitted ones apart."""
    yield name, part
    if isinstance(part, Pipeline):
        inside = part.steps
    elif isinstance(part, ColumnTransformer):
        inside = [(step, fitted) for step, fitted, _ in part.transformers_]
    else:
        return
    for step, fitted in inside:
        if isinstance(fitted, BaseEstimator):
            yield from _fitted_parts(f"{name}.{step}", fitted)


def _importance(model: BaseEstimator) -> dict[str, float]:
    """Return each feature's share of what the final estimator relies on (gain, or absolute standardised coefficient)."""
    final = model
    while isinstance(final, Pipeline):
        final = final.steps[-1][1]
    weight = getattr(final, "feature_importances_", None)
    if weight is None and (coefficients := getattr(final, "coef_", None)) is not None:
        weight = np.abs(np.atleast_2d(coefficients)).mean(axis=0)
    names = getattr(final, "feature_names_in_", getattr(final, "feature_name_", None))
    if weight is None or names is None or not np.sum(weight) > 0:
        return {}
    return {str(name): float(share) for name, share in zip(names, np.asarray(weight, float) / np.sum(weight), strict=True)}
