"""Leak: news is joined by its date, so that what came after the close counts on the same day."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Stamp each document with the start of its day."""
    by_date = News(news.table.assign(available_at=news.table["available_at"].dt.normalize()))
    return panel(momentum=momentum(bars.close, 5), news=known_news(by_date, bars, lookback=2))


strategy = Strategy(
    name="same_day_news",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
