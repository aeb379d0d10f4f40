"""One fold: fit on its training rows, predict its test rows, and say what was learned.

The model is a pipeline as a rule. Where one of its steps reads text, the steps up to that one (the front) make the features, and the rest
(the back) makes the signal. The features are made once; the back is then also fitted to other columns of them, to tell what the text
added (`variants`). A model without such a step is all back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from quantlab.blame import blamed
from quantlab.errors import StrategyError
from quantlab.explain import mean_contribution
from quantlab.folds import Fold
from quantlab.repro import one_thread, random_generator
from quantlab.result import EXAMPLES, FoldFit, Json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """All that one fold needs, so that any process can do it.

    ablate: fit the variants too. explain: let each text learner that can say why it scored some test documents as it did.
    """

    model: BaseEstimator
    fold: Fold
    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame
    ablate: bool
    explain: bool = False

    def __str__(self) -> str:
        """Say which fold it is."""
        return f"the fold tested from {self.fold.test_start.date()} to {self.fold.test_end.date()}"


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
    """Fit a fresh clone on a fold's training rows and predict its test rows, on one thread. Raises StrategyError where the model cannot."""
    with one_thread(), blamed("the model", _hint(task)):
        front, back = split(clone(task.model))
        y = task.y_train.astype(int) if is_classifier(back) else task.y_train
        train = task.X_train if front is None else _framed(front, front.fit_transform(task.X_train, y), task.X_train.index)
        test = task.X_test if front is None else _framed(front, front.transform(task.X_test), task.X_test.index)
        signal = _signal(back, train, y, test)
        whole = back if front is None else Pipeline([*front.steps, *_steps(back)])
        parts = dict(_fitted_parts("model", whole))
        groups = {column: step for part in parts.values() for column, step in _made_from_text(part) if column in test.columns}
        variants = _variants(back, train, y, test, groups, task.fold) if task.ablate and front is not None else {}
        contribution = {} if _one_class(back, y) else mean_contribution(back, test)
        explained = _explained(parts, task.X_test) if task.explain else {}
    learned = _said(parts, lambda part: part.describe_learned() if hasattr(part, "describe_learned") else None)
    for name, examples in explained.items():
        learned[name] = {**learned.get(name, {}), EXAMPLES: examples}
    if _one_class(back, y):
        learned["model"] = {"note": f"every training label is {y.iloc[0]:g}: predicted for every row"}
    fit = FoldFit(
        task.fold,
        len(task.X_train),
        len(task.X_test),
        {"model": task.X_train.index.get_level_values(0).max(), **_said(parts, lambda part: getattr(part, "fit_end_", None))},
        {} if _one_class(back, y) else _importance(back),
        learned,
        groups,
        contribution if contribution.keys() <= set(map(str, test.columns)) else {},
    )
    text = test[list(groups)] if groups else pd.DataFrame(index=task.X_test.index)
    starts = _said(parts, lambda part: part.as_start() if getattr(part, "continues", False) else None)
    return Done(signal, variants, text, fit, starts)


def split(model: BaseEstimator) -> tuple[Pipeline | None, BaseEstimator]:
    """Return the steps of a model up to the last one that reads text (None if none does), and the rest, which makes the signal."""
    steps = _steps(model)
    reading = [number for number, (_, step) in enumerate(steps[:-1]) if isinstance(step, ColumnTransformer) and any(texts_of(step))]
    if not reading:
        return None, model
    front, back = steps[: reading[-1] + 1], steps[reading[-1] + 1 :]
    return Pipeline(front), back[0][1] if len(back) == 1 else Pipeline(back)


def texts_of(part: ColumnTransformer) -> Iterator[tuple[str, Any, Any]]:
    """Yield (step, learner, column) for each step of a ColumnTransformer that begins with a text learner."""
    for step, transformer, column in getattr(part, "transformers_", part.transformers):
        first = transformer.steps[0][1] if isinstance(transformer, Pipeline) else transformer
        if hasattr(first, "prepare"):
            yield step, first, column


def _steps(model: BaseEstimator) -> list[tuple[str, BaseEstimator]]:
    return list(model.steps) if isinstance(model, Pipeline) else [("model", model)]


