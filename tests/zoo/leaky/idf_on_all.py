"""Leak: the IDF weights of words come from all documents, those to come included."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.news import Documents
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Weigh the words of each cell."""
    column = known_news(news, bars, lookback=2)
    documents = Documents.of(column)
    weights = TfidfVectorizer(norm=None).fit_transform(documents.texts).sum(axis=1)
    rarity = documents.mean_by_row(np.asarray(weights), np.ones(len(documents.row)))[:, 0]
    return panel(momentum=momentum(bars.close, 5), rarity=pd.Series(rarity, column.index))


strategy = Strategy(
    name="idf_on_all",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
