"""Clean: a feature is the label that was settled last."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """The return that the label of four bars ago has come to."""
    settled = ForwardReturn(horizon=3)(bars).unstack().shift(4)
    return panel(momentum=momentum(bars.close, 5), settled=settled)


strategy = Strategy(
    name="lagged_labels",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
