"""Weights: from a signal to the fraction of equity in each name, (n_times, n_symbols), decided at the close of each bar.

A rule takes `(signal, bars, *, ...)`. The signal is a series over (time, symbol); rows may be missing or NaN: the model abstains.
What every rule promises:

1. Row t reads the signal up to t only; it trades at the open of t+1, which is the portfolio's business.
2. A weight is always finite. Where there is no signal, or the name has no price at t, it is 0: NaN would mean "hold".
3. Ties are broken by symbol, the earlier one counting as the higher. A signal that is the same for all names says nothing about
   which to choose, and nothing is held.
4. With `hold` = n, the weight is the mean of the portfolios chosen in the last n bars, so that 1/n of it is renewed each bar
   (Jegadeesh and Titman, Journal of Finance 48(1), 1993). Bars without a signal count as an empty portfolio.

`scale_to_volatility` and `limit` take weights and return weights.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.errors import DataError, UsageError

__all__ = ["cluster_rule", "limit", "long_short", "scale_to_volatility", "threshold", "top_k"]

Matrix = npt.NDArray[np.float64]


def long_short(signal: pd.Series, bars: Bars, *, quantile: float = 0.2, gross: float = 1.0, hold: int = 1) -> pd.DataFrame:
    """Return weights that buy the top and sell the bottom `quantile` of each bar, `gross / 2` of equity on each side.

    Each side holds floor(n * quantile) names, at least one, with equal weight; they never overlap. Fewer than two names: nothing.
    """
    _check_number("long_short: quantile", quantile, above=0.0, most=0.5)
    _check_number("long_short: gross", gross, above=0.0)
    _check_bars("long_short: hold", hold, least=1)
    values = _table(signal, bars)
    n_names = np.sum(~np.isnan(values), axis=1, keepdims=True)
    n_side = np.maximum(np.floor(n_names * quantile + 1e-9), 1)  # 1e-9: 0.29 * 100 is 28.999999999999996
    place = _places(values)
    bought, sold = place < n_side, (place >= n_names - n_side) & (place < n_names)
    side = (bought.astype(np.float64) - sold) * _differs(values)  # also empty for fewer than two names: one ties with itself
    return _held(side * (gross / 2) / n_side, hold, bars)


def top_k(signal: pd.Series, bars: Bars, *, k: int, gross: float = 1.0, hold: int = 1) -> pd.DataFrame:
    """Return weights that hold the `k` highest signals of each bar, of whatever sign, with `gross / k` of equity each.

    With fewer than k names the rest stays in cash. If all names tie and there are more than k, nothing is held.
    """
    _check_bars("top_k: k", k, least=1)
    _check_number("top_k: gross", gross, above=0.0)
    _check_bars("top_k: hold", hold, least=1)
    values = _table(signal, bars)
    chosen = (_places(values) < k) & ~np.isnan(values)
    choice = _differs(values) | (np.sum(~np.isnan(values), axis=1, keepdims=True) <= k)
    return _held(np.where(chosen & choice, gross / k, 0.0), hold, bars)


def threshold(
    signal: pd.Series,
    bars: Bars,
    *,
    enter: float,
    exit: float | None = None,  # noqa: A002 - the word that users of the field look for; the builtin is not wanted here
    gross: float = 1.0,
    max_name: float | None = None,
) -> pd.DataFrame:
    """Return weights that are long from a signal above `enter` and short from one below `-enter`, in units of the signal.

    A position is kept until the signal is no longer beyond `exit` on its side (0 <= exit <= enter; default `enter`: no hysteresis)
    or is missing. Each position has an equal share of `gross`, but at most `max_name`; what that leaves over stays in cash.
    """
    _check_number("threshold: enter", enter, least=0.0)
    leave = enter if exit is None else exit
    _check_number("threshold: exit", leave, least=0.0, most=enter)
    _check_number("threshold: gross", gross, above=0.0)
    most = gross if max_name is None else max_name
    _check_number("threshold: max_name", most, above=0.0)
    values = _table(signal, bars)
    side = _latched(values, enter, leave) - _latched(-values, enter, leave)
    n_positions = np.sum(side != 0.0, axis=1, keepdims=True)
    return _held(side * np.minimum(gross / np.maximum(n_positions, 1), most), 1, bars)


def cluster_rule(signal: pd.Series, bars: Bars, *, gross: float = 1.0, hold: int = 1) -> pd.DataFrame:
    """Return weights for a signal of +1 (buy), -1 (sell) and 0 (flat): an equal share of `gross` for each name that is not flat.

    All names may say the same here: the signal is a decision, not a ranking. Raises DataError for any other value.
    """
    _check_number("cluster_rule: gross", gross, above=0.0)
    _check_bars("cluster_rule: hold", hold, least=1)
    odd = signal[~signal.isin([-1, 0, 1]) & signal.notna()]
    if len(odd):
        raise DataError(f"cluster_rule: the signal must be -1, 0 or 1, it is {odd.iloc[0]!r} at {_named(odd.index[0])}: use another rule")
    side = np.nan_to_num(_table(signal, bars))
    n_active = np.sum(side != 0.0, axis=1, keepdims=True)
    return _held(side * gross / np.maximum(n_active, 1), hold, bars)


def scale_to_volatility(
    weights: pd.DataFrame, bars: Bars, *, target: float = 0.10, window: int = 60, max_gross: float = 1.0, periods: float = 252
) -> pd.DataFrame:
    """Return the weights of each bar times one factor, so that their volatility would have been `target` a year.

    The volatility is that of the bar's own weights, held constant over the `window` returns up to the bar (ddof 1, times
    sqrt(periods)): the same as with the sample covariance of these returns, without the covariance. A name that had no return in a bar
    counts with the mean of the others. The factor never lifts the gross above `max_gross`. Before there are `window` returns
    there is no estimate, and nothing is held.
    """
    _check_number("scale_to_volatility: target", target, above=0.0)
    _check_bars("scale_to_volatility: window", window, least=2)
    _check_number("scale_to_volatility: max_gross", max_gross, above=0.0)
    _check_number("scale_to_volatility: periods", periods, above=0.0)
    values = _finite(weights)
    if not (weights.index.equals(bars.times) and weights.columns.equals(bars.symbols)):
        raise DataError("scale_to_volatility: the weights are not aligned with the bars: reindex them to bars.times and bars.symbols")
    volatility = _portfolio_volatility(values, bars, window) * math.sqrt(periods)
    gross = np.abs(values).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is an empty row, which stays empty
        factor = np.fmin(target / volatility, max_gross / gross)
    factor[np.isnan(volatility) | (gross == 0.0)] = 0.0
    return pd.DataFrame(values * factor[:, None], index=weights.index, columns=weights.columns)


def limit(
    weights: pd.DataFrame, *, name: float | None = None, gross: float | None = None, net: float | None = None, turnover: float | None = None
) -> pd.DataFrame:
    """Return the weights with each bound imposed that is given, all as fractions of equity; all of them hold together.

    In this order: `name`, each weight is cut to +-name; `net`, the heavier side is scaled until |sum of weights| <= net; `gross`,
    all are scaled until the sum of |weights| <= gross; `turnover`, buys plus sells against the bar before, of which as
    much is done as the bound allows, from an empty portfolio on. No step breaks an earlier bound: the first three only shrink, and
    the last ends between two portfolios that keep them. It may leave a rest in a name whose weight should be 0 already.
    """
    for label, bound in (("name", name), ("gross", gross), ("turnover", turnover)):
        if bound is not None:
            _check_number(f"limit: {label}", bound, above=0.0)
    values = _finite(weights)
    if name is not None:
        values = np.clip(values, -name, name)
    if net is not None:
        _check_number("limit: net", net, least=0.0)
        values = _net_within(values, net)
    if gross is not None:
        values = values * (gross / np.maximum(np.abs(values).sum(axis=1, keepdims=True), gross))
    if turnover is not None:
        values = _turnover_within(values, turnover)
    return pd.DataFrame(values, index=weights.index, columns=weights.columns)


def _table(signal: pd.Series, bars: Bars) -> Matrix:
    """Return the signal as (n_times, n_symbols), NaN where it is missing or the name has no price."""
    if signal.index.nlevels != 2 or not signal.index.is_unique:
        raise DataError("a signal needs one row per (time, symbol): make it with walk_forward(), or drop the duplicates")
    row = bars.times.get_indexer(signal.index.get_level_values(0))
    column = bars.symbols.get_indexer(signal.index.get_level_values(1))
    given = signal.to_numpy(dtype=np.float64)
    strange = np.flatnonzero((row < 0) | (column < 0) | np.isinf(given))
    if len(strange):
        where = _named(signal.index[strange[0]])
        raise DataError(f"the signal {given[strange[0]]} at {where} is infinite or has no bar: use the bars it was made from")
    values = np.full((len(bars.times), len(bars.symbols)), np.nan)
    values[row, column] = given
    values[~bars.listed.to_numpy()] = np.nan
    return values


def _places(values: Matrix) -> npt.NDArray[np.int64]:
    """Return the place of each value in its row: 0 for the highest, ties by column, NaN last."""
    order = np.argsort(-values, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(values.shape[1])[None, :], axis=1)
    return place


def _differs(values: Matrix) -> npt.NDArray[np.bool_]:
    """Tell for each row whether it has two different values, (n_times, 1)."""
    missing = np.isnan(values)
    highest = np.where(missing, -np.inf, values).max(axis=1, keepdims=True, initial=-np.inf)
    lowest = np.where(missing, np.inf, values).min(axis=1, keepdims=True, initial=np.inf)
    return np.asarray(highest > lowest)


def _held(portfolio: Matrix, hold: int, bars: Bars) -> pd.DataFrame:
    """Return the mean of the last `hold` portfolios, 0 where a name has no price at the bar."""
    total = portfolio.copy()
    for lag in range(1, min(hold, len(portfolio))):  # not a rolling sum: its rounding would leave dust where a position has ended
        total[lag:] += portfolio[:-lag]
    return pd.DataFrame(np.where(bars.listed.to_numpy(), total / hold, 0.0), index=bars.times, columns=bars.symbols)


def _latched(values: Matrix, enter: float, leave: float) -> Matrix:
    """Return 1 from a value above `enter` on, for as long as the values stay above `leave`, else 0."""
    state = pd.DataFrame(np.select([values > enter, values > leave], [1.0, np.nan], 0.0))
    return state.ffill().fillna(0.0).to_numpy()


def _portfolio_volatility(values: Matrix, bars: Bars, window: int) -> Matrix:
    """Return the standard deviation of each row's weights over the `window` returns up to it, (n_times,), NaN before there are as many."""
    known = bars.close.ffill()
    returns = (known / known.shift(1) - 1.0).where(bars.listed)
    others = returns.mean(axis=1).fillna(0.0).to_numpy()[:, None]
    filled = np.where(returns.isna(), others, returns)
    earned = np.full((window, len(values)), np.nan)  # (bars ago, time)
    for lag in range(min(window, len(values))):
        earned[lag, lag:] = np.einsum("ts,ts->t", values[lag:], filled[: len(filled) - lag])
    earned[:, :window] = np.nan  # the first bar has no return, so bar `window` is the first with `window` of them
    return np.asarray(earned.std(axis=0, ddof=1))


