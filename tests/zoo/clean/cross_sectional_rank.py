"""Clean: ranks among the names of one bar."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel, rank
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Rank last week's and yesterday's return."""
    return panel(rank_5=rank(momentum(bars.close, 5)), rank_1=rank(momentum(bars.close, 1)))


strategy = Strategy(
    name="cross_sectional_rank",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
