"""`quantlab data`: make a data folder, and say all that is wrong with one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quantlab.commands import options as opt

if TYPE_CHECKING:
    from quantlab.data.findings import Finding, Findings
    from quantlab.dataset import Dataset

data_app = typer.Typer(no_args_is_help=True, help="Make and check data folders.")
WIDEST = 160  # columns of a table that nobody looks at: a file, a pipe


@data_app.command()
def synth(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; it must not hold a data set yet.")],
    times: Annotated[int, typer.Option(min=2, help="Number of sessions.")] = 756,
    symbols: Annotated[int, typer.Option(min=2, help="Number of symbols.")] = 24,
    effect: Annotated[
        float | None, typer.Option(help="Return that a headline of full tone moves; 0 for none; by default the sample's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Make a synthetic market with a planted effect of the news, or none."""
    from quantlab.synthetic import make_market, write_dataset

    market = make_market(times, symbols, seed=seed) if effect is None else make_market(times, symbols, effect=effect, seed=seed)
    write_dataset(market.dataset, out)
    print(f"{out}: {times} sessions, {symbols} symbols, {len(market.dataset.news)} news rows")


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Data folder (see data/README.md).")],
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Say all that is wrong or odd with a data folder, at once. Exit code 3 if a backtest would refuse it."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.data import examine

    dataset, findings = examine(folder)
    content = report(folder, dataset, findings)
    if as_json:
        print(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))
    elif not quiet:
        _show(content)
    if not content["usable"]:
        raise typer.Exit(3)


def report(folder: Path, dataset: Dataset | None, findings: Findings) -> dict[str, Any]:
    """Return all that was found, as JSON: one entry for each rule and column, with the first place and the count."""
    facts: dict[str, object] | None = None
    if dataset is not None:
        bars = dataset.bars
        facts = {
            "name": dataset.name,
            "start": bars.times[0].isoformat(),
            "end": bars.times[-1].isoformat(),
            "n_sessions": len(bars.times),
            "n_symbols": len(bars.symbols),
            "n_documents": len(dataset.news),
        }
    return {
        "folder": str(folder),
        "usable": findings.can_be_used(),
        "usable_with_quarantine": findings.can_be_used("quarantine"),
        "data": facts,
        "problems": [_entry(finding) for finding in findings.all],
    }


def _entry(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON: its first place and how many there are, and the first twenty places."""
    places: list[dict[str, object]] = [
        {"file": one.file, "row": one.line, "column": one.column, "value": one.value} for one in finding.problems
    ]
    said = {"rule": finding.rule.name, "answer": finding.rule.answer, "message": finding.rule.message, "fix": finding.rule.fix or None}
    return {**said, "n": finding.n, **places[0], "places": places}


def _show(content: Mapping[str, Any]) -> None:
    """Print what was found as a table, the worst first, and what it means."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from quantlab.data.rules import ANSWERS

    console = Console(highlight=False, soft_wrap=False)
    console = console if console.is_terminal else Console(highlight=False, width=WIDEST)
    problems = sorted(content["problems"], key=lambda problem: ANSWERS.index(problem["answer"]))
    if problems:
        table = Table(show_lines=True)
        titles = {"answer": "What happens", "file": "File", "row": "Row", "column": "Column", "n": "Times", "value": "First value"}
        for title in titles.values():
            table.add_column(title, justify="right" if title in ("Row", "Times") else "left", overflow="fold")
        table.add_column("What it is, and how to mend it", ratio=1, overflow="fold")
        for problem in problems:
            cells = ["" if problem[name] is None else str(problem[name]) for name in titles]
            said = f"{problem['message']}: {problem['fix']}" if problem["fix"] else problem["message"]
            table.add_row(*(Text(cell) for cell in [*cells, said]))  # Text: brackets in a value are no markup
        console.print(table)
    console.print(Text(_verdict(content)))


def _verdict(content: Mapping[str, Any]) -> str:
    """Return in a line or two what a backtest would do with the folder."""
    counts = {answer: sum(p["n"] for p in content["problems"] if p["answer"] == answer) for answer in ("refused", "bad row")}
    facts = content["data"]
    size = "" if facts is None else f": {facts['n_sessions']} bars of {facts['n_symbols']} symbols, {facts['n_documents']} documents"
    if content["usable"]:
        return f"{content['folder']} can be used{size}"
    said = f"{content['folder']} cannot be used as it is: {counts['refused']} faults, {counts['bad row']} bad rows"
    return f"{said}; with --bad-rows quarantine it can{size}" if content["usable_with_quarantine"] else said