def _net_within(values: Matrix, net: float) -> Matrix:
    """Scale the heavier side of each row down until the two differ by at most `net`."""
    bought, sold = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    long, short = bought.sum(axis=1, keepdims=True), sold.sum(axis=1, keepdims=True)
    keep_long, keep_short = np.ones_like(long), np.ones_like(short)
    np.divide(short + net, long, out=keep_long, where=long - short > net)
    np.divide(long + net, short, out=keep_short, where=short - long > net)
    return np.asarray(bought * keep_long - sold * keep_short)


def _turnover_within(values: Matrix, turnover: float) -> Matrix:
    """Move from each row to the next by at most `turnover`; each step starts where the last one ended, hence the loop over time."""
    reached, last = np.empty_like(values), np.zeros(values.shape[1])
    for time, wanted in enumerate(values):
        trade = wanted - last
        last = last + trade * min(1.0, turnover / max(float(np.abs(trade).sum()), turnover))
        reached[time] = last
    return reached


def _finite(weights: pd.DataFrame) -> Matrix:
    """Return the weights as an array; refuse NaN and infinity."""
    values = weights.to_numpy(dtype=np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        time, symbol = weights.index[bad[0][0]], weights.columns[bad[0][1]]
        raise DataError(f"the weight of {_named((time, symbol))} is {values[tuple(bad[0])]}: use 0 for no position")
    return values


def _named(row: object) -> str:
    """Name a row (time, symbol) the way messages do."""
    return " / ".join(str(part) for part in row) if isinstance(row, tuple) else str(row)


def _check_bars(name: str, value: int, *, least: int) -> None:
    """Refuse what is not a whole number >= least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} must be a whole number >= {least}, not {value!r}")


def _check_number(name: str, value: float, *, above: float | None = None, least: float = -math.inf, most: float = math.inf) -> None:
    """Refuse what is not a finite number in the range."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value > most or (value <= above if above is not None else value < least):
        low = f"({above:g}" if above is not None else f"[{least:g}"
        raise UsageError(f"{name} must be in {low}, {most:g}{']' if most < math.inf else ')'}, not {value!r}")
