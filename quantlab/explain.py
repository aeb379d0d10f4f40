"""Explanation of a fitted signal model: how much each feature moved the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

Floats = npt.NDArray[np.float64]


def contributions(model: Any, X: pd.DataFrame) -> pd.DataFrame:
    """Return what each feature added to the prediction of each row, (n_rows, n_features), less what it adds on average.

    Units of the signal: of the label for a regressor, of the log-odds for a classifier (the highest class less the lowest). Trees:
    the exact Shapley values of Lundberg et al. (2020), which LightGBM computes; linear models: coefficient times the distance of
    the feature from its mean over these rows. A model of another kind has none: no column.
    """
    final, inputs = model, X
    while isinstance(final, Pipeline):
        inputs, final = final[:-1].transform(inputs) if len(final.steps) > 1 else inputs, final[-1]
    if hasattr(final, "booster_"):
        values = _of_trees(final, inputs)
    elif hasattr(final, "coef_"):
        coefficients = np.atleast_2d(np.asarray(final.coef_, dtype=float))
        weight = coefficients[-1] if len(coefficients) == 1 else coefficients[-1] - coefficients[0]
        values = np.asarray(inputs, dtype=float) * weight
    else:
        return pd.DataFrame(index=X.index)
    # steps between may return bare arrays: as long as they keep the columns, these keep their names
    names = getattr(inputs, "columns", X.columns if values.shape[1] == X.shape[1] else range(values.shape[1]))
    return pd.DataFrame(values - values.mean(axis=0), index=X.index, columns=list(names))


def mean_contribution(model: Any, X: pd.DataFrame) -> dict[str, float]:
    """Return the mean absolute contribution of each feature over the rows; empty for a model that has none."""
    found = contributions(model, X).abs().mean()
    return {str(name): float(value) for name, value in found.items()}


def _of_trees(model: Any, X: pd.DataFrame) -> Floats:
    """Return LightGBM's contributions, (n_rows, n_features), without the column of the expected value."""
    found = np.asarray(model.predict(X, pred_contrib=True), dtype=float).reshape(len(X), -1, X.shape[1] + 1)
    return np.asarray(found[:, -1, :-1] if found.shape[1] == 1 else found[:, -1, :-1] - found[:, 0, :-1])
