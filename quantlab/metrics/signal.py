"""How well the signal ranks what then happens, session by session.

Signal and target are Series over (time, symbol). Labels that overlap over `horizon` bars make neighbouring sessions alike, and a
persistent signal keeps them so: a t-test that takes sessions for independent is then fooled. Every t here is Newey & West's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.metrics.arrays import check_count, floats, paired

LEAST_NAMES = 3  # a rank correlation over two names is +1 or -1 and says nothing
SUMS = ["n", "a", "b", "aa", "bb", "ab"]


@dataclass(frozen=True)
class IcSummary:
    """What a series of information coefficients says, sessions without one left out.

    n: sessions; mean; std (ddof = 1); ir: mean / std, per session and not annualised; t: of the mean (Newey & West 1987);
    positive: the share above 0.
    """

    n: int
    mean: float
    std: float
    ir: float
    t: float
    positive: float


def information_coefficient(signal: pd.Series, target: pd.Series) -> pd.Series:
    """Return Spearman's rank correlation over the names of each session of the signal, (n_times,).

    NaN where fewer than three names have both, or either is the same for all.
    """
    known = paired(signal=signal, target=target)
    ranks = known.groupby(level=0).rank()
    centred = ranks - ranks.groupby(level=0).transform("mean")
    a, b = centred["signal"], centred["target"]
    session = pd.DataFrame({"ab": a * b, "aa": a * a, "bb": b * b}).groupby(level=0).sum()
    n_names = known.groupby(level=0).size()
    scale = (session["aa"] * session["bb"]).pow(0.5)
    coefficient = (session["ab"] / scale.where(scale > 0)).where(n_names >= LEAST_NAMES).clip(-1.0, 1.0)
    return pd.Series(coefficient.reindex(_sessions(signal)), name="ic")


def newey_west_t(series: pd.Series, lag: int) -> float:
    """Return the t-statistic of the mean, with the variance of Newey & West (1987): Bartlett weights up to `lag`.

    Missing values are left out. For labels that overlap over `horizon` bars, `lag` should be at least the horizon: see `overlap_lags`.
    """
    values = floats(series.dropna())
    n = len(values)
    if n < 2 or np.ptp(values) == 0:
        return math.nan
    centred = values - values.mean()
    lag = min(lag, n - 1)
    overlap = sum((1.0 - k / (lag + 1.0)) * (centred[k:] @ centred[:-k]) for k in range(1, lag + 1))
    variance = centred @ centred + 2.0 * overlap
    return float(values.mean() * n / math.sqrt(variance)) if variance > 0 else math.nan


def overlap_lags(horizon: int) -> int:
    """Return how many lags to give `newey_west_t` for labels that overlap over `horizon` bars: twice as many.

    With as many as the horizon, Bartlett's weights have shrunk the last overlaps to almost nothing: of worlds without a signal, over
    1000 sessions with a persistent one, a test at 5% then rejected 9.5%, with twice as many 7.8%, with four times 7.1%; without any, 35%.
    """
    check_count("overlap_lags: horizon", horizon, least=1)
    return 2 * horizon


def ic_summary(per_session: pd.Series, lag: int) -> IcSummary:
    """Return the summary of a series of information coefficients; lag as in `newey_west_t`. NaN where there is nothing to say."""
    values = floats(per_session.dropna())
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    std = float(np.std(values, ddof=1)) if n > 1 else math.nan
    ir = mean / std if n > 1 and np.ptp(values) > 0 else math.nan
    return IcSummary(n, mean, std, ir, newey_west_t(per_session, lag), float(np.mean(values > 0)) if n else math.nan)


def ic_decay(signal: pd.Series, targets: Mapping[int, pd.Series]) -> pd.DataFrame:
    """Return one row per horizon in bars, ascending, with the columns of `IcSummary`: how long the signal keeps ranking.

    targets: horizon -> labels, as from `ForwardReturn(horizon)(bars)`. They are made by the caller, so that the future is touched
    by targets alone. The lags of each t-statistic are `overlap_lags` of its horizon.
    """
    found = {h: asdict(ic_summary(information_coefficient(signal, targets[h]), overlap_lags(h))) for h in sorted(targets)}
    return pd.DataFrame.from_dict(found, orient="index", columns=list(IcSummary.__annotations__)).rename_axis("horizon")


def quantile_returns(signal: pd.Series, target: pd.Series, *, n_quantiles: int = 5) -> pd.DataFrame:
    """Return the mean target of the names in each quantile of the signal, (n_sessions, n_quantiles), 1 the lowest signals.

    A name of rank r (ties share their mean rank, and so their quantile) among n is in quantile floor((r - 1/2) * n_quantiles / n) + 1.
    NaN for a quantile that ties leave empty, and for a session with fewer names than quantiles or one signal for all. `.mean()`
    averages over sessions.
    """
    check_count("quantile_returns: n_quantiles", n_quantiles, least=2)
    known = paired(signal=signal, target=target)
    by_session = known["signal"].groupby(level=0)
    n_names = by_session.transform("size")
    place = ((by_session.rank() - 0.5) * n_quantiles // n_names).astype("int64") + 1
    ranked = (n_names >= n_quantiles) & (by_session.transform("min") < by_session.transform("max"))
    mean = known["target"][ranked].groupby([known.index.get_level_values(0)[ranked], place[ranked].rename("quantile")]).mean()
    return mean.unstack().reindex(index=_sessions(signal), columns=pd.RangeIndex(1, n_quantiles + 1, name="quantile"))


def quantile_spread(per_session: pd.DataFrame) -> pd.Series:
    """Return the highest quantile's mean target less the lowest one's, (n_sessions,), from a table of `quantile_returns`."""
    return (per_session.iloc[:, -1] - per_session.iloc[:, 0]).rename("spread")


def quantile_summary(per_session: pd.DataFrame, lag: int) -> pd.DataFrame:
    """Return mean, t (Newey & West 1987, with `lag`) and n sessions for each quantile and then for `spread`, the top less the bottom."""
    columns = {**{name: per_session[name] for name in per_session.columns}, "spread": quantile_spread(per_session)}
    rows = [{"mean": column.mean(), "t": newey_west_t(column, lag), "n": int(column.notna().sum())} for column in columns.values()]
    return pd.DataFrame(rows, index=pd.Index(list(columns), name="quantile", dtype=object))


def rank_autocorrelation(signal: pd.Series, *, lag: int = 1) -> pd.Series:
    """Return the rank correlation of the signal with itself `lag` sessions of it earlier, (n_sessions,): near 1, it trades little.

    Over the names that have both; NaN for the first `lag` sessions, and as in `information_coefficient`.
    """
    check_count("rank_autocorrelation: lag", lag, least=1)
    earlier = pd.Series(signal.unstack(level=1).shift(lag).stack())
    return information_coefficient(signal, earlier).rename("rank_autocorrelation")


def session_rank_sums(signal: pd.Series, target: pd.Series) -> pd.DataFrame:
    """Return n, a, b, aa, bb, ab for each session of the signal, (n_sessions, 6): the sums from which `pooled_ic` is made.

    a, b: the ranks of signal and target among *all* rows, as fractions around 0. With few names a session the order within one says
    little; pooled, it is the order over time as well, so a rising market counts. Sums over resampled sessions give the figure of
    the resample with the ranks of the whole: a bootstrap over blocks of sessions needs no ranking of its own.
    """
    known = paired(signal=signal, target=target)
    a, b = (known[name].rank() / (len(known) + 1.0) - 0.5 for name in ("signal", "target"))
    sums = pd.DataFrame({"n": 1.0, "a": a, "b": b, "aa": a * a, "bb": b * b, "ab": a * b}).groupby(level=0).sum()
    return sums.reindex(_sessions(signal), fill_value=0.0)


def pooled_ic(sums: pd.DataFrame) -> float:
    """Return Spearman's rank correlation over all rows at once, from `session_rank_sums` or any resample of its sessions.

    For fewer than about ten names a session. NaN for fewer than three rows, or where either never varies.
    """
    return float(correlation_of_sums(sums[SUMS].to_numpy().sum(axis=0)))


def correlation_of_sums(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the correlation for totals (..., 6) of n, a, b, aa, bb, ab, shape (...): many resamples at once; NaN as in `pooled_ic`."""
    n, a, b, aa, bb, ab = np.moveaxis(totals, -1, 0)
    count = np.where(n >= LEAST_NAMES, n, np.nan)
    variance_a, variance_b = aa / count - (a / count) ** 2, bb / count - (b / count) ** 2
    varies = np.minimum(variance_a, variance_b) > 1e-12  # ranks are fractions: what is left of a constant is rounding
    scale = np.sqrt(np.where(varies, variance_a * variance_b, np.nan))
    correlation: npt.NDArray[np.float64] = np.clip((ab / count - (a / count) * (b / count)) / scale, -1.0, 1.0)
    return correlation


def _sessions(signal: pd.Series) -> pd.Index:
    return signal.index.get_level_values(0).unique()
