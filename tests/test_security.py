"""The promises of SECURITY.md: no code from data, hashes verified, names that are no paths, reports and tables that do nothing."""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from encoder_case import tiny_checkpoint
from fake_result import fake_result
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.compare import compare, find_run, page, read_run
from quantlab.dataset import Dataset
from quantlab.errors import DataError, StorageError, UsageError
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.report import write_report
from quantlab.report.contract import contract
from quantlab.report.files import csv as as_csv
from quantlab.report.files import neutral
from quantlab.report.index import folder_name, write_index
from quantlab.result import BacktestResult
from quantlab.run import Settings, run
from quantlab.strategy import Strategy
from quantlab.sweep import parse_choices, sweep, write_sweep
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn
from quantlab.text import LdaTopics, Sentiment
from quantlab.text.encoder.checkpoint import find_checkpoint, load_encoder
from quantlab.weights import long_short

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "quantlab"

# --- no code from data -----------------------------------------------------------------------------------------------------------

CODE_IN_DATA = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "ctypes", "code", "runpy", "imp"}
OUTSIDE = {"subprocess", "socket", "socketserver", "http", "urllib", "requests", "httpx", "ftplib", "smtplib", "webbrowser", "asyncio"}
MAY_IMPORT = {
    ("executor.py", "joblib"): "worker processes of our own, started here: tasks and results travel between them as pickles, in memory",
    ("strategy/loading.py", "cloudpickle"): "a strategy file travels to those workers by value",
    ("report/index.py", "urllib"): "urllib.parse quotes a link",
}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "os.system", "os.popen"}
METHODS = {
    "read_pickle", "to_pickle", "load_module", "Unpickler", "loads_pickle", "fork", "execv", "spawnv",
}  # fmt: skip
WRONG = {
    "allow_pickle": True,
    "shell": True,
    "trust_remote_code": True,
    "weights_only": False,
    "autoescape": False,
    "use_safetensors": False,
}
LOADERS = {"torch", "joblib", "np", "numpy", "pickle", "LdaModel", "gensim", "yaml", "skops", "Word2Vec"}


def offences(path: Path) -> Iterator[str]:
    """Yield what a module does that could run code out of data, or reach out of the process."""
    name = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            top = module.partition(".")[0]
            if top in CODE_IN_DATA | OUTSIDE and (name, top) not in MAY_IMPORT:
                yield f"{name}:{node.lineno} imports {module}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, method = called.rpartition(".")
        if called in CALLS or method in METHODS or (method in ("load", "dump", "save") and owner.rpartition(".")[2] in LOADERS):
            yield f"{name}:{node.lineno} calls {called}"
        for keyword in node.keywords:
            if keyword.arg in WRONG and isinstance(keyword.value, ast.Constant) and keyword.value.value == WRONG[keyword.arg]:
                yield f"{name}:{node.lineno} passes {keyword.arg}={keyword.value.value}"


def test_no_module_can_run_code_out_of_data() -> None:
    """No pickle, no eval, no loader that unpickles, no shell, no socket; the three exceptions are listed with their reasons."""
    assert [offence for path in sorted(PACKAGE.rglob("*.py")) for offence in offences(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "import joblib", "import cloudpickle", "import subprocess", "import urllib.request",
        "eval('1')", "exec('1')", "torch.load('x')", "np.load('x')", "joblib.load('x')", "gensim.models.LdaModel.load('x')",
        "f(allow_pickle=True)", "f(shell=True)", "f(trust_remote_code=True)", "f(weights_only=False)",
        "pd.read_pickle('x')", "os.system('x')",
    ],
)  # fmt: skip
def test_the_scan_sees_what_it_looks_for(line: str, tmp_path: Path) -> None:
    """Each of them, in a module of its own."""
    (tmp_path / "module.py").write_text(line + "\n", encoding="utf-8")
    assert list(offences(tmp_path / "module.py"))


