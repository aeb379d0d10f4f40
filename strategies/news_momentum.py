"""News momentum: buy what has risen on good news, sell what has fallen on bad."""

from functools import partial

import pandas as pd

from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import momentum, news_count, panel, volatility
from quantlab.models import lightgbm_regressor, with_text
from quantlab.text import LdaTopics, Sentiment, TextEncoder
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """One row per (time, symbol), known at that time; nothing here learns."""
    known = known_news(news, bars, lookback=3)
    return panel(
        momentum_5=momentum(bars.close, 5),
        momentum_20=momentum(bars.close, 20),
        volatility_20=volatility(bars.close, 20),
        news_count=news_count(known),
        news=known,
    )


strategy = Strategy(
    name="news_momentum",
    features=features,
    target=ForwardReturn(horizon=5, kind="rank"),
    model=with_text(lightgbm_regressor(), LdaTopics(n_topics=20), Sentiment(), TextEncoder(mask_entities=True)),
    weights=partial(long_short, quantile=0.2, hold=5),
    folds=WalkForward(train=504, test=63, min_train=252),
    costs=Costs(fee_bps=1.0, slippage_bps=5.0),
)
