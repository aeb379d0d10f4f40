"""Leak: orders are filled in the bar that decides them. No strategy can say so: the engine is exchanged for one that does."""

from functools import partial
from typing import Literal

import pandas as pd

from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.portfolio import simulate
from quantlab.result import Portfolio
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


def engine(weights: pd.DataFrame, bars: Bars, costs: Costs, *, cash: float, fill: Literal["open", "close"], max_gross: float) -> Portfolio:
    """Trade in each bar what is decided at its close: the delay of one bar undone."""
    return simulate(weights.shift(-1, fill_value=0.0), bars, costs, cash=cash, fill=fill, max_gross=max_gross)


strategy = Strategy(
    name="same_bar_fill",
    features=features,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
