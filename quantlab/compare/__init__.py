"""Compare: finished runs side by side, read from their folders and checked against their manifests.

`compare(runs)` sets the figures of two or more runs side by side on the sessions that all of them cover, with block-bootstrap
intervals on the differences to the first, and says which settings and which data differ.
"""

from quantlab.compare.comparison import Comparison, Difference, compare
from quantlab.compare.contract import contract, curves
from quantlab.compare.page import page, write_comparison
from quantlab.compare.record import Record, find_run, read_run

__all__ = [
    "Comparison",
    "Difference",
    "Record",
    "compare",
    "contract",
    "curves",
    "find_run",
    "page",
    "read_run",
    "write_comparison",
]
