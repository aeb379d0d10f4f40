"""Files: which ones make up a data set, their fingerprints, and their raw content."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from quantlab.data.tables import Findings
from quantlab.errors import DataError

KINDS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


def kind_of(path: Path) -> str | None:
    """Return the kind of a file by the end of its name, one of KINDS, or None."""
    return next((kind for kind in sorted(KINDS, key=len, reverse=True) if path.name.lower().endswith(kind)), None)


def stem_of(path: Path) -> str:
    """Return the name of a file without its kind: `BRK.B.csv.gz` is `BRK.B`."""
    return path.name[: -len(kind_of(path) or "")]


def files_of(folder: Path, stem: str, findings: Findings) -> list[Path]:
    """Return the files of `stem` in the folder, sorted: `stem`.csv or one of the other kinds, or everything in `stem`/.

    More than one of these would make it a guess which counts, and is refused; hidden files are passed over.
    """
    single = [folder / f"{stem}{kind}" for kind in KINDS if (folder / f"{stem}{kind}").is_file()]
    inside = folder / stem
    if inside.is_dir():
        found = sorted((path for path in inside.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
        for path in found:
            if path.is_dir() or kind_of(path) is None:
                findings.refuse("not a table", f"move it out of {stem}/, which holds {', '.join(KINDS)} only", file=f"{stem}/{path.name}")
        if single:
            findings.refuse(f"both {single[0].name} and the folder {stem}/ are there", "keep one of them")
        if not found:
            findings.refuse(f"the folder {stem}/ is empty", f"put the {stem} there, or remove it")
        return [path for path in found if path.is_file() and kind_of(path)]
    if len(single) > 1:
        findings.refuse(f"there are {' and '.join(path.name for path in single)}", "keep one of them")
    return single[:1]


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, read piece by piece."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}: check that it is there and readable") from error


def content_of(path: Path, name: str, findings: Findings) -> bytes | None:
    """Return the text of a file, unpacked and without a byte-order mark, or None if it is damaged or not UTF-8."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.name.lower().endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        findings.refuse(f"cannot be read: {error}", "replace the file: it is damaged or not readable", file=name)
        return None
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = content[error.start : error.start + 1].hex()
        findings.refuse(f"not UTF-8 (byte 0x{found})", "convert the file: only UTF-8 is read", file=name, line=line)
        return None
    if not content.strip():
        findings.refuse("the file is empty", "fill it or remove it", file=name)
        return None
    return content
