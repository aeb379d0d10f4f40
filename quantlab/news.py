"""News, and the one place where text meets the clock.

The join, in steps:

1. A document may be used from `available_at + delay` on (`available_at` is the later of published and first seen).
2. It is known at bar t if that instant lies *strictly before* the close of t. Equal is too late.
3. It stays in view for `lookback` bars: from the first bar that knows it to the one `lookback - 1` bars on.
4. A document of the whole market (symbol `*`) is in view for every symbol.
5. Each (time, symbol) gets one Arrow list of its documents, oldest first, with their age at the close of t.

Texts are dictionary-encoded: each distinct one is stored, and later processed, once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from quantlab.bars import TIME_UNIT, Bars
from quantlab.errors import DataError, UsageError

MARKET = "*"
COLUMNS = ("available_at", "symbol", "text", "source", "id")
STAMP = pd.DatetimeTZDtype(TIME_UNIT, "UTC")


@dataclass(frozen=True)
class News:
    """Documents in one table, sorted by (available_at, symbol, id, text); never changed once made.

    Columns: available_at (UTC instant from which it may be used), symbol (`*` = the whole market), text, source, id
    (the last two may be empty strings). A document about two symbols is two rows.

    Raises DataError if a column is missing, an instant is naive or missing, or a symbol or text is empty.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse documents without an instant, a symbol or a text; sort the rest."""
        missing = [name for name in COLUMNS[:3] if name not in self.table]
        if missing:
            raise DataError(f"news lacks the column(s) {missing}; it has {list(self.table.columns)}")
        table = self.table.assign(**{name: "" for name in COLUMNS[3:] if name not in self.table})[list(COLUMNS)]
        if not isinstance(table["available_at"].dtype, pd.DatetimeTZDtype):
            raise DataError("news.available_at must be time-zone aware: use tz_localize(...).tz_convert('UTC')")
        table = table.assign(available_at=table["available_at"].astype(STAMP), **{n: table[n].astype("str") for n in COLUMNS[1:]})
        for name in COLUMNS[:3]:
            empty = table[name].isna() | (table[name] == "")
            if empty.any():
                raise DataError(f"news.{name} is empty in row {int(np.argmax(empty.to_numpy()))}: fill it or drop the row")
        table = table.fillna({"source": "", "id": ""})
        order = ["available_at", "symbol", "id", "text", "source"]
        object.__setattr__(self, "table", table.sort_values(order, kind="stable", ignore_index=True))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.table)

    @classmethod
    def none(cls) -> News:
        """Return news without a single document."""
        return cls(pd.DataFrame({"available_at": pd.DatetimeIndex([], dtype=STAMP), "symbol": [], "text": []}))

    def until(self, end: pd.Timestamp) -> News:
        """Return the documents available up to `end`, included."""
        return News(self.table[self.table["available_at"] <= end])


def known_news(news: News, bars: Bars, *, lookback: int = 1, delay: pd.Timedelta | None = None) -> pd.Series:
    """Return the documents known at each (time, symbol), an Arrow list of {text, age} per row.

    The index is the full product of the bars' times and symbols, sorted; a row without news holds an empty list.
    `lookback` is in bars, >= 1. `delay` (>= 0, default none) is added to `available_at`, on top of the data set's own.
    Known at t means `available_at + delay` strictly before the close of t; age is the close of t less `available_at`.
    Raises UsageError for a lookback or a delay that cannot be.
    """
    if not isinstance(lookback, int) or lookback < 1:
        raise UsageError(f"known_news: lookback must be a whole number of bars >= 1, not {lookback!r}")
    delay = pd.Timedelta(0) if delay is None else delay
    if delay < pd.Timedelta(0):
        raise UsageError(f"known_news: a negative delay ({delay}) would read tomorrow's paper")
    table = news.table
    usable_at = pd.DatetimeIndex(table["available_at"] + delay).as_unit(TIME_UNIT)
    first = bars.times.searchsorted(usable_at, side="right")  # the first close strictly after: known means strictly before
    document, column = _columns_of(table["symbol"], bars.symbols)
    document, column, time = _in_view(document, column, first[document], lookback, len(bars.times))
    row = time * len(bars.symbols) + column
    order = np.argsort(row, kind="stable")  # documents are sorted by time, so each list is oldest first
    return _as_lists(row[order], document[order], bars, table)


def _columns_of(symbols: pd.Series, known: pd.Index) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (document, symbol position) pairs; a market-wide document stands under every symbol, an unknown one under none."""
    column = known.get_indexer(pd.Index(symbols))
    own = np.flatnonzero(column >= 0)
    market = np.flatnonzero((symbols == MARKET).to_numpy())
    document = np.concatenate([own, np.repeat(market, len(known))])
    columns = np.concatenate([column[own], np.tile(np.arange(len(known)), len(market))])
    order = np.argsort(document, kind="stable")
    return document[order], columns[order].astype(np.int64)


