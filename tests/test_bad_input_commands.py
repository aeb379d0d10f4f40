"""Bad input at the command line: `data check`, `--bad-rows quarantine`, and runs whose data would like to be a path or a formula."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from bad_input import CASES, STRATEGY, cell, good_folder, news, put, renamed, snapshot, then

from quantlab.audit.ledger import read_orders
from quantlab.backtest import _news_left_out
from quantlab.cli import main
from quantlab.data import from_frames, read_dataset
from quantlab.dataset import Dataset, Dropped
from quantlab.errors import DataError
from quantlab.synthetic import make_market

MENDED = '2021-01-06T15:00:00Z,ALDE,"=cmd()"'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a folder with a strategy and good data."""
    (tmp_path / "tiny.py").write_text(STRATEGY)
    good_folder(tmp_path / "data")
    return tmp_path


def backtest(here: Path, *arguments: str) -> int:
    """Run a backtest on the data."""
    files = [str(here / "tiny.py"), "--data", str(here / "data"), "--out", str(here / "out"), "--cache", str(here / "cache")]
    return main(["backtest", *files, "--no-audit", *arguments])


def one_run(here: Path) -> Path:
    """Return the folder of the newest run."""
    return max(here.glob("out/tiny/*/report.json"), key=lambda path: path.stat().st_mtime_ns).parent


