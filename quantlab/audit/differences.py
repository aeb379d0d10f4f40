"""Where two runs differ in what both of them knew. Floats may differ by rounding (BLAS is not prefix-stable); all else is exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from quantlab.news import Documents
from quantlab.result import Stage

RTOL = 1e-9
ROUNDING = 1e-12  # of the largest value of the column: what is left where large numbers cancel out


@dataclass(frozen=True)
class Difference:
    """What differs first, in order of time. whole, other: the column of both runs over the rows that both have."""

    stage: Stage
    column: str
    time: pd.Timestamp | None
    symbol: str
    value: str
    other: str
    n_rows: int = 1
    pair: tuple[pd.Series, pd.Series] | None = field(default=None, repr=False, compare=False)


def panels(whole: pd.DataFrame, other: pd.DataFrame) -> Iterator[Difference]:
    """Yield how two panels differ, column by column: the rows, the documents of a news column, the numbers of another."""
    for name in whole.columns.symmetric_difference(other.columns, sort=False):
        yield Difference("features", str(name), None, "", *(("there", "missing") if name in whole else ("missing", "there")))
    shared = whole.columns.intersection(other.columns, sort=False)
    mine, theirs = whole[shared], other[shared]
    if not whole.index.equals(other.index):
        extra = whole.index.symmetric_difference(other.index)
        held = ("there", "missing") if extra[0] in whole.index else ("missing", "there")
        yield Difference("features", "rows", extra[0][0], str(extra[0][1]), *held, n_rows=len(extra))
        both = whole.index.intersection(other.index)
        mine, theirs = mine.loc[both], theirs.loc[both]
    for name in shared:
        one, two = mine[name], theirs[name]
        if is_news(one) and is_news(two):
            yield from _documents(str(name), one, two)
        elif is_news(one) or is_news(two):
            kinds = ("documents", "values") if is_news(one) else ("values", "documents")
            yield Difference("features", str(name), None, "", *kinds, n_rows=len(one))
        else:
            yield from series("features", str(name), one, two)


def series(stage: Stage, column: str, whole: pd.Series, other: pd.Series) -> Iterator[Difference]:
    """Yield the first row at which two aligned series over (time, symbol) differ, if any."""
    apart = unequal(whole, other)
    if apart.any():
        place = int(np.argmax(apart))
        time, symbol = whole.index[place]
        yield Difference(
            stage, column, time, str(symbol), _shown(whole.iloc[place]), _shown(other.iloc[place]), int(apart.sum()), (whole, other)
        )


def tables(stage: Stage, column: str, whole: pd.DataFrame, other: pd.DataFrame) -> Iterator[Difference]:
    """Yield the first cell at which two wide tables differ; they must have the same times and symbols."""
    names = ["time", "symbol"]
    one, two = (table.rename_axis(index=names[0], columns=names[1]).stack(future_stack=True) for table in (whole, other))
    yield from series(stage, column, pd.Series(one), pd.Series(two))


def unequal(whole: pd.Series, other: pd.Series) -> npt.NDArray[np.bool_]:
    """Return True where two aligned columns differ by more than rounding."""
    if pd.api.types.is_numeric_dtype(whole.dtype) and pd.api.types.is_numeric_dtype(other.dtype):
        one, two = (column.to_numpy(dtype=float, na_value=np.nan) for column in (whole, other))
        atol = ROUNDING * float(np.max(np.abs(one), where=np.isfinite(one), initial=0.0))
        return np.asarray(~np.isclose(one, two, rtol=RTOL, atol=atol, equal_nan=True))
    apart = (whole.astype(object) != other.astype(object)) & ~(whole.isna() & other.isna())
    return apart.to_numpy(dtype=bool)


def is_news(column: pd.Series) -> bool:
    """Return True for a news column, of Arrow lists; strings and numbers that pandas keeps in Arrow are none."""
    return isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_list(column.dtype.pyarrow_dtype)


def documents_of(column: pd.Series) -> pd.DataFrame:
    """Return the documents of a news column as rows: row (position), text, age_hours, and n to tell copies apart."""
    found = Documents.of(column)
    table = pd.DataFrame({"row": found.row, "text": np.asarray(found.texts, dtype=object)[found.text], "age_hours": found.age_hours})
    return table.assign(n=table.groupby(["row", "text", "age_hours"]).cumcount())


def _documents(name: str, whole: pd.Series, other: pd.Series) -> Iterator[Difference]:
    """Yield the first document that only one of the two columns holds."""
    if _same_lists(whole, other) or Documents.of(whole).fingerprint() == Documents.of(other).fingerprint():
        return
    merged = documents_of(whole).merge(documents_of(other), how="outer", indicator=True)
    apart = merged[merged["_merge"] != "both"].sort_values(["row", "age_hours"], kind="stable")
    if not len(apart):
        return
    place = int(apart["row"].iloc[0])
    time, symbol = whole.index[place]
    here = apart[apart["row"] == place]
    shown = [_texts(here[here["_merge"] == side]) for side in ("left_only", "right_only")]
    yield Difference("documents", name, time, str(symbol), shown[0], shown[1], int(apart["row"].nunique()), (whole, other))


def _same_lists(whole: pd.Series, other: pd.Series) -> bool:
    """Return True if two news columns are the same Arrow lists: quick, and enough where their dictionaries begin alike."""
    one, two = (column.array.__arrow_array__() for column in (whole, other))
    one, two = (lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists for lists in (one, two))
    if not (pa.types.is_list(one.type) and one.type == two.type and one.value_lengths().equals(two.value_lengths())):
        return False
    one, two = one.flatten(), two.flatten()
    if one.type.names != ["text", "age"] or not one.field("age").equals(two.field("age")):
        return False
    one, two = one.field("text"), two.field("text")
    n_texts = int(np.max(one.indices.to_numpy(zero_copy_only=False), initial=-1)) + 1
    return bool(one.indices.equals(two.indices) and one.dictionary[:n_texts].equals(two.dictionary[:n_texts]))


def _texts(table: pd.DataFrame) -> str:
    """Return the first of some documents with its age."""
    if not len(table):
        return "no such document"
    return f"{str(table['text'].iloc[0])[:60]!r}, {table['age_hours'].iloc[0]:.2f} h old"


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float | np.floating) else str(value)
