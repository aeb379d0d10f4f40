"""A search instead of a grid: Optuna's tree-structured Parzen estimator proposes, `measure` answers. Optuna is optional."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from quantlab.errors import UsageError
from quantlab.sweep.grid import Choices, Range, check_values


def search(choices: Choices, n_trials: int, measure: Callable[[Mapping[str, object]], float], *, seed: int) -> None:
    """Ask for `n_trials` proposals and tell the search what each was worth; NaN means that it failed. The same seed asks the same.

    Raises UsageError if optuna is not installed.
    """
    if n_trials < 1:
        raise UsageError(f"a search needs one trial or more, not {n_trials}")
    for name, values in choices.items():
        if not isinstance(values, Range):
            check_values(name, values)
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "a search needs optuna, which is not installed: pip install optuna, or list values and leave --optuna out"
        ) from error
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce each study on stderr
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        for _ in range(n_trials):
            trial = study.ask()
            worth = measure({name: _proposed(trial, name, values) for name, values in choices.items()})
            state = optuna.trial.TrialState.FAIL if math.isnan(worth) else None
            study.tell(trial, None if state else worth, state=state)
    finally:
        optuna.logging.set_verbosity(said)


def _proposed(trial: object, name: str, values: object) -> object:
    """Return what the search proposes for one setting; a listed value by its place, because a list is no value to optuna."""
    if not isinstance(values, Range):
        return values[trial.suggest_categorical(name, list(range(len(values))))]  # type: ignore[attr-defined, arg-type, index]
    if values.whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)  # type: ignore[attr-defined]
    return trial.suggest_float(name, values.low, values.high, log=values.log)  # type: ignore[attr-defined]
