"""Settings: what a data set says about itself, in dataset.toml or as keyword arguments."""

from __future__ import annotations

import math
import re
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pandas as pd

from quantlab.data import rules
from quantlab.data.files import is_plain
from quantlab.data.findings import Findings
from quantlab.data.tables import shortened
from quantlab.errors import DataError, Problem, nearest
from quantlab.sessions import time_zone

FILE = "dataset.toml"
LONGEST = 1 << 20  # bytes of dataset.toml that are read
ALWAYS = "24/7"
REQUIRED = ("name", "calendar")
CHOICES = {"bar_stamp": ("session", "open", "close"), "adjusted": ("all", "splits", "none")}
DURATIONS = ("news_delay", "bar_length", "duplicate_window")
DURATION = re.compile(r"[0-9]+(\.[0-9]+)? ?(s|min|h|D)")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a data set says about itself; durations are text with a unit (`30s`, `1min`, `2h`, `3D`).

    calendar: a name of exchange_calendars. timezone: of stamps that carry none; without it they are an error, and a date
        alone is one of the calendar's zone.
    bar_stamp: `session` (a date that names a session, the bar is complete at its close), `open` (the instant at which the
        bar opens; complete `bar_length` later) or `close` (the instant at which it is complete).
    adjusted: prices are adjusted for `all` (used as they are), `splits` only, or `none`.
    news_delay: added to every document's instant. benchmark: a symbol with bars.
    largest_jump: a close so many times the one before, or less than one over it, is taken for a slip of units, and refused.
    duplicate_window, similarity: a document is a copy of an earlier one of its symbol within that window if the Jaccard
        similarity of their word pairs is at least that; `0D` keeps every copy.
    notes, licence: shown in the report.

    Raises DataError for values that do not fit.
    """

    name: str = "data"
    calendar: str = "XNYS"
    timezone: str | None = None
    bar_length: str | None = None
    bar_stamp: str = "session"
    adjusted: str = "all"
    news_delay: str = "0s"
    benchmark: str | None = None
    largest_jump: float = 50.0
    duplicate_window: str = "3D"
    similarity: float = 0.8
    notes: tuple[str, ...] = ()
    licence: str = ""

    def __post_init__(self) -> None:
        """Refuse values that do not fit, all of them at once."""
        problems = list(self._problems())
        if problems:
            raise DataError(*problems)

    def duration(self, name: str) -> pd.Timedelta:
        """Return one of the durations, zero if it is not set."""
        value = getattr(self, name)
        return pd.Timedelta(0) if value is None else pd.Timedelta(value)

    def _problems(self) -> Iterator[Problem]:
        """Yield what does not fit."""
        for field in fields(self):
            value = getattr(self, field.name)
            expected = {"notes": tuple, "similarity": float | int, "largest_jump": float | int}.get(field.name, str)
            if not (isinstance(value, expected) or (value is None and field.default is None)) or isinstance(value, bool):
                yield _problem(field.name, value, f"is not of the right kind: {field.type} is needed", "correct it")
            elif field.name in CHOICES and value not in CHOICES[field.name]:
                yield _problem(field.name, value, f"is none of {', '.join(CHOICES[field.name])}", "use one of them")
            elif field.name in DURATIONS and value is not None and not DURATION.fullmatch(str(value)):
                yield _problem(field.name, value, "is no duration with a unit", "write such as '30s', '1min', '2h' or '3D'")
        if isinstance(self.similarity, float | int) and not 0 < self.similarity <= 1:
            yield _problem("similarity", self.similarity, "is not in (0, 1]", "0.8 is the default")
        if isinstance(self.largest_jump, float | int) and not 1 < self.largest_jump < math.inf:
            yield _problem("largest_jump", self.largest_jump, "is no number above 1", "50 is the default")
        if self.bar_stamp == "open" and self.bar_length is None:
            yield _problem("bar_length", None, "is missing: a bar stamped at its open is complete one length later", "write such as '1h'")
        if isinstance(self.timezone, str) and self.timezone not in (known := zoneinfo.available_timezones()):
            near = nearest(self.timezone, sorted(known))
            yield _problem("timezone", self.timezone, f"is no IANA time zone{near}", "write such as 'America/New_York' or 'UTC'")


def read_settings(folder: Path, findings: Findings) -> Settings:
    """Return the settings in `folder`/dataset.toml as far as they can be read; what is missing, damaged or does not fit is reported.

    With a calendar that cannot be told, every day is a session (`24/7`), so that the tables can still be looked at.
    """
    example = 'write at least: name = "mine" and calendar = "XNYS"'
    path = folder / FILE
    if not path.is_symlink() and not path.exists():
        _report(Problem(f"{folder} has no {FILE}, which says what its stamps and prices mean", example), findings)
    elif is_plain(folder, path, findings):
        try:
            with path.open("rb") as file:
                text = file.read(LONGEST).decode("utf-8")
            return settings_from(tomllib.loads(text.replace("\r\n", "\n").removeprefix("\ufeff")), findings)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            _report(Problem(f"cannot be read: {error}", f"correct it; it must be TOML in UTF-8; {example}", file=FILE), findings)
    return Settings(calendar=ALWAYS)


def settings_from(values: Mapping[str, object], findings: Findings) -> Settings:
    """Return the settings of parsed TOML, without those that do not fit, which are reported; one note may be plain text."""
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            near = nearest(name, known)
            _report(Problem(f"unknown setting {shortened(name)!r}{near}", f"the settings are {', '.join(known)}", file=FILE), findings)
    for name, example in zip(REQUIRED, ('"mine"', '"XNYS"'), strict=True):
        if name not in values:
            _report(Problem(f"the setting {name!r} is missing", f"add {name} = ..., such as {example}", file=FILE), findings)
    settings = Settings(calendar=ALWAYS)
    for name in (name for name in known if name in values):  # in their order: bar_stamp = "open" needs bar_length
        value = values[name]
        value = (tuple(value) if isinstance(value, list) else (value,)) if name == "notes" else value
        try:
            settings = replace(settings, **{name: value})  # type: ignore[arg-type]  # the kind is checked in __post_init__
            if name == "calendar":
                time_zone(settings.calendar)
        except DataError as error:
            settings = replace(settings, calendar=ALWAYS) if name == "calendar" else settings
            for problem in error.problems:
                _report(problem, findings)
    return settings


def _report(problem: Problem | str, findings: Findings) -> None:
    """Report one problem of the settings."""
    if isinstance(problem, str):  # from the calendar: `what is wrong: what to do`
        message, _, fix = problem.partition(": ")
        problem = Problem(message, fix, file=FILE)
    rule = rules.SETTING.of(message=problem.message, fix=problem.fix)
    findings.add(rule, problem.file, value=problem.value)


def _problem(name: str, value: object, message: str, fix: str) -> Problem:
    """Return the problem of one setting."""
    return Problem(f"{name} {message}", fix, file=FILE, value=None if value is None else str(value))
