"""The trial ledger: what is counted, that nothing is lost, and that tampering shows."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import trials
from quantlab.errors import StorageError, UsageError
from quantlab.result import Trials
from quantlab.trials import LEDGER, read_trials, record_trial


def tried(folder: Path, *trial_ids: str) -> None:
    """Enter trials; the n-th has a Sharpe ratio of n / 10, and the run `run of <trial>`."""
    for number, trial_id in enumerate(trial_ids, start=1):
        record_trial(folder, trial_id=trial_id, run_id=f"run of {trial_id}", sharpe=number / 10)


def lines(folder: Path) -> list[str]:
    """Return the lines of the ledger."""
    return (folder / LEDGER).read_text().splitlines()


def rewrite(folder: Path, content: Sequence[str]) -> None:
    """Replace the ledger's lines."""
    (folder / LEDGER).write_text("".join(f"{line}\n" for line in content))


def run_folder(folder: Path, run_id: str, manifest: str) -> None:
    """Put a run beside the ledger."""
    (folder / run_id).mkdir(parents=True)
    (folder / run_id / "manifest.json").write_text(manifest)


def test_a_first_trial_counts_itself(tmp_path: Path) -> None:
    """Nothing was tried before, and no folder is made by asking."""
    assert read_trials(tmp_path / "family", "a") == Trials(n=1, source="ledger")
    assert not (tmp_path / "family").exists()


def test_the_others_are_counted_with_their_ratios(tmp_path: Path) -> None:
    """Whether the trial itself is entered yet or not: it counts once, and its own ratio is not among those of the others."""
    tried(tmp_path, "a", "b", "c")
    assert read_trials(tmp_path, "d") == Trials(n=4, sharpes=(0.1, 0.2, 0.3), source="ledger")
    assert read_trials(tmp_path, "b") == Trials(n=3, sharpes=(0.1, 0.3), source="ledger")


def test_a_repeated_trial_is_entered_once(tmp_path: Path) -> None:
    """The same trial again, even as another run, changes no byte."""
    tried(tmp_path, "a", "b")
    before = (tmp_path / LEDGER).read_bytes()
    record_trial(tmp_path, trial_id="a", run_id="another run", sharpe=0.9)
    assert (tmp_path / LEDGER).read_bytes() == before


def test_a_trial_without_a_ratio_counts(tmp_path: Path) -> None:
    """It never traded: no ratio, but tried it was. A whole number is a ratio like any other."""
    record_trial(tmp_path, trial_id="a", run_id="r", sharpe=math.nan)
    record_trial(tmp_path, trial_id="b", run_id="r", sharpe=0)
    assert read_trials(tmp_path, "c") == Trials(n=3, sharpes=(0.0,), source="ledger")


def test_the_bytes_hold_no_time(tmp_path: Path) -> None:
    """The same trials in the same order give the same ledger."""
    for name in ("one", "other"):
        tried(tmp_path / name, "a", "b", "c")
    assert (tmp_path / "one" / LEDGER).read_bytes() == (tmp_path / "other" / LEDGER).read_bytes()
    assert [list(json.loads(line)) for line in lines(tmp_path / "one")] == [["trial_id", "run_id", "sharpe", "chain"]] * 3


def test_the_ratios_do_not_tell_the_order(tmp_path: Path) -> None:
    """Runs at once are entered in any order: the count that goes into a run is the same."""
    tried(tmp_path / "one", "a", "b")
    record_trial(tmp_path / "other", trial_id="b", run_id="r", sharpe=0.2)
    record_trial(tmp_path / "other", trial_id="a", run_id="r", sharpe=0.1)
    assert read_trials(tmp_path / "one", "c") == read_trials(tmp_path / "other", "c")


