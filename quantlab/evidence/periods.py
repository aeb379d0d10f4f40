"""When it worked: calendar years, halves and folds, the long and the short leg apart, and kinds of market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.evidence.attribution import leg_exposure, leg_returns
from quantlab.evidence.ranks import ic_by_session
from quantlab.metrics import max_drawdown, sharpe, total_return
from quantlab.metrics.returns import last_open
from quantlab.result import BacktestResult

Labels: TypeAlias = npt.NDArray[np.object_]  # one per session

TREND = 63  # bars of the benchmark's return that is its trend: a quarter
CALM = 21  # bars of the benchmark's volatility: a month
WARM_UP = 63  # volatilities that must be known before one can be called high or low
UNKNOWN = "unknown"
STATES = ("up", "down", "low", "middle", "high", UNKNOWN)


def sub_periods(result: BacktestResult) -> pd.DataFrame:
    """Return one row per (kind, period): start, end, n_sessions, total_return, sharpe (annualised), max_drawdown, ic (mean of sessions).

    Kinds: `year` and `half_year` of the calendar (UTC; a close at midnight ends the day before), `half` of the sessions (the first one
    longer by one if odd), `fold` (numbered from 1). A session stands in one period of each kind.
    """
    times = pd.DatetimeIndex(result.portfolio.returns.index)
    days = last_open(times)
    year = days.year.astype(str)
    starts = pd.DatetimeIndex([fit.fold.test_start for fit in result.predicted.fits])
    kinds = {
        "year": year,
        "half_year": year + np.where(days.month <= 6, "H1", "H2"),
        "half": np.where(np.arange(len(times)) < (len(times) + 1) // 2, "1", "2"),
        "fold": np.maximum(starts.searchsorted(times, side="right"), 1).astype(str),
    }
    return _by_kind(result, {kind: np.asarray(label, dtype=object) for kind, label in kinds.items()}, ("kind", "period"))


def market_regimes(result: BacktestResult) -> pd.DataFrame:
    """Return one row per (regime, state): n_sessions, total_return, sharpe (annualised), max_drawdown (of those sessions alone), ic.

    `benchmark`: it went up, or down, in the session itself, close to close; unchanged counts as down.
    `trend`: its return over the 63 sessions before. `volatility`: the standard deviation of its returns over the 21 sessions before,
    against the terciles of all such values up to then: low, middle, high.
    The last two were known before the session; where too little was known for that, the state is `unknown`.
    """
    times, market = result.portfolio.returns.index, market_returns(result)
    past = market.shift(1)
    trend = np.log1p(past).rolling(TREND).sum()
    spread = past.rolling(CALM).std(ddof=1)
    third, two_thirds = (spread.expanding(WARM_UP).quantile(share) for share in (1 / 3, 2 / 3))
    states = {
        "benchmark": np.select([market.isna(), market > 0], [UNKNOWN, "up"], "down"),
        "trend": np.select([trend.isna(), trend > 0], [UNKNOWN, "up"], "down"),
        "volatility": np.select([third.isna(), spread > two_thirds, spread > third], [UNKNOWN, "high", "middle"], "low"),
    }
    labels = {regime: pd.Series(state, index=market.index).reindex(times).to_numpy(dtype=object) for regime, state in states.items()}
    table = _by_kind(result, labels, ("regime", "state")).drop(columns=["start", "end"])  # a regime is no span of time
    return table.reindex([(regime, state) for regime in labels for state in STATES if (regime, state) in table.index])


def legs(result: BacktestResult) -> pd.DataFrame:
    """Return one row for the `long` leg and one for the `short`; in every session they add up to the portfolio's net return.

    n_sessions: with such a position at the close; exposure: mean over all sessions, as a fraction of the equity; contribution: mean
    part of the net return, per year; total_return: of that part alone, compounded; sharpe: of that part, annualised.
    """
    returns, exposure, periods = leg_returns(result), leg_exposure(result), result.dataset.sessions_per_year
    rows = {
        leg: {
            "n_sessions": int((exposure[leg] > 0).sum()),
            "exposure": float(exposure[leg].mean()),
            "contribution": float(returns[leg].mean() * periods),
            "total_return": total_return(returns[leg]),
            "sharpe": sharpe(returns[leg], periods=periods),
        }
        for leg in returns
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("leg")


def market_returns(result: BacktestResult) -> pd.Series:
    """Return the benchmark's close-to-close returns at every bar of the data set, (n_times,), not only the evaluated ones.

    The first is NaN. An equal weight of all listed names unless the benchmark is one of the symbols.
    """
    bars = result.dataset.bars
    returns = bars.close.ffill().pct_change(fill_method=None).where(bars.listed)
    chosen = returns[result.benchmark_name] if result.benchmark_name in bars.symbols else returns.mean(axis=1)
    return chosen.rename("benchmark")


def _by_kind(result: BacktestResult, labels: Mapping[str, Labels], names: tuple[str, str]) -> pd.DataFrame:
    """Return the figures of the sessions of each (kind, label), in the order in which they begin."""
    returns = result.portfolio.returns
    sessions = result.predicted.signal.index.get_level_values(0).unique()
    ic = pd.Series(ic_by_session(result).by_session[0], index=sessions).reindex(returns.index)
    rows = {}
    for kind, label in labels.items():
        code, found = pd.factorize(label)
        for number, name in enumerate(found):
            chosen = returns[code == number]
            rows[kind, str(name)] = {
                "start": chosen.index[0],
                "end": chosen.index[-1],
                "n_sessions": len(chosen),
                "total_return": total_return(chosen),
                "sharpe": sharpe(chosen, periods=result.dataset.sessions_per_year),
                "max_drawdown": max_drawdown(chosen),
                "ic": float(ic[code == number].mean()),
            }
    return pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(list(rows), names=names))
