"""`quantlab sweep FILE --set a=1,2,3 --set b=...`: every variant counted, and what choosing among them is worth."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from quantlab.commands import options as opt


def sweep(
    file: opt.StrategyFile,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE,...",
            help="Values to try: weights.quantile=0.1,0.2,0.3. One value is the same for all; a list is one value: x=[1,2],[3]. "
            "With --optuna also a range: folds.train=126..504, model.alpha=0.01..100:log.",
        ),
    ],
    data: opt.DataFolder = opt.SAMPLE,
    bad_rows: opt.BadRows = "error",
    out: opt.ReportsFolder = opt.REPORTS,
    start: opt.Start = None,
    end: opt.End = None,
    optuna: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Search with N trials of Optuna instead of trying every combination.")
    ] = None,
    seed: opt.Seed = 0,
    jobs: opt.Jobs = 1,
    cache: opt.CacheFolder = None,
    no_cache: opt.NoCache = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Try a strategy with other settings, count every variant, and say what choosing by the past would have earned."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.data import read_dataset
    from quantlab.executor import processes
    from quantlab.progress import Timings, log_to_stderr
    from quantlab.report import folder_name
    from quantlab.run import Settings
    from quantlab.storage import check_writable
    from quantlab.strategy import load_strategy
    from quantlab.sweep import contract, parse_choices, write_sweep
    from quantlab.sweep import sweep as swept

    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    with log_to_stderr(quiet=quiet), opt.opened_cache(cache, no_cache=no_cache) as store:
        check_writable(out)
        choices, strategy = parse_choices(set_), load_strategy(file)
        first, last = opt.span(start, end)
        settings = Settings(start=first, end=last, seed=seed, cache=store, executor=processes(jobs), progress=timings)
        ledger = out / folder_name(strategy.name)
        result = swept(strategy, read_dataset(data, bad_rows=bad_rows), choices, settings, n_search=optuna, ledger=ledger)
        content = contract(result)
        _refuse_if_all_failed(content)
        path = write_sweep(result, out)
    if as_json:
        print(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))
    elif not quiet:
        from quantlab.report.sweep_page import sentences

        print("\n".join([*sentences(content), f"  page  {path}"]))


def _refuse_if_all_failed(content: Mapping[str, Any]) -> None:
    """Raise UsageError if nothing that was asked for works: there is nothing to choose from, and no page to write."""
    from quantlab.errors import UsageError
    from quantlab.report.sweep_page import failures

    asked = [one for one in content["variants"] if one["settings"]]  # the strategy as it stands, put before them, names none
    if asked and all(one["error"] is not None for one in asked):
        raise UsageError(f"nothing to choose from: {failures(content)[0]}")
