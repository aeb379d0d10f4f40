"""Price momentum: the same bars, folds and costs without a word of text. The baseline that text has to beat."""

from functools import partial

import pandas as pd

from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel, rank, volatility
from quantlab.models import lightgbm_regressor
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """One row per (time, symbol), from prices alone."""
    return panel(
        momentum_5=momentum(bars.close, 5),
        momentum_20=momentum(bars.close, 20),
        momentum_60_skip_5=momentum(bars.close, 60, skip=5),
        momentum_rank_20=rank(momentum(bars.close, 20)),
        volatility_20=volatility(bars.close, 20),
    )


strategy = Strategy(
    name="price_momentum",
    features=features,
    target=ForwardReturn(horizon=5, kind="rank"),
    model=lightgbm_regressor(),
    weights=partial(long_short, quantile=0.2, hold=5),
    folds=WalkForward(train=504, test=63, min_train=252),
    costs=Costs(fee_bps=1.0, slippage_bps=5.0),
)
