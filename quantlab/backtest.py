"""`python -m quantlab.backtest FILE`, the same code as `quantlab backtest FILE`: parse, call, print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantlab.commands import options as opt

if TYPE_CHECKING:
    from quantlab.cache import Cache
    from quantlab.dataset import Dataset
    from quantlab.result import BacktestResult
    from quantlab.run import Settings
    from quantlab.strategy import Strategy


def backtest(
    file: opt.StrategyFile,
    data: opt.DataFolder = opt.SAMPLE,
    out: opt.ReportsFolder = opt.REPORTS,
    start: opt.Start = None,
    end: opt.End = None,
    set_: opt.Set = None,
    seed: opt.Seed = 0,
    jobs: opt.Jobs = 1,
    cache: opt.CacheFolder = None,
    no_cache: opt.NoCache = False,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="Variants tried so far, this one included; by default the ledger's count.", show_default=False),
    ] = None,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Skip the checks at the end of the run; the report says so.")] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Backtest a strategy file walk-forward and write an honest report."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.data import read_dataset
    from quantlab.executor import processes
    from quantlab.progress import Timings, log_to_stderr, peak_memory_bytes
    from quantlab.report import write_report
    from quantlab.run import Settings
    from quantlab.strategy import load_strategy, with_settings

    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    with log_to_stderr(quiet=quiet), opt.opened_cache(cache, no_cache=no_cache) as store:
        before = _n_entries(store)
        with timings.stage("strategy"):
            strategy = with_settings(load_strategy(file), set_ or [])
        first, last = opt.span(start, end)
        with timings.stage("data"):
            dataset = read_dataset(data)
        with timings.stage("run"):
            settings = Settings(
                start=first, end=last, seed=seed, audit=not no_audit, cache=store, executor=processes(jobs), progress=timings
            )
            result = counted(strategy, dataset, settings, out, n_trials=trials)
        with timings.stage("report"):
            folder = write_report(result, out)
        facts = {
            "seconds": timings.seconds,
            "peak_memory_bytes": peak_memory_bytes(),
            "new_cache_entries": _n_entries(store) - before,
            "jobs": jobs,
        }
        (folder / "timings.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print((folder / "report.json").read_text(encoding="utf-8"), end="")
    elif not quiet:
        print(summary(result, folder))


def counted(strategy: Strategy, dataset: Dataset, settings: Settings, out: Path, *, n_trials: int | None) -> BacktestResult:
    """Run a strategy, see which trial it is, judge it by how often its family was tried, and enter it in the family's ledger."""
    from quantlab import metrics
    from quantlab.report import folder_name
    from quantlab.run import run, with_trials
    from quantlab.trials import given, read_trials, record_trial

    family = out / folder_name(strategy.name)
    stated = None if n_trials is None else given(n_trials)  # refused before anything runs
    result = run(strategy, dataset, settings)
    result = with_trials(result, stated or read_trials(family, result.trial_id))
    record_trial(family, trial_id=result.trial_id, run_id=result.run_id, sharpe=metrics.sharpe(result.portfolio.returns, periods=1))
    return result


def _n_entries(store: Cache) -> int:
    return len(store.entries())


def summary(result: BacktestResult, folder: Path) -> str:
    """Return the few lines that a person reads in the terminal."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    returns, accuracy, low_high = report["returns"], report["accuracy"], report["significance"]["sharpe_ci"]

    def share(value: float | None) -> str:
        return "n/a" if value is None else f"{value:+.1%}"

    def number(value: float | None, digits: int = 2) -> str:
        return "n/a" if value is None else f"{value:.{digits}f}"

    evaluated = f"{result.weights.index[0].date()} to {result.weights.index[-1].date()}"
    interval = "" if not low_high else f" (95% interval {number(low_high[0])} to {number(low_high[1])})"
    return "\n".join(
        [
            f"{result.strategy} on {result.dataset.name}, out of sample {evaluated}",
            f"  verdict   {report['verdict']['sentence']}",
            f"  return    {share(returns['total_return'])} in all, {share(returns['cagr'])} a year; "
            f"{result.benchmark_name}: {share(returns['benchmark_total_return'])}",
            f"  drawdown  {share(report['drawdown']['max_drawdown'])}",
            f"  Sharpe    {number(returns['sharpe'])}{interval}",
            f"  accuracy  {share(accuracy['hit_rate'])[1:]} hits against a base rate of {share(accuracy['base_rate'])[1:]}; "
            f"IC {number(accuracy['ic_mean'], 4)} (t {number(accuracy['ic_t'])})",
            f"  audit     {report['audit']['verdict']}",
            f"  report    {folder / 'report.html'}",
        ]
    )


if __name__ == "__main__":
    from quantlab.entry import answer

    alone = typer.Typer(add_completion=False)
    alone.command()(backtest)
    sys.exit(answer(alone, sys.argv[1:], "python -m quantlab.backtest"))
