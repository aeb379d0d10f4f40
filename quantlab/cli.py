"""The `quantlab` command: backtest, audit, sweep, compare, finetune, doctor, data, cache."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from quantlab import __version__
from quantlab.backtest import backtest
from quantlab.commands import options as opt
from quantlab.commands.audit import audit
from quantlab.commands.compare import compare
from quantlab.commands.data import data_app
from quantlab.commands.doctor import doctor
from quantlab.commands.finetune import finetune
from quantlab.commands.sweep import sweep
from quantlab.entry import answer

app = typer.Typer(
    name="quantlab",
    add_completion=False,
    no_args_is_help=True,
)
cache_app = typer.Typer(help="Show or clear the cache.", invoke_without_command=True)
app.add_typer(data_app, name="data")
app.add_typer(cache_app, name="cache")
for command in (backtest, audit, sweep, compare, finetune, doctor):
    app.command(command.__name__)(command)


def tell_version(asked: bool) -> None:
    """Print the version and leave, if that was asked for."""
    if asked:
        print(f"quantlab {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=tell_version, help="Show the version.")] = False,
) -> None:
    """Backtests of strategies that trade on text: point-in-time, fitted inside folds, reported honestly."""
    del version  # told while the arguments were read


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
