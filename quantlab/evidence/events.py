"""Event study: what prices did around the first bar that knew of a document (MacKinlay, Journal of Economic Literature 35(1), 1997).

1. An event is a (bar, name) at which at least one document of that name is known for the first time, by the rule of `known_news`.
   Several documents at once are one event. News of the whole market is no event of a name.
2. The abnormal return of a bar is the close-to-close return of the name less that of the benchmark (market-adjusted: no slope is
   estimated). It is summed from five bars before the event to twenty after; the event's own bar is day 0.
3. Events are put in classes by the signal of that row, or by its dominant topic, and averaged.
4. Windows of one class overlap, and names move together. So the interval of a mean treats the events of one bar as one cluster and
   lets bars as far apart as a window is long be correlated (Driscoll & Kraay, Review of Economics and Statistics 80(4), 1998).

The signal of an event is decided at the close of day 0 and trades from the open of day 1 on: what lies before, nobody could earn.
The windows see what came after. They describe a finished result; nothing here is a feature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import UsageError, nearest
from quantlab.evidence.periods import market_returns
from quantlab.evidence.ranks import Floats, Integers
from quantlab.evidence.text import NONE, dominant_topic, topic_names
from quantlab.news import MARKET, Documents, News, known_news
from quantlab.result import BacktestResult

BEFORE, AFTER = 5, 20  # bars
Z95 = 1.959963984540054  # the 97.5th percentile of the normal distribution


@dataclass(frozen=True)
class Events:
    """Events whose whole window lies in the data, and how many were left out, by reason.

    table: time, symbol, signal, topic (the dominant one, by column name), n_documents; in the order of (time, symbol).
    cumulative: abnormal returns summed from the first day of the window on, (n_events, n_days); days: -5 ... 20 (bars).
    position: of each event's bar, (n_events,).
    left_out: `before the data`, `after the data`: the window begins before the first bar or ends after the last one;
        `not listed`: the name has no bar at the beginning of the window, or none from its end on; `no signal`: not a row of the test
        windows; `market-wide`: documents (not events) of the whole market.
    """

    table: pd.DataFrame
    cumulative: Floats
    days: Integers
    position: Integers
    left_out: Mapping[str, int]


def find_events(result: BacktestResult, *, before: int = BEFORE, after: int = AFTER) -> Events:
    """Return the events of a result with their cumulative abnormal returns from `before` bars before to `after` bars after.

    Raises UsageError for negative numbers of bars.
    """
    if before < 0 or after < 0:
        raise UsageError(f"find_events: the window is given in bars >= 0, not {before!r} and {after!r}")
    bars, signal = result.dataset.bars, result.predicted.signal
    n_documents, n_market_wide = _first_known(result)
    time, name = np.divmod(np.flatnonzero(n_documents), len(bars.symbols))
    known = _row_of_signal(result)[time, name]
    listed, n_times = bars.listed.to_numpy(), len(bars.times)
    first_bar = np.where(listed.any(axis=0), listed.argmax(axis=0), n_times)
    reasons = {
        "no signal": (known < 0) | np.isnan(signal.to_numpy(dtype=float))[known],
        "before the data": time - before - 1 < 0,  # the return of a day needs the close before it
        "after the data": time + after >= n_times,
        "not listed": (time - before - 1 < first_bar[name]) | (time + after > bars.last_bar.to_numpy()[name]),
    }
    left_out, kept = {"market-wide": n_market_wide}, np.ones(len(time), dtype=bool)
    for reason, hit in reasons.items():  # an event counts under the first reason that hits it
        left_out[reason] = int((kept & hit).sum())
        kept &= ~hit
    time, name, known = time[kept], name[kept], known[kept]
    days = np.arange(-before, after + 1)
    abnormal = _abnormal_returns(result)[time[:, None] + days, name[:, None]]  # (n_events, n_days)
    topic = pd.Categorical.from_codes(dominant_topic(result)[known], pd.Index([*topic_names(result), NONE]))
    table = pd.DataFrame(
        {
            "time": bars.times[time],
            "symbol": bars.symbols.to_numpy()[name],
            "signal": signal.to_numpy(dtype=float)[known],
            "topic": topic,
            "n_documents": n_documents[time * len(bars.symbols) + name],
        }
    )
    return Events(table, abnormal.cumsum(axis=1), days, time, left_out)


def event_curves(events: Events, by: str = "sign") -> pd.DataFrame:
    """Return one row per (class, day): n_events, n_sessions, mean, low and high of the cumulative abnormal return (95%).

    by: `sign` of the signal (down, flat, up); `tercile` of the signal among the events (low, middle, high; equal signals share a class);
    `topic`. low and high are NaN for events of a single session. Raises UsageError for another `by`.
    """
    signal = events.table["signal"].to_numpy(dtype=float)
    if by == "sign":
        names, code = ["down", "flat", "up"], np.sign(signal).astype(np.int64) + 1
    elif by == "tercile":
        edges = np.quantile(signal, [1 / 3, 2 / 3]) if len(signal) else np.zeros(2)
        names, code = ["low", "middle", "high"], np.searchsorted(edges, signal, side="left")
    elif by == "topic":
        names, code = list(events.table["topic"].cat.categories), events.table["topic"].cat.codes.to_numpy().astype(np.int64)
    else:
        raise UsageError(f"event_curves: by must be sign, tercile or topic, not {by!r}{nearest(by, ('sign', 'tercile', 'topic'))}")
    curves = {name: _curve(events, code == number) for number, name in enumerate(names) if (code == number).any()}
    if not curves:
        return pd.DataFrame(columns=_CURVE, index=pd.MultiIndex.from_arrays([[], []], names=["class", "day"]), dtype=float)
    return pd.concat(curves, names=["class", "day"])


_CURVE = ["n_events", "n_sessions", "mean", "low", "high"]


def _curve(events: Events, chosen: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the mean path of some events with its interval, (n_days, 5)."""
    paths, position = events.cumulative[chosen], events.position[chosen]
    mean = paths.mean(axis=0)
    bar, start = np.unique(position - position[0], return_index=True)  # events are in the order of time
    width = Z95 * _standard_error(np.add.reduceat(paths - mean, start, axis=0), bar, len(paths), lag=len(events.days) - 1)
    columns = [np.full(len(mean), len(paths)), np.full(len(mean), len(bar)), mean, mean - width, mean + width]
    return pd.DataFrame(dict(zip(_CURVE, columns, strict=True)), index=pd.Index(events.days))


