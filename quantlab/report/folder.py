"""The folder of a run: `<reports>/<strategy>/<run id>/`, written aside and renamed when it is complete.

A reader sees a whole folder or none. The bytes depend on the result alone: writing the same run again changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from quantlab.errors import StorageError
from quantlab.report.contract import contract
from quantlab.report.files import json_bytes, manifest, tables
from quantlab.report.index import folder_name, write_index
from quantlab.result import BacktestResult

ATTEMPTS = 5  # at putting a folder in place while other processes do the same


def write_report(result: BacktestResult, directory: Path) -> Path:
    """Write the run under the folder of all reports and return the run's own: `<directory>/<strategy>/<run id>`.

    A folder of the same run is replaced. `<directory>/index.html`, which lists all runs, is written anew.
    Raises StorageError if anything cannot be written; what was there before is then still there.
    """
    from quantlab.report.page import render  # plotly and jinja2 load only when there is something to write

    content = contract(result)
    files = {"report.json": json_bytes(content), **tables(result), "report.html": render(result, content).encode()}
    files["manifest.json"] = manifest(result, files)
    target = Path(directory) / folder_name(result.strategy) / folder_name(result.run_id)
    try:
        _write_folder(target, files)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}: free some space or choose another folder") from error
    write_index(Path(directory))
    return target


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the files beside the target and rename their folder to it; on failure nothing is left behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".writing-"))
    try:
        for name, content in files.items():
            with (aside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        aside.chmod(0o755)
        _put(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put(aside: Path, target: Path) -> None:
    """Rename a folder to its place. No system replaces a full folder in one step: the old one moves out of the way first."""
    for attempt in range(ATTEMPTS):
        try:
            aside.rename(target)
        except OSError:
            if attempt == ATTEMPTS - 1 or not target.is_dir():
                raise
        else:
            return
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=".old-"))
        with contextlib.suppress(FileNotFoundError):  # another process may have been quicker
            target.rename(old / "run")
        try:
            aside.rename(target)
        except OSError:
            with contextlib.suppress(OSError):
                (old / "run").rename(target)
        else:
            return
        finally:
            shutil.rmtree(old, ignore_errors=True)
