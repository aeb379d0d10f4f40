"""Sweep: a strategy with other settings, every variant counted, and what choosing among them is worth.

`sweep(strategy, dataset, choices)` tries every combination (or, with `n_search`, those that a search proposes) and returns a
`SweepResult`. Its claim is not the best variant, which nobody could have known, but what choosing by the past would have earned.
"""

from quantlab.sweep.contract import contract
from quantlab.sweep.grid import Choices, Range, combinations, parse_choices
from quantlab.sweep.page import curves, page, write_sweep
from quantlab.sweep.result import Chosen, Nested, SweepResult, Tried
from quantlab.sweep.sweep import sweep

__all__ = [
    "Choices",
    "Chosen",
    "Nested",
    "Range",
    "SweepResult",
    "Tried",
    "combinations",
    "contract",
    "curves",
    "page",
    "parse_choices",
    "sweep",
    "write_sweep",
]
