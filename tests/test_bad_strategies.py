"""Bad strategy files: each is one message with file, line and fix, and exit code 2; nothing that was there before is touched."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from quantlab.bars import Bars
from quantlab.cli import main
from quantlab.errors import StrategyError
from quantlab.executor import processes
from quantlab.run import Settings, run
from quantlab.steps import decided, samples
from quantlab.strategy import load_strategy
from quantlab.synthetic import make_market, write_dataset

HEAD = '''"""Buy what rose."""
import sys
from functools import partial
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from quantlab import Costs, ForwardReturn, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short

def features(bars, news):
    return panel(m=momentum(bars.close, 5))

parts = dict(name="mine", features=features, target=ForwardReturn(horizon=2), model=ridge_regressor(), weights=long_short,
             folds=WalkForward(train=30, test=10, min_train=25))
'''
END = "strategy = Strategy(**parts)\n"
LINE = HEAD.count("\n") + 1  # of what follows the head
UTF16 = (HEAD + END).encode("utf-16")
PLACE = rf"mine\.py, line {LINE + 1}"


def part(name: str, value: str) -> str:
    """Return a file in which one part has another value."""
    return f'{HEAD}parts["{name}"] = {value}\n{END}'


def function(name: str, *lines: str) -> str:
    """Return a file in which features or weights does something else."""
    arguments = {"features": "bars, news", "weights": "signal, bars"}[name]
    return f"{HEAD}def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in lines) + f'parts["{name}"] = {name}\n{END}'


def model(fit: str = "return self", predict: str = "return np.zeros(len(X))", init: str = "self") -> str:
    """Return a file with a learner of the user's own."""
    body = (
        f"    def __init__({init}):\n        pass\n    def fit(self, X, y):\n        {fit}\n    def predict(self, X):\n        {predict}\n"
    )
    return f'{HEAD}class Mine(RegressorMixin, BaseEstimator):\n{body}parts["model"] = Mine()\n{END}'


def target(returns: str, horizon: str = "2") -> str:
    """Return a file with a label of the user's own."""
    body = f"    horizon = {horizon}\n    def __call__(self, bars):\n        return {returns}\n"
    return f'{HEAD}class Mine:\n{body}parts["target"] = Mine()\n{END}'


