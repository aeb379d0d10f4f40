"""What the cuts showed, judged: a finding for the first difference of each stage and column, or why there could not have been one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quantlab.audit import causes
from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference
from quantlab.audit.outcome import judged, told
from quantlab.audit.stages import Stages, Subject
from quantlab.errors import QuantlabError, StorageError
from quantlab.result import Check, Finding

LEAST_DECISIONS = 50  # rows of signal that were compared, over all cuts: fewer prove nothing
FAILED = "error"
USERS_ERRORS = (QuantlabError, ArithmeticError, LookupError, TypeError, ValueError)  # what a user's function may run into


@dataclass(frozen=True)
class Seen:
    """What one cut showed: its differences, and how many rows of signal were compared.

    failed: why nothing could be. heard: a feature changed after the cut, as all of them do that read what was replaced there.
    """

    cut: Cut
    differences: tuple[Difference, ...]
    n_decisions: int
    failed: str = ""
    heard: bool = True


def broke(difference: Difference) -> bool:
    """Return True if a stage could not be made; a feature of that name has a pair of columns."""
    return difference.column == FAILED and difference.pair is None


def outcome(name: str, subject: Subject, whole: Stages, seen: Sequence[Seen]) -> Check:
    """Return the first finding of each stage and column, or why there could not be one."""
    n_decisions = sum(one.n_decisions for one in seen)
    findings = tuple(_findings(name, subject, whole, seen))
    cold = f" ({sum(one.cut.cold for one in seen)} with a cold cache)" if subject.refits else ""
    compared = f"{len(seen)} cuts{cold}, {n_decisions} decisions compared"
    failed = [one.failed for one in seen if one.failed]
    compared += f", {len(failed)} of them failed ({failed[0]})" if failed else ""
    blind = _blind(name, whole, seen)
    if blind and not findings:
        return Check(name, "blind", f"{compared}: {blind}")
    return judged(name, compared, findings)


def _blind(name: str, whole: Stages, seen: Sequence[Seen]) -> str:
    """Return why nothing is proven, or an empty string."""
    failed, n_decisions = [one for one in seen if one.failed], sum(one.n_decisions for one in seen)
    if failed and name == "truncation":
        return "the strategy cannot run on less data: let it bear names and bars that are not there yet"
    if failed and len(failed) == len(seen):
        return "the strategy cannot run in another future: let it bear other prices, volumes, listings and texts"
    if n_decisions < LEAST_DECISIONS:
        return f"too few decisions before the cuts (at least {LEAST_DECISIONS}): use more data or a shorter training window"
    if whole.signals.signal.nunique() < 2:
        return "the signal never varies: a leak would not show in it"
    if not len(whole.portfolio.orders):
        return "nothing was ever traded: there are no orders to compare"
    if seen and not any(one.heard for one in seen if not one.failed):
        return (
            "no feature follows the data: none changed after the cuts either, though everything there was replaced;"
            " if features are kept between calls (a dict, lru_cache), keep them by the bars and news that they are made of"
        )
    return ""


def _findings(name: str, subject: Subject, whole: Stages, seen: Iterable[Seen]) -> Iterator[Finding]:
    experiments = causes.Experiments(subject, whole)
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
            cause = _sought(difference, experiments, cut, signal_by_cold)
        shown = str(cut) if name == "truncation" else f"all replaced after {cut.time.date()}, {cut.reason}"
        yield Finding(
            difference.stage, difference.column, difference.time, difference.symbol, difference.value, difference.other,
            difference.n_rows, shown, cause,
        )  # fmt: skip


def _sought(difference: Difference, experiments: causes.Experiments, cut: Cut, signal_by_cold: Mapping[bool, int]) -> str:
    """Return the likely cause of a difference, as far as the strategy bears the experiments that tell it."""
    try:
        return _cause(difference, experiments, cut, signal_by_cold)
    except StorageError:
        raise
    except USERS_ERRORS as error:
        return f"it depends on later data; what else cannot be told, as the strategy fails in another future ({told(error)})"


def _cause(difference: Difference, experiments: causes.Experiments, cut: Cut, signal_by_cold: Mapping[bool, int]) -> str:
    """Return the likely cause of a difference."""
    subject, whole = experiments.subject, experiments.whole
    if broke(difference):
        return (
            f"{difference.stage} cannot be made from data that ends here: they ask for what comes later (a date, a length),"
            " which nobody had then"
        )
    if difference.stage == "documents":
        return causes.of_documents(difference, subject)
    if difference.stage == "features":
        return causes.of_feature(difference, experiments, cut.time)
    if difference.stage == "labels":
        return causes.of_labels(difference, subject, cut.time)
    if difference.stage == "signal":
        return causes.of_signal(subject, whole, cut.time, warm_agrees=bool(signal_by_cold.get(True)) and not signal_by_cold.get(False))
    if difference.stage == "weights":
        return causes.of_weights(difference, subject, whole, cut.time)
    if difference.stage == "folds":
        return "the folds are laid with the length of the data in mind: bounds of a fold must not depend on later bars"
    return "the orders depend on later bars or weights: the engine fills before it decides"
