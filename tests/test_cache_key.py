"""The key of a cache entry: everything that determines a value is told apart in it, and nothing else."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from types import FunctionType, MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quantlab.cache import Cache, default_folder, is_whole, key
from quantlab.costs import Costs
from quantlab.errors import StorageError
from quantlab.repro import code_hash, described, one_thread, platform_facts, random_generator, versions

scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text("ab", max_size=3))
parts = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.text("ab", max_size=2), scalars, max_size=3),
    st.binary(max_size=3),
    st.lists(st.integers(0, 2), max_size=3).map(np.array),
)


def told(part: object) -> tuple[str, str]:
    """Return what the key must tell of a part: its kind and its content."""
    if isinstance(part, np.ndarray):
        return f"array {part.dtype.str} {part.shape}", part.tobytes().hex()
    return ("bytes", part.hex()) if isinstance(part, bytes) else ("json", json.dumps(part, sort_keys=True))


@given(st.lists(parts, max_size=3), st.lists(parts, max_size=3))
@settings(max_examples=200)
def test_keys_are_equal_exactly_if_their_parts_are(one: list[object], other: list[object]) -> None:
    """No two different lists of parts share a key, and equal ones have the same."""
    assert (key(*one) == key(*other)) == ([told(part) for part in one] == [told(part) for part in other])


def test_a_key_by_hand() -> None:
    """Each part is framed by its kind and length: what a person with sha256sum would compute."""
    framed = b'json 3\n"a"bytes 2\nab' + b"array <i8 (2,) 16\n" + np.array([1, 2], "<i8").tobytes() + b'json 16\n{"a": 1, "b": 2}'
    assert key("a", b"ab", np.array([1, 2], "<i8"), {"b": 2, "a": 1}) == hashlib.sha256(framed).hexdigest()
    assert key(float("nan")) == hashlib.sha256(b"json 3\nNaN").hexdigest()
    assert key(np.arange(6).reshape(2, 3).T) == key(np.arange(6).reshape(2, 3).T.copy())  # how it lies in memory does not matter


def test_rows_of_several_calls_are_kept_side_by_side(tmp_path: Path) -> None:
    """Each call keeps what it computed; an empty request is an empty table; half a character is a text like any other."""
    cache = Cache(tmp_path)
    for text in ("a", "b", "\ud800", "\udfff"):
        cache.rows("n", [text], lambda texts: np.array([[ord(texts[0])]], np.float32))
    found = cache.rows("n", ["\udfff", "\ud800", "b", "a"], lambda texts: pytest.fail(f"{texts} had been kept"))
    assert found.tolist() == [[0xDFFF], [0xD800], [98], [97]]
    nothing = cache.rows("n", [], lambda texts: pytest.fail("nothing was asked"))
    assert (nothing.shape, nothing.dtype) == ((0, 0), np.float32)
    with pytest.raises(ValueError, match="gave 1 vectors for 2 texts"):
        cache.rows("n", ["c", "d"], lambda texts: np.zeros((1, 1), np.float32))


def test_the_bound_is_kept_to_the_byte(tmp_path: Path) -> None:
    """Two entries fit into their own size; into one byte less fits the later one alone."""
    free = Cache(tmp_path)
    for name in ("aa", "bb"):
        free.save(name, {"x": np.zeros(10)})
    total = sum(path.stat().st_size for path in free.entries())
    for limit, left in ((total, 2), (total - 1, 1)):
        Cache(tmp_path, limit_bytes=limit).save("bb", {"x": np.zeros(10)})
        assert len(free.entries()) == left


def test_warnings_name_the_entry_or_the_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which file was damaged, and where nothing can be kept."""
    cache = Cache(tmp_path)
    cache.save("ab12", {"x": np.zeros(1)})
    path = cache.entries()[0]
    path.write_bytes(b"x" * 50)
    (tmp_path / "blocked").write_text("")
    with caplog.at_level(logging.WARNING):
        assert cache.load("ab12") is None
        Cache(tmp_path / "blocked").save("ab12", {"x": np.zeros(1)})
    assert caplog.messages[0].startswith("damaged cache entry")
    assert str(path) in caplog.messages[0]
    folder = tmp_path / "blocked"
    said = f"the cache in {folder} cannot be written (Not a directory): going on without keeping what is computed"
    assert caplog.messages[1] == said


