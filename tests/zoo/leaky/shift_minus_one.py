"""Leak: a feature is tomorrow's return, by shift(-1)."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Shift the wrong way."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1).shift(-1))


strategy = Strategy(
    name="shift_minus_one",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
