"""The `quantlab` command: backtest, audit, sweep, compare, finetune, data, cache."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from quantlab.backtest import backtest
from quantlab.commands import options as opt
from quantlab.commands.audit import audit
from quantlab.commands.compare import compare
from quantlab.commands.finetune import finetune
from quantlab.commands.sweep import sweep
from quantlab.entry import answer

app = typer.Typer(
    name="quantlab",
    add_completion=False,
    no_args_is_help=True,
    help="Backtests of strategies that trade on text: point-in-time, fitted inside folds, reported honestly.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make and inspect data folders.")
cache_app = typer.Typer(help="Show or clear the cache.", invoke_without_command=True)
app.add_typer(data_app, name="data")
app.add_typer(cache_app, name="cache")
for command in (backtest, audit, sweep, compare, finetune):
    app.command(command.__name__)(command)


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


@cache_app.callback()
def show(context: typer.Context, cache: opt.CacheFolder = None) -> None:
    """Show where the cache is and what it holds."""
    if context.invoked_subcommand is not None:
        return
    store = opt.cache_at(cache)
    entries = store.entries()
    size = sum(path.stat().st_size for path in entries)
    print(f"{store.folder}: {len(entries)} entries, {size / 1e6:,.1f} MB of at most {store.limit_bytes / 1e9:,.1f} GB")


@cache_app.command()
def clear(cache: opt.CacheFolder = None) -> None:
    """Remove every entry."""
    store = opt.cache_at(cache)
    print(f"{store.folder}: {store.clear()} entries removed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return answer(app, list(sys.argv[1:] if arguments is None else arguments), "quantlab")


if __name__ == "__main__":
    sys.exit(main())
