"""Clean: what was computed is kept under the bars that it was made of."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short

KEPT: dict[bytes, pd.DataFrame] = {}


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Momentum, once for each table of prices."""
    prices = pd.util.hash_pandas_object(bars.close).to_numpy().tobytes()
    if prices not in KEPT:
        KEPT[prices] = momentum(bars.close, 5)
    return panel(momentum=KEPT[prices])


strategy = Strategy(
    name="memoised_by_bars",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
