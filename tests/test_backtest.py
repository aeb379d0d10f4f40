"""The command: one file in, a folder out, the same bytes every time, and an exit code for every way to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from contract_keys import KEYS

from quantlab import __version__
from quantlab.audit.ledger import read_orders, replay
from quantlab.backtest import counted
from quantlab.cli import main
from quantlab.data import read_dataset
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor
from quantlab.run import Settings
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market, write_dataset
from quantlab.target import ForwardReturn
from quantlab.weights import long_short

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["--set", "folds.train=90", "--set", "folds.test=30", "--set", "folds.min_train=80"]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small synthetic market."""
    folder = tmp_path_factory.mktemp("market") / "data"
    write_dataset(make_market(190, 8, seed=3), folder)
    return folder


def backtest(*arguments: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, away from the project's folder where nothing else is asked."""
    command = [sys.executable, "-m", "quantlab.backtest", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})})


def outputs(out: Path) -> dict[str, bytes]:
    """Return the bytes of the files of the one run in a reports folder."""
    (page,) = out.glob("*/*/report.html")
    return {path.name: path.read_bytes() for path in sorted(page.parent.iterdir()) if path.name != "timings.json"}


@pytest.fixture(scope="module")
def first(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reports folder of a run of topic_regimes."""
    out = tmp_path_factory.mktemp("first")
    done = backtest("strategies/topic_regimes.py", "--data", market, "--out", out, "--cache", out / "cache", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "audit     passed" in done.stdout
    return out


def test_the_json_keeps_its_contract(first: Path) -> None:
    """Every key of the contract and no other; a figure that does not apply is null."""
    report = json.loads(outputs(first)["report.json"])
    assert list(report) == list(KEYS)
    for section, keys in KEYS.items():
        if keys is not None:
            assert list(report[section]) == keys.split(), section
    folds = report["walk_forward"]
    assert set(folds[0]) >= {"train_start", "train_end", "test_start", "test_end", "n_train", "n_test", "ic"}
    assert report["audit"]["verdict"] == "passed"
    assert report["significance"]["pbo"] is None


def test_a_run_writes_every_file_of_the_contract(first: Path) -> None:
    """And the index that lists it."""
    assert set(outputs(first)) >= {
        "report.html",
        "report.json",
        "manifest.json",
        "orders.csv",
        "trades.csv",
        "returns.csv",
        "weights.csv",
        "signal.csv",
    }
    assert "topic_regimes" in (first / "index.html").read_text(encoding="utf-8")


def test_the_orders_file_replays_to_the_returns_file(first: Path, market: Path) -> None:
    """Read back from disk, by the ledger, to a millionth of the capital."""
    (page,) = first.glob("*/*/report.html")
    bars = read_dataset(market).bars
    with (page.parent / "orders.csv").open(encoding="utf-8") as file:
        orders = read_orders(file)
    returns = pd.read_csv(page.parent / "returns.csv", parse_dates=[0], index_col=0)
    equity = replay(orders, bars, 1e6)
    column = next(name for name in returns if "equity" in name)
    assert (equity.loc[returns.index] - returns[column]).abs().max() < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("change", ["again", "jobs", "environment", "shuffled", "no cache"])
def test_the_same_inputs_give_the_same_bytes(change: str, first: Path, market: Path, tmp_path: Path) -> None:
    """Repeated warm, in two processes, with another hash seed and time zone, with shuffled input rows, without a cache."""
    data, arguments, environment = market, ["--cache", first / "cache"], {}
    if change == "jobs":
        arguments = ["--jobs", 2, "--cache", tmp_path / "cold"]
    if change == "environment":
        environment = {"PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    if change == "no cache":
        arguments = ["--no-cache"]
    if change == "shuffled":
        data = shuffled_copy(market, tmp_path / "shuffled")
    done = backtest("strategies/topic_regimes.py", "--data", data, "--out", tmp_path / "out", *QUICK, *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    was, now = outputs(first), outputs(tmp_path / "out")
    assert was["orders.csv"] == now["orders.csv"]
    assert was["report.json"] == now["report.json"]
    if change != "shuffled":  # the manifest names the hashes of the files, and the report shows them
        assert was == now


def shuffled_copy(folder: Path, copy: Path) -> Path:
    """Copy a data folder with the rows of its tables in another order."""
    copy.mkdir()
    for path in folder.iterdir():
        if path.suffix == ".csv":
            head, *rows = path.read_text(encoding="utf-8").splitlines()
            (copy / path.name).write_text("\n".join([head, *rows[::-1]]) + "\n", encoding="utf-8")
        else:
            (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_json_prints_the_report_and_nothing_else(market: Path, first: Path, tmp_path: Path) -> None:
    """Standard output is report.json."""
    done = backtest("strategies/topic_regimes.py", "--data", market, "--out", tmp_path, "--cache", first / "cache", "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.encode() == outputs(tmp_path)["report.json"]
    assert done.stderr == ""


def test_a_skipped_audit_is_said(market: Path, first: Path, tmp_path: Path) -> None:
    """In report.json and on the page."""
    done = backtest(
        "strategies/topic_regimes.py", "--data", market, "--out", tmp_path, "--cache", first / "cache", "--no-audit", "--quiet", *QUICK
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(outputs(tmp_path)["report.json"])["audit"]["verdict"] == "skipped"


def n_trials(out: Path) -> list[tuple[int, str]]:
    """Return how many trials each run in a reports folder counts, and who counted."""
    found = [json.loads(path.read_text(encoding="utf-8"))["trials"] for path in out.glob("*/*/report.json")]
    return sorted((trials["n"], trials["source"]) for trials in found)


def test_every_variant_counts_once(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same run again is no new trial, another setting is; --trials overrules; a deleted ledger is noticed."""
    command = ["backtest", str(ROOT / "strategies" / "price_momentum.py"), "--data", str(market), "--out", str(tmp_path)]
    command += ["--cache", str(tmp_path / "cache"), "--quiet", *QUICK]
    for extra in ([], [], ["--set", "weights.quantile=0.3"], ["--set", "weights.quantile=0.4", "--trials", "40"]):
        assert main([*command, *extra]) == 0, capsys.readouterr().err
    assert n_trials(tmp_path) == [(1, "ledger"), (2, "ledger"), (40, "given")]
    ledger = tmp_path / "price_momentum" / "trials.jsonl"
    assert ledger.read_text(encoding="utf-8").count("\n") == 3
    ledger.unlink()
    assert main(command) == 0, capsys.readouterr().err
    assert any("no line in it" in path.read_text(encoding="utf-8") for path in tmp_path.glob("*/*/report.json"))
    assert main([*command, "--trials", "0"]) == 2


def test_what_reads_alike_and_decides_otherwise_is_another_trial(tmp_path: Path) -> None:
    """Functions that differ in their closure alone: each is counted once, and none replaces the report of another."""

    def of(n_bars: int) -> Strategy:
        return Strategy(
            name="closed",
            features=lambda bars, news: panel(m=momentum(bars.close, n_bars)),
            target=ForwardReturn(horizon=2),
            model=ridge_regressor(),
            weights=long_short,
            folds=WalkForward(train=60, test=30, min_train=50),
        )

    dataset, settings = make_market(120, 6, seed=3).dataset, Settings(audit=False, ablation=False)
    results = [counted(of(n_bars), dataset, settings, tmp_path, n_trials=None) for n_bars in (2, 5, 9, 9)]
    assert [result.trials.n for result in results] == [1, 2, 3, 3]
    assert len({result.run_id for result in results}) == len({result.trial_id for result in results}) == 3
    assert counted(of(9), dataset, settings, tmp_path, n_trials=40).trials.source == "given"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


STRATEGY = str(ROOT / "strategies" / "price_momentum.py")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["backtest", "missing.py"], 2, "cannot read the strategy file"),
        (["backtest", STRATEGY, "--hepl"], 2, "No such option"),
        (["backtest", STRATEGY, "--set", "folds.trian=3"], 2, "did you mean 'train'"),
        (["backtest", STRATEGY, "--start", "yesterday"], 2, "--start takes a date"),
        (["backtest", STRATEGY, "--end", "2021-01-01T10:00"], 2, "--end takes a date without a time"),
        (["backtest", STRATEGY, "--data", "missing"], 3, "missing"),
        (["backtest", STRATEGY, "--jobs", "0"], 2, "jobs"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_a_mistake_is_one_message_and_its_exit_code(
    arguments: list[str], code: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    assert main([*arguments, *(["--cache", "cache"] if arguments[0] == "backtest" else [])]) == code
    shown = capsys.readouterr().err
    assert said in " ".join(shown.replace("│", " ").split())
    assert "Traceback" not in shown


def test_a_report_folder_that_is_a_file_is_a_storage_error(market: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 5, and the file is left alone."""
    (here / "taken").write_text("mine")
    assert main(["backtest", STRATEGY, "--data", str(market), "--out", "taken", "--cache", "cache", *QUICK]) == 5
    assert "taken" in capsys.readouterr().err
    assert (here / "taken").read_text() == "mine"


def test_debug_shows_the_traceback(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And still the message and the exit code."""
    assert main(["backtest", "missing.py", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_is_exit_code_one(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that we did not foresee is said to be our fault."""
    monkeypatch.setattr("quantlab.strategy.load_strategy", lambda _: 1 / 0)
    assert main(["backtest", STRATEGY, "--cache", "cache"]) == 1
    assert "a bug of quantlab" in capsys.readouterr().err


def test_data_synth_makes_a_folder_that_reads_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And refuses to write over one."""
    assert main(["data", "synth", "made", "--times", "40", "--symbols", "3", "--effect", "0", "--seed", "5"]) == 0
    assert read_dataset(here / "made").bars.close.shape == (40, 3)
    assert main(["data", "synth", "made", "--times", "40", "--symbols", "3"]) != 0


def test_the_cache_is_shown_and_cleared(here: Path, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Entries and size, then none."""
    sentiment = str(ROOT / "strategies" / "sentiment_ridge.py")
    assert main(["backtest", sentiment, "--data", str(market), "--out", "out", "--cache", "cache", "--quiet", *QUICK]) == 0
    assert main(["cache", "--cache", "cache"]) == 0
    assert " 0 entries" not in capsys.readouterr().out
    assert main(["cache", "clear", "--cache", "cache"]) == 0
    assert main(["cache", "--cache", "cache"]) == 0
    assert ": 0 entries" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """That of the package."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"quantlab {__version__}\n"


def test_help_names_every_option_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """`quantlab backtest --help`."""
    assert main(["backtest", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (
        "--data",
        "--out",
        "--start",
        "--end",
        "--set",
        "--seed",
        "--jobs",
        "--no-cache",
        "--no-audit",
        "--json",
        "--quiet",
        "--debug",
    ):
        assert option in shown
