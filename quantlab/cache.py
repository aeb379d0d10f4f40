"""A content-addressed store of arrays: what was computed once is not computed again.

1. The key is a sha256 of everything that determines the value: class, parameters, code, texts, rows (`key`).
2. A file is `sha256 of its name and payload | payload`, the payload in safetensors: no pickle, and verified on every read.
3. A file is written aside, synced and renamed (`storage`): a reader sees all of it or nothing, and writers may race.
4. A damaged file is reported, removed and computed again, and a folder that cannot be written is reported and done without: the cache can
   change how long a run takes, never its result.
5. The least recently used files go first when the folder outgrows its bound. It is looked through for that at the first entry, and then
   only when so much has been written that it might be full.

Two shapes: `load_or(key, compute)` for a whole value, and `rows(...)` for one vector per text, where only the missing
ones are computed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quantlab.errors import StorageError
from quantlab.storage import DRAFT, discard, write_atomically

Arrays: TypeAlias = "dict[str, npt.NDArray[np.generic]]"
log = logging.getLogger(__name__)

SUFFIX = ".qlc"
DIGEST = 32  # bytes of a sha256
SHARE = 16  # of the bound: what one process writes at most without looking at what others wrote


def key(*parts: object) -> str:
    """Return a sha256 of JSON values, strings, bytes and arrays, each framed by its type and length."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            kind, content = f"array {part.dtype.str} {part.shape}", np.ascontiguousarray(part).tobytes()
        elif isinstance(part, bytes):
            kind, content = "bytes", part
        else:
            kind, content = "json", json.dumps(part, sort_keys=True, allow_nan=True).encode()
        digest.update(f"{kind} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@dataclass
class _Room:
    """How many bytes may be written before the folder is looked through again; another process may write there too."""

    n_bytes: int = -1


@dataclass(frozen=True)
class Cache:
    """A folder of verified entries, bounded to `limit_bytes`; safe for several processes at once."""

    folder: Path
    limit_bytes: int = 8 * 1024**3
    _room: _Room = field(default_factory=_Room, init=False, repr=False, compare=False)

    def load_or(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays stored under the key `name`; compute and store them if there are none."""
        found = self.load(name)
        if found is not None:
            return found
        arrays = compute()
        self.save(name, arrays)
        return arrays

    def load(self, name: str) -> Arrays | None:
        """Return the arrays stored under the key `name`, or None if there are none."""
        return _read(self._path(name))

    def save(self, name: str, arrays: Arrays) -> None:
        """Store arrays under the key `name`."""
        self._store(self._path(name), arrays)

    def rows(
        self, namespace: str, texts: Sequence[str], compute: Callable[[Sequence[str]], npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        """Return one vector per text, (n_texts, n_values), computing only those not stored under `namespace` yet.

        `compute` must be a pure function of each text, whatever its companions. Raises ValueError unless it gives one vector per text.
        """
        names = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in texts]
        known: dict[bytes, npt.NDArray[np.float32]] = {}
        wanted = set(names)
        for path in sorted((self.folder / namespace).glob(f"*{SUFFIX}")):
            segment = _read(path)
            if segment is not None:
                stored = [row.tobytes() for row in segment["names"]]
                known.update((name, row) for name, row in zip(stored, segment["vectors"], strict=True) if name in wanted)
        missing = {name: text for name, text in zip(names, texts, strict=True) if name not in known}
        if missing:
            vectors = compute(list(missing.values()))
            if len(vectors) != len(missing):  # kept, it would be found wrong at every later read
                raise ValueError(f"compute gave {len(vectors)} vectors for {len(missing)} texts")
            packed = np.frombuffer(b"".join(missing), dtype=np.uint8).reshape(len(missing), 16)
            content = key(packed)
            self._store(self.folder / namespace / f"{content}{SUFFIX}", {"names": packed, "vectors": vectors})
            known.update(zip(missing, vectors, strict=True))
        return np.stack([known[name] for name in names]) if names else np.empty((0, 0), np.float32)

    def entries(self) -> list[Path]:
        """Return the files of the cache, the least recently used first."""
        return [path for path, _ in self._sizes()]

    def clear(self) -> int:
        """Remove every entry and return how many there were; nothing else in the folder is touched. Raises StorageError."""
        entries = self.entries()
        for path in entries:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(f"cannot remove {path}: {error.strerror or error}: make its folder writable") from error
        return len(entries)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}{SUFFIX}"

    def _store(self, path: Path, arrays: Arrays) -> None:
        """Write an entry, and make room for it; a full or read-only disk costs time later, not the run now."""
        from safetensors.numpy import save

        payload = save({name: np.asarray(value, order="C") for name, value in arrays.items()})
        try:
            write_atomically(path, _seal(path, payload) + payload)
        except StorageError as error:
            reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
            log.warning("the cache in %s cannot be written (%s): going on without keeping what is computed", self.folder, reason)
        else:
            self._room.n_bytes -= len(payload) + DIGEST
            if self._room.n_bytes < 0:
                self._room.n_bytes = min(self._make_room(), self.limit_bytes // SHARE)

    def _make_room(self) -> int:
        """Remove the least recently used entries until the folder is within its bound, and the drafts of runs that were killed.

        Returns the bytes that are left below the bound.
        """
        for draft in self.folder.glob(f"*/{DRAFT}*"):
            discard(draft)
        entries = self._sizes()
        excess = sum(size for _, size in entries) - self.limit_bytes
        for path, size in entries:
            if excess <= 0:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            excess -= size
        return -excess

    def _sizes(self) -> list[tuple[Path, int]]:
        """Return each file of the cache with its size in bytes, the least recently used first."""
        found = []
        for path in self.folder.glob(f"*/*{SUFFIX}"):
            with contextlib.suppress(OSError):  # another process has just removed it
                status = path.stat()
                found.append((status.st_mtime_ns, path, status.st_size))
        return [(path, size) for _, path, size in sorted(found)]


def default_folder() -> Path:
    """Return the cache folder of the user, shared by all projects. Raises StorageError for a user who has no home."""
    try:
        return Path.home() / ".cache" / "quantlab"
    except RuntimeError as error:
        raise StorageError("there is no home folder for the cache (HOME is not set): give --cache DIR, or --no-cache") from error


def strings(values: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Pack strings into an array that an entry can hold; `unpacked` is the way back."""
    return np.frombuffer(json.dumps(list(values)).encode(), dtype=np.uint8)


def unpacked(array: npt.NDArray[np.generic]) -> list[str]:
    """Return the strings that `strings` packed."""
    return [str(value) for value in json.loads(array.tobytes())]


def _seal(path: Path, payload: bytes) -> bytes:
    """Return the digest that binds a payload to its place: an entry moved to another name is as good as damaged."""
    return hashlib.sha256(f"{path.parent.name}/{path.name}\n".encode() + payload).digest()


def is_whole(path: Path) -> bool:
    """Return True if an entry is what was written under its name. The file is left as it is. Raises OSError if it cannot be read."""
    content = path.read_bytes()
    return _seal(path, content[DIGEST:]) == content[:DIGEST]


def _read(path: Path) -> Arrays | None:
    """Return a verified entry, or None if there is none or it is damaged (then it is removed, with a warning)."""
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:DIGEST], content[DIGEST:]
    if _seal(path, payload) != digest:
        log.warning("damaged cache entry %s: removed, computing it again", path)
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # recently used
    return dict(load(payload))
