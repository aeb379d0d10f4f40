"""Cut and compare: time ends at the cut, or goes on otherwise; all that was known before must be the same.

1. Features (documents in them), labels already known, and folds are made from the other data, up to the cut.
2. The fold at the cut is fitted again from the whole run's rows up to the cut and the other labels; its signal must be the same.
3. Weights are decided again from the whole run's signal up to the cut; orders are made again from its weights up to the cut.
   (A back-test leaves out the fitting of 2 and the orders of 3: what the signal reads is compared, not what is learned of it.)
4. Of each column, the first difference is kept, and its cause looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import zip_longest

import pandas as pd

from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference, panels, series, tables
from quantlab.audit.outcome import told
from quantlab.audit.poison import other_signal, poisoned
from quantlab.audit.seen import FAILED, USERS_ERRORS, Seen, broke, outcome
from quantlab.audit.stages import Stages, Subject, fold_at, folds_of, refitted_folds, relearned, traded
from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import StorageError, UsageError
from quantlab.executor import Progress
from quantlab.folds import Fold
from quantlab.result import Check, Stage
from quantlab.steps import decided, labels, samples
from quantlab.storage import temporary_folder
from quantlab.strategy import Strategy

NEXT = pd.Timedelta(1, "us")  # stamps are no finer
POISON_TAIL = 2  # poisoned bars that the portfolio still trades in


def truncation_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether anything changes when the data ends at each cut."""
    seen = [truncated(subject, whole, cut) for cut in progress(cuts, "truncation", len(cuts))]
    return outcome("truncation", subject, whole, _doubted(subject, seen))


def poison_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether anything changes before each cut when all that follows it is replaced."""
    seen = [_survived(subject, whole, cut) for cut in progress(cuts, "poison", len(cuts))]
    return outcome("poison", subject, whole, seen)


def _survived(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what another future changes; one in which the strategy cannot run at all proves nothing, and is no leak."""
    try:
        return other_future(subject, whole, cut)
    except StorageError:
        raise
    except USERS_ERRORS as error:
        return Seen(cut, (), 0, told(error))


def _doubted(subject: Subject, seen: list[Seen]) -> list[Seen]:
    """Return what was seen, errors as failures: that nothing can be made proves a leak only if it is so at every cut.

    Nor then, if it can be made without the names that have no bar yet: a cut to before their first bar leaves a column without a value.
    """
    broken = [one for one in seen if any(broke(difference) for difference in one.differences)]
    if not broken or (len(broken) == len(seen) and not any(_runs_without_the_unlisted(subject, one.cut) for one in broken)):
        return seen
    return [
        replace(
            one,
            differences=tuple(difference for difference in one.differences if not broke(difference)),
            failed=next((difference.other for difference in one.differences if broke(difference)), ""),
        )
        for one in seen
    ]


def _runs_without_the_unlisted(subject: Subject, cut: Cut) -> bool:
    """Return True if features and labels can be made at a cut of the names that have a bar by then."""
    known = subject.dataset.until(cut.time)
    begun = known.bars.listed.any().to_numpy()
    bars = Bars(**{field.name: getattr(known.bars, field.name).loc[:, begun] for field in fields(known.bars)})
    try:
        samples(subject.fresh(), replace(known, bars=bars), subject.settings.start)
    except StorageError:
        raise
    except USERS_ERRORS:
        return False
    return not begun.all()


