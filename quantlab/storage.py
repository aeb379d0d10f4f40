"""Files that are whole or not there, whenever a process is killed and whoever else writes.

1. What is written is a draft first, `.writing-...` beside its place, synced and then renamed: a reader sees all of it or nothing.
2. A draft is locked (POSIX `flock`) by its writer. A lock ends with the process that holds it, however that ends: so a draft that can be
   locked belongs to nobody any more, and the next writer in that folder removes it. One that is being written is never touched.
3. Where the file system has no locks, nothing is removed, and writers at once are not kept apart: each file is still whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from quantlab.errors import StorageError

DRAFT = ".writing-"  # what the name of a draft begins with
TEMPORARY = ".quantlab-"  # and that of a folder that is only wanted for a while
FIX = "free some space or choose another folder"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the whole new one. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        with _draft_file(path.parent) as (handle, aside):
            _fill(handle, content)
            aside.chmod(0o644)
            aside.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}: {FIX}") from error


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files so that it appears as a whole. Raises StorageError; nothing of it is left then.

    A folder that is there already keeps what else lies in it: of the files, those that differ are replaced, one by one.
    """
    try:
        if not target.is_dir() and _put(target, files):
            return
        for name, content in files.items():
            if not _holds(target / name, content):
                write_atomically(target / name, content)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}: {FIX}") from error


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards; those that killed processes left are removed."""
    parent = Path(tempfile.gettempdir())
    sweep(parent, TEMPORARY)
    with _draft_folder(parent, TEMPORARY) as folder:
        (folder / "kept").mkdir()  # the outer one is locked, and whoever is given a folder may want to lock it
        yield folder / "kept"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same folder waiting; it is made if need be. Raises StorageError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}: {FIX}") from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_writable(folder: Path) -> None:
    """Raise StorageError if a folder is not there and cannot be made, or cannot be written to: better said before a long run than after."""
    try:
        nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
        writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}: {FIX}") from error
    if not writable:
        reason = "it cannot be written to" if nearest.is_dir() else "it is no folder"
        raise StorageError(f"cannot write {folder}: {nearest}: {reason}: choose another folder")


def sweep(folder: Path, prefix: str = DRAFT) -> None:
    """Remove the drafts in a folder whose writers are dead."""
    for path in sorted(folder.glob(f"{prefix}*")):
        discard(path)


def discard(draft: Path) -> None:
    """Remove a draft, unless somebody is writing it, or it cannot be told."""
    with contextlib.suppress(OSError):  # locked, without locks, gone, or another user's
        handle = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()
        finally:
            os.close(handle)


def _put(target: Path, files: Mapping[str, bytes]) -> bool:
    """Write a new folder aside and rename it; False if another process has just put one there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    with _draft_folder(target.parent) as aside:
        for name, content in files.items():
            handle = os.open(aside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                _fill(handle, content)
            finally:
                os.close(handle)
        aside.chmod(0o755)
        try:
            aside.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            return False
    return True


def _holds(path: Path, content: bytes) -> bool:
    """Return True if a file has just this content."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _fill(handle: int, content: bytes) -> None:
    """Write all of the content, and see it on the disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


@contextlib.contextmanager
def _draft_file(parent: Path) -> Iterator[tuple[int, Path]]:
    """Give an open, locked draft; what has not been renamed is removed."""
    while True:
        handle, name = tempfile.mkstemp(dir=parent, prefix=DRAFT)
        try:
            if _is_ours(handle, Path(name)):
                yield handle, Path(name)
                return
        finally:
            Path(name).unlink(missing_ok=True)
            os.close(handle)


@contextlib.contextmanager
def _draft_folder(parent: Path, prefix: str = DRAFT) -> Iterator[Path]:
    """Give a locked folder; if it has not been renamed, it is removed with all that is in it."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # taken for a dead one before it could be locked
            continue
        try:
            if _is_ours(handle, folder):
                yield folder
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _is_ours(handle: int, path: Path) -> bool:
    """Lock a new draft; False if another process took it for a dead one in the moment between."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can take it for dead
        return True
    return path.exists()
