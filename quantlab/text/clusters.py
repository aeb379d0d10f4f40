"""ClusterRule: group the rows by what their news is about, then buy, sell or leave alone each group.

1. Rows with news are grouped by k-means; a row whose features are all 0 has none and belongs to no cluster.
2. Each cluster's mean label gets a t-statistic that knows its rows are not independent: names move together within a
   session, and labels of `horizon` bars overlap between sessions.
3. The position is the sign of the mean where |t| reaches the threshold, and 0 elsewhere.

Clusters and positions are both learned in `fit`, so within a fold from its training rows alone.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from quantlab.errors import UsageError
from quantlab.repro import one_thread
from quantlab.result import Json

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
N_INIT = 10  # starts of k-means; the best is kept
ROUNDING = 1e-12  # relative; a standard error below it is an artefact of equal labels


class ClusterRule(RegressorMixin, BaseEstimator):
    """A regressor whose prediction is a position: +1 (buy), -1 (sell) or 0 (leave alone), one per cluster of rows.

    t_threshold: |t| of the mean label from which a cluster is traded. horizon: of the label, in bars; the run sets it from
    the target, None means that labels do not overlap. random_state None means 0. Sessions are the times of y's index; a
    y without one counts each row as a session of its own.

    After `fit`, clusters numbered by size, the largest first: cluster_centers_ (n_clusters, n_features), n_rows_, mean_,
    t_ and position_ (n_clusters,). There may be fewer than n_clusters if there are fewer distinct rows; none without news.
    Raises UsageError for parameters out of range.
    """

    def __init__(
        self, n_clusters: int = 6, *, t_threshold: float = 1.0, horizon: int | None = None, random_state: int | None = None
    ) -> None:
        """Keep the parameters."""
        self.n_clusters = n_clusters
        self.t_threshold = t_threshold
        self.horizon = horizon
        self.random_state = random_state

    def fit(self, X: pd.DataFrame | Floats, y: pd.Series | Floats) -> Self:
        """Group the rows and learn the position of each group."""
        self._check()
        sessions = _sessions(y)
        rows, labels = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        with_news = rows.any(axis=1)
        self.cluster_centers_ = self._centres(rows[with_news])
        cluster = np.full(len(rows), -1)
        cluster[with_news] = _nearest(rows[with_news], self.cluster_centers_)
        sessions = np.arange(len(rows)) if sessions is None else sessions
        members = [cluster == number for number in range(len(self.cluster_centers_))]
        self.n_rows_ = np.array([member.sum() for member in members], dtype=np.int64)
        self.mean_ = np.array([labels[member].mean() for member in members])
        self.t_ = np.array([_t_statistic(labels, member, sessions, self.horizon or 0) for member in members])
        self.position_ = np.where(np.abs(self.t_) >= self.t_threshold, np.sign(self.t_), 0.0)
        return self

    def predict(self, X: pd.DataFrame | Floats) -> Floats:
        """Return the position of each row, (n_rows,), in {-1, 0, 1}."""
        check_is_fitted(self)
        rows: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        with_news = rows.any(axis=1)
        positions = np.zeros(len(rows))
        if len(self.position_):
            positions[with_news] = self.position_[_nearest(rows[with_news], self.cluster_centers_)]
        return positions

    def describe_learned(self) -> dict[str, Json]:
        """Return each cluster's size, mean label, t-statistic, position and centre."""
        check_is_fitted(self)
        names = [str(name) for name in getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])]
        clusters: list[Json] = [
            {
                "cluster": number,
                "n_rows": int(self.n_rows_[number]),
                "mean_label": float(self.mean_[number]),
                "t": float(self.t_[number]),
                "position": int(self.position_[number]),
                "centre": dict[str, Json](zip(names, centre.tolist(), strict=True)),
            }
            for number, centre in enumerate(self.cluster_centers_)
        ]
        return {"clusters": clusters}

    def _centres(self, rows: Floats) -> Floats:
        """Return the centres of the clusters of the rows, the largest cluster first, ties by the centre itself."""
        from sklearn.cluster import KMeans

        count = min(self.n_clusters, len(np.unique(rows, axis=0)))
        if count == 0:
            return np.zeros((0, rows.shape[1]))
        seed = 0 if self.random_state is None else self.random_state
        with one_thread():
            centres = np.asarray(KMeans(count, n_init=N_INIT, random_state=seed, copy_x=True).fit(rows).cluster_centers_)
        size = np.bincount(_nearest(rows, centres), minlength=count)
        largest_first = np.lexsort([*centres.T[::-1], -size])
        return centres[largest_first[: (size > 0).sum()]]

    def _check(self) -> None:
        if not isinstance(self.n_clusters, int | np.integer) or self.n_clusters < 1:
            raise UsageError(f"ClusterRule: n_clusters={self.n_clusters!r}: it must be a whole number of at least 1")
        if not self.t_threshold >= 0:
            raise UsageError(f"ClusterRule: t_threshold={self.t_threshold!r}: it must not be negative")

    def __sklearn_tags__(self) -> object:
        """Tell scikit-learn that predictions of -1, 0 and 1 are not meant to fit y closely."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


def _sessions(y: pd.Series | Floats) -> Ints | None:
    """Return the number of the session of each label, in order of time, or None if y is not indexed by time."""
    index = getattr(y, "index", None)
    times = index.get_level_values(0) if isinstance(index, pd.Index) else None
    if not isinstance(times, pd.DatetimeIndex):
        return None
    return np.unique(times.asi8, return_inverse=True)[1].astype(np.int64)


def _nearest(rows: Floats, centres: Floats) -> Ints:
    """Return the nearest centre of each row, (n_rows,), the first of equals: no matrix product, so companions change nothing."""
    distance = [((rows - centre) ** 2).sum(axis=1) for centre in centres]
    return np.argmin(distance, axis=0) if distance else np.zeros(0, dtype=np.int64)


def _t_statistic(y: Floats, member: npt.NDArray[np.bool_], sessions: Ints, lags: int) -> float:
    """Return the t-statistic of the members' mean label; 0 where fewer than two sessions, or no variance, tell nothing.

    Residuals are summed by session (clustered errors; Liang & Zeger, 1986), their autocovariances up to `lags` sessions
    weighted as in Newey & West (1987).
    """
    n = int(member.sum())
    if len(np.unique(sessions[member])) < 2:
        return 0.0
    mean = y[member].sum() / n
    total = np.bincount(sessions[member], y[member] - mean, minlength=int(sessions.max()) + 1)
    variance = (total**2).sum()
    for lag in range(1, min(lags, len(total) - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (total[lag:] * total[:-lag]).sum()
    rounding = (ROUNDING * mean * n) ** 2
    return float(mean * n / np.sqrt(variance)) if variance > rounding else 0.0
