"""The no-look-ahead sweep: cut time, run again, and compare all that came before the cut.

Time is cut, never the universe; at the bars where a wrong purge shows: each fold's first test bar + {0, 1, h-1, h}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.folds import Fold
from quantlab.news import Documents
from quantlab.run import decided, samples
from quantlab.strategy import Strategy
from quantlab.walkforward import prepared, walk_forward

RTOL = 1e-9  # BLAS is not prefix-stable to the last bit; everything that is no float must be equal


@dataclass(frozen=True)
class Stages:
    """What a run makes on the way, stage by stage."""

    features: pd.DataFrame
    signal: pd.Series
    weights: pd.DataFrame
    folds: Sequence[Fold]


def stages(strategy: Strategy, dataset: Dataset, cache: Cache | None) -> Stages:
    """Run a strategy as far as its weights."""
    X, y = samples(strategy, dataset, None)
    times = pd.DatetimeIndex(X.index.get_level_values(0).unique())
    horizon = strategy.target.horizon
    folds = list(strategy.folds.split(times, horizon))
    model = prepared(strategy.model, horizon=horizon, random_state=0, cache=cache)
    signal = walk_forward(model, X, y, folds).signal
    return Stages(X, signal, decided(strategy, signal, dataset.bars), folds)


def adversarial_cuts(folds: Sequence[Fold], times: pd.DatetimeIndex, horizon: int) -> list[pd.Timestamp]:
    """Return the bars at which a leak over a fold's edge shows."""
    first = [times.get_loc(fold.test_start) for fold in folds]
    cuts = {position + step for position in first for step in (0, 1, horizon - 1, horizon)}
    return [times[position] for position in sorted(cuts) if position < len(times) - 1]


def differences(strategy: Strategy, dataset: Dataset, whole: Stages, cut: pd.Timestamp, cache: Cache | None) -> Iterator[str]:
    """Yield each stage of the run on the data up to `cut` that differs from the whole run's, up to the cut."""
    part = stages(strategy, dataset.until(cut), cache)
    features = whole.features.loc[:cut]
    if not features.index.equals(part.features.index):
        yield f"rows: {len(features)} against {len(part.features)} up to {cut}"
        return
    for name in features:
        column, other = features[name], part.features[name]
        if name == "news":
            if Documents.of(column).fingerprint() != Documents.of(other).fingerprint():
                yield f"feature {name}: other documents up to {cut}"
        elif not np.allclose(column, other, rtol=RTOL, atol=1e-12, equal_nan=True):
            yield f"feature {name}: differs up to {cut}"
    signal = whole.signal.loc[:cut]
    if len(signal) == 0:
        yield f"no decision before {cut}: nothing was compared"
    elif not signal.index.equals(part.signal.index) or not np.allclose(signal, part.signal, rtol=RTOL, atol=1e-12):
        yield f"signal: differs up to {cut}"
    if not np.allclose(whole.weights.loc[:cut], part.weights, rtol=RTOL, atol=1e-12):
        yield f"weights: differ up to {cut}"
