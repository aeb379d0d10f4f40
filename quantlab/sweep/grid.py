"""What to try: values or ranges of settings, from Python or from the command line."""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from quantlab.errors import UsageError

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*(:log)?\s*")
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Range:
    """All values from low to high, for a search: whole numbers if both ends are, even in the logarithm if `log`."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse a range without room, or one whose logarithm does not exist."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsageError(f"a range must go from a lower to a higher number, not {self}")
        if self.log and self.low <= 0:
            raise UsageError(f"a range in the logarithm must lie above 0, not {self}")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __str__(self) -> str:
        """`low..high`, as the command line has it."""
        return f"{self.low}..{self.high}{':log' if self.log else ''}"


Choices: TypeAlias = Mapping[str, "Sequence[object] | Range"]


def parse_choices(settings: Sequence[str]) -> dict[str, list[object] | Range]:
    """Return what each `NAME=VALUE,VALUE,...` or `NAME=LOW..HIGH[:log]` offers.

    Commas inside brackets or quotes belong to their value: `model.alpha=1,2` is two values, `x=[1,2],[3]` is two lists.
    Raises UsageError for a setting without values, or one that is named twice.
    """
    choices: dict[str, list[object] | Range] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        if not equals or not name or not text.strip():
            raise UsageError(f"--set takes NAME=VALUE,VALUE,..., not {setting!r}")
        if name in choices:
            raise UsageError(f"--set names {name} twice: give all its values at once, {name}=1,2,3")
        choices[name] = _range(text) or [_literal(part) for part in _parts(setting, text)]
    return choices


def combinations(choices: Choices) -> Iterator[dict[str, object]]:
    """Yield every combination of the values, the last setting changing fastest. Raises UsageError for a range or a repeated value."""
    for name, values in choices.items():
        if isinstance(values, Range):
            raise UsageError(f"--set {name}={values} is a range: list its values, or search it with --optuna N")
        check_values(name, values)
    for values in itertools.product(*(list(values) for values in choices.values() if not isinstance(values, Range))):
        yield dict(zip(choices, values, strict=True))


def check_values(name: str, values: Sequence[object]) -> None:
    """Refuse an empty list, or a value that is listed twice: it would count as two trials."""
    if not len(values):
        raise UsageError(f"--set {name}: there is no value to try")
    shown = [repr(value) for value in values]
    for position, value in enumerate(shown):
        if value in shown[:position]:
            raise UsageError(f"--set {name} lists {value} twice: list it once")


def of_python(choices: Choices) -> Choices:
    """Return the choices with values of numpy as the values of Python that they are: `np.float64(1.0)` is no setting."""
    return {
        name: values if isinstance(values, Range) else [value.item() if isinstance(value, np.generic) else value for value in values]
        for name, values in choices.items()
    }


def as_settings(values: Mapping[str, object]) -> list[str]:
    """Return settings as `with_settings` takes them."""
    return [f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in values.items()]


def _parts(setting: str, text: str) -> list[str]:
    """Cut a text at the commas that stand in no bracket and no quote."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    if depth or quote:
        raise UsageError(f"--set {setting}: a bracket or a quote is not closed")
    parts = [part.strip() for part in parts]
    if not all(parts):
        raise UsageError(f"--set {setting}: a value is missing between two commas")
    return parts


def _range(text: str) -> Range | None:
    """Return the range that a text says, or None if it says none."""
    found = RANGE.fullmatch(text)
    if found is None:
        return None
    low, high = (float(end) if {".", "e", "E"} & set(end) else int(end) for end in (found[1], found[2]))
    return Range(low, high, log=found[3] is not None)


def _literal(text: str) -> object:
    """Read a number, True, None, a list ... or, failing that, a text, as `with_settings` does."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
