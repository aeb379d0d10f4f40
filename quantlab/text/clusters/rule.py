"""ClusterRule: group the rows by what their news is about, then buy, sell or leave alone each group.

1. Rows with news are grouped; a row whose features are all 0 has none and belongs to no cluster.
2. Each cluster's mean label gets a standard error that knows its rows are not independent: names move together within a
   session, and labels of `horizon` bars overlap between sessions.
3. The mean is shrunk towards 0, the more the less the clusters differ beyond their errors (Efron & Morris, 1975): where all of
   them are within chance, nothing is left of any.
4. The position is the sign of the mean where |t| reaches the threshold and something is left, and 0 elsewhere.

Clusters and positions are both learned in `fit`, so within a fold from its training rows alone.
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from quantlab.errors import UsageError
from quantlab.result import Json
from quantlab.text.clusters.mixture import Floats, Ints, Mixture, check_settings, fitted

OUTPUTS: Final = ("position", "mean")
ROUNDING = 1e-12  # relative; a standard error below it is an artefact of equal labels
MAJORITY = 0.5  # of a row's memberships that must agree on a position


class ClusterRule(RegressorMixin, BaseEstimator):
    """A regressor whose prediction is a position: +1 (buy), -1 (sell) or 0 (leave alone), as the row's cluster did in the past.

    n_clusters: groups to make by `method`, "kmeans" (a row belongs to one) or "gaussian" (to each with a probability); None: the
    columns are clusters already, their values the probabilities, as `TopicClusters` makes them. A cluster is traded from a |t| of
    its mean label of t_threshold on, if in min_sessions sessions or more a row belongs to it for the most part.
    output="mean" predicts the shrunk mean label instead, weighted by the row's memberships: a number to rank by. horizon: of the
    label, in bars; the run sets it from the target, None means that labels do not overlap. random_state None means 0. Sessions
    are the times of y's index; a y without one counts each row as a session of its own.

    After `fit`, clusters numbered by size, the largest first (by column if n_clusters is None): cluster_centers_ (n_clusters,
    n_features), n_rows_ (the sum of memberships), mean_, t_, shrunk_ and position_ (n_clusters,). There may be fewer than n_clusters
    if there are fewer distinct rows; none without news. Raises UsageError for parameters or memberships out of range.
    """

    def __init__(
        self,
        n_clusters: int | None = 6,
        *,
        method: str = "kmeans",
        t_threshold: float = 1.0,
        min_sessions: int = 20,
        output: str = "position",
        horizon: int | None = None,
        random_state: int | None = None,
    ) -> None:
        """Keep the parameters."""
        self.n_clusters = n_clusters
        self.method = method
        self.t_threshold = t_threshold
        self.min_sessions = min_sessions
        self.output = output
        self.horizon = horizon
        self.random_state = random_state

    def fit(self, X: pd.DataFrame | Floats, y: pd.Series | Floats) -> Self:
        """Group the rows and learn the position of each group."""
        self._check()
        sessions = _sessions(y)
        rows, labels = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.mixture_ = self._grouped(rows[rows.any(axis=1)])
        self.cluster_centers_ = np.eye(rows.shape[1]) if self.mixture_ is None else self.mixture_.centre
        member = self._memberships(rows)
        sessions = np.arange(len(rows)) if sessions is None else sessions
        self.n_rows_ = member.sum(axis=0)
        self.mean_, error = _means(labels, member, sessions, self.horizon or 0)
        self.t_ = self.mean_ / error
        self.shrunk_ = _shrunk(self.mean_, error)
        enough = np.array([len(np.unique(sessions[column >= MAJORITY])) >= self.min_sessions for column in member.T], dtype=bool)
        traded = (np.abs(self.t_) >= self.t_threshold) & enough
        self.position_ = np.where(traded, np.sign(self.shrunk_), 0.0)
        return self

    def predict(self, X: pd.DataFrame | Floats) -> Floats:
        """Return the position of each row, (n_rows,), in {-1, 0, 1}; with output="mean" its expected label."""
        member = self.memberships(X)
        if self.output == "mean":
            return _weighted(member, self.shrunk_)
        said = _weighted(member, self.position_)
        return np.where(np.abs(said) >= MAJORITY, np.sign(said), 0.0)

    def memberships(self, X: pd.DataFrame | Floats) -> Floats:
        """Return the probability of each cluster for each row, (n_rows, n_clusters); all 0 for a row without news."""
        check_is_fitted(self)
        return self._memberships(validate_data(self, X, dtype=np.float64, reset=False))

    def describe_learned(self) -> dict[str, Json]:
        """Return each cluster's size, mean label, t-statistic, shrunk mean, position and centre."""
        check_is_fitted(self)
        names = [str(name) for name in getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])]
        clusters: list[Json] = [
            {
                "cluster": number,
                "n_rows": float(self.n_rows_[number]),
                "mean_label": float(self.mean_[number]),
                "t": float(self.t_[number]),
                "shrunk_mean": float(self.shrunk_[number]),
                "position": int(self.position_[number]),
                "centre": dict[str, Json](zip(names, centre.tolist(), strict=True)),
            }
            for number, centre in enumerate(self.cluster_centers_)
        ]
        return {"clusters": clusters}

    def _grouped(self, rows: Floats) -> Mixture | None:
        """Return the clusters of the rows, the largest first, ties by the centre itself; None if the columns are the clusters."""
        if self.n_clusters is None:
            return None
        seed = 0 if self.random_state is None else self.random_state
        mixture = fitted(rows, self.n_clusters, method=self.method, seed=seed)
        if len(mixture.weight) == 0:
            return mixture
        size = self._belonging(mixture, rows).sum(axis=0)
        return mixture.only(np.lexsort([*mixture.centre.T[::-1], -size]))

    def _memberships(self, rows: Floats) -> Floats:
        if self.mixture_ is None:
            odd = np.argwhere((rows < 0) | (rows > 1 + ROUNDING))
            if len(odd):
                row, column = odd[0].tolist()
                raise UsageError(
                    f"ClusterRule: {rows[row, column]:g} in column {column} is no membership in [0, 1]: with n_clusters=None "
                    "give it the columns of TopicClusters alone, or let it make clusters of its own (n_clusters=6)"
                )
            return rows
        has_news = np.asarray(rows.any(axis=1))
        return np.where(has_news[:, None], self._belonging(self.mixture_, rows), 0.0)

    def _belonging(self, mixture: Mixture, rows: Floats) -> Floats:
        """Return the memberships of rows with news: those of k-means are 0 or 1."""
        if self.method == "kmeans" and len(mixture.weight):
            return np.asarray(np.eye(len(mixture.weight))[mixture.nearest(rows)])
        return mixture.memberships(rows)

    def _check(self) -> None:
        check_settings("ClusterRule", 1 if self.n_clusters is None else self.n_clusters, self.method)
        if not self.t_threshold >= 0:
            raise UsageError(f"ClusterRule: t_threshold={self.t_threshold!r}: it must not be negative")
        if not isinstance(self.min_sessions, int | np.integer) or self.min_sessions < 1:
            raise UsageError(f"ClusterRule: min_sessions={self.min_sessions!r}: it must be a whole number of at least 1")
        if self.output not in OUTPUTS:
            raise UsageError(f"ClusterRule: output={self.output!r}: it must be one of {', '.join(map(repr, OUTPUTS))}")

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


