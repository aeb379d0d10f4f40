"""`quantlab compare RUN RUN ...`: finished runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from quantlab.commands import options as opt


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN ...", help="Folders of runs, or <strategy>/<run id> under --out; the start of an id will do."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where reports are.")] = opt.REPORTS,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Page to write; by default <out>/compare/<id>.html.", show_default=False)
    ] = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Set finished runs side by side: figures, intervals on their differences, equity, settings and data."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.compare import compare as compared
    from quantlab.compare import contract, find_run, read_run, write_comparison

    comparison = compared([read_run(find_run(name, out)) for name in runs])
    content = contract(comparison)
    path = write_comparison(comparison, html or out / "compare" / f"{comparison.comparison_id}.html")
    if as_json:
        print(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))
    elif not quiet:
        from quantlab.report.compare_page import sentences

        print("\n".join([*sentences(content), f"  page  {path}"]))
