"""TextFeature: what all text learners share. A news column in, named numbers out, nothing computed twice.

1. `fit` reads the documents of the training rows. What it learns is a dictionary of plain arrays, `learned_`.
2. Everything learned, and every matrix made from it, is an entry of the cache: its key holds the class, its parameters,
   its code, the documents and (where it learns from them) the labels. So a repeated run fits nothing.
3. A supervised feature must not be scored on the rows it learned from: `fit_transform` cross-fits over contiguous
   blocks of time, leaving out `horizon + 1` bars on both sides of the block that is scored.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from quantlab import cache as store
from quantlab.cache import Arrays, Cache
from quantlab.news import Documents
from quantlab.repro import code_hash, described

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """What a fit of an earlier fold learned, for a learner that goes on from there: its key, its arrays, its last bar."""

    key: str
    learned: Arrays
    fit_end: pd.Timestamp | None


class TextFeature(TransformerMixin, BaseEstimator):
    """Base of the text learners: subclasses say what they learn (`_learn`), what they make of it (`_apply`) and its names.

    A subclass has at least the parameters `cache` (None: keep nothing) and, if supervised, `horizon` (in bars; the run
    sets it from the target) and `n_blocks`. After `fit`: `learned_` (arrays), `fit_end_` (the last bar learned from).
    One that can go on from an earlier fold has the parameter `start` (None, or a `Start`), and says in `continues` whether it
    wants to: then the folds are fitted one after the other, and each is handed what the last one learned.
    """

    supervised: ClassVar[bool] = False
    cacheable: ClassVar[bool] = False  # say True only where `code` and the class's own file are all that its results depend on
    code: ClassVar[tuple[str, ...]] = ()  # parts of the package whose change must void the cache, besides this module
    libraries: ClassVar[tuple[str, ...]] = ()  # packages whose version must

    cache: Cache | None

    @abstractmethod
    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        """Return what these documents (and labels, one per row) teach; the rows are sorted by (time, symbol)."""

    @abstractmethod
    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        """Return the features of each row, (n_rows, n_features), a pure function of that row's documents."""

    @abstractmethod
    def _names(self, learned: Arrays) -> list[str]:
        """Return the names of the features."""

    @property
    def continues(self) -> bool:
        """Whether it goes on from what it learned in the fold before; a fresh start by default."""
        return False

    def as_start(self) -> Start:
        """Return what was learned, for the next fold to go on from."""
        check_is_fitted(self)
        return Start(self.key_, self.learned_, self.fit_end_)

    def prepare(self, X: pd.Series) -> None:
        """Compute ahead, over all rows, what is a pure function of each text alone (so the same in every fold); nothing by default."""

    def fit(self, X: pd.Series, y: pd.Series | None = None) -> Self:
        """Learn from the news column X (and the labels y, if supervised) of the training rows."""
        documents = Documents.of(X)
        labels = self._labels(y)
        self.key_ = store.key(self._identity(), documents.fingerprint(), np.zeros(0) if labels is None else labels)
        self.learned_ = self._remembered([self.key_, "learned"], lambda: self._learn(documents, labels))
        self.n_features_in_ = 1
        times = _times(X)
        self.fit_end_ = None if times is None or len(times) == 0 else times.max()
        return self

    def transform(self, X: pd.Series) -> Floats:
        """Return the features of each row of the news column X, (n_rows, n_features)."""
        check_is_fitted(self)
        documents = Documents.of(X)
        return self._matrix([self.key_, documents.fingerprint()], lambda: self._apply(self.learned_, documents))

    def fit_transform(self, X: pd.Series, y: pd.Series | None = None) -> Floats:
        """Learn, and return the features of the training rows; a supervised learner's are cross-fitted over blocks of time."""
        self.fit(X, y)
        if not self.supervised:
            return self.transform(X)
        times = _times(X)
        if times is None or y is None:
            raise ValueError(f"{type(self).__name__} needs rows indexed by (time, symbol) to cross-fit over blocks of time")
        calendar = store.key(times.asi8)
        return self._matrix([self.key_, calendar, "cross-fitted"], lambda: self._cross_fitted(X, np.asarray(y, float), times))

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        return np.asarray(self._names(self.learned_), dtype=object)

    def _cross_fitted(self, X: pd.Series, y: Floats, times: pd.DatetimeIndex) -> Floats:
        """Score each block of time with what was learned from the others, `horizon + 1` bars away from it."""
        horizon, n_blocks = getattr(self, "horizon", None), getattr(self, "n_blocks", 3)
        if horizon is None:
            raise ValueError(f"{type(self).__name__} needs the label's horizon to purge its blocks: pass horizon= (a run does so itself)")
        bars, bar = np.unique(times.asi8, return_inverse=True)
        gap = horizon + 1
        features = np.zeros((len(X), len(self.get_feature_names_out())))
        for block in np.array_split(np.arange(len(bars)), n_blocks):
            scored = (bar >= block[0]) & (bar <= block[-1])
            learning = (bar < block[0] - gap) | (bar > block[-1] + gap)
            learned = self._learn(Documents.of(X[learning]), y[learning])
            features[scored] = self._apply(learned, Documents.of(X[scored]))
        return features

    def _labels(self, y: pd.Series | None) -> Floats | None:
        if not self.supervised:
            return None
        if y is None:
            raise ValueError(f"{type(self).__name__} learns from labels: pass y")
        return np.asarray(y, dtype=float)

    def _identity(self) -> str:
        """Return what the learner is: class, parameters, code and versions."""
        source = self._own_code()
        code = store.key(code_hash("text/base.py", "news.py", *self.code), b"" if source is None else source)
        found = {name: metadata.version(name) for name in ("numpy", "scikit-learn", *self.libraries)}
        return store.key(described(self), code, found)

    def _own_code(self) -> bytes | None:
        """Return the text of the file of the class; None if there is none: what was typed in a notebook may change unseen."""
        try:
            return Path(inspect.getfile(type(self))).read_bytes()
        except (OSError, TypeError):
            return None

    def _remembered(self, parts: list[object], compute: Callable[[], Arrays]) -> Arrays:
        if self.cache is None or not self.cacheable or self._own_code() is None:
            return compute()
        return self.cache.load_or(store.key(*parts), compute)

    def _matrix(self, parts: list[object], compute: Callable[[], Floats]) -> Floats:
        return np.asarray(self._remembered(parts, lambda: {"features": compute()})["features"], dtype=float)

    def __sklearn_tags__(self) -> object:
        """Tell scikit-learn that this reads text, not a matrix."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.required = self.supervised
        return tags


def _times(X: pd.Series) -> pd.DatetimeIndex | None:
    """Return the time of each row, or None if the rows are not indexed by time."""
    level = X.index.get_level_values(0)
    return level if isinstance(level, pd.DatetimeIndex) else None
