"""What the signal foretells over other horizons than its own, to see how fast it fades.

The labels are those of `ForwardReturn`, from the open of t+1 to the open of t+1+h, taken by position from the bars. They describe a
finished result: nothing that is learned or traded sees them. Here signal and label are tables, (n_times, n_symbols), in which ranks
within a session cost a tenth of what they cost in long rows.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab import metrics
from quantlab.bars import Bars
from quantlab.metrics import IcSummary
from quantlab.result import BacktestResult

HORIZONS = (1, 2, 5, 10, 20)  # bars
Floats = npt.NDArray[np.float64]


def ic_decay(result: BacktestResult, signal: Floats) -> pd.DataFrame:
    """Return one row per horizon in bars, with the columns of `metrics.IcSummary`, (n_horizons, 6); signal: from `wide_signal`."""
    found = {}
    for horizon in sorted({*HORIZONS, result.horizon}):
        ic = rank_correlation(signal, forward_returns(result.dataset.bars, horizon))
        told = pd.Series(ic[~np.isnan(signal).all(axis=1)])
        found[horizon] = asdict(metrics.ic_summary(told, metrics.overlap_lags(horizon)))
    return pd.DataFrame.from_dict(found, orient="index", columns=list(IcSummary.__annotations__)).rename_axis("horizon")


def rank_autocorrelation(signal: Floats) -> float:
    """Return the mean rank correlation of the signal with that of the session before: `metrics.rank_autocorrelation`, averaged."""
    told = signal[~np.isnan(signal).all(axis=1)]
    per_session = rank_correlation(told[1:], told[:-1])
    known = per_session[~np.isnan(per_session)]
    return float(known.mean()) if len(known) else float("nan")


def forward_returns(bars: Bars, horizon: int) -> Floats:
    """Return the return from the open of t+1 to the open of t+1+horizon, (n_times, n_symbols); NaN where unknown."""
    entry = bars.open.where(bars.traded).to_numpy(dtype=float)
    leave = bars.open.fillna(bars.close.ffill().shift(1)).to_numpy(dtype=float)
    ahead = np.full(entry.shape, np.nan)
    n_known = max(len(entry) - 1 - horizon, 0)
    ahead[:n_known] = leave[1 + horizon :] / entry[1 : 1 + n_known] - 1.0
    return ahead


def earned_afterwards(result: BacktestResult) -> pd.Series:
    """Return the return over the target's horizon of each row of the signal, (n_rows,): in the same units whatever the target is."""
    return pd.Series(forward_returns(result.dataset.bars, result.horizon)[_place(result)], index=result.predicted.signal.index)


def wide_signal(result: BacktestResult) -> Floats:
    """Return the signal as a table over all bars, (n_times, n_symbols), NaN where there is none."""
    bars = result.dataset.bars
    wide = np.full((len(bars.times), len(bars.symbols)), np.nan)
    wide[_place(result)] = result.predicted.signal.to_numpy(dtype=float)
    return wide


def rank_correlation(one: Floats, other: Floats) -> Floats:
    """Return Spearman's correlation within each row, (n_times,): that of `metrics.information_coefficient`."""
    unknown = np.isnan(one) | np.isnan(other)
    ranks = [pd.DataFrame(np.where(unknown, np.nan, table)).rank(axis=1) for table in (one, other)]
    a, b = (rank.sub(rank.mean(axis=1), axis=0).fillna(0.0).to_numpy() for rank in ranks)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    told = (scale > 0) & ((~unknown).sum(axis=1) >= metrics.LEAST_NAMES)
    correlation: Floats = np.clip((a * b).sum(axis=1) / np.where(told, scale, np.nan), -1.0, 1.0)
    return correlation


def _place(result: BacktestResult) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return bar and symbol of each row of the signal, (n_rows,) each."""
    bars, index = result.dataset.bars, result.predicted.signal.index
    return bars.times.get_indexer(index.get_level_values(0)), bars.symbols.get_indexer(index.get_level_values(1))
