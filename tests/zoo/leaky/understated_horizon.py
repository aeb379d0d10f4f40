"""Leak: the label looks five bars ahead and says one, so the purge is too short."""

from functools import partial

import pandas as pd

from quantlab import Bars, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


class FiveBarsCalledOne:
    """The return over five bars, under a horizon of one."""

    horizon = 1

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the labels."""
        return (bars.open.shift(-6) / bars.open.shift(-1) - 1).stack(future_stack=True)


strategy = Strategy(
    name="understated_horizon",
    features=features,
    target=FiveBarsCalledOne(),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
