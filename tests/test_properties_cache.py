"""The cache against a dictionary: it gives the value that was kept, or none; never another one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from quantlab.cache import SUFFIX, Arrays, Cache, key

NAMES = tuple(key(number) for number in range(4))
TEXTS = ("", "up", "down", "naïve 🚀")
LIMIT = 2500  # bytes: room for two or three entries

dtypes = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])
arrays = dtypes.flatmap(lambda dtype: nps.arrays(dtype, nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)))
values = st.dictionaries(st.sampled_from(["x", "y", "signal"]), arrays, min_size=1)


def same(one: Arrays, other: Arrays) -> bool:
    """Say whether two values are the same to the last bit, types and shapes included."""
    if sorted(one) != sorted(other):
        return False
    pairs = [(one[name], other[name]) for name in one]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def vectors(namespace: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return what an encoder of that name would say: a pure function of each text."""
    return np.array([[len(text), len(namespace), hash_of(text)] for text in texts], dtype=np.float32)


def hash_of(text: str) -> int:
    """Return a number that tells the texts apart."""
    return TEXTS.index(text)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
class CacheMachine(RuleBasedStateMachine):
    """Two handles on one folder, one of them bounded; files are bent, swapped and lost in between."""

    files = Bundle("files")

    @initialize()
    def start(self) -> None:
        """Begin with an empty folder."""
        self.folder = Path(mkdtemp())
        self.free, self.bounded = Cache(self.folder), Cache(self.folder, limit_bytes=LIMIT)
        self.model: dict[str, Arrays] = {}
        self.sure: set[str] = set()  # kept, and nothing has happened since that may take it away

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Return the file of an entry."""
        return self.folder / name[:2] / f"{name}{SUFFIX}"

    @rule(name=st.sampled_from(NAMES), value=values, bounded=st.booleans())
    def save(self, name: str, value: Arrays, bounded: bool) -> None:
        """Keep a value under a name, over an older one."""
        (self.bounded if bounded else self.free).save(name, value)
        self.model[name] = value
        if bounded:
            self.sure.clear()
            assert sum(path.stat().st_size for path in self.free.entries()) <= LIMIT
        else:
            self.sure.add(name)

    @rule(name=st.sampled_from(NAMES), bounded=st.booleans())
    def load(self, name: str, bounded: bool) -> None:
        """Whichever handle asks: the value last kept, or nothing, and never nothing where nothing has happened to it."""
        found = (self.bounded if bounded else self.free).load(name)
        assert found is None or same(found, self.model[name])
        assert found is not None or name not in self.sure
        assert (found is not None) == self.path(name).exists()  # what cannot be used is removed

    @rule(name=st.sampled_from(NAMES), value=values)
    def load_or(self, name: str, value: Arrays) -> None:
        """Compute and keep it only if it is not there."""
        calls = []
        found = self.free.load_or(name, lambda: calls.append(name) or value)
        if calls:
            assert name not in self.sure
            self.model[name] = value
            self.sure.add(name)
        assert same(found, self.model[name])

    @rule(namespace=st.sampled_from(["one", "other"]), texts=st.lists(st.sampled_from(TEXTS), max_size=5), bounded=st.booleans())
    def rows(self, namespace: str, texts: list[str], bounded: bool) -> None:
        """A vector for each text, in order, repeats included, whatever had been kept or lost."""
        asked: list[str] = []

        def compute(missing: Sequence[str]) -> npt.NDArray[np.float32]:
            asked.extend(missing)
            return vectors(namespace, missing)

        found = (self.bounded if bounded else self.free).rows(namespace, texts, compute)
        assert found.tobytes() == (vectors(namespace, texts).tobytes() if texts else b"")
        assert len(set(asked)) == len(asked)
        assert set(asked) <= set(texts)
        if bounded and asked:
            self.sure.clear()
        again = self.free.rows(namespace, texts, lambda missing: pytest.fail(f"{missing} had been kept")) if not bounded else found
        assert again.tobytes() == found.tobytes()

    @rule(place=st.integers(0, 20), at=st.integers(0, 10**6), how=st.sampled_from(["flip", "cut", "empty", "longer", "swap", "lose"]))
    def damage(self, place: int, at: int, how: str) -> None:
        """Bend a file of the cache, put another's content there, or take it away."""
        entries = sorted(self.free.entries())
        if not entries:
            return
        path, other = entries[place % len(entries)], entries[at % len(entries)]
        content = path.read_bytes()
        place = at % max(len(content), 1)
        if how == "lose":
            path.unlink()
        elif how == "flip":
            path.write_bytes(content[:place] + bytes(byte ^ 1 << at % 8 for byte in content[place : place + 1]) + content[place + 1 :])
        elif how == "swap":
            path.write_bytes(other.read_bytes())
        else:
            path.write_bytes({"cut": content[:place], "empty": b"", "longer": content + b"\0"}[how])
        if how != "swap" or other != path:
            self.sure.discard(path.stem)

    @rule()
    def clear(self) -> None:
        """Remove every entry, and nothing else."""
        (self.folder / "notes.txt").write_text("mine")
        n = len(self.free.entries())
        assert self.bounded.clear() == n
        assert (self.folder / "notes.txt").read_text() == "mine"
        self.sure.clear()

    @invariant()
    def leaves_no_drafts(self) -> None:
        """Every file is a whole entry, or not the cache's."""
        strangers = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != SUFFIX and path.name != "notes.txt"]
        assert strangers == []


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=40, stateful_step_count=30)
