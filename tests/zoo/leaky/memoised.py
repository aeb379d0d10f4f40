"""Leak: a z-score over all bars, kept from the first call on, so that a later call on fewer bars is given the same."""

from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short

KEPT: dict[str, pd.DataFrame] = {}


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Momentum over its own mean and spread, whatever bars it was first asked for."""
    if "z" not in KEPT:
        raw = momentum(bars.close, 5)
        KEPT["z"] = (raw - raw.stack().mean()) / raw.stack().std()
    return panel(z=KEPT["z"].reindex(bars.times))


strategy = Strategy(
    name="memoised",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
