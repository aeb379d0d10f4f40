"""Comparisons: what the folders say, verified; differences on common sessions, with intervals; what differs, by name."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from fake_result import fake_result

from quantlab import metrics
from quantlab.commands.compare import compare as command
from quantlab.compare import Record, compare, contract, curves, find_run, page, read_run, write_comparison
from quantlab.compare.settings import differing
from quantlab.entry import answer
from quantlab.errors import DataError, UsageError
from quantlab.report import write_report
from quantlab.result import BacktestResult

APP = typer.Typer(add_completion=False)
APP.command()(command)


def shifted(result: BacktestResult, by: float, run_id: str) -> BacktestResult:
    """Return the run with `by` added to the return of every session."""
    portfolio = replace(result.portfolio, returns=result.portfolio.returns + by)
    return replace(result, run_id=run_id, portfolio=portfolio, config={**result.config, "by": by})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Return the folders of three runs: a base, the same a basis point better every session, and another strategy that ends earlier."""
    out = tmp_path_factory.mktemp("reports")
    base = fake_result()
    other = replace(fake_result(skill=0.2, n_sessions=390, strategy="other"), run_id="fedcba9876543210")
    return write_report(base, out), write_report(shifted(base, 1e-4, "0123456789abcd00"), out), write_report(other, out)


@pytest.fixture(scope="module")
def records(runs: tuple[Path, Path, Path]) -> list[Record]:
    """Return the three runs, read."""
    return [read_run(folder) for folder in runs]


def rewritten(folder: Path, copy: Path, **files: object) -> Path:
    """Return a copy of a run's folder with some files changed and the manifest set right again: what another version may have written."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    for name, content in {key.replace("_", "."): value for key, value in files.items()}.items():
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (copy / name).write_bytes(raw)
        manifest["files"][name] = hashlib.sha256(raw).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_a_run_reads_back_to_the_last_bit(records: list[Record]) -> None:
    """Returns, signal and target are those that were written; times are the same instants."""
    result = fake_result()
    pd.testing.assert_series_equal(
        records[0].sessions["return"], result.portfolio.returns, check_names=False, check_freq=False, check_exact=True
    )
    pd.testing.assert_series_equal(
        records[0].signal["signal"], result.predicted.signal, check_names=False, check_freq=False, check_exact=True, check_index_type=False
    )


def test_symbols_are_texts_whatever_they_look_like(tmp_path: Path) -> None:
    """NA is no gap, 000001 no number, and the apostrophe that guards a formula is taken off again."""
    symbols = ("000001", "=SUM", "1E5", "NA", "TRUE", "nan")
    record = read_run(write_report(fake_result(symbols=symbols), tmp_path))
    assert sorted(record.signal.index.get_level_values("symbol").unique()) == sorted(symbols)


def test_sessions_a_year_are_those_that_the_run_annualised_with(tmp_path: Path) -> None:
    """As it states them; of a run that does not yet, read off the volatility; 252 where nothing varies either."""
    result = fake_result()
    year = replace(result, dataset=replace(result.dataset, sessions_per_year=365.0))
    still = replace(year, portfolio=replace(year.portfolio, returns=year.portfolio.returns * 0.0))
    for name, one, guessed in (("year", year, 365.0), ("still", still, 252.0)):
        record = read_run(write_report(one, tmp_path / name))
        assert record.periods == 365.0
        older = {**record.report, "data": {key: value for key, value in record.report["data"].items() if key != "sessions_per_year"}}
        assert replace(record, report=older).periods == pytest.approx(guessed)


def test_a_changed_file_is_refused(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """One digit of one return: the message names the file and both hashes."""
    copy = tmp_path / "copy"
    shutil.copytree(runs[0], copy)
    path = copy / "returns.csv"
    text = path.read_text()
    path.write_text(text[:-2] + ("1" if text[-2] != "1" else "2") + "\n")
    with pytest.raises(DataError, match=r"returns.csv has been changed since the run: its sha256 is \w{12}"):
        read_run(copy)


@pytest.mark.parametrize("missing", ["manifest.json", "report.json", "signal.csv"])
def test_a_missing_file_is_named(missing: str, runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """With what to do."""
    shutil.copytree(runs[0], tmp_path / "copy")
    (tmp_path / "copy" / missing).unlink()
    with pytest.raises(DataError, match=f"cannot read .*{re.escape(missing)}.*: name the folder of a finished run"):
        read_run(tmp_path / "copy")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"report_json": b"{"}, "is not JSON"),
        ({"report_json": b"[]"}, "holds no JSON object"),
        ({"report_json": {"returns": {}}}, "is not the folder of a run that this version can read"),
        ({"returns_csv": b"time,return\n2024-01-01,x\n"}, "is not the folder of a run"),
        ({"returns_csv": b"time,return,benchmark,turnover\n"}, "has no session"),
        ({"signal_csv": b"time,symbol,signal\n"}, "is not the folder of a run"),
    ],
)
def test_files_that_make_no_run_are_refused(files: dict[str, object], said: str, runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Even where their hashes are right."""
    with pytest.raises(DataError, match=said):
        read_run(rewritten(runs[0], tmp_path / "copy", **files))


