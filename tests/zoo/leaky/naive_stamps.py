"""Leak: the stamps lose their zone in New York and are then taken for UTC, hours early."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Read local clock times as if they were UTC."""
    local = news.table["available_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    naive = News(news.table.assign(available_at=local.dt.tz_localize("UTC")))
    return panel(momentum=momentum(bars.close, 5), news=known_news(naive, bars, lookback=2))


strategy = Strategy(
    name="naive_stamps",
    features=features,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