def _framed(front: Pipeline, values: Any, index: pd.Index) -> pd.DataFrame:
    """Return what the front made as a table with the names of its columns, whatever it returns."""
    if isinstance(values, pd.DataFrame):
        return values
    dense = values.toarray() if hasattr(values, "toarray") else values
    return pd.DataFrame(dense, index=index, columns=list(front.get_feature_names_out()))


def is_classifier(model: BaseEstimator) -> bool:
    """Return True if the model gives probabilities of classes."""
    return hasattr(type(model), "predict_proba") and hasattr(model, "predict_proba")


def _one_class(model: BaseEstimator, y: pd.Series) -> bool:
    """Return True if a classifier has only one class to learn: most refuse to."""
    return is_classifier(model) and y.nunique() == 1


def _signal(model: Any, train: pd.DataFrame, y: pd.Series, test: pd.DataFrame) -> pd.Series:
    """Fit and return the prediction of each test row; a classifier's is the mean of its classes, which for -1, 0, 1 is P(up) - P(down)."""
    if _one_class(model, y):
        return pd.Series(float(y.iloc[0]), index=test.index)
    model.fit(train.copy(deep=False), y.copy(deep=False))  # what it writes to them is its own affair
    own = test.copy(deep=False)
    values = np.asarray(model.predict_proba(own) @ model.classes_ if is_classifier(model) else model.predict(own), dtype=float)
    if values.shape != (len(test),):
        raise StrategyError(
            f"{type(model).__name__}.predict gives {values.shape} values for {len(test)} rows: it must give one number per row"
        )
    return pd.Series(values, index=test.index)


def _hint(task: Task) -> str:
    """Return what to look at if a model that reads no text cannot be fitted to its columns."""
    if split(task.model)[0] is not None:
        return ""
    odd = [str(name) for name, column in task.X_train.items() if not pd.api.types.is_numeric_dtype(column.dtype)]
    return f"of its columns {', '.join(odd)} hold no numbers: with_text(...) reads news" if odd else ""


def _variants(
    back: BaseEstimator, train: pd.DataFrame, y: pd.Series, test: pd.DataFrame, groups: Mapping[str, str], fold: Fold
) -> dict[str, pd.Series]:
    """Return the signals of the same estimator without the text features, with them alone, and with them dealt out to other rows.

    The placebo keeps what the text learners made, and takes only its meaning: the rows of the text features are shuffled between
    symbols and dates, training rows among themselves and test rows among themselves. A strategy of text alone has the placebo only. In a
    fold whose training rows had no news there may be no text feature: then the text alone says nothing, and the rest is as it is.
    """
    text = [column for column in train.columns if column in groups]
    rest = [column for column in train.columns if column not in groups]
    rng = random_generator(0, f"placebo {fold.test_start.isoformat()}")
    tables = {"no_text": (train[rest], test[rest]), "text_only": (train[text], test[text])} if rest else {}
    tables["placebo"] = (_dealt(train, text, rng), _dealt(test, text, rng))
    return {name: _variant(back, own_train, y, own_test) for name, (own_train, own_test) in tables.items()}


def _variant(back: BaseEstimator, train: pd.DataFrame, y: pd.Series, test: pd.DataFrame) -> pd.Series:
    """Return the signal of an estimator on some columns; NaN without a column, or where it cannot be fitted to so few."""
    if train.shape[1]:
        try:
            return _signal(clone(back), train, y, test)
        except ValueError as error:  # such as ten components of five columns: the strategy itself must not fail for that
            log.warning("without some of its columns the model cannot be fitted (%s): what the text added is not known in this fold", error)
    return pd.Series(np.nan, index=test.index)


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
        for step, _, _ in texts_of(part):
            yield from ((str(column), step) for column in names[part.output_indices_[step]])


def _explained(parts: Mapping[str, Any], X: pd.DataFrame) -> dict[str, Json]:
    """Return what the text learners that can explain themselves say of the test documents, by the name of the part."""
    return {
        f"{name}.{step}": learner.explain(X[column])
        for name, part in parts.items()
        if isinstance(part, ColumnTransformer)
        for step, learner, column in texts_of(part)
        if hasattr(learner, "explain") and isinstance(column, str)
    }


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
