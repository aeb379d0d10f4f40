"""The headlines behind the best and the worst: sessions by their net return, trades by their profit.

What is listed is in view by the rule of `known_news`; whether it is the reason is for the reader to judge. The fitted models are no part
of a result, so nothing here says how much a single headline moved the signal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError
from quantlab.evidence.attribution import name_returns
from quantlab.evidence.ranks import Integers
from quantlab.news import Documents, News, known_news
from quantlab.result import BacktestResult

SIDES = ("best", "worst")


def session_headlines(result: BacktestResult, *, k: int = 5, names: int = 3, documents: int = 5, lookback: int = 3) -> pd.DataFrame:
    """Return the documents in view of the names that moved the portfolio most in its `k` best and `k` worst sessions.

    side (best: the greatest gains, worst: the greatest losses; fewer than k if there are no more), rank (1 ... k), time, net_return (of the
    portfolio), symbol (up to `names` per session, the largest parts first), contribution (its part of the net return), n_documents (in view
    at the close of the session, `lookback` bars back) and, for each of up to `documents` of them, the youngest first: available_at, text,
    source and in_time: known one bar before, when the position was decided. A name without a document has one row: NaT, empty, False.
    Raises UsageError for numbers below 1.
    """
    _check(k=k, names=names, documents=documents, lookback=lookback)
    returns = result.portfolio.returns
    side, rank, position = _extremes(returns.to_numpy(dtype=float), k)
    part = name_returns(result).to_numpy()[position]  # (n_cells / names, n_symbols)
    largest = np.argsort(-np.abs(part), axis=1, kind="stable")[:, :names]
    moved = np.take_along_axis(np.abs(part), largest, axis=1) > 0
    session, place = np.nonzero(moved)
    cells = pd.DataFrame(
        {
            "side": side[session],
            "rank": rank[session],
            "time": returns.index[position[session]],
            "net_return": returns.to_numpy()[position[session]],
            "symbol": result.portfolio.positions.columns.to_numpy()[largest[session, place]],
            "contribution": part[session, largest[session, place]],
        }
    )
    times = result.dataset.bars.times
    view = _with_documents(cells, result, cells["time"], documents=documents, lookback=lookback)
    decided = times[np.maximum(times.get_indexer(pd.DatetimeIndex(view["time"])) - 1, 0)]  # strictly before it, as in the join
    return view.assign(in_time=(view["available_at"] < decided).to_numpy())


def trade_headlines(result: BacktestResult, *, k: int = 5, documents: int = 5, lookback: int = 3) -> pd.DataFrame:
    """Return the documents in view when the `k` most and the `k` least profitable trades were decided.

    side (best: the greatest profits, worst: the greatest losses), rank (1 ... k), symbol, direction (long, short), decided_at (the
    bar before the entry), entry_time, exit_time (NaT while open), pnl (money, net of fees), return, signal (at decided_at; NaN if there
    was none), n_documents (in view at decided_at, `lookback` bars back) and, for each of up to `documents` of them, the youngest
    first: available_at, text, source. A trade without a document has one row: NaT, empty. Raises UsageError for numbers below 1.
    """
    _check(k=k, documents=documents, lookback=lookback)
    trades, times = result.portfolio.trades, result.dataset.bars.times
    side, rank, position = _extremes(trades["pnl"].to_numpy(dtype=float), k)
    chosen = trades.iloc[position].reset_index(drop=True)
    decided_at = times[np.maximum(times.get_indexer(pd.DatetimeIndex(chosen["entry_time"])) - 1, 0)]
    rows = pd.MultiIndex.from_arrays([decided_at, chosen["symbol"]])
    cells = pd.DataFrame(
        {
            "side": side,
            "rank": rank,
            "symbol": chosen["symbol"],
            "direction": chosen["side"],
            "decided_at": decided_at,
            **{name: chosen[name] for name in ("entry_time", "exit_time", "pnl", "return")},
            "signal": result.predicted.signal.reindex(rows).to_numpy(dtype=float),
        }
    )
    return _with_documents(cells, result, cells["decided_at"], documents=documents, lookback=lookback)


def _extremes(values: npt.NDArray[np.float64], k: int) -> tuple[npt.NDArray[np.object_], Integers, Integers]:
    """Return side, rank and position of the k greatest gains and the k greatest losses; of equal ones the earlier comes first."""
    order = [np.argsort(-values, kind="stable")[:k], np.argsort(values, kind="stable")[:k]]
    found = [order[0][values[order[0]] > 0], order[1][values[order[1]] < 0]]
    side = np.repeat(np.array(SIDES, dtype=object), [len(part) for part in found])
    return side, np.concatenate([np.arange(1, len(part) + 1) for part in found]), np.concatenate(found)


def _with_documents(cells: pd.DataFrame, result: BacktestResult, at: pd.Series, *, documents: int, lookback: int) -> pd.DataFrame:
    """Return the cells, each repeated for the documents in view of its symbol at the given time."""
    times, table = result.dataset.bars.times, result.dataset.news.table
    bar = times.get_indexer(pd.DatetimeIndex(at))
    cell, number, n_in_view = _in_view(result, bar, cells["symbol"], lookback)
    youngest = np.lexsort((number, -pd.DatetimeIndex(table["available_at"]).asi8[number], cell))
    cell, number = cell[youngest], number[youngest]
    shown = np.arange(len(cell)) - np.searchsorted(cell, cell) < documents
    empty = np.flatnonzero(n_in_view == 0)
    row = np.concatenate([cell[shown], empty])
    order = np.argsort(row, kind="stable")
    found = table.reindex(np.concatenate([number[shown], np.full(len(empty), -1)])[order])  # -1: no such document
    said = {name: found[name].fillna("").to_numpy() for name in ("text", "source")}
    return (cells.iloc[row[order]].assign(n_documents=n_in_view[row[order]], available_at=found["available_at"].array, **said)).reset_index(
        drop=True
    )


def _in_view(result: BacktestResult, bar: Integers, symbol: pd.Series, lookback: int) -> tuple[Integers, Integers, Integers]:
    """Return (cell, row of the news table) pairs, and the number of documents in view of each cell, (n_cells,)."""
    bars, table = result.dataset.bars, result.dataset.news.table
    near = np.zeros(len(bars.times) + 1, dtype=bool)  # only which documents the join is asked about: it decides
    near[np.maximum(bar[:, None] - np.arange(lookback + 1), 0)] = True
    stood = near[bars.times.searchsorted(pd.DatetimeIndex(table["available_at"]))]
    some = table[stood]
    numbered = News(some.assign(text=some.index.astype(str)))  # the join keeps texts: here each is the number of its document
    seen = known_news(numbered, bars, lookback=lookback).iloc[bar * len(bars.symbols) + bars.symbols.get_indexer(pd.Index(symbol))]
    documents = Documents.of(seen)
    number = np.array(documents.texts, dtype=np.int64)[documents.text] if documents.texts else np.zeros(0, dtype=np.int64)
    return documents.row, number, documents.n_by_row


def _check(**numbers: int) -> None:
    """Refuse numbers below 1."""
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(f"{name} must be a whole number >= 1, not {value!r}")