@pytest.mark.parametrize("line", [0, 1])
def test_an_edited_line_shows(tmp_path: Path, line: int) -> None:
    """A ratio made smaller breaks the chain, at the last line too; the others are still counted."""
    tried(tmp_path, "a", "b")
    content = lines(tmp_path)
    content[line] = content[line].replace(f'"sharpe": 0.{line + 1}', '"sharpe": 0.01')
    rewrite(tmp_path, content)
    found = read_trials(tmp_path, "c")
    assert found.n == 3
    assert 0.01 in found.sharpes
    assert "do not follow from the line before" in found.notes[0]


def test_a_removed_line_shows(tmp_path: Path) -> None:
    """The line after it no longer follows."""
    tried(tmp_path, "a", "b", "c")
    content = lines(tmp_path)
    rewrite(tmp_path, [content[0], content[2]])
    assert read_trials(tmp_path, "d") == Trials(
        n=3,
        sharpes=(0.1, 0.3),
        source="ledger",
        notes=("trial ledger: 1 of its lines do not follow from the line before: one was edited or taken out",),
    )


def test_swapped_lines_show(tmp_path: Path) -> None:
    """Nothing is appended in another order than it happened."""
    tried(tmp_path, "a", "b")
    rewrite(tmp_path, lines(tmp_path)[::-1])
    assert "2 of its lines do not follow" in read_trials(tmp_path, "d").notes[0]


def test_a_line_cut_short_leaves_no_trace(tmp_path: Path) -> None:
    """A writer was killed half-way: that run is not entered, and the next one writes over what it left."""
    tried(tmp_path, "a", "b")
    whole = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(whole[:-30])
    assert read_trials(tmp_path, "d") == Trials(n=2, sharpes=(0.1,), source="ledger")
    record_trial(tmp_path, trial_id="b", run_id="run of b", sharpe=0.2)
    assert (tmp_path / LEDGER).read_bytes() == whole
    (tmp_path / LEDGER).write_bytes(whole[:-1])  # only the end of the line is missing
    record_trial(tmp_path, trial_id="c", run_id="r", sharpe=0.7)
    assert read_trials(tmp_path, "d") == Trials(n=4, sharpes=(0.1, 0.2, 0.7), source="ledger")


@pytest.mark.parametrize(
    "line",
    [b"", b"\xff\x00", b"[]", b"3", b"{}", b'{"trial_id": 3, "run_id": "r", "sharpe": 0.1, "chain": ""}', b'{"trial_id": "x"}']
    + [b'{"trial_id": "x", "run_id": "r", "sharpe": %s, "chain": ""}' % sharpe for sharpe in (b"NaN", b'"much"', b"true")],
)
def test_a_line_of_rubbish_is_named(tmp_path: Path, line: bytes) -> None:
    """Whatever stands there, it stops nobody."""
    tried(tmp_path, "a")
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(line + b"\n")
    record_trial(tmp_path, trial_id="b", run_id="r", sharpe=0.2)
    found = read_trials(tmp_path, "c")
    assert (found.n, found.sharpes) == (3, (0.1, 0.2))
    assert found.notes == ("trial ledger: 1 of its lines cannot be read and are not counted",)


def test_deleting_the_ledger_hides_nothing(tmp_path: Path) -> None:
    """The runs beside it name their trials, each counted once however many runs it has; runs from before name themselves."""
    tried(tmp_path, "a", "b")
    for run_id, manifest in {
        "run of a": '{"trial_id": "a"}',
        "run of b": '{"trial_id": "b"}',
        "again b": '{"trial_id": "b"}',
        "old": "{}",
        "odd": "[]",
        "damaged": "{",
        ".writing-x": '{"trial_id": "z"}',
    }.items():
        run_folder(tmp_path, run_id, manifest)
    found = read_trials(tmp_path, "b")
    assert (found.n, found.sharpes) == (5, (0.1,))
    assert found.notes == ("trial ledger: 3 of the trials beside it have no line in it, yet a run in their folder: they are counted too",)
    (tmp_path / LEDGER).unlink()
    found = read_trials(tmp_path, "c")
    assert (found.n, found.sharpes) == (6, ())
    assert "5 of the trials" in found.notes[0]


