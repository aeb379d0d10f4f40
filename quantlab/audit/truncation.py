"""Cut and compare: time ends at the cut, or goes on otherwise; all that was known before must be the same.

1. Features (documents in them), labels already known, and folds are made from the other data, up to the cut.
2. The fold at the cut is fitted again from the whole run's rows up to the cut and the other labels; its signal must be the same.
3. Weights are decided again from the whole run's signal up to the cut; orders are made again from its weights up to the cut.
   (A back-test leaves out the fitting of 2 and the orders of 3: what the signal reads is compared, not what is learned of it.)
4. Of each column, the first difference is kept, and its cause looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import pandas as pd

from quantlab.audit import causes
from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference, panels, series, tables
from quantlab.audit.outcome import judged
from quantlab.audit.poison import poisoned
from quantlab.audit.stages import Stages, Subject, fold_at, folds_of, refitted_folds, relearned, traded
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import QuantlabError, UsageError
from quantlab.executor import Progress
from quantlab.folds import Fold
from quantlab.result import Check, Finding, Stage
from quantlab.steps import decided, labels, samples
from quantlab.storage import temporary_folder
from quantlab.strategy import Strategy

LEAST_DECISIONS = 50  # rows of signal that were compared, over all cuts: fewer prove nothing
FAILED = "error"
USERS_ERRORS = (QuantlabError, ArithmeticError, LookupError, TypeError, ValueError)  # what a user's function may run into
POISON_TAIL = 2  # poisoned bars that the portfolio still trades in


@dataclass(frozen=True)
class Seen:
    """What one cut showed: its differences, and how many rows of signal were compared; failed: why nothing could be."""

    cut: Cut
    differences: tuple[Difference, ...]
    n_decisions: int
    failed: str = ""


def truncation_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether anything changes when the data ends at each cut."""
    seen = [truncated(subject, whole, cut) for cut in progress(cuts, "truncation", len(cuts))]
    return _outcome("truncation", subject, whole, seen)


def poison_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether anything changes before each cut when all that follows it is replaced."""
    seen = [_survived(subject, whole, cut) for cut in progress(cuts, "poison", len(cuts))]
    return _outcome("poison", subject, whole, seen)


def _survived(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what another future changes; one in which the strategy cannot run at all proves nothing, and is no leak."""
    try:
        return other_future(subject, whole, cut)
    except USERS_ERRORS as error:
        return Seen(cut, (), 0, f"{type(error).__name__}: {error}")


