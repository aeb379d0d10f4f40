"""The cache changes how long a run takes, never its result."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from quantlab import cache as store
from quantlab.cache import Arrays, Cache
from quantlab.errors import StorageError
from quantlab.storage import write_atomically


def counted(calls: list[int]) -> Arrays:
    """Return a value, and count how often it was computed."""
    calls.append(1)
    return {"x": np.arange(3.0)}


def test_a_value_is_computed_once(tmp_path: Path) -> None:
    """The second request reads the file; both give the same array."""
    calls: list[int] = []
    first, second = (Cache(tmp_path).load_or("ab12", lambda: counted(calls)) for _ in range(2))
    assert len(calls) == 1
    assert first["x"].tobytes() == second["x"].tobytes()


def test_another_key_never_hits(tmp_path: Path) -> None:
    """Each name has its own value."""
    calls: list[int] = []
    for name in ("ab12", "ab13"):
        Cache(tmp_path).load_or(name, lambda: counted(calls))
    assert len(calls) == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "swap"])
def test_a_damaged_entry_is_reported_and_computed_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """A flipped bit, a short file, an empty one, and the entry of another key under this name."""
    cache = Cache(tmp_path)
    cache.load_or("ab12", lambda: {"x": np.arange(3.0)})
    cache.load_or("ab99", lambda: {"x": np.zeros(3)})
    path = tmp_path / "ab" / "ab12.qlc"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    other = (tmp_path / "ab" / "ab99.qlc").read_bytes()
    path.write_bytes({"flip": bytes(content), "truncate": bytes(content[:-5]), "empty": b"", "swap": other}[damage])
    with caplog.at_level(logging.WARNING):
        assert cache.load_or("ab12", lambda: {"x": np.arange(3.0)})["x"].tolist() == [0, 1, 2]
    assert "damaged cache entry" in caplog.text
    assert cache.load_or("ab12", lambda: pytest.fail("it was stored again"))["x"].tolist() == [0, 1, 2]


def lengths(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return a two-value vector per text."""
    return np.array([[len(text), text.count("a")] for text in texts], dtype=np.float32)


