"""Placebos: with labels or headlines that mean nothing, nothing may be predicted.

labels: dealt out at random inside each training window, the learner fitted, its rank correlation (IC) with the true labels taken over
the test window. A learner of noise still sorts names by *something*, with a sign of its own in each draw: so the error is that of the
mean over draws (Student's t, one-sided, one in a thousand), not that over sessions, which would condemn honest learners.

headlines: texts dealt out to other documents, stamps and names kept. What the signal then knows, it must know without the text: its IC is
compared, session by session, with that of the same learner without the text columns, or with 0 where text is all. Labels overlap and
signals persist, so sessions are no independent witnesses, but means over blocks twice as long as a label nearly are: Student's t of theirs
(Ibragimov & Mueller 2010, Journal of Business & Economic Statistics 28) keeps its size where Newey and West's has few sessions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.audit.cuts import spread
from quantlab.audit.differences import is_news
from quantlab.audit.stages import Stages, Subject, ready_model, relearned
from quantlab.folds import Fold
from quantlab.metrics import information_coefficient
from quantlab.news import News
from quantlab.repro import random_generator
from quantlab.result import BacktestResult, Check, Finding
from quantlab.steps import samples
from quantlab.walkforward import walk_forward

N_FOLDS, N_DRAWS = 4, 3
CHANCE = 0.001  # of a false alarm, one-sided
CHANCE_OF_MORE = 0.0003  # the same for a difference over sessions; in worlds without a signal it was up to 0.0008, as blocks touch
BLOCK, LEAST_BLOCK = 2, 5  # length of a block: so many horizons, and at least so many sessions
LEAST_BLOCKS, MOST_BLOCKS = 5, 30  # fewer prove nothing; more are not needed, and longer ones are better
NOTHING = 1e-9  # an IC that is rounding


def label_placebo(subject: Subject, whole: Stages, *, quick: bool = False) -> Check:
    """Return whether labels that were dealt out at random inside the training windows still teach something."""
    found = []
    folds = _some(whole.folds, 2 if quick else N_FOLDS)
    for number, fold in enumerate(folds):
        for draw in range(N_DRAWS):
            rng = random_generator(subject.settings.seed, f"audit: placebo {number} {draw}")
            y = _dealt(whole.labels, fold, rng)
            signal = relearned(subject, subject.strategy, whole.features, y, [fold], cache=subject.settings.cache).signal
            found.append(float(np.nan_to_num(information_coefficient(signal, whole.labels.reindex(signal.index)).mean())))
    mean, limit = float(np.mean(found)), _by_chance(np.asarray(found), CHANCE)
    detail = f"mean IC {mean:+.4f} over {len(found)} draws of labels, at most {limit:.4f} by chance"
    return _outcome("placebo labels", detail, mean, 0.0, leak=mean > max(limit, NOTHING))


def headline_placebo(subject: Subject, whole: Stages, *, quick: bool = False) -> Check:
    """Return whether headlines that were dealt out to other documents still tell something."""
    table, name = subject.dataset.news.table, "placebo headlines"
    order = random_generator(subject.settings.seed, "audit: headlines").permutation(len(table))
    news = News(table.assign(text=table["text"].to_numpy()[order]))
    X, y = samples(subject.strategy, replace(subject.dataset, news=news), subject.settings.start)
    if not any(is_news(X[column]) for column in X):
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
    detail = f"IC {float(ic.mean()):+.4f} with {of_what}, {float(without.mean()):+.4f} without text"
    blocks = _block_means(more.to_numpy(dtype=float), horizon)
    if len(blocks) < LEAST_BLOCKS:
        least = LEAST_BLOCKS * max(BLOCK * horizon, LEAST_BLOCK)
        return Check(name, "noted", f"{detail}; {len(more)} sessions are too few to tell that from chance ({least} would do)")
    mean, limit = float(blocks.mean()), _by_chance(blocks, CHANCE_OF_MORE)
    detail += f": {mean:+.4f} more over {len(blocks)} blocks of sessions, at most {limit:.4f} by chance"
    return _outcome(name, detail, float(ic.mean()), float(without.mean()), leak=mean > max(limit, NOTHING))


def _by_chance(found: npt.NDArray[np.float64], chance: float) -> float:
    """Return the mean that independent draws around 0 exceed by that chance: Student's t."""
    from scipy.stats import t as student

    return float(student.ppf(1 - chance, len(found) - 1) * np.std(found, ddof=1) / np.sqrt(len(found)))


def _block_means(values: npt.NDArray[np.float64], horizon: int) -> npt.NDArray[np.float64]:
    """Return the means over consecutive blocks of sessions, the first few sessions left out where they do not fill one."""
    length = max(BLOCK * horizon, LEAST_BLOCK, -(-len(values) // MOST_BLOCKS))
    n_blocks = len(values) // length
    return np.asarray(values[len(values) - n_blocks * length :].reshape(n_blocks, length).mean(axis=1))


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
