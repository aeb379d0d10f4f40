"""The light audit of every run: what can be proven without a second one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import pandas as pd

from quantlab.audit.ledger import execution_check, ledger_check, read_orders
from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.result import BacktestResult, Check, FoldFit


def light_audit(result: BacktestResult, costs: Costs, fill: Literal["open", "close"]) -> tuple[Check, ...]:
    """Return the ledger's check, that of the execution and that of the labels."""
    orders = read_orders(io.StringIO(result.portfolio.orders.to_csv(index=False)))
    bars = result.dataset.bars
    span = bars.between(result.weights.index[0], result.weights.index[-1])
    return (
        ledger_check(result.portfolio, orders, span),
        execution_check(result.portfolio, result.weights, span, costs, fill),
        label_check(result.predicted.fits, bars, result.horizon),
    )


def label_check(fits: Sequence[FoldFit], bars: Bars, horizon: int) -> Check:
    """Prove for each fold that its last training label ended before its first decision."""
    folds = [fit.fold for fit in fits]
    last_learned = pd.DatetimeIndex([max(fit.fit_end.values()) for fit in fits])
    first_test = bars.times.get_indexer(pd.DatetimeIndex([fold.test_start for fold in folds]))
    label_end = bars.times.get_indexer(last_learned) + 1 + horizon  # the label of t ends at the open of t + 1 + horizon
    overlaps = [fold.test_start.date().isoformat() for fold, late in zip(folds, label_end > first_test, strict=True) if late]
    detail = f"in {len(folds) - len(overlaps)} of {len(folds)} folds the last training label ended before the first decision"
    return Check("label_overlap", not overlaps, detail + (f"; not in {', '.join(overlaps)}" if overlaps else ""))