def test_rows_compute_only_what_is_missing(tmp_path: Path) -> None:
    """Vectors come back in the order of the request, old and new mixed, duplicates included."""
    cache, asked = Cache(tmp_path), list[list[str]]()

    def compute(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        asked.append(list(texts))
        return lengths(texts)

    cache.rows("encoder", ["a", "bb"], compute)
    found = cache.rows("encoder", ["ccc", "bb", "a", "ccc"], compute)
    assert asked == [["a", "bb"], ["ccc"]]
    assert found.tobytes() == lengths(["ccc", "bb", "a", "ccc"]).tobytes()
    assert cache.rows("another", ["a"], compute).tolist() == [[1, 1]]
    assert len(asked) == 3


def test_rows_that_do_not_fit_the_texts_are_not_kept(tmp_path: Path) -> None:
    """A vector too few is an error at once, and not at every later read."""
    cache = Cache(tmp_path)
    with pytest.raises(ValueError, match="gave 1 vectors for 2 texts"):
        cache.rows("encoder", ["a", "bb"], lambda texts: lengths(texts[:1]))
    assert cache.entries() == []
    assert cache.rows("encoder", ["a", "bb"], lengths).tolist() == [[1, 1], [2, 0]]


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    """A bound of two entries keeps the one just read and the one just written."""
    size = (Cache(tmp_path).load_or("aa", lambda: {"x": np.zeros(1000)}), Cache(tmp_path).entries()[0].stat().st_size)[1]
    cache = Cache(tmp_path, limit_bytes=2 * size + 10)
    cache.load_or("bb", lambda: {"x": np.zeros(1000)})
    for path in cache.entries():
        os.utime(path, ns=(1, 1))  # both long ago: two calls may fall into one tick of the clock
    cache.load_or("aa", lambda: pytest.fail("still there"))
    cache.load_or("cc", lambda: {"x": np.zeros(1000)})
    assert sorted(path.stem for path in cache.entries()) == ["aa", "cc"]


def test_the_folder_is_looked_through_once_and_not_at_each_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far below its bound there is no need; a large cache would make each entry slow."""
    looks: list[int] = []
    sizes = Cache._sizes
    monkeypatch.setattr(Cache, "_sizes", lambda cache: looks.append(1) or sizes(cache))
    cache = Cache(tmp_path)
    for number in range(20):
        cache.save(f"{number:02d}", {"x": np.zeros(1)})
    assert len(looks) == 1


def test_two_writers_keep_the_bound(tmp_path: Path) -> None:
    """Each counts what it writes itself, and looks again before the other can have added much."""
    size = (Cache(tmp_path).load_or("aa", lambda: {"x": np.zeros(1000)}), Cache(tmp_path).entries()[0].stat().st_size)[1]
    one, other = (Cache(tmp_path, limit_bytes=64 * size) for _ in range(2))
    for number in range(100):
        one.save(f"a{number:03d}", {"x": np.zeros(1000)})
        other.save(f"b{number:03d}", {"x": np.zeros(1000)})
        assert len(one.entries()) <= 64 + 8
    assert len(one.entries()) >= 60


def test_clear_removes_entries_and_nothing_else(tmp_path: Path) -> None:
    """A stranger's file in the folder survives."""
    cache = Cache(tmp_path)
    cache.load_or("ab12", lambda: {"x": np.zeros(1)})
    (tmp_path / "ab" / "notes.txt").write_text("mine")
    assert cache.clear() == 1
    assert cache.entries() == []
    assert (tmp_path / "ab" / "notes.txt").read_text() == "mine"


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder is a file: the value is computed, with a warning."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.WARNING):
        assert Cache(blocked).load_or("ab12", lambda: {"x": np.zeros(1)})["x"].tolist() == [0]
    assert "cannot be written (Not a directory): going on without" in caplog.text


def test_what_killed_writers_left_goes_with_the_next_run(tmp_path: Path) -> None:
    """With its first entry, wherever in the cache it lies; what is not a draft, or is being written, stays."""
    Cache(tmp_path).save("ab12", {"x": np.zeros(1)})
    for name in (".writing-dead", ".writing-living", "notes.txt"):
        (tmp_path / "ab" / name).write_text("x")
    with (tmp_path / "ab" / ".writing-living").open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        Cache(tmp_path).save("cd34", {"x": np.zeros(1)})
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [".writing-living", "ab12.qlc", "notes.txt"]


def test_entries_that_cannot_be_removed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache above its bound on a disk that has become read-only: storing goes on, clearing says why it cannot."""
    cache = Cache(tmp_path, limit_bytes=1)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        for name in ("ab12", "cd34"):
            store.Cache(tmp_path, limit_bytes=1)._make_room()
            (tmp_path / name[:2]).mkdir()
            (tmp_path / name[:2] / f"{name}.qlc").write_bytes(b"x" * 50)
        cache._make_room()
        assert len(cache.entries()) == 2
        with pytest.raises(StorageError, match=r"cannot remove .*ab12\.qlc: Read-only file system"):
            cache.clear()
    assert cache.clear() == 2


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error leaves neither the file nor its draft; StorageError says where."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="taken"):
        write_atomically(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_keys_tell_values_types_and_borders_apart() -> None:
    """Moving a byte from one part to the next, or changing a dtype or a shape, is another key."""
    keys = [
        store.key("ab", "c"),
        store.key("a", "bc"),
        store.key(b"ab", "c"),
        store.key(np.zeros(4)),
        store.key(np.zeros(4, np.int64)),
        store.key(np.zeros((2, 2))),
        store.key({"a": 1}),
        store.key({"a": 1.5}),
    ]
    assert len(set(keys)) == len(keys)
    assert store.key({"a": 1, "b": 2}) == store.key({"b": 2, "a": 1})


def test_several_processes_may_write_the_same_entries(tmp_path: Path) -> None:
    """Four at once: all succeed, and every entry reads back."""
    code = (
        "import sys, numpy as np; from pathlib import Path; from quantlab.cache import Cache; c = Cache(Path(sys.argv[1]))\n"
        "for i in range(30): c.load_or(f'{i:02d}', lambda: {'x': np.full(1000, i)})\n"
        "c.rows('e', [str(i) for i in range(50)], lambda t: np.array([[float(x)] for x in t], np.float32))\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    cache = Cache(tmp_path)
    for number in range(30):
        assert cache.load_or(f"{number:02d}", lambda: pytest.fail("stored"))["x"][0] == number
    assert cache.rows("e", ["7"], lambda _: pytest.fail("stored")).tolist() == [[7]]
    assert not list(tmp_path.rglob(".writing-*"))


def test_packed_strings_come_back() -> None:
    """Unicode, quotes and line ends survive."""
    values = ["a", 'say "hi"\n', "naïve 🚀", ""]
    assert store.unpacked(store.strings(values)) == values


def test_an_array_comes_back_in_its_shape(tmp_path: Path) -> None:
    """Also a single number, which has none, and one that lies in memory column by column: a key made of either must not change."""
    arrays = {"number": np.array(3), "turned": np.arange(6).reshape(2, 3).T, "empty": np.zeros((4, 0))}
    cache = Cache(tmp_path)
    cache.save("ab" * 32, arrays)
    back = cache.load("ab" * 32)
    assert back is not None
    for name, value in arrays.items():
        assert back[name].shape == value.shape
        np.testing.assert_array_equal(back[name], value)