def test_bad_rows_are_set_aside_on_request(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused without the option; with it in quarantine.csv, counted in the terminal, the report and report.json, and in the run's id."""
    assert backtest(here, "--quiet") == 0
    clean = one_run(here)
    then(cell("close", "=1+1"), cell("high", "-1", row=9), news("noon,=x,=cmd()"))(here / "data")
    kept, before = snapshot(clean), snapshot(here / "data")
    assert backtest(here) == 3
    said = capsys.readouterr().err
    assert "bars.csv, line 6, column close: not a finite number (value '=1+1')" in said
    assert backtest(here, "--bad-rows", "quarantine") == 0
    printed = capsys.readouterr().out
    reasons = "1 close: not a finite number; 1 a price is not positive; 1 published_at: not a date or time"
    assert f"3 bad rows set aside in quarantine.csv: {reasons}" in printed
    run = one_run(here)
    assert run != clean
    data = json.loads((run / "report.json").read_text())["data"]
    assert data["n_quarantined"] == 3
    assert [one["n"] for one in data["quarantined"]] == [1, 1, 1]
    rows = list(csv.DictReader(io.StringIO((run / "quarantine.csv").read_text())))
    assert [(row["file"], row["row"], row["reason"]) for row in rows] == [
        ("bars.csv", "6", "close: not a finite number"),
        ("bars.csv", "9", "a price is not positive"),
        ("news.csv", "110", "published_at: not a date or time"),
    ]
    assert json.loads(rows[0]["cells"])["close"] == "=1+1"
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    page = (run / "report.html").read_text()
    assert "3 bad rows, set aside in quarantine.csv" in page
    assert "quarantine.csv" in json.loads((run / "manifest.json").read_text())["files"]
    assert snapshot(clean) == kept
    assert snapshot(here / "data") == before
    first = snapshot(run)
    assert backtest(here, "--bad-rows", "quarantine", "--quiet") == 0
    again = snapshot(run)
    assert {name for name in first if first[name] != again[name]} <= {"timings.json"}


def test_the_option_changes_nothing_where_nothing_is_bad(here: Path) -> None:
    """The same run id, and no quarantine.csv; a bad row more leaves the same data, and the report of another run."""
    assert backtest(here, "--quiet") == 0
    assert backtest(here, "--quiet", "--bad-rows", "quarantine") == 0
    assert [path.name for path in here.glob("out/tiny/*/quarantine.csv")] == []
    assert len(list(here.glob("out/tiny/*/report.json"))) == 1
    put(here, "data/bars.csv", (here / "data" / "bars.csv").read_text() + "2021-01-18,ALDE,42,43,41,42,5\n")
    assert backtest(here, "--quiet", "--bad-rows", "quarantine") == 0
    assert len(list(here.glob("out/tiny/*/report.json"))) == 2


def test_names_never_become_paths_and_texts_never_run(here: Path) -> None:
    """A ticker ../../x and a text of HTML: a run like any other, nothing written outside its folder, nothing alive in its page."""
    renamed("../../x")(here / "data")
    CASES["strange-texts"].breaks(here / "data")
    assert backtest(here, "--quiet") == 0
    run = one_run(here)
    assert "../../x" in (run / "weights.csv").read_text()
    assert "<script>alert(1)" not in (run / "report.html").read_text()
    assert {path.name for path in here.iterdir()} == {"tiny.py", "data", "out", "cache"}


def test_formulas_are_neutralised_in_the_tables_of_a_run(here: Path) -> None:
    """A ticker =1+1 has an apostrophe before it wherever a spreadsheet would compute it; the ledger reads it back without."""
    renamed("=1+1")(here / "data")
    assert backtest(here, "--quiet") == 0
    for path in one_run(here).glob("*.csv"):
        cells = {value for row in csv.reader(io.StringIO(path.read_text())) for value in row}
        assert not any(value.startswith("=") for value in cells), path.name
    orders = (one_run(here) / "orders.csv").read_text()
    assert "'=1+1" in orders
    assert "=1+1" in set(read_orders(io.StringIO(orders))["symbol"])


def test_data_check_shows_every_problem_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings, bars, news and listing; as JSON with rule, place, value, count, answer and fix."""
    put(here, "data/symbols.csv", "symbol,start\nALDE,soon\nBRAM,\nCINW,\nDOVL,\n")
    then(cell("close", "x"), cell("close", "y", row=7), cell("high", "-1", row=9), news("noon,ALDE,a b", "2021-01-06T15:00:00Z,ZZZ,c d"))(
        here / "data"
    )
    put(here, "data/dataset.toml", 'name = "x"\ncalendar = "XNYX"\nadjustd = "all"\n')
    before = snapshot(here / "data")
    assert main(["data", "check", str(here / "data"), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["usable"], found["usable_with_quarantine"], found["data"]) == (False, False, None)
    problems = {(one["rule"], one["file"], one["row"], one["column"], one["value"]): one for one in found["problems"]}
    assert problems["no number", "bars.csv", 6, "close", "x"]["n"] == 2
    assert [place["row"] for place in problems["no number", "bars.csv", 6, "close", "x"]["places"]] == [6, 7]
    assert ("stamp: none", "news.csv", 110, "published_at", "noon") in problems
    assert ("stamp: none", "symbols.csv", 2, "start", "soon") in problems
    assert problems["unknown symbol", "news.csv", 111, None, "ZZZ"]["answer"] == "left out"
    messages = {one["message"] for one in found["problems"] if one["rule"] == "setting"}
    assert messages == {"unknown setting 'adjustd' (did you mean 'adjusted'?)", "there is no calendar 'XNYX' (did you mean 'XNYS'?)"}
    assert all(one["fix"] for one in found["problems"] if one["answer"] in ("refused", "bad row"))
    assert main(["data", "check", str(here / "data")]) == 3
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("bars.csv", "dataset.toml", "symbols.csv", "refused", "bad row", "left out", "cannot be used"))
    assert snapshot(here / "data") == before


def test_data_check_shows_values_as_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets are no markup, and no sign of a cell reaches the terminal as a command."""
    then(cell("close", "[red]x[/red]"), cell("open", "\x1b[31m7", row=7))(here / "data")
    assert main(["data", "check", str(here / "data")]) == 3
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "\\x1b[31m7" in shown
    assert "\x1b" not in shown
    assert "with --bad-rows quarantine it can" in shown


def test_data_check_of_a_good_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, whatever is merely left out or noted; a folder that is not there is 3."""
    assert main(["data", "check", str(here / "data")]) == 0
    assert "can be used: 40 bars of 4 symbols" in capsys.readouterr().out
    assert main(["data", "check", str(here / "data"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["data", "check", str(here / "nowhere"), "--json"]) == 3


def test_too_many_bad_rows_are_not_set_aside(here: Path) -> None:
    """Seven of 144 bars are 4.9 %, eight are 5.6 %: then the file is wrong, and not the row."""
    for row in range(6, 13):
        cell("close", "?", row=row)(here / "data")
    data = read_dataset(here / "data", bad_rows="quarantine")
    assert len(data.quarantined) == data.bad_rows[0].n_rows == 7
    cell("close", "?", row=13)(here / "data")
    with pytest.raises(DataError, match="8 of 144 rows of bars are bad: mend the file: more than 5% are not set aside"):
        read_dataset(here / "data", bad_rows="quarantine")


def test_a_row_that_is_bad_twice_is_one_row(here: Path) -> None:
    """With both reasons; it counts once."""
    then(cell("close", "?"), cell("volume", "?"))(here / "data")
    data = read_dataset(here / "data", bad_rows="quarantine")
    assert list(data.quarantined["reason"]) == ["close: not a finite number; volume: not a finite number"]
    assert data.bars.close["ALDE"].isna().iloc[1]


def test_frames_can_be_quarantined_too(here: Path) -> None:
    """With the number of the row, and the frame left alone."""
    import pandas as pd

    frame = pd.read_csv(here / "data" / "bars.csv")
    frame.loc[3, "low"] = -1.0
    before = frame.copy()
    data = from_frames(frame, bad_rows="quarantine")
    assert data.quarantined[["file", "row", "reason"]].to_numpy().tolist() == [["bars", 3, "a price is not positive"]]
    pd.testing.assert_frame_equal(frame, before)


def test_a_folder_that_may_not_be_read_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason of the system, and no traceback."""

    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(DataError, match=r"cannot read .*: Permission denied"):
        read_dataset(here / "data")


def test_heavy_input_stays_small(tmp_path: Path) -> None:
    """Bombs, 3 GB of zeros and a text of 2 MB: under 1 GB in a process of its own."""
    names = ("gzip-bomb", "parquet-bomb", "zeros", "huge-text", "json-columns")
    for name in names:
        CASES[name].breaks(good_folder(tmp_path / name))
    code = (
        "import sys; from quantlab.data import examine\nfor folder in sys.argv[1:]: examine(folder)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"  # rusage counts the parent's
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *(str(tmp_path / name) for name in names)], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 1_000_000  # kB


def test_a_run_says_how_many_news_it_did_without() -> None:
    """Above one in twenty, in the terminal, by reason: bars and counts of other kinds are none of them."""
    bars = make_market(3, 2, seed=1).dataset.bars
    dropped = (Dropped("bars without a price", 9), Dropped("news without a text", 1), Dropped("news on a symbol that has no bars", 2))
    assert _news_left_out(Dataset(name="d", bars=bars, dropped=dropped)) == [
        "  news      left out 3 of 3: 1 without a text; 2 on a symbol that has no bars"
    ]
    assert _news_left_out(Dataset(name="d", bars=bars, dropped=dropped[:1])) == []
