"""Sentiment, linear: the tone of the last days' news and last week's return, in a ridge regression. Quick, and easy to read."""

from functools import partial

import pandas as pd

from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, news_count, news_novelty, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """One row per (time, symbol), known at that time; nothing here learns."""
    known = known_news(news, bars, lookback=3)
    return panel(
        momentum_5=momentum(bars.close, 5),
        news_count=news_count(known),
        novelty=news_novelty(known, 20),
        news=known,
    )


strategy = Strategy(
    name="sentiment_ridge",
    features=features,
    target=ForwardReturn(horizon=5, kind="market_neutral"),
    model=with_text(ridge_regressor(), Sentiment(half_life_hours=24)),
    weights=partial(long_short, quantile=0.2, hold=5),
    folds=WalkForward(train=504, test=63, min_train=252),
    costs=Costs(fee_bps=1.0, slippage_bps=5.0),
)