def _in_view(
    document: npt.NDArray[np.int64], column: npt.NDArray[np.int64], first: npt.NDArray[np.int64], lookback: int, n_times: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Repeat each document for the `lookback` bars from `first` on, as far as there are bars."""
    n_views = np.minimum(n_times - first, lookback)
    start = np.repeat(np.cumsum(n_views) - n_views, n_views)
    offset = np.arange(n_views.sum()) - start
    return np.repeat(document, n_views), np.repeat(column, n_views), np.repeat(first, n_views) + offset


def _as_lists(row: npt.NDArray[np.int64], document: npt.NDArray[np.int64], bars: Bars, table: pd.DataFrame) -> pd.Series:
    """Pack sorted (row, document) pairs into one Arrow list per row."""
    n_symbols, n_rows = len(bars.symbols), len(bars.times) * len(bars.symbols)
    codes, texts = pd.factorize(table["text"])
    age = bars.times.asi8[row // n_symbols] - pd.DatetimeIndex(table["available_at"]).asi8[document]
    text = pa.DictionaryArray.from_arrays(pa.array(codes[document], pa.int32()), pa.array(texts, pa.string()))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    items = pa.StructArray.from_arrays([text, pa.array(age, pa.int64()).cast(pa.duration(TIME_UNIT))], names=["text", "age"])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)
    index = pd.MultiIndex.from_product([bars.times, bars.symbols], names=["time", "symbol"])
    return pd.Series(pd.arrays.ArrowExtensionArray(lists), index=index, name="news")


@dataclass(frozen=True)
class Documents:
    """The documents of a news column, flat: what a text learner reads.

    texts: the distinct texts, (n_texts,), in order of first use; text: position in `texts` of each document, (n_docs,);
    row: the row it stands in, (n_docs,), increasing; age_hours: its age at that row's time, (n_docs,).
    bar: the number of each row's bar among those of all rows, (n_rows,); empty for a column without times.
    """

    texts: tuple[str, ...]
    text: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    age_hours: npt.NDArray[np.float64]
    n_rows: int
    bar: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, column: pd.Series) -> Documents:
        """Read a news column as made by `known_news`, whole or any part of it; TypeError for anything else."""
        if not isinstance(column, pd.Series) or not isinstance(column.array, pd.arrays.ArrowExtensionArray):
            raise TypeError(f"a text learner reads the news column made by known_news(), not {type(column).__name__}")
        lists = column.array.__arrow_array__().combine_chunks()
        if not pa.types.is_list(lists.type):
            raise TypeError(f"a text learner reads the news column made by known_news(), not one of {lists.type}")
        items = lists.flatten()
        text = items.field("text")
        codes, distinct = pd.factorize(text.indices.to_numpy())
        texts = tuple(text.dictionary.take(pa.array(distinct)).to_pylist())
        n_docs = lists.value_lengths().fill_null(0).to_numpy()
        micros = items.field("age").cast(pa.int64()).to_numpy()
        times = column.index.get_level_values(0)
        bar = np.unique(times.asi8, return_inverse=True)[1].astype(np.int64) if isinstance(times, pd.DatetimeIndex) else None
        told = {} if bar is None else {"bar": bar}
        return cls(texts, codes.astype(np.int64), np.repeat(np.arange(len(lists)), n_docs), micros / 3.6e9, len(lists), **told)

    @cached_property
    def n_by_row(self) -> npt.NDArray[np.int64]:
        """Number of documents in each row, (n_rows,)."""
        return np.bincount(self.row, minlength=self.n_rows)

    def decay(self, half_life_hours: float) -> npt.NDArray[np.float64]:
        """Return the weight of each document: 1 when fresh, one half after `half_life_hours`, (n_docs,)."""
        return np.asarray(0.5 ** (self.age_hours / half_life_hours))

    def mean_by_row(self, values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the weighted mean over each row's documents of `values` (n_texts, k), as (n_rows, k); 0 where there are none."""
        total = np.bincount(self.row, weights, minlength=self.n_rows)
        sums = [np.bincount(self.row, weights * column[self.text], minlength=self.n_rows) for column in np.asarray(values).T]
        return np.column_stack(sums) / np.where(total > 0, total, 1.0)[:, None]

    def fingerprint(self) -> str:
        """Return a sha256 of everything above, equal for equal documents whatever table they came from."""
        digest = hashlib.sha256(str(self.n_rows).encode())
        for text in self.texts:
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        for part in (self.text, self.row, self.age_hours, self.bar):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()
