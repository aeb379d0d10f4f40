"""Clean: the tone of the last week's news, older documents counting less."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Documents stay in view for five bars."""
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, lookback=5))


strategy = Strategy(
    name="decay_features",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment(half_life_hours=12)),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
