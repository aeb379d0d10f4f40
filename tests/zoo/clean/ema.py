"""Clean: an exponential moving average reads the past only."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Distance from the average, of bars up to each."""
    return panel(momentum=momentum(bars.close, 5), distance=bars.close / bars.close.ewm(span=10).mean() - 1)


strategy = Strategy(
    name="ema",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
