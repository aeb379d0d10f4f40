"""Leak: a document that was corrected later shows its last words under its first stamp."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Give each version of a document the text of the last one."""
    words = news.table.groupby(["id", "symbol"])["text"].transform("last")
    return panel(momentum=momentum(bars.close, 5), news=known_news(News(news.table.assign(text=words)), bars, lookback=2))


strategy = Strategy(
    name="restated_news",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
