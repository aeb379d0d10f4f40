"""How much history a signal needs: the last fold's model on features made from one year, two years, and all there is.

A strategy that needs more history than it gets is not a leak; but live, it would trade on other numbers than in its back-test.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from quantlab.audit.differences import panels
from quantlab.audit.outcome import Outcome
from quantlab.audit.stages import Stages, Subject, ready_model
from quantlab.dataset import Dataset
from quantlab.errors import QuantlabError
from quantlab.news import News
from quantlab.run import samples
from quantlab.walkforward.fold import Task, fit_and_predict

YEARS = (1, 2)
TOLERANCE = 1e-6  # of the standard deviation of the signal
N_BARS = 20  # decisions compared


def warm_up(subject: Subject, whole: Stages) -> Outcome:
    """Return how many years of history give the signals that all history gives; information, never a leak."""
    fold = whole.folds[-1]
    first = subject.place(fold.test_start)
    last = subject.times[min(first + N_BARS - 1, subject.place(fold.test_end))]
    window = slice(fold.test_start, last)
    expected = _signal(subject, whole, whole.features.loc[window])
    said: list[str] = []
    for years in YEARS:
        n_bars = round(years * subject.dataset.sessions_per_year)
        if n_bars >= first:
            less = f"there is less than {years} year{'s' * (years > 1)} of history before the last fold"
            return Outcome("warm-up", "noted", "; ".join([*said, less]))
        known = _since(subject.dataset.until(last), subject.times[first - n_bars])
        try:
            X, _ = samples(subject.strategy, known, subject.settings.start)
        except QuantlabError as error:
            said.append(f"{years} years of history are too few ({error})")
            continue
        part = X.loc[window]
        apart = (_signal(subject, whole, part).reindex(expected.index) - expected).abs()
        worst = float(apart.max() / expected.std()) if expected.std() > 0 else 0.0
        if worst <= TOLERANCE and not apart.isna().any():
            enough = f"{years} year{'s' * (years > 1)} ({n_bars} bars) of history give the same signals, to {worst:.1e} of their spread"
            return Outcome("warm-up", "noted", "; ".join([*said, enough]))
        columns = sorted({found.column for found in panels(whole.features.loc[window], part)})
        said.append(
            f"{years} year{'s' * (years > 1)} of history move signals by up to {worst:.1e} of their spread ({', '.join(columns[:5])})"
        )
    return Outcome("warm-up", "noted", "; ".join([*said, "live, give it all the history that the back-test had"]))


def _since(dataset: Dataset, start: pd.Timestamp) -> Dataset:
    """Return the data from `start` on."""
    table = dataset.news.table
    return replace(dataset, bars=dataset.bars.between(start), news=News(table[table["available_at"] >= start]))


def _signal(subject: Subject, whole: Stages, X: pd.DataFrame) -> pd.Series:
    """Return what the last fold's model makes of some rows."""
    fold = whole.folds[-1]
    train = whole.labels.loc[fold.train_start : fold.train_end].dropna()
    model = ready_model(subject, subject.strategy, subject.settings.cache)
    signal = fit_and_predict(Task(model, fold, whole.features.loc[train.index], train, X, False)).signal
    return signal.where(np.isfinite(signal))
