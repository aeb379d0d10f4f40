"""The list of all runs, made from what lies in the folder of reports."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import isfinite
from operator import mul
from pathlib import Path
from typing import Any
from urllib.parse import quote

from quantlab.errors import StorageError
from quantlab.report import wording as say
from quantlab.report.blocks import Cell, Row, verdict
from quantlab.storage import locked, write_atomically

SPARK = (120.0, 32.0, 3.0, 60)  # of a line of equity: width, height, margin, most points
LONGEST_NAME = 80  # of a folder; most file systems allow 255 bytes
UNREADABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)  # what any JSON can do to a reader
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|index\.html|compare|sweep", re.IGNORECASE)  # by Windows, and by us


def folder_name(name: str) -> str:
    """Return a name that is one folder and no more, whatever the text: different texts give different names."""
    safe = UNSAFE.sub("_", name)
    fits = safe == name and 0 < len(safe) <= LONGEST_NAME and not (safe.startswith(".") or safe.endswith("."))
    if fits and not TAKEN.fullmatch(safe):
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe.strip('.')[:LONGEST_NAME] or 'run'}-{digest}"


def write_index(directory: Path) -> Path:
    """Write `index.html` with every run found under the folder and return its path. Raises StorageError.

    A report.json that cannot be read is left out of the list and named below it. Of several runs at once, the last sees them all.
    """
    with locked(directory):
        return _write_index(directory)


def _write_index(directory: Path) -> Path:
    """Read what is there and write the list of it."""
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
    figures = (
        (content["returns"]["total_return"], say.signed),
        (content["returns"]["sharpe"], say.number),
        (content["drawdown"]["max_drawdown"], say.percent),
        (accuracy["hit_rate"], say.percent),
        (accuracy["ic_mean"], _to_three),
    )
    numbers = [Cell(written(value), "number", None if value is None else float(value)) for value, written in figures]
    audit = str(content["audit"]["verdict"])
    return Row(
        strategy=str(content["strategy"]),
        run_id=str(content["run_id"]),
        link=f"{link}/report.html",
        verdict=verdict(content.get("verdict")),
        sparkline=sparkline(content["returns"]["monthly"]),
        cells=[*numbers, Cell(audit, "text", audit), Cell(span, "day", span)],
    )


def sparkline(monthly: Sequence[Mapping[str, float | None]]) -> str:
    """Return the points of the equity month by month, in the coordinates of its small picture; nothing for an empty list.

    A month without a return leaves the equity where it was.
    """
    width, height, margin, most = SPARK
    equity = list(accumulate((1.0 + (month["return"] or 0.0) for month in monthly), mul, initial=1.0))
    step = max(1, -(-len(equity) // most))
    shown = equity[::-step][::-1]  # the last month is always there
    low, high = min(shown), max(shown)
    if len(shown) < 2 or not (isfinite(low) and isfinite(high)):
        return ""
    across, up = (width - 2 * margin) / (len(shown) - 1), (height - 2 * margin) / ((high - low) or 1.0)
    return " ".join(f"{margin + across * at:.1f},{height - margin - up * (value - low):.1f}" for at, value in enumerate(shown))


def _to_three(value: object) -> str:
    return say.number(value, 3)
