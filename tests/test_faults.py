"""A whole run and its faults: killed, short of disk, with a damaged cache, beside others: the bytes of a quiet day, or a word why not.

The long forms (20 kills of a run on the sample, every file of its cache, eight at once) are in `benchmarks/faults.py`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantlab import storage, trials
from quantlab import walkforward as folds
from quantlab.cache import Cache
from quantlab.cli import main
from quantlab.report.index import write_index
from quantlab.storage import DRAFT
from quantlab.synthetic import make_market, write_dataset

STRATEGY = '''
"""A ridge on last week's return and the tone of the news: quick."""
from functools import partial
from quantlab import ForwardReturn, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short

def features(bars, news):
    return panel(m=momentum(bars.close, 5), news=known_news(news, bars, lookback=3))

strategy = Strategy(
    name="quick",
    features=features,
    target=ForwardReturn(horizon=2),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.3),
    folds=WalkForward(train=60, test=25, min_train=50),
)
'''


@dataclass(frozen=True)
class Place:
    """A run and where it keeps things."""

    strategy: Path
    data: Path
    folder: Path

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.folder / "cache"

    @property
    def out(self) -> Path:
        """The folder of all reports."""
        return self.folder / "reports"

    def run(self, *options: str) -> int:
        """Run in this process and return the exit code."""
        places = ["--data", str(self.data), "--cache", str(self.cache), "--out", str(self.out)]
        return main(["backtest", str(self.strategy), *places, "--quiet", "--no-audit", *options])

    def outputs(self) -> dict[str, bytes]:
        """Return the bytes of all that lies in the reports, but for the timings."""
        found = sorted(path for path in self.out.rglob("*") if path.is_file() and path.name != "timings.json")
        return {str(path.relative_to(self.out)): path.read_bytes() for path in found}

    def finished(self) -> dict[str, bytes]:
        """Return the same without drafts."""
        return {name: content for name, content in self.outputs().items() if DRAFT not in name}

    def drafts(self) -> list[Path]:
        """Return what unfinished writers have left."""
        return list(self.folder.rglob(f"{DRAFT}*"))

    def n_runs(self) -> int:
        """Return how many folders of runs there are."""
        return len({Path(name).parent for name in self.finished() if name.count("/") == 2})


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a run of the tiny market on a quiet day."""
    folder = tmp_path_factory.mktemp("clean")
    (folder / "quick.py").write_text(STRATEGY)
    write_dataset(make_market(140, 5, seed=3), folder / "data")
    place = Place(folder / "quick.py", folder / "data", folder)
    assert place.run() == 0
    return place


@pytest.fixture
def place(clean: Place, tmp_path: Path) -> Place:
    """Return the same run at an empty place."""
    return Place(clean.strategy, clean.data, tmp_path)


def child(work: Callable[[], object]) -> int:
    """Start some work in a copy of this process and return its pid."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = int(str(work()))
        finally:
            os._exit(code)
    return pid


def at_step(n: int, happens: Callable[[], None]) -> None:
    """Let something happen before the n-th file or folder is synced or put in its place; for copies of this process alone."""
    left = [n]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                happens()
            return real(*arguments, **options)

        return call

    for name in ("fsync", "rename", "replace"):
        setattr(os, name, counted(getattr(os, name)))


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_half_and_goes_on(place: Place, clean: Place) -> None:
    """Killed at the next write each time it is started, until it gets through: always whole files, never a draft for long."""
    expected, n_kills, n_entries = clean.outputs(), 0, 0
    for step in (3, 8, 12, 2, 5, 9, 11, 1000):

        def run(step: int = step) -> int:
            at_step(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
            return place.run()

        _, status = os.waitpid(child(run), 0)
        n_kills += os.WIFSIGNALED(status)
        left = place.finished()
        assert place.n_runs() in (0, 1)
        assert all(expected[name] == content for name, content in left.items())
        if place.n_runs():
            assert {name for name in expected if name.count("/") == 2} <= set(left)
        assert len(Cache(place.cache).entries()) >= n_entries  # what was finished is kept
        n_entries = len(Cache(place.cache).entries())
    assert n_kills > 4
    assert place.outputs() == expected
    assert place.drafts() == []


def test_what_a_killed_run_finished_is_not_done_again(place: Place, clean: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when two folds are kept, the next run fits the others alone; and one after that none."""
    fit, fitted = folds.fit_and_predict, list[str]()

    def counted(task: object) -> object:
        fitted.append(str(task))
        return fit(task)

    def dies(task: object) -> object:
        fitted.append(str(task))
        if len(fitted) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return fit(task)

    monkeypatch.setattr(folds, "fit_and_predict", dies)
    _, status = os.waitpid(child(place.run), 0)
    assert os.WIFSIGNALED(status)
    monkeypatch.setattr(folds, "fit_and_predict", counted)
    assert place.run() == 0
    n_folds = len(json.loads(next(iter(place.out.glob("*/*/report.json"))).read_bytes())["walk_forward"])
    assert len(fitted) == len(set(fitted)) == n_folds - 2 > 0
    assert place.outputs() == clean.outputs()
    assert place.run() == 0
    assert len(fitted) == n_folds - 2


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_tidies_up(
    sent: signal.Signals, code: int, place: Place, clean: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the middle of writing: no draft is left, and the run folder is not there."""

    def run() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        at_step(len(list(clean.cache.rglob("*.qlc"))) * 2 + 4, lambda: signal.raise_signal(sent))
        return place.run()

    _, status = os.waitpid(child(run), 0)
    assert os.waitstatus_to_exitcode(status) == code
    assert capfd.readouterr().err.count("interrupted; nothing half-written is left") == 1
    assert (place.n_runs(), place.drafts()) == (0, [])
    assert place.run() == 0
    assert place.outputs() == clean.outputs()


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_write(
    place: Place, clean: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One write fails, each in turn: a cache entry is a warning, ledger, folder and index are exit code 5. Nothing is half, all goes on."""
    sync, expected, codes = os.fsync, clean.outputs(), list[int]()
    shutil.copytree(clean.cache, place.cache)
    while 0 not in codes:
        calls = list[int]()

        def full(handle: int, calls: list[int] = calls) -> None:
            calls.append(handle)
            if len(calls) == len(codes) + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(handle)

        shutil.rmtree(place.out, ignore_errors=True)
        with monkeypatch.context() as patched:
            patched.setattr(storage.os, "fsync", full)
            codes.append(place.run())
        said = capsys.readouterr().err
        assert codes[-1] in (0, 5)
        assert ("No space left on device: free some space" in said) == (codes[-1] == 5)
        assert "Traceback" not in said
        assert all(content in (expected[name], b"") for name, content in place.outputs().items())  # a ledger without a line counts none
        assert place.drafts() == []
    assert len(codes) == 1 + 9 + 1 + 1  # the ledger, nine files of the run, the index; then none fails
    assert place.outputs() == expected


@pytest.mark.parametrize("fault", ["file", "full", "read only"])
def test_a_cache_that_cannot_be_written_is_a_warning(
    fault: str, place: Place, clean: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said once, however many entries there are; the result is the same."""
    if fault == "file":
        place.cache.write_text("mine")
    else:
        make, reason = storage.tempfile.mkstemp, {"full": errno.ENOSPC, "read only": errno.EROFS}[fault]

        def refuse(dir: Path, prefix: str) -> tuple[int, str]:  # noqa: A002 - as tempfile calls it
            if place.cache in dir.parents:
                raise OSError(reason, os.strerror(reason))
            return make(dir=dir, prefix=prefix)

        monkeypatch.setattr(storage.tempfile, "mkstemp", refuse)
    said = run_aloud(place, capsys)
    assert said.count("cannot be written") == said.count("going on without keeping what is computed") == 1
    assert place.outputs() == clean.outputs()
    if fault == "file":
        assert place.cache.read_text() == "mine"


def run_aloud(place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    """Run without --quiet and return what was said on stderr."""
    places = ["--data", str(place.data), "--cache", str(place.cache), "--out", str(place.out)]
    assert main(["backtest", str(place.strategy), *places, "--json", "--no-audit"]) == 0
    return capsys.readouterr().err


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "swap"])
def test_a_damaged_cache_changes_nothing(damage: str, place: Place, clean: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry is damaged: those that are read are reported and computed again."""
    shutil.copytree(clean.cache, place.cache)
    entries = sorted(place.cache.rglob("*.qlc"))
    contents = [path.read_bytes() for path in entries]
    for number, path in enumerate(entries):
        content = bytearray(contents[number])
        content[len(content) * number // len(entries)] ^= 16
        made = {"flip": bytes(content), "truncate": bytes(content[:-7]), "empty": b"", "swap": contents[number - 1]}
        path.write_bytes(made[damage])
    said = run_aloud(place, capsys)
    assert said.count("damaged cache entry") == len(entries)
    assert place.outputs() == clean.outputs()
    assert "damaged" not in run_aloud(place, capsys)


def test_places_with_odd_names(clean: Place, tmp_path: Path) -> None:
    """Spaces, accents, a script from right to left, an emoji: the same bytes."""
    odd = tmp_path / "mes résultats עברית 🚀 'x' #1"
    shutil.copytree(clean.data, odd / "data")
    shutil.copy(clean.strategy, odd / "quick.py")
    place = Place(odd / "quick.py", odd / "data", odd)
    assert place.run() == 0
    assert place.outputs() == clean.outputs()


def test_reports_that_cannot_be_written_are_seen_first(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in their place, or above it: exit code 5 before anything is read, and the file is left alone."""
    place.out.write_text("mine")
    for out in (place.out, place.out / "below"):
        assert main(["backtest", str(place.strategy), "--data", "nowhere", "--out", str(out), "--cache", str(place.cache)]) == 5
        assert "it is no folder: choose another folder" in capsys.readouterr().err
    assert place.out.read_text() == "mine"


def test_no_home_is_no_riddle(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A user without a home, as in a container: told what to give; with it, nothing is missing."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    command = ["backtest", str(place.strategy), "--data", str(place.data), "--out", str(place.out), "--quiet", "--no-audit"]
    assert main(command) == 5
    assert "HOME is not set): give --cache DIR, or --no-cache" in capsys.readouterr().err
    monkeypatch.setattr(storage.tempfile, "tempdir", str(place.folder))
    assert main([*command, "--no-cache"]) == 0
    assert [path.name for path in place.folder.iterdir()] == ["reports"]


@pytest.mark.slow
def test_several_at_once_are_as_one_after_the_other(place: Place, tmp_path: Path, clean: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three variants at once on one cache and one folder of reports: each counts those before it, all are listed, none is damaged."""
    variants = [f"costs.fee_bps={number}" for number in range(3)]

    def slow(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            found = real(*arguments)
            time.sleep(0.3)  # so that the others come in between, if they can
            return found

        return call

    monkeypatch.setattr("quantlab.trials.read_trials", slow(trials.read_trials))

    def run(variant: str, at: Place) -> Callable[[], int]:
        return lambda: at.run("--set", variant)

    for status in [os.waitpid(pid, 0)[1] for pid in [child(run(variant, place)) for variant in variants]]:
        assert os.waitstatus_to_exitcode(status) == 0
    serial = Place(clean.strategy, clean.data, tmp_path / "serial")
    for variant in variants:
        assert run(variant, serial)() == 0

    def seen(at: Place) -> tuple[object, ...]:
        reports = [json.loads(path.read_bytes()) for path in at.out.glob("*/*/report.json")]
        orders = Counter(path.read_bytes() for path in at.out.glob("*/*/orders.csv"))
        ledger = [json.loads(line) for line in (at.out / "quick" / "trials.jsonl").read_text().splitlines()]
        listed = (at.out / "index.html").read_text().count("/report.html")
        return sorted(report["trials"]["n"] for report in reports), orders, sorted(line["trial_id"] for line in ledger), listed

    assert seen(place) == seen(serial)
    assert seen(place)[0] == [1, 2, 3]
    assert place.drafts() == []


def test_the_list_of_runs_is_written_by_one_at_a_time(tmp_path: Path) -> None:
    """Who reads the folders and then writes has to be alone, or the last one would leave out what came in between."""
    other = threading.Thread(target=write_index, args=(tmp_path,))
    with storage.locked(tmp_path):
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(60)
    assert (tmp_path / "index.html").is_file()


DYING = """
import os
from pathlib import Path
from sklearn.linear_model import Ridge
from quantlab import ForwardReturn, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.weights import long_short

class Dying(Ridge):
    def fit(self, X, y):
        note = Path(os.environ["NOTE"])
        if not note.exists():
            note.touch() if "ONCE" in os.environ else None
            os.kill(os.getpid(), 9)
        return super().fit(X, y)

strategy = Strategy(name="dying", features=lambda bars, news: panel(m=momentum(bars.close, 5).fillna(0.0)),
                    target=ForwardReturn(horizon=2), model=Dying(), weights=long_short, folds=WalkForward(train=60, test=25, min_train=50))
"""


@pytest.mark.slow
def test_a_run_outlives_its_workers(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One is killed while it fits: the same bytes. Killed at every attempt, the fold is named, and it is not called a bug."""
    (tmp_path / "dying.py").write_text(DYING)
    dying, quiet = Place(tmp_path / "dying.py", place.data, tmp_path / "one"), Place(tmp_path / "dying.py", place.data, tmp_path / "two")
    monkeypatch.setenv("NOTE", str(tmp_path / "note"))
    assert dying.run("--jobs", "2") == 5
    said = capsys.readouterr().err
    assert "the worker process of the fold tested from 20" in said
    assert "was lost 3 times (exit SIGKILL(-9))" in said
    assert "bug" not in said
    assert dying.n_runs() == 0
    monkeypatch.setenv("ONCE", "1")
    assert dying.run("--jobs", "2") == 0
    assert (tmp_path / "note").exists()
    assert quiet.run() == 0
    assert dying.outputs() == quiet.outputs()


def test_a_run_stopped_by_a_user_ends_at_once(place: Place) -> None:
    """SIGTERM while folds are fitted: seconds later it is over, with nothing in the reports but the folder."""
    began = time.monotonic()

    def run() -> int:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return place.run()

    _, status = os.waitpid(child(run), 0)
    assert os.waitstatus_to_exitcode(status) == 143
    assert time.monotonic() - began < 20
    assert place.outputs() == {}


def test_compiled_code_of_others_is_neither_kept_nor_read() -> None:
    """Where the libraries are read-only and there is no home, numba could not even be imported with a cache; a damaged one crashes it."""
    code = "import numba; from quantlab.portfolio import _vectorbt; _vectorbt(); from vectorbt.base import column_grouper as columns\n"
    code += "assert not hasattr(columns.get_group_lens_nb, 'py_func') and not numba.config.DISABLE_JIT"
    subprocess.run([sys.executable, "-c", code], check=True)
