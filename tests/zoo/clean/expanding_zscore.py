"""Clean: a feature is standardised with the mean and spread of the bars so far."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel, volume_zscore
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Scale over an expanding window."""
    volume = volume_zscore(bars.volume, 5)
    return panel(momentum=momentum(bars.close, 5), volume_z=(volume - volume.expanding(10).mean()) / volume.expanding(10).std())


strategy = Strategy(
    name="expanding_zscore",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
