"""Leak: the gaps of a sparse feature are filled backwards."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Keep large moves only, and fill what lies between with the next one."""
    change = momentum(bars.close, 1)
    return panel(momentum=momentum(bars.close, 5), large_move=change.where(change.abs() > 0.02).bfill())


strategy = Strategy(
    name="backfill",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