FILES: Mapping[str, tuple[str | bytes, str]] = {
    "no strategy": (HEAD, "defines no `strategy`"),
    "another name": ("stratgy = 1\n", "did you mean 'stratgy'"),
    "empty": ("", "defines no `strategy`"),
    "a number": ("strategy = 3\n", "of type int"),
    "the class": (HEAD + "strategy = Strategy\n", "of type type"),
    "grammar": (HEAD + "def f(:\n", rf"mine\.py, line {LINE} raises SyntaxError: invalid syntax: mend that line"),
    "indent": (HEAD + "  x = 1\n", rf"line {LINE} raises IndentationError"),
    "Latin-1": (HEAD.encode() + b'x = "caf\xe9"\n', r"line \d+ raises SyntaxError.*save the file as UTF-8"),
    "UTF-16": (UTF16, r"mine\.py raises .*null bytes: save the file as UTF-8"),
    "NUL": (HEAD.encode() + b"\0", "save the file as UTF-8"),
    "raises": (HEAD + "1 / 0\n", rf"line {LINE} raises ZeroDivisionError: division by zero: mend that line"),
    "raises nothing we know": (HEAD + "class Odd(BaseException): ...\nraise Odd('x')\n", rf"line {LINE + 1} raises Odd: x"),
    "exits": (HEAD + "sys.exit(0)\n", rf"line {LINE} leaves the process"),
    "recursion": (HEAD + "def f(): return f()\nf()\n", rf"line {LINE} raises RecursionError"),
    "missing import": ("import no_such\n", "line 1 raises ModuleNotFoundError.*no_such.*install it"),
    "misspelt parameter": (part("folds", "WalkForward(trian=3)"), rf"line {LINE} .*did you mean 'train'"),
    "misspelt part": (part("featuers", "1"), "did you mean 'features'"),
    "misspelt option": (part("weights", "partial(long_short, quantil=0.2)"), "long_short has no option 'quantil'.*did you mean 'quantile'"),
    "horizon 0": (part("target", "ForwardReturn(horizon=0)"), rf"line {LINE}: ForwardReturn.horizon"),
    "horizon true": (target("None", "True"), "needs a horizon in bars"),
    "horizon longer than the data": (part("target", "ForwardReturn(horizon=90)"), "60 bars are too few for one fold"),
    "window longer than the data": (part("folds", "WalkForward()"), "60 bars are too few for one fold"),
    "name up": (part("name", '"../x"'), "name of a folder"),
    "name of two lines": (part("name", '"a\\nb"'), "name of a folder"),
    "name of half a character": (part("name", '"a\\ud800"'), "name of a folder"),
    "name 3": (part("name", "3"), "name of a folder"),
    "no model": (part("model", "None"), "scikit-learn estimator"),
    "model is a class": (part("model", "Ridge"), "scikit-learn estimator"),
    "model without end": (part("model", "type('M', (Ridge,), {'__init__': lambda self, *a: None})()"), "cannot be cloned"),
    "costs": (part("costs", "5.0"), "costs must be Costs"),
    "negative costs": (part("costs", "Costs(fee_bps=-1)"), rf"line {LINE}: Costs.fee_bps"),
    "fill": (part("fill", '"opne"'), "did you mean 'open'"),
    "cash": (part("cash", '"much"'), "cash must be a number above 0"),
    "no cash": (part("cash", "0"), "cash must be a number above 0"),
    "cash NaN": (part("cash", 'float("nan")'), "cash must be a number above 0"),
    "gross": (part("max_gross", "-1"), "max_gross must be a number above 0"),
    "benchmark 7": (part("benchmark", "7"), "benchmark are texts"),
    "benchmark unknown": (part("benchmark", '"NOPE"'), "benchmark 'NOPE' has no bars"),
    "features of one argument": (HEAD + 'def f(bars): ...\nparts["features"] = f\n' + END, r"called as features\(bars, news\)"),
    "features raises": (function("features", "return 1 / 0"), rf"{PLACE}, in features, raises ZeroDivisionError.*mend that line"),
    "features exits": (function("features", "sys.exit(0)"), rf"{PLACE}, in features, leaves the process"),
    "features misspells": (function("features", "return panel(x=bars.clse)"), rf"{PLACE}, in features, raises AttributeError"),
    "features asks for the impossible": (function("features", "return panel(m=momentum(bars.close, -5))"), rf"{PLACE}: momentum: window"),
    "features misaligned": (function("features", "return panel(a=bars.close, b=bars.close.iloc[1:])"), rf"{PLACE}: panel: 'b' is not"),
    "features writes to arrays": (function("features", "bars.close.to_numpy()[:] = 1"), rf"{PLACE}, in features, .*read-only"),
    "features None": (function("features", "return None"), rf"features\(bars, news\) \(.*mine\.py, line {LINE}\) must return a DataFrame"),
    "features wide": (function("features", "return bars.close"), "must return a DataFrame indexed by"),
    "features without a column": (function("features", "return panel(x=bars.close)[[]]"), "has no column"),
    "features without a row": (function("features", "return panel(x=bars.close).iloc[:0]"), "has no row"),
    "features unsorted": (function("features", "return panel(x=bars.close).iloc[::-1]"), "unique and sorted"),
    "features twice": (
        function("features", "p = panel(x=bars.close)", "return pd.concat([p, p], axis=1)"),
        "names that are texts and differ",
    ),
    "features of others": (function("features", "return panel(x=bars.close.add_prefix('Q'))"), "rows that are no .time, symbol."),
    "features complex": (function("features", "return panel(x=bars.close) * 1j"), "holds complex numbers"),
    "features of words": (function("features", 'return panel(x=bars.close).assign(x="a")'), "the model raises .*its columns x hold no"),
    "news unread": (function("features", "return panel(x=bars.close, news=known_news(news, bars))"), r"with_text\(...\) reads news"),
    "news unmade": (part("model", "with_text(ridge_regressor(), Sentiment())"), "Sentiment reads the column 'news'"),
    "NaN into what takes none": (
        function("features", "return panel(x=bars.close * np.nan)").replace("ridge_regressor()", "Ridge()"),
        r"the model raises ValueError: Input X contains NaN\.: see the whole",
    ),
    "weights raises": (function("weights", "return 1 / 0"), rf"{PLACE}, in weights, raises ZeroDivisionError"),
    "weights exits": (function("weights", "sys.exit(0)"), rf"{PLACE}, in weights, leaves the process"),
    "weights None": (function("weights", "return None"), rf"weights\(signal, bars\) \(.*mine\.py, line {LINE}\) must return"),
    "weights short": (function("weights", "return long_short(signal, bars).iloc[1:]"), "times and symbols of bars"),
    "weights turned round": (function("weights", "return long_short(signal, bars).iloc[:, ::-1]"), "times and symbols of bars"),
    "weights NaN": (function("weights", "return long_short(signal, bars) * np.nan"), r"gives nan for ALDE at .*2021-02-11.*NaN would hold"),
    "weights complex": (function("weights", "return long_short(signal, bars) * 1j"), "must return numbers"),
    "weights of texts": (function("weights", "return long_short(signal, bars).astype(str)"), "must return numbers"),
    "weights too large": (function("weights", "return long_short(signal, bars) * 5"), "gross exposure 5.0000 .* exceeds the limit of 1"),
    "fit raises": (model(fit='raise ValueError("bad")'), r"mine\.py, line \d+, in the model, raises ValueError: bad"),
    "fit exits": (model(fit="sys.exit(4)"), "in the model, leaves the process"),
    "predict raises": (model(predict='raise KeyError("p")'), "in the model, raises KeyError: 'p'"),
    "predict three": (model(predict="return np.zeros(3)"), r"Mine.predict gives \(3,\) values for 40 rows"),
    "predict two columns": (model(predict="return np.zeros((len(X), 2))"), r"gives \(40, 2\) values"),
    "predict words": (model(predict='return ["a"] * len(X)'), "the model raises ValueError: could not convert"),
    "predict NaN": (model(predict="return np.full(len(X), np.nan)"), "Mine predicts NaN in all 109 test rows"),
    "predict infinity": (model(predict="return np.full(len(X), np.inf)"), "Mine predicts infinity in 109 of 109 test rows"),
    "a classifier of returns": (part("model", "LogisticRegression()"), "a classifier needs the labels"),
    "target raises": (target("1 / 0"), r"mine\.py, line \d+, in the target, raises ZeroDivisionError"),
    "target None": (target("None"), rf"target\(bars\) \(.*mine\.py, line {LINE + 2}\) must return a Series"),
    "target NaN": (target("bars.close.stack() * np.nan"), "the target gives NaN throughout"),
    "target infinite": (target("bars.close.stack() * np.inf"), "must return finite numbers"),
    "target of texts": (target("bars.close.stack().astype(str)"), "must return finite numbers"),
}
SETTINGS = {
    "nope=1": "unknown name 'nope'",
    "folds.trian=3": "did you mean 'train'",
    "folds.train=" + "9" * 5000: "a value of 5,000 characters is too long",
    "folds.train=1e400": "whole number of bars >= 2, not inf",
    "name=../x": "name of a folder",
    "model.alpha=-1": "the model raises InvalidParameterError: The 'alpha'",
    "model.alpha=" + "(" * 400: "the model raises InvalidParameterError",
    "folds=3": "folds must be WalkForward",
    "folds.__class__=1": "unknown name '__class__'",
    "cash=0": "cash must be a number above 0",
    "target.horizon=1000": "60 bars are too few",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small market in `data`, and the report of a good run in `out`."""
    folder = tmp_path_factory.mktemp("bad strategies")
    write_dataset(make_market(60, 4, seed=3).dataset, folder / "data")
    assert answered(folder, HEAD + END) == 0
    return folder


def answered(folder: Path, text: str | bytes, *more: str) -> int:
    """Write a strategy file and return the exit code of its back-test."""
    (folder / "mine.py").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return main(["backtest", *(str(folder / "mine.py"), "--data", str(folder / "data"), "--out", str(folder / "out"), "--no-cache", *more)])


def outputs(folder: Path) -> dict[Path, bytes]:
    """Return every file that runs have written."""
    return {path: path.read_bytes() for path in sorted((folder / "out").rglob("*")) if path.is_file()}


def check(place: Path, said: str, capsys: pytest.CaptureFixture[str], text: str | bytes, *more: str) -> None:
    """Run a bad file: exit code 2, one message that says so, no traceback, and the outputs of before as they were."""
    before = outputs(place)
    capsys.readouterr()
    assert answered(place, text, *more) == 2
    shown = capsys.readouterr().err
    assert pd.Series([shown.replace("\n", " ")]).str.contains(f"error: .*{said}").all(), shown
    assert "Traceback" not in shown
    assert "a bug of quantlab" not in shown
    assert len(shown) < 1500
    assert outputs(place) == before


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_message_with_its_place(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a user's own code does wrong, in whatever part, is no bug of ours: exit code 2."""
    text, said = FILES[name]
    check(place, said, capsys, text)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting[:20])
