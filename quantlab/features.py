"""Features: what is known at the close of each bar, one table (n_times, n_symbols) per feature, stacked to rows by `panel`.

Three rules hold for every feature:

1. Row t reads rows up to t only, so a longer history leaves the rows of a shorter one as they were.
2. A window is full or the answer is NaN: nothing is filled backwards, nothing is centred.
3. A bar without prices between two bars with prices (a halt) counts as a flat bar at the last close: no return, no range, no
   volume; the price moves when trading resumes. So a halt does not blank the window after it. A name without prices at t has NaN there.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.errors import DataError, UsageError, nearest
from quantlab.news import Documents

__all__ = [
    "market_beta",
    "momentum",
    "moving_average_distance",
    "news_count",
    "news_novelty",
    "overnight_gap",
    "panel",
    "range_volatility",
    "rank",
    "returns",
    "rsi",
    "volatility",
    "volume_zscore",
    "zscore",
]

RangeKind = Literal["parkinson", "garman_klass", "rogers_satchell"]
WORD = r"\w+"


def returns(close: pd.DataFrame, n: int = 1) -> pd.DataFrame:
    """Return the simple return over the last `n` bars, as a fraction, (n_times, n_symbols)."""
    _check_bars("returns: n", n, least=1)
    standing = _standing(close)
    return (standing / standing.shift(n) - 1.0).where(close.notna())


def momentum(close: pd.DataFrame, window: int, *, skip: int = 0) -> pd.DataFrame:
    """Return the simple return from the close `window` bars ago to the close `skip` bars ago, (n_times, n_symbols).

    `momentum(close, 252, skip=21)` is the 12-1 month momentum of Jegadeesh and Titman (Journal of Finance 48(1), 1993).
    """
    _check_bars("momentum: window", window, least=1)
    _check_bars("momentum: skip", skip, least=0)
    if skip >= window:
        raise UsageError(f"momentum: skip must be in [0, window = {window}), not {skip}")
    standing = _standing(close)
    return (standing.shift(skip) / standing.shift(window) - 1.0).where(close.notna())


def volatility(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return the standard deviation (ddof 1) of the last `window` log returns, per bar and not annualised, (n_times, n_symbols)."""
    _check_bars("volatility: window", window, least=2)
    return _log(_standing(close)).diff().rolling(window).std().where(close.notna())


def range_volatility(bars: Bars, window: int, kind: RangeKind = "parkinson") -> pd.DataFrame:
    """Return the volatility within the bar, from open, high, low and close over `window` bars, per bar, (n_times, n_symbols).

    The square root of the mean, over the window, of these (overnight moves are left out):
    parkinson: ln(H/L)^2 / (4 ln 2) (Parkinson, Journal of Business 53(1), 1980);
    garman_klass: ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2 (Garman and Klass, Journal of Business 53(1), 1980);
    rogers_satchell: ln(H/C) ln(H/O) + ln(L/C) ln(L/O) (Rogers and Satchell, Annals of Applied Probability 1(4), 1991).
    """
    _check_bars("range_volatility: window", window, least=1)
    opened, high, low, close = (_log(frame) for frame in (bars.open, bars.high, bars.low, bars.close))
    if kind == "parkinson":
        variance = (high - low) ** 2 / (4.0 * np.log(2.0))
    elif kind == "garman_klass":
        variance = 0.5 * (high - low) ** 2 - (2.0 * np.log(2.0) - 1.0) * (close - opened) ** 2
    elif kind == "rogers_satchell":
        variance = (high - close) * (high - opened) + (low - close) * (low - opened)
    else:
        known = get_args(RangeKind)
        raise UsageError(f"range_volatility: kind must be one of {', '.join(known)}, not {kind!r}{nearest(str(kind), known)}")
    mean = _flat_when_halted(variance).rolling(window).mean().clip(lower=0.0)  # rounding may leave -1e-20
    return mean.pow(0.5).where(bars.close.notna())


def rsi(close: pd.DataFrame, window: int = 14) -> pd.DataFrame:
    """Return the relative strength index, in [0, 100], (n_times, n_symbols); 50 where no price has moved yet.

    100 * gain / (gain + loss), both with Wilder's smoothing (New Concepts in Technical Trading Systems, 1978): the plain mean
    of the first `window` changes, then `(window - 1) / window` of the last value plus `1 / window` of the new change.
    It thus remembers the whole listing, ever more faintly; the first `window` bars of a listing are NaN.
    """
    _check_bars("rsi: window", window, least=1)
    change = _standing(close).diff()
    gain, loss = _wilder(change.clip(lower=0.0), window), _wilder(-change.clip(upper=0.0), window)
    moved = gain + loss
    index = (100.0 * gain / moved).mask(moved == 0.0, 50.0)
    return index.where(close.notna())


