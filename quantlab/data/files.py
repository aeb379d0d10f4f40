"""Files: which ones make up a data set, their fingerprints, and their raw content.

Only plain files inside the folder are read: a pipe would block, a device never ends, and a link out of the folder could bring a file
into the report that the one who ran it did not mean to show. Links within the folder are followed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from quantlab.data import rules
from quantlab.data.findings import Findings
from quantlab.data.tables import shortened
from quantlab.errors import DataError

KINDS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
PIECE = 1 << 24  # bytes read at a time; what a packed file may unpack to in any case
MAGIC = {b"\x1f\x8b": "a gzip file", b"PK\x03\x04": "a zip file (or a spreadsheet)", b"PAR1": "Parquet", b"\xff\xfe": "UTF-16, not UTF-8"}
MAGIC |= {b"\xfe\xff": "UTF-16, not UTF-8", b"SQLite": "a database", b"%PDF": "a PDF file", b"\x89PNG": "a picture"}


def kind_of(path: Path) -> str | None:
    """Return the kind of a file by the end of its name, one of KINDS, or None."""
    return next((kind for kind in sorted(KINDS, key=len, reverse=True) if path.name.lower().endswith(kind)), None)


def stem_of(path: Path) -> str:
    """Return the name of a file without its kind: `BRK.B.csv.gz` is `BRK.B`."""
    return path.name[: -len(kind_of(path) or "")]


def files_of(folder: Path, stem: str, findings: Findings) -> list[Path]:
    """Return the files of `stem` in the folder, sorted: `stem`.csv or one of the other kinds, or everything in `stem`/.

    More than one of these would make it a guess which counts, and is refused, and so is what cannot be read: left out without a word,
    it would be missed by nobody. Hidden files are passed over.
    """
    named = sorted((path for path in folder.iterdir() if path.name.lower().startswith(f"{stem}.")), key=lambda path: path.name)
    single = [path for path in named if path.name.lower() in {f"{stem}{kind}" for kind in KINDS}]
    inside = folder / stem
    found = []
    if inside.is_dir() and is_plain(folder, inside, findings, wanted="folder"):
        found = sorted((path for path in inside.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
        if not found:
            findings.add(rules.EMPTY_FOLDER.of(stem=stem), f"{stem}/")
    if single and (found or len(single) > 1):
        findings.add(
            rules.TWO_TABLES.of(files=" and ".join([*(path.name for path in single), *([f"the folder {stem}/"] if found else [])]))
        )
    chosen = found or single[:1]
    for path in [path for path in named if path not in single]:
        used = f"{stem}/" if found else "".join(path.name for path in chosen)
        rule = rules.NOT_READ.of(others=f"{used} is") if used else rules.NO_TABLE.of(kinds=", ".join(KINDS))
        findings.add(rule, path.name)
    for path in found:
        if kind_of(path) is None:
            findings.add(rules.NO_TABLE.of(kinds=", ".join(KINDS)), f"{stem}/{path.name}")
    return [path for path in chosen if kind_of(path) and is_plain(folder, path, findings)]


def is_plain(folder: Path, path: Path, findings: Findings, *, wanted: str = "file") -> bool:
    """Say whether a path is a plain file (or folder) inside the data folder, and refuse it if not."""
    name = path.relative_to(folder).as_posix()
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):  # Path.resolve raises on a link to itself
        findings.add(rules.LINK_OUT, name, value=str(path.readlink()) if path.is_symlink() else None)
        return False
    if path.is_dir() if wanted == "folder" else path.is_file():
        return True
    kinds = {"a folder": path.is_dir, "a pipe": path.is_fifo, "a socket": path.is_socket, "a device": path.is_char_device}
    kind = next((kind for kind, fits in kinds.items() if fits()), "something else" if path.exists() else "a link to nothing")
    findings.add(rules.NO_FILE.of(kind=kind), name)
    return False


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, read piece by piece."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}: check that it is there and readable") from error


def content_of(path: Path, name: str, findings: Findings) -> bytes | None:
    """Return the text of a file, unpacked and without a byte-order mark, or None if it is damaged or no text in UTF-8.

    A file that is no text, or unpacks without end, is given up at the first piece that shows it.
    """
    packed = path.name.lower().endswith(".gz")
    pieces: list[bytes] = []
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            most = max(PIECE, rules.UNPACKED_TIMES * path.stat().st_size) if packed else None
            for piece in _pieces(file):
                pieces.append(piece)
                if _is_odd(pieces, most, name, findings):
                    return None
    except (OSError, EOFError, zlib.error) as error:
        findings.add(rules.UNREADABLE.of(how="", error=shortened(error)), name)
        return None
    content = b"".join(pieces).removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.add(rules.ENCODING.of(byte=content[error.start : error.start + 1].hex()), name, line=line)
        return None
    if not content.strip():
        findings.add(rules.EMPTY_FILE, name)
        return None
    return content


def _pieces(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Yield the content of an open file, piece by piece."""
    while piece := file.read(PIECE):
        yield piece


def _is_odd(pieces: list[bytes], most: int | None, name: str, findings: Findings) -> bool:
    """Say, and report, whether the last piece shows that this is no text, or more than `most` bytes."""
    kind = next((kind for start, kind in MAGIC.items() if pieces[0].startswith(start)), None)
    at = pieces[-1].find(b"\0")
    if kind is not None:
        findings.add(rules.ANOTHER_KIND.of(kind=kind), name)
    elif at >= 0:
        line = 1 + sum(piece.count(b"\n") for piece in pieces[:-1]) + pieces[-1].count(b"\n", 0, at)
        findings.add(rules.NUL, name, line=line)
    elif most is not None and sum(map(len, pieces)) > most:
        findings.add(rules.BOMB, name)
    else:
        return False
    return True
