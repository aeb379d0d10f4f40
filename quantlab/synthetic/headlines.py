"""The invented headlines: who is written about, when, in which words, with which tone.

1. Each company has its own stream of random numbers: more companies, or an effect, change none of the others' headlines.
2. A session brings a Poisson number of headlines, before the open, within it, after the close, at the very instant of the
   close, or at any hour since the last close: nights, weekends and holidays.
3. Most have a tone, which their words show; the rest is chatter. Some are copied hours later by another source.
4. Market-wide headlines (`*`) and lists of several companies have no tone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import TIME_UNIT
from quantlab.news import MARKET
from quantlab.repro import random_generator
from quantlab.synthetic import wording
from quantlab.synthetic.wording import Company, Strings

Ints = npt.NDArray[np.int64]

SECOND: Final = 1_000_000  # in microseconds, the unit of every instant
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

HOURS: Final = (0.28, 0.27, 0.25, 0.18, 0.02)  # shares: before the open, in session, after the close, any hour, at the close
TONED: Final = 0.65  # share of a company's headlines with a tone
STRENGTH_SHARES: Final = (0.3, 0.4, 0.3)  # mild, plain, strong
COPIED: Final = 0.12  # share copied by another source, half of them word for word
MARKET_WIDE_PER_SESSION: Final = 0.6
LISTS_PER_SESSION: Final = 0.25
LIST_SIZES: Final = (2, 4)


def write_headlines(
    firms: Sequence[Company], clock: pd.DataFrame, alive: npt.NDArray[np.bool_], per_session: float, seed: int
) -> pd.DataFrame:
    """Return all headlines, a row per (document, symbol): available_at, symbol, text, source, id, tone, kind.

    `clock` holds open and close of each session; `alive` (n_times, n_symbols) says who may be written about; `per_session` is
    the mean number of headlines of one company. kind: company (with a tone), chatter, copy, market or list (tone 0).
    """
    by_company = [
        _company_headlines(firm, clock, alive[:, column], per_session, random_generator(seed, f"headlines of {firm.symbol}"))
        for column, firm in enumerate(firms)
    ]
    market = _market_headlines(clock, random_generator(seed, "headlines of the market"))
    lists = _lists(firms, clock, alive, random_generator(seed, "headlines of lists"))
    table = pd.concat([*by_company, market, lists], ignore_index=True)
    return table.assign(available_at=pd.DatetimeIndex(table["available_at"].to_numpy().astype(f"M8[{TIME_UNIT}]")).tz_localize("UTC"))


def _company_headlines(
    firm: Company, clock: pd.DataFrame, alive: npt.NDArray[np.bool_], per_session: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return one company's headlines: with a tone, without, and copies of both."""
    session = np.repeat(np.arange(len(clock)), np.where(alive, rng.poisson(per_session, len(clock)), 0))
    at = _instants(session, clock, rng)
    n_docs = len(session)
    toned = rng.random(n_docs) < TONED
    phrase = rng.choice(len(wording.PHRASES), size=n_docs, p=wording.shares())
    strength = rng.choice(len(wording.STRENGTHS), size=n_docs, p=STRENGTH_SHARES)
    sentences, tails = wording.sentences(), wording.tails()
    said = sentences[phrase, strength, rng.integers(sentences.shape[2], size=n_docs)]
    month = pd.DatetimeIndex(at.astype(f"M8[{TIME_UNIT}]")).month.to_numpy() - 1
    said = np.strings.add(said, tails[month, rng.integers(tails.shape[1], size=n_docs)])
    chatter = _drawn(wording.CHATTER, n_docs, rng)
    name = _drawn(wording.names_of(firm), n_docs, rng)
    source = rng.integers(len(wording.SOURCES), size=n_docs)
    table = pd.DataFrame(
        {
            "available_at": at,
            "text": np.strings.add(np.strings.add(name, " "), np.where(toned, said, chatter)),
            "source": source,
            "tone": np.where(toned, wording.tones()[phrase, strength], 0.0),
            "kind": np.where(toned, "company", "chatter"),
        }
    )
    table = pd.concat([table, _copies(table, rng)]).sort_values("available_at", kind="stable", ignore_index=True)
    return _numbered(table, firm.symbol, firm.symbol)


