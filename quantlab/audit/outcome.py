"""What the full audit says: checks with their verdict, and findings that name stage, time, symbol, column, values and likely cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from quantlab.result import Check, Finding, Json, Verdict, verdict_of

FOLDERS = re.compile(r"(?:\b[A-Za-z]:)?[/\\](?:[^/\\\n()'\"]+[/\\])*(?=[^/\\\n()'\"]*\.py\b)")


@dataclass(frozen=True)
class AuditReport:
    """What the audit of one strategy on one data set saw; cuts: what was cut where, as JSON-ready pairs of time and reason."""

    strategy: str
    dataset: str
    checks: tuple[Check, ...]
    cuts: tuple[tuple[str, str], ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the checks."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def leaks(self) -> tuple[Check, ...]:
        """The checks that found a leak."""
        return tuple(check for check in self.checks if check.verdict == "leak")

    @property
    def verdict(self) -> Verdict:
        """`leak` if any check found one, `blind` if one could not have, else `held`."""
        return verdict_of(self.checks)

    def as_json(self) -> Mapping[str, Json]:
        """Return the report as JSON."""
        return {
            "schema_version": 1,
            "strategy": self.strategy,
            "dataset": self.dataset,
            "verdict": self.verdict,
            "checks": [check.as_json() for check in self.checks],
            "cuts": [{"time": time, "reason": reason} for time, reason in self.cuts],
        }

    def summary(self) -> str:
        """Return the report in plain words, a line per check and one per finding."""
        heading = {
            "leak": "LEAK: something known only later has an effect",
            "blind": "NOT PROVEN: a check could not have seen a leak",
        }.get(self.verdict, "clean: no look into the future was found")
        width = max(len(check.name) for check in self.checks)
        lines = [f"{self.strategy} on {self.dataset}: {heading} ({len(self.cuts)} cuts)"]
        for check in self.checks:
            lines.append(f"  {check.name:<{width}}  {check.verdict}: {check.detail}")
            lines += [f"  {'':<{width}}    - {finding}" for finding in check.findings]
        return "\n".join(lines)


def told(error: Exception) -> str:
    """Return `KeyError: 'x'`, of files the name alone: what a report says must not depend on the folder that a strategy lies in."""
    return FOLDERS.sub("", f"{type(error).__name__}: {error}")


def judged(name: str, detail: str, findings: tuple[Finding, ...]) -> Check:
    """Return a check that could have found a leak."""
    return Check(name, "leak" if findings else "held", detail, findings)