def test_an_entry_is_whole_if_it_is_what_was_written_under_its_name(tmp_path: Path) -> None:
    """One byte more, or another name, and it is not; looking changes nothing."""
    Cache(tmp_path).save("ab12", {"x": np.zeros(1)})
    path = Cache(tmp_path).entries()[0]
    content = path.read_bytes()
    assert is_whole(path)
    assert path.read_bytes() == content
    moved = path.with_name("ab13.qlc")
    moved.write_bytes(content)
    path.write_bytes(content + b"x")
    assert not is_whole(path)
    assert not is_whole(moved)


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """An entry that is a folder is none of ours."""
    (tmp_path / "ab" / "ab12.qlc").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"^cannot remove .*ab12\.qlc: Is a directory: make its folder writable$"):
        Cache(tmp_path).clear()


def test_the_draft_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    """By the next that writes, wherever in the cache it lies."""
    draft = tmp_path / "cd" / ".writing-lost"
    draft.parent.mkdir()
    draft.write_bytes(b"half")
    Cache(tmp_path).save("ab12", {"x": np.zeros(1)})
    assert not draft.exists()


def test_the_cache_of_a_user_lies_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a user who has none is told what to say."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_folder() == Path("/home/somebody/.cache/quantlab")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StorageError, match=r"^there is no home folder for the cache \(HOME is not set\): give --cache DIR, or --no-cache$"):
        default_folder()


class Mood(Enum):
    """Two moods of one value each."""

    GLAD = 1
    SAD = 2


@dataclass
class Pair:
    """A dataclass with something in it."""

    left: object
    right: object = 1.0


class Slotted:
    """An object without a `__dict__`."""

    __slots__ = ()


@dataclass(slots=True)
class Tight:
    """A dataclass without a `__dict__`."""

    left: int


class Held:
    """An object with state but without a `__dict__`."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        """Keep the value."""
        self.value = value


class Doubler:
    """An object that is called."""

    def __init__(self) -> None:
        """Keep a number."""
        self.n = 2

    def __call__(self, x: float) -> float:
        """Return a multiple."""
        return self.n * x


class Tripler(Doubler):
    """One that does something else with the same number."""

    def __call__(self, x: float) -> float:
        """Return another multiple."""
        return (self.n + 1) * x


class Plain:
    """An object with attributes."""

    def __init__(self, value: object) -> None:
        """Keep the value."""
        self.value = value


def double(x: float) -> float:
    """Return twice as much."""
    return 2 * x


def sha(content: bytes) -> str:
    """Return the sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


HERE = __name__
UNIFORM = {"class": f"{type(uniform(0)).__module__}.{type(uniform(0)).__qualname__}"}
CASES = [
    (None, None),
    (True, True),
    (1.0, 1),
    (1.5, 1.5),
    (2.0**53, 2.0**53),
    (2.0**53 - 1, 2**53 - 1),
    (-(2.0**53), -(2.0**53)),
    (np.float64(2.0), 2),
    (np.int32(3), 3),
    (np.str_("a"), "a"),
    (np.datetime64("2024-01-01T00:00:00.000000001"), 1704067200000000001),
    (np.longdouble(0.5), "0.5"),
    (Mood.SAD, f"{HERE}.Mood.SAD"),
    (Path("a/b"), "a/b"),
    (date(2024, 1, 2), "2024-01-02"),
    (datetime(2024, 1, 2, 3), "2024-01-02 03:00:00"),
    (timedelta(days=1), "1 day, 0:00:00"),
    (pd.Timestamp("2024-01-02", tz="UTC"), "2024-01-02 00:00:00+00:00"),
    (pd.Timedelta("1h"), "0 days 01:00:00"),
    (1 + 2j, "(1+2j)"),
    (int, "<class 'int'>"),
    ((1, [2.0, "x"]), [1, [2, "x"]]),
    ({"b": 1, 2: 3.0}, {"2": 3, "b": 1}),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ({3, 1, 2}, {"set": [1, 2, 3]}),
    (frozenset({"b", "a"}), {"set": ["a", "b"]}),
    ({1, "a"}, {"set": ["a", 1]}),
    (b"ab", {"bytes": sha(b"ab")}),
    (bytearray(b"ab"), {"bytes": sha(b"ab")}),
    (np.zeros((2, 1)), {"array": sha(bytes(16)), "shape": [2, 1], "dtype": "<f8"}),
    (np.array(["a", None], object), {"array": sha(b'["a", null]'), "shape": [2]}),
    (Costs(fee_bps=1.5), {"class": "quantlab.costs.Costs", "delisting_haircut_bps": 1000, "fee_bps": 1.5, "slippage_bps": 5}),
    (Pair(1.0, (Pair(2),)), {"class": f"{HERE}.Pair", "left": 1, "right": [{"class": f"{HERE}.Pair", "left": 2, "right": 1}]}),
    (Tight(3), {"class": f"{HERE}.Tight", "left": 3}),
    (Held(3), {"class": f"{HERE}.Held", "args": [f"<class '{HERE}.Held'>"], "state": [[None, {"value": 3}]]}),
    (Decimal("1.50"), {"class": "decimal.Decimal", "args": ["1.50"], "state": []}),
    (re.compile("x", re.IGNORECASE), {"pattern": "x", "flags": 34}),
    (uniform(1.0, scale=2), {**UNIFORM, "dist": "uniform", "args": [1], "kwds": {"scale": 2}}),
    (pd.array([1, 2], dtype="Int64"), {"array": sha(b"[1, 2]"), "shape": [2]}),
    (Plain([1.0]), {"class": f"{HERE}.Plain", "value": [1]}),
    (json, {"module": "json"}),
    (Slotted, f"<class '{HERE}.Slotted'>"),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=[f"{number}-{type(value).__name__}" for number, (value, _) in enumerate(CASES)])
