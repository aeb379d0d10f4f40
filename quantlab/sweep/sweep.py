"""sweep(): every variant tried and counted, and what choosing among them is worth.

1. The strategy as it stands, then every combination (or what a search proposes), each walked forward and traded; one that fails is
   reported with its error.
2. Every variant that worked is entered in the trial ledger as soon as it is known. Variants that decide alike are one trial.
3. All are compared on the sessions that all of them have.
4. The claim is the nested selection (`nested`): what choosing by the past would have earned. A search has looked at the first half of
   the test windows to propose what it proposed, so after one the claim is about the second half alone.
5. The best in hindsight stands beside it, deflated for the number of trials, with the probability that it was overfitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from quantlab import metrics, significance
from quantlab.cache import key
from quantlab.dataset import Dataset
from quantlab.errors import UsageError
from quantlab.repro import code_hash, described, versions
from quantlab.result import Json
from quantlab.run import Settings
from quantlab.strategy import Strategy
from quantlab.sweep.attempts import Attempt, every_combination, proposals
from quantlab.sweep.bench import Bench, Outcome
from quantlab.sweep.grid import Choices, Range, of_python
from quantlab.sweep.nested import chosen, held, windows
from quantlab.sweep.result import Nested, SweepResult, Tried

MOST_BLOCKS = 16  # of the splits behind the probability of overfitting
LEAST_BLOCK = 4  # sessions in a block


def sweep(
    strategy: Strategy,
    dataset: Dataset,
    choices: Choices,
    settings: Settings | None = None,
    *,
    n_search: int | None = None,
    ledger: Path | None = None,
) -> SweepResult:
    """Return what each variant of a strategy earned, and what choosing among them by the past would have earned.

    choices: values, or for a search a `Range`, by dotted name, as `--set` takes them; a setting with one value is the same for all.
    n_search: try as many proposals of a search in place of every combination. ledger: folder of the strategy's runs, whose trial
    ledger counts every variant; None counts nowhere. `settings.audit` and `settings.ablation` are not used.
    Raises UsageError if a setting does not exist, or no variant works.
    """
    bench, choices = Bench(dataset, settings or Settings()), of_python(choices)
    unseen = None
    if n_search is None:
        attempts = every_combination(strategy, choices, bench, ledger)
    else:
        attempts, unseen = proposals(strategy, choices, bench, ledger, n=n_search)
    worked = {place: attempt.outcome for place, attempt in enumerate(attempts) if attempt.outcome is not None}
    if not worked:
        raise UsageError(f"none of the {len(attempts)} variants works; the first: {attempts[0].error}")
    returns = _common(worked)
    own = next((place for place, attempt in enumerate(attempts) if attempt.own and place in worked), min(worked))
    nested = _nested(bench, worked, returns, own, unseen)
    claimed = returns.loc[nested.returns.index]
    distinct = claimed[_distinct(worked)]
    hindsight, deflated = _best(distinct)
    stated: dict[str, Json] = {name: str(values) if isinstance(values, Range) else described(values) for name, values in choices.items()}
    variants = tuple(_tried(attempt, returns.index, dataset.sessions_per_year) for attempt in attempts)
    return SweepResult(
        sweep_id=_sweep_id(strategy, dataset, variants, [stated, n_search]),
        strategy=strategy.name,
        dataset=dataset.name,
        choices=stated,
        n_asked=n_search,
        variants=variants,
        returns=returns,
        n_left_out=len(set().union(*(outcome.returns.index for outcome in worked.values()))) - len(returns),
        nested=nested,
        hindsight=hindsight,
        hindsight_figures=figures(claimed[hindsight], dataset.sessions_per_year),
        own=own,
        own_figures=figures(claimed[own], dataset.sessions_per_year),
        deflated=deflated,
        pbo=_overfitting(distinct),
        periods=dataset.sessions_per_year,
        notes=_notes(attempts, own, unseen, len(worked) - distinct.shape[1]),
    )


def figures(returns: pd.Series, periods: float) -> dict[str, float]:
    """Return total_return, cagr, sharpe with its 95% interval (sharpe_low, sharpe_high), and max_drawdown of returns (n_times,)."""
    low, high = significance.sharpe_interval(returns, periods=periods)
    return {
        "total_return": metrics.total_return(returns),
        "cagr": metrics.cagr(returns, periods=periods),
        "sharpe": metrics.sharpe(returns, periods=periods),
        "sharpe_low": low,
        "sharpe_high": high,
        "max_drawdown": metrics.max_drawdown(returns),
    }


def _common(worked: Mapping[int, Outcome]) -> pd.DataFrame:
    """Return the returns of the variants that worked on the sessions that all of them have, (n_common, n_worked)."""
    table = pd.DataFrame({place: outcome.returns for place, outcome in worked.items()}).dropna()
    if not len(table):
        raise UsageError("the variants have no session in common: leave out the values of folds.* that move the test windows apart")
    return table


def _distinct(worked: Mapping[int, Outcome]) -> list[int]:
    """Return the places of the variants that are trials of their own; of those that decide alike the first."""
    return sorted({outcome.trial_id: place for place, outcome in reversed(list(worked.items()))}.values())


def _sweep_id(strategy: Strategy, dataset: Dataset, variants: Sequence[Tried], asked: list[Json]) -> str:
    """Return the name of a sweep: what was asked of which strategy, and what came of it (its trial ids name the data)."""
    whose = [described(replace(strategy, description="")), dataset.name, dataset.sessions_per_year]
    return key(whose, asked, described(variants), code_hash(), versions())[:16]


def _nested(bench: Bench, worked: Mapping[int, Outcome], returns: pd.DataFrame, own: int, unseen: pd.Timestamp | None) -> Nested:
    """Choose by the past, window by window, and trade what was chosen."""
    periods = bench.dataset.sessions_per_year
    starts = windows(worked[own].folds, pd.DatetimeIndex(returns.index))
    first = 0 if unseen is None else next(place for place, start in enumerate(starts) if start >= unseen)
    choices = chosen(returns, starts, own, periods=periods, first=first)
    earned = held(bench, worked, choices, worked[own])
    return Nested(earned, figures(earned, periods), choices)


def _best(returns: pd.DataFrame) -> tuple[int, float]:
    """Return the place of the highest Sharpe ratio, and the probability that it beats the best of as many without skill."""
    ratios = returns.apply(metrics.sharpe, periods=1).fillna(0.0)
    place = int(ratios.to_numpy().argmax())  # of a tie, the first
    own = returns.iloc[:, place]
    variance = float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0
    moments = metrics.skewness(own), metrics.kurtosis(own)
    return int(ratios.index[place]), significance.deflated_sharpe(float(ratios.iloc[place]), len(own), *moments, len(ratios), variance)


def _overfitting(returns: pd.DataFrame) -> float:
    """Return the probability of backtest overfitting; NaN for one variant, or too few sessions to split."""
    n_blocks = min(MOST_BLOCKS, len(returns) // LEAST_BLOCK // 2 * 2)
    if returns.shape[1] < 2 or n_blocks < 2:
        return math.nan
    return float(significance.overfitting_probability(returns, n_blocks).at_most_zero)


def _tried(attempt: Attempt, sessions: pd.Index, periods: float) -> Tried:
    """Return a variant as the result tells it: its figures on the common sessions."""
    settings: dict[str, Json] = {name: described(value) for name, value in attempt.settings.items()}
    outcome = attempt.outcome
    if outcome is None:
        return Tried(settings=settings, own=attempt.own, error=attempt.error)
    more = {"ic_mean": float(np.mean(outcome.ic.reindex(sessions).dropna())), "turnover": float(outcome.turnover[sessions].mean())}
    return Tried(
        settings=settings, own=attempt.own, trial_id=outcome.trial_id, figures={**figures(outcome.returns[sessions], periods), **more}
    )


def _notes(attempts: Sequence[Attempt], own: int, unseen: pd.Timestamp | None, n_equal: int) -> tuple[str, ...]:
    notes = []
    if n_equal:
        notes.append(
            f"{n_equal} of {len(attempts)} variants decide on the same terms what one before them decides, and count once with it."
        )
    failed = sum(attempt.error is not None for attempt in attempts)
    if failed:
        notes.append(f"{failed} of {len(attempts)} variants failed: they are listed with their error, and count as no trial.")
    if not attempts[own].own:
        notes.append(f"The strategy as it stands failed, so the first window holds variant {own + 1}, the first that worked.")
    if unseen is not None:
        notes.append(
            f"The search looked at the sessions before {unseen.date()} to propose what it proposed: the claim begins there, "
            "because what was found by looking cannot be judged by what was looked at."
        )
    assumed = sorted({name for attempt in attempts for name in attempt.settings if name.split(".")[0] in ("costs", "cash", "fill")})
    if assumed:
        notes.append(f"{', '.join(assumed)}: an assumption and not a choice; choosing by the past is traded under the strategy's own.")
    return tuple(notes)
