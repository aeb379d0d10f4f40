"""Leak: no purge; the last training labels end within the test window."""

from dataclasses import dataclass
from functools import partial

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


@dataclass(frozen=True, kw_only=True)
class Unpurged(WalkForward):
    """Train up to the bar before the test window."""

    def gap(self, horizon: int) -> int:
        """Return one bar, whatever the labels look at."""
        return 1


strategy = Strategy(
    name="label_overlap",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=Unpurged(train=80, test=35, min_train=70),
)
