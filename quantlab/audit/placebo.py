"""Placebos: with labels or headlines that mean nothing, nothing may be predicted.

labels: dealt out at random inside each training window, the learner fitted, its rank correlation (IC) with the true labels taken over
the test window. A learner of noise still sorts names by *something*, with a sign of its own in each draw: so the error is that of the
mean over draws (Student's t, one-sided, one in a thousand), not that over sessions, which would condemn honest learners.

headlines: texts dealt out to other documents, stamps and names kept. What the signal then knows, it must know without the text: its IC is
compared, session by session, with that of the same learner without the text columns (Newey and West's t), or with 0 where text is all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from quantlab.audit.cuts import spread
from quantlab.audit.stages import Stages, Subject, ready_model, relearned
from quantlab.folds import Fold
from quantlab.metrics import information_coefficient, newey_west_t, overlap_lags
from quantlab.news import News
from quantlab.repro import random_generator
from quantlab.result import BacktestResult, Check, Finding
from quantlab.steps import samples
from quantlab.walkforward import walk_forward

N_FOLDS, N_DRAWS = 4, 3
CHANCE = 0.001  # of a false alarm, one-sided
LARGE_T = 4.0  # Newey-West's t rejects too often where signals persist


def label_placebo(subject: Subject, whole: Stages, *, quick: bool = False) -> Check:
    """Return whether labels that were dealt out at random inside the training windows still teach something."""
    from scipy.stats import t as student

    found = []
    folds = _some(whole.folds, 2 if quick else N_FOLDS)
    for number, fold in enumerate(folds):
        for draw in range(N_DRAWS):
            rng = random_generator(subject.settings.seed, f"audit: placebo {number} {draw}")
            y = _dealt(whole.labels, fold, rng)
            signal = relearned(subject, subject.strategy, whole.features, y, [fold], cache=subject.settings.cache).signal
            found.append(float(np.nan_to_num(information_coefficient(signal, whole.labels.reindex(signal.index)).mean())))
    mean, error = float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))
    limit = float(student.ppf(1 - CHANCE, len(found) - 1)) * error
    detail = f"mean IC {mean:+.4f} over {len(found)} draws of labels, at most {limit:.4f} by chance"
    return _outcome("placebo labels", detail, mean, 0.0, leak=mean > limit and mean > 1e-9)


def headline_placebo(subject: Subject, whole: Stages, *, quick: bool = False) -> Check:
    """Return whether headlines that were dealt out to other documents still tell something."""
    table, name = subject.dataset.news.table, "placebo headlines"
    order = random_generator(subject.settings.seed, "audit: headlines").permutation(len(table))
    news = News(table.assign(text=table["text"].to_numpy()[order]))
    X, y = samples(subject.strategy, replace(subject.dataset, news=news), subject.settings.start)
    if not any(isinstance(X[column].array, pd.arrays.ArrowExtensionArray) for column in X):
        return Check(name, "not applicable", "no learner of the model reads a news column")
    model = ready_model(subject, subject.strategy, subject.settings.cache)
    dealt = walk_forward(model, X, y, _some(whole.folds, 2 if quick else N_FOLDS), ablate=True, cache=subject.settings.cache)
    if dealt.text.shape[1] == 0:
        return Check(name, "noted", "the model reads the news column in a learner of its own, which cannot be taken out to compare")
    labels = y.reindex(dealt.signal.index)
    return _told(name, "shuffled headlines", dealt.signal, dealt.variants.get("no_text"), labels, subject.horizon)


def feature_placebo(result: BacktestResult) -> Check:
    """Return whether text features that were dealt out to other rows still tell something: of the run's own ablation, nothing is fitted."""
    name, variants = "placebo text features", result.predicted.variants
    if "placebo" not in variants:
        return Check(name, "not applicable", "the run has no ablation, or no learner of its model reads text")
    labels = result.target.reindex(variants["placebo"].index)
    return _told(name, "text features dealt out to other rows", variants["placebo"], variants.get("no_text"), labels, result.horizon)


def _told(name: str, of_what: str, signal: pd.Series, rest: pd.Series | None, labels: pd.Series, horizon: int) -> Check:
    """Return whether a signal of placebos tells more than that of the columns without text, or than nothing where there are none."""
    ic = information_coefficient(signal, labels)
    without = ic * 0.0 if rest is None else information_coefficient(rest, labels)
    more = (ic - without).dropna()
    t = newey_west_t(more, overlap_lags(horizon)) if len(more) > 2 and more.std() > 0 else 0.0
    detail = f"IC {float(ic.mean()):+.4f} with {of_what}, {float(without.mean()):+.4f} without text (t of the difference {t:+.1f})"
    return _outcome(name, detail, float(ic.mean()), float(without.mean()), leak=t > LARGE_T)


def _outcome(name: str, detail: str, value: float, other: float, *, leak: bool) -> Check:
    if not leak:
        return Check(name, "held", detail)
    cause = (
        "the learner knows more than its training rows tell it: labels reach it another way (a global, a cache, a column made from them)"
    )
    return Check(name, "leak", detail, (Finding("signal", "IC", None, "", f"{value:+.4f}", f"{other:+.4f}", 1, "a placebo", cause),))


def _dealt(labels: pd.Series, fold: Fold, rng: np.random.Generator) -> pd.Series:
    """Return the labels with those of the training window in another order, rows without one left so."""
    y = labels.copy()
    train = y.loc[fold.train_start : fold.train_end].dropna()
    y.loc[train.index] = rng.permutation(train.to_numpy())
    return y


def _some(folds: tuple[Fold, ...], n: int) -> list[Fold]:
    """Return at most n folds, evenly apart."""
    return [folds[place] for place in spread(np.arange(len(folds)), n)]