def truncated(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what changes when the data ends at the cut."""
    strategy = subject.fresh() if cut.cold else subject.strategy
    known = subject.dataset.until(cut.time)
    try:
        X, _ = samples(strategy, known, subject.settings.start)
        y = labels(strategy, known.bars)
    except StorageError:
        raise
    except USERS_ERRORS as error:
        return Seen(cut, (_failed("features", "a panel", error, cut.time),), 0)
    found = [*_before(subject, whole, X, y, cut.time), *_folds(subject, whole, X, cut.time)]
    decisions = whole.signals.signal.loc[: cut.time]
    try:
        weights = decided(strategy, decisions, known.bars).loc[whole.first_decision :]
        found += tables("weights", "", whole.weights.loc[: cut.time], weights)
    except StorageError:
        raise
    except USERS_ERRORS as error:
        found.append(_failed("weights", "weights", error, cut.time))
    if not subject.refits:
        return Seen(cut, tuple(found), len(decisions))
    X_known = whole.features.loc[: cut.time]
    signal, again = _again(subject, strategy, whole, X_known, y.reindex(X_known.index), cut)
    found += series("signal", "", signal, again)
    if cut.cold:  # orders depend on weights and bars alone, which are compared at every cut: a few of them are enough
        found += _orders(subject, whole, known, cut.time, cut.time)
    return Seen(cut, tuple(found), len(signal))


def _failed(stage: Stage, value: str, error: Exception, cut: pd.Timestamp) -> Difference:
    """Return that a stage cannot be made from data that ends at the cut."""
    return Difference(stage, FAILED, cut, "", value, told(error))


def other_future(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what changes before the cut when all that follows it is replaced, for a strategy that remembers nothing."""
    strategy, other = subject.fresh(), poisoned(subject.dataset, cut.time, seed=subject.settings.seed)
    X, _ = samples(strategy, other, subject.settings.start)
    y = labels(strategy, other.bars)
    found = list(_before(subject, whole, X.loc[: cut.time], y, cut.time))
    signals = whole.signals.signal
    late = signals.index.get_level_values(0) > cut.time
    weights = decided(strategy, other_signal(signals, cut.time, seed=subject.settings.seed), other.bars)
    found += tables("weights", "", whole.weights.loc[: cut.time], weights.loc[whole.first_decision : cut.time])
    heard = any(change.pair is not None for change in panels(whole.features.loc[cut.time + NEXT :], X.loc[cut.time + NEXT :]))
    if not subject.refits:
        return Seen(cut, tuple(found), int((~late).sum()), heard=heard)
    later = X.loc[cut.time + NEXT : _test_end(whole, cut.time)]
    X_mixed = pd.concat([whole.features.loc[: cut.time], later[[name for name in whole.features if name in later]]])
    signal, again = _again(subject, strategy, whole, X_mixed, y.reindex(X_mixed.index), cut)
    found += series("signal", "", signal, again)
    last = subject.times[min(subject.place(cut.time) + POISON_TAIL, len(subject.times) - 1)]
    found += _orders(subject, whole, other, cut.time, min(last, whole.weights.index[-1]))
    return Seen(cut, tuple(found), len(signal), heard=heard)


def _before(subject: Subject, whole: Stages, X: pd.DataFrame, y: pd.Series, cut: pd.Timestamp) -> Iterator[Difference]:
    """Yield how documents, features, and the labels that are settled at the cut differ."""
    yield from panels(whole.features.loc[:cut], X)
    settled = subject.place(cut) - (1 + subject.horizon)
    if settled >= 0:
        labels = whole.labels.loc[: subject.times[settled]]
        yield from series("labels", "", labels, y.reindex(labels.index))


def _folds(subject: Subject, whole: Stages, X: pd.DataFrame, cut: pd.Timestamp) -> Iterator[Difference]:
    """Yield the first fold that is laid otherwise when the data ends at the cut."""
    known = [fold for fold in whole.folds if fold.test_start <= cut]
    try:
        again = [fold for fold in folds_of(subject, X) if fold.test_start <= cut]
    except UsageError:  # no fold fits any more, though one had begun
        again = []
    for one, two in zip_longest(known, again):
        if _laid(one) != _laid(two):
            yield Difference("folds", "", (one or two).test_start, "", _laid(one), _laid(two))
            return


def _laid(fold: Fold | None) -> str:
    """Return where a fold begins to learn, stops, and begins to be tested."""
    return "no fold" if fold is None else f"{fold.train_start.date()} to {fold.train_end.date()}, tested from {fold.test_start.date()}"


def _again(subject: Subject, strategy: Strategy, whole: Stages, X: pd.DataFrame, y: pd.Series, cut: Cut) -> tuple[pd.Series, pd.Series]:
    """Return the whole run's signal up to the cut, and that of the folds that are fitted again."""
    folds = refitted_folds(subject, whole, cut.time)
    if cut.whole_prefix:
        folds = [*(fold for fold in whole.folds if fold.test_start < folds[-1].test_start), folds[-1]]
    if X.index[-1][0] > cut.time:  # another future, not none: the test window goes on
        folds[-1] = replace(folds[-1], test_end=_test_end(whole, cut.time))
    if cut.cold:
        with temporary_folder() as empty:
            signal = relearned(subject, strategy, X, y, folds, cache=Cache(empty)).signal
    else:
        signal = relearned(subject, strategy, X, y, folds, cache=subject.settings.cache).signal
    first = folds[0].test_start if cut.whole_prefix else folds[-1].test_start
    expected = whole.signals.signal.loc[first : cut.time]
    return expected, signal.reindex(expected.index)


def _orders(subject: Subject, whole: Stages, other: Dataset, cut: pd.Timestamp, last: pd.Timestamp) -> Iterator[Difference]:
    """Yield how the orders up to the cut differ on other bars that go on to `last`."""
    bars = other.bars.between(whole.first_decision, last)
    portfolio = traded(subject, whole.weights.loc[:last], bars)
    names = ["time", "symbol", "side", "size", "price", "fee"]
    one, two = (
        orders[orders["time"] <= cut].set_index(["time", "symbol"])[names[2:]] for orders in (whole.portfolio.orders, portfolio.orders)
    )
    if not one.index.equals(two.index):
        extra = one.index.symmetric_difference(two.index)[0]
        held = ("there", "missing") if extra in one.index else ("missing", "there")
        yield Difference("orders", "order", extra[0], str(extra[1]), *held)
        return
    for name in one:
        yield from series("orders", str(name), one[name], two[name])


def _test_end(whole: Stages, cut: pd.Timestamp) -> pd.Timestamp:
    fold = fold_at(whole, cut)
    return next(known.test_end for known in whole.folds if known.test_start == fold.test_start)
