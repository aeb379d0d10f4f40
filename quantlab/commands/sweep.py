"""`quantlab sweep FILE --set a=1,2,3 --set b=...`: every variant counted, and what choosing among them is worth."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from quantlab.backtest import SAMPLE, day, default_cache


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Strategy file: a .py file that defines `strategy`.")],
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE,...",
            help="Values to try: weights.quantile=0.1,0.2,0.3. One value is the same for all; a list is one value: x=[1,2],[3]. "
            "With --optuna also a range: folds.train=126..504, model.alpha=0.01..100:log.",
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder (see data/README.md).")] = SAMPLE,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where reports go.")] = Path("reports"),
    start: Annotated[
        str | None, typer.Option(metavar="DATE", help="First session of the samples; earlier bars only warm features up.")
    ] = None,
    end: Annotated[str | None, typer.Option(metavar="DATE", help="Last session; nothing after it is read.")] = None,
    optuna: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Search with N trials of Optuna instead of trying every combination.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Folds fitted at the same time; the result does not depend on it.")] = 1,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Cache folder. [default: ~/.cache/quantlab]", show_default=False)
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Compute everything anew and keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sweep as JSON on stdout and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Try a strategy with other settings, count every variant, and say what choosing by the past would have earned."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.cache import Cache
    from quantlab.data import read_dataset
    from quantlab.executor import processes
    from quantlab.progress import Timings, log_to_stderr
    from quantlab.report import folder_name
    from quantlab.run import Settings
    from quantlab.strategy import load_strategy
    from quantlab.sweep import contract, parse_choices, write_sweep
    from quantlab.sweep import sweep as swept

    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    with ExitStack() as stack:
        stack.enter_context(log_to_stderr(quiet=quiet))
        kept = stack.enter_context(tempfile.TemporaryDirectory(prefix="quantlab-")) if no_cache else cache or default_cache()
        choices, strategy = parse_choices(set_), load_strategy(file)
        first, last = day(start, "start"), day(end, "end", last_moment=True)
        settings = Settings(start=first, end=last, seed=seed, cache=Cache(Path(kept)), executor=processes(jobs), progress=timings)
        ledger = out / folder_name(strategy.name)
        result = swept(strategy, read_dataset(data), choices, settings, n_search=optuna, ledger=ledger)
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
