"""The folder of a run: `<reports>/<strategy>/<run id>/`, written aside and renamed when it is complete.

A reader sees a whole folder or none. The bytes depend on the result alone: writing the same run again changes nothing, and mends a file
that was damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quantlab.report.contract import contract
from quantlab.report.files import json_bytes, manifest, tables
from quantlab.report.index import folder_name, write_index
from quantlab.result import BacktestResult
from quantlab.storage import write_folder


def write_report(result: BacktestResult, directory: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Write the run under the folder of all reports and return the run's own: `<directory>/<strategy>/<run id>`.

    files: what `report_files` gives, and what else shall lie beside it. In the folder of a run that is there already, files that differ
    are replaced. `<directory>/index.html`, which lists all runs, is written anew.
    Raises StorageError if anything cannot be written; a run's folder is whole or not there.
    """
    target = Path(directory) / folder_name(result.strategy) / folder_name(result.run_id)
    write_folder(target, report_files(result) if files is None else files)
    write_index(Path(directory))
    return target


def report_files(result: BacktestResult) -> dict[str, bytes]:
    """Return the files of a run by name; they depend on the result alone."""
    from quantlab.report.page import render  # plotly and jinja2 load only when there is something to write

    content = contract(result)
    files = {"report.json": json_bytes(content), **tables(result), "report.html": render(result, content).encode()}
    return {**files, "manifest.json": manifest(result, files)}
