"""Clean: the model is fitted again every month, on all bars so far."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import lightgbm_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Two momenta."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


strategy = Strategy(
    name="monthly_refit",
    features=features,
    target=ForwardReturn(horizon=3),
    model=lightgbm_regressor(n_estimators=20, min_child_samples=20),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=None, test=21, min_train=80),
)
