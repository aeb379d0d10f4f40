"""The page of a comparison, as text and as a file."""

from __future__ import annotations

from pathlib import Path

from quantlab.compare.comparison import Comparison
from quantlab.compare.contract import contract, curves
from quantlab.storage import write_atomically


def page(comparison: Comparison) -> str:
    """Return the comparison as one offline HTML file."""
    from quantlab.report.compare_page import compare_page  # plotly and jinja2 load only when there is something to show

    return compare_page(contract(comparison), curves(comparison))


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page to a file and return its path. Raises StorageError."""
    write_atomically(Path(path), page(comparison).encode())
    return Path(path)
