"""The report: its contract, its page and its files."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contract_keys import KEYS
from fake_result import fake_result

from quantlab import metrics, storage
from quantlab.errors import StorageError
from quantlab.report import figures, files, folder, index, page, wording, write_report
from quantlab.report.contract import as_json, contract
from quantlab.result import BacktestResult, Check, OutOfSample

HOSTILE = ('"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>", "=HYPERLINK(1)", "AAA", "{{ 7*7 }}")


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a made-up run."""
    return fake_result()


@pytest.fixture(scope="module")
def run(result: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of that run, written once."""
    return write_report(result, tmp_path_factory.mktemp("reports"))


class _Page(HTMLParser):
    """The tags of a page, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.shown: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag in self.texts else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data
        else:
            self.shown.append(data)


def html(result: BacktestResult) -> str:
    """Return the page of a run."""
    return page.render(result, contract(result))


def empty(result: BacktestResult) -> BacktestResult:
    """Return a run in which nothing was traded, known or checked."""
    flat = 0.0 * result.portfolio.returns
    portfolio = replace(
        result.portfolio,
        returns=flat,
        gross_returns=flat,
        equity=flat + result.portfolio.cash,
        turnover=flat,
        orders=result.portfolio.orders[:0],
        trades=result.portfolio.trades[:0],
        cut=result.portfolio.cut[:0],
    )
    fits = tuple(replace(fit, importance={}, learned={}) for fit in result.predicted.fits)
    predicted = OutOfSample(0.0 * result.predicted.signal, fits)
    nothing = {"audit": None, "dropped_rows": {}, "variants": None, "delayed": ()}
    return replace(result, portfolio=portfolio, predicted=predicted, benchmark=flat * math.nan, **nothing)


def test_contract_has_exactly_its_keys(run: Path) -> None:
    """report.json holds the documented names, in their order, and no others."""
    content = json.loads((run / "report.json").read_text())
    assert list(content) == list(KEYS)
    for name, keys in KEYS.items():
        if keys:
            assert list(content[name]) == keys.split()
    assert list(content["walk_forward"][0]) == ["train_start", "train_end", "test_start", "test_end", "n_train", "n_test", "ic"]
    assert list(content["returns"]["monthly"][0]) == ["month", "return"]
    assert content["schema_version"] == 2


def test_contract_numbers_are_those_of_the_tables(result: BacktestResult) -> None:
    """The figures are the metrics of the run's own tables, as fractions."""
    content = contract(result)
    portfolio = result.portfolio
    assert content["returns"]["total_return"] == pytest.approx(portfolio.equity.iloc[-1] / portfolio.cash - 1)
    assert content["returns"]["sharpe"] == metrics.sharpe(portfolio.returns)
    assert np.prod([1 + month["return"] for month in content["returns"]["monthly"]]) - 1 == pytest.approx(
        content["returns"]["total_return"]
    )
    assert content["drawdown"]["worst"][0]["depth"] == content["drawdown"]["max_drawdown"] < 0
    assert content["trading"]["fees"] == pytest.approx(portfolio.fees.sum())
    assert content["trading"]["truncated_orders"] == 1
    assert content["data"]["n_documents"] == 200
    assert content["significance"]["n_trials"] == content["trials"]["n"] == 3
    assert content["significance"]["dsr"] < content["significance"]["psr"]
    low, high = content["significance"]["sharpe_ci"]
    assert low < content["returns"]["sharpe"] < high
    assert content["audit"]["verdict"] == "passed"


def test_ic_of_a_fold_is_the_mean_over_its_test_sessions(result: BacktestResult) -> None:
    """The information coefficient is averaged between the fold's ends, both included, and its lag is twice the horizon."""
    content = contract(result)
    ic = metrics.information_coefficient(result.predicted.signal, result.target)
    fold = result.predicted.fits[1].fold
    inside = [value for time, value in ic.items() if fold.test_start <= time <= fold.test_end]
    assert content["accuracy"]["ic_by_fold"][1] == pytest.approx(np.mean(inside))
    assert content["walk_forward"][1]["ic"] == content["accuracy"]["ic_by_fold"][1]
    assert content["accuracy"]["ic_t"] == metrics.newey_west_t(ic, 2 * result.horizon)


def test_brier_is_for_probabilities_alone(result: BacktestResult) -> None:
    """A signal of P(up) - P(down) is scored as the probability (1 + signal) / 2; any other has no Brier score."""
    probability = (1 + result.predicted.signal) / 2
    assert contract(result)["accuracy"]["brier"] == metrics.brier(probability, result.target)
    assert contract(fake_result(is_probability=False))["accuracy"]["brier"] is None


def test_what_does_not_apply_is_null(result: BacktestResult) -> None:
    """Without trades, signal, benchmark or audit the figures are null, strictly valid JSON, and the page still stands."""
    content = contract(empty(result))
    json.dumps(content, allow_nan=False)
    for group, name in (("returns", "sharpe"), ("returns", "benchmark_total_return"), ("accuracy", "hit_rate"), ("accuracy", "brier")):
        assert content[group][name] is None
    assert content["significance"]["sharpe_ci"] == [None, None]
    assert content["significance"]["min_track_record"] is None
    assert content["drawdown"] == {
        "max_drawdown": 0.0,
        "max_drawdown_sessions": 0,
        "worst": [],
        "time_under_water": 0.0,
        "ulcer_index": 0.0,
    }
    assert content["verdict"]["level"] == "untested"
    assert content["text_ablation"] is None
    assert content["fragility"]["stress"] == []
    assert content["audit"] == {"verdict": "skipped", "checks": []}
    text = html(empty(result))
    shown = " ".join(_Page(text).shown)
    assert "nan" not in re.findall(r"[a-z]+", shown.lower())
    assert 'id="figure-importance"' not in text


def test_failed_audit_is_said_first(result: BacktestResult) -> None:
    """A run in which a check failed says at the top that it cannot be trusted."""
    failed = replace(result, audit=(Check("truncation", "held", "fine"), Check("canary", "leak", "IC t = 152")))
    assert contract(failed)["audit"]["verdict"] == "failed"
    shown = " ".join(_Page(html(failed)).shown)
    assert shown.index("cannot be trusted") < shown.index("Total return")
    assert "IC t = 152" in shown


def test_as_json_refuses_what_it_does_not_know() -> None:
    """Infinity, NaN and NaT become null, instants ISO text; an object without a form in JSON is an error."""
    assert as_json({"a": (math.inf, np.float64("nan"), pd.NaT, np.int64(3), np.bool_(True), None)}) == {
        "a": [None, None, None, 3, True, None]
    }
    assert as_json(pd.Timestamp("2020-01-02", tz="UTC")) == "2020-01-02T00:00:00+00:00"
    with pytest.raises(TypeError, match="set"):
        as_json({1})


def test_two_writes_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    """The same run, made and written in another process with another hash seed, zone and locale, has the same bytes."""
    code = "from fake_result import fake_result; from pathlib import Path; from quantlab.report import write_report; import sys;"
    code += "write_report(fake_result(), Path(sys.argv[1]))"
    here = Path(__file__).parent
    environment = {"PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "PYTHONPATH": f"{here}:{here.parent}", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    again = tmp_path / run.parent.name / run.name
    assert sorted(path.name for path in again.iterdir()) == sorted(path.name for path in run.iterdir())
    for path in sorted(run.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
    assert (tmp_path / "index.html").read_bytes() == (run.parent.parent / "index.html").read_bytes()


def test_manifest_names_hashes_and_fit_ends(result: BacktestResult, run: Path) -> None:
    """manifest.json holds the data's hashes, the configuration, each fold's fit_end and the sha256 of every other file."""
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data"]["hashes"] == result.dataset.hashes
    assert manifest["config"] == result.config
    assert manifest["provenance"]["versions"]["numpy"] == "2.4.6"
    assert manifest["fits"][0]["fit_end"]["topics"] == result.predicted.fits[0].fold.train_end.isoformat()
    written = {path.name for path in run.iterdir()}
    assert set(manifest["files"]) == written - {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() == digest
    assert written >= {"report.html", "report.json", "returns.csv", "weights.csv", "signal.csv", "orders.csv", "trades.csv"}


def test_orders_can_be_replayed(result: BacktestResult, run: Path) -> None:
    """Every number in orders.csv reads back to the same float, every time to the same instant."""
    numbers = ("size", "price", "fee", "slippage")
    orders = pd.read_csv(run / "orders.csv", parse_dates=["time", "decided_at"], converters=dict.fromkeys(numbers, float))
    expected = result.portfolio.orders
    assert list(orders.columns) == list(expected.columns)
    for name in numbers:
        assert (orders[name].to_numpy() == expected[name].to_numpy()).all()
    assert (orders["time"] == expected["time"]).all()
    assert (run / "orders.csv").read_bytes().count(b"\r") == 0


def test_tables_start_where_the_run_does(result: BacktestResult, run: Path) -> None:
    """returns, weights and signal have a row per session or per row of the test windows; an open trade has no exit time."""
    returns = pd.read_csv(run / "returns.csv")
    assert returns["return"].tolist() == result.portfolio.returns.tolist()
    assert returns["time"].iloc[0] == result.portfolio.returns.index[0].isoformat()
    assert pd.read_csv(run / "weights.csv").shape == (len(result.weights), 1 + result.weights.shape[1])
    signal = pd.read_csv(run / "signal.csv")
    assert list(signal.columns) == ["time", "symbol", "signal", "target"]
    assert len(signal) == len(result.predicted.signal)
    with (run / "trades.csv").open() as file:
        assert {row["exit_time"] for row in csv.DictReader(file)} >= {""}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_formulas_are_neutralised(cell: str) -> None:
    """A text, or a heading, that a spreadsheet would run gets an apostrophe; numbers, even negative, do not."""
    rows = list(csv.reader(io.StringIO(files.csv(pd.DataFrame({cell: [cell, "plain"], "n": [-1.5, 2.0]})).decode(), newline="")))
    assert rows == [["'" + cell, "n"], ["'" + cell, "-1.5"], ["plain", "2"]]


def test_equal_headings_lose_no_column() -> None:
    """Two columns whose neutral names are the same are both written."""
    assert files.csv(pd.DataFrame([[1, 2]], columns=["=A", "'=A"])) == b'"\'=A","\'=A"\n1,2\n'


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(name: str) -> None:
    """Markup in the names of a strategy, symbol, feature, benchmark or note is shown as text and never becomes a tag."""
    hostile = fake_result(strategy=name, feature=name, symbols=(*("BBB", "CCC", "DDD"), name), n_sessions=220)
    hostile = replace(hostile, benchmark_name=name, description=name, dataset=replace(hostile.dataset, name=name, notes=(name,)))
    text = html(hostile)
    plain, found = _Page(html(fake_result(n_sessions=220, symbols=("AAA", "BBB", "CCC", "DDD")))), _Page(text)
    kinds = {tag for tag, _ in found.tags}
    assert kinds == {tag for tag, _ in plain.tags} | ({"li"} & kinds)
    assert "img" not in kinds
    assert len(found.texts["script"]) == 4  # two of data, plotly.js and our own
    assert not any(key.startswith("on") for _, attributes in found.tags for key in attributes)
    assert name in found.shown
    drawn = json.loads(found.texts["script"][0])
    for text_ in _strings(drawn):
        assert "<img" not in text_
        assert "<script" not in text_


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


def test_hover_texts_are_escaped() -> None:
    """plotly reads HTML in texts, so that names reach it escaped, and cut where they would fill the figure."""
    assert figures.label("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert len(figures.label("x" * 500)) == figures.LONGEST_LABEL
    drawn = figures.importance(fake_result(feature="<i>f</i>")).data[0]
    assert "&lt;i&gt;f&lt;/i&gt;" in drawn.y


def test_page_asks_for_nothing(run: Path) -> None:
    """The page loads nothing: no src, no link, no inline handler or style, and a policy that forbids all the rest."""
    found = _Page((run / "report.html").read_text())
    for tag, attributes in found.tags:
        assert tag not in {"link", "img", "iframe", "object", "form"}
        assert not {"src", "style", "srcset"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_policy_names_the_scripts_of_the_page(run: Path) -> None:
    """The hash of each script and style that runs is in the policy: without it the browser would refuse the page's own."""
    found = _Page((run / "report.html").read_text())
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    for text in (*found.texts["script"][2:], *found.texts["style"]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_page_has_its_sections_and_one_plotly(run: Path) -> None:
    """Every section has an anchor and a link, plotly.js is inlined once, and each figure has its place."""
    text = (run / "report.html").read_text()
    found = _Page(text)
    anchors = {a["id"] for tag, a in found.tags if tag == "section"}
    links = {a["href"][1:] for tag, a in found.tags if tag == "a"}
    assert anchors == links >= {"return", "drawdown", "accuracy", "walk-forward", "trading", "data", "audit", "parameters", "provenance"}
    assert sum("plotly.js v" in script[:200] for script in found.texts["script"]) == 1
    drawn = json.loads(found.texts["script"][0])
    assert {f"figure-{name}" for name in drawn} == {a["id"] for tag, a in found.tags if tag == "div" and a.get("class") == "plot"}
    assert set(json.loads(found.texts["script"][1])) == {"light", "dark"}


def test_page_counts_what_was_left_out(run: Path) -> None:
    """Rows that were set aside are on the page, counted, with their reason and the first of them."""
    shown = " ".join(_Page((run / "report.html").read_text()).shown)
    for words in ("no text", "news.csv:12", "feature unknown", "160", "cut short", "6 bars", "profit", "Prices and news are made up."):
        assert words in shown


def test_long_history_stays_small() -> None:
    """Ten years of a hundred names make a page under 6 MB."""
    symbols = [f"S{number:03d}" for number in range(100)]
    assert len(html(fake_result(n_sessions=2520, symbols=symbols)).encode()) < 6e6


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.5, 2.0, "not distinguishable from luck"), (0.2, 2.0, "above zero"), (-2.0, -0.1, "below zero")],
)
def test_luck_in_plain_words(low: float, high: float, words: str) -> None:
    """An interval that includes zero is called luck; one that does not is not."""
    said = wording.luck_sentence({"returns": {"sharpe": (low + high) / 2}, "significance": {"sharpe_ci": [low, high]}})
    assert words in said
    assert ("luck." in said and "not distinguishable" in said) == (low <= 0 <= high)


def test_numbers_as_a_reader_sees_them() -> None:
    """Percent, sign and thousands; a true minus; no negative zero; a dash where there is nothing."""
    assert wording.percent(0.1234) == "12.3%"
    assert wording.percent(-0.5) == "\u221250.0%"
    assert wording.percent(-0.00001) == "0.0%"
    assert wording.signed(0.05) == "+5.0%"
    assert wording.signed(0.0) == "0.0%"
    assert wording.number(1234567.891) == "1,234,567.89"
    assert wording.number(math.nan) == wording.percent(None) == wording.day(None) == wording.day(pd.NaT) == wording.NONE
    assert list(wording.flat({"a": {"b": [1, None]}, "c": [{"d": True}]})) == [("a.b", f"1, {wording.NONE}"), ("c[0].d", "yes")]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../etc", "/abs", ".hidden", "x" * 300, "a\0b", "C:\\x", "naïve", "end."])
def test_names_never_become_paths(name: str, tmp_path: Path) -> None:
    """Whatever the name, it is one visible folder below the root, and its own."""
    made = folder.folder_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", made)
    assert (tmp_path / made).resolve().parent == tmp_path.resolve()
    assert made != folder.folder_name(name + "!")
    assert folder.folder_name("news_momentum-2.1") == "news_momentum-2.1"


def test_writing_again_mends_the_folder(result: BacktestResult, tmp_path: Path) -> None:
    """A second write of the same run touches what differs alone: a damaged file is mended, a lost one is there again, a note is kept."""
    first = write_report(result, tmp_path)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    untouched = (first / "report.html").stat().st_mtime_ns
    (first / "notes.txt").write_text("mine")
    (first / "orders.csv").write_bytes(before["orders.csv"][:-9])
    (first / "manifest.json").unlink()
    assert write_report(result, tmp_path) == first
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {**before, "notes.txt": b"mine"}
    assert (first / "report.html").stat().st_mtime_ns == untouched
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_failure_leaves_nothing(result: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full half way, StorageError says where, and no part of the folder is left."""
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(result, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list(tmp_path.rglob(".writing-*")) == []


def test_unwritable_place_is_a_storage_error(result: BacktestResult, tmp_path: Path) -> None:
    """A root that is a file cannot be written to, and the error says so."""
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(StorageError, match="reports"):
        write_report(result, tmp_path / "reports")


def test_index_lists_runs_and_names_the_broken(result: BacktestResult, tmp_path: Path) -> None:
    """Every run is linked; a report that cannot be read is named, and folders still being written are not runs."""
    write_report(result, tmp_path)
    write_report(replace(result, strategy='<b>"odd"</b> %41', run_id="ff"), tmp_path)
    for name, content in (("torn", '{"strategy": "x"'), ("list", "[1]"), ("deep", "[" * 100_000), ("part", '{"strategy": "x"}')):
        (tmp_path / "old" / name).mkdir(parents=True)
        (tmp_path / "old" / name / "report.json").write_text(content)
    (tmp_path / "old" / ".writing-1").mkdir()
    (tmp_path / "old" / ".writing-1" / "report.json").write_text("{}")
    index.write_index(tmp_path)
    found = _Page((tmp_path / "index.html").read_text())
    links = [a["href"] for tag, a in found.tags if tag == "a"]
    assert len(links) == 2
    for link in links:
        assert (tmp_path / link).is_file()
    shown = " ".join(found.shown)
    assert '<b>"odd"</b> %41' in shown
    for name in ("torn", "list", "deep", "part"):
        assert f"old/{name}/report.json" in shown
    assert ".writing" not in shown
    assert len(found.texts["script"]) == 1  # which sorts and filters


def test_figures_work_in_a_notebook(result: BacktestResult) -> None:
    """Each figure is a plotly figure with data, fixed ids and no colour of its own."""
    made = figures.figures(result)
    assert list(made) == ["equity", "rolling-sharpe", "underwater", "folds", "exposure"]
    made |= {"ic-by-fold": figures.ic_by_fold(result), "importance": figures.importance(result)}
    for figure in made.values():
        assert figure.data
        assert "color" not in json.dumps(json.loads(figure.to_json())["data"])


def test_benchmark_of_the_same_name_is_still_drawn(result: BacktestResult) -> None:
    """A strategy named like its benchmark has both lines in its figure."""
    drawn = figures.equity(replace(result, benchmark_name=result.strategy)).data
    assert len(drawn) == 2
    assert list(drawn[0].y) != list(drawn[1].y)


def test_importance_is_averaged_over_folds(result: BacktestResult) -> None:
    """A feature that one fold lacks counts as 0 there; a fold without any importance does not count."""
    fits = [
        replace(fit, importance=share) for fit, share in zip(result.predicted.fits, ({"a": 1.0}, {"a": 0.5, "b": 0.5}, {}), strict=False)
    ]
    mean = figures.mean_importance(replace(result, predicted=replace(result.predicted, fits=tuple(fits))))
    assert mean.to_dict() == {"a": 0.75, "b": 0.25}


def test_importing_the_report_loads_neither_plotly_nor_jinja() -> None:
    """They load when a report is written, not when quantlab is imported."""
    code = "import sys, quantlab.report; sys.exit(any(name in sys.modules for name in ('plotly', 'jinja2')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_result_is_left_alone(result: BacktestResult, tmp_path: Path) -> None:
    """Writing a report changes nothing in the result."""
    before = {name: getattr(result.portfolio, name).copy() for name in ("returns", "orders", "trades", "exposure")}
    weights, signal = result.weights.copy(), result.predicted.signal.copy()
    write_report(result, tmp_path)
    for name, table in before.items():
        assert getattr(result.portfolio, name).equals(table)
    assert result.weights.equals(weights)
    assert result.predicted.signal.equals(signal)
