"""The sections of a report: every word and number that its page shows, ready to be laid out.

The figures are those of report.json, said and drawn; only what is too long for it (trades, headlines, what was learned) comes from the
result itself. Names from data are plain text here: the template escapes them, and figures pass them through `look.label`.

    key_figures  why this verdict       news      what the text added      trading  trades and costs
    earnings     returns, drawdown      learning  folds                    origin   data, audit, settings, methods
    signal       accuracy               luck      could it be luck         parts    what the sections are made with
                                        breaking  where it breaks
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from quantlab.report.blocks import Plot, Section
from quantlab.report.sections.breaking import fragility_section
from quantlab.report.sections.earnings import drawdown_section, return_section
from quantlab.report.sections.key_figures import headline, key_figure_section
from quantlab.report.sections.learning import walk_forward_section
from quantlab.report.sections.luck import luck_section
from quantlab.report.sections.news import text_section
from quantlab.report.sections.origin import audit_section, data_section, parameter_section, provenance_section
from quantlab.report.sections.parts import Figures
from quantlab.report.sections.signal import accuracy_section
from quantlab.report.sections.trading import trading_section
from quantlab.result import BacktestResult

__all__ = ["headline", "sections"]


def sections(result: BacktestResult, figures: Figures, drawn: Collection[str]) -> list[Section]:
    """Return the sections in the order of the page; `figures` is the content of report.json, `drawn` the ids of its plots."""
    every = [
        key_figure_section(figures),
        return_section(result, figures),
        drawdown_section(figures),
        accuracy_section(result, figures),
        text_section(result, figures),
        walk_forward_section(result, figures),
        luck_section(figures),
        fragility_section(figures),
        trading_section(result, figures),
        data_section(result, figures),
        audit_section(figures),
        parameter_section(result),
        provenance_section(result, figures),
    ]
    return [replace(section, blocks=[block for block in section.blocks if not _is_hole(block, drawn)]) for section in every]


def _is_hole(block: object, drawn: Collection[str]) -> bool:
    """Return True for a plot that nobody has drawn: no importance, returns too few for a window."""
    return isinstance(block, Plot) and block.figure is None and block.id not in drawn