def test_every_exception_to_the_security_rules_has_its_reason() -> None:
    """`noqa: S...` is followed by words, in the package and in the tests; and the rules themselves are on."""
    bare = re.compile(r"noqa: [A-Z0-9, ]*\bS\d+[A-Z0-9, ]*$")
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not bare.search(line.rstrip()), f"{path.name}: {line}"
    assert '"S"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("select = [")[2].partition("]")[0]


# --- hashes ----------------------------------------------------------------------------------------------------------------------


def flip(path: Path, place: int = -1) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_of_the_cache_is_never_read(tmp_path: Path) -> None:
    """In the digest, in the header, in the values; and an entry under another's name."""
    store = Cache(tmp_path)
    for place in (0, 40, -1):
        store.save("ab" * 32, {"x": np.arange(4.0)})
        flip(store.entries()[0], place)
        assert store.load("ab" * 32) is None
    store.save("ab" * 32, {"x": np.arange(4.0)})
    shutil.copy(tmp_path / "ab" / ("ab" * 32 + ".qlc"), tmp_path / "ab" / ("ab" + "cd" * 31 + ".qlc"))
    assert store.load("ab" + "cd" * 31) is None


def test_flipped_weights_of_an_encoder_are_refused(tmp_path: Path) -> None:
    """They are hashed again when they are loaded; without safetensors there is nothing to load."""
    folder = tiny_checkpoint(tmp_path / "tiny")
    found = find_checkpoint(folder)
    flip(folder / "model.safetensors")
    with pytest.raises(StorageError, match="damaged: its sha256"):
        load_encoder(found, "float32")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="other formats can hold code"):
        find_checkpoint(folder)


@pytest.mark.usefixtures("quick")
def test_a_changed_run_is_not_compared(made: BacktestResult, tmp_path: Path) -> None:
    """Its files are held against the manifest."""
    folder = write_report(made, tmp_path)
    flip(folder / "returns.csv", 200)
    with pytest.raises(DataError, match=r"returns\.csv"):
        read_run(folder)


# --- names -----------------------------------------------------------------------------------------------------------------------

NAMES = (
    "../x", "..", ".", "", "/etc/passwd", "C:\\x", "\\\\host\\share", "con", "CON.txt", "nul", "index.html", "a\0b", "a\nb", "x" * 5000,
    "é", "e\u0301",
    "\u202egnp", "\ud800", "~root", "-rf", "a/b", "a\\b", "%2e%2e", "*", "$(id)", "`id`", " x ", "a.", ".hidden", "<script>",
)  # fmt: skip
WRITTEN = {"report.html", "report.json", "manifest.json", "returns.csv", "weights.csv", "signal.csv", "orders.csv", "trades.csv"}


@pytest.fixture(scope="module")
def made() -> BacktestResult:
    """Return a made-up run."""
    return fake_result(n_sessions=220, n_documents=20)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, made: BacktestResult) -> None:
    """Write the files of a run without working out what is in them: the tests of names look at the names alone."""
    content = contract(made)
    monkeypatch.setattr("quantlab.report.folder.contract", lambda result: {**content, "strategy": result.strategy, "run_id": result.run_id})
    monkeypatch.setattr("quantlab.report.page.render", lambda *_: "page")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", NAMES)
def test_no_name_becomes_a_path(name: str, made: BacktestResult, tmp_path: Path) -> None:
    """A name of a strategy and of a run, written for real: one folder in one folder, and nothing beside the reports."""
    reports = tmp_path / "here" / "reports"
    if name == "\ud800":  # no file can hold half a character: Strategy refuses such a name, and JSON of others cannot be written
        assert folder_name(name).isascii()
        return
    folder = write_report(replace(made, strategy=name, run_id=name), reports)
    assert folder.relative_to(reports).parts == (folder_name(name), folder_name(name))
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["reports"]
    assert {path.name for path in reports.iterdir() if not path.name.startswith(".")} == {folder_name(name), "index.html"}


@given(st.text(max_size=120), st.text(max_size=120))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_folder_name_is_one_folder_and_tells_names_apart(one: str, other: str) -> None:
    """ASCII, no separator, no device, no dot at either end, short enough for any file system; different names stay different."""
    names = [folder_name(text) for text in (one, other)]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_-]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?", name)
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    assert (names[0] == names[1]) == (one == other)


