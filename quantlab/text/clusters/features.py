"""TopicClusters: which kind of news each row has, as probabilities of clusters in the space of topics and sentiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone

from quantlab.cache import Arrays, Cache, key
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.result import Json
from quantlab.text import checks
from quantlab.text.base import Floats, Start, TextFeature
from quantlab.text.clusters.mixture import Ints, Mixture, check_settings, fitted, n_to_find

N_WORDS = 5  # that name a topic in the description


class TopicClusters(TextFeature):
    """One column per cluster: the probability that the row's news is of that kind, in [0, 1].

    A row sums to 1, or is all 0 if topics and sentiment say nothing about it. The space is made of the features of `topics`
    (None: `LdaTopics()`) and `sentiment` (None: `Sentiment()`), both learned anew in the fold; other text features than these two
    may stand there, if they need no labels. method: "gaussian", a mixture, or "kmeans". random_state None means 0.

    Cluster 3 stays cluster 3: each fold starts at the clusters of the fold before, whose numbers they keep, and at the numbers of its
    topics, so folds run in order. The first fold numbers clusters by the feature in which they stand out most, and so does every fold
    with align=False: then folds may run at the same time, but clusters move (on the sample, in windows of 504 sessions 63 apart, 3 to 4
    of 6 keep their number, against 6 of 6). Where the features differ, as from another number of topics, a fold starts afresh.
    Where there are fewer distinct rows than n_clusters, the last columns are all 0. Raises UsageError for parameters out of range.
    """

    cacheable: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("scipy",)
    code: ClassVar[tuple[str, ...]] = ("text/clusters/mixture.py",)

    def __init__(
        self,
        topics: TextFeature | None = None,
        sentiment: TextFeature | None = None,
        *,
        n_clusters: int = 6,
        method: str = "gaussian",
        align: bool = True,
        start: Start | None = None,
        random_state: int | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.topics = topics
        self.sentiment = sentiment
        self.n_clusters = n_clusters
        self.method = method
        self.align = align
        self.start = start
        self.random_state = random_state
        self.cache = cache

    @property
    def continues(self) -> bool:
        """Whether it needs the fold before: for the numbers of its clusters, or of its topics."""
        return bool(self.align) or any(getattr(part, "continues", False) for part in (self.topics, self.sentiment))

    def prepare(self, X: pd.Series) -> None:
        """Let topics and sentiment compute ahead what they can."""
        self._check()
        for _, part in self._parts():
            part.prepare(X)

    def describe_learned(self) -> dict[str, Json]:
        """Return share, centre and words of each cluster, whether the fit converged, and what topics or sentiment have read up to.

        knowledge_cutoff: the latest of theirs, None if none tells one.
        """
        names, centres = self._columns(self.learned_), self.learned_["centre"]
        words = self._words()
        clusters: list[Json] = []
        for number, (size, centre) in enumerate(zip(self.learned_["share"], centres, strict=True)):
            leading = [name for name in np.array(names)[np.argsort(-centre, kind="stable")].tolist() if name in words]
            values = dict[str, Json](zip(names, map(float, centre), strict=True))
            about = words[leading[0]] if leading else []
            clusters.append({"cluster": number, "share_of_rows": float(size), "about": about, "centre": values})
        return {"clusters": clusters, "converged": bool(self.learned_["converged"][0]), "knowledge_cutoff": self._knowledge_cutoff()}

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        inside = {f"{name}.{inner}": array for name, part in self._parts() for inner, array in part._learn(documents, None).items()}
        rows = self._space(inside, documents)
        rows = rows[rows.any(axis=1)]
        before = self._before(self._columns(inside), rows)
        mixture = fitted(rows, self.n_clusters, method=self.method, seed=self.random_state or 0, start=before)
        if len(mixture.weight) and before is None:
            mixture = mixture.only(_by_leading_feature(mixture, rows))
        share = mixture.memberships(rows).mean(axis=0) if len(rows) else np.zeros(0)
        own = {"weight": mixture.weight, "centre": mixture.centre, "variance": mixture.variance, "share": share}
        return {**inside, **own, "converged": np.array([mixture.converged])}

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        rows = self._space(learned, documents)
        has_news = np.asarray(rows.any(axis=1))
        found = np.zeros((len(rows), self.n_clusters))
        found[:, : len(learned["weight"])] = np.where(has_news[:, None], _mixture(learned).memberships(rows), 0.0)
        return found

    def _names(self, learned: Arrays) -> list[str]:
        return [f"cluster_{number}" for number in range(self.n_clusters)]

    def _identity(self) -> str:
        self._check()
        return key(super()._identity(), [part._identity() for _, part in self._parts()])

    def _remembered(self, parts: list[object], compute: Callable[[], Arrays]) -> Arrays:
        return super()._remembered(parts, compute) if all(part.cacheable for _, part in self._parts()) else compute()

    def _parts(self) -> Iterator[tuple[str, TextFeature]]:
        """Yield topics and sentiment as they are to be used: seeded and cached like this one, from what theirs learned before."""
        from quantlab.text.sentiment import Sentiment
        from quantlab.text.topics import LdaTopics

        for name, given, default in (("topics", self.topics, LdaTopics), ("sentiment", self.sentiment, Sentiment)):
            part: Any = default() if given is None else clone(given)
            open_ = {"cache": self.cache, "random_state": self.random_state}
            known = part.get_params(deep=False)
            settings: dict[str, object] = {own: value for own, value in open_.items() if own in known and known[own] is None}
            if self.start is not None and "start" in known:
                settings["start"] = replace(self.start, learned=_of_part(self.start.learned, name))
            yield name, part.set_params(**settings)

    def _space(self, learned: Arrays, documents: Documents) -> Floats:
        """Return the features of topics and sentiment, (n_rows, n_features)."""
        return np.hstack([part._apply(_of_part(learned, name), documents) for name, part in self._parts()])

    def _columns(self, learned: Arrays) -> list[str]:
        """Return the names of these features."""
        return [column for name, part in self._parts() for column in part._names(_of_part(learned, name))]

    def _before(self, columns: list[str], rows: Floats) -> Mixture | None:
        """Return the clusters of the fold before, if they lie in the same space and are as many; else there is nothing to go on from."""
        if self.start is None or self._columns(self.start.learned) != columns:
            return None
        before = _mixture(self.start.learned)
        return before if len(before.weight) == n_to_find(rows, self.n_clusters) else None

    def _fitted_parts(self) -> Iterator[Any]:
        """Yield topics and sentiment with what they have learned."""
        for name, part in self._parts():
            part.learned_ = _of_part(self.learned_, name)
            yield part

    def _knowledge_cutoff(self) -> str | None:
        """Return the ISO date of the last text that an encoder inside may have read."""
        said = [part.describe_learned() for part in self._fitted_parts() if hasattr(part, "describe_learned")]
        return max((str(facts["knowledge_cutoff"]) for facts in said if facts.get("knowledge_cutoff")), default=None)

    def _words(self) -> dict[str, Json]:
        """Return the top words of each topic by the name of its column, as far as the parts tell them."""
        found: dict[str, Json] = {}
        for part in self._fitted_parts():
            if hasattr(part, "top_words"):
                columns = part._names(part.learned_)
                found |= {column: list[Json](words) for column, words in zip(columns, part.top_words(N_WORDS), strict=True)}
        return found

    def _check(self) -> None:
        check_settings("TopicClusters", self.n_clusters, self.method)
        checks.switch(self, "align")
        checks.seed(self)
        checks.optional(self, "start", Start)
        checks.optional(self, "cache", Cache)
        for name, part in (("topics", self.topics), ("sentiment", self.sentiment)):
            if part is not None and not isinstance(part, TextFeature):
                raise UsageError(f"TopicClusters: {name}={part!r} is no text feature: give LdaTopics(...), Sentiment(...) or another one")
            if part is not None and part.supervised:
                raise UsageError(
                    f"TopicClusters: {name}={type(part).__name__} learns from labels: clusters are learned without, as those of topics"
                )


def _of_part(learned: Mapping[str, Any], name: str) -> Arrays:
    """Return what one part learned."""
    return {full.removeprefix(f"{name}."): array for full, array in learned.items() if full.startswith(f"{name}.")}


def _mixture(learned: Mapping[str, Any]) -> Mixture:
    weight, centre, variance = (np.asarray(learned[name], dtype=float) for name in ("weight", "centre", "variance"))
    return Mixture(weight, centre, variance)


def _by_leading_feature(mixture: Mixture, rows: Floats) -> Ints:
    """Return the order of the clusters by the feature in which each stands out most from all rows, ties by the centre."""
    spread = np.maximum(rows.std(axis=0), np.sqrt(np.finfo(float).tiny))
    leading = np.argmax((mixture.centre - rows.mean(axis=0)) / spread, axis=1)
    return np.lexsort([*mixture.centre.T[::-1], leading])
