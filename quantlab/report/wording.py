"""Numbers and sentences as a reader of the report sees them. What does not apply is an en dash."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeGuard

import pandas as pd

from quantlab.result import Json

NONE = "–"  # noqa: RUF001  (an en dash is what typographers set for "none")
LONGEST = 300  # characters of one cell
Written: TypeAlias = Callable[[object], str]


def percent(fraction: object, digits: int = 1) -> str:
    """Return a fraction as a percentage: 12.3%."""
    return number(100.0 * fraction, digits) + "%" if _is_number(fraction) else NONE


def number(value: object, digits: int = 2) -> str:
    """Return a number with thousands separated and a true minus sign."""
    if not _is_number(value):
        return NONE
    text = f"{value:,.{digits}f}"
    negative = text.startswith("-") and text.strip("-0.,") != ""  # no "-0.00"
    return ("\u2212" if negative else "") + text.lstrip("-")


def three(value: object) -> str:
    """Return a number with three digits, as correlations are written."""
    return number(value, 3)


def chance(value: object) -> str:
    """Return a probability as a percentage that never claims to be certain."""
    if _is_number(value) and not 0.001 <= value <= 0.999:
        return "> 99.9%" if value > 0.5 else "< 0.1%"
    return percent(value)


def probability(value: object) -> str:
    """Return a p-value with three digits; one that would round to nothing as `< 0.001`."""
    return "< 0.001" if _is_number(value) and value < 0.0005 else number(value, 3)


def signed(fraction: object, digits: int = 1) -> str:
    """Return a percentage that shows its plus sign."""
    text = percent(fraction, digits)
    return "+" + text if _is_number(fraction) and not text.startswith("\u2212") and text.strip("0.%") else text


def day(instant: object) -> str:
    """Return the date of an instant (UTC)."""
    if instant is None or pd.isna(instant):  # type: ignore[call-overload]  # any scalar will do
        return NONE
    return str(pd.Timestamp(instant).date())  # type: ignore[arg-type]  # a Timestamp or its ISO text


def cut(text: str) -> str:
    """Return a text, cut where it would make a table unreadable."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def flat(value: Json | Mapping[str, Json], name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, value) for each leaf of a JSON value; a list of plain values is one leaf."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        for position, item in enumerate(value):
            yield from flat(item, f"{name}[{position}]")
    elif isinstance(value, list):
        yield name, cut(", ".join(_leaf(item) for item in value) or NONE)
    else:
        yield name, cut(_leaf(value))


def return_sentence(figures: Mapping[str, Mapping[str, object]], benchmark_name: str, start: object, end: object) -> str:
    """Say what was earned, against what, and how deep it went on the way."""
    total, other = figures["returns"]["total_return"], figures["returns"]["benchmark_total_return"]
    against = f", against {signed(other)} of the benchmark ({benchmark_name})" if _is_number(other) else ""
    return (
        f"From {day(start)} to {day(end)}, after costs, the strategy returned {signed(total)}{against}. "
        f"At worst it stood {percent(_size(figures['drawdown']['max_drawdown']))} below an earlier peak."
    )


def gross_sentence(figures: Mapping[str, Mapping[str, object]]) -> str:
    """Say what the costs took away."""
    earned = figures["returns"]
    return (
        f"It returned {signed(earned['total_return'])} after costs; without any it would have been {signed(earned['gross_total_return'])}."
    )


def knowledge_sentence(known: Mapping[str, object]) -> str:
    """Say up to when pretrained encoders have read, and how much of the evaluated span lies before; or of which it is not known."""
    share, unknown = known["share_of_sessions"], known["unknown"]
    said = []
    if known["cutoff"] is not None:
        beside = f"{percent(share)} of the sessions lie before: it may remember them" if share else "all sessions lie after it"
        said.append(f"The pretrained encoder has read texts up to {known['cutoff']}, as far as is known; {beside}.")
    if isinstance(unknown, list) and unknown:
        names = ", ".join(map(str, unknown))
        said.append(f"It is not known up to when the encoder has read texts (in {names}): it may remember any of the sessions.")
    return " ".join([*said, "No walk-forward can mend that."])


def accuracy_sentence(figures: Mapping[str, Mapping[str, object]]) -> str:
    """Say how often the direction was right, beside what knowing nothing would have got."""
    accuracy = figures["accuracy"]
    if not _is_number(accuracy["hit_rate"]):
        return "There is no prediction whose direction could be judged."
    return (
        f"It called the direction right in {percent(accuracy['hit_rate'])} of {number(accuracy['n'], 0)} cases; "
        f"always naming the more frequent direction would have been right in {percent(accuracy['base_rate'])}."
    )


def luck_sentence(figures: Mapping[str, Mapping[str, object]]) -> str:
    """Say whether the Sharpe ratio can be told from luck."""
    ratio, interval = figures["returns"]["sharpe"], figures["significance"]["sharpe_ci"]
    low, high = interval if isinstance(interval, list) else (None, None)
    if not (_is_number(ratio) and _is_number(low) and _is_number(high)):
        return "There are too few returns, or none that vary, to tell skill from luck."
    range_ = f"Its Sharpe ratio of {number(ratio)} has a 95% interval from {number(low)} to {number(high)}"
    if low <= 0 <= high:
        return f"{range_}, which includes zero: not distinguishable from luck."
    if high < 0:
        return f"{range_}, all of it below zero: it lost more than luck explains."
    return f"{range_}, all of it above zero."


def audit_sentence(audit: Mapping[str, Any]) -> str:
    """Say what the audit at the end of the run tried, and what it found: the first finding, or the first check that was blind."""
    checks = audit["checks"]
    found = [finding["cause"] for check in checks for finding in check["findings"]]
    blind = [f"{check['name']}: {check['detail']}" for check in checks if check["verdict"] == "blind"]
    return {
        "passed": "The audit held: with the data cut or its future replaced at some bars, documents, features, settled labels and weights "
        "before them stayed the same; no training label reached into its test; an independent ledger gives the same equity. No model was "
        "fitted again for it: the command quantlab audit does that.",
        "failed": f"The audit failed: see below which check did not hold. {f'Likely cause: {cut(found[0])}. ' if found else ''}"
        "The figures cannot be trusted.",
        "blind": f"The audit proves nothing, for it could not have seen a leak ({cut(blind[0]) if blind else NONE}).",
        "skipped": "No audit was made: nothing here says that the future did not leak into the past.",
    }[audit["verdict"]]


def _leaf(value: Json) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _size(value: object) -> float:
    return abs(value) if _is_number(value) else math.nan


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
