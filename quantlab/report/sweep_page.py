"""The page of a sweep: what choosing by the past would have earned, and all that was tried.

`content` is what `quantlab.sweep.contract` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from plotly import graph_objects as go

from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Interval, Notes, Page, Plot, Section, Verdict, table
from quantlab.report.page import render_page

MOST_FAILED = 8  # shown at once
KNOWN_AFTER = "Each over the same sessions, and in how many windows the selection held it. None of these figures was known beforehand."
METHOD = (
    "Choosing by the past: at the first session of each test window of the strategy's own folds, the variant with the highest Sharpe "
    "ratio over the sessions before is chosen, and held through the window. In the first window nothing is known yet, so it holds the "
    "strategy as it stands in its file. All is put end to end and traded once, so that changing from one variant to another is paid for.",
    "Deflated Sharpe ratio: Bailey and Lopez de Prado (2014), over all variants that worked. Probability of overfitting: combinatorially "
    "symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017), with ties at the median. Intervals: 95%, block bootstrap.",
    "Every variant that worked is entered in the strategy's trial ledger: the next backtest of the strategy is judged as one of that many.",
)


def sweep_page(content: Mapping[str, Any], equity: pd.DataFrame) -> str:
    """Return the sweep as one offline HTML file; equity: what 1 became, (n_sessions, ...), a column per line to be drawn."""
    tried, failed = content["n_variants"], content["n_failed"]
    span = content["claim"]
    return render_page(
        Page(
            title=content["strategy"],
            eyebrow="Sweep",
            description=f"{tried} variants on {content['dataset']}, judged on {say.number(span['n'], 0)} sessions, "
            f"{say.day(span['start'])} to {say.day(span['end'])}.",
            verdict=verdict(content),
            headline=_headline(content),
            summary=_summary(content),
            sections=[
                Section(
                    "returns", "Returns", "Net of costs.", [Plot("equity", "What 1 became", figure=charts.lines(equity, y="growth of 1"))]
                ),
                Section("settings", "Settings", _choices(content), _map(content)),
                Section(
                    "variants",
                    "Variants",
                    KNOWN_AFTER,
                    _variants(content),
                ),
                Section("selection", "Selection", "What was chosen when, and what was known of it then.", [_selection(content)]),
                *([Section("failed", "Failed", f"{failed} of {tried} variants.", [_failed(content)])] if failed else []),
                Section("notes", "Notes", "", [Notes([*content["notes"], *METHOD])]),
            ],
            footer=f"Sweep {content['sweep_id']} · made by quantlab",
        )
    )


def verdict(content: Mapping[str, Any]) -> Verdict:
    """Return what the sweep claims: what choosing by the past earned, with the best in hindsight beside it."""
    claim, best = content["nested"]["figures"], content["hindsight"]["figures"]
    low, high = claim["sharpe_ci"]
    n = content["n_variants"] - content["n_failed"]
    hindsight = (
        f"The best of {n} in hindsight shows {say.signed(best['total_return'])} (Sharpe ratio {say.number(best['sharpe'])}), "
        "which nobody could have known."
    )
    earned = f"Choosing by past performance would have earned {say.signed(claim['total_return'])}"
    if low is None or high is None:
        return Verdict(
            "untested", f"{earned}; there are too few sessions, or returns that do not vary, to tell skill from luck. {hindsight}"
        )
    ratio = f"{earned} (Sharpe ratio {say.number(claim['sharpe'])}, 95% interval {say.number(low)} to {say.number(high)})"
    if low <= 0 <= high:
        return Verdict("luck", f"{ratio}: not distinguishable from luck. {hindsight}")
    if high < 0:
        return Verdict("loss", f"{ratio}: it lost more than luck explains. {hindsight}")
    return Verdict("real", f"{ratio}: all of the interval lies above zero. {hindsight}")


def sentences(content: Mapping[str, Any]) -> list[str]:
    """Return the claim, what to hold it against, and what failed, in sentences."""
    return [verdict(content).sentence, *_summary(content), *failures(content)]


def failures(content: Mapping[str, Any]) -> list[str]:
    """Return how many variants failed and what the first of them said, in a sentence; empty if none did."""
    failed = [one for one in content["variants"] if one["error"] is not None]
    if not failed:
        return []
    tried = f"{len(failed)} of {content['n_variants']} variants failed"
    return [f"{tried}; the first: {_settings(failed[0]['settings'])}: {say.cut(failed[0]['error'])}"]


def sharpe_map(content: Mapping[str, Any]) -> go.Figure | None:
    """Return the Sharpe ratio over the listed values of one setting (bars) or of the first two (cells), a mean over all others.

    None if a search chose from a range, whose values make no table.
    """
    swept = [name for name, values in content["choices"].items() if isinstance(values, list) and len(values) > 1]
    searched = any(isinstance(values, str) for values in content["choices"].values())
    rows = [
        {**{name: str(one["settings"][name]) for name in swept}, "sharpe": one["figures"]["sharpe"]}
        for one in content["variants"]
        if one["figures"] and set(swept) <= set(one["settings"])
    ]
    if searched or not swept or not rows:
        return None
    known = pd.DataFrame(rows)
    order = {name: [str(value) for value in content["choices"][name]] for name in swept}
    if len(swept) == 1:
        values = known.groupby(swept[0])["sharpe"].mean().reindex(order[swept[0]])
        return charts.columns(pd.DataFrame({"value": values}), x=swept[0], y="Sharpe ratio", y_format=".2f")
    down, across = swept[:2]
    cells = known.pivot_table(index=down, columns=across, values="sharpe", aggfunc="mean", dropna=False)
    return charts.heat_map(cells.reindex(index=order[down], columns=order[across]), x=across, y=down, value="Sharpe ratio")


def _headline(content: Mapping[str, Any]) -> Facts:
    claim, best, own = content["nested"]["figures"], content["hindsight"], content["own"]["figures"]
    return Facts(
        [
            _ratio("Sharpe ratio, chosen by the past", claim),
            _ratio("Sharpe ratio, best in hindsight", best["figures"]),
            _ratio("Sharpe ratio, as it stands", own),
            Fact(
                "Total return, chosen by the past",
                say.signed(claim["total_return"]),
                f"best in hindsight {say.signed(best['figures']['total_return'])}",
            ),
            Fact("Deflated Sharpe", say.percent(best["deflated"]), "of the best in hindsight"),
            Fact("Overfitting probability", say.percent(content["pbo"]), "above 50%: choosing the best does harm"),
        ]
    )


def _ratio(name: str, figures: Mapping[str, Any]) -> Fact:
    low, high = figures["sharpe_ci"]
    note = say.NONE if low is None else f"{say.number(low)} to {say.number(high)}"
    return Fact(name, say.number(figures["sharpe"]), note, Interval(low, figures["sharpe"], high))


def _summary(content: Mapping[str, Any]) -> list[str]:
    best, n = content["hindsight"], content["n_variants"] - content["n_failed"]
    own, switches = content["own"]["figures"], content["nested"]["n_switches"]
    said = [
        f"As it stands in its file, the strategy earned {say.signed(own['total_return'])} (Sharpe ratio {say.number(own['sharpe'])}).",
        f"The selection changed from one variant to another {switches} {'time' if switches == 1 else 'times'} "
        f"in {len(content['nested']['choices'])} test windows.",
    ]
    if best["deflated"] is not None and n > 1:
        said.append(
            f"The chance that the best in hindsight ({_settings(best['settings'])}) has more skill than the best of {n} without any "
            f"would show is {say.percent(best['deflated'], 0)}."
        )
    if content["pbo"] is not None:
        share = say.percent(content["pbo"], 0)
        said.append(f"In {share} of all splits of the time in two, the best of one half was no better than the median of the other.")
    return said


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_written(value)}" for name, value in settings.items()) or "as it stands"


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(content: Mapping[str, Any]) -> str:
    """Say what was tried."""
    listed = [
        f"{name}: {values if isinstance(values, str) else ', '.join(map(_written, values))}" for name, values in content["choices"].items()
    ]
    asked = "" if content["n_asked"] is None else f" A search was given {content['n_asked']} trials."
    return f"{'; '.join(listed)}.{asked}"


def _map(content: Mapping[str, Any]) -> list[Block]:
    figure = sharpe_map(content)
    swept = [name for name, values in content["choices"].items() if isinstance(values, list) and len(values) > 1]
    more = f", a mean over {', '.join(swept[2:])}" if len(swept) > 2 else ""
    return [] if figure is None else [Plot("map", f"Sharpe ratio of each variant{more}", figure=figure)]


def _variants(content: Mapping[str, Any]) -> list[Block]:
    names = list(dict.fromkeys(name for one in content["variants"] for name in one["settings"]))
    held = pd.Series([one["variant"] for one in content["nested"]["choices"]]).value_counts()
    numbers = ["Sharpe", "95% interval", "Total return", "Drawdown", "IC", "Turnover", "Windows"]
    columns = {"Variant": "text", **dict.fromkeys(names, "text"), **dict.fromkeys(numbers, "number")}
    rows = [
        [
            _marked(one, content),
            *(_written(one["settings"][name]) if name in one["settings"] else say.NONE for name in names),
            *_cells(one, held),
        ]
        for one in content["variants"]
        if one["figures"]
    ]
    return [table("", columns, rows)]


def _cells(one: Mapping[str, Any], held: pd.Series) -> list[str]:
    figures = one["figures"]
    low, high = figures["sharpe_ci"]
    return [
        say.number(figures["sharpe"]),
        say.NONE if low is None else f"{say.number(low)} to {say.number(high)}",
        say.signed(figures["total_return"]),
        say.percent(figures["max_drawdown"]),
        say.number(figures["ic_mean"], 4),
        say.percent(figures["turnover"]),
        str(int(held.get(one["number"], 0))),
    ]


def _marked(one: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return a variant's number, and what is special about it."""
    marks = ["as it stands"] if one["own"] else []
    marks += ["best in hindsight"] if one["number"] == content["hindsight"]["variant"] else []
    return ", ".join([str(one["number"]), *marks])


def _selection(content: Mapping[str, Any]) -> Block:
    settings = {one["number"]: _settings(one["settings"]) for one in content["variants"]}
    columns = {"From": "day", "To": "day", "Variant": "number", "Settings": "text", "Sharpe ratio": "number", "Sessions known": "number"}
    rows = [
        [
            say.day(one["start"]),
            say.day(one["end"]),
            str(one["variant"]),
            settings[one["variant"]],
            say.number(one["sharpe"]),
            str(one["n_known"]),
        ]
        for one in content["nested"]["choices"]
    ]
    return table("The Sharpe ratio is of the sessions known", columns, rows)


def _failed(content: Mapping[str, Any]) -> Block:
    rows: Sequence[Sequence[str]] = [
        [str(one["number"]), _settings(one["settings"]), say.cut(one["error"])] for one in content["variants"] if one["error"] is not None
    ]
    columns = {"Variant": "number", "Settings": "text", "What went wrong": "value"}
    return table("What went wrong", columns, rows, folded=len(rows) > MOST_FAILED)