@pytest.mark.usefixtures("quick")
def test_names_in_the_data_make_no_file(tmp_path: Path) -> None:
    """Symbols, the data set and its notes: the same files as ever."""
    hostile = fake_result(symbols=("../../x", "/var/x", "a\0b", "con"), n_sessions=220)
    hostile = replace(hostile, dataset=replace(hostile.dataset, name="../../../y"), audit=None)
    folder = write_report(hostile, tmp_path / "reports")
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


@pytest.mark.parametrize("name", ["../x", "/etc", "..", "a/../../b", "x" * 300, "\0"])
def test_a_run_is_looked_for_inside_the_reports_or_where_it_is_said_to_be(name: str, tmp_path: Path) -> None:
    """What is no run is refused in words."""
    with pytest.raises((UsageError, DataError)):
        read_run(find_run(name, tmp_path))


# --- pages -----------------------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", '"><img src=x onerror=alert(3)>', "javascript:alert(4)",
    "{{7*7}}{% raw %}",
    "<svg onload=alert(5)>", "--><script>alert(6)</script>", "' onmouseover='alert(7)", "</style><style>*{}", "<iframe src=//evil.example>",
    "<a href=https://evil.example>x</a>", "&lt;script&gt;alert(8)&lt;/script&gt;", "<base href=//evil.example>",
    "=HYPERLINK(\"//evil.example\")",
    "<meta http-equiv=refresh content=0>", "]]><!--", "\u202e<b>", "<math><mtext></form><form>",
)  # fmt: skip
ACTIVE = {
    "iframe",
    "object",
    "embed",
    "base",
    "form",
    "img",
    "link",
    "a:external",
    "audio",
    "video",
    "frame",
    "applet",
    "math",
    "foreignobject",
}


class Inert(HTMLParser):
    """What a page could do: its scripts and styles, the attributes that act, the addresses it names, its policy."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[str | None, list[str]]] = []
        self.styles: list[list[str]] = []
        self.tags: list[str] = []
        self.acting: list[tuple[str, str, str | None]] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.shown: list[str] = []
        self.within: list[str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what acts."""
        said = dict(attrs)
        self.tags.append(tag)
        self.within = None
        if tag == "script":
            self.scripts.append((said.get("type"), []))
            self.within = self.scripts[-1][1]
        if tag == "style":
            self.styles.append([])
            self.within = self.styles[-1]
        if tag == "meta" and said.get("http-equiv") is not None:
            assert said["http-equiv"] == "Content-Security-Policy"
            self.policy = str(said.get("content"))
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "srcset", "formaction", "background", "ping", "action", "poster"):
                self.acting.append((tag, name, value))
            if name in ("href", "src", "xlink:href", "data", "cite"):
                self.addresses.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        """Leave a script or style."""
        self.within = None

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        (self.shown if self.within is None else self.within).append(data)


def check_inert(text: str, n_scripts: int) -> Inert:
    """Refuse a page that runs, loads or sends anything but its own scripts, which its policy names by their hash."""
    found = Inert(text)
    assert not ACTIVE & set(found.tags)
    assert found.acting == []
    assert all(re.fullmatch(r"#[\w-]+|[A-Za-z0-9._%-]+/[A-Za-z0-9._%-]+/report\.html", address) for address in found.addresses)
    directives = {part.partition(" ")[0]: part for part in found.policy.split("; ")}
    assert directives["default-src"] == "default-src 'none'"
    assert directives["base-uri"] == "base-uri 'none'"
    assert "unsafe" not in found.policy
    assert "http" not in found.policy
    for kind, content in found.scripts:
        if kind == "application/json":
            json.loads("".join(content))
        else:
            digest = base64.b64encode(hashlib.sha256("".join(content).encode()).digest()).decode()
            assert f"'sha256-{digest}'" in directives["script-src"]
    assert len(found.scripts) == n_scripts
    assert len(found.styles) == 1
    return found


