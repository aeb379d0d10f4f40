"""`quantlab audit FILE`: does a strategy know anything before its time? It is tried, and the answer said in plain words."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer

from quantlab.commands import options as opt


def audit(
    file: opt.StrategyFile,
    data: opt.DataFolder = opt.SAMPLE,
    bad_rows: opt.BadRows = "error",
    start: opt.Start = None,
    end: opt.End = None,
    set_: opt.Set = None,
    seed: opt.Seed = 0,
    cache: opt.CacheFolder = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer cuts and draws.")] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Try to prove that a strategy looks ahead: cut time, replace the future, plant canaries. Exit code 4 if it does."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.audit.full import audit as audited
    from quantlab.data import read_dataset
    from quantlab.errors import LeakError
    from quantlab.progress import Timings, log_to_stderr
    from quantlab.run import Settings
    from quantlab.strategy import Strategy, load_strategy, with_settings

    def fresh() -> Strategy:
        return with_settings(load_strategy(file), set_ or [])

    began = time.perf_counter()
    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    first, last = opt.span(start, end)
    with log_to_stderr(quiet=quiet):
        settings = Settings(start=first, end=last, seed=seed, cache=opt.cache_at(cache), progress=timings)
        report = audited(fresh(), read_dataset(data, bad_rows=bad_rows), settings, quick=quick, fresh=fresh)
    if as_json:
        print(json.dumps(report.as_json(), indent=2, allow_nan=False, ensure_ascii=False))
    elif not quiet:
        print(f"{report.summary()}\n  took {time.perf_counter() - began:.0f} s")
    if report.verdict == "leak":
        raise LeakError(f"{len(report.findings)} findings: {report.findings[0]}")
    if report.verdict == "blind":
        raise LeakError("nothing is proven: " + next(check.detail for check in report.checks if check.verdict == "blind"))
