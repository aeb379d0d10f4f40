"""Listing: from when to when each symbol was listed, and what it is called (symbols.csv)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quantlab.data import rules
from quantlab.data.checks import BarRows
from quantlab.data.columns import has_columns, refuse_stamps, texts
from quantlab.data.findings import Findings
from quantlab.data.stamps import session_dates
from quantlab.data.tables import Table, shortened
from quantlab.errors import nearest


def listed_rows(rows: BarRows, table: Table, listing: Table, findings: Findings) -> BarRows:
    """Return the bars within their symbol's dated listing (symbol, start, end; empty = open), the others set aside.

    A symbol listed twice (a ticker that another company took over) is a problem: features and positions would join the two. So are bars
    of a symbol that the listing does not know.
    """
    spells = _spells(listing, findings)
    if spells is None:
        return rows
    known = pd.Index(spells["symbol"].unique())
    for name in sorted(set(rows.frame["symbol"]) - set(known)):
        findings.add(rules.UNLISTED.of(name=repr(shortened(name)), near=nearest(name, known)), listing.files[0])
    idle = len(set(known) - set(rows.frame["symbol"]))
    if idle:
        findings.add(rules.IDLE.of(idle=idle, file=listing.files[0]))
    each = rows.frame[["symbol", "session"]].assign(nth=np.arange(len(rows.row))).merge(spells, on="symbol", how="inner")
    inside = each.loc[each["session"].between(each["start"], each["end"]), "nth"]
    fits = np.isin(np.arange(len(rows.row)), inside.to_numpy())
    findings.at(rules.OUTSIDE_LISTING, table, rows.row[~fits], shown=rows.named(~fits))
    return rows.keep(fits)


def names_of(listing: Table, findings: Findings) -> dict[str, str]:
    """Return the name of each symbol that has one."""
    if not {"symbol", "name"} <= set(listing.frame.columns):
        return {}
    symbol, name = texts(listing, "symbol", findings), texts(listing, "name", findings)
    return {str(key): str(value) for key, value in zip(symbol, name, strict=True) if value != ""}


def _spells(listing: Table, findings: Findings) -> pd.DataFrame | None:
    """Return symbol, start and end of each listing, or None if the table cannot be used."""
    if not has_columns(listing, [("symbol",)], findings):
        return None
    spells = pd.DataFrame({"symbol": texts(listing, "symbol", findings)})
    for name, missing in (("start", "1900-01-01"), ("end", "2099-12-31")):
        column = texts(listing, name, findings) if name in listing.frame else pd.Series("", index=spells.index)
        dates = session_dates(column.where(column != "", missing))
        if refuse_stamps(listing, name, dates, findings, days=True).any():
            return None
        spells[name] = dates.at
    wrong = (spells["start"] > spells["end"]).to_numpy()
    findings.rows(rules.SPELL, listing, wrong, column="start", shown=spells["symbol"])
    twice = spells["symbol"].duplicated().to_numpy()
    findings.rows(rules.LISTED_TWICE, listing, twice, column="symbol", shown=spells["symbol"])
    return spells