def hostile_dataset() -> Dataset:
    """Return a small market in which companies, headlines, sources and the data set itself are called something else."""
    dataset = make_market(90, 6, seed=3).dataset
    names = dict(zip(dataset.bars.symbols, sorted(HOSTILE[: len(dataset.bars.symbols)]), strict=True))
    tables = {name: getattr(dataset.bars, name).rename(columns=names) for name in ("open", "high", "low", "close", "volume")}
    table = dataset.news.table
    texts = [f"{text} {HOSTILE[place % len(HOSTILE)]}" for place, text in enumerate(table["text"])]
    news = table.assign(symbol=table["symbol"].map(lambda symbol: names.get(symbol, symbol)), text=texts, source=HOSTILE[1])
    bars = Bars(**{name: table.sort_index(axis=1) for name, table in tables.items()})
    companies = {names[symbol]: HOSTILE[place] for place, symbol in enumerate(names)}
    return replace(dataset, name=HOSTILE[0], bars=bars, news=News(news), names=companies, notes=HOSTILE)


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Return the momentum and the news, one column under a hostile name."""
    return panel(**{"momentum": momentum(bars.close, 5), HOSTILE[2]: momentum(bars.close, 9), "news": known_news(news, bars)})


STRATEGY = Strategy(
    name="it's {{7-7}} & more",
    features=features,
    target=ForwardReturn(horizon=2),
    model=with_text(ridge_regressor(), Sentiment(), LdaTopics(n_topics=2)),
    weights=long_short,
    folds=WalkForward(train=40, test=20, min_train=40),
    description=" ".join(HOSTILE),
)


@pytest.fixture(scope="module")
def hostile() -> BacktestResult:
    """Return a run on hostile data."""
    return run(STRATEGY, hostile_dataset(), Settings(audit=False))


@pytest.fixture(scope="module")
def written(hostile: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of its report."""
    return write_report(hostile, tmp_path_factory.mktemp("reports"))


def test_a_report_of_hostile_data_does_nothing(written: Path) -> None:
    """Headlines, symbols, companies, features, description, notes: shown as text, everywhere."""
    found = check_inert((written / "report.html").read_text(encoding="utf-8"), n_scripts=4)
    shown = " ".join(found.shown)
    assert STRATEGY.name in shown
    for text in HOSTILE[:6]:
        assert text in shown


def test_texts_in_plots_are_escaped_too(written: Path) -> None:
    """Plotly understands a few tags in its texts: none of the data's is left as a tag."""
    found = Inert((written / "report.html").read_text(encoding="utf-8"))
    drawn = "".join(found.scripts[0][1])
    plots = json.loads(drawn)
    assert not re.search(r"<\s*(script|img|svg|iframe|a |base|meta|style)", json.dumps(plots, ensure_ascii=False), re.IGNORECASE)
    assert "</" not in drawn  # or the element would end in its middle


def test_the_list_of_runs_does_nothing(written: Path) -> None:
    """Not even for a report.json that somebody else wrote, with such a text in each place of it."""
    reports = written.parents[1]
    content = json.loads((written / "report.json").read_text(encoding="utf-8"))
    content |= {"strategy": HOSTILE[1], "run_id": HOSTILE[2]}
    content["verdict"] |= {"sentence": HOSTILE[3] + HOSTILE[0]}
    content["audit"]["verdict"] = HOSTILE[5]
    broken = {**content, "walk_forward": [{"test_start": HOSTILE[6], "test_end": HOSTILE[7]}]}
    for number, forged in enumerate((content, broken, {"strategy": HOSTILE[0]}, {**content, "returns": HOSTILE[5]})):
        (reports / "forged" / f"run{number}").mkdir(parents=True, exist_ok=True)
        (reports / "forged" / f"run{number}" / "report.json").write_text(json.dumps(forged), encoding="utf-8")
    try:
        found = check_inert(write_index(reports).read_text(encoding="utf-8"), n_scripts=1)
    finally:
        shutil.rmtree(reports / "forged")
    assert HOSTILE[1] in " ".join(found.shown)
    assert len([address for address in found.addresses if address.startswith("forged/")]) >= 1


