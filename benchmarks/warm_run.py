"""A whole run, cold (fresh cache) against repeated (the same cache), each in its own process on `data/sample`.

The repeated run must print the same report, byte for byte: the cache may change how long a run takes, never what it says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import ROOT, Finished, fresh, table

STRATEGIES = ("price_momentum", "sentiment_ridge", "topic_regimes", "news_momentum")


def backtest(strategy: str, folder: Path) -> Finished:
    """Run one strategy with its cache and reports in `folder`."""
    command = (sys.executable, "-m", "quantlab.backtest", ROOT / "strategies" / f"{strategy}.py", "--data", ROOT / "data" / "sample")
    return fresh(*command, "--cache", folder / "cache", "--out", folder / "reports", "--json", "--quiet")


def measured(strategy: str, rounds: int) -> str:
    """Return the table of one strategy: per round a fresh folder, a cold run, a repeated run."""
    runs: dict[str, list[Finished]] = {"cold": [], "repeated": []}
    for _ in range(rounds):
        with TemporaryDirectory(prefix="quantlab-") as folder:
            for kind in runs:
                runs[kind].append(backtest(strategy, Path(folder)))
    reports = {run.stdout for finished in runs.values() for run in finished}
    assert len(reports) == 1, f"{strategy}: {2 * rounds} runs printed {len(reports)} different reports; was the code edited meanwhile?"
    seconds = {kind: [run.seconds for run in finished] for kind, finished in runs.items()}
    peak_bytes = {kind: max(run.peak_bytes for run in finished) for kind, finished in runs.items()}
    return f"{strategy}: {2 * rounds} runs, one and the same report\n{table(seconds, reference='cold', peak_bytes=peak_bytes)}"


def main() -> None:
    """Time each strategy asked for and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, metavar="NAME", help="files of strategies/, without .py")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    fresh(sys.executable, "-c", "import quantlab.run, quantlab.report, vectorbt, lightgbm")  # no round reads the libraries from disk first
    for strategy in given.strategies:
        print(measured(strategy, given.rounds), flush=True)


if __name__ == "__main__":
    main()
