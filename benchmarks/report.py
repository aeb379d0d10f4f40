"""What a report costs: seconds to write one of ten years of a hundred names, and its size; seconds to list many runs.

The report has to stay under 6 MB and 3 s. Its run is made up (`tests/fake_result.py`); writing it twice must give the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import ROOT, interleaved, table

sys.path.insert(0, str(ROOT / "tests"))

from fake_result import fake_result

from quantlab.report import write_report
from quantlab.report.contract import contract
from quantlab.report.index import write_index
from quantlab.report.page import render

MEGABYTE = 1e6


def listed(report: Path, root: Path, n_runs: int) -> Path:
    """Return a folder of so many runs, each with that report.json."""
    for number in range(n_runs):
        run = root / f"strategy_{number % 10}" / f"{number:016x}"
        run.mkdir(parents=True)
        shutil.copy(report, run / "report.json")
    return root


def main() -> None:
    """Print the seconds of each part and the bytes of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2520)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--runs", type=int, default=500, help="in the list of runs")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    result = fake_result(n_sessions=given.times, symbols=[f"S{number:03d}" for number in range(given.symbols)])
    content = contract(result)
    with TemporaryDirectory(prefix="quantlab-") as folder:
        run = write_report(result, Path(folder) / "reports")
        before = {path.name: path.read_bytes() for path in run.iterdir()}
        many = listed(run / "report.json", Path(folder) / "many", given.runs)
        ways = {
            "write_report": lambda: write_report(result, Path(folder) / "reports"),
            "of which the figures of report.json": lambda: contract(result),
            "of which report.html": lambda: render(result, content),
            f"list {given.runs} runs": lambda: write_index(many),
        }
        seconds = interleaved(ways, rounds=given.rounds)
        assert {path.name: path.read_bytes() for path in run.iterdir()} == before, "two writes of one run differ"
        sizes = {name: len(written) for name, written in sorted(before.items())} | {"index.html": (many / "index.html").stat().st_size}
    print(f"{given.times} sessions x {given.symbols} symbols")
    print(table(seconds, reference="write_report"))
    for name, size in sizes.items():
        print(f"{name:14} {size / MEGABYTE:7.2f} MB")


if __name__ == "__main__":
    main()
