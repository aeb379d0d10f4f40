"""Values as strict JSON: instants as ISO 8601, numpy as Python, NaN and infinity as null, tables as lists of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from quantlab.result import Json


def as_json(value: object) -> Json:
    """Return a value as strict JSON. Raises TypeError for one that has no form in it."""
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or value is pd.NaT or isinstance(value, bool | str):
        return None if value is pd.NaT else value  # type: ignore[return-value]  # NaT is typed as a Timestamp
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"{value!r} of type {type(value).__name__} has no place in JSON")


def rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """Return a table as its rows, the levels of a named index first."""
    named = table.reset_index() if any(name is not None for name in table.index.names) else table
    return [{str(name): value for name, value in row.items()} for row in named.to_dict("records")]
