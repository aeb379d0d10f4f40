"""The doctor: it finds what is broken, says how to mend it, and answers whatever is broken."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from quantlab.cache import Cache
from quantlab.cli import main
from quantlab.doctor import Finding, examine, exit_code, installed, machine, trial

BROKEN = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "pandas", "torch", "lightgbm", "gensim", "threadpoolctl"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from quantlab.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict]:
    """Return the exit code and the JSON of the command on this machine, with a cache of two entries."""
    folder = tmp_path_factory.mktemp("doctor") / "cache"
    for name in ("aa" * 32, "bb" * 32):
        Cache(folder).save(name, {"x": np.arange(3.0)})
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        code = main(["doctor", "--cache", str(folder), "--json"])
    return code, json.loads(shown.getvalue())


def found(content: dict, subject: str) -> list[dict]:
    """Return the findings of a subject."""
    return [finding for finding in content["findings"] if finding["subject"] == subject]


def test_a_sound_installation_has_no_problem(answer: tuple[int, dict]) -> None:
    """Exit code 0, and every subject was looked at."""
    code, content = answer
    assert code == content["exit_code"] == 0, [finding for finding in content["findings"] if finding["level"] == "problem"]
    assert {finding["subject"] for finding in content["findings"]} == {
        "python", "packages", "extras", "identity", "processor", "cache", "encoder", "back-test", "threads",
    }  # fmt: skip


def test_versions_threads_and_hashes_are_told(answer: tuple[int, dict]) -> None:
    """What one needs to compare two machines."""
    _, content = answer
    (packages,) = found(content, "packages")
    assert {"torch", "transformers", "vectorbt", "pandas", "numpy", "lightgbm", "gensim", "scikit-learn", "pyarrow"} <= packages[
        "facts"
    ].keys()
    assert found(content, "python")[0]["facts"] == {"python": sys.version.split()[0], "quantlab": metadata.version("quantlab")}
    (identity,) = found(content, "identity")
    assert {"code", "versions", "platform"} <= identity["facts"].keys()
    assert all(threads >= 1 for threads in found(content, "threads")[0]["facts"].values())
    assert found(content, "encoder")[0]["facts"]["weights_sha256"].startswith("53aa5117")
    assert "2 newest of 2 entries" in found(content, "cache")[1]["said"]


def test_the_tiny_back_test_has_a_known_answer(answer: tuple[int, dict]) -> None:
    """The same bytes twice, the return on record, and orders that replay to the equity."""
    (finding,) = found(answer[1], "back-test")
    assert finding["facts"]["total_return"] == pytest.approx(trial.TOTAL_RETURN, abs=1e-6)
    assert finding["facts"]["ledger_apart"] < 1e-6


@pytest.mark.parametrize(
    ("levels", "code"),
    [((), 0), (("warning",), 0), (("problem",), 1), (("disk",), 5), (("disk", "warning"), 5), (("disk", "problem"), 1)],
)
def test_the_exit_code_tells_files_from_the_installation(levels: tuple[str, ...], code: int) -> None:
    """0 without a problem, 5 if files alone are to blame, 1 otherwise."""
    made = [Finding("x", "problem" if level == "disk" else level, "", on_disk=level == "disk") for level in levels]  # type: ignore[arg-type]  # one of the three
    assert exit_code(made) == code


def test_a_missing_and_an_old_package_are_problems_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version asked for is in the fix; the rest is still reported."""
    versions = {"arch": None, "pandas": "2.2.3", "peft": "0.1"}

    def version(name: str) -> str:
        if versions.get(name, "") is None:
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or known(name)

    known: Callable[[str], str] = metadata.version
    monkeypatch.setattr(metadata, "version", version)
    findings = [*installed.packages(), *installed.extras()]
    bad = {finding.facts["name"]: finding for finding in findings if finding.level != "ok"}
    assert (bad["arch"].level, bad["arch"].said, bad["arch"].fix) == ("problem", "arch is missing", 'pip install "arch>=7.2"')
    assert (bad["pandas"].said, bad["pandas"].fix) == ("pandas 2.2.3 is not <4,>=3.0", 'pip install "pandas<4,>=3.0"')
    assert bad["peft"].level == "warning"
    counted = [(found, finding) for finding in findings if (found := re.match(r"(\d+) of (\d+) ", finding.said))]
    (found, rest), *_ = counted
    assert int(found[2]) - int(found[1]) == 2
    assert rest.facts["torch"]


def test_an_installation_that_names_no_extras_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata of an older version: no blank line."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=2"])
    (finding,) = installed.extras()
    assert (finding.level, finding.said, finding.fix) == ("ok", "none are named by this installation", "")


