"""Metrics: pure functions of returns, of the signal and of what then happened.

Conventions. Returns are simple and net of costs; they compound (product, never sum). Ratios are annualised with
`periods` sessions a year; the risk-free rate is 0: pass excess returns for another one. Fractions, never percent.
NaN in, NaN out; NaN also where a figure does not apply, such as the Sharpe ratio of returns that never vary.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

LEAST_NAMES = 3  # a rank correlation over two names is +1 or -1 and says nothing
ROUNDING = 1e-12  # of wealth: a loss and its exact recovery may differ by the last bits of a float


def total_return(returns: pd.Series) -> float:
    """Return what 1 grew by over the whole span."""
    return float(np.prod(1.0 + _values(returns)) - 1.0) if len(returns) else math.nan


def cagr(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the compound annual growth rate, (1 + total)^(periods / n) - 1; NaN if more than everything was lost."""
    wealth = 1.0 + total_return(returns)
    return wealth ** (periods / len(returns)) - 1.0 if wealth >= 0 else math.nan


def volatility(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the annualised standard deviation (ddof = 1); NaN for fewer than two returns."""
    return float(np.std(_values(returns), ddof=1) * math.sqrt(periods)) if len(returns) > 1 else math.nan


def sharpe(returns: pd.Series, *, periods: float = 252) -> float:
    """Return mean / standard deviation (ddof = 1), annualised (Sharpe 1994); NaN for returns that never vary."""
    values = _values(returns)
    if len(values) < 2 or np.ptp(values) == 0:
        return math.nan
    return float(np.mean(values) / np.std(values, ddof=1) * math.sqrt(periods))


def sortino(returns: pd.Series, *, periods: float = 252) -> float:
    """Return mean / downside deviation, annualised; the deviation is over *all* observations (Sortino & Price 1994).

    NaN if no return is negative.
    """
    values = _values(returns)
    downside = math.sqrt(np.mean(np.minimum(values, 0.0) ** 2)) if len(values) else 0.0
    return float(np.mean(values) / downside * math.sqrt(periods)) if downside else math.nan


def calmar(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the compound annual growth rate over the size of the maximum drawdown; NaN without a drawdown."""
    deepest = max_drawdown(returns)
    return cagr(returns, periods=periods) / -deepest if deepest else math.nan


def underwater(returns: pd.Series) -> pd.Series:
    """Return how far the equity stands below its highest value so far, (n_times,), <= 0; it starts from 1 before the first."""
    wealth = np.cumprod(1.0 + _values(returns))
    peak = np.maximum(np.maximum.accumulate(wealth), 1.0)
    depth = wealth / peak - 1.0
    return pd.Series(np.where(depth > -ROUNDING, 0.0, depth), index=returns.index)


def max_drawdown(returns: pd.Series) -> float:
    """Return the deepest fall from a peak, <= 0; a loss on the first day counts."""
    return float(np.min(underwater(returns).to_numpy())) if len(returns) else math.nan


def drawdowns(returns: pd.Series) -> pd.DataFrame:
    """Return one row per drawdown, the deepest first.

    start: first session below the peak; trough: the deepest; recovery: first session back at the peak, NaT while
    ongoing; depth: as a fraction, < 0; sessions: spent below the peak; calendar_days: start to recovery, or to the end.
    """
    depth = underwater(returns)
    below = depth.to_numpy() < 0
    number = np.cumsum(below & ~np.concatenate([[False], below[:-1]]))[below]  # 1, 2, ... for each run of sessions below
    times = pd.DatetimeIndex(returns.index)
    position = pd.Series(np.flatnonzero(below)).groupby(number)
    start, end = position.first().to_numpy(), position.last().to_numpy() + 1
    deepest = pd.Series(depth.to_numpy()[below]).groupby(number)
    trough = np.flatnonzero(below)[deepest.idxmin().to_numpy()] if len(start) else start
    ongoing = end == len(times)
    recovery = times[np.where(ongoing, 0, end)].where(~ongoing) if len(start) else times[:0]
    table = pd.DataFrame(
        {
            "start": times[start],
            "trough": times[trough],
            "recovery": recovery,
            "depth": deepest.min().to_numpy(),
            "sessions": end - start,
            "calendar_days": (times[np.minimum(end, len(times) - 1)] - times[start]).days,
        }
    )
    return table.sort_values("depth", kind="stable", ignore_index=True)


def monthly_returns(returns: pd.Series) -> pd.Series:
    """Return the compounded return of each month (UTC) with a session, indexed by monthly Period."""
    months = pd.DatetimeIndex(returns.index).tz_localize(None).to_period("M")
    return (1.0 + returns).groupby(months).prod(skipna=False) - 1.0


def monthly_table(returns: pd.Series) -> pd.DataFrame:
    """Return the months as a table, (n_years, 13): columns 1 to 12 (NaN without sessions) and `year`, the whole year."""
    months = monthly_returns(returns)
    period = pd.PeriodIndex(months.index)
    table = pd.DataFrame({"year": period.year, "month": period.month, "return": months.to_numpy()})
    wide = table.pivot(index="year", columns="month", values="return").reindex(columns=range(1, 13))
    return wide.assign(year=(1.0 + returns).groupby(pd.DatetimeIndex(returns.index).year).prod(skipna=False) - 1.0)


def rolling_sharpe(returns: pd.Series, window: int, *, periods: float = 252) -> pd.Series:
    """Return the annualised Sharpe ratio of the last `window` sessions, (n_times,); NaN before there are as many."""
    rolling = returns.rolling(window)
    flat = rolling.max() == rolling.min()
    return (rolling.mean() / rolling.std(ddof=1) * math.sqrt(periods)).mask(flat)


def alpha_beta(returns: pd.Series, benchmark: pd.Series, *, periods: float = 252) -> tuple[float, float]:
    """Return (alpha, beta) of the least-squares line on the benchmark's returns; alpha is the intercept times `periods`.

    Sessions on which either is missing are left out; NaN for a benchmark that never varies.
    """
    both = pd.DataFrame({"own": returns, "other": benchmark}).dropna()
    own, other = both["own"].to_numpy(), both["other"].to_numpy()
    if len(both) < 2 or np.ptp(other) == 0:
        return math.nan, math.nan
    beta = float(np.cov(own, other, ddof=1)[0, 1] / np.var(other, ddof=1))
    return float((own.mean() - beta * other.mean()) * periods), beta


def skewness(returns: pd.Series) -> float:
    """Return the third standardised moment (of the population, no small-sample correction); NaN without variation."""
    return _moment(_values(returns), 3)


def kurtosis(returns: pd.Series) -> float:
    """Return the fourth standardised moment, *not* in excess of the normal's 3; NaN without variation."""
    return _moment(_values(returns), 4)


def information_coefficient(signal: pd.Series, target: pd.Series) -> pd.Series:
    """Return Spearman's rank correlation over the names of each session of the signal, (n_times,).

    Both are Series over (time, symbol). NaN where fewer than three names have both, or either is the same for all.
    """
    known = pd.DataFrame({"signal": signal, "target": target}).dropna()
    ranks = known.groupby(level=0).rank()
    centred = ranks - ranks.groupby(level=0).transform("mean")
    a, b = centred["signal"], centred["target"]
    session = pd.DataFrame({"ab": a * b, "aa": a * a, "bb": b * b}).groupby(level=0).sum()
    n_names = known.groupby(level=0).size()
    scale = (session["aa"] * session["bb"]).pow(0.5)
    coefficient = (session["ab"] / scale.where(scale > 0)).where(n_names >= LEAST_NAMES).clip(-1.0, 1.0)
    return pd.Series(coefficient.reindex(signal.index.get_level_values(0).unique()), name="ic")


def newey_west_t(series: pd.Series, lag: int) -> float:
    """Return the t-statistic of the mean, with the variance of Newey & West (1987): Bartlett weights up to `lag`.

    Missing values are left out. For labels that overlap over `horizon` bars, `lag` should be at least the horizon.
    """
    values = _values(series.dropna())
    n = len(values)
    if n < 2 or np.ptp(values) == 0:
        return math.nan
    centred = values - values.mean()
    lag = min(lag, n - 1)
    overlap = sum((1.0 - k / (lag + 1.0)) * (centred[k:] @ centred[:-k]) for k in range(1, lag + 1))
    variance = centred @ centred + 2.0 * overlap
    return float(values.mean() * n / math.sqrt(variance)) if variance > 0 else math.nan


def judged(signal: pd.Series, target: pd.Series) -> pd.DataFrame:
    """Return the rows on which a direction can be judged: signal and target known, and neither of them 0."""
    both = pd.DataFrame({"signal": signal, "target": target}).dropna()
    return both[(both["signal"] != 0) & (both["target"] != 0)]


def hit_rate(signal: pd.Series, target: pd.Series) -> float:
    """Return the share of judged rows on which signal and target have the same sign."""
    rows = judged(signal, target)
    return float(np.mean(np.sign(rows["signal"].to_numpy()) == np.sign(rows["target"].to_numpy()))) if len(rows) else math.nan


def base_rate(target: pd.Series) -> float:
    """Return the share of the most frequent sign: the hit rate of always naming that one."""
    signs = np.sign(_values(target.dropna()))
    return float(np.unique(signs, return_counts=True)[1].max() / len(signs)) if len(signs) else math.nan


def mcc(signal: pd.Series, target: pd.Series) -> float:
    """Return Matthews' correlation of `signal > 0` with `target > 0` over the judged rows; NaN if either never varies."""
    rows = judged(signal, target)
    called, came = rows["signal"].to_numpy() > 0, rows["target"].to_numpy() > 0
    if not (called.any() and came.any()) or called.all() or came.all():
        return math.nan
    return float(np.corrcoef(called.astype(float), came.astype(float))[0, 1])  # phi of a 2 x 2 table is its correlation


def auc(signal: pd.Series, target: pd.Series) -> float:
    """Return the chance that a row that rose ranks above one that did not, ties counting half (Mann & Whitney 1947)."""
    both = pd.DataFrame({"signal": signal, "target": target}).dropna()
    rose = both["target"].to_numpy() > 0
    n_up, n_down = int(rose.sum()), int((~rose).sum())
    if not n_up or not n_down:
        return math.nan
    ranks = both["signal"].rank().to_numpy()
    return float((ranks[rose].sum() - n_up * (n_up + 1) / 2.0) / (n_up * n_down))


def brier(probability: pd.Series, target: pd.Series) -> float:
    """Return the mean squared error of P(target > 0) (Brier 1950): 0 is perfect, always saying one half earns .25."""
    both = pd.DataFrame({"probability": probability, "target": target}).dropna()
    return float(np.mean((both["probability"].to_numpy() - (both["target"].to_numpy() > 0)) ** 2)) if len(both) else math.nan


def _values(series: pd.Series) -> npt.NDArray[np.float64]:
    """Return the values as floats; numpy lets NaN through where pandas would skip it in silence."""
    return series.to_numpy(dtype=float)


def _moment(values: npt.NDArray[np.float64], order: int) -> float:
    """Return the standardised central moment of the population."""
    if len(values) < 2 or np.ptp(values) == 0:
        return math.nan
    centred = values - values.mean()
    return float(np.mean(centred**order) / np.mean(centred**2) ** (order / 2.0))
