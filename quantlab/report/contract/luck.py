"""Could it be luck: the parts `intervals`, `significance` and `trials`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd

from quantlab import metrics, significance
from quantlab.report.contract.accuracy import Told, foretold_intervals
from quantlab.result import BacktestResult
from quantlab.significance import Interval, figures

CONFIDENCE, N_RESAMPLES = 0.95, 1000  # those of `significance.interval`


def every_interval(result: BacktestResult, told: Told) -> dict[str, Interval]:
    """Return the interval of each headline figure, from blocks of sessions; the compound growth rate has the ends of the total return."""
    returns, periods = result.portfolio.returns, result.dataset.sessions_per_year
    block = significance.block_length(returns)
    of = partial(significance.interval, returns, block=block)
    total = of(figures.total_return)
    both = pd.concat([returns, result.benchmark], axis=1).dropna().to_numpy(dtype=float)
    return {
        "total_return": total,
        "cagr": Interval(_yearly(total.low, len(returns), periods), _yearly(total.high, len(returns), periods), total.block),
        "volatility": of(partial(figures.volatility, periods=periods)),
        "sharpe": of(partial(figures.sharpe, periods=periods)),
        "max_drawdown": of(figures.max_drawdown),
        "alpha": significance.interval(both, partial(_alpha, periods=periods)),
        "information_ratio": significance.interval(both[:, 0] - both[:, 1], partial(figures.sharpe, periods=periods)),
        **foretold_intervals(told),
    }


def by_luck(result: BacktestResult, intervals: Mapping[str, Interval]) -> dict[str, object]:
    """Return what the Sharpe ratio is worth, given its length, the shape of the returns, and how often the strategy was tried."""
    returns, trials, periods = result.portfolio.returns, result.trials, result.dataset.sessions_per_year
    n, ratio = len(returns), metrics.sharpe(returns, periods=1)
    skew, kurtosis = metrics.skewness(returns), metrics.kurtosis(returns)
    variance = significance.trial_variance(trials, ratio, n) if trials.n > 1 else 0.0
    cut = significance.haircut_sharpe(ratio, n, trials.sharpes, n_trials=max(trials.n, 1 + len(trials.sharpes)))
    known = result.benchmark.notna()
    superior = significance.superior_ability(returns[known], result.benchmark[known]).consistent if known.any() else None
    yearly = periods**0.5
    return {
        "psr": significance.probabilistic_sharpe(ratio, n, skew, kurtosis),
        "dsr": significance.deflated_sharpe(ratio, n, skew, kurtosis, trials.n, variance),
        "n_trials": trials.n,
        "min_track_record": significance.min_track_record(ratio, skew, kurtosis),
        "sharpe_ci": pair(intervals["sharpe"]),
        "pbo": None,
        "convention": "Bailey and Lopez de Prado 2012, 2014: per-session ratio, population moments, kurtosis not in excess of 3",
        "n_returns": n,
        "trial_variance": variance if trials.n > 1 else None,
        "expected_max_sharpe": significance.expected_max_sharpe(trials.n, variance) * yearly,
        "haircut": {
            "p_value": cut.p_value,
            **{name: {**asdict(left), "sharpe": left.sharpe * yearly} for name, left in _methods(cut)},
        },
        "spa_p": superior,
        "confidence": CONFIDENCE,
        "n_resamples": N_RESAMPLES,
        "blocks": {name: found.block or None for name, found in intervals.items()},
    }


def pair(interval: Interval) -> list[float]:
    """Return the two ends of an interval."""
    return [interval.low, interval.high]


def _methods(cut: significance.Haircut) -> list[tuple[str, significance.Adjusted]]:
    return [("bonferroni", cut.bonferroni), ("holm", cut.holm), ("bhy", cut.bhy)]


def _yearly(total: float, n: int, periods: float) -> float:
    """Return the compound annual growth rate that leads to a total return."""
    return (1.0 + total) ** (periods / n) - 1.0 if total >= -1.0 else float("nan")


def _alpha(drawn: figures.Floats, *, periods: float) -> figures.Floats:
    """Return the annualised intercept of the first column on the second, (n_resamples,): `metrics.alpha_beta` of resampled sessions."""
    own, other = drawn[..., 0], drawn[..., 1]
    mean, level = own.mean(axis=1), other.mean(axis=1)
    spread = (other**2).mean(axis=1) - level**2
    beta = ((own * other).mean(axis=1) - mean * level) / np.where(spread > 0, spread, np.nan)
    return np.asarray((mean - beta * level) * periods)
