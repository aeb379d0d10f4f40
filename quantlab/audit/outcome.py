"""What an audit says: checks with their verdict, and findings that name stage, time, symbol, column, values and likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from quantlab.result import Json

Stage = Literal["documents", "features", "labels", "folds", "signal", "weights", "orders"]
Verdict = Literal["held", "leak", "blind", "noted", "not applicable"]

STAGES: tuple[Stage, ...] = ("documents", "features", "labels", "folds", "signal", "weights", "orders")


@dataclass(frozen=True)
class Finding:
    """One thing that depends on what came later.

    stage, column: where it shows; time, symbol: the first row; value: of the whole run; other: of the run that could not know.
    n_rows: rows that differ. cut: what the other run knew, in words. cause: the likely one, in words, with what to do.
    """

    stage: Stage
    column: str
    time: pd.Timestamp | None
    symbol: str
    value: str
    other: str
    n_rows: int
    cut: str
    cause: str

    def __str__(self) -> str:
        """`features, volume_z, AAA at 2021-03-04: 0.31 with the future, 0.28 without: ...`."""
        place = [self.stage, self.column, f"{self.symbol} at {self.time.isoformat()}" if self.time is not None else self.symbol]
        values = f"{self.value} with the future, {self.other} without ({self.n_rows} rows; {self.cut})"
        return f"{', '.join(part for part in place if part)}: {values}: {self.cause}"


@dataclass(frozen=True)
class Outcome:
    """One check. `held`, `leak`, `blind` (it could not have seen one: a failure), `noted` (information) or `not applicable`."""

    name: str
    verdict: Verdict
    detail: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """What the audit of one strategy on one data set saw; cuts: what was cut where, as JSON-ready pairs of time and reason."""

    strategy: str
    dataset: str
    checks: tuple[Outcome, ...]
    cuts: tuple[tuple[str, str], ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the checks."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def leaks(self) -> tuple[Outcome, ...]:
        """The checks that found a leak."""
        return tuple(check for check in self.checks if check.verdict == "leak")

    @property
    def verdict(self) -> Verdict:
        """`leak` if any check found one, `blind` if one could not have, else `held`."""
        verdicts = {check.verdict for check in self.checks}
        return "leak" if "leak" in verdicts else "blind" if "blind" in verdicts else "held"

    def as_json(self) -> Mapping[str, Json]:
        """Return the report as JSON."""
        return {
            "schema_version": 1,
            "strategy": self.strategy,
            "dataset": self.dataset,
            "verdict": self.verdict,
            "checks": [
                {"name": check.name, "verdict": check.verdict, "detail": check.detail, "findings": [_json(one) for one in check.findings]}
                for check in self.checks
            ],
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


def judged(name: str, detail: str, findings: tuple[Finding, ...]) -> Outcome:
    """Return the outcome of a check that could have found a leak."""
    return Outcome(name, "leak" if findings else "held", detail, findings)


def _json(finding: Finding) -> Json:
    found: dict[str, Json] = {**asdict(finding), "time": None if finding.time is None else finding.time.isoformat()}
    return found
