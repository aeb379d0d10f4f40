"""Documents: the rows of a news table as (available_at, symbol, text, source, id), one per symbol.

A document may be used from the later of its stamps (published, available, first seen) on, plus the data set's delay.
With both a `headline` and a `text` it is the two, one below the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.checks import BarRows
from quantlab.data.columns import has_columns, refuse_stamps, texts, unread
from quantlab.data.findings import Findings
from quantlab.data.settings import Settings
from quantlab.data.stamps import are_midnight, instants, midnights_as_days
from quantlab.data.tables import Mask, Table, shortened
from quantlab.news import MARKET

STAMPS = ("published_at", "available_at", "first_seen_at")
TEXTS = ("headline", "text")
OPTIONAL = ("source", "id", "url")


@dataclass(frozen=True)
class Documents:
    """Rows of News, and the row of the table each comes from: `frame` (n_docs, 5) and `row` (n_docs,)."""

    frame: pd.DataFrame
    row: npt.NDArray[np.int64]

    def keep(self, mask: Mask) -> Documents:
        """Return the documents under the mask."""
        return Documents(self.frame[mask].reset_index(drop=True), self.row[mask])


def documents(table: Table, settings: Settings, findings: Findings, *, day_zone: str) -> Documents | None:
    """Return the documents of a news table, in its order, or None if it has not the columns of one.

    `day_zone` is the zone of dates without a time.
    """
    if not has_columns(table, [("published_at", "available_at"), ("symbol",), ("text", "headline")], findings):
        return None
    at, bad = _available_at(table, settings, findings, day_zone)
    symbol = texts(table, "symbol", findings)
    text = pd.Series("", index=symbol.index, dtype="str")
    for name in (name for name in TEXTS if name in table.frame):
        text = text.str.cat(texts(table, name, findings), sep="\n").str.strip()
    nobody = (symbol.str.replace("|", "").str.strip() == "").to_numpy(dtype=bool)
    findings.rows(rules.NOBODY, table, nobody, column="symbol", shown=symbol)
    empty = (text == "").to_numpy(dtype=bool)
    findings.rows(rules.NO_WORDS, table, empty, shown=symbol)
    findings.rows(rules.LONG_TEXT, table, (text.str.len() > rules.LONG_TEXT_LENGTH).to_numpy(dtype=bool), shown=symbol)
    unread(table, (*STAMPS, "symbol", *TEXTS, *OPTIONAL), findings)
    frame = pd.DataFrame({"available_at": at, "symbol": symbol, "text": text})
    for name in ("source", "id"):
        frame[name] = texts(table, name, findings) if name in table.frame else ""
    fine = np.flatnonzero(~(bad | nobody | empty))
    return _one_per_symbol(frame.iloc[fine], fine)


def _available_at(table: Table, settings: Settings, findings: Findings, day_zone: str) -> tuple[pd.DatetimeIndex, Mask]:
    """Return the instant from which each row may be used, (n_rows,), and where it cannot be told."""
    latest = np.full(len(table.frame), np.iinfo(np.int64).min)
    bad = np.zeros(len(table.frame), dtype=bool)
    for name in (name for name in STAMPS if name in table.frame):
        column = texts(table, name, findings) if isinstance(table.frame[name].dtype, pd.StringDtype) else table.frame[name].astype("str")
        n_midnights = int(are_midnight(column).sum())
        column, n_days = midnights_as_days(column)
        if n_days:
            findings.add(rules.MIDNIGHTS.of(n=n_days, column=repr(name)))
        elif n_midnights > rules.FEW_MIDNIGHTS * (column != "").sum():
            findings.add(rules.EXACT_MIDNIGHTS.of(n=n_midnights, column=repr(name)))
        stamps = instants(column, zone=settings.timezone, day_zone=day_zone)
        optional = (column == "").to_numpy(dtype=bool) if name == "first_seen_at" else None  # not every source says so
        bad |= refuse_stamps(table, name, stamps, findings, skip=optional)
        latest = np.maximum(latest, stamps.at.asi8)  # NaT is the least integer
    at = pd.DatetimeIndex(latest.view("datetime64[us]")).tz_localize("UTC")
    return at + settings.duration("news_delay").as_unit("us"), bad


def _one_per_symbol(frame: pd.DataFrame, row: npt.NDArray[np.int64]) -> Documents:
    """Return a row per symbol of documents on several, whose symbols are joined by `|`."""
    joined = frame["symbol"].str.contains("|", regex=False).to_numpy(dtype=bool)
    if not joined.any():
        return Documents(frame.reset_index(drop=True), row)
    single = frame.assign(row=row, symbol=frame["symbol"].str.split("|")).explode("symbol", ignore_index=True)
    single["symbol"] = single["symbol"].astype("str").str.strip()
    single = single[single["symbol"] != ""].drop_duplicates(["row", "symbol"], ignore_index=True)
    return Documents(single.drop(columns="row"), single["row"].to_numpy(np.int64))


def of_known_symbols(found: Documents, rows: BarRows, table: Table, findings: Findings) -> Documents:
    """Return the documents on the market or on a symbol that has bars; the others are set aside and counted."""
    symbol = found.frame["symbol"]
    fits = (symbol.isin(set(rows.frame["symbol"])) | (symbol == MARKET)).to_numpy(dtype=bool)
    findings.at(rules.UNKNOWN_SYMBOL, table, found.row[~fits], shown=symbol[~fits])
    _elsewhere(symbol, symbol[~fits], sorted(set(rows.frame["symbol"])), table, findings)
    return found.keep(fits)


def _elsewhere(symbol: pd.Series, unknown: pd.Series, known: list[str], table: Table, findings: Findings) -> None:
    """Refuse news of which most name the symbols otherwise than the bars, or none names one of them; note a smaller part.

    The news of a whole market with the bars of a few names are lawful: a symbol that the bars do not spell in any way is just left out.
    """
    keys = {_key(name): name for name in reversed(known)}
    meant = {name: near for name in sorted(set(unknown)) if (near := "|".join(_meant(name, keys)))}
    example = next((f" ({shortened(name)!r}: did you mean {shortened(near)!r}?)" for name, near in meant.items()), "")
    n, total = int(unknown.isin(list(meant)).sum()), int((symbol != MARKET).sum())
    if n > total / 2 or 0 < len(unknown) == total:
        findings.add(rules.NEWS_ELSEWHERE.of(n=len(unknown), total=total, example=example), table.files[0])
    elif n:
        findings.add(rules.NEWS_RESPELT.of(n=n, example=example), table.files[0])


def _key(symbol: str) -> str:
    """Return a symbol without what sources differ in: capitals, a `$` or exchange before it, an exchange after it."""
    return re.sub(r"^(?:[$#]|[a-z]+:)|[.][a-z]{1,3}$", "", symbol.casefold())


def _meant(name: str, keys: dict[str, str]) -> list[str]:
    """Return the symbols of the bars that a name, or a list of them that is not joined by `|`, may mean."""
    return [keys[_key(part)] for part in re.split(r"[,; ]+", name) if _key(part) in keys]


def around_all(found: Documents, rows: BarRows, table: Table, findings: Findings) -> None:
    """Note documents after the last bar, which no bar knows, and long before the first one: at an end, or in a year that was mistyped."""
    late = (found.frame["available_at"] >= rows.frame["at"].max()).to_numpy(dtype=bool)
    findings.at(rules.AFTER_ALL, table, found.row[late], shown=found.frame.loc[late, "available_at"].astype("str"))
    first = rows.frame["at"].min() - pd.Timedelta(days=rules.LONG_BEFORE_DAYS)
    early = (found.frame["available_at"] < first).to_numpy(dtype=bool)
    findings.at(rules.BEFORE_ALL, table, found.row[early], shown=found.frame.loc[early, "available_at"].astype("str"))
