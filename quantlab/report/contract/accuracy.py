"""How well the signal foretold the target: the part `accuracy`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from quantlab import metrics, significance
from quantlab.report.contract import horizons
from quantlab.report.contract.encode import rows
from quantlab.result import BacktestResult
from quantlab.significance import figures

FEW_NAMES = 10  # in the median session: with fewer, ranks within a session say little, and all rows are ranked at once as well
N_QUANTILES = 5


@dataclass(frozen=True)
class Told:
    """What the signal said session by session, (n_sessions,) each; made once, because figures and intervals both need it.

    ic: rank correlation. hits: hits, up, n as `metrics.session_hits` has them. ranks: sums of `metrics.session_rank_sums`, None unless
    the sessions have few names. n_names: names with signal and target in the median session.
    """

    ic: pd.Series
    hits: pd.DataFrame
    ranks: pd.DataFrame | None
    n_names: float

    @classmethod
    def of(cls, result: BacktestResult) -> Told:
        """Take a result's signal and target apart by session."""
        signal, target = result.predicted.signal, result.target
        known = signal.notna().to_numpy() & target.reindex(signal.index).notna().to_numpy()
        counts = pd.Series(known).groupby(pd.factorize(signal.index.get_level_values(0))[0]).sum()
        n_names = float(counts[counts > 0].median())
        ranks = metrics.session_rank_sums(signal, target) if not n_names >= FEW_NAMES else None
        return cls(metrics.information_coefficient(signal, target), metrics.session_hits(signal, target), ranks, n_names)


def foretold(result: BacktestResult, told: Told) -> dict[str, object]:
    """Return accuracy of directions and probabilities, and rank correlation."""
    signal, target = result.predicted.signal, result.target
    lag = metrics.overlap_lags(result.horizon)
    summary = metrics.ic_summary(told.ic, lag)
    probability = (1.0 + signal) / 2.0 if result.predicted.is_probability else None
    hits, rose, n = (int(total) for total in told.hits.sum())
    quantiles, wide = _quantiles(result, told), horizons.wide_signal(result)
    return {
        "n": n,
        "hit_rate": hits / n if n else None,
        "base_rate": max(rose, n - rose) / n if n else None,
        "mcc": metrics.mcc(signal, target),
        "auc": metrics.auc(signal, target),
        "brier": None if probability is None else metrics.brier(probability, target),
        "ic_mean": summary.mean,
        "ic_std": summary.std,
        "ic_t": summary.t,
        "ic_by_fold": mean_by_fold(told.ic, result),
        "ic_lag": lag,
        "ic_ir": summary.ir,
        "ic_positive": summary.positive,
        "n_sessions": summary.n,
        "balanced_accuracy": metrics.balanced_accuracy(signal, target),
        "brier_skill": None if probability is None else metrics.brier_skill(probability, target),
        "log_loss": None if probability is None else metrics.log_loss(probability, target),
        "calibration": [] if probability is None else rows(metrics.calibration(probability, target)),
        "coverage": rows(metrics.coverage(signal, target)),
        "ic_decay": rows(horizons.ic_decay(result, wide)),
        "quantile_returns": quantiles[:-1],
        "quantile_spread": quantiles[-1] if quantiles else None,
        "rank_autocorrelation": horizons.rank_autocorrelation(wide),
        "break_even_bps": metrics.break_even_bps(result.portfolio.gross_returns, result.portfolio.turnover),
        "names_per_session": told.n_names,
        "pooled_ic": None if told.ranks is None else metrics.pooled_ic(told.ranks),
    }


def mean_by_fold(per_session: pd.Series, result: BacktestResult) -> list[float]:
    """Return the mean over the test sessions of each fold, one per fold; NaN where no session has a value."""
    folds = [fit.fold for fit in result.predicted.fits]
    return [float(per_session.loc[fold.test_start : fold.test_end].mean()) for fold in folds]


def foretold_intervals(told: Told) -> dict[str, significance.Interval]:
    """Return the intervals of hit rate, of what it is above the base rate, and of the rank correlation, by blocks of sessions."""
    block = significance.block_length(told.hits["hits"] / told.hits["n"].where(told.hits["n"] > 0))
    counts = told.hits.to_numpy(dtype=float)
    none = significance.Interval(np.nan, np.nan, 0)
    return {
        "hit_rate": significance.interval(counts[:, [0, 2]], figures.share, block=block),
        "hit_rate_above_base": significance.interval(counts, _above_base, block=block),
        "ic_mean": significance.interval(told.ic, figures.mean),
        "pooled_ic": none if told.ranks is None else significance.interval(told.ranks, figures.pooled_correlation),
    }


def _above_base(drawn: figures.Floats) -> figures.Floats:
    """Return hit rate less base rate of resampled sessions of hits, up, n, (n_resamples,)."""
    hits, rose, n = np.moveaxis(drawn.sum(axis=1), -1, 0)
    return np.asarray((hits - np.maximum(rose, n - rose)) / np.where(n > 0, n, np.nan))


def _quantiles(result: BacktestResult, told: Told) -> list[dict[str, object]]:
    """Return a row of returns over the horizon per quantile of the signal, and one for the spread; none with fewer names than quantiles."""
    if not told.n_names >= N_QUANTILES:
        return []
    table = metrics.quantile_returns(result.predicted.signal, horizons.earned_afterwards(result), n_quantiles=N_QUANTILES)
    return rows(metrics.quantile_summary(table, metrics.overlap_lags(result.horizon)))
