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
from quantlab.data.tables import Mask, Table

OPEN, CLOSE, VOLUME = VALUES.index("open"), VALUES.index("close"), VALUES.index("volume")


def suspect(rows: BarRows, table: Table, settings: Settings, findings: Findings) -> None:
    """Report prices in another unit, splits and slips, feeds that stand still, and spans without any bar."""
    if rows.frame.empty:
        return
    order = np.lexsort([rows.frame["at"].to_numpy(), pd.factorize(rows.frame["symbol"])[0]])
    rows = BarRows(rows.frame.iloc[order].reset_index(drop=True), rows.row[order])
    again = (rows.frame["symbol"] == rows.frame["symbol"].shift(1)).to_numpy()  # the row before is the bar before of the same symbol
    values = rows.frame[list(VALUES)].to_numpy()
    before = np.vstack([values[:1], values[:-1]])
    _jumps(rows, np.where(again, values[:, CLOSE] / before[:, CLOSE], 1.0), table, settings=settings, findings=findings)
    _splits(rows, np.where(again, values[:, OPEN] / before[:, CLOSE], 1.0), table, settings=settings, findings=findings)
    _frozen(rows, again & (values[:, CLOSE] == before[:, CLOSE]), table, findings)
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


def _splits(rows: BarRows, ratio: npt.NDArray[np.float64], table: Table, *, settings: Settings, findings: Findings) -> None:
    """Report opens that are a split's multiple or fraction of the close before; `ratio` is the one over the other, (n_rows,).

    Two of them in a symbol that undo each other within few bars are a slip.
    """
    up = np.maximum(ratio, 1 / ratio)
    near = np.min([np.abs(up / factor - 1) for factor in rules.SPLITS], axis=0) <= rules.SPLIT_NEAR
    at = np.flatnonzero(near & (up < settings.largest_jump))
    symbol = rows.frame["symbol"].to_numpy()
    undone = (symbol[at[1:]] == symbol[at[:-1]]) & (np.diff(at) <= rules.SLIP_BARS)
    undone &= np.abs(ratio[at[1:]] * ratio[at[:-1]] - 1) <= 2 * rules.SPLIT_NEAR
    slip = np.append(undone, False) | np.insert(undone, 0, False) if len(at) else np.zeros(0, dtype=bool)
    for rule, part in ((rules.SPLIT, at[~slip]), (rules.SLIP, at[slip])):
        mask = np.zeros(len(ratio), dtype=bool)
        mask[part] = True
        shown = rows.named(mask).str.cat([f"{value:.4g} times" for value in ratio[mask]], sep=" ")
        findings.at(rule, table, rows.row[mask], column="open", shown=shown)


def _frozen(rows: BarRows, same: Mask, table: Table, findings: Findings) -> None:
    """Report long runs of the same close, those at a symbol's end by themselves; `same`: as in the bar before, (n_rows,)."""
    run = np.cumsum(~same)
    frozen = same & (np.bincount(run)[run] >= rules.FROZEN_BARS)
    last = ~rows.frame["symbol"].duplicated(keep="last").to_numpy()
    trailing = frozen & np.isin(run, run[last])
    for rule, mask in ((rules.FROZEN, frozen & ~trailing), (rules.FILLED_UP, trailing)):
        findings.at(rule, table, rows.row[mask], column="close", shown=rows.named(mask))


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
