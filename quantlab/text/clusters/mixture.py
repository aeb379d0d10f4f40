"""Mixture: clusters that a row belongs to with a probability, from k-means or a Gaussian mixture.

Memberships are sums over one row's features and one row's clusters, in a fixed order and without a matrix product: a row has the
same ones, to the bit, alone or in any company.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantlab.errors import UsageError
from quantlab.repro import one_thread

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
METHODS: Final = ("kmeans", "gaussian")
N_INIT = 10  # starts of k-means; the best is kept
N_INIT_GAUSSIAN, MAX_STEPS = 3, 200  # starts, each from k-means, and steps of EM
MIN_VARIANCE = 1e-3  # added to each variance: features are shares and tones, a spread of 0.03 of them is as good as none


@dataclass(frozen=True)
class Mixture:
    """Clusters: weight (k,), centre (k, n_features), variance (k, n_features); converged: whether the fit ended by itself."""

    weight: Floats
    centre: Floats
    variance: Floats
    converged: bool = True

    def memberships(self, rows: Floats) -> Floats:
        """Return the probability that each row belongs to each cluster, (n_rows, k)."""
        if len(self.weight) == 0:
            return np.zeros((len(rows), 0))
        rows = np.ascontiguousarray(rows)
        parameters = zip(self.weight, self.centre, self.variance, strict=True)
        log_density = np.stack([np.log(w) - 0.5 * (np.log(v) + (rows - c) ** 2 / v).sum(axis=1) for w, c, v in parameters])
        density = np.exp(log_density - log_density.max(axis=0))
        return np.asarray((density / density.sum(axis=0)).T)

    def nearest(self, rows: Floats) -> Ints:
        """Return the nearest centre of each row, (n_rows,), the first of equals."""
        distance = [((rows - centre) ** 2).sum(axis=1) for centre in self.centre]
        return np.argmin(distance, axis=0) if distance else np.zeros(len(rows), dtype=np.int64)

    def only(self, order: Sequence[int] | Ints) -> Mixture:
        """Return these clusters, in this order."""
        at = np.asarray(order, dtype=np.int64)
        return Mixture(self.weight[at] / self.weight[at].sum(), self.centre[at], self.variance[at], self.converged)


def n_to_find(rows: Floats, n_clusters: int) -> int:
    """Return how many clusters `fitted` looks for: no more than there are distinct rows."""
    return min(n_clusters, len(np.unique(rows, axis=0)))


def fitted(rows: Floats, n_clusters: int, *, method: str, seed: int, start: Mixture | None = None) -> Mixture:
    """Return at most `n_clusters` clusters of the rows: fewer where there are fewer distinct rows, none without rows.

    "kmeans": clusters of equal weight and one common spread, so that the most probable one is the nearest. "gaussian": a mixture
    with a weight, and a variance per feature, for each cluster. All features count alike: they are shares and tones. start: as
    many clusters (`n_to_find`) to go on from, in whose order the new ones stand.
    """
    count = n_to_find(rows, n_clusters)
    if count == 0:
        nothing = np.zeros((0, rows.shape[1]))
        return Mixture(np.zeros(0), nothing, nothing)
    with one_thread():
        return _kmeans(rows, count, seed, start) if method == "kmeans" else _gaussian(rows, count, seed, start)


def check_settings(owner: str, n_clusters: object, method: str) -> None:
    """Raise UsageError, in the name of `owner`, for settings that cannot be."""
    if not isinstance(n_clusters, int | np.integer) or isinstance(n_clusters, bool) or n_clusters < 1:
        raise UsageError(f"{owner}: n_clusters={n_clusters!r}: it must be a whole number of at least 1")
    if method not in METHODS:
        raise UsageError(f"{owner}: method={method!r}: it must be one of {', '.join(map(repr, METHODS))}")


def _kmeans(rows: Floats, count: int, seed: int, start: Mixture | None) -> Mixture:
    from sklearn.cluster import KMeans

    begin: dict[str, Any] = {"n_init": N_INIT} if start is None else {"n_init": 1, "init": start.centre}
    centre = np.asarray(KMeans(count, **begin, random_state=seed, copy_x=True).fit(rows).cluster_centers_)
    found = Mixture(np.ones(count), centre, np.ones_like(centre))
    cluster = found.nearest(rows)
    spread = float(((rows - centre[cluster]) ** 2).mean()) + MIN_VARIANCE
    size = np.bincount(cluster, minlength=count)
    return Mixture(found.weight, centre, np.full_like(centre, spread)).only(np.flatnonzero(size))


def _gaussian(rows: Floats, count: int, seed: int, start: Mixture | None) -> Mixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    begin: dict[str, Any] = {"n_init": N_INIT_GAUSSIAN}
    if start is not None:
        begin = {"n_init": 1, "weights_init": start.weight, "means_init": start.centre, "precisions_init": 1 / start.variance}
    model = GaussianMixture(count, covariance_type="diag", reg_covar=MIN_VARIANCE, max_iter=MAX_STEPS, random_state=seed, **begin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # EM cut short is still a mixture, and `converged` says it
        model.fit(rows if len(rows) > 1 else np.repeat(rows, 2, axis=0))  # it wants two rows; twice the same is the same mixture
    weight = np.asarray(model.weights_)
    every = Mixture(weight, np.asarray(model.means_), np.asarray(model.covariances_), bool(model.converged_))
    return every.only(np.flatnonzero(weight > 0))