def test_a_description_by_hand(value: object, expected: object) -> None:
    """Word for word, down to the types: 1 is no 1.0 and no True."""
    assert json.dumps(described(value), sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_a_learner_is_described_by_its_parameters_but_not_by_how_fast_it_learns() -> None:
    """`n_jobs` and `cache` change no number; a 1.0 of a learner stays one, as `max_df=1.0` is all and `max_df=1` is one."""
    learner = make_pipeline(StandardScaler(), Ridge(alpha=1.0, tol=2.0))
    found = described(learner)
    assert found["class"] == "sklearn.pipeline.Pipeline"
    (first, scaler), (second, ridge) = found["steps"]
    assert (first, second, scaler["with_mean"]) == ("standardscaler", "ridge", True)
    assert json.dumps([ridge["alpha"], ridge["tol"]]) == "[1.0, 2]"
    assert json.dumps(described(Ridge(alpha=np.float64(1.0)))["alpha"]) == "1.0"

    @dataclass
    class Learner:
        alpha: float = 1.0
        n_jobs: int = 1
        cache: object = None

        def get_params(self, deep: bool = True) -> dict[str, object]:
            assert not deep  # its parts are described one by one
            return {"alpha": self.alpha, "n_jobs": self.n_jobs, "cache": self.cache}

    assert described(Learner(n_jobs=8, cache=Slotted())) == described(Learner())
    assert list(described(Learner())) == ["class", "alpha"]


def test_a_table_is_described_by_its_content() -> None:
    """Another value, index, name of a column, of the index or of the series, type or shape is another description."""
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index(["x", "y"], name="row"))
    tables = [
        frame,
        frame * 2,
        frame.rename(columns={"a": "b"}),
        frame.rename(index={"x": "z"}),
        frame.rename_axis("line"),
        frame.astype("int64"),
        frame.iloc[:1],
        frame.assign(b=1.0),
        frame["a"],
        frame["a"].rename("b"),
        frame["a"].rename_axis("line"),
        frame["a"].set_axis(["x", "z"]),
        frame["a"] * 2,
        frame.index,
        frame.index.rename("line"),
        pd.Index(["x", "z"], name="row"),
        pd.Categorical(["x", "y"]),
        pd.array([1, None], dtype="Int64"),
    ]
    found = [json.dumps(described(table)) for table in tables]
    assert len(set(found)) == len(found)
    assert found == [json.dumps(described(table.copy())) for table in tables]
    assert described(frame)["shape"] == [2, 1]
    assert set(described(frame)) == {"table", "shape"}
    assert set(described(frame["a"])) == {"column", "shape"}


