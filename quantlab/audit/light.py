"""The light audit of every back-test: what can be tried without fitting a model again.

1. The data is cut at a few bars, and replaced after some: documents, features, settled labels, folds and weights must stay. Each time the
   strategy's file is read anew (where the run was started from one), so that what it keeps between calls cannot hide what it knows.
2. Canaries are planted around a few closes; weights are flipped, the orders replayed by the ledger and held against the decisions.
3. What learned, the run's own placebo, and how much history the features need, are read off the run.

The numbers of cuts are fixed, whatever a strategy costs: two runs must say the same. All checks are those of the full audit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from quantlab.audit.canary import canary_check
from quantlab.audit.cuts import adversarial_cuts, some
from quantlab.audit.execution import execution_outcome, label_outcome
from quantlab.audit.history import warm_up
from quantlab.audit.placebo import feature_placebo
from quantlab.audit.stages import Stages, Subject
from quantlab.audit.truncation import poison_check, truncation_check
from quantlab.result import BacktestResult, Check
from quantlab.steps import Settings, samples
from quantlab.strategy import Strategy

N_TRUNCATION, N_POISON, N_CANARY, N_FLIP = 4, 2, 2, 2
NOT_TRIED: Final = Check(
    "models fitted again",
    "not tried",
    "a back-test fits no model twice: whether a learner looks ahead, keeps what it should forget, or learns from labels dealt out at"
    " random, is tried by `quantlab audit FILE`, at many more bars",
)


def light_audit(strategy: Strategy, result: BacktestResult, settings: Settings) -> tuple[Check, ...]:
    """Return what each check saw of a finished run; it never raises for a leak."""
    dataset = result.dataset
    subject = Subject(strategy=strategy, dataset=dataset, settings=settings, fresh=settings.fresh or (lambda: strategy), refits=False)
    X, y = samples(strategy, dataset, settings.start)
    whole = Stages(X, y, result.predicted, result.weights, result.portfolio)
    every = adversarial_cuts(whole.folds, dataset.bars, subject.horizon, calendar=dataset.calendar, seed=settings.seed, quick=True)
    cuts = [replace(cut, cold=True) for cut in some([cut for cut in every if not cut.cold], N_TRUNCATION)]
    return (
        truncation_check(subject, whole, cuts, settings.progress),
        poison_check(subject, whole, some(cuts, N_POISON), settings.progress),
        canary_check(replace(subject, strategy=subject.fresh()), whole, some(cuts, N_CANARY), settings.progress),
        execution_outcome(subject, whole, some(cuts, N_FLIP)),
        label_outcome(subject, whole),
        warm_up(subject, whole),
        feature_placebo(result),
        NOT_TRIED,
    )
