"""What was traded, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Plot, Section, Table
from quantlab.report.contract.encode import rows
from quantlab.report.sections.parts import Figures, listed, text, times, whole
from quantlab.result import BacktestResult

SHOWN = 5  # trades per table
SHOWN_CUT = 20  # orders cut short; all of them are counted


def trading_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what was traded, what it cost, and which trades made or lost most."""
    portfolio, trading = result.portfolio, figures["trading"]
    facts = Facts(
        [
            Fact("Trades", whole(trading["n_trades"]), f"{whole(trading['n_open'])} still open"),
            Fact(
                "Trades won", say.percent(trading["trades_won"]), f"after fees; profit factor {say.number(trading['trade_profit_factor'])}"
            ),
            Fact("Turnover", times(trading["annual_turnover"]), "the equity a year, both sides"),
            Fact(
                "Gross exposure", say.percent(trading["exposure"], 0), f"mean, of the equity; net {say.percent(trading['net_exposure'], 0)}"
            ),
            Fact("Time in the market", say.percent(trading["time_in_market"], 0), "of the sessions end with a position"),
            Fact("Fees", whole(trading["fees"]), f"on a capital of {whole(portfolio.cash)}"),
            Fact("Slippage", whole(trading["slippage"]), "worse prices than the bar's"),
            Fact("Closed as delisted", whole(trading["n_delisted"]), _haircut(trading)),
            Fact("Orders cut short", whole(trading["truncated_orders"]), f"of {whole(len(portfolio.orders))}"),
        ]
    )
    closed = portfolio.trades[portfolio.trades["exit_time"].notna()]
    ranked = closed.sort_values(["pnl", "entry_time", "symbol"], kind="stable")
    latest = portfolio.trades.sort_values(["entry_time", "symbol"], kind="stable")
    blocks: list[Block] = [facts, Plot("exposure", "Long plus short (gross) and long less short (net) positions after each session.")]
    for caption, part in (
        ("The best trades", ranked.tail(SHOWN)[::-1]),
        ("The worst trades", ranked.head(SHOWN)),
        ("The latest trades", latest.tail(SHOWN)[::-1]),
    ):
        blocks += [_trades(caption, part)] if len(part) else []
    blocks += [_cut(portfolio.cut)] if len(portfolio.cut) else []
    return Section("trading", "Trades and costs", "", blocks)


def _haircut(trading: Mapping[str, Any]) -> str:
    """Say what closing the positions of delisted names cost."""
    return f"at the last close less a haircut of {whole(trading['delisting_haircut'])}" if trading["n_delisted"] else "positions"


def _trades(caption: str, trades: pd.DataFrame) -> Table:
    columns = {
        "Symbol": ("symbol", "text", text),
        "Side": ("side", "text", text),
        "Entry": ("entry_time", "day", say.day),
        "Exit": ("exit_time", "day", lambda end: "open" if end is pd.NaT else say.day(end)),
        "Size": ("size", "number", lambda size: say.number(size, 1)),
        "Entered at": ("entry_price", "number", say.number),
        "Left at": ("exit_price", "number", say.number),
        "Gain": ("pnl", "number", whole),
        "Return": ("return", "number", say.signed),
    }
    return listed(caption, rows(trades), columns)


def _cut(cut: pd.DataFrame) -> Table:
    columns = {
        "Time": ("time", "day", say.day),
        "Symbol": ("symbol", "text", text),
        "Asked": ("asked", "number", say.number),
        "Filled": ("filled", "number", say.number),
    }
    shown = cut.head(SHOWN_CUT)
    return listed(f"Orders filled short of what was asked, {len(shown)} of {len(cut)}", rows(shown), columns)
