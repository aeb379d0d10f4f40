"""Worlds that differ from the real one after a cut only: nothing before it may change.

prices: every bar after the cut multiplied by a number of its own. volumes: each name's by a number of its own, large for some.
listings: every other name is gone after the bar that follows the cut, and those that had gone are back. news: each text after the cut
is garbage or markup, documents of the last bars come again word for word, and come again with other words under their old id.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import PRICES, Bars
from quantlab.dataset import Dataset
from quantlab.news import News
from quantlab.repro import random_generator

SOURCES: Final = ("prices", "volumes", "listings", "news")
GARBAGE: Final = (
    "<script>alert('x')</script><b>bankrupt</b> &amp; zzz fraud collapse",
    "zzqx 9999999 %$#@! 株価 \u202eabc surges record profit",
    "=cmd|' /C calc'!A0 plunges plunges plunges default",
)
ECHOED: Final = 10  # bars before the cut whose documents come again after it


def poisoned(dataset: Dataset, cut: pd.Timestamp, *, seed: int = 0, sources: Collection[str] = SOURCES) -> Dataset:
    """Return the data set with another future after the cut; the past is the same, bit for bit."""
    bars, news = dataset.bars, dataset.news
    late = np.asarray(bars.times > cut)
    rng = random_generator(seed, f"audit: poison {cut.isoformat()}")
    price = np.exp(rng.uniform(-0.2, 0.2, bars.close.shape))
    volume = np.exp(rng.normal(0.0, 3.0, (1, bars.close.shape[1])))
    factors = dict.fromkeys(PRICES, price if "prices" in sources else None) | {"volume": volume if "volumes" in sources else None}
    tables = {field.name: _scaled(getattr(bars, field.name), late, factors[field.name]) for field in fields(bars)}
    if "listings" in sources:
        tables = _relisted(tables, late, rng)
    return replace(dataset, bars=Bars(**tables), news=_other_news(news, bars, cut) if "news" in sources else news)


def other_signal(signal: pd.Series, cut: pd.Timestamp, *, seed: int = 0) -> pd.Series:
    """Return the signal with other values after the cut: each the larger of two that are drawn from all of it.

    So they are values that the weights know, differ from name to name (a rule may divide by their spread), and lie higher than before.
    """
    late = np.asarray(signal.index.get_level_values(0) > cut)
    values = signal.dropna().to_numpy()
    if not late.any() or not len(values):
        return signal
    drawn = random_generator(seed, f"audit: other signals {cut.isoformat()}").choice(values, (2, int(late.sum())))
    other = signal.copy()
    other[late] = drawn.max(axis=0)
    return other


def _scaled(table: pd.DataFrame, late: npt.NDArray[np.bool_], factor: npt.NDArray[np.float64] | None) -> pd.DataFrame:
    return table if factor is None else table * np.where(late[:, None], factor, 1.0)


def _relisted(tables: dict[str, pd.DataFrame], late: npt.NDArray[np.bool_], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Let every other name go after the first poisoned bar, and let those come back that had gone."""
    close = tables["close"]
    odd = np.arange(close.shape[1]) % 2 == 1
    gone = late & (np.cumsum(late) > 1)
    back = late[:, None] & close.isna().to_numpy() & ~odd
    moved = np.exp(rng.uniform(-0.02, 0.02, close.shape))  # a price that never moves would divide by zero where no real one does
    stand = close.ffill().fillna(100.0) * moved
    volume = pd.DataFrame(1e6 * moved, index=close.index, columns=close.columns)
    found = {}
    for name, table in tables.items():
        returned = table.mask(back, stand if name in PRICES else volume)
        found[name] = returned.mask(gone[:, None] & odd, np.nan if name in PRICES else 0.0)
    return found


def _other_news(news: News, bars: Bars, cut: pd.Timestamp) -> News:
    """Return the news with garbage after the cut, and with copies and corrections of what was known before it."""
    table = news.table
    late = table["available_at"] > cut
    garbage = np.asarray(GARBAGE, dtype=object)[np.arange(len(table)) % len(GARBAGE)]
    known = bars.times[bars.times <= cut]
    recent = table[~late & (table["available_at"] > known[max(0, len(known) - 1 - ECHOED)])]
    again = recent.assign(available_at=cut + pd.Timedelta(hours=1))
    copies = again.assign(id=again["id"] + " (copy)", source="echo")
    corrected = again.assign(available_at=cut + pd.Timedelta(hours=2), text="Correction: " + again["text"] + " This was withdrawn.")
    return News(pd.concat([table.assign(text=table["text"].mask(late, garbage)), copies, corrected], ignore_index=True))