def truncated(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what changes when the data ends at the cut."""
    strategy = subject.fresh() if cut.cold else subject.strategy
    known = subject.dataset.until(cut.time)
    try:
        X, _ = samples(strategy, known, subject.settings.start)
        y = labels(strategy, known.bars)
    except USERS_ERRORS as error:
        return Seen(cut, (_failed("features", "a panel", error, cut.time),), 0)
    found = [*_before(subject, whole, X, y, cut.time), *_folds(subject, whole, X, cut.time)]
    decisions = whole.signals.signal.loc[: cut.time]
    try:
        weights = decided(strategy, decisions, known.bars).loc[whole.first_decision :]
        found += tables("weights", "", whole.weights.loc[: cut.time], weights)
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
    return Difference(stage, FAILED, cut, "", value, f"{type(error).__name__}: {error}")


def other_future(subject: Subject, whole: Stages, cut: Cut) -> Seen:
    """Return what changes before the cut when all that follows it is replaced."""
    strategy, other = subject.strategy, poisoned(subject.dataset, cut.time, seed=subject.settings.seed)
    X, _ = samples(strategy, other, subject.settings.start)
    y = labels(strategy, other.bars)
    found = list(_before(subject, whole, X.loc[: cut.time], y, cut.time))
    signals = whole.signals.signal
    late = signals.index.get_level_values(0) > cut.time
    weights = decided(strategy, signals.mask(late, signals.max()), other.bars)  # a value that rules of a few fixed values know, too
    found += tables("weights", "", whole.weights.loc[: cut.time], weights.loc[whole.first_decision : cut.time])
    if not subject.refits:
        return Seen(cut, tuple(found), int((~late).sum()))
    later = X.loc[cut.time + pd.Timedelta(1, "us") : _test_end(whole, cut.time)]
    X_mixed = pd.concat([whole.features.loc[: cut.time], later[[name for name in whole.features if name in later]]])
    signal, again = _again(subject, strategy, whole, X_mixed, y.reindex(X_mixed.index), cut)
    found += series("signal", "", signal, again)
    last = subject.times[min(subject.place(cut.time) + POISON_TAIL, len(subject.times) - 1)]
    found += _orders(subject, whole, other, cut.time, min(last, whole.weights.index[-1]))
    return Seen(cut, tuple(found), len(signal))


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


def _outcome(name: str, subject: Subject, whole: Stages, seen: Sequence[Seen]) -> Check:
    """Return the first finding of each stage and column, or why there could not be one."""
    n_decisions = sum(one.n_decisions for one in seen)
    findings = tuple(_findings(name, subject, whole, seen))
    cold = f" ({sum(one.cut.cold for one in seen)} with a cold cache)" if subject.refits else ""
    compared = f"{len(seen)} cuts{cold}, {n_decisions} decisions compared"
    failed = [one.failed for one in seen if one.failed]
    compared += f", {len(failed)} of them failed ({failed[0]})" if failed else ""
    blind = _blind(whole, n_decisions)
    if blind and not findings:
        return Check(name, "blind", f"{compared}: {blind}")
    return judged(name, compared, findings)


def _blind(whole: Stages, n_decisions: int) -> str:
    """Return why nothing is proven, or an empty string."""
    if n_decisions < LEAST_DECISIONS:
        return f"too few decisions before the cuts (at least {LEAST_DECISIONS}): use more data or a shorter training window"
    if whole.signals.signal.nunique() < 2:
        return "the signal never varies: a leak would not show in it"
    if not len(whole.portfolio.orders):
        return "nothing was ever traded: there are no orders to compare"
    return ""


def _findings(name: str, subject: Subject, whole: Stages, seen: Iterable[Seen]) -> Iterator[Finding]:
    first: dict[tuple[str, str], tuple[Difference, Cut]] = {}
    signal_by_cold: dict[bool, int] = {}
    for one in seen:
        for difference in one.differences:
            first.setdefault((difference.stage, difference.column), (difference, one.cut))
            if difference.stage == "signal":
                signal_by_cold[one.cut.cold] = signal_by_cold.get(one.cut.cold, 0) + 1
    for difference, cut in first.values():
        label = first.get(("labels", ""))
        if difference.stage == "signal" and label is not None:
            cause = causes.of_labels(label[0], subject, label[1].time)  # what was learned from them follows
        else:
            cause = _sought(difference, subject, whole, cut, signal_by_cold)
        shown = str(cut) if name == "truncation" else f"all replaced after {cut.time.date()}, {cut.reason}"
        yield Finding(
            difference.stage, difference.column, difference.time, difference.symbol, difference.value, difference.other,
            difference.n_rows, shown, cause,
        )  # fmt: skip


def _sought(difference: Difference, subject: Subject, whole: Stages, cut: Cut, signal_by_cold: Mapping[bool, int]) -> str:
    """Return the likely cause of a difference, as far as the strategy bears the experiments that tell it."""
    try:
        return _cause(difference, subject, whole, cut, signal_by_cold)
    except USERS_ERRORS as error:
        return f"it depends on later data; what else cannot be told, as the strategy fails in another future ({error})"


def _cause(difference: Difference, subject: Subject, whole: Stages, cut: Cut, signal_by_cold: Mapping[bool, int]) -> str:
    """Return the likely cause of a difference."""
    if difference.column == FAILED:
        return (
            f"{difference.stage} cannot be made from data that ends here: they ask for what comes later (a date, a length),"
            " which nobody had then"
        )
    if difference.stage == "documents":
        return causes.of_documents(difference, subject)
    if difference.stage == "features":
        return causes.of_feature(difference, subject, whole, cut.time)
    if difference.stage == "labels":
        return causes.of_labels(difference, subject, cut.time)
    if difference.stage == "signal":
        return causes.of_signal(subject, whole, cut.time, warm_agrees=bool(signal_by_cold.get(True)) and not signal_by_cold.get(False))
    if difference.stage == "weights":
        return causes.of_weights(subject, whole, cut.time)
    if difference.stage == "folds":
        return "the folds are laid with the length of the data in mind: bounds of a fold must not depend on later bars"
    return "the orders depend on later bars or weights: the engine fills before it decides"
