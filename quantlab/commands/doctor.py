"""`quantlab doctor`: whether this installation is fit to be trusted."""

from __future__ import annotations

import json
import textwrap

import typer

from quantlab.commands import options as opt

WIDTH = 140


def doctor(cache: opt.CacheFolder = None, as_json: opt.AsJson = False, debug: opt.Debug = False) -> None:
    """Check versions, processor, threads, cache and encoder, and try a tiny back-test. Exit code 0, 5 (files) or 1."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.doctor import examine, exit_code

    findings = []
    for finding in examine(cache):
        findings.append(finding)
        if not as_json:
            lines = str(finding).splitlines()
            print("\n".join(textwrap.fill(line, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False) for line in lines), flush=True)
    code = exit_code(findings)
    if as_json:
        print(json.dumps({"exit_code": code, "findings": [finding.as_json() for finding in findings]}, indent=2, ensure_ascii=False))
    else:
        counts = [sum(finding.level == level for finding in findings) for level in ("problem", "warning")]
        print("quantlab is ready" if not any(counts) else f"{counts[0]} problem(s), {counts[1]} warning(s)")
    if code:
        raise typer.Exit(code)