def moving_average_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return how far the close lies above the mean of the last `window` closes, as a fraction of that mean, (n_times, n_symbols)."""
    _check_bars("moving_average_distance: window", window, least=1)
    return close / _standing(close).rolling(window).mean() - 1.0


def volume_zscore(volume: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return the log volume less its mean, in standard deviations (ddof 1), both over the last `window` bars, (n_times, n_symbols).

    Of log(1 + volume), because volume is skewed: one spike would otherwise set the scale. 0 where the volume did not change.
    """
    _check_bars("volume_zscore: window", window, least=2)
    logged = _flat_when_halted(_log(volume + 1.0))
    deviation, rolling = logged - logged.rolling(window).mean(), logged.rolling(window).std()
    return (deviation / rolling).mask(rolling == 0.0, 0.0).where(volume.notna())


def overnight_gap(bars: Bars) -> pd.DataFrame:
    """Return the open over the last close before it, less 1, as a fraction, (n_times, n_symbols)."""
    return bars.open / _standing(bars.close).shift(1) - 1.0


def market_beta(close: pd.DataFrame, window: int, market: pd.Series | None = None) -> pd.DataFrame:
    """Return the slope of each name's simple returns on the market's, over the last `window` bars, (n_times, n_symbols).

    `market` is a series of closes over the same times; None means the equal-weight mean return of the names with a price.
    NaN where the market did not move.
    """
    _check_bars("market_beta: window", window, least=2)
    if market is not None and not market.index.equals(close.index):
        raise DataError(f"market_beta: market has other times than close, at {_difference(market.index, close.index)}: use the same bars")
    name = _standing(close).pct_change(fill_method=None)
    standard = returns(close).mean(axis=1) if market is None else returns(market.to_frame()).iloc[:, 0]
    standard = _flat_when_halted(standard.to_frame()).iloc[:, 0]
    covariance = name.mul(standard, axis=0).rolling(window).mean() - name.rolling(window).mean().mul(
        standard.rolling(window).mean(), axis=0
    )
    variance = standard.rolling(window).var(ddof=0)
    return covariance.div(variance.where(variance > 0.0), axis=0).where(close.notna())


def rank(wide: pd.DataFrame) -> pd.DataFrame:
    """Return each value's rank among the names of its bar, from -0.5 (lowest) to 0.5 (highest), (n_times, n_symbols).

    Ties share their mean rank; a bar with one value has 0.
    """
    n_names = wide.notna().sum(axis=1)
    return wide.rank(axis=1).sub((n_names + 1) / 2, axis=0).div((n_names - 1).clip(lower=1), axis=0)


def zscore(wide: pd.DataFrame) -> pd.DataFrame:
    """Return each value less the mean of its bar, in standard deviations (ddof 0) of it, (n_times, n_symbols).

    0 where all names of the bar have the same value.
    """
    wide = wide.astype("float64")
    differ = wide.max(axis=1) > wide.min(axis=1)  # not std > 0: the mean of equal values may be off by a rounding
    centre, spread = wide.mean(axis=1).where(differ, wide.max(axis=1)), wide.std(axis=1, ddof=0).where(differ, 1.0)
    return wide.sub(centre, axis=0).div(spread, axis=0)


def news_count(news: pd.Series) -> pd.Series:
    """Return the number of documents in each row of a column made by `known_news`, on its index, (n_rows,)."""
    return pd.Series(Documents.of(news).n_by_row.astype(np.float64), index=news.index, name="news_count")


def news_novelty(news: pd.Series, window: int) -> pd.Series:
    """Return the share, in [0, 1], of a row's distinct words that its symbol's rows of the `window` bars before lack, (n_rows,).

    `news` is a whole column made by `known_news`, best with lookback 1: with more, a document is stale from its second bar on.
    Words are runs of letters and digits, case folded. NaN where a row has no words, and in the first `window` bars.
    """
    _check_bars("news_novelty: window", window, least=1)
    documents = Documents.of(news)
    if news.index.nlevels != 2:
        raise DataError(f"news_novelty: the rows must be (time, symbol), not {list(news.index.names)}: use the column made by known_news()")
    (time, times), (symbol, symbols) = (pd.factorize(news.index.get_level_values(level), sort=True) for level in (0, 1))
    row, word, n_words = _words_by_row(documents)
    seen = np.sort((symbol[row] * n_words + word) * len(times) + time[row])  # one number for (symbol, word, time), in this order
    seen = seen[np.diff(seen, prepend=-1) > 0]  # a word counts once a row
    pair, at = np.divmod(seen, max(len(times), 1))
    novel = np.ones(len(seen))
    novel[1:] = (pair[1:] != pair[:-1]) | (np.diff(at) > window)
    cell, own = pair // n_words * len(times) + at, symbol * len(times) + time
    total = np.bincount(cell, minlength=len(symbols) * len(times))[own]
    share = np.bincount(cell, novel, minlength=len(symbols) * len(times))[own] / np.where(total > 0, total, 1)
    return pd.Series(np.where((total > 0) & (time >= window), share, np.nan), index=news.index, name="news_novelty")