def test_a_bad_setting_is_one_message(setting: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown, impossible and huge ones."""
    check(place, SETTINGS[setting], capsys, HEAD + END, "--set", setting)


def test_debug_shows_the_users_traceback(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the original error in it."""
    assert answered(place, function("features", "return 1 / 0"), "--debug") == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "return 1 / 0" in shown


def test_a_worker_process_tells_as_much(place: Path) -> None:
    """File and line survive the way back from another process."""
    text, said = FILES["fit exits"]
    (place / "mine.py").write_text(str(text), encoding="utf-8")
    with pytest.raises(StrategyError, match=said):
        run(load_strategy(place / "mine.py"), make_market(60, 4, seed=3).dataset, Settings(executor=processes(2), audit=False))


def test_a_bug_of_ours_is_not_blamed_on_the_user(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks inside a weight rule of our own, called by us, is exit code 1; called by the user's line, it names that line."""
    monkeypatch.setattr("quantlab.weights._table", operator.neg)  # a TypeError, with no line of this file in its traceback
    assert answered(place, HEAD + END) == 1
    assert "a bug of quantlab" in capsys.readouterr().err
    assert answered(place, function("weights", "return long_short(signal, bars)")) == 2
    assert "in weights, raises TypeError" in capsys.readouterr().err


def test_the_file_that_was_hashed_is_the_one_that_runs(tmp_path: Path) -> None:
    """Another text of the same size and second: Python's own loader would take the compiled first one from __pycache__."""
    import os

    path, names = tmp_path / "mine.py", []
    for name in ("one", "two"):
        path.write_text((HEAD + END).replace('name="mine"', f'name="{name}"'), encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        names.append(load_strategy(path).name)
    assert names == ["one", "two"]
    assert not (tmp_path / "__pycache__").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A file that never ends is refused by its kind."""
    import os

    os.mkfifo(tmp_path / "mine.py")
    with pytest.raises(StrategyError, match="folder or a device"):
        load_strategy(tmp_path / "mine.py")


def test_what_a_file_prints_is_no_part_of_the_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr."""
    import json

    text = function("features", 'print("hello")', "return panel(m=momentum(bars.close, 5))")
    assert answered(place, text, "--json", "--no-audit") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["strategy"] == "mine"
    assert "hello" in shown.err


def test_what_functions_write_to_their_arguments_reaches_nobody(tmp_path: Path) -> None:
    """Bars, news and signal are lent: a run sees the prices of the data, whatever a strategy does to its copy."""
    dataset = make_market(60, 4, seed=3).dataset
    spoil = ("bars.close.iloc[:] = 7.0", 'bars.open["ZZZ"] = 1.0', 'news.table["text"] = "x"', "return panel(m=bars.high)")
    (tmp_path / "mine.py").write_text(function("features", *spoil), encoding="utf-8")
    before = {name: getattr(dataset.bars, name).copy() for name in ("open", "close", "high")}, dataset.news.table.copy()
    strategy = load_strategy(tmp_path / "mine.py")
    X, y = samples(strategy, dataset, None)
    signal = y.fillna(0.0).rename("signal")

    def weights(signal: pd.Series, bars: Bars) -> pd.DataFrame:
        """Spoil both arguments."""
        signal.iloc[:] = 9.0
        bars.close.iloc[:] = 7.0
        return bars.close * 0.0

    kept = signal.copy()
    assert (decided(replace(strategy, weights=weights), signal, dataset.bars) == 0).all(axis=None)
    pd.testing.assert_series_equal(signal, kept)
    for name, table in before[0].items():
        pd.testing.assert_frame_equal(getattr(dataset.bars, name), table)
    pd.testing.assert_frame_equal(dataset.news.table, before[1])
    assert len(X) == dataset.bars.listed.to_numpy().sum()


def test_a_model_that_writes_to_its_rows_changes_no_variant(tmp_path: Path) -> None:
    """The placebo, and what is left without the text, are fitted on the rows as they were."""
    dataset = make_market(60, 4, seed=3).dataset
    honest = "self.m_ = float(X.to_numpy()[:, 0].mean()); return self"
    texts = [
        model(fit=fit, predict="return X.to_numpy()[:, 0] + self.m_")
        for fit in (honest, honest.replace("return", "X.iloc[:] = 0.0; return"))
    ]
    signals = []
    for number, text in enumerate(texts):
        reading = text.replace("m=momentum(bars.close, 5)", "m=momentum(bars.close, 5).fillna(0.0), news=known_news(news, bars)")
        path = tmp_path / f"mine_{number}.py"
        path.write_text(reading.replace("= Mine()", "= with_text(Mine(), Sentiment())"), encoding="utf-8")
        signals.append(run(load_strategy(path), dataset, Settings(audit=False)).predicted.variants)
    for name in ("no_text", "text_only", "placebo"):
        pd.testing.assert_series_equal(signals[0][name], signals[1][name])


def test_features_that_are_missing_throughout_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run goes on without them, and says so."""
    assert answered(place, function("features", "return panel(m=momentum(bars.close, 5), none=bars.close * np.nan)"), "--no-audit") == 0
    assert "the feature 'none' is missing in every row" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["one symbol", "constant prices", "one day"])
def test_data_with_nothing_to_choose_from(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One symbol and prices that never move are a run without a trade; one day is too few bars. No figure is cut in its middle."""
    dataset = make_market(60, 4, seed=3).dataset
    tables = {name: getattr(dataset.bars, name) for name in ("open", "high", "low", "close", "volume")}
    made = {
        "one symbol": lambda table: table.iloc[:, :1],
        "constant prices": lambda table: table * 0.0 + 100.0,
        "one day": lambda table: table.iloc[:1],
    }[kind]
    write_dataset(replace(dataset, bars=Bars(**{name: made(table) for name, table in tables.items()})), tmp_path / "data")
    assert answered(tmp_path, HEAD + END) == (2 if kind == "one day" else 0)
    shown = capsys.readouterr()
    assert ("1 bars are too few" in shown.err) if kind == "one day" else (" +0.0% in all" in shown.out)
    assert " /a" not in shown.out


@pytest.mark.parametrize("name", ["missing.py", ".", "data/bars.csv", "a\0b.py", "x" * 300 + ".py"])
def test_what_is_no_file_of_python_is_said(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, a folder, a table, and names that no file can have."""
    assert main(["backtest", str(place / name), "--data", str(place / "data"), "--out", str(place / "out")]) == 2
    shown = capsys.readouterr().err
    assert "a bug of quantlab" not in shown
    assert "strategy" in shown or "null byte" in shown
