"""Metrics of a series of simple returns, (n_times,): growth, risk, ratios, tails, months.

Gross and net are the same functions on other returns.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.metrics.arrays import check_count, check_share, floats
from quantlab.metrics.drawdown import max_drawdown


def total_return(returns: pd.Series) -> float:
    """Return what 1 grew by over the whole span."""
    return float(np.prod(1.0 + floats(returns)) - 1.0) if len(returns) else math.nan


def cagr(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the compound annual growth rate, (1 + total)^(periods / n) - 1; NaN if more than everything was lost."""
    wealth = 1.0 + total_return(returns)
    return wealth ** (periods / len(returns)) - 1.0 if wealth >= 0 else math.nan


def volatility(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the annualised standard deviation (ddof = 1); NaN for fewer than two returns."""
    return float(np.std(floats(returns), ddof=1) * math.sqrt(periods)) if len(returns) > 1 else math.nan


def sharpe(returns: pd.Series, *, periods: float = 252) -> float:
    """Return mean / standard deviation (ddof = 1), annualised (Sharpe 1994); NaN for returns that never vary."""
    values = floats(returns)
    if len(values) < 2 or np.ptp(values) == 0:
        return math.nan
    return float(np.mean(values) / np.std(values, ddof=1) * math.sqrt(periods))


def sortino(returns: pd.Series, *, periods: float = 252) -> float:
    """Return mean / downside deviation, annualised; the deviation is over *all* observations (Sortino & Price 1994).

    NaN if no return is negative.
    """
    values = floats(returns)
    downside = math.sqrt(np.mean(np.minimum(values, 0.0) ** 2)) if len(values) else 0.0
    return float(np.mean(values) / downside * math.sqrt(periods)) if downside else math.nan


def calmar(returns: pd.Series, *, periods: float = 252) -> float:
    """Return the compound annual growth rate over the size of the maximum drawdown; NaN without a drawdown."""
    deepest = max_drawdown(returns)
    return cagr(returns, periods=periods) / -deepest if deepest else math.nan


def omega(returns: pd.Series, *, threshold: float = 0.0) -> float:
    """Return the sum of what exceeds `threshold` over the sum of what falls short of it (Keating & Shadwick 2002).

    threshold: a return per session. NaN if none falls short. With a threshold of 0 it is the profit factor of the days.
    """
    excess = floats(returns) - threshold
    short = float(np.sum(np.maximum(-excess, 0.0)))
    return float(np.sum(np.maximum(excess, 0.0)) / short) if short else math.nan


def tail_ratio(returns: pd.Series, *, level: float = 0.05) -> float:
    """Return the size of the return at the quantile 1 - `level` over that at `level`: above 1, gains reach further than losses.

    NaN where the lower quantile is 0.
    """
    check_share("tail_ratio: level", level)
    if not len(returns):
        return math.nan
    low, high = np.quantile(floats(returns), [level, 1.0 - level])
    return float(abs(high) / abs(low)) if low else math.nan


def value_at_risk(returns: pd.Series, *, level: float = 0.05) -> float:
    """Return the historical value at risk: the return of one session that a share `level` of them falls below.

    A return, not a size: a loss is negative. The quantile of what happened, interpolated linearly; no distribution is fitted.
    """
    check_share("value_at_risk: level", level)
    return float(np.quantile(floats(returns), level)) if len(returns) else math.nan


def expected_shortfall(returns: pd.Series, *, level: float = 0.05) -> float:
    """Return the mean of the returns at or below the value at risk at `level`; a loss is negative (Rockafellar & Uryasev 2002)."""
    check_share("expected_shortfall: level", level)
    values, least = floats(returns), value_at_risk(returns, level=level)
    return float(np.mean(values[values <= least])) if not math.isnan(least) else math.nan


def best(returns: pd.Series, n: int = 5) -> pd.Series:
    """Return the `n` highest returns with their times, the highest first, ties by time; missing ones are left out.

    Months are ranked by passing `monthly_returns(returns)`.
    """
    check_count("best: n", n, least=1)
    return returns.dropna().sort_values(ascending=False, kind="stable").head(n)


def worst(returns: pd.Series, n: int = 5) -> pd.Series:
    """Return the `n` lowest returns with their times, the lowest first, ties by time; missing ones are left out."""
    check_count("worst: n", n, least=1)
    return returns.dropna().sort_values(kind="stable").head(n)


def win_rate(returns: pd.Series) -> float:
    """Return the share of gains among the returns that are not 0: sessions without a position are neither.

    Of days, of months, or of trades: pass `trades["pnl"]`. NaN if all are 0.
    """
    values = floats(returns)
    moved = values[values != 0]
    return float(np.mean(moved > 0)) if len(moved) and not np.isnan(moved).any() else math.nan


def profit_factor(returns: pd.Series) -> float:
    """Return the sum of the gains over the sum of the losses, > 0; NaN without a loss.

    Of days, or of trades: pass `trades["pnl"]`.
    """
    return omega(returns)


def last_open(closes: pd.Index) -> pd.DatetimeIndex:
    """Return the last instant at which each bar was open, (n_times,), without its zone: what month and year a session counts in.

    A session that runs round the clock closes at the midnight after it, which is a date of the next day, or month, or year.
    """
    return pd.DatetimeIndex(closes).tz_localize(None) - pd.Timedelta(microseconds=1)


def monthly_returns(returns: pd.Series) -> pd.Series:
    """Return the compounded return of each month (UTC) with a session, indexed by monthly Period.

    returns: indexed by the close of the session; one that closes at midnight belongs to the day before.
    """
    months = last_open(returns.index).to_period("M")
    return (1.0 + returns).groupby(months).prod(skipna=False) - 1.0


def monthly_table(returns: pd.Series) -> pd.DataFrame:
    """Return the months as a table, (n_years, 13): columns 1 to 12 (NaN without sessions) and `year`, the whole year."""
    months = monthly_returns(returns)
    period = pd.PeriodIndex(months.index)
    table = pd.DataFrame({"year": period.year, "month": period.month, "return": months.to_numpy()})
    wide = table.pivot(index="year", columns="month", values="return").reindex(columns=range(1, 13))
    return wide.assign(year=(1.0 + returns).groupby(last_open(returns.index).year).prod(skipna=False) - 1.0)


def rolling_sharpe(returns: pd.Series, window: int, *, periods: float = 252) -> pd.Series:
    """Return the annualised Sharpe ratio of the last `window` sessions, (n_times,); NaN before there are as many."""
    rolling = returns.rolling(window)
    flat = rolling.max() == rolling.min()
    return (rolling.mean() / rolling.std(ddof=1) * math.sqrt(periods)).mask(flat)


def skewness(returns: pd.Series) -> float:
    """Return the third standardised moment (of the population, no small-sample correction); NaN without variation."""
    return _moment(floats(returns), 3)


def kurtosis(returns: pd.Series) -> float:
    """Return the fourth standardised moment, *not* in excess of the normal's 3; NaN without variation."""
    return _moment(floats(returns), 4)


def _moment(values: npt.NDArray[np.float64], order: int) -> float:
    """Return the standardised central moment of the population."""
    if len(values) < 2 or np.ptp(values) == 0:
        return math.nan
    centred = values - values.mean()
    return float(np.mean(centred**order) / np.mean(centred**2) ** (order / 2.0))
