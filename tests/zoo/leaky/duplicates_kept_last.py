"""Leak: of copies the last is kept, so that a document is gone before its copy has come."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Drop each document of which a copy follows, at whatever time."""
    last = News(news.table.drop_duplicates(["symbol", "text"], keep="last"))
    return panel(momentum=momentum(bars.close, 5), news=known_news(last, bars, lookback=2))


strategy = Strategy(
    name="duplicates_kept_last",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
