"""The point-in-time join against the usual `pandas.merge_asof`, in one process; then the peak memory of each in a fresh one.

The pandas way finds the first bar of each document (per symbol, exact matches refused, as a document stamped at the close is
too late) and is exploded for the lookback. It ends in a long table of (time, symbol, document, age); `known_news` also packs one
list per (time, symbol), empty ones included. Both must find the same documents, of the same age, in the same rows.
Market-wide documents, which `merge_asof` cannot express, are left out.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from timing import fresh, interleaved, table

from quantlab import Bars, News, known_news
from quantlab.news import Documents

INPUTS = "inputs alone"


def market(n_times: int, n_symbols: int, n_documents: int, seed: int = 0) -> tuple[Bars, News]:
    """Return flat bars and random headlines of about 70 characters: one in ten a copy, one in a hundred at the very close."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2015-01-02 21:00", periods=n_times, tz="UTC").as_unit("us")
    symbols = pd.Index([f"S{number:03d}" for number in range(n_symbols)])
    flat = pd.DataFrame(10.0, index, symbols)
    minutes = rng.integers(0, int((index[-1] - index[0]) / pd.Timedelta("1min")), n_documents)
    at_close = rng.random(n_documents) < 0.01
    available_at = (index[0] + pd.to_timedelta(minutes, unit="min")).where(~at_close, index[rng.integers(0, n_times, n_documents)])
    numbers = rng.integers(0, n_documents * 5, n_documents).tolist()  # about one in ten drawn before
    texts = [f"Company number {number} says that its quarter went as well as expected" for number in numbers]
    documents = pd.DataFrame({"available_at": available_at, "symbol": symbols[rng.integers(0, n_symbols, n_documents)], "text": texts})
    return Bars(flat, flat, flat, flat, flat), News(documents)


def merge_asof_join(news: News, bars: Bars, lookback: int) -> pd.DataFrame:
    """Return (row, text, age in hours) of each known document, row being the position of (time, symbol) in their product."""
    n_times, n_symbols = len(bars.times), len(bars.symbols)
    grid = pd.DataFrame(
        {
            "time": np.repeat(bars.times, n_symbols),
            "symbol": pd.Index(np.tile(bars.symbols, n_times), dtype="str"),
            "row": np.arange(n_times * n_symbols),
        }
    )
    first = pd.merge_asof(
        news.table[["available_at", "symbol", "text"]],
        grid,
        left_on="available_at",
        right_on="time",
        by="symbol",
        direction="forward",
        allow_exact_matches=False,
    ).dropna(subset=["row"])
    seen = first.loc[first.index.repeat(lookback), ["available_at", "text", "row"]]
    seen["row"] = seen["row"].astype("int64") + seen.groupby(level=0).cumcount() * n_symbols
    seen = seen[seen["row"] < n_times * n_symbols].sort_values("row", kind="stable")
    age = bars.times[seen["row"] // n_symbols] - pd.DatetimeIndex(seen["available_at"])
    return pd.DataFrame({"row": seen["row"].to_numpy(), "text": seen["text"].to_numpy(), "age_hours": age / pd.Timedelta("1h")})


def check(news: News, bars: Bars, lookback: int) -> int:
    """Assert that both joins know the same documents in the same rows, and return how many (row, document) pairs there are."""
    documents = Documents.of(known_news(news, bars, lookback=lookback))
    ours = pd.DataFrame({"row": documents.row, "text": np.array(documents.texts)[documents.text], "age_hours": documents.age_hours})
    order = ["row", "age_hours", "text"]
    theirs = merge_asof_join(news, bars, lookback).astype(ours.dtypes)
    ours, theirs = (pairs.sort_values(order, ignore_index=True)[order] for pairs in (ours, theirs))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-12)
    return len(ours)


def main() -> None:
    """Check that both joins agree, time them, measure their memory, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2520, help="number of sessions")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--lookback", type=int, default=3, help="in bars")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help=argparse.SUPPRESS)  # one way, in the fresh process that this script starts for its memory
    given = parser.parse_args()

    names = (INPUTS, "known_news", "merge_asof")
    sizes = [part for name in ("times", "symbols", "documents", "lookback") for part in (f"--{name}", str(getattr(given, name)))]
    peak_bytes = {} if given.only else {name: fresh(sys.executable, Path(__file__), "--only", name, *sizes).peak_bytes for name in names}
    bars, news = market(given.times, given.symbols, given.documents)
    ways = {
        "known_news": partial(known_news, news, bars, lookback=given.lookback),
        "merge_asof": partial(merge_asof_join, news, bars, given.lookback),
    }
    if given.only:
        ways.get(given.only, lambda: None)()
        return
    n_pairs = check(news, bars, given.lookback)
    print(f"{given.times} sessions x {given.symbols} symbols, {given.documents:,} documents, lookback {given.lookback}")
    print(f"the same {n_pairs:,} (row, document) pairs")
    print(table(interleaved(ways, rounds=given.rounds), reference="known_news", peak_bytes=peak_bytes))
    print(f"peak: of a fresh process that makes the {INPUTS} ({peak_bytes[INPUTS] / 2**20:,.0f} MiB) and joins them once")


if __name__ == "__main__":
    main()