def test_a_function_is_described_by_what_it_does() -> None:
    """Name, source, defaults, what it is bound to and what it closes over; a partial by its function and arguments."""
    assert set(described(double)) == {"function", "source"}
    assert described(double)["function"] == f"{HERE}.double"
    assert len(described(double)["source"]) == 16
    assert described(partial(double, 1.0, y=[2.0])) == {"function": described(double), "args": [1], "y": [2]}

    def outer(x: float, scale: float = 2.0, *, shift: float = 3.0) -> float:
        return double(x) * scale + shift + inner

    inner = 4.0
    found = described(outer)
    assert found["closure"] == {"inner": 4}
    assert (found["defaults"], found["kwdefaults"]) == ([2], {"shift": 3})
    assert described(Plain([1.0]).__init__)["self"] == {"class": f"{HERE}.Plain", "value": [1]}
    assert "self" not in described(len)  # a function of a module is bound to nothing
    assert described(len) == {"function": "builtins.len", "source": described(len)["source"]}
    bound = described(Plain([1.0]).__init__)
    assert (bound["function"], bound["source"]) == (f"{HERE}.Plain.__init__", described(Plain.__init__)["source"])
    double_of_a_strategy = FunctionType(double.__code__, {}, "double")
    double_of_a_strategy.__module__ = "quantlab_strategy_1a2b"
    assert described(double_of_a_strategy)["function"] == "strategy.double"
    called, other = described(Doubler()), described(Tripler())
    assert set(called) == {"class", "source", "n"}
    assert len({called["source"], other["source"], described(double)["source"]}) == 3


def test_functions_without_a_text_are_told_apart_by_their_code() -> None:
    """Made at run time, they differ in what they compute, with which constants, and whom they call."""
    lines = ("lambda x: x + 1", "lambda x: x + 2", "lambda x: x - 1", "lambda x: abs(x)", "lambda x: max(x)")
    found = {described(eval(line))["source"] for line in lines for _ in range(2)}  # noqa: S307  # the lines above
    assert len(found) == len(lines)
    assert described(np.log) != described(np.exp)


def test_what_contains_itself_is_described_once() -> None:
    """The place of the one above, counted from the outermost."""
    ring: list[object] = [1]
    ring.append([ring])
    assert described(ring) == [1, [{"again": 0}]]
    inner: list[object] = []
    inner.append(inner)
    assert described({"a": inner}) == {"a": [{"again": 1}]}


def test_what_cannot_be_told_apart_is_refused() -> None:
    """An object without parameters, attributes or state: the message says what would do."""
    with pytest.raises(TypeError, match=r"of type Slotted cannot be described as JSON: use a number, a string or a dataclass$"):
        described(Slotted())
    assert described(Plain(Slotted())) == {"class": f"{HERE}.Plain", "value": {"class": f"{HERE}.Slotted"}}


def test_random_numbers_are_named() -> None:
    """The same seed and name give the same stream, another seed or name another one."""
    draws = [random_generator(seed, name).random() for seed, name in ((1, "a"), (1, "a"), (1, "b"), (2, "a"))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
    assert draws[0] == np.random.default_rng([1, 0xE8B7BE43]).random()  # the CRC-32 of "a"


def test_the_code_is_hashed_by_name_and_content() -> None:
    """All code and word lists, or the files that are named; another file is another hash."""
    root = Path(__file__).resolve().parents[1] / "quantlab"
    files = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".csv", ".txt"))
    every = b"".join(path.relative_to(root).as_posix().encode() + b"\n" + path.read_bytes() for path in files)
    assert code_hash() == sha(every)
    assert code_hash("bars.py") == sha(b"bars.py\n" + (root / "bars.py").read_bytes())
    assert {path.suffix for path in files} == {".py", ".csv", ".txt"}


def test_the_facts_of_a_machine_are_those_that_may_change_a_number() -> None:
    """Versions of Python and of each library, None for one that is absent; machine, system and byte order."""
    found = versions()
    assert found["python"].count(".") == 2
    assert found["numpy"] == np.__version__
    assert found["pandas"] == pd.__version__
    assert set(platform_facts()) == {"machine", "system", "byteorder"}
    assert platform_facts()["byteorder"] == "little"


def test_fits_run_on_one_thread() -> None:
    """Inside, every pool has one thread; outside, as many as before."""
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
