"""How much history a signal needs: the last fold's model on features made from one year, two years, and all there is.

A strategy that needs more history than it gets is not a leak; but live, it would trade on other numbers than in its back-test. A
back-test, which fits nothing again, compares the features themselves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from quantlab.audit.differences import panels
from quantlab.audit.outcome import told
from quantlab.audit.stages import Stages, Subject, ready_model
from quantlab.dataset import Dataset
from quantlab.errors import QuantlabError, StorageError
from quantlab.news import News
from quantlab.result import Check
from quantlab.steps import samples
from quantlab.walkforward.fold import Task, fit_and_predict

YEARS = (1, 2)
TOLERANCE = 1e-6  # of the standard deviation of the signal
N_BARS = 20  # decisions compared


def warm_up(subject: Subject, whole: Stages) -> Check:
    """Return how many years of history give the signals that all history gives; information, never a leak."""
    fold = whole.folds[-1]
    first = subject.place(fold.test_start)
    last = subject.times[min(first + N_BARS - 1, subject.place(fold.test_end))]
    window = slice(fold.test_start, last)
    moved = _signal_moved if subject.refits else _features_moved
    what = "signals" if subject.refits else "features"
    said: list[str] = []
    for years in YEARS:
        n_bars = round(years * subject.dataset.sessions_per_year)
        if n_bars >= first:
            less = f"there is less than {years} year{'s' * (years > 1)} of history before the last fold"
            return Check("warm-up", "noted", "; ".join([*said, less]))
        known = _since(subject.dataset.until(last), subject.times[first - n_bars])
        try:
            X, _ = samples(subject.strategy, known, subject.settings.start)
        except StorageError:
            raise
        except QuantlabError as error:
            said.append(f"{years} years of history are too few ({told(error)})")
            continue
        part = X.loc[window]
        worst = moved(subject, whole, part) if part.index.equals(whole.features.loc[window].index) else np.inf
        if worst <= TOLERANCE:
            enough = f"{years} year{'s' * (years > 1)} ({n_bars} bars) of history give the same {what}, to {worst:.1e} of their spread"
            return Check("warm-up", "noted", "; ".join([*said, enough]))
        columns = sorted({found.column for found in panels(whole.features.loc[window], part)})
        far = f"by up to {worst:.1e} of their spread" if np.isfinite(worst) else "so far that some are missing"
        said.append(f"{years} year{'s' * (years > 1)} of history move {what} {far} ({', '.join(columns[:5])})")
    return Check("warm-up", "noted", "; ".join([*said, "live, give it all the history that the back-test had"]))


def _since(dataset: Dataset, start: pd.Timestamp) -> Dataset:
    """Return the data from `start` on."""
    table = dataset.news.table
    return replace(dataset, bars=dataset.bars.between(start), news=News(table[table["available_at"] >= start]))


def _signal_moved(subject: Subject, whole: Stages, part: pd.DataFrame) -> float:
    """Return how far the signal of some rows moves with these features, in standard deviations."""
    return _moved(_signal(subject, whole, whole.features.loc[part.index]), _signal(subject, whole, part))


def _features_moved(subject: Subject, whole: Stages, part: pd.DataFrame) -> float:
    """Return how far the furthest feature moves, in standard deviations of all its rows; other documents are infinitely far."""
    moved = [0.0]
    for found in panels(whole.features.loc[part.index], part):
        numeric = found.pair is not None and all(pd.api.types.is_numeric_dtype(column.dtype) for column in found.pair)
        moved.append(_moved(whole.features[found.column], part[found.column]) if numeric else np.inf)
    return max(moved)


def _moved(expected: pd.Series, other: pd.Series) -> float:
    """Return the largest distance of two series over the rows of the second, in standard deviations of the first; inf where one is NaN."""
    spread, known = expected.std(), expected.loc[other.index]
    if (known.isna() != other.isna()).any():
        return np.inf
    return float((known - other).abs().max() / spread) if spread > 0 and known.notna().any() else 0.0


def _signal(subject: Subject, whole: Stages, X: pd.DataFrame) -> pd.Series:
    """Return what the last fold's model makes of some rows."""
    fold = whole.folds[-1]
    train = whole.labels.loc[fold.train_start : fold.train_end].dropna()
    model = ready_model(subject, subject.strategy, subject.settings.cache)
    signal = fit_and_predict(Task(model, fold, whole.features.loc[train.index], train, X, False)).signal
    return signal.where(np.isfinite(signal))
