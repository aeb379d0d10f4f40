"""The JSON of a sweep, by names that do not change within a schema version.

`schema_version, sweep_id, strategy, dataset`,
`sessions{start, end, n, n_left_out}`: those that all variants have, `claim{start, end, n}`: those that the claim is about,
`choices{dotted name: [values] or "low..high"}`, `n_asked` (trials given to a search, null for a grid), `n_variants`, `n_failed`,
`nested{figures, n_switches, choices[{start, end, variant, sharpe, n_known}]}`: the claim,
`hindsight{variant, settings, figures, deflated}`: the best, which nobody could have known; `own{variant, figures}`: as the file stands,
`pbo`, `variants[{number, settings, own, trial_id, figures, error}]`, `notes[]`.

`variant` and `number` count from 1. figures: total_return, cagr, sharpe, sharpe_ci[2], max_drawdown, and for variants ic_mean and
turnover (per session). Ratios are fractions, never percent; cagr and sharpe are annualised; what does not apply is null. deflated is a
probability (Bailey & Lopez de Prado 2014) over the distinct trial_ids; pbo is the probability of backtest overfitting (2017).
"""

from __future__ import annotations

from collections.abc import Mapping

from quantlab.report.contract import as_json
from quantlab.result import Json
from quantlab.sweep.result import SweepResult, Tried

SCHEMA_VERSION = 1


def contract(result: SweepResult) -> dict[str, Json]:
    """Return the sweep as strict JSON."""
    sessions, claimed = result.returns.index, result.nested.returns.index
    content: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "sweep_id": result.sweep_id,
        "strategy": result.strategy,
        "dataset": result.dataset,
        "sessions": {"start": sessions[0], "end": sessions[-1], "n": len(sessions), "n_left_out": result.n_left_out},
        "claim": {"start": claimed[0], "end": claimed[-1], "n": len(claimed)},
        "choices": result.choices,
        "n_asked": result.n_asked,
        "n_variants": len(result.variants),
        "n_failed": len(result.variants) - len(result.worked),
        "nested": {
            "figures": _figures(result.nested.figures),
            "n_switches": result.n_switches,
            "choices": [
                {"start": one.start, "end": one.end, "variant": one.variant + 1, "sharpe": one.sharpe, "n_known": one.n_known}
                for one in result.nested.choices
            ],
        },
        "hindsight": {
            "variant": result.hindsight + 1,
            "settings": result.variants[result.hindsight].settings,
            "figures": _figures(result.hindsight_figures),
            "deflated": result.deflated,
        },
        "own": {"variant": result.own + 1, "figures": _figures(result.own_figures)},
        "pbo": result.pbo,
        "variants": [_variant(place, tried) for place, tried in enumerate(result.variants)],
        "notes": result.notes,
    }
    return {name: as_json(value) for name, value in content.items()}


def _variant(place: int, tried: Tried) -> dict[str, object]:
    return {
        "number": place + 1,
        "settings": tried.settings,
        "own": tried.own,
        "trial_id": tried.trial_id or None,
        "figures": None if tried.figures is None else _figures(tried.figures),
        "error": tried.error,
    }


def _figures(figures: Mapping[str, float]) -> dict[str, object]:
    """Return the figures with the interval of the Sharpe ratio as a pair."""
    plain = {name: value for name, value in figures.items() if name not in ("sharpe_low", "sharpe_high")}
    return {**plain, "sharpe_ci": [figures["sharpe_low"], figures["sharpe_high"]]}
