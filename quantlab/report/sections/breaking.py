"""Where the result breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Notes, Plot, Section, Table
from quantlab.report.sections.parts import Column, Figures, basis_points, listed, text, whole
from quantlab.report.verdict import STRESSES
from quantlab.significance.bootstrap import LEAST_SESSIONS

KINDS = {"year": "year", "half_year": "half-year", "half": "half of the sessions"}
REGIMES = {
    "benchmark": "benchmark in the session",
    "trend": "benchmark over the 63 sessions before",
    "volatility": "its volatility over the 21 sessions before",
}
MOST_YEARS = 3  # of which the half-years are listed too
WITHOUT = {"all": "nothing", "trades": "its five best trades", "days": "its five best sessions"}


def fragility_section(figures: Figures) -> Section:
    """Say what costs, delay, few trades or names, more money and other times would do to the profit."""
    broken = figures["fragility"]
    blocks: list[Block] = [*_stress(broken), _grid(broken), _facts(figures), *_tables(broken)]
    lead = "What would be left of the profit if one thing were otherwise, and in which times, names and sizes it was made."
    return Section("fragility", "Where it breaks", lead, blocks)


def _stress(broken: Figures) -> list[Block]:
    if not broken["stress"]:
        return [Notes(["There was no profit of which something could be left."])]
    named = {STRESSES[row["stress"]]: row["left"] for row in broken["stress"]}
    table = pd.DataFrame({"value": pd.Series(named, dtype=float)}).sort_values("value", kind="stable")
    caption = "What is left of the profit, the weakest point on top: 100% is all of it, 0% none, and less is a loss."
    return [Plot("stress", caption, figure=charts.groups(table, x="of the profit left", x_format=".0%"))]


def _grid(broken: Figures) -> Plot:
    cells = {(row["delay"], row["cost_bps"]): row["sharpe"] for row in broken["cost_delay"]}
    table = pd.Series(cells, dtype=float).unstack()
    table.index = pd.Index(
        ["as decided" if not delay else f"{delay} bar{'s' if delay > 1 else ''} later" for delay in table.index], dtype=object
    )
    table.columns = pd.Index([f"{cost:g} bps" for cost in table.columns], dtype=object)
    caption = (
        "Sharpe ratio of the same weights, traded dearer and later. "
        f"The strategy paid {basis_points(broken['own_cost_bps'])} of each value traded."
    )
    return Plot("cost-delay", caption, figure=charts.heat_map(table, x="cost of each value traded", y="", value="Sharpe ratio"))


def _facts(figures: Figures) -> Facts:
    broken = figures["fragility"]
    room = [
        Fact("Capacity", say.number(row["equity"], 0), f"95% of the orders stay below {say.percent(row['share'], 0)} of the bar's volume")
        for row in broken["capacity"]
    ]
    return Facts(
        [
            Fact("Break-even cost", basis_points(figures["accuracy"]["break_even_bps"]), "of each value traded"),
            Fact("Costs paid", basis_points(broken["own_cost_bps"]), "fees and slippage, of each value traded"),
            *room,
        ]
    )


def _tables(broken: Figures) -> list[Block]:
    figures: dict[str, Column] = {
        "Sessions": ("n_sessions", "number", whole),
        "Return": ("total_return", "number", say.signed),
        "Sharpe": ("sharpe", "number", say.number),
    }
    deeper = {**figures, "Drawdown": ("max_drawdown", "number", say.percent), "IC": ("ic", "number", say.three)}
    periods = {"Kind": ("kind", "text", lambda kind: KINDS[kind]), "Period": ("period", "day", text), **deeper}
    regimes = {"Market": ("regime", "text", lambda regime: REGIMES[regime]), "State": ("state", "text", text), **deeper}
    legs = {"Leg": ("leg", "text", text), **figures, "Exposure": ("exposure", "number", _percent), "Part of the return, a year": _PART}
    without = {
        "Without": ("without", "text", lambda part: WITHOUT[part]),
        "Return": ("total_return", "number", say.signed),
        "Sharpe": ("sharpe", "number", say.number),
        "Left": ("n_left", "number", whole),
    }
    apart = {
        "Part": ("part", "text", text),
        "Parts": ("n", "number", whole),
        "Largest": ("top", "text", text),
        "Its share": ("top_share", "number", _percent),
        "Five largest": ("top_five_share", "number", _percent),
        "Herfindahl": ("herfindahl", "number", say.three),
    }
    return [
        listed("Without its best trades and sessions", broken["without_best"], without),
        listed("Long and short apart; they add up to the net return of each session", broken["legs"], legs),
        listed("Concentration: shares of all gains and losses, signs aside", broken["concentration"], apart),
        listed("By period", shown_periods(broken["sub_periods"]), periods),
        listed("By kind of market; trend and volatility are what was known before the session", broken["regimes"], regimes),
        _names(broken),
    ]


def shown_periods(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the periods to list: half-years only of a short span; a Sharpe ratio of a few sessions says nothing and is left out."""
    long = sum(row["kind"] == "year" for row in rows) > MOST_YEARS
    return [
        {**row, "sharpe": row["sharpe"] if row["n_sessions"] >= LEAST_SESSIONS else None}
        for row in rows
        if not (long and row["kind"] == "half_year")
    ]


def _names(broken: Mapping[str, Any]) -> Table:
    """Return the names that made and lost the most, folded."""
    columns = {"Name": ("name", "text", text), "Profit": ("profit", "number", whole)}
    return listed("Names that made and lost the most, net of costs", [*broken["best_names"], *broken["worst_names"]], columns, folded=True)


def _percent(value: object) -> str:
    return say.percent(value, 0)


_PART = ("contribution", "number", say.signed)