def test_a_comparison_of_hostile_runs_does_nothing(hostile: BacktestResult, written: Path) -> None:
    """Names and settings that differ are data, too."""
    symbol = sorted(HOSTILE[:6])[0]
    other = run(replace(STRATEGY, name="other", benchmark=symbol), hostile.dataset, Settings(audit=False))
    records = [read_run(written), read_run(write_report(other, written.parents[1]))]
    found = check_inert(page(compare(records)), n_scripts=4)
    assert symbol in " ".join(found.shown)


def test_a_sweep_of_hostile_settings_does_nothing(tmp_path: Path) -> None:
    """Values that were tried, and the errors that they met."""
    choices = parse_choices([f"model.random_state=1,2,{HOSTILE[5]}", "weights.quantile=0.2,0.4"])
    result = sweep(replace(STRATEGY, model=ridge_regressor(), features=prices), hostile_dataset(), choices, Settings())
    found = check_inert(write_sweep(result, tmp_path).read_text(encoding="utf-8"), n_scripts=4)
    assert HOSTILE[5] in " ".join(found.shown)


def prices(bars: Bars, news: News) -> pd.DataFrame:
    """Return the momentum alone."""
    del news
    return panel(momentum=momentum(bars.close, 5))


def test_the_check_of_a_page_can_fail(written: Path) -> None:
    """Each of the ways in which a page could act is noticed."""
    text = (written / "report.html").read_text(encoding="utf-8")
    for bad in (
        "<script>1</script>",
        "<img src=x>",
        "<b onclick=x>",
        "<a href=https://x>",
        "<p style=x>",
        "<a href=javascript:x>",
        "<style>x</style>",
    ):
        with pytest.raises(AssertionError):
            check_inert(text.replace("</main>", f"{bad}</main>"), n_scripts=4)
    with pytest.raises(AssertionError):
        check_inert(text.replace("default-src &#39;none&#39;", "default-src *"), n_scripts=4)


# --- tables ----------------------------------------------------------------------------------------------------------------------


FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a cell


def is_number(cell: str) -> bool:
    """Return True if a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_no_cell_of_a_run_is_a_formula(written: Path) -> None:
    """In every CSV of a run on hostile data, headers included."""
    tables = sorted(written.glob("*.csv"))
    assert {path.name for path in tables} >= {name for name in WRITTEN if name.endswith(".csv")}
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                assert not [cell for cell in row if cell.startswith(FORMULA) and not is_number(cell)], path.name


@given(st.lists(st.text(max_size=8) | st.sampled_from([f"{sign}cmd|' /C calc'!A0" for sign in FORMULA]), min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_texts_are_neutralised_and_numbers_untouched(texts: list[str]) -> None:
    """A text that a spreadsheet would run gets an apostrophe; every other text and every number is as it was."""
    texts = [text for text in texts if text.isprintable()] or ["=1"]
    numbers = np.linspace(-1.5, 2.5, len(texts))
    rows = list(csv.reader(as_csv(pd.DataFrame({"=head": texts, "n": numbers})).decode().splitlines()))
    assert rows[0] == ["'=head", "n"]
    assert [row[0] for row in rows[1:]] == [neutral(text) for text in texts]
    assert [float(row[1]) for row in rows[1:]] == numbers.tolist()
    for text in texts:
        assert neutral(text) in (text, "'" + text)
        assert neutral(text).startswith("'") or not text.startswith(FORMULA)


# --- the page of promises --------------------------------------------------------------------------------------------------------


def test_the_trust_model_is_written_down() -> None:
    """SECURITY.md says what is trusted, what is verified, what is not protected, and how to report."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for word in (
        "strategy file",
        "pickle",
        "sha256",
        "safetensors",
        "trust_remote_code",
        "Content-Security-Policy",
        "cannot",
        "Advisories",
    ):
        assert word in text
    assert not re.search(r"[\w.]+@[\w.]+\.\w+", text)  # no invented address
    for file, module in MAY_IMPORT:
        assert (PACKAGE / file).is_file()
        assert module in (PACKAGE / file).read_text(encoding="utf-8")
