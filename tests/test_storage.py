"""Files that are whole or not there: killed at each step, beside other writers, on disks that are full or cannot be written."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from quantlab import storage
from quantlab.errors import StorageError
from quantlab.storage import DRAFT, check_writable, locked, sweep, temporary_folder, write_atomically, write_folder

FILES = {"a.csv": b"one" * 1000, "b.json": b"{}", "c.html": b"<html>"}
STEPS = ("mkdir", "open", "write", "fsync", "rename", "replace", "unlink", "rmdir", "close", "chmod")  # of `os`: all that touches a disk


def drafts(folder: Path) -> list[Path]:
    """Return what unfinished writers have left."""
    return sorted(path for path in folder.rglob("*") if path.name.startswith((DRAFT, storage.TEMPORARY)))


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do some work in a copy of this process that is killed before its n-th step on the disk; False if there were not so many."""
    child = os.fork()
    if child == 0:
        left = [step]

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_is_old_or_new_at_every_step(before: bytes | None, tmp_path: Path) -> None:
    """Killed before each step on the disk in turn; the next writer sweeps up and finishes."""
    step, path = 0, tmp_path / "file"
    while True:
        step += 1
        path.unlink() if before is None and path.exists() else None
        path.write_bytes(before) if before is not None else None
        died = killed_at(step, lambda: write_atomically(path, b"new"))
        assert (path.read_bytes() if path.exists() else None) in (before, b"new")
        if not died:
            break
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        assert drafts(tmp_path) == []
    assert step > 5


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    """The new one takes the place of the old one: who has that open, or linked, still reads it."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").hardlink_to(tmp_path / "file")
    write_atomically(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), (tmp_path / "link").read_bytes()) == (b"new", b"old")


def test_a_folder_is_whole_or_not_there_at_every_step(tmp_path: Path) -> None:
    """Killed before each step on the disk in turn; the next writer sweeps up and finishes."""
    step = 0
    while True:
        step += 1
        target = tmp_path / str(step) / "run"
        died = killed_at(step, lambda target=target: write_folder(target, FILES))
        assert not target.exists() or content(target) == FILES
        if not died:
            break
        write_folder(target, FILES)
        assert content(target) == FILES
        assert drafts(tmp_path) == []
    assert step > 10


def test_a_folder_that_is_there_is_never_missing_a_file(tmp_path: Path) -> None:
    """Its damaged file is mended by a rename, whenever the writer is killed, and nothing else in it is touched."""
    target, step, died = tmp_path / "run", 0, True
    while died:
        step += 1
        write_folder(target, FILES)
        (target / "b.json").write_bytes(b"damaged")
        (target / "mine.txt").write_bytes(b"a note")
        died = killed_at(step, lambda: write_folder(target, FILES))
        seen = {path.name: path.read_bytes() for path in target.iterdir() if not path.name.startswith(DRAFT)}
        assert seen in ({**FILES, "b.json": b"damaged", "mine.txt": b"a note"}, {**FILES, "mine.txt": b"a note"})
    assert seen["b.json"] == FILES["b.json"]


@pytest.mark.parametrize("kind", [write_atomically, write_folder], ids=["file", "folder"])
@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_leaves_nothing(kind: object, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write or its sync fails: StorageError says where and why, and neither the file nor its draft is there."""

    def fails(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, step, fails)
    with pytest.raises(StorageError, match=r"cannot write .*run.*No space left on device: free some space"):
        write_atomically(tmp_path / "run", b"x") if kind is write_atomically else write_folder(tmp_path / "run", FILES)
    assert list(tmp_path.rglob("*")) == []