def _standard_error(deviations: Floats, bar: Integers, n: int, *, lag: int) -> Floats:
    """Return the standard error of the mean of n events, (n_days,), from each bar's sum of deviations, (n_bars, n_days).

    Newey & West (1987) over bars, with Bartlett weights up to `lag`, times n_bars / (n_bars - 1); NaN for a single bar.
    """
    if len(bar) < 2:
        return np.full(deviations.shape[1], math.nan)
    spread = np.zeros((int(bar[-1]) + 1, deviations.shape[1]))  # bars without an event lie between the others
    spread[bar] = deviations
    variance = (spread**2).sum(axis=0)
    for k in range(1, min(lag, len(spread) - 1) + 1):
        variance += 2.0 * (1.0 - k / (lag + 1.0)) * (spread[k:] * spread[:-k]).sum(axis=0)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0) * len(bar) / (len(bar) - 1.0)) / n)


def _first_known(result: BacktestResult) -> tuple[Integers, int]:
    """Return the number of documents of the name itself first known at each (bar, name), (n_rows,), and that of market-wide ones."""
    news, bars = result.dataset.news, result.dataset.bars
    market_wide = news.table[(news.table["symbol"] == MARKET).to_numpy()]
    known = [Documents.of(known_news(which, bars, lookback=1)).n_by_row for which in (news, News(market_wide))]
    return known[0] - known[1], len(market_wide)


def _abnormal_returns(result: BacktestResult) -> Floats:
    """Return each name's close-to-close return less the benchmark's, (n_times, n_symbols); a halted bar stands at the last close."""
    close = result.dataset.bars.close.ffill()
    return close.pct_change(fill_method=None).sub(market_returns(result).fillna(0.0), axis=0).to_numpy(dtype=float)


def _row_of_signal(result: BacktestResult) -> Integers:
    """Return the row of the signal for each (bar, name), (n_times, n_symbols); -1 where it has none."""
    bars, index = result.dataset.bars, result.predicted.signal.index
    row = np.full((len(bars.times), len(bars.symbols)), -1, dtype=np.int64)
    place = (bars.times.get_indexer(index.get_level_values(0)), bars.symbols.get_indexer(index.get_level_values(1)))
    row[place] = np.arange(len(index))
    return row
