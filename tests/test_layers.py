"""Who may import whom: the floors of the house, decided here and not by a reviewer."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "quantlab"

NOUNS = {"errors", "blame", "bars", "news", "folds", "costs", "dataset", "result"}
PLUMBING = {"cache", "executor", "progress", "repro", "sessions", "storage", "trials"}
VERBS = {
    "data",
    "synthetic",
    "features",
    "target",
    "text",
    "models",
    "walkforward",
    "weights",
    "portfolio",
    "metrics",
    "significance",
    "report",
    "explain",
    "evidence",
}
ASSEMBLY = {"strategy", "provenance", "steps", "audit", "run", "combinatorial", "compare", "sweep", "finetune", "doctor"}
DOORS = {"backtest", "cli", "commands", "entry", "__main__"}
FLOORS = [NOUNS, PLUMBING, VERBS, ASSEMBLY, DOORS]
ALLOWED_AMONG_VERBS = {
    ("report", "metrics"): "a report is made of metrics",
    ("report", "significance"): "and of how sure they are",
    ("report", "evidence"): "and of what speaks for and against it",
    ("evidence", "metrics"): "evidence is metrics of parts",
    ("evidence", "significance"): "and how sure they are",
    ("walkforward", "explain"): "a fold says what each feature added to its predictions, while its model is at hand",
}
HOMES = {
    "vectorbt": {"portfolio.py"},
    "lightgbm": {"models.py"},
    "gensim": {"text/topics/"},
    "arch": {"significance/"},
    "optuna": {"sweep/"},
    "peft": {"text/"},
    "purgedcv": {"combinatorial.py"},
    "plotly": {"report/"},
    "jinja2": {"report/"},
    "torch": {"text/"},
    "transformers": {"text/"},
}


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """Return the name of a module's room: the top-level module or package that it belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of all that a module imports, wherever in it, except for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ([f"quantlab.{alias.name}" for alias in node.names] if node.module == "quantlab" else [str(node.module)])


def floor(name: str) -> int:
    """Return the floor of a room, 0 the lowest."""
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def test_every_module_stands_on_a_floor() -> None:
    """A new room is given its floor here, and no room of the plan is missing."""
    rooms = {room(path) for path in modules()} - {"__init__"}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    """A module imports from lower floors; on its own floor nouns, plumbing and assembly may, a verb may not."""
    here = room(path)
    if here == "__init__":
        return
    for name in imported(path):
        if not name.startswith("quantlab"):
            continue
        there = name.split(".")[1] if "." in name else ""
        if there in ("", here, "__version__"):
            continue
        assert floor(there) <= floor(here), f"{here} ({path.name}) imports {there} from a floor above"
        if here in VERBS and there in VERBS:
            assert (here, there) in ALLOWED_AMONG_VERBS, f"the verb {here} imports the verb {there}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_heavy_library_has_one_home(path: Path) -> None:
    """Vectorbt in portfolio, torch in text, and so on."""
    inside = path.relative_to(PACKAGE).as_posix()
    for name in imported(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or any(inside.startswith(home) for home in homes), f"{inside} imports {name}"


def test_no_exception_is_stale() -> None:
    """Each listed exception is used."""
    used = {(room(path), name.split(".")[1]) for path in modules() for name in imported(path) if name.startswith("quantlab.")}
    assert set(ALLOWED_AMONG_VERBS) <= used


def test_the_future_is_touched_in_one_file() -> None:
    """A negative shift stands in target.py alone; the delay of execution is one shift(1) in portfolio.py."""
    negative = {
        path.name for path in modules() if any(word in path.read_text(encoding="utf-8") for word in (".shift(-", "bfill(", "center=True"))
    }
    assert negative == {"target.py"}
    delay = [line for line in (PACKAGE / "portfolio.py").read_text(encoding="utf-8").splitlines() if "weights.shift(1)" in line]
    assert len(delay) == 1


def test_modules_and_functions_stay_small() -> None:
    """At most 300 lines a module, 40 a function, 7 parameters (an estimator's settings and a command's options are its interface)."""
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                size = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert size <= 40, f"{path}:{node.name} has {size} lines"
                width = len(node.args.args) + len(node.args.kwonlyargs)
                assert width <= 8 or node.name == "__init__" or room(path) in DOORS, f"{path}:{node.name} has {width} parameters"


def loaded_after(code: str) -> set[str]:
    """Return the heavy libraries that a fresh interpreter has loaded after running the code."""
    report = f"import sys\n{code}\nprint(*[name for name in {sorted(HOMES)!r} + ['pandas', 'sklearn'] if name in sys.modules])"
    return set(subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True).stdout.split())


def test_importing_quantlab_loads_nothing_heavy() -> None:
    """Not even pandas; `--help` answers at once."""
    assert loaded_after("import quantlab") == set()
    assert loaded_after("from quantlab.cli import main; main(['--help'])") & (set(HOMES) | {"pandas"}) == set()


def test_the_names_of_a_strategy_load_no_text_model_and_no_simulator() -> None:
    """What a strategy file imports costs pandas and scikit-learn."""
    code = (
        "from quantlab import Bars, Costs, ForwardReturn, Strategy, WalkForward, known_news\n"
        "from quantlab.text import LdaTopics, Sentiment, TextEncoder"
    )
    assert loaded_after(code) <= {"pandas", "sklearn"}