def test_files_of_two_runs_are_refused(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """A report.json under another run's manifest."""
    report = json.loads((runs[2] / "report.json").read_text())
    with pytest.raises(DataError, match="are of different runs"):
        read_run(rewritten(runs[0], tmp_path / "copy", report_json=report))


def test_a_run_is_found_by_path_by_name_and_by_the_start_of_its_id(runs: tuple[Path, Path, Path]) -> None:
    """A start that two runs share is refused, unless it is one's whole id; nothing found offers the nearest."""
    out = runs[0].parents[1]
    assert find_run(str(runs[0]), out) == runs[0]
    assert find_run("other/fedcba9876543210", out) == find_run("other/fe", out) == find_run("fed", out) == runs[2]
    with pytest.raises(UsageError, match=r"could mean any of 2 runs .*news_momentum/0123456789abcd00, news_momentum/0123456789abcdef"):
        find_run("0123", out)
    with pytest.raises(UsageError, match=r"no run 'othr/fedcba98' .*did you mean 'other/fedcba9876543210'"):
        find_run("othr/fedcba98", out)
    with pytest.raises(UsageError, match="no run 'x' in"):
        find_run("x", out / "nowhere")


def test_differences_are_on_common_sessions_and_the_rest_is_counted(records: list[Record]) -> None:
    """The shorter run misses thirty at either end: every figure of both is of what is left."""
    compared = compare([records[0], replace(records[2], sessions=records[2].sessions.iloc[30:])], n_resamples=50)
    assert compared.left_out == (60, 0)
    assert len(compared.sessions) == len(records[0].sessions) - 60
    returns = records[0].sessions["return"].iloc[30:-30]
    assert compared.figures[0]["sharpe"] == metrics.sharpe(returns)
    kept = records[0].signal[records[0].signal.index.get_level_values(0).isin(compared.sessions)]
    assert compared.figures[0]["ic_mean"] == metrics.information_coefficient(kept["signal"], kept["target"]).mean()
    assert compared.figures[0]["hit_rate"] == pytest.approx(metrics.hit_rate(kept["signal"], kept["target"]))
    found = compared.differences[0]["total_return"]
    assert found.value == compared.figures[1]["total_return"] - compared.figures[0]["total_return"]


def test_a_paired_difference_is_clear_where_neither_figure_is(records: list[Record]) -> None:
    """One basis point more in every session is beyond doubt, though each Sharpe ratio alone has a wide interval; IC does not differ."""
    better = compare([records[0], records[1]], n_resamples=200).differences[0]
    assert better["total_return"].clear
    assert better["sharpe"].clear
    assert 0 < better["sharpe"].low < better["sharpe"].value < better["sharpe"].high
    assert (better["ic_mean"].value, better["ic_mean"].low, better["ic_mean"].high) == (0.0, 0.0, 0.0)
    assert not better["ic_mean"].clear


def test_two_runs_of_noise_do_not_differ_clearly(records: list[Record]) -> None:
    """The same returns in another order; and the page says so first."""
    dealt = np.random.default_rng(0).permutation(records[0].sessions["return"])
    noise = replace(records[2], sessions=records[0].sessions.assign(**{"return": dealt}))
    compared = compare([records[0], noise], n_resamples=200)
    assert not compared.differences[0]["sharpe"].clear
    assert "No difference in Sharpe ratio can be told from luck" in page(compared)
    assert '<p class="level">No difference</p>' in page(compared)  # not what a single run is called


def test_what_differs_is_named_by_dots() -> None:
    """Nested settings, lists, what only one has, and 1 against True; what is the same is left out."""
    one = {"a": {"b": 1, "c": [1, 2]}, "same": None, "steps": [{"x": 1}, {"x": 2}], "flag": 1, "gone": None, "empty": {}}
    other = {"a": {"b": 2, "c": [1, 2]}, "same": None, "steps": [{"x": 1}, {"x": 3}], "flag": True, "empty": {}}
    assert differing([one, other]) == {"a.b": (1, 2), "steps[1].x": (2, 3), "flag": (1, True), "gone": (None, None)}
    assert list(differing([one, other])) == ["a.b", "flag", "gone", "steps[1].x"]
    assert differing([one, one]) == {}


def test_settings_data_and_code_are_set_side_by_side(records: list[Record]) -> None:
    """Only what differs: here a setting."""
    compared = compare([records[0], records[1]], n_resamples=20)
    assert compared.settings == {"by": (None, 1e-4)}
    assert compared.data == {}
    assert compared.code == {}


def test_other_data_is_said(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """By the hash of each file, and in a note."""
    copy = rewritten(runs[1], tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["hashes"]["bars.csv"] = "12" * 32
    manifest["provenance"]["inputs"] = {"data": "34" * 32}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    compared = compare([read_run(runs[0]), read_run(copy)], n_resamples=20)
    assert compared.data["files.bars.csv"] == ("ab" * 32, "12" * 32)
    assert any("read different data" in note for note in compared.notes)


@pytest.mark.parametrize(("chosen", "said"), [([0], "two runs or more, not 1"), ([0, 2, 0], "is named twice"), ([], "not 0")])
def test_fewer_than_two_runs_are_refused(chosen: Sequence[int], said: str, records: list[Record]) -> None:
    """One, none, or the same one twice."""
    with pytest.raises(UsageError, match=said):
        compare([records[place] for place in chosen])


def test_runs_without_a_common_session_are_refused(records: list[Record]) -> None:
    """With the span of each."""
    elsewhere = records[2].sessions.set_axis(records[2].sessions.index + pd.Timedelta(days=4000))
    with pytest.raises(UsageError, match=r"no session in common .*news_momentum/0123456789abcdef: 2020-\d\d-\d\d to"):
        compare([records[0], replace(records[2], sessions=elsewhere)])


def test_few_common_sessions_give_no_interval(records: list[Record]) -> None:
    """The differences stand, their intervals are null, and a note says why."""
    short = replace(records[2], sessions=records[2].sessions.iloc[:10])
    content = contract(compare([records[0], short]))
    figures = content["differences"][0]["figures"]
    assert figures["total_return"]["value"] is not None
    assert figures["total_return"]["low"] is None
    assert any("10 common sessions are too few" in note for note in content["notes"])


def test_the_json_keeps_its_schema_and_is_strict(records: list[Record]) -> None:
    """Every name of the schema and no other; no NaN."""
    content = contract(compare(records, n_resamples=20))
    assert list(content) == [
        "schema_version", "comparison_id", "sessions", "runs", "differences", "settings", "data", "code", "notes",
    ]  # fmt: skip
    assert set(content["runs"][0]) == {
        "name", "strategy", "run_id", "folder", "start", "end", "n_sessions", "n_left_out", "figures", "reported",
    }  # fmt: skip
    names = {"total_return", "cagr", "volatility", "sharpe", "max_drawdown", "turnover", "ic_mean", "hit_rate"}
    assert set(content["runs"][0]["figures"]) == set(content["differences"][1]["figures"]) == names
    assert content["runs"][0]["reported"]["returns"]["total_return"] == records[0].report["returns"]["total_return"]
    json.dumps(content, allow_nan=False)


def test_curves_start_together(records: list[Record]) -> None:
    """A column per run over the common sessions; each begins with its first common return."""
    compared = compare(records, n_resamples=20)
    grown = curves(compared)
    assert grown.shape == (len(compared.sessions), 3)
    assert list(grown) == [
        "news_momentum 0123456789abcde",
        "news_momentum 0123456789abcd0",
        "other fedcba987654321",
    ]  # as much as tells all apart
    np.testing.assert_allclose(grown.iloc[0], [1 + record.sessions["return"].loc[compared.sessions[0]] for record in records])


def test_the_page_is_the_same_bytes_and_escapes_what_it_shows(records: list[Record], tmp_path: Path) -> None:
    """A hostile setting and a hostile name are text."""
    hostile = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>\u2028'
    manifest = {**records[1].manifest, "strategy": hostile, "config": {**records[1].manifest["config"], hostile: hostile}}
    compared = compare([records[0], replace(records[1], manifest=manifest)], n_resamples=20)
    written = write_comparison(compared, tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert written == page(compared)
    assert "<img src=x" not in written
    assert "<script>alert(2)" not in written
    assert "default-src &#39;none&#39;" in written


def test_the_command_writes_a_page_and_prints_json_alone(runs: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """By default <out>/compare/<id>.html, named by the runs in their order; --html elsewhere."""
    out = runs[0].parents[1]
    assert answer(APP, [str(runs[0]), "other/fed", "--out", str(out), "--json"], "quantlab compare") == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert shown.err == ""
    assert (out / "compare" / f"{content['comparison_id']}.html").is_file()
    assert answer(APP, [str(runs[2]), str(runs[0]), "--out", str(out), "--html", str(out / "mine.html")], "quantlab compare") == 0
    assert "The difference in Sharpe ratio is" in capsys.readouterr().out
    assert (out / "mine.html").is_file()
    assert answer(APP, [str(runs[2]), str(runs[0]), "--out", str(out), "--quiet"], "quantlab compare") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("names", "code", "said"), [(["fed"], 2, "two runs or more"), (["fed", "zzz"], 2, "no run 'zzz'")])
def test_a_mistake_is_one_message(
    names: list[str], code: int, said: str, runs: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """And its exit code."""
    assert answer(APP, [*names, "--out", str(runs[0].parents[1])], "quantlab compare") == code
    assert said in capsys.readouterr().err
