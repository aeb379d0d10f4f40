"""The page of a comparison: finished runs side by side. `content` is what `quantlab.compare.contract` gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Cell, Fact, Facts, Interval, Notes, Page, Plot, Section, Table, Verdict, table
from quantlab.report.page import render_page

FIGURES = {  # name in the contract: as the page spells it, and how it is written
    "total_return": ("Total return", say.signed),
    "cagr": ("CAGR", say.signed),
    "volatility": ("Volatility", say.percent),
    "sharpe": ("Sharpe ratio", say.number),
    "max_drawdown": ("Maximum drawdown", say.percent),
    "ic_mean": ("Information coefficient", lambda value: say.number(value, 4)),
    "hit_rate": ("Hit rate", say.percent),
    "turnover": ("Turnover", say.percent),
}
UNITS = {"sharpe": 2, "ic_mean": 4}  # digits of what is no percentage
MOST_FACTS = 6
PARTS = {"settings": "settings", "data": "data", "code": "code and versions"}
METHOD = (
    "Differences are to the first run. Their 95% intervals come from a circular block bootstrap that draws the same sessions for both, "
    "with a block length that the returns and their difference ask for; of twenty true zeros, one interval would leave zero out."
)


def compare_page(content: Mapping[str, Any], equity: pd.DataFrame) -> str:
    """Return the comparison as one offline HTML file; equity: what 1 became in each run, (n_common, n_runs)."""
    names = [run["name"] for run in content["runs"]]
    span = content["sessions"]
    return render_page(
        Page(
            title=" against ".join(names) if len(names) == 2 else f"{len(names)} runs against each other",
            eyebrow="Comparison",
            description=f"{say.number(span['n'], 0)} sessions that all of them have, {say.day(span['start'])} to {say.day(span['end'])}.",
            verdict=verdict(content),
            headline=_headline(content, names),
            summary=sentences(content),
            sections=[
                Section("figures", "Figures", "Net of costs, on the common sessions alone.", _figures(content, names)),
                Section("returns", "Returns", "", [Plot("equity", "What 1 became", figure=charts.lines(equity, y="growth of 1"))]),
                Section("differs", "What differs", _same(content), _differing(content, names)),
                Section(
                    "reported", "As reported", "What each run's own report says, over all of its own sessions.", _reported(content, names)
                ),
                Section("notes", "Notes", "", [Notes([*content["notes"], *_left_out(content, names), METHOD])]),
            ],
            footer=f"Comparison {content['comparison_id']} · made by quantlab",
        )
    )


def verdict(content: Mapping[str, Any]) -> Verdict:
    """Return what can be said about the difference in Sharpe ratio, of the clearest of them."""
    names = [run["name"] for run in content["runs"]]
    found = [difference["figures"]["sharpe"] for difference in content["differences"]]
    if all(one["low"] is None for one in found):
        return Verdict(
            "untested",
            "There are too few common sessions, or returns that do not vary: no difference can be judged.",
            called="Cannot be compared",
        )
    clear = [
        (one, name) for one, name in zip(found, names[1:], strict=True) if one["low"] is not None and not one["low"] <= 0 <= one["high"]
    ]
    if not clear:
        return Verdict("luck", "No difference in Sharpe ratio can be told from luck: every interval includes zero.", called="No difference")
    said = [
        f"{name} has a {'higher' if one['value'] > 0 else 'lower'} Sharpe ratio than {names[0]}, by {_range(one)}" for one, name in clear
    ]
    return Verdict("real", "; ".join(said) + ".", called="They differ")


def _range(found: Mapping[str, Any]) -> str:
    return f"{say.number(abs(found['value']))} (95% interval of the difference {say.number(found['low'])} to {say.number(found['high'])})"


def sentences(content: Mapping[str, Any]) -> list[str]:
    """Return what each run earned more or less than the first, a sentence or two each."""
    base, *others = [run["name"] for run in content["runs"]]
    return [_sentence(base, name, found) for name, found in zip(others, content["differences"], strict=True)]


def _sentence(base: str, name: str, difference: Mapping[str, Any]) -> str:
    """Say what a run earned more or less than the first, and whether that could be luck."""
    earned, ratio = difference["figures"]["total_return"], difference["figures"]["sharpe"]
    if earned["value"] is None:
        return f"{name} and {base} cannot be compared."
    more = f"{say.percent(abs(earned['value']))[:-1]} percentage points {'more' if earned['value'] >= 0 else 'less'}"
    if ratio["low"] is None:
        return f"{name} earned {more} than {base}; no interval can be given."
    told = "which includes zero: not distinguishable from luck" if ratio["low"] <= 0 <= ratio["high"] else "which leaves zero out"
    return (
        f"{name} earned {more} than {base}. The difference in Sharpe ratio is {_signed(ratio['value'], 'sharpe')}, "
        f"with a 95% interval from {say.number(ratio['low'])} to {say.number(ratio['high'])}, {told}."
    )


def _headline(content: Mapping[str, Any], names: Sequence[str]) -> Facts:
    """Return the differences that a reader looks for first."""
    facts = []
    for name, difference in zip(names[1:], content["differences"], strict=True):
        for figure in ("sharpe", "total_return", "ic_mean") if len(names) == 2 else ("sharpe",):
            found = difference["figures"][figure]
            title = FIGURES[figure][0] if len(names) == 2 else f"Sharpe ratio, {name} less {names[0]}"
            range_ = f"{_signed(found['low'], figure)} to {_signed(found['high'], figure)}" if found["low"] is not None else "no interval"
            note = f"difference, {range_}"
            facts.append(Fact(title, _signed(found["value"], figure), note, Interval(found["low"], found["value"], found["high"])))
    return Facts(facts[:MOST_FACTS])


def _signed(value: object, figure: str) -> str:
    """Return a difference with its sign; that of percentages is in percentage points."""
    if figure not in UNITS:
        return say.signed(value)
    text = say.number(value, UNITS[figure])
    return "+" + text if isinstance(value, float) and value > 0 and text.strip("0.") else text


def _figures(content: Mapping[str, Any], names: Sequence[str]) -> list[Block]:
    """Return the figures of each run, and the differences to the first, tinted where the interval leaves zero out."""
    rows = [[title, *(write(run["figures"][name]) for run in content["runs"])] for name, (title, write) in FIGURES.items()]
    beside = table("Side by side", {"Figure": "text", **dict.fromkeys(names, "number")}, rows)
    head = [Cell("Figure"), *(Cell(f"{name} less {names[0]}", "number") for name in names[1:])]
    lines = [
        [Cell(title), *(_difference(difference["figures"][name], name) for difference in content["differences"])]
        for name, (title, _) in FIGURES.items()
    ]
    caption = "Differences with 95% intervals, those of percentages in percentage points; tinted where the interval leaves zero out"
    return [beside, Table(caption, head, lines)]


def _difference(found: Mapping[str, Any], figure: str) -> Cell:
    value = _signed(found["value"], figure)
    if found["low"] is None or found["high"] is None:
        return Cell(value, "number")
    clear = not found["low"] <= 0 <= found["high"]  # tinted alike whatever its sign: more turnover is not better
    return Cell(f"{value} ({_signed(found['low'], figure)} to {_signed(found['high'], figure)})", "number up1" if clear else "number")


def _same(content: Mapping[str, Any]) -> str:
    """Say what does not differ at all."""
    same = [said for name, said in PARTS.items() if not content[name]]
    return f"The same in all runs: {', '.join(same)}." if same else ""


def _differing(content: Mapping[str, Any], names: Sequence[str]) -> list[Block]:
    """Return what differs, a row per dotted name, a table per part."""
    columns = {"Name": "name", **dict.fromkeys(names, "value")}
    rows = {name: [[dotted, *map(_value, values)] for dotted, values in content[name].items()] for name in PARTS}
    return [table(said.capitalize(), columns, rows[name]) for name, said in PARTS.items() if rows[name]]


def _value(value: object) -> str:
    ((_, text),) = list(say.flat(value, "value")) or [("", say.NONE)]  # type: ignore[arg-type]  # it came from JSON
    return text


def _reported(content: Mapping[str, Any], names: Sequence[str]) -> list[Block]:
    """Return every plain figure of each run's own report."""
    flat = [{f"{part}.{name}": value for part, said in run["reported"].items() for name, value in said.items()} for run in content["runs"]]
    known = dict.fromkeys(name for one in flat for name in one)
    rows = [[name, *(_value(one.get(name)) for one in flat)] for name in known]
    return [
        table("Figures of each report.json, ratios as fractions", {"Name": "name", **dict.fromkeys(names, "number")}, rows, folded=True)
    ]


def _left_out(content: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [
        f"{name}: {run['n_left_out']} of {run['n_sessions']} sessions are left out, because not every run has them."
        for name, run in zip(names, content["runs"], strict=True)
        if run["n_left_out"]
    ]
