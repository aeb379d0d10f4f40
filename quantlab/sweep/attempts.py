"""Trying variants, one after the other: every combination, or what a search proposes. One that fails is kept with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from quantlab import metrics
from quantlab.errors import QuantlabError, UsageError
from quantlab.strategy import Strategy, with_settings
from quantlab.sweep.bench import Bench, Outcome, panel_key, signal_key, strategy_key
from quantlab.sweep.grid import Choices, Range, as_settings, combinations
from quantlab.sweep.nested import windows
from quantlab.sweep.search import search
from quantlab.trials import record_trial


@dataclass(frozen=True)
class Attempt:
    """A variant: its swept settings (none for the strategy as it stands), the strategy that they make, and what came of it."""

    settings: Mapping[str, object]
    own: bool = False
    strategy: Strategy | None = None
    outcome: Outcome | None = None
    error: str | None = None


def fixed_and_swept(choices: Choices) -> tuple[dict[str, object], Choices]:
    """Return the settings with a single value, which all variants have, and the others. Raises UsageError if there are no others."""
    fixed = {name: values[0] for name, values in choices.items() if not isinstance(values, Range) and len(values) == 1}
    swept = {name: values for name, values in choices.items() if name not in fixed}
    if not swept:
        raise UsageError("there is nothing to choose from: give a setting several values, such as --set weights.quantile=0.1,0.2,0.3")
    return fixed, swept


def every_combination(strategy: Strategy, choices: Choices, bench: Bench, ledger: Path | None) -> list[Attempt]:
    """Return the strategy as it stands and every combination of the choices, tried; it stands first unless it is one of them.

    Raises UsageError if no combination makes a strategy: then a name is wrong, and nothing is tried.
    """
    fixed, swept = fixed_and_swept(choices)
    own = with_settings(strategy, as_settings(fixed))
    planned = [_planned(strategy, fixed, values, own) for values in combinations(swept)]
    if all(attempt.strategy is None for attempt in planned):
        raise UsageError(str(planned[0].error))
    if not any(attempt.own for attempt in planned):
        planned.insert(0, Attempt({}, own=True, strategy=own))
    done: dict[int, Attempt] = {}
    groups = _by_signal(planned)
    for places in bench.settings.progress(groups, "signals", len(groups)):
        bench.prepare([variant for place in places if (variant := planned[place].strategy) is not None])
        done |= {place: tried(planned[place], bench, ledger) for place in places}
    return [done[place] for place in range(len(planned))]


def proposals(strategy: Strategy, choices: Choices, bench: Bench, ledger: Path | None, *, n: int) -> tuple[list[Attempt], pd.Timestamp]:
    """Return the strategy as it stands and what a search of `n` trials proposed, each once, and the first session that it did not see.

    The search looks at the first half of the strategy's test windows alone, so that the second half can still judge what it found.
    Raises what the strategy as it stands raises, and UsageError if it has fewer than two test windows.
    """
    fixed, swept = fixed_and_swept(choices)
    own = with_settings(strategy, as_settings(fixed))
    start = tried(Attempt({}, own=True, strategy=own), bench, ledger)
    if start.outcome is None:
        raise UsageError(f"the strategy as it stands fails, so there is nothing to search from: {start.error}")
    starts = windows(start.outcome.folds, pd.DatetimeIndex(start.outcome.returns.index))
    if len(starts) < 2:
        raise UsageError("a search needs two test windows, one to look at and one to judge by: use more data, or a smaller folds.test")
    unseen = starts[math.ceil(len(starts) / 2)]
    known = {strategy_key(own): start}

    def measure(values: Mapping[str, object]) -> float:
        """Return the score of these settings, measured at most once."""
        planned = _planned(strategy, fixed, values, own)
        name = str(planned.error) if planned.strategy is None else strategy_key(planned.strategy)
        if name not in known:
            known[name] = tried(planned, bench, ledger)
        outcome = known[name].outcome
        if outcome is None:
            return math.nan
        ratio = metrics.sharpe(outcome.returns[outcome.returns.index < unseen], periods=1)
        return 0.0 if math.isnan(ratio) else ratio  # never traded: worth nothing, and not a failure

    search(swept, n, measure, seed=bench.settings.seed)
    return list(known.values()), unseen


def tried(attempt: Attempt, bench: Bench, ledger: Path | None) -> Attempt:
    """Return the attempt with what came of it. What worked is entered in the ledger at once: an interrupted sweep has looked, too."""
    if attempt.strategy is None:
        return attempt
    try:
        outcome = bench.outcome(attempt.strategy)
    except QuantlabError as error:
        return replace(attempt, error=str(error))
    except Exception as error:  # a variant may fail in any way: in the user's file, or in a library that its values upset
        return replace(attempt, error=f"{type(error).__name__}: {error}")
    if ledger is not None:  # a variant leaves no folder of a run: it is named by its trial alone
        record_trial(ledger, trial_id=outcome.trial_id, run_id=outcome.trial_id, sharpe=metrics.sharpe(outcome.returns, periods=1))
    return replace(attempt, outcome=outcome)


def _by_signal(planned: Sequence[Attempt]) -> list[list[int]]:
    """Return the places of the attempts: those of one signal together, and the signals of one panel after each other."""
    panels: dict[str, dict[str, list[int]]] = {}
    for place, attempt in enumerate(planned):
        panel, signal = ("", "") if attempt.strategy is None else (panel_key(attempt.strategy), signal_key(attempt.strategy))
        panels.setdefault(panel, {}).setdefault(signal, []).append(place)
    return [places for signals in panels.values() for places in signals.values()]


def _planned(strategy: Strategy, fixed: Mapping[str, object], values: Mapping[str, object], own: Strategy) -> Attempt:
    """Return a variant that is yet to be tried, or its error if there can be no such strategy."""
    try:
        variant = with_settings(strategy, as_settings({**fixed, **values}))
    except UsageError as error:
        return Attempt(values, error=str(error))
    return Attempt(values, own=strategy_key(variant) == strategy_key(own), strategy=variant)
