"""What went in, what was checked, and how the figures are defined."""

from __future__ import annotations

from collections.abc import Mapping

from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Notes, Section, table
from quantlab.report.sections.learning import leaves
from quantlab.report.sections.parts import Figures, text, whole
from quantlab.result import BacktestResult

CONVENTIONS = (
    "Returns are simple, net of fees and slippage, and compound; the span starts at the first out-of-sample session.",
    "Annual figures count the sessions of the calendar, not 365 days; the risk-free rate is 0.",
    "Sharpe: sample standard deviation (ddof 1). Sortino: downside deviation over all sessions.",
    "Drawdowns start from an equity of 1, so that a loss on the first session counts.",
    "IC: Spearman's rank correlation over the names of a session, then averaged; its t-statistic follows Newey and West (1987), "
    "with a lag of twice the target's horizon, because labels overlap over it.",
    "With fewer than ten names in the median session, all rows are ranked at once as well (pooled IC).",
    "Intervals: circular block bootstrap over sessions (Politis and Romano 1992), 95%, percentiles; the length of the blocks follows "
    "Politis and White (2004) with the correction of 2009. All names of a session stay together.",
    "PSR, DSR and track record: Bailey and Lopez de Prado (2012, 2014), with population skewness and kurtosis that is not in excess of 3; "
    "where no other trial's ratio is known, trials are taken to differ by sampling error alone (Lo 2002).",
    "Superior ability: Hansen (2005), consistent p-value. Haircut: Harvey and Liu (2015).",
    "Event study: market-adjusted returns, close to close; intervals after Driscoll and Kraay (1998).",
    "A direction is judged where signal and target are known and neither is exactly 0.",
)


def data_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what went in, and what was set aside on the way."""
    data = figures["data"]
    facts = Facts(
        [
            Fact("Data set", say.cut(data["name"]), f"calendar {result.dataset.calendar or 'of the bars themselves'}"),
            Fact("Sessions", whole(data["n_sessions"]), f"{say.day(data['start'])} to {say.day(data['end'])}"),
            Fact("Symbols", whole(data["n_symbols"])),
            Fact("Documents", whole(data["n_documents"])),
        ]
    )
    rows = [(drop.reason, whole(drop.n_rows), text(", ".join(drop.examples))) for drop in result.dataset.dropped]
    rows += [(f"{reason} (training rows)", whole(n), say.NONE) for reason, n in sorted(result.dropped_rows.items())]
    columns = {"Rows set aside": "text", "Rows": "number", "The first of them": "text"}
    blocks: list[Block] = [facts]
    bad = [(one.reason, whole(one.n_rows), text(", ".join(one.examples))) for one in result.dataset.bad_rows]
    caption = f"{whole(data['n_quarantined'])} bad rows, set aside in quarantine.csv as --bad-rows quarantine asks"
    blocks += [table(caption, columns, bad)] if bad else []
    blocks += [table("What was left out, and why", columns, rows)] if rows else [Notes(["No row was left out."])]
    blocks += [Notes(list(result.dataset.notes))] if result.dataset.notes else []
    return Section("data", "Data", "", blocks)


def audit_section(figures: Figures) -> Section:
    """Say what the audit tried, and what it saw."""
    audit = figures["audit"]
    called = {"leak": "LEAK", "blind": "BLIND"}
    rows = [(check["name"], called.get(check["verdict"], check["verdict"]), text(check["detail"])) for check in audit["checks"]]
    blocks: list[Block] = [table("", {"Check": "text", "Outcome": "text", "Seen": "text"}, rows)] if rows else []
    found = [(check["name"], finding) for check in audit["checks"] for finding in check["findings"]]
    columns = {"Found by": "text", "Where": "text", "First row": "text", "In the run": "text", "Without": "text", "Likely cause": "text"}
    leaks = [
        (name, text(f"{one['stage']} {one['column']}"), text(_first_row(one)), text(one["value"]), text(one["other"]), text(one["cause"]))
        for name, one in found
    ]
    blocks += [table("What depends on later data", columns, leaks)] if leaks else []
    return Section("audit", "Leak audit", say.audit_sentence(audit), blocks)


def _first_row(finding: Mapping[str, object]) -> str:
    """Return the symbol and time at which a finding shows first, with the number of rows."""
    place = " at ".join(str(part) for part in (finding["symbol"], finding["time"]) if part)
    return f"{place or say.NONE} ({finding['n_rows']} rows; {finding['cut']})"


def parameter_section(result: BacktestResult) -> Section:
    """Say what the user chose."""
    return Section("parameters", "Parameters", "The strategy as it ran.", [leaves("Settings", result.config, folded=True)])


def provenance_section(result: BacktestResult, figures: Figures) -> Section:
    """Say how the figures are defined, and what the result depends on, so that it can be made again."""
    facts = {"run_id": result.run_id, "trial_id": result.trial_id, **result.provenance, "data": dict(result.dataset.hashes)}
    blocks: list[Block] = [Notes([*CONVENTIONS, *_knowledge(figures)]), leaves("Versions, seeds and hashes", facts, folded=True)]
    return Section("provenance", "Methods and provenance", "The same inputs give the same run id and the same bytes.", blocks)


def _knowledge(figures: Mapping[str, Figures]) -> list[str]:
    """Return what a pretrained encoder has read, if there is one that says so."""
    known = (figures["text_ablation"] or {}).get("knowledge")
    return [say.knowledge_sentence(known)] if known else []