def _weighted(member: Floats, value: Floats) -> Floats:
    """Return the sum of the clusters' values weighted by membership, (n_rows,): no matrix product, so companions change nothing."""
    total = np.zeros(len(member))
    for column, one in zip(member.T, value, strict=True):
        total += column * one
    return total


def _means(y: Floats, member: Floats, sessions: Ints, lags: int) -> tuple[Floats, Floats]:
    """Return the mean label of each cluster and its standard error, (n_clusters,) each."""
    found = [_mean_and_error(y, column, sessions, lags) for column in member.T]
    mean, error = np.array(found, dtype=float).reshape(-1, 2).T
    return mean, error


def _mean_and_error(y: Floats, member: Floats, sessions: Ints, lags: int) -> tuple[float, float]:
    """Return the members' mean label and its standard error; infinite where fewer than two sessions, or no variance, tell nothing.

    Residuals are summed by session (clustered errors; Liang & Zeger, 1986), their autocovariances up to `lags` sessions
    weighted as in Newey & West (1987). Rows count by their membership.
    """
    n = float(member.sum())
    if n == 0:
        return 0.0, np.inf
    mean = float((member * y).sum() / n)
    if len(np.unique(sessions[member > 0])) < 2:
        return mean, np.inf
    total = np.bincount(sessions, member * (y - mean), minlength=int(sessions.max()) + 1)
    variance = (total**2).sum()
    for lag in range(1, min(lags, len(total) - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (total[lag:] * total[:-lag]).sum()
    rounding = (ROUNDING * mean * n) ** 2
    return mean, float(np.sqrt(variance) / n) if variance > rounding else np.inf


def _shrunk(mean: Floats, error: Floats) -> Floats:
    """Return the means shrunk towards 0 by error**2 / (spread + error**2), (n_clusters,).

    spread, the variance of the true means around 0, is (sum of t**2 - n) / (sum of 1 / error**2), 0 if that is negative: empirical
    Bayes (Efron & Morris, 1975) with the moments of DerSimonian & Laird (1986). A cluster of unknown error takes no part and keeps
    nothing.
    """
    known = np.isfinite(error)
    precision = 1 / error[known] ** 2
    excess = float((mean[known] ** 2 * precision).sum() - known.sum())
    spread = max(0.0, excess) / max(float(precision.sum()), np.finfo(float).tiny)
    shrunk = np.zeros(len(mean))
    shrunk[known] = mean[known] * spread / (spread + error[known] ** 2)
    return shrunk
