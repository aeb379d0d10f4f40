"""Leak: only the names are traded that turn out to be the most liquid."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Keep the five names of largest volume over the whole sample."""
    X = panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))
    liquid = bars.volume.mean().nlargest(5).index
    return X[X.index.get_level_values(1).isin(liquid)]


strategy = Strategy(
    name="universe_by_future_volume",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
