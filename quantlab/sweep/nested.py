"""Nested selection: what choosing a variant by its past would have earned.

1. At the first session of each test window of the strategy's own folds, the variant is chosen that had the highest Sharpe ratio over the
   common sessions *before* that one; of a tie, the first; one that never traded counts as 0.
2. In the first window nothing is known yet: it holds the strategy as it stands in its file.
3. The chosen variant's weights are held through the window. The windows are put end to end and traded once, so that changing from one
   variant to another is paid for, and trades at the open after the choice, as everything else does.
4. Costs, cash and fill are assumptions about the world and not choices: they are the strategy's own, whatever a variant assumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from quantlab import metrics
from quantlab.folds import Fold
from quantlab.portfolio import simulate
from quantlab.sweep.bench import Bench, Outcome
from quantlab.sweep.result import Chosen


def windows(folds: Sequence[Fold], sessions: pd.DatetimeIndex) -> list[pd.Timestamp]:
    """Return the first session of each window over `sessions`: their first one, and each test start after it."""
    starts = [fold.test_start for fold in folds if sessions[0] < fold.test_start <= sessions[-1]]
    return [sessions[0], *starts]


def chosen(returns: pd.DataFrame, starts: Sequence[pd.Timestamp], own: int, *, periods: float, first: int = 0) -> tuple[Chosen, ...]:
    """Return the choice of each window from the `first` on; columns of `returns` (n_sessions, n_variants) are the variants' places."""
    times = pd.DatetimeIndex(returns.index)
    choices = []
    for position in range(first, len(starts)):
        start = starts[position]
        past = returns[times < start]
        last = times[times < starts[position + 1]][-1] if position + 1 < len(starts) else times[-1]
        ratios = past.apply(metrics.sharpe, periods=periods).fillna(0.0) if len(past) > 1 else pd.Series({own: math.nan})
        best = int(ratios.to_numpy().argmax()) if len(past) > 1 else 0  # of a tie, the first
        choices.append(Chosen(start, last, int(ratios.index[best]), float(ratios.iloc[best]), len(past)))
    return tuple(choices)


def held(bench: Bench, variants: Mapping[int, Outcome], choices: Sequence[Chosen], own: Outcome) -> pd.Series:
    """Return the returns of holding the chosen variants one after the other, net of costs, (n_sessions,), from the first choice on.

    Until then the strategy as it stands is held: the others, too, come into the claim with what they held before.
    """
    weights = bench.weights(own.strategy)
    for choice in choices:
        weights.loc[choice.start : choice.end] = bench.weights(variants[choice.variant].strategy).loc[choice.start : choice.end]
    span = bench.bars.between(own.returns.index[0], choices[-1].end)
    strategy, limit = own.strategy, max(outcome.strategy.max_gross for outcome in (own, *variants.values()))
    portfolio = simulate(weights.loc[span.times], span, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=limit)
    return portfolio.returns.loc[choices[0].start :].rename("nested")
