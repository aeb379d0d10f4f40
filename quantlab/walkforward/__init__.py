"""Walk forward: fit on the past, predict the next window, move on.

1. The model as a whole (text learners, scaling, regression) is cloned for every fold: nothing survives from one to the next.
2. It is fitted on the rows from train_start to train_end that have a label, in the order of (time, symbol).
3. It predicts every row from test_start to test_end.
4. What each part learned from, and what it learned, is recorded (`fold`); a finished fold is kept (`memory`).

Folds are independent: in several processes they give the same bytes as one after the other. The exception is a learner that goes on
from the fold before (`warm_start`, `continual`): then the folds are fitted in order, and each is handed what the last one learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer

from quantlab.cache import Cache
from quantlab.errors import StrategyError, nearest
from quantlab.executor import Executor, Progress, serial, silent
from quantlab.folds import Fold
from quantlab.result import FoldFit, Json, OutOfSample
from quantlab.walkforward import memory
from quantlab.walkforward.fold import Done, Task, fit_and_predict, is_classifier, texts_of

__all__ = ["fit_ends", "prepared", "walk_forward"]


def prepared(
    model: BaseEstimator, *, horizon: int, random_state: int, cache: Cache | None, entity_names: Sequence[str] = ()
) -> BaseEstimator:
    """Return a clone of the model in which every parameter that has one of these names, and is None, is set.

    Raises StrategyError for a horizon of a learner's own that is shorter than the target's: it would be scored on labels it has seen.
    """
    for name, value in _parameters(model).items():
        if name.rpartition("__")[2] == "horizon" and isinstance(value, int) and value < horizon:
            fix = f"leave it out (the run sets it), or give {horizon} or more"
            raise StrategyError(f"{name}={value} is shorter than the target's horizon, {horizon} bars: it would purge too little; {fix}")
    given: dict[str, object] = {"horizon": horizon, "random_state": random_state, "cache": cache, "entity_names": tuple(entity_names)}
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
    ablate: bool = False,
    cache: Cache | None = None,
    executor: Executor = serial,
    progress: Progress = silent,
) -> OutOfSample:
    """Return the signal of every test row, (time, symbol), with a record of each fold.

    X and y are sorted by (time, symbol) and aligned; rows without a label are not trained on, but are predicted.
    ablate: also give the signals without the text features, of them alone, and of a placebo, and in the last fold what text learners
    say of some headlines. cache: where finished folds are kept.
    Raises StrategyError if a fold has no row to learn from, a text learner no column to read, or the model nothing to say.
    """
    _check_columns(model, X)
    if is_classifier(model):
        _check_classes(y)
    # cut when their turn comes: all would hold the panel many times
    tasks = [partial(_task, model, X, y, fold, ablate=ablate, explain=ablate and fold is folds[-1]) for fold in folds]
    if _continues(model):
        _read_ahead(model, X, progress)
        fitted = _one_after_the_other(tasks)
    else:
        fitted = _kept_or_fitted(tasks, cache, executor, lambda: _read_ahead(model, X, progress))
    done = list(progress(fitted, "folds", len(folds)))
    signal = pd.concat([part.signal for part in done]).rename("signal")
    if signal.isna().all() or np.isinf(signal.to_numpy()).any():
        said = "NaN in all" if signal.isna().all() else f"infinity in {int(np.isinf(signal.to_numpy()).sum())} of"
        raise StrategyError(f"{type(model).__name__} predicts {said} {len(signal)} test rows: see what it does with its features")
    variants = {name: pd.concat([part.variants[name] for part in done]).rename("signal") for name in done[0].variants}
    two_sided = set(y.dropna().unique()) <= {-1.0, 1.0}
    trained_on = y.index.get_level_values(0) <= folds[-1].train_end
    return OutOfSample(
        signal,
        tuple(part.fit for part in done),
        is_probability=is_classifier(model) and two_sided,
        text=pd.concat([part.text for part in done]),
        variants=variants,
        n_unlabelled=int(y[trained_on].isna().sum()),
    )


def _kept_or_fitted(
    tasks: Sequence[Callable[[], Task]], cache: Cache | None, executor: Executor, read_ahead: Callable[[], None]
) -> Iterator[Done]:
    """Yield each fold in order: from the cache where it is, fitted and kept otherwise."""
    names = [None if cache is None else memory.name_of(task()) for task in tasks]
    kept: dict[int, Done] = {}
    for number, (name, task) in enumerate(zip(names, tasks, strict=True)):
        found = None if cache is None or name is None else memory.load(cache, name, task())
        if found is not None:
            kept[number] = found
    missing = [number for number in range(len(tasks)) if number not in kept]
    if missing:
        read_ahead()
    fitted = iter(executor(fit_and_predict, (tasks[number]() for number in missing)))
    for number, name in enumerate(names):
        done = kept.pop(number, None)
        if done is None:
            done = next(fitted)
            if cache is not None and name is not None:
                memory.save(cache, name, done)
        yield done


def _read_ahead(model: BaseEstimator, X: pd.DataFrame, progress: Progress) -> None:
    """Let each text learner compute what is the same in every fold."""
    for feature, column in _text_features(model):
        for text in progress([X[column]], f"{type(feature).__name__}: reading texts", 1):
            feature.prepare(text)


def _continues(model: BaseEstimator) -> bool:
    """Return True if a part of the model goes on from what it learned in the fold before."""
    return any(getattr(part, "continues", False) for part in _parameters(model).values())


def _one_after_the_other(tasks: Sequence[Callable[[], Task]]) -> Iterator[Done]:
    """Fit folds in order, each from where the last one stopped."""
    starts: Mapping[str, object] = {}
    for make in tasks:
        task = make()
        done = fit_and_predict(replace(task, model=clone(task.model).set_params(**starts)))
        starts = {f"{name.removeprefix('model.').replace('.', '__')}__start": start for name, start in done.starts.items()}
        yield done


def _check_columns(model: BaseEstimator, X: pd.DataFrame) -> None:
    """Refuse text learners whose column is not there."""
    for feature, column in _text_features(model):
        if isinstance(column, str) and column not in X:
            fix = f"add {column}=known_news(news, bars) to panel(...){nearest(column, map(str, X.columns))}"
            raise StrategyError(f"{type(feature).__name__} reads the column {column!r}, which features(bars, news) does not give: {fix}")


def _check_classes(y: pd.Series) -> None:
    """Refuse labels that are no directions: a classifier would take them for names, and the signal P(up) - P(down) means nothing."""
    odd = sorted(set(y.dropna().unique()) - {-1.0, 0.0, 1.0})
    if odd:
        shown = ", ".join(f"{label:g}" for label in odd[:3])
        raise StrategyError(f"a classifier needs the labels -1, 0 and 1, not {shown}, ...: use target=Direction(...) or a regressor")


def _task(model: BaseEstimator, X: pd.DataFrame, y: pd.Series, fold: Fold, *, ablate: bool, explain: bool) -> Task:
    """Cut a fold's rows out of the panel."""
    train, test = _rows(X.index, fold.train_start, fold.train_end), _rows(X.index, fold.test_start, fold.test_end)
    X_train, y_train = X.iloc[train], y.iloc[train]
    labelled = y_train.notna().to_numpy()
    if not labelled.any():
        raise StrategyError(
            f"no row from {fold.train_start.date()} to {fold.train_end.date()} has a label: the target gives NaN throughout"
        )
    return Task(model, fold, X_train[labelled], y_train[labelled], X.iloc[test], ablate, explain)


def _rows(index: pd.Index, start: pd.Timestamp, end: pd.Timestamp) -> slice:
    """Return the rows of a sorted (time, symbol) index from start to end, both included."""
    times = index.get_level_values(0)
    return slice(int(times.searchsorted(start, side="left")), int(times.searchsorted(end, side="right")))


def _text_features(model: BaseEstimator) -> Iterator[tuple[Any, Any]]:
    """Yield the learners that can compute something ahead, with the name of the column that they read."""
    for part in (model, *_parameters(model).values()):
        if isinstance(part, ColumnTransformer):
            yield from ((learner, column) for _, learner, column in texts_of(part))


def _parameters(model: BaseEstimator) -> Mapping[str, object]:
    parameters: Mapping[str, object] = model.get_params(deep=True)
    return parameters


def fit_ends(fits: Sequence[FoldFit]) -> list[Json]:
    """Return, for each fold, when everything that learned in it stopped learning, as JSON."""
    return [{name: end.isoformat() for name, end in sorted(fit.fit_end.items())} for fit in fits]
