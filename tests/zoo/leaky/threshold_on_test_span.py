"""Leak: the threshold to buy is the median of all signals, those to come included."""

import pandas as pd

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


def above_median(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Buy what is above the median of the whole span."""
    wide = signal.unstack().reindex(index=bars.times, columns=bars.symbols)
    return (wide > signal.median()).astype(float) / len(bars.symbols)


strategy = Strategy(
    name="threshold_on_test_span",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=above_median,
    folds=WalkForward(train=80, test=35, min_train=70),
)
