"""Rank correlation of signal and target in each session of each group of rows, whatever the number of names.

1. Where most rows of a group stand in sessions with at least three names, each of these sessions has its own Spearman
   correlation, and the IC is their mean.
2. Where they do not (a market of two names, news that is rare), a correlation per session says nothing. Then signal and
   target are ranked over all rows of the group, and a session's figure is its part of that pooled correlation, times the
   number of sessions. So the mean over sessions is the IC again, and what is done to a series of sessions (a Newey-West
   t-statistic, a bootstrap of blocks) holds for both: names that move together on one day count as one day
   (Driscoll & Kraay, Review of Economics and Statistics 80(4), 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.metrics import LEAST_NAMES, newey_west_t
from quantlab.result import BacktestResult

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RankIC:
    """Figures per session whose mean is the IC of a group.

    by_session: (n_groups, n_sessions), NaN where a session says nothing about a group; pooled: which groups were ranked over all
    their rows, (n_groups,); n_rows: rows with both signal and target, (n_groups,).
    """

    by_session: Floats
    pooled: npt.NDArray[np.bool_]
    n_rows: Integers

    def table(self, groups: pd.Index, lag: int) -> pd.DataFrame:
        """Return one row per group: n_rows, n_sessions (that say something), ic, t (Newey-West, up to `lag`) and pooled."""
        told = [pd.Series(values[~np.isnan(values)]) for values in self.by_session]
        return pd.DataFrame(
            {
                "n_rows": self.n_rows,
                "n_sessions": np.array([len(values) for values in told], dtype=np.int64),
                "ic": np.array([values.mean() for values in told], dtype=float),
                "t": np.array([newey_west_t(values, lag) for values in told], dtype=float),
                "pooled": self.pooled,
            },
            index=groups,
        )


def rank_ic(signal: Floats, target: Floats, *, session: Integers, group: Integers, shape: tuple[int, int]) -> RankIC:
    """Return the IC of each group of rows; signal, target, session and group are of each row, (n_rows,).

    session and group are positions, below shape = (n_groups, n_sessions). A row without signal or target counts nowhere.
    """
    known = ~(np.isnan(signal) | np.isnan(target))
    signal, target, session, group = signal[known], target[known], session[known], group[known]
    cell = group * shape[1] + session
    n_names = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    n_rows = n_names.sum(axis=1)
    pooled = 2 * np.where(n_names >= LEAST_NAMES, n_names, 0).sum(axis=1) < n_rows
    by_session = np.where(n_names >= LEAST_NAMES, _spearman(signal, target, cell, shape), np.nan)
    few = pooled[group]
    parts = _pooled(signal[few], target[few], group[few], cell[few], shape)
    parts = np.where(n_names > 0, parts * (n_names > 0).sum(axis=1, keepdims=True), np.nan)
    return RankIC(np.where(pooled[:, None], parts, by_session), pooled, n_rows)


def ic_by_session(result: BacktestResult, signal: pd.Series | None = None) -> RankIC:
    """Return the IC of all rows in each session of the signal, (1, n_sessions): of the result's own signal, or of another one.

    Another signal is put in the order of the strategy's own rows.
    """
    index = result.predicted.signal.index
    chosen = result.predicted.signal if signal is None else signal
    values = (chosen if chosen.index.equals(index) else chosen.reindex(index)).to_numpy(dtype=float)
    rows = np.arange(len(index))
    return rank_rows(result, values, rows, np.zeros(len(rows), dtype=np.int64), n_groups=1)


def rank_rows(result: BacktestResult, signal: Floats, row: Integers, group: Integers, *, n_groups: int) -> RankIC:
    """Return the IC of (row, group) pairs of a result, given a signal of its rows, (n_rows,)."""
    session, times = pd.factorize(result.predicted.signal.index.get_level_values(0))
    target = result.target.to_numpy(dtype=float)
    return rank_ic(signal[row], target[row], session=session[row], group=group, shape=(n_groups, len(times)))


def _spearman(signal: Floats, target: Floats, cell: Integers, shape: tuple[int, int]) -> Floats:
    """Return the rank correlation within each cell, NaN where one of the two is the same throughout."""
    a, b = _centred_ranks(signal, cell), _centred_ranks(target, cell)
    ab, aa, bb = (np.bincount(cell, product, minlength=shape[0] * shape[1]) for product in (a * b, a * a, b * b))
    scale = np.sqrt(aa * bb)
    return np.asarray(np.clip(ab / np.where(scale > 0, scale, np.nan), -1.0, 1.0).reshape(shape))


def _pooled(signal: Floats, target: Floats, group: Integers, cell: Integers, shape: tuple[int, int]) -> Floats:
    """Return what each session adds to the rank correlation over all rows of its group."""
    a, b = _centred_ranks(signal, group), _centred_ranks(target, group)
    aa, bb = (np.bincount(group, product, minlength=shape[0]) for product in (a * a, b * b))
    scale = np.sqrt(aa * bb)
    ab = np.bincount(cell, a * b, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(ab / np.where(scale > 0, scale, np.nan)[:, None])


def _centred_ranks(values: Floats, cell: Integers) -> Floats:
    """Return the ranks within each cell, ties sharing their mean, less the mean rank of the cell.

    Sorted by value, then by cell and place in that order as one integer: a third of the time of a grouped rank. The sorts
    need not be stable, because ties share their rank.
    """
    if len(values) == 0:
        return values
    order = np.argsort(values)
    place = np.empty(len(values), dtype=np.int64)  # equal values have equal places
    place[order] = np.cumsum(np.concatenate([[False], np.diff(values[order]) > 0]))
    key = cell * len(values) + place
    order = np.argsort(key)
    start = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) > 0]))
    n_ties = np.diff(np.append(start, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(start + (n_ties + 1) / 2.0, n_ties)  # counted through all cells
    n = np.bincount(cell)
    return np.asarray(ranks - (np.cumsum(n) - n + (n + 1) / 2.0)[cell])
