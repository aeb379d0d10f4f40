"""What the audit of a back-test costs: a warm run on `data/sample` with it against the same run with `--no-audit`.

Both must earn the same: the audit watches, it changes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import ROOT, Finished, fresh, table

STRATEGIES = ("price_momentum", "sentiment_ridge", "topic_regimes", "news_momentum")


def backtest(strategy: str, folder: Path, *options: str) -> Finished:
    """Run one strategy with its cache and reports in `folder`."""
    command = (sys.executable, "-m", "quantlab.backtest", ROOT / "strategies" / f"{strategy}.py", "--data", ROOT / "data" / "sample")
    return fresh(*command, "--cache", folder / "cache", "--out", folder / "reports", "--json", "--quiet", *options)


def measured(strategy: str, rounds: int) -> str:
    """Return the table of one strategy."""
    ways = {"without audit": ("--no-audit",), "with audit": ()}
    runs: dict[str, list[Finished]] = {way: [] for way in ways}
    with TemporaryDirectory(prefix="quantlab-") as name:
        backtest(strategy, Path(name))  # fills the cache
        for _ in range(rounds):
            for way, options in ways.items():
                runs[way].append(backtest(strategy, Path(name), *options))
    reports = [json.loads(run.stdout) for finished in runs.values() for run in finished]
    assert all(report["returns"] == reports[0]["returns"] for report in reports), "the audit changed what was earned"
    assert {report["audit"]["verdict"] for report in reports} == {"skipped", "passed"}
    seconds = {way: [run.seconds for run in finished] for way, finished in runs.items()}
    return f"{strategy}\n{table(seconds, reference='without audit')}"


def main() -> None:
    """Time each strategy asked for and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, metavar="NAME", help="files of strategies/, without .py")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for strategy in given.strategies:
        print(measured(strategy, given.rounds), flush=True)


if __name__ == "__main__":
    main()