def _copies(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return syndicated copies of some headlines: 1 to 30 hours later, by another source, half of them with a prefix."""
    chosen = table[rng.random(len(table)) < COPIED]
    later = rng.integers(HOUR, 30 * HOUR, size=len(chosen))
    prefix = np.where(rng.random(len(chosen)) < 0.5, "", _drawn(wording.COPY_PREFIXES, len(chosen), rng))
    other = chosen["source"] + rng.integers(1, len(wording.SOURCES), size=len(chosen))
    return chosen.assign(
        available_at=_whole(chosen["available_at"].to_numpy() + later, SECOND),
        text=np.strings.add(prefix, chosen["text"].to_numpy(dtype="U")),
        source=other % len(wording.SOURCES),
        tone=0.0,
        kind="copy",
    )


def _market_headlines(clock: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return headlines about the whole market, which plant nothing."""
    session = np.repeat(np.arange(len(clock)), rng.poisson(MARKET_WIDE_PER_SESSION, len(clock)))
    at = _instants(session, clock, rng)
    text = _drawn(wording.MARKET_WIDE, len(session), rng)
    source = rng.integers(len(wording.SOURCES), size=len(session))
    return _numbered(pd.DataFrame({"available_at": at, "text": text, "source": source, "tone": 0.0, "kind": "market"}), MARKET, "MARKET")


def _lists(firms: Sequence[Company], clock: pd.DataFrame, alive: npt.NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    """Return headlines that name two to four companies, a row for each that is alive; they plant nothing."""
    session = np.repeat(np.arange(len(clock)), rng.poisson(LISTS_PER_SESSION, len(clock)) if len(firms) >= LIST_SIZES[0] else 0)
    at = _instants(session, clock, rng)
    least, most = LIST_SIZES[0], min(LIST_SIZES[1], len(firms))
    members = rng.random((len(session), len(firms))).argsort(axis=1, kind="stable")[:, :most]  # (n_lists, most)
    size = rng.integers(least, max(least, most) + 1, size=len(session))
    names = np.array([firm.name for firm in firms])
    text = _drawn(wording.LIST_OPENERS, len(session), rng)
    for place in range(members.shape[1]):
        named = np.strings.add("" if place == 0 else ", ", names[members[:, place]])
        text = np.strings.add(text, np.where(place < size, named, ""))
    source = rng.integers(len(wording.SOURCES), size=len(session))
    table = _numbered(pd.DataFrame({"available_at": at, "text": text, "source": source, "tone": 0.0, "kind": "list"}), "", "LIST")
    row, column = np.nonzero((np.arange(members.shape[1]) < size[:, None]) & alive[session[:, None], members])
    symbols = np.array([firm.symbol for firm in firms])
    return table.iloc[row].assign(symbol=symbols[members[row, column]])


def _instants(session: Ints, clock: pd.DataFrame, rng: np.random.Generator) -> Ints:
    """Return when each headline of these sessions is published, in microseconds, at all hours."""
    opens, closes = (pd.DatetimeIndex(clock[name]).asi8 for name in ("open", "close"))
    previous = np.concatenate([opens[:1] - 17 * HOUR, closes[:-1]])
    share = rng.random(len(session))
    opened, closed = opens[session], closes[session]
    hours = [
        opened - (share * 3 * HOUR).astype(np.int64),
        opened + (share * (closed - opened)).astype(np.int64),
        closed + (share * 4 * HOUR).astype(np.int64),
        previous[session] + (share * (opened - previous[session])).astype(np.int64),
        closed,
    ]
    slot = rng.choice(len(HOURS), size=len(session), p=HOURS)
    grain: Ints = np.where(rng.random(len(session)) < 0.4, MINUTE, SECOND).astype(np.int64)  # many wires stamp whole minutes
    return _whole(np.choose(slot, hours), grain)


def _whole(at: Ints, grain: Ints | int) -> Ints:
    """Return the instants cut to whole seconds or minutes."""
    return np.asarray(at - at % grain)


def _drawn(words: Sequence[str] | Strings, n_docs: int, rng: np.random.Generator) -> Strings:
    """Return one of the words for each document, all equally likely."""
    return np.array(words)[rng.integers(len(words), size=n_docs)]


def _numbered(table: pd.DataFrame, symbol: str, stem: str) -> pd.DataFrame:
    """Add symbol and id, counted from 1, and name the sources."""
    ids = f"{stem}-" + pd.Series(np.arange(1, len(table) + 1)).astype("str").str.zfill(5)
    return table.assign(symbol=symbol, id=ids, source=np.array(wording.SOURCES)[table["source"].to_numpy(dtype=np.int64)])
