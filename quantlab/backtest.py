"""`python -m quantlab.backtest FILE`, the same code as `quantlab backtest FILE`: parse, call, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    bad_rows: opt.BadRows = "error",
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
    """Backtest a strategy file walk-forward and write an honest report. Exit code 4 if its audit finds a look into the future."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.data import read_dataset
    from quantlab.executor import processes
    from quantlab.progress import Timings, log_to_stderr, peak_memory_bytes
    from quantlab.report import report_files, write_report
    from quantlab.run import Settings
    from quantlab.storage import check_writable
    from quantlab.strategy import load_strategy, with_settings

    check_writable(out)
    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    with log_to_stderr(quiet=quiet), opt.opened_cache(cache, no_cache=no_cache) as store:
        before = _n_entries(store)

        def fresh() -> Strategy:
            return with_settings(load_strategy(file), set_ or [])

        with timings.stage("strategy"):
            strategy = fresh()
        first, last = opt.span(start, end)
        with timings.stage("data"):
            dataset = read_dataset(data, bad_rows=bad_rows)
        with timings.stage("run"):
            settings = Settings(
                start=first, end=last, seed=seed, audit=not no_audit, fresh=fresh, cache=store, executor=processes(jobs), progress=timings
            )
            result = counted(strategy, dataset, settings, out, n_trials=trials)
        with timings.stage("report"):
            files = report_files(result)
        new = _n_entries(store) - before
        facts = {"seconds": timings.seconds, "peak_memory_bytes": peak_memory_bytes(), "new_cache_entries": new, "jobs": jobs}
        folder = write_report(result, out, {**files, "timings.json": (json.dumps(facts, indent=2) + "\n").encode()})
    if as_json:
        print(files["report.json"].decode(), end="")
    elif not quiet:
        print(summary(result, json.loads(files["report.json"]), folder))
    _raise_leaks(result)


def counted(strategy: Strategy, dataset: Dataset, settings: Settings, out: Path, *, n_trials: int | None) -> BacktestResult:
    """Run a strategy, see which trial it is, judge it by how often its family was tried, and enter it in the family's ledger."""
    from quantlab import metrics
    from quantlab.report import folder_name
    from quantlab.run import run, with_trials
    from quantlab.trials import given, read_trials, record_trial, turn

    family = out / folder_name(strategy.name)
    stated = None if n_trials is None else given(n_trials)  # refused before anything runs
    result = run(strategy, dataset, settings)
    sharpe = metrics.sharpe(result.portfolio.returns, periods=1)
    with turn(family):
        result = with_trials(result, stated or read_trials(family, result.trial_id))
        record_trial(family, trial_id=result.trial_id, run_id=result.run_id, sharpe=sharpe)
    return result


def _n_entries(store: Cache) -> int:
    return len(store.entries())


def summary(result: BacktestResult, report: Mapping[str, Any], folder: Path) -> str:
    """Return the few lines that a person reads in the terminal; report: what report.json says."""
    returns, accuracy, low_high = report["returns"], report["accuracy"], report["significance"]["sharpe_ci"]

    def share(value: float | None) -> str:
        return "n/a" if value is None else f"{value:+.1%}"

    def number(value: float | None, digits: int = 2) -> str:
        return "n/a" if value is None else f"{value:.{digits}f}"

    hits, base = (share(accuracy[name]).lstrip("+") for name in ("hit_rate", "base_rate"))
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
            f"  accuracy  {hits} hits against a base rate of {base}; IC {number(accuracy['ic_mean'], 4)} (t {number(accuracy['ic_t'])})",
            *_set_aside(result.dataset),
            *_news_left_out(result.dataset),
            f"  audit     {_audited(report['audit'])}",
            f"  report    {folder / 'report.html'}",
        ]
    )


def _raise_leaks(result: BacktestResult) -> None:
    """Raise LeakError if the audit of a run found any."""
    from quantlab.errors import LeakError

    leaks = [finding for check in result.audit or () for finding in check.findings]
    if leaks:
        raise LeakError(f"the audit found {len(leaks)} look(s) into the future; the first: {leaks[0]}")


def _set_aside(dataset: Dataset) -> list[str]:
    """Return a line on the bad rows that the run did without, if there are any."""
    reasons = "; ".join(f"{reason.n_rows} {reason.reason}" for reason in dataset.bad_rows)
    return [f"  data      {len(dataset.quarantined)} bad rows set aside in quarantine.csv: {reasons}"] if reasons else []


def _news_left_out(dataset: Dataset) -> list[str]:
    """Return a line on the news that the run did without, if they are more than one in twenty."""
    dropped = [reason for reason in dataset.dropped if reason.reason.startswith("news ")]
    left_out = sum(reason.n_rows for reason in dropped)
    total = left_out + len(dataset.news)
    reasons = "; ".join(f"{reason.n_rows} {reason.reason.removeprefix('news ')}" for reason in dropped)
    return [f"  news      left out {left_out} of {total}: {reasons}"] if left_out > 0.05 * total else []


def _audited(audit: Mapping[str, Any]) -> str:
    """Return the audit's verdict, with the likely cause of what it found, or why it could not have found anything."""
    causes = [finding["cause"] for check in audit["checks"] for finding in check["findings"]]
    blind = [f"{check['name']}: {check['detail']}" for check in audit["checks"] if check["verdict"] == "blind"]
    return "; ".join([audit["verdict"], *dict.fromkeys(causes), *blind])


if __name__ == "__main__":
    from quantlab.entry import answer

    alone = typer.Typer(add_completion=False)
    alone.command()(backtest)
    sys.exit(answer(alone, sys.argv[1:], "python -m quantlab.backtest"))
