"""What faults do to a run: killed at any moment, its cache damaged, eight at once, a full disk. Each must end in the bytes of a clean run.

kill      start a run in an empty folder, end it at a random moment, look at what lies there, run it again, compare
corrupt   damage each file of a cache in each of four ways and run again; `--strategy` also damages all files of a real cache at once
together  eight runs at once on one cache and one folder of reports, against the same ones after each other
full      runs whose reports, or cache, lie on a disk that is too small (needs root: it mounts a tmpfs)

Prints a table; exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from timing import ROOT

from quantlab.cache import Cache
from quantlab.cache import _read as read_entry

RANDOM_SEED: Final = 20_260_101
DAMAGES: Final = ("flip", "truncate", "empty", "swap")
MOVING: Final = {"timings.json"}  # the only file that may differ between two runs
ENDINGS: Final = {"KILL": -signal.SIGKILL, "TERM": 143, "INT": 130}


@dataclass(frozen=True)
class Place:
    """Where a run keeps its cache and writes its reports."""

    folder: Path

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.folder / "cache"

    @property
    def reports(self) -> Path:
        """The folder of all reports."""
        return self.folder / "reports"

    def start(self, strategy: str, *options: str) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        command = [sys.executable, "-m", "quantlab.backtest", f"strategies/{strategy}.py", "--data", "data/sample", "--quiet"]
        command += ["--cache", str(self.cache), "--out", str(self.reports), *options]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, strategy: str, *options: str) -> tuple[int, str]:
        """Run to the end and return the exit code and what was said on stderr."""
        process = self.start(strategy, *options)
        said = process.communicate()[1]
        return process.returncode, said

    def outputs(self) -> dict[str, bytes]:
        """Return the bytes of all that was written, by its path under the reports."""
        return files_of(self.reports)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder by their paths, but for the moving ones."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in MOVING)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@contextmanager
def a_place() -> Iterator[Place]:
    """Give an empty place, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield Place(Path(folder))


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Return the paths that are not the same in both."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def halves(place: Place, clean: dict[str, bytes]) -> list[str]:
    """Return what a killed run left that is neither whole, nor a draft."""
    wrong = []
    runs = Counter(str(Path(name).parent) for name in clean if name.count("/") == 2)
    for folder in place.reports.glob("*/*/"):
        name = str(folder.relative_to(place.reports))
        if not folder.name.startswith(".") and not all((folder / Path(path).name).is_file() for path in clean if path.startswith(name)):
            wrong.append(f"{name} has {len(list(folder.iterdir()))} of {runs[name]} files")
    left = {name: content for name, content in place.outputs().items() if "/." not in f"/{name}"}
    wrong += [f"{name} differs" for name, content in left.items() if content != clean.get(name)]
    wrong += [f"{path.name} is damaged" for path in Cache(place.cache).entries() if read_entry(path) is None]
    return wrong