def test_a_wheel_that_does_not_load_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is fine, and yet it cannot be imported."""
    monkeypatch.setattr(installed, "COMPILED", ("no_such_wheel",))
    (bad,) = [finding for finding in installed.packages() if finding.level == "problem"]
    assert "no_such_wheel cannot be imported" in bad.said
    assert bad.fix == "pip install --force-reinstall no_such_wheel"


def test_a_damaged_encoder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Weights of another hash are not even loaded: a problem of the disk."""
    monkeypatch.setattr("quantlab.text.encoder.checkpoint.WEIGHTS_SHA256", "0" * 64)
    for name in ("backtest",):
        monkeypatch.setattr(trial, name, lambda: iter(()))
    monkeypatch.setattr(installed, "packages", lambda: iter(()))
    findings = list(examine(tmp_path))
    (bad,) = [finding for finding in findings if finding.level == "problem"]
    assert bad.subject == "encoder"
    assert "damaged" in bad.said
    assert exit_code(findings) == 5


def test_an_encoder_that_reads_otherwise_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right weights and wrong numbers: the libraries are at fault."""
    monkeypatch.setattr(trial, "BEGINNING", (0.5, *trial.BEGINNING[1:]))
    (finding,) = trial.encoder()
    assert finding.level == "problem"
    assert "otherwise than it should" in finding.said


def test_another_processor_class_is_said_and_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the tolerance, but not the same bits."""
    monkeypatch.setattr(trial, "TO_THE_BIT", dict.fromkeys(trial.TO_THE_BIT, "another"))
    (finding,) = trial.encoder()
    assert finding.level == "ok"
    assert "of another class" in finding.said


@pytest.mark.parametrize(
    ("name", "value", "said"), [("TOTAL_RETURN", 0.5, "not 50.000000% as recorded"), ("TOLERANCE", -1.0, "disagree by")]
)
def test_a_back_test_with_another_answer_is_a_problem(name: str, value: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another return, or orders that do not add up."""
    monkeypatch.setattr(trial if name == "TOTAL_RETURN" else "quantlab.audit.ledger", name, value) if name == "TOTAL_RETURN" else (
        monkeypatch.setattr(f"quantlab.audit.ledger.{name}", value)
    )
    (finding,) = trial.backtest()
    assert finding.level == "problem"
    assert said in finding.said


def test_two_runs_that_differ_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that differs is named."""
    runs = iter([{"orders.csv": b"1", "report.json": b"{}"}, {"orders.csv": b"2", "report.json": b"{}"}])
    monkeypatch.setattr(trial, "_written", lambda *_: next(runs))
    (finding,) = trial.backtest()
    assert (finding.level, finding.said) == ("problem", "two runs of the same back-test differ in orders.csv")


def test_a_cache_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    """A flipped byte is a warning; the entry stays, with the time of its last use, for the next run to replace."""
    store = Cache(tmp_path)
    for name in ("aa" * 32, "bb" * 32):
        store.save(name, {"x": np.arange(3.0)})
    path = store.entries()[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    before = path.read_bytes(), path.stat().st_mtime_ns
    state, damage = machine.cache(tmp_path)
    assert state.level == "ok"
    assert "2 entries" in state.said
    assert damage.level == "warning"
    assert str(path) in damage.said
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_only_so_much_of_a_large_cache_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest entries, and it says how many."""
    for number in range(4):
        Cache(tmp_path).save(f"{number}a" * 32, {"x": np.arange(3.0)})
    monkeypatch.setattr(machine, "MOST_READ", 100)
    assert "the 1 newest of 4 entries" in list(machine.cache(tmp_path))[1].said


@pytest.mark.parametrize("kind", ["missing", "file", "below a file", "full"])
def test_a_cache_that_cannot_be_used(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there yet is fine; a file in its place is a problem of the disk; a full disk is a warning."""
    (tmp_path / "file").write_text("")
    folder = {"missing": tmp_path / "a" / "b", "file": tmp_path / "file", "below a file": tmp_path / "file" / "c", "full": tmp_path}[kind]
    if kind == "full":
        monkeypatch.setattr(machine, "LEAST_FREE", 1 << 62)
    findings = list(machine.cache(folder))
    assert findings[0].level == {"missing": "ok", "full": "warning"}.get(kind, "problem")
    assert exit_code(findings) == (5 if "file" in kind else 0)
    assert not (tmp_path / "a").exists()


def test_a_check_that_fails_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is a problem of its own, and what follows is still looked at."""
    monkeypatch.setattr(installed, "packages", lambda: 1 / 0)
    monkeypatch.setattr(machine, "cache", lambda _: 1 / 0)
    for name in ("encoder", "backtest"):
        monkeypatch.setattr(trial, name, lambda: iter(()))
    findings = list(examine(tmp_path))
    assert [finding.subject for finding in findings if finding.level == "problem"] == ["packages", "cache"]
    assert findings[-1].subject == "threads"


def test_the_report_comes_without_numpy_pandas_and_torch(tmp_path: Path) -> None:
    """In an environment that lacks almost everything, each loss is a line with its fix."""
    command = [sys.executable, "-c", BROKEN, "doctor", "--cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    shown = " ".join(done.stdout.split())
    assert "problem encoder: cannot be checked: ModuleNotFoundError: No module named 'numpy' fix: pip install numpy" in shown
    assert "lightgbm cannot be imported" in shown
    assert "ok processor" in shown
    assert "Traceback" not in done.stdout + done.stderr
