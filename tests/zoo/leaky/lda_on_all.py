"""Leak: the topics are learned once, from all documents."""

from functools import partial

import pandas as pd
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.news import Documents
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Learn two topics where nothing may be learned."""
    column = known_news(news, bars, lookback=2)
    documents = Documents.of(column)
    words = CountVectorizer(max_features=20).fit_transform(documents.texts)
    topics = LatentDirichletAllocation(2, max_iter=1, max_doc_update_iter=5, learning_method="batch", random_state=0).fit_transform(words)
    first = documents.mean_by_row(topics[:, :1], documents.decay(24))[:, 0]
    return panel(momentum=momentum(bars.close, 5), topic=pd.Series(first, column.index))


strategy = Strategy(
    name="lda_on_all",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
