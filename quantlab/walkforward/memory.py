"""Finished folds, kept: a run that is started again goes on where it stopped, and a repeated one fits nothing.

The key holds everything that a fold's result depends on: the model with all its parameters, the code, the versions, the rows, labels
and documents. So it can only be asked of models whose code we know: a part that a user wrote may change without its parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator

from quantlab.cache import Arrays, Cache, key, strings, unpacked
from quantlab.news import Documents
from quantlab.repro import code_hash, described, platform_facts, versions
from quantlab.result import FoldFit, Json
from quantlab.walkforward.fold import Done, Task

KNOWN = ("quantlab.", "sklearn.", "lightgbm.")  # packages whose version or code is in the key


def name_of(task: Task) -> str | None:
    """Return the key of a fold's result, or None if it cannot be told from its parameters."""
    model = task.model
    try:
        said = described(model)
    except TypeError:
        return None
    parts = [model, *(value for value in model.get_params(deep=True).values() if isinstance(value, BaseEstimator))]
    if not _is_known(said) or not all(getattr(part, "cacheable", True) for part in parts):
        return None
    rows = [_fingerprint(X) for X in (task.X_train, task.X_test)]
    if None in rows:
        return None
    identities = [part._identity() for part in parts if hasattr(part, "_identity")]
    made_by = [code_hash(), versions(), platform_facts(), said, identities]
    bounds = [str(bound) for bound in astuple(task.fold)]
    return key("fold", made_by, bounds, rows, task.y_train.to_numpy(dtype=float), task.ablate, task.explain)


def _is_known(said: Json) -> bool:
    """Return True if nothing in a described model is a function, or of a class whose code may change without its parameters.

    A frozen estimator is of a known class, but what it has learned is no parameter.
    """
    if isinstance(said, list):
        return all(_is_known(item) for item in said)
    if not isinstance(said, dict):
        return True
    name = said.get("class")
    known = name is None or (isinstance(name, str) and name.startswith(KNOWN) and not name.startswith("sklearn.frozen."))
    return known and "function" not in said and all(_is_known(item) for item in said.values())


def _fingerprint(X: pd.DataFrame) -> str | None:
    """Return a hash of the rows, or None for a column that is neither numbers, nor strings, nor news."""
    found: list[object] = [list(map(str, X.columns)), pd.DatetimeIndex(X.index.get_level_values(0)).asi8]
    found.append(list(map(str, X.index.get_level_values(1))))
    for name in X.columns:
        column = X[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            found.append(column.to_numpy(dtype=float))
        elif isinstance(column.dtype, pd.StringDtype):
            found.append([None if missing else text for text, missing in zip(column.tolist(), column.isna(), strict=True)])
        elif isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_list(column.dtype.pyarrow_dtype):
            found.append(Documents.of(column).fingerprint())
        else:
            return None
    return key(*found)


def load(cache: Cache, name: str, task: Task) -> Done | None:
    """Return the kept result of a fold, or None if there is none."""
    kept = cache.load(name)
    if kept is None:
        return None
    said = json.loads(kept["said"].tobytes())
    index = task.X_test.index
    columns = unpacked(kept["text_names"])
    text = pd.DataFrame(kept["text"].reshape(len(index), len(columns)), index=index, columns=columns)
    variants = {variant: pd.Series(kept[f"variant {variant}"], index=index) for variant in said["variants"]}
    fit = FoldFit(
        task.fold,
        len(task.X_train),
        len(task.X_test),
        {part: pd.Timestamp(end) for part, end in said["fit_end"].items()},
        *(said[part] for part in ("importance", "learned", "groups", "contribution")),
    )
    return Done(pd.Series(kept["signal"], index=index), variants, text, fit, {})


def save(cache: Cache, name: str, done: Done) -> None:
    """Keep the result of a fold."""
    fit = done.fit
    said: Mapping[str, object] = {
        "fit_end": {part: end.isoformat() for part, end in fit.fit_end.items()},
        "variants": list(done.variants),
        **{part: getattr(fit, part) for part in ("importance", "learned", "groups", "contribution")},
    }
    arrays: Arrays = {
        "signal": done.signal.to_numpy(dtype=float),
        "text": done.text.to_numpy(dtype=float),
        "text_names": strings(list(map(str, done.text.columns))),
        "said": np.frombuffer(json.dumps(said).encode(), dtype=np.uint8),
        **{f"variant {variant}": signal.to_numpy(dtype=float) for variant, signal in done.variants.items()},
    }
    cache.save(name, arrays)
