"""The verdict on a run, in plain words, by rules that were fixed before any run was judged.

Level, the first that fits:

    invalid   the audit failed: the figures rest on a look into the future
    untested  fewer than 60 sessions, or returns that never vary: the figures can say nothing
    loss      the 95% interval of the Sharpe ratio lies below 0
    luck      it includes 0
    weak      it lies above 0, but not all of these hold:
                the audit was made and passed
                the deflated Sharpe ratio, which allows for the number of trials, is at least 95%
                the 95% interval of alpha, what the benchmark does not explain, lies above 0 (if there is a benchmark)
                the 95% interval of the information coefficient lies above 0: the signal foretells, and not only the trades came off
                at most half of the sessions lie before the day up to which a pretrained encoder has read
    real      all of them hold

What the text added, by the information coefficient, the figure that moves least by luck (the Sharpe ratio where there is none):

    added     the 95% interval of the difference to the strategy without text lies above 0, and so does that to the placebo
    presence  the first does, the second does not: the same headlines dealt out to other names and dates did not do clearly worse
    hurt      the interval of the difference to the strategy without text lies below 0
    nothing   it includes 0

A mean that beats the benchmark's is no rule: a market-neutral strategy can be good and earn less than a rising market. So alpha is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quantlab.report import wording as say

LEAST_SESSIONS = 60
LEAST_DEFLATED = 0.95
MOST_REMEMBERED = 0.5  # of the sessions
INCONCLUSIVE = ("invalid", "untested")  # levels
WITHOUT, PLACEBO = "no_text", "placebo"  # names of variants
STRESSES = {
    "costs_doubled": "at twice the costs",
    "traded_later": "traded one bar later",
    "without_best_trades": "without its five best trades",
    "without_best_days": "without its five best days",
    "without_best_name": "without its best name",
    "without_best_month": "without its best month",
    "as_in_weaker_half": "if all went as in its worse half",
}
AUDITS = {
    "passed": "The audit passed",
    "failed": "The audit failed",
    "blind": "The audit could not have seen a leak",
    "skipped": "No audit was made",
}
Figures = Mapping[str, Any]  # the content of report.json


@dataclass(frozen=True)
class Rule:
    """One of the conditions for `real`: whether it holds, and the sentence that says so."""

    holds: bool
    sentence: str


def verdict(figures: Figures) -> dict[str, object]:
    """Return the verdict, from the rest of the content of report.json.

    level; sentence: how it stands, and why; also: what the text added, and the weakest point, a sentence each (none where nothing
    can be concluded); reasons: every condition and what was found, then what is odd about the count of trials; text: what it added,
    None where that is not known.
    """
    rules = list(_rules(figures))
    level = _level(figures, rules)
    text, said = _text(figures) if level not in INCONCLUSIVE else (None, "")
    return {
        "level": level,
        "sentence": _main(figures, level, rules),
        "also": [said, _weakest(figures)] if said else [],
        "reasons": [f"{rule.sentence}." for rule in rules] + [f"{note.rstrip('.')}." for note in figures["trials"]["notes"]],
        "text": text,
    }


def _level(figures: Figures, rules: list[Rule]) -> str:
    low, high = figures["intervals"]["sharpe"]
    if figures["audit"]["verdict"] == "failed":
        return "invalid"
    if _untested(figures):
        return "untested"
    if high < 0:
        return "loss"
    if low <= 0:
        return "luck"
    return "real" if all(rule.holds for rule in rules) else "weak"


def _untested(figures: Figures) -> str:
    """Return why nothing can be concluded, or an empty text."""
    n = figures["significance"]["n_returns"]
    if n < LEAST_SESSIONS:
        return f"{n} sessions are too few, at least {LEAST_SESSIONS} are needed"
    return "" if figures["intervals"]["sharpe"][0] is not None else "its returns do not vary enough to be judged"


def _rules(figures: Figures) -> Iterator[Rule]:
    """Yield the conditions for `real`, those that apply."""
    audit, sure, trials = figures["audit"]["verdict"], figures["significance"], figures["trials"]
    yield Rule(audit == "passed", AUDITS[audit])
    deflated = sure["dsr"]
    tried = "1 trial" if trials["n"] == 1 else f"{trials['n']} trials"
    yield Rule(
        deflated is not None and deflated >= LEAST_DEFLATED,
        f"The deflated Sharpe ratio is {say.chance(deflated)} after {tried}, where {say.percent(LEAST_DEFLATED, 0)} is asked for",
    )
    yield from _above_zero("Alpha, a year beyond what the benchmark explains,", figures["returns"]["alpha"], figures, "alpha", say.signed)
    pooled = figures["accuracy"]["pooled_ic"] is not None
    name, label = ("pooled_ic", "The pooled information coefficient") if pooled else ("ic_mean", "The information coefficient")
    yield from _above_zero(label, figures["accuracy"][name], figures, name, say.three)
    known = (figures["text_ablation"] or {}).get("knowledge")
    if known and known["share_of_sessions"] > 0:
        yield Rule(
            known["share_of_sessions"] <= MOST_REMEMBERED,
            f"The pretrained encoder may remember {say.percent(known['share_of_sessions'])} of the sessions: "
            f"it has read texts up to {known['cutoff']}",
        )


def _above_zero(label: str, value: float | None, figures: Figures, name: str, written: say.Written) -> Iterator[Rule]:
    """Yield whether an interval lies above zero; nothing where there is none."""
    low, high = figures["intervals"][name]
    if low is not None:
        where = "above zero" if low > 0 else "below zero" if high < 0 else "which includes zero"
        yield Rule(low > 0, f"{label} is {written(value)}, with a 95% interval from {written(low)} to {written(high)}, {where}")


def _main(figures: Figures, level: str, rules: list[Rule]) -> str:
    """Say how it stands, and why."""
    if level == "invalid":
        return "Nothing can be concluded: the audit failed, so none of the figures can be trusted."
    if level == "untested":
        return f"Nothing can be concluded: {_untested(figures)}."
    low, high = figures["intervals"]["sharpe"]
    made = f"after costs it returned {say.signed(figures['returns']['total_return'])} in {figures['significance']['n_returns']} sessions"
    ratio = (
        f"its Sharpe ratio of {say.number(figures['returns']['sharpe'])} has a 95% interval from {say.number(low)} to {say.number(high)}"
    )
    if level == "loss":
        return f"It lost more than bad luck explains: {made}, and {ratio}, all of it below zero."
    if level == "luck":
        return f"Not distinguishable from luck: {made}, and {ratio}, which includes zero."
    if level == "real":
        return f"Hard to explain by luck: {made}, {ratio}, and the other tests for luck hold too."
    broken = "; ".join(rule.sentence[0].lower() + rule.sentence[1:] for rule in rules if not rule.holds)
    return f"Not shown beyond doubt: {made} and {ratio}, but {broken}."


def _text(figures: Figures) -> tuple[str | None, str]:
    """Return what the text added, in a word and in a sentence."""
    if figures["text_ablation"] is None:
        return None, "Its model reads no text."
    variants = {row["variant"]: row for row in figures["text_ablation"]["variants"] or ()}
    if WITHOUT not in variants:
        return None, "What the text added was not measured."
    without = variants[WITHOUT]
    by = "ic" if without["ic_low"] is not None else "sharpe"
    low, high = without[f"{by}_low"], without[f"{by}_high"]
    if low is None:
        return None, "What the text added cannot be told from so few sessions."
    differences = f"{_difference(without, 'ic', say.three)}, {_difference(without, 'sharpe', say.number)}"
    if high < 0:
        return "hurt", f"The text added nothing, the signal foretold worse with it: against the same strategy without it, {differences}."
    if low <= 0:
        return "nothing", f"The text added nothing that can be told from chance: against the same strategy without it, {differences}."
    placebo = variants.get(PLACEBO)
    if placebo is not None and not (placebo[f"{by}_low"] or 0.0) > 0:
        return "presence", (
            "What the texts say added nothing that can be told from chance: "
            "dealt out to other names and dates, they did not do clearly worse. "
            f"That there are texts did add: against the same strategy without them, {differences}."
        )
    held = " Dealt out to other names and dates, the same texts did worse: it is what they say that counts." if placebo else ""
    return "added", f"The text added to the signal: against the same strategy without it, {differences}.{held}"


def _difference(variant: Figures, by: str, written: say.Written) -> str:
    """Say by how much the strategy is better than a variant."""
    name = {"ic": "information coefficient", "sharpe": "Sharpe ratio"}[by]
    if variant[f"{by}_low"] is None:
        return f"{name} not comparable"
    plus = "+" if (variant[f"{by}_difference"] or 0.0) > 0 else ""
    return f"{name} {plus}{written(variant[f'{by}_difference'])} ({written(variant[f'{by}_low'])} to {written(variant[f'{by}_high'])})"


def _weakest(figures: Figures) -> str:
    """Say what would take most of the profit away."""
    stress = [row for row in figures["fragility"]["stress"] if row["left"] is not None]
    if not stress:
        return "There was no profit that could break."
    worst = min(stress, key=lambda row: float(row["left"]))
    left = "no profit would be left" if worst["left"] <= 0 else f"{say.percent(worst['left'], 0)} of the profit would be left"
    return f"Its weakest point: {STRESSES[worst['stress']]}, {left}."
