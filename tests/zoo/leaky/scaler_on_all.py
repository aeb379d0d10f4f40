"""Leak: a feature is standardised with the mean and spread of all bars."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel, volume_zscore
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Scale over the whole sample."""
    volume = volume_zscore(bars.volume, 5)
    return panel(momentum=momentum(bars.close, 5), volume_z=(volume - volume.mean()) / volume.std())


strategy = Strategy(
    name="scaler_on_all",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
