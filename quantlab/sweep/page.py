"""The page of a sweep, and the files that it leaves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from quantlab.storage import write_atomically
from quantlab.sweep.contract import contract
from quantlab.sweep.result import SweepResult


def curves(result: SweepResult) -> pd.DataFrame:
    """Return what 1 became over the sessions of the claim: chosen by the past, the best in hindsight, and as the strategy stands."""
    claimed = result.returns.loc[result.nested.returns.index]
    lines = {
        "chosen by the past": result.nested.returns,
        "best in hindsight": claimed[result.hindsight],
        "as it stands": claimed[result.own],
    }
    return (1.0 + pd.DataFrame(lines)).cumprod()


def page(result: SweepResult) -> str:
    """Return the sweep as one offline HTML file."""
    from quantlab.report.sweep_page import sweep_page  # plotly and jinja2 load only when there is something to show

    return sweep_page(contract(result), curves(result))


def write_sweep(result: SweepResult, directory: Path) -> Path:
    """Write `<directory>/sweep/<sweep id>.html`, and the same as .json beside it; return the page's path. Raises StorageError."""
    from quantlab.report.files import json_bytes

    path = Path(directory) / "sweep" / f"{result.sweep_id}.html"
    write_atomically(path.with_suffix(".json"), json_bytes(contract(result)))
    write_atomically(path, page(result).encode())
    return path
