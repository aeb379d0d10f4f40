"""Leak: word weights are learned ahead of the folds and kept in the cache under a name that does not say from which rows."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.cache import Arrays, Cache, key
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.news import Documents
from quantlab.text.base import TextFeature
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, lookback=2))


class Rarity(TextFeature):
    """The mean rarity of a row's words, by weights of whatever rows came first."""

    def __init__(self, cache: Cache | None = None) -> None:
        """Store the cache."""
        self.cache = cache

    def prepare(self, X: pd.Series) -> None:
        """Learn from all rows, unless something is there already."""
        self._weights(Documents.of(X))

    def _weights(self, documents: Documents) -> Arrays:
        def compute() -> Arrays:
            fitted = TfidfVectorizer().fit(documents.texts)
            words = sorted(fitted.vocabulary_)
            return {"idf": fitted.idf_, "words": np.frombuffer(" ".join(words).encode(), dtype=np.uint8)}

        return compute() if self.cache is None else self.cache.load_or(key("rarity"), compute)

    def _learn(self, documents: Documents, y: object) -> Arrays:
        return self._weights(documents)

    def _apply(self, learned: Arrays, documents: Documents) -> np.ndarray:
        idf = dict(zip(learned["words"].tobytes().decode().split(), learned["idf"], strict=True))
        mean = [[np.mean([idf.get(word, 0.0) for word in text.lower().split()])] for text in documents.texts]
        return documents.mean_by_row(np.array(mean).reshape(-1, 1), np.ones(len(documents.row)))

    def _names(self, learned: Arrays) -> list[str]:
        return ["rarity"]


strategy = Strategy(
    name="stale_cache",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Rarity()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
