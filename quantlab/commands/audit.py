"""`quantlab audit FILE`: does a strategy know anything before its time? It is tried, and the answer said in plain words."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from quantlab.backtest import SAMPLE, day, default_cache


def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Strategy file: a .py file that defines `strategy`.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder (see data/README.md).")] = SAMPLE,
    start: Annotated[str | None, typer.Option(metavar="DATE", help="First session of the samples.")] = None,
    end: Annotated[str | None, typer.Option(metavar="DATE", help="Last session; nothing after it is read.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting, as in backtest.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Cache folder. [default: ~/.cache/quantlab]", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer cuts and draws.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit as JSON on stdout and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Try to prove that a strategy looks ahead: cut time, replace the future, plant canaries. Exit code 4 if it does."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.audit.full import audit as audited
    from quantlab.cache import Cache
    from quantlab.data import read_dataset
    from quantlab.errors import LeakError
    from quantlab.progress import Timings, log_to_stderr
    from quantlab.run import Settings
    from quantlab.strategy import Strategy, load_strategy, with_settings

    def fresh() -> Strategy:
        return with_settings(load_strategy(file), set_ or [])

    began = time.perf_counter()
    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    first, last = day(start, "start"), day(end, "end", last_moment=True)
    with log_to_stderr(quiet=quiet):
        settings = Settings(start=first, end=last, seed=seed, cache=Cache(cache or default_cache()), progress=timings)
        report = audited(fresh(), read_dataset(data), settings, quick=quick, fresh=fresh)
    if as_json:
        print(json.dumps(report.as_json(), indent=2, allow_nan=False, ensure_ascii=False))
    elif not quiet:
        print(f"{report.summary()}\n  took {time.perf_counter() - began:.0f} s")
    if report.verdict == "leak":
        raise LeakError(f"{len(report.findings)} findings: {report.findings[0]}")
    if report.verdict == "blind":
        raise LeakError("nothing is proven: " + next(check.detail for check in report.checks if check.verdict == "blind"))
