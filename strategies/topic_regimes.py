"""Topic regimes: cluster what the news is about; buy, sell or leave alone per cluster, as its past returns say."""

from functools import partial

import pandas as pd

from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward, known_news
from quantlab.features import panel
from quantlab.models import with_text
from quantlab.text import ClusterRule, LdaTopics, Sentiment
from quantlab.weights import cluster_rule


def features(bars: Bars, news: News) -> pd.DataFrame:
    """One row per (time, symbol): the news of the last three bars, nothing else."""
    return panel(news=known_news(news, bars, lookback=3))


strategy = Strategy(
    name="topic_regimes",
    features=features,
    target=ForwardReturn(horizon=5, kind="market_neutral"),
    model=with_text(ClusterRule(n_clusters=12), LdaTopics(n_topics=20), Sentiment()),
    weights=partial(cluster_rule, hold=5),
    folds=WalkForward(train=504, test=63, min_train=252),
    costs=Costs(fee_bps=1.0, slippage_bps=5.0),
)
