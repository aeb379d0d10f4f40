"""The full audit: does a strategy, on this data, know anything before its time? It tries to prove that it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from quantlab.audit.canary import canary_check
from quantlab.audit.cuts import adversarial_cuts, some
from quantlab.audit.execution import execution_outcome, label_outcome
from quantlab.audit.history import warm_up
from quantlab.audit.outcome import AuditReport
from quantlab.audit.placebo import headline_placebo, label_placebo
from quantlab.audit.stages import Engine, Subject, whole_run
from quantlab.audit.truncation import poison_check, truncation_check
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.portfolio import simulate
from quantlab.steps import Settings
from quantlab.storage import temporary_folder
from quantlab.strategy import Strategy

FULL, QUICK = (8, 8, 5), (4, 2, 2)  # bars at which the future is poisoned, canaries sing, weights are flipped


def audit(
    strategy: Strategy,
    dataset: Dataset,
    settings: Settings | None = None,
    *,
    quick: bool = False,
    fresh: Callable[[], Strategy] | None = None,
    engine: Engine = simulate,
) -> AuditReport:
    """Return what each check of the audit saw; it never raises for a leak.

    quick: fewer cuts and draws. fresh: reads the strategy's file anew, for checks with a cold cache; without it, what the strategy's
    module remembers stays warm. engine: what makes a portfolio of weights. Raises as `run` does.
    """
    settings = settings or Settings()
    dataset = dataset if settings.end is None else dataset.until(settings.end)
    with temporary_folder() as folder:
        cache = settings.cache or Cache(folder)
        subject = Subject(
            strategy=strategy,
            dataset=dataset,
            settings=replace(settings, cache=cache),
            fresh=fresh or settings.fresh or (lambda: strategy),
            engine=engine,
        )
        return _audited(subject, quick)


def _audited(subject: Subject, quick: bool) -> AuditReport:
    """Make all checks of a subject, the cheap ones last: a leak found early is a leak found."""
    whole, progress = whole_run(subject), subject.settings.progress
    dataset = subject.dataset
    cuts = adversarial_cuts(whole.folds, dataset.bars, subject.horizon, calendar=dataset.calendar, seed=subject.settings.seed, quick=quick)
    warm = [cut for cut in cuts if not cut.cold]
    n_poison, n_canary, n_flip = QUICK if quick else FULL
    checks = (
        truncation_check(subject, whole, cuts, progress),
        poison_check(subject, whole, some(warm, n_poison), progress),
        canary_check(subject, whole, some(warm, n_canary), progress),
        execution_outcome(subject, whole, some(warm, n_flip)),
        label_outcome(subject, whole),
        warm_up(subject, whole),
        label_placebo(subject, whole, quick=quick),
        headline_placebo(subject, whole, quick=quick),
    )
    named = tuple((cut.time.isoformat(), str(cut)) for cut in cuts)
    return AuditReport(subject.strategy.name, dataset.name, checks, named)
