"""Walk forward: fit on the past, predict the next window, move on.

1. The model as a whole (text learners, scaling, regression) is cloned for every fold: nothing survives from one to the next.
2. It is fitted on the rows from train_start to train_end that have a label, in the order of (time, symbol).
3. It predicts every row from test_start to test_end.
4. What each part learned from, and what it learned, is recorded.

Folds are independent: in several processes they give the same bytes as one after the other. The exception is a learner that goes on
from the fold before (`warm_start`, `continual`): then the folds are fitted in order, and each is handed what the last one learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from quantlab.cache import Cache
from quantlab.errors import StrategyError
from quantlab.executor import Executor, Progress, serial, silent
from quantlab.explain import mean_contribution
from quantlab.folds import Fold
from quantlab.repro import one_thread
from quantlab.result import FoldFit, Json, OutOfSample


@dataclass(frozen=True)
class _Task:
    """All that one fold needs, so that any process can do it."""

    model: BaseEstimator
    fold: Fold
    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame


@dataclass(frozen=True)
class _Done:
    """What one fold gives: the signal and the text features of its test rows, its record, and what the next fold may start from."""

    signal: pd.Series
    text: pd.DataFrame
    fit: FoldFit
    starts: Mapping[str, object]


def prepared(model: BaseEstimator, *, horizon: int, random_state: int, cache: Cache | None) -> BaseEstimator:
    """Return a clone of the model in which every parameter named `horizon`, `random_state` or `cache` that is None is set."""
    given: dict[str, object] = {"horizon": horizon, "random_state": random_state, "cache": cache}
    left_open = {
        name: given[name.rpartition("__")[2]]
        for name, value in _parameters(model).items()
        if value is None and name.rpartition("__")[2] in given
    }
    return clone(model).set_params(**left_open)


def walk_forward(
    model: BaseEstimator,
    X: pd.DataFrame,
    y: pd.Series,
    folds: Sequence[Fold],
    *,
    executor: Executor = serial,
    progress: Progress = silent,
) -> OutOfSample:
    """Return the signal of every test row, (time, symbol), with a record of each fold.

    X and y are sorted by (time, symbol) and aligned; rows without a label are not trained on, but are predicted.
    Raises StrategyError if a fold has no row to learn from.
    """
    tasks = (_task(model, X, y, fold) for fold in folds)  # cut when their turn comes: all at once would hold the panel many times
    if _is_classifier(model):
        _check_classes(y)
    for feature, column in _text_features(model):
        for text in progress([X[column]], f"{type(feature).__name__}: reading texts", 1):
            feature.prepare(text)
    fitted = _one_after_the_other(tasks) if _continues(model) else executor(_fit_and_predict, tasks)
    done = list(progress(fitted, "folds", len(folds)))
    signal = pd.concat([part.signal for part in done]).rename("signal")
    text = pd.concat([part.text for part in done])
    two_sided = set(y.dropna().unique()) <= {-1.0, 1.0}
    return OutOfSample(signal, tuple(part.fit for part in done), _is_classifier(model) and two_sided, text)


def _continues(model: BaseEstimator) -> bool:
    """Return True if a part of the model goes on from what it learned in the fold before."""
    return any(getattr(part, "continues", False) for part in _parameters(model).values())


def _one_after_the_other(tasks: Iterable[_Task]) -> Iterator[_Done]:
    """Fit folds in order, each from where the last one stopped."""
    starts: Mapping[str, object] = {}
    for task in tasks:
        done = _fit_and_predict(replace(task, model=clone(task.model).set_params(**starts)))
        starts = {f"{name.removeprefix('model.').replace('.', '__')}__start": start for name, start in done.starts.items()}
        yield done


def _check_classes(y: pd.Series) -> None:
    """Refuse labels that are no directions: a classifier would take them for names, and the signal P(up) - P(down) means nothing."""
    odd = sorted(set(y.dropna().unique()) - {-1.0, 0.0, 1.0})
    if odd:
        shown = ", ".join(f"{label:g}" for label in odd[:3])
        raise StrategyError(f"a classifier needs the labels -1, 0 and 1, not {shown}, ...: use target=Direction(...) or a regressor")


def _task(model: BaseEstimator, X: pd.DataFrame, y: pd.Series, fold: Fold) -> _Task:
    """Cut a fold's rows out of the panel."""
    train, test = _rows(X.index, fold.train_start, fold.train_end), _rows(X.index, fold.test_start, fold.test_end)
    X_train, y_train = X.iloc[train], y.iloc[train]
    labelled = y_train.notna().to_numpy()
    if not labelled.any():
        raise StrategyError(
            f"no row from {fold.train_start.date()} to {fold.train_end.date()} has a label: the target gives NaN throughout"
        )
    return _Task(model, fold, X_train[labelled], y_train[labelled], X.iloc[test])


def _rows(index: pd.Index, start: pd.Timestamp, end: pd.Timestamp) -> slice:
    """Return the rows of a sorted (time, symbol) index from start to end, both included."""
    times = index.get_level_values(0)
    return slice(int(times.searchsorted(start, side="left")), int(times.searchsorted(end, side="right")))


def _fit_and_predict(task: _Task) -> _Done:
    """Fit a fresh clone on a fold's training rows and predict its test rows, on one thread."""
    with one_thread():
        classifier = _is_classifier(task.model)
        model = clone(task.model).fit(task.X_train, task.y_train.astype(int) if classifier else task.y_train)
        inputs, final = (model[:-1].transform(task.X_test), model[-1]) if isinstance(model, Pipeline) else (task.X_test, model)
        values = final.predict_proba(inputs) @ final.classes_ if classifier else final.predict(inputs)
        contribution = mean_contribution(final, inputs)
    parts = dict(_fitted_parts("model", model))
    groups = {column: step for part in parts.values() for column, step in _made_from_text(part)}
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
    signal = pd.Series(np.asarray(values, dtype=float), index=task.X_test.index)
    text = inputs[list(groups)] if groups else pd.DataFrame(index=signal.index)
    return _Done(signal, text, fit, _said(parts, lambda part: part.as_start() if getattr(part, "continues", False) else None))


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


def _text_features(model: BaseEstimator) -> Iterator[tuple[Any, Any]]:
    """Yield the learners that can compute something ahead, with the name of the column that they read."""
    for part in (model, *_parameters(model).values()):
        if isinstance(part, ColumnTransformer):
            yield from ((feature, column) for _, feature, column in part.transformers if hasattr(feature, "prepare"))


def _parameters(model: BaseEstimator) -> Mapping[str, object]:
    parameters: Mapping[str, object] = model.get_params(deep=True)
    return parameters


def _is_classifier(model: BaseEstimator) -> bool:
    """Return True if the model gives probabilities of classes."""
    return hasattr(type(model), "predict_proba") and hasattr(model, "predict_proba")


def fit_ends(fits: Sequence[FoldFit]) -> list[Json]:
    """Return, for each fold, when everything that learned in it stopped learning, as JSON."""
    return [{name: end.isoformat() for name, end in sorted(fit.fit_end.items())} for fit in fits]
