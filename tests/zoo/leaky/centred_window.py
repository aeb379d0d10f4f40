"""Leak: a moving average is centred on its bar."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Smooth over two bars before and two after."""
    smooth = bars.close.rolling(5, center=True, min_periods=1).mean()
    return panel(momentum=momentum(bars.close, 5), trend=bars.close / smooth - 1)


strategy = Strategy(
    name="centred_window",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
