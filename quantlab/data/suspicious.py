"""Suspicious: what no single bar shows, found where the bars of a symbol, or of the market, are seen one after another.

Nothing is taken out here: which bar of a jump is wrong shows in what comes after it, and a rule that looks there would look ahead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.data import rules
from quantlab.data.checks import VALUES, BarRows
from quantlab.data.findings import Findings
from quantlab.data.settings import Settings
from quantlab.data.tables import Table

CLOSE, VOLUME = VALUES.index("close"), VALUES.index("volume")


def suspect(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> None:
    """Report prices in another unit, feeds that stand still, and spans without any bar."""
    if rows.frame.empty:
        return
    order = np.lexsort([rows.frame["at"].to_numpy(), pd.factorize(rows.frame["symbol"])[0]])
    rows = BarRows(rows.frame.iloc[order].reset_index(drop=True), rows.row[order])
    again = (rows.frame["symbol"] == rows.frame["symbol"].shift(1)).to_numpy()  # the row before is the bar before of the same symbol
    values = rows.frame[list(VALUES)].to_numpy()
    before = np.vstack([values[:1], values[:-1]])
    _jumps(rows, np.where(again, values[:, CLOSE] / before[:, CLOSE], 1.0), table, settings=settings, findings=findings)
    still = again & (values == before).all(axis=1) & (values[:, VOLUME] > 0)  # an exact copy, though there was a trade
    nth = np.arange(len(still))
    stale = nth - np.maximum.accumulate(np.where(still, 0, nth)) >= rules.STALE_BARS - 1  # bars since the last one that differed
    findings.at(rules.STALE, table, rows.row[stale], shown=rows.named(stale))
    _gap(rows, table, findings)


def _jumps(rows: BarRows, ratio: npt.NDArray[np.float64], table: Table, *, settings: Settings, findings: Findings) -> None:
    """Report closes that are many times the close before, or a small part of it; `ratio` is the one over the other, (n_rows,)."""
    far = (ratio >= settings.largest_jump) | (ratio <= 1 / settings.largest_jump)
    shown = rows.named(far).str.cat([f"{value:.4g} times" for value in ratio[far]], sep=" ")
    findings.at(rules.JUMP.of(jump=settings.largest_jump), table, rows.row[far], column="close", shown=shown)


def _gap(rows: BarRows, table: Table, findings: Findings) -> None:
    """Report spans of more than a year without a bar of any symbol, at a bar on the side that has fewer of them."""
    at = pd.DatetimeIndex(rows.frame["at"])
    times = pd.DatetimeIndex(np.sort(at.unique()))
    for after in map(int, np.flatnonzero(np.diff(times) > pd.Timedelta(days=rules.LONGEST_GAP_DAYS)) + 1):
        early = after < len(times) - after
        mask = np.asarray(at == times[after - 1 if early else after])
        mask &= np.cumsum(mask) == 1
        rule = rules.GAP.of(days=(times[after] - times[after - 1]).days, side="after" if early else "before")
        findings.at(rule, table, rows.row[mask], shown=rows.named(mask))