def panel(**columns: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Return one row per (time, symbol), sorted, and one column per keyword, in the order given.

    Tables (n_times, n_symbols) are stacked and become float64. A series, such as the news column, stands on the same rows
    already and is taken over as it is. Raises DataError if a column stands on other times or symbols than the rest.
    """
    if not columns:
        raise UsageError("panel() needs at least one column: panel(momentum_5=momentum(bars.close, 5), ...)")
    first = next((name for name, column in columns.items() if isinstance(column, pd.DataFrame)), next(iter(columns)))
    rows = _rows(first, columns[first])
    stacked = {name: _stacked(name, column, first, rows) for name, column in columns.items()}
    return pd.DataFrame(stacked, index=rows, copy=False)


def _rows(name: str, column: pd.DataFrame | pd.Series) -> pd.MultiIndex:
    """Return the rows (time, symbol) that a column stands on; refuse those out of order."""
    if isinstance(column, pd.DataFrame):
        in_order = all(axis.is_unique and axis.is_monotonic_increasing for axis in column.axes)
        index: pd.Index = pd.MultiIndex.from_product(column.axes, names=["time", "symbol"])
    else:
        index = column.index
        in_order = isinstance(index, pd.MultiIndex) and index.nlevels == 2 and index.is_unique and index.is_monotonic_increasing
    if not in_order or not isinstance(index, pd.MultiIndex):
        raise DataError(f"panel: the times and symbols of {name!r} must be unique and sorted: make it from the tables of one Bars")
    return index.set_names(["time", "symbol"])


def _stacked(
    name: str, column: pd.DataFrame | pd.Series, first: str, rows: pd.MultiIndex
) -> npt.NDArray[np.float64] | pd.api.extensions.ExtensionArray:
    """Return the values of one column in the order of `rows`."""
    if isinstance(column, pd.Series):
        if not column.index.equals(rows):
            raise DataError(
                f"panel: {name!r} is not aligned with {first!r}, at {_difference(column.index, rows)}: make both from the same bars"
            )
        values: pd.api.extensions.ExtensionArray = column.array.copy()  # Arrow shares its buffers, nothing else can be changed through it
        return values
    for axis, level in zip(column.axes, rows.levels, strict=True):
        if not axis.equals(level):
            raise DataError(f"panel: {name!r} is not aligned with {first!r}, at {_difference(axis, level)}: make both from the same bars")
    try:
        return np.asarray(column.to_numpy(dtype=np.float64).flatten())
    except (TypeError, ValueError) as error:
        raise DataError(f"panel: {name!r} holds something that is not a number ({error}): make it numeric") from None


def _difference(left: pd.Index, right: pd.Index) -> str:
    """Name the first entry that only one of two indexes has."""
    only = left.symmetric_difference(right, sort=False)
    return f"{only[0]} ({len(only)} in all)" if len(only) else "the order of its entries"


def _standing(close: pd.DataFrame) -> pd.DataFrame:
    """Return the last close known at each bar; NaN before the first."""
    return close.astype("float64").ffill()


def _log(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the natural logarithm as a table."""
    return pd.DataFrame(np.log(wide.to_numpy(dtype=np.float64)), index=wide.index, columns=wide.columns)


def _flat_when_halted(wide: pd.DataFrame) -> pd.DataFrame:
    """Return `wide` with 0 instead of NaN once a first value is known."""
    return wide.fillna(0.0).where(wide.ffill().notna())


def _wilder(change: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return Wilder's smoothing of `change`, which has no NaN after its first value."""
    n_known = change.notna().cumsum()
    seeded = change.where(n_known > window).mask(n_known == window, change.rolling(window).mean())
    return seeded.ewm(alpha=1.0 / window, adjust=False).mean()


def _words_by_row(documents: Documents) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return the row and the word of each word of each document, and the number of distinct words (at least 1)."""
    words = pd.Series(documents.texts, dtype="str").str.casefold().str.findall(WORD).explode().dropna()  # each distinct text once
    code, distinct = pd.factorize(words.to_numpy(dtype=object))
    n_words = np.bincount(words.index.to_numpy(), minlength=len(documents.texts))
    n_views = n_words[documents.text]
    first = np.repeat((np.cumsum(n_words) - n_words)[documents.text], n_views)
    within = np.arange(n_views.sum()) - np.repeat(np.cumsum(n_views) - n_views, n_views)
    return np.repeat(documents.row, n_views), code[first + within], max(len(distinct), 1)


def _check_bars(name: str, value: int, *, least: int) -> None:
    """Refuse what is not a whole number of bars."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} must be a whole number of bars >= {least}, not {value!r}")
