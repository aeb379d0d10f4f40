"""The list of all runs, made from what lies in the folder of reports."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from quantlab.cache import write_atomically
from quantlab.errors import StorageError
from quantlab.report import wording as say
from quantlab.report.blocks import Row

LONGEST_NAME = 80  # of a folder; most file systems allow 255 bytes
UNREADABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)  # what any JSON can do to a reader
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def folder_name(name: str) -> str:
    """Return a name that is one folder and no more, whatever the text: different texts give different names."""
    safe = UNSAFE.sub("_", name)
    if safe and safe == name and len(safe) <= LONGEST_NAME and not (safe.startswith(".") or safe.endswith(".")):
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe.strip('.')[:LONGEST_NAME] or 'run'}-{digest}"


def write_index(directory: Path) -> Path:
    """Write `index.html` with every run found under the folder and return its path. Raises StorageError.

    A report.json that cannot be read is left out of the list and named below it.
    """
    from quantlab.report.page import index_page

    rows, broken = [], []
    for path in _reports(directory):
        try:
            rows.append(_row(path, directory))
        except UNREADABLE as error:
            broken.append(f"{path.relative_to(directory)}: {type(error).__name__}: {error}")
    write_atomically(directory / "index.html", index_page(rows, [say.cut(line) for line in broken]).encode())
    return directory / "index.html"


def _reports(directory: Path) -> Iterator[Path]:
    """Yield each run's report.json, in the order of the names; folders that are still being written are not runs."""
    try:
        found = sorted(directory.glob("*/*/report.json"))
    except OSError as error:
        raise StorageError(f"cannot read {directory}: {error.strerror or error}: choose another folder") from error
    yield from (path for path in found if not any(part.startswith(".") for part in path.relative_to(directory).parts))


def _row(path: Path, directory: Path) -> Row:
    """Read the key figures of a run; one of UNREADABLE if it is no report."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    folds, accuracy = content["walk_forward"], content["accuracy"]
    span = f"{say.day(folds[0]['test_start'])} to {say.day(folds[-1]['test_end'])}" if folds else say.NONE
    link = "/".join(quote(part, safe="") for part in path.relative_to(directory).parent.parts)
    cells = (
        span,
        say.signed(content["returns"]["total_return"]),
        say.number(content["returns"]["sharpe"]),
        say.percent(content["drawdown"]["max_drawdown"]),
        say.percent(accuracy["hit_rate"]),
        say.number(accuracy["ic_mean"], 3),
    )
    return Row(str(content["strategy"]), str(content["run_id"]), f"{link}/report.html", str(content["audit"]["verdict"]), cells)
