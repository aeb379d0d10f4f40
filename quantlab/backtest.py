"""`python -m quantlab.backtest FILE`, the same code as `quantlab backtest FILE`: parse, call, print."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from quantlab.cache import Cache
    from quantlab.dataset import Dataset
    from quantlab.result import BacktestResult
    from quantlab.run import Settings
    from quantlab.strategy import Strategy

SAMPLE = Path("data/sample")


def default_cache() -> Path:
    """Return the folder of the cache unless another is named: per user, shared by all projects."""
    return Path.home() / ".cache" / "quantlab"


def backtest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Strategy file: a .py file that defines `strategy`.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder (see data/README.md).")] = SAMPLE,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where reports go.")] = Path("reports"),
    start: Annotated[
        str | None, typer.Option(metavar="DATE", help="First session of the samples; earlier bars only warm features up.")
    ] = None,
    end: Annotated[str | None, typer.Option(metavar="DATE", help="Last session; nothing after it is read.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: folds.train=504, weights.quantile=0.1, model.n_topics=12."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Folds fitted at the same time; the result does not depend on it.")] = 1,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Cache folder. [default: ~/.cache/quantlab]", show_default=False)
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Compute everything anew and keep nothing.")] = False,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="Variants tried so far, this one included. [default: the ledger's count]", show_default=False),
    ] = None,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Skip the checks at the end of the run; the report says so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Backtest a strategy file walk-forward and write an honest report."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.cache import Cache
    from quantlab.data import read_dataset
    from quantlab.executor import processes
    from quantlab.progress import Timings, log_to_stderr, peak_memory_bytes
    from quantlab.report import write_report
    from quantlab.run import Settings
    from quantlab.strategy import load_strategy, with_settings

    timings = Timings(shown=sys.stderr.isatty() and not quiet)
    with ExitStack() as stack:
        stack.enter_context(log_to_stderr(quiet=quiet))
        kept = stack.enter_context(tempfile.TemporaryDirectory(prefix="quantlab-")) if no_cache else cache or default_cache()
        store = Cache(Path(kept))
        before = _n_entries(store)
        with timings.stage("strategy"):
            strategy = with_settings(load_strategy(file), set_ or [])
        first, last = day(start, "start"), day(end, "end", last_moment=True)
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


def day(text: str | None, option: str, *, last_moment: bool = False) -> pd.Timestamp | None:
    """Return a date as an instant in UTC: its first moment, or its last."""
    from quantlab.errors import UsageError

    if text is None:
        return None
    import pandas as pd

    try:
        day = pd.Timestamp(pd.to_datetime(text, format="ISO8601"))
    except ValueError as error:
        raise UsageError(f"--{option} takes a date such as 2024-06-30, not {text!r}") from error
    if day.tz is not None or day != day.normalize():
        raise UsageError(f"--{option} takes a date without a time, such as 2024-06-30, not {text!r}")
    instant = (day + pd.Timedelta(days=1) - pd.Timedelta(1, "us")) if last_moment else day
    return instant.tz_localize("UTC").as_unit("us")


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
