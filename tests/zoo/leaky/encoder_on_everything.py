"""Leak: a text model is trained on all rows and their returns, before the folds; a ridge on words stands in for an encoder."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.news import Documents
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Tune the words on every label there is."""
    column = known_news(news, bars, lookback=2)
    documents = Documents.of(column)
    words = CountVectorizer(max_features=60).fit_transform(documents.texts)[documents.text]
    outcome = ForwardReturn(horizon=3)(bars).fillna(0.0).to_numpy()[documents.row]
    score = Ridge(alpha=10.0).fit(words, outcome).predict(words)
    total = np.bincount(documents.row, score, minlength=documents.n_rows)
    return panel(momentum=momentum(bars.close, 5), tuned=pd.Series(total, column.index))


strategy = Strategy(
    name="encoder_on_everything",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
