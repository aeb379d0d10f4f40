"""Leak: the predictions of a test window are standardised over the whole window."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from quantlab import Bars, ForwardReturn, News, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.weights import long_short


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Nothing leaks here."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


class Standardised(Ridge):
    """A ridge whose predictions are scaled by what it is asked about."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> "Standardised":
        """Fit on rows without gaps."""
        return super().fit(X.fillna(0.0), y)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Standardise over all rows of the window."""
        raw = super().predict(X.fillna(0.0))
        return (raw - raw.mean()) / raw.std()


strategy = Strategy(
    name="test_window_scaler",
    features=features,
    target=ForwardReturn(horizon=3),
    model=Standardised(alpha=10.0),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=80, test=35, min_train=70),
)