def test_a_write_that_comes_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system may write less than it was given."""
    write = os.write
    monkeypatch.setattr(storage.os, "write", lambda handle, rest: write(handle, bytes(rest[:7])))
    write_atomically(tmp_path / "file", b"0123456789" * 10)
    assert (tmp_path / "file").read_bytes() == b"0123456789" * 10


def test_a_draft_of_a_dead_writer_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    """Whoever holds the lock lives: also in this very process, through another handle; a file, a folder, and links are told apart."""
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "place"
    for name in ("dead", "living"):
        (place / f"{DRAFT}{name} folder").mkdir(parents=True)
        (place / f"{DRAFT}{name} folder" / "file").write_text("x")
        (place / f"{DRAFT}{name} file").write_text("x")
    (place / f"{DRAFT}link").symlink_to(outside)
    (tmp_path / "file").write_text("x")
    (place / f"{DRAFT}link to a file").symlink_to(tmp_path / "file")
    os.mkfifo(place / f"{DRAFT}pipe")
    handles = [os.open(path, os.O_RDONLY) for path in place.glob(f"{DRAFT}living*")]
    for handle in handles:
        fcntl.flock(handle, fcntl.LOCK_EX)
    sweep(place)
    links = [f"{DRAFT}link", f"{DRAFT}link to a file"]
    assert sorted(path.name for path in place.iterdir()) == [*links, f"{DRAFT}living file", f"{DRAFT}living folder"]
    assert outside.is_dir()
    for handle in handles:
        os.close(handle)
    sweep(place)
    assert sorted(path.name for path in place.iterdir()) == links


def test_a_draft_in_use_is_not_swept(tmp_path: Path) -> None:
    """Another writer comes by while a file, a folder and a temporary folder are being written: all three are finished."""
    with storage._draft_file(tmp_path) as (handle, aside), storage._draft_folder(tmp_path) as folder:
        write_atomically(tmp_path / "other", b"x")
        write_folder(tmp_path / "run", FILES)
        assert aside.exists()
        assert folder.is_dir()
        assert os.fstat(handle).st_nlink == 1
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("done", [True, False])
def test_a_draft_taken_for_dead_before_it_was_locked_is_made_again(done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process comes between making and locking, and is done, or at it: nobody notices."""
    flock, swept = fcntl.flock, list[int]()

    def late(handle: int, how: int) -> None:
        if swept:
            flock(handle, how)
            return
        swept.append(handle)
        if done:
            sweep(tmp_path)
            flock(handle, how)
        else:
            (draft,) = tmp_path.glob(f"{DRAFT}*")
            other = os.open(draft, os.O_RDONLY)
            flock(other, fcntl.LOCK_EX)
            try:
                flock(handle, how)
            finally:
                draft.rmdir() if draft.is_dir() else draft.unlink()
                os.close(other)

    monkeypatch.setattr(storage.fcntl, "flock", late)
    write_atomically(tmp_path / "file", b"x")
    swept.clear()
    write_folder(tmp_path / "run", FILES)
    assert ((tmp_path / "file").read_bytes(), content(tmp_path / "run")) == (b"x", FILES)
    assert drafts(tmp_path) == []


def test_without_locks_files_are_whole_and_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems: whether a writer is dead cannot be told."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / f"{DRAFT}perhaps").write_text("x")
    monkeypatch.setattr(storage.fcntl, "flock", none)
    write_atomically(tmp_path / "file", b"x")
    write_folder(tmp_path / "run", FILES)
    with locked(tmp_path):
        assert content(tmp_path / "run") == FILES
    assert [path.name for path in drafts(tmp_path)] == [f"{DRAFT}perhaps"]


def test_a_temporary_folder_goes_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end as a rule; after a kill, with the next one."""
    monkeypatch.setattr(storage.tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert folder.parent.parent == tmp_path
        (folder / "file").write_text("x")
    assert drafts(tmp_path) == []

    def dies() -> None:
        with temporary_folder() as folder:
            (folder / "file").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)

    killed_at(10_000, dies)
    assert len(drafts(tmp_path)) == 1
    with temporary_folder():
        assert len(drafts(tmp_path)) == 1
    assert drafts(tmp_path) == []


LOCKER = """
import sys
from pathlib import Path
from quantlab.storage import locked
for _ in range(200):
    with locked(Path(sys.argv[1])):
        path = Path(sys.argv[1]) / "count"
        path.write_text(str(int(path.read_text()) + 1))
"""


def test_one_at_a_time_is_inside_a_lock(tmp_path: Path) -> None:
    """Three processes count up in a file, by reading and writing it: none of the steps is lost."""
    (tmp_path / "count").write_text("0")
    started = [subprocess.Popen([sys.executable, "-c", LOCKER, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "600"


def test_a_lock_makes_its_folder_or_says_why_not(tmp_path: Path) -> None:
    """A file in its place is a StorageError."""
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"), locked(tmp_path / "file"):
        pass


def test_a_temporary_folder_can_be_locked() -> None:
    """Reports may be written there, and their list is made under a lock: it must not wait for itself."""

    def work() -> None:
        with temporary_folder() as folder, locked(folder):
            pass

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(20)
    assert not worker.is_alive()


def test_what_cannot_be_written_is_seen_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the way, at the place or above it; a folder without the right to write. A folder that can be made is fine."""
    (tmp_path / "file").write_text("mine")
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "newer")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match=r"file: it is no folder: choose another"):
            check_writable(path)
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="lost: it is no folder"):
        check_writable(tmp_path / "lost")
    monkeypatch.setattr(storage.os, "access", lambda *_: False)
    with pytest.raises(StorageError, match="cannot be written to"):
        check_writable(tmp_path / "new")