def processes_of(group: int) -> list[int]:
    """Return the processes of a group that are still there."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def left_after(group: int, seconds: float) -> list[int]:
    """Wait until no process of a group is left, so many seconds at most, and return those that are."""
    end = time.monotonic() + seconds
    while (found := processes_of(group)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def kill(given: argparse.Namespace) -> list[str]:
    """End runs at random moments, and compare what the next run makes of it with a clean run."""
    moments, problems = np.random.default_rng(RANDOM_SEED), []
    with a_place() as place:
        began = time.monotonic()
        code, said = place.run(given.strategy, "--jobs", "2")
        lasting, clean = time.monotonic() - began, place.outputs()
        n_all = len(Cache(place.cache).entries())
    if code:
        return [f"the clean run ends with {code}: {said}"]
    print(f"clean run of {given.strategy}: {lasting:.1f} s, {len(clean)} files, {n_all} cache entries\n")
    print("round  signal  after      exit  kept  drafts  half results  orphans  the same bytes when run again")
    for number in range(given.rounds):
        name = given.signals[number % len(given.signals)]
        with a_place() as place:
            wait = moments.uniform(0.0, lasting * 1.05)
            process = place.start(given.strategy, "--jobs", "2")
            time.sleep(wait)
            process.send_signal(getattr(signal, f"SIG{name}"))
            said = process.communicate()[1]
            orphans = left_after(process.pid, 3.0)
            kept, drafts = len(Cache(place.cache).entries()), len(list(place.folder.rglob(".writing-*")))
            wrong = halves(place, clean)
            code, again = place.run(given.strategy, "--jobs", "2")
            odd = differing(clean, place.outputs())
            stale = [path.name for path in place.folder.rglob(".writing-*")]
        same = "yes" if code == 0 and not odd else f"NO: exit {code}, {odd} {again}"
        print(f"{number + 1:5}  {name:6}  {wait:5.2f} s  {process.returncode:6}  {kept:4}  {drafts:6}", end="")
        print(f"  {len(wrong):12}  {len(orphans):7}  {same}", flush=True)
        begun = wait > given.grace  # before that Python itself is starting
        if process.returncode not in (0, ENDINGS[name], *(() if begun else (-getattr(signal, f"SIG{name}"),))) or "Traceback" in said:
            problems.append(f"round {number + 1}: ended with {process.returncode}: {said}")
        if same != "yes" or wrong or orphans or stale:
            problems.append(f"round {number + 1}: {same} {wrong} orphans {orphans} stale {stale}")
    return problems


def damage(path: Path, how: str, other: bytes, moments: np.random.Generator) -> None:
    """Damage a file: one bit turned, the second half gone, nothing left, or the content of another."""
    content = bytearray(path.read_bytes())
    if how == "flip" and content:
        content[moments.integers(len(content))] ^= 1 << int(moments.integers(8))
    path.write_bytes({"flip": bytes(content), "truncate": bytes(content[: len(content) // 2]), "empty": b"", "swap": other}[how])


def corrupt(given: argparse.Namespace) -> list[str]:
    """Damage each file of a small cache and run again in this process; with a strategy, all files of its cache on the sample too."""
    moments, problems = np.random.default_rng(RANDOM_SEED), []
    print("files  damage    run again: same result  damage reported")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        again = small_run(Path(folder) / "cache")
        expected = again()
        pristine = files_of(Path(folder) / "cache")
        folds = {name for name in pristine if b'"said"' in pristine[name][:4000]}
        for how in DAMAGES:
            same, reported = 0, 0
            for name in pristine:
                restore(Path(folder) / "cache", {key: value for key, value in pristine.items() if name in folds or key not in folds})
                damage(Path(folder) / "cache" / name, how, pristine[another(name, pristine)], moments)
                with heard() as said:
                    same += again() == expected
                reported += any("damaged cache entry" in line for line in said)
            print(f"{len(pristine):5}  {how:8}  {same:22}  {reported:15}", flush=True)
            if not same == reported == len(pristine):
                problems.append(f"{how}: of {len(pristine)} files {same} gave the same result and {reported} were reported")
    return problems + (real_cache(given.strategy, moments) if given.strategy else [])


def real_cache(strategy: str, moments: np.random.Generator) -> list[str]:
    """Damage each file of the cache that a strategy leaves on the sample: read it back, and run once with all of them damaged."""
    problems = []
    with a_place() as place:
        code, said = place.run(strategy)
        if code:
            return [f"the clean run ends with {code}: {said}"]
        clean, pristine = place.outputs(), files_of(place.cache)
        for how in DAMAGES:
            refused = 0
            for name in pristine:
                path = place.cache / name
                damage(path, how, pristine[another(name, pristine)], moments)
                with heard():
                    refused += read_entry(path) is None
                path.write_bytes(pristine[name])
            print(f"{len(pristine):5}  {how:8}  read of {strategy}'s cache: {refused} refused", flush=True)
            if refused != len(pristine):
                problems.append(f"{how}: {len(pristine) - refused} damaged files of {strategy}'s cache were read")
        for number, name in enumerate(pristine):
            damage(place.cache / name, DAMAGES[number % 4], pristine[another(name, pristine)], moments)
        shutil.rmtree(place.reports)
        code, said = place.run(strategy)
        odd = differing(clean, place.outputs())
        print(f"{len(pristine):5}  all       {strategy} again: exit {code}, {'the same bytes' if not odd else f'DIFFERENT: {odd}'}")
    return problems + ([f"{strategy} with all its cache damaged: exit {code}, {odd} {said}"] if code or odd else [])


def another(name: str, names: dict[str, bytes]) -> str:
    """Return the name of another file, of the same folder if there is one: the one after it, in a circle."""
    beside = [other for other in names if Path(other).parent == Path(name).parent]
    chosen = beside if len(beside) > 1 else list(names)
    return chosen[(chosen.index(name) + 1) % len(chosen)]


def restore(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold these files and no other."""
    shutil.rmtree(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def small_run(cache: Path) -> Callable[[], tuple[str, ...]]:
    """Return a run of a ridge on topics, tone and a price feature of a tiny market: its id, its signal and its weights as bytes."""
    from functools import partial

    from quantlab import ForwardReturn, Strategy, WalkForward, known_news
    from quantlab.features import momentum, panel
    from quantlab.models import ridge_regressor, with_text
    from quantlab.run import Settings, run
    from quantlab.synthetic import make_market
    from quantlab.text import LdaTopics, Sentiment
    from quantlab.weights import long_short

    strategy = Strategy(
        name="small",
        features=lambda bars, news: panel(m=momentum(bars.close, 5), news=known_news(news, bars, lookback=3)),
        target=ForwardReturn(horizon=2),
        model=with_text(ridge_regressor(), LdaTopics(n_topics=3, n_passes=1), Sentiment()),
        weights=partial(long_short, quantile=0.3),
        folds=WalkForward(train=60, test=40, min_train=50),
    )
    dataset = make_market(160, 5, seed=3).dataset

    def again() -> tuple[str, ...]:
        result = run(strategy, dataset, Settings(cache=Cache(cache), audit=False))
        values = (result.predicted.signal.to_numpy(), result.weights.to_numpy(), result.portfolio.returns.to_numpy())
        return (result.run_id, *(value.tobytes().hex() for value in values))

    return again


@contextmanager
def heard() -> Iterator[list[str]]:
    """Give the list of what quantlab logs meanwhile, and keep it off the terminal."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, listener = logging.getLogger("quantlab"), Listener()
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        logger.propagate = True


def together(given: argparse.Namespace) -> list[str]:
    """Run eight at once, against the same after each other: with a stated count of trials all bytes, with the ledger's what they count."""
    quantiles = [f"weights.quantile={number / 20:g}" for number in range(2, 2 + given.runs)]
    same = [("--set", quantile, "--trials", "8") for quantile in (quantiles[: given.runs // 2] * 2)]
    problems = []
    with a_place() as one, a_place() as other:
        seconds = [
            timed(lambda: at_once(one, given.strategy, same)),
            timed(lambda: in_turn(other, given.strategy, same[: given.runs // 2])),
        ]
        odd = differing({**one.outputs(), **ledgers(one)}, {**other.outputs(), **ledgers(other)})
        drafts = list(one.folder.rglob(".writing-*"))
        damaged = [path.name for path in Cache(one.cache).entries() if read_entry(path) is None]
    print(f"{given.runs} runs of {given.strategy} at once, two of each: {seconds[0]:.0f} s; each once, in turn: {seconds[1]:.0f} s")
    print(f"  files that differ: {odd}; drafts left: {len(drafts)}; damaged cache entries: {len(damaged)}")
    if odd or drafts or damaged:
        problems.append(f"at once and in turn differ: {odd} {drafts} {damaged}")
    with a_place() as one, a_place() as other:
        at_once(one, given.strategy, [("--set", quantile) for quantile in quantiles])
        in_turn(other, given.strategy, [("--set", quantile) for quantile in quantiles])
        counts, serial = trials_of(one), trials_of(other)
        listed = (one.reports / "index.html").read_text().count("report.html")
        orders = [sorted(path.read_bytes() for path in place.reports.glob("*/*/orders.csv")) for place in (one, other)]
        (ledger,) = one.reports.glob("*/trials.jsonl")
        lines = ledger.read_bytes().count(b"\n")
    print(f"{given.runs} variants at once: they count {counts} trials, in turn {serial}; ledger lines {lines}; in the index {listed}")
    if (
        counts != serial
        or counts != list(range(1, given.runs + 1))
        or lines != given.runs
        or listed != given.runs
        or orders[0] != orders[1]
    ):
        problems.append(f"the ledger: {counts} {serial}, {lines} lines, {listed} listed, same orders: {orders[0] == orders[1]}")
    return problems


def ledgers(place: Place) -> dict[str, bytes]:
    """Return the ledgers with their lines sorted and without the chain: it holds the order in which runs were entered."""
    found = {}
    for path in place.reports.glob("*/trials.jsonl"):
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        said = sorted(json.dumps({name: value for name, value in entry.items() if name != "chain"}) for entry in entries)
        found[str(path.relative_to(place.reports))] = "\n".join(said).encode()
    return found


def trials_of(place: Place) -> list[int]:
    """Return how many trials each run counts, sorted."""
    return sorted(json.loads(path.read_bytes())["trials"]["n"] for path in place.reports.glob("*/*/report.json"))


def at_once(place: Place, strategy: str, all_options: Sequence[Sequence[str]]) -> None:
    """Run several at the same time."""
    started = [place.start(strategy, *options) for options in all_options]
    for process in started:
        said = process.communicate()[1]
        assert process.returncode == 0, said


def in_turn(place: Place, strategy: str, all_options: Sequence[Sequence[str]]) -> None:
    """Run several after each other."""
    for options in all_options:
        code, said = place.run(strategy, *options)
        assert code == 0, said


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def full(given: argparse.Namespace) -> list[str]:
    """Run with the reports, then with the cache, on disks that are too small: exit code 5 and nothing left, or a warning and the same."""
    problems = []
    with a_place() as place, tempfile.TemporaryDirectory(prefix="faults-") as mounted:
        place.run(given.strategy)
        clean = place.outputs()
        print("on the small disk  KiB  exit  run folders  the same bytes  said")
        for what, size in [("reports", 4), ("reports", 64), ("reports", 400), ("reports", 10_000), ("cache", 4), ("cache", 200)]:
            subprocess.run([which("mount"), "-t", "tmpfs", "-o", f"size={size}k,mode=755", "none", mounted], check=True)
            try:
                with a_place() as other:
                    options = {"reports": ["--out", mounted], "cache": ["--cache", mounted]}[what]
                    shutil.copytree(place.cache, other.cache) if what == "reports" else None
                    code, said = other.run(given.strategy, *options)
                    written = files_of(Path(mounted)) if what == "reports" else other.outputs()
                    folders = len({Path(name).parent for name in written if name.count("/") == 2})
            finally:
                subprocess.run([which("umount"), mounted], check=True)
            same = not differing(clean, written)
            shown = said.strip().splitlines()[-1:] or [""]
            print(f"{what:17}  {size:5}  {code:4}  {folders:11}  {'yes' if same else 'no':14}  {shown[0][:110]}", flush=True)
            if (code, folders) not in ((5, 0), (0, 1)) or (code == 0) != same or "Traceback" in said:
                problems.append(f"{what} on {size} KiB: exit {code}, {folders} folders, same {same}: {said}")
    return problems


def which(program: str) -> str:
    """Return the path of a program of the system."""
    path = shutil.which(program)
    assert path is not None, f"{program} is not here"
    return path


def main() -> int:
    """Run what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for work in (kill, corrupt, together, full):
        command = commands.add_parser(work.__name__, help=work.__doc__)
        command.set_defaults(work=work)
        command.add_argument(
            "--strategy", default="" if work is corrupt else "sentiment_ridge", metavar="NAME", help="of strategies/, without .py"
        )
        if work is kill:
            command.add_argument("--rounds", type=int, default=20)
            command.add_argument("--signals", nargs="+", default=["KILL"], choices=list(ENDINGS))
            command.add_argument("--grace", type=float, default=1.0, help="seconds in which Python itself may still be starting")
        if work is together:
            command.add_argument("--runs", type=int, default=8)
    given = parser.parse_args()
    problems = given.work(given)
    print("\n" + ("\n".join(["DIFFERENCES:", *problems]) if problems else "no difference"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