def test_a_run_whose_manifest_is_lost_is_known_by_its_name(tmp_path: Path) -> None:
    """The ledger says which run entered a trial: a damaged manifest makes no second one."""
    tried(tmp_path, "a")
    run_folder(tmp_path, "run of a", "")
    assert read_trials(tmp_path, "b") == Trials(n=2, sharpes=(0.1,), source="ledger")


def test_what_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    """A file where the folder should be: StorageError, with the path and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*trials.jsonl"):
        record_trial(tmp_path / "file", trial_id="a", run_id="r", sharpe=0.1)
    with pytest.raises(StorageError, match=r"cannot read .*trials.jsonl"):
        read_trials(tmp_path / "file", "a")
    (tmp_path / "family" / LEDGER).mkdir(parents=True)
    with pytest.raises(StorageError):
        record_trial(tmp_path / "family", trial_id="a", run_id="r", sharpe=0.1)


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line could not be synced: what was written of it goes again."""
    tried(tmp_path, "a")
    before = (tmp_path / LEDGER).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trials.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        record_trial(tmp_path, trial_id="b", run_id="r", sharpe=0.1)
    assert (tmp_path / LEDGER).read_bytes() == before


def test_a_count_that_is_given() -> None:
    """--trials N stands in place of the ledger."""
    assert trials.given(12) == Trials(n=12, source="given")
    for n in (0, -3, 1.5, True):
        with pytest.raises(UsageError, match="whole number >= 1"):
            trials.given(n)  # type: ignore[arg-type]  # what a careless caller may pass


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.floats(allow_nan=True, allow_infinity=False)), max_size=12))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_whatever_is_entered_is_read_back(entries: list[tuple[str, float]]) -> None:
    """The first ratio of each trial, to the last bit, and no note."""
    with tempfile.TemporaryDirectory() as name:
        folder, first = Path(name), {}
        for trial_id, ratio in entries:
            record_trial(folder, trial_id=trial_id, run_id=f"r{trial_id}", sharpe=ratio)
            first.setdefault(trial_id, ratio)
        found = read_trials(folder, "new")
    assert found == Trials(
        n=1 + len(first), sharpes=tuple(sorted(ratio for ratio in first.values() if not math.isnan(ratio))), source="ledger"
    )


@given(st.data())
@settings(derandomize=True, deadline=None, max_examples=25)
def test_any_single_change_of_a_line_shows(data: st.DataObject) -> None:
    """Flip one character of what a line says: it breaks the chain or cannot be read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tried(folder, "a", "b", "c")
        content = (folder / LEDGER).read_bytes()
        place = data.draw(st.integers(0, len(content) - 2))
        (folder / LEDGER).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_trials(folder, "d").notes


WRITER = """
import sys
from pathlib import Path
from quantlab.trials import record_trial
for number in range(25):
    record_trial(Path(sys.argv[1]), trial_id=f"{sys.argv[2]} {number}", run_id=f"{sys.argv[2]} {number}", sharpe=number / 7)
    record_trial(Path(sys.argv[1]), trial_id=f"shared {number}", run_id="s", sharpe=number / 7)
"""


def test_several_runs_at_once_lose_no_line(tmp_path: Path) -> None:
    """Three processes, each with trials of its own and with some that all of them enter: every one once, in one unbroken chain."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "xyz"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(lines(tmp_path)) == 4 * 25
    found = read_trials(tmp_path, "new")
    assert (found.n, len(found.sharpes), found.notes) == (101, 100, ())


def test_a_file_system_without_locks_keeps_its_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is not lost at its end for want of a lock: the trial is entered and counted."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    tried(tmp_path, "a", "b")
    assert read_trials(tmp_path, "b") == Trials(n=2, sharpes=(0.1,), source="ledger")
