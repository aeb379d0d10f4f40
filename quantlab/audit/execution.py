"""Execution, and what was learned from: nothing is filled before it is decided, no label ends after the decision that it taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from quantlab.audit.cuts import Cut
from quantlab.audit.differences import series
from quantlab.audit.ledger import execution_check, ledger_check
from quantlab.audit.outcome import judged
from quantlab.audit.stages import Stages, Subject, traded
from quantlab.errors import QuantlabError
from quantlab.result import Check, Finding

FLIPPED = -0.5  # of the weights: another side, and never more gross than was allowed


def execution_outcome(subject: Subject, whole: Stages, cuts: Sequence[Cut]) -> Check:
    """Return whether later weights leave earlier returns alone, and whether ledger and fills agree with the decisions."""
    bars = subject.dataset.bars.between(whole.weights.index[0], whole.weights.index[-1])
    findings: list[Finding] = []
    n_flips = 0
    for time in dict.fromkeys(cut.time for cut in cuts):
        weights = whole.weights.where(pd.Series(whole.weights.index < time, whole.weights.index), FLIPPED * whole.weights)
        try:
            flipped = traded(subject, weights, bars)
        except QuantlabError:  # the other side may lose all there is
            continue
        n_flips += 1
        name = pd.MultiIndex.from_product([bars.times, ["portfolio"]])
        returns = [pd.Series(portfolio.returns.to_numpy(), index=name).loc[:time] for portfolio in (whole.portfolio, flipped)]
        said = f"weights flipped from {time.date()} on"
        findings += [_finding(one.time, one.value, one.other, said) for one in series("orders", "returns", *returns)]
    strategy, portfolio = subject.strategy, whole.portfolio
    checks = [
        ledger_check(portfolio, portfolio.orders, bars),
        execution_check(portfolio, whole.weights, bars, strategy.costs, strategy.fill),
    ]
    findings += [_finding(None, check.detail, "", f"the {check.name} check") for check in checks if not check.passed]
    said = "; ".join(check.detail for check in checks)
    detail = f"weights flipped at {n_flips} bars leave the returns up to there as they were; {said}"
    if not n_flips and not findings:
        return Check("execution", "blind", f"no weights could be flipped: no bar to do it at, or all there is would be lost; {said}")
    return judged("execution", detail if not findings else f"{len(findings)} of the comparisons failed", tuple(findings[:3]))


def _finding(time: pd.Timestamp | None, value: str, other: str, cut: str) -> Finding:
    cause = "orders are filled in the bar in which they are decided (same-bar fill): what is decided at t may trade from t+1 on"
    return Finding("orders", "returns" if time is not None else "holdings", time, "", value, other, 1, cut, cause)


def label_outcome(subject: Subject, whole: Stages) -> Check:
    """Return whether, fold by fold, all that was learned from ended before the first decision of the test window."""
    findings = tuple(_overlaps(subject, whole))
    n_folds, n_parts = len(whole.folds), sum(len(fit.fit_end) for fit in whole.signals.fits)
    seen = f"{n_folds} folds, {n_parts} learned parts"
    held = "every training label ended before the first decision that uses it"
    return judged("label overlap", f"{seen}: {len(findings)} overlap" if findings else f"{seen}: {held}", findings[:3])


def _overlaps(subject: Subject, whole: Stages) -> Iterator[Finding]:
    """Yield each fold and part whose last training label ends after the first test decision."""
    times = subject.times
    for fit in whole.signals.fits:
        first = subject.place(fit.fold.test_start)
        for part, end in sorted(fit.fit_end.items()):
            label_end = subject.place(end) + 1 + subject.horizon  # the open of this bar is the last price in the label
            if label_end > first:
                ends = times[min(label_end, len(times) - 1)].date()
                yield Finding(
                    "folds", part, fit.fold.test_start, "", f"learned from the label of {end.date()}, which ends {ends}",
                    f"the first decision is of {fit.fold.test_start.date()}", 1, "no cut",
                    f"training labels overlap the test window by {label_end - first} bars: purge horizon + 1 bars, as WalkForward does",
                )  # fmt: skip
