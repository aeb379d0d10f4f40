"""What was earned, and how far the equity fell on the way."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from quantlab import metrics
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Cell, Fact, Facts, Notes, Plot, Section, Table
from quantlab.report.figures import rolling_window
from quantlab.report.sections.parts import MONTHS, Figures, fact, listed, text, whole
from quantlab.result import BacktestResult


def return_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what was earned, month by month, against what, and how the returns are shaped."""
    earned = figures["returns"]
    window = rolling_window(result)
    blocks: list[Block] = [
        Plot("equity", f"What 1 became, net of costs, beside the benchmark ({result.benchmark_name}, without costs)."),
        Facts(
            [
                fact(figures, "CAGR", "returns.cagr", say.signed),
                fact(figures, "Volatility", "returns.volatility", say.percent, against=None),
                Fact("Sortino ratio", say.number(earned["sortino"])),
                Fact("Calmar ratio", say.number(earned["calmar"])),
                Fact("Omega ratio", say.number(earned["omega"])),
                Fact("Before costs", say.signed(earned["gross_total_return"]), f"Sharpe ratio {say.number(earned['gross_sharpe'])}"),
                Fact("Benchmark", say.signed(earned["benchmark_total_return"]), f"Sharpe ratio {say.number(earned['benchmark_sharpe'])}"),
                fact(figures, "Alpha", "returns.alpha", say.signed, note="a year"),
                Fact("Beta", say.number(earned["beta"]), "1 moves with the benchmark, 0 does not"),
                fact(figures, "Information ratio", "returns.information_ratio", say.number),
                Fact("Tracking error", say.percent(earned["tracking_error"]), "a year"),
                Fact("Upside capture", say.percent(earned["up_capture"], 0), f"downside {say.percent(earned['down_capture'], 0)}"),
            ]
        ),
        _monthly(result),
        Plot("rolling-sharpe", f"Sharpe ratio of the last {window} sessions. Skill would keep it above zero most of the time."),
        Facts(
            [
                Fact("Value at risk", say.percent(earned["value_at_risk"]), "1 session in 20 was worse"),
                Fact("Expected shortfall", say.percent(earned["expected_shortfall"]), "mean of those sessions"),
                Fact("Tail ratio", say.number(earned["tail_ratio"]), "above 1, gains reach further"),
                Fact("Skewness", say.number(earned["skewness"])),
                Fact("Kurtosis", say.number(earned["kurtosis"]), "a normal distribution has 3"),
                Fact("Win rate", say.percent(earned["win_rate"]), "of the sessions that moved"),
                Fact("Profit factor", say.number(earned["profit_factor"]), "of the sessions"),
                Fact(
                    "Exposure", say.percent(figures["trading"]["exposure"], 0), f"net {say.percent(figures['trading']['net_exposure'], 0)}"
                ),
            ]
        ),
        _extremes("Best and worst sessions", earned["best_days"], earned["worst_days"], "time"),
        _extremes("Best and worst months", earned["best_months"], earned["worst_months"], "month"),
    ]
    return Section("return", "Returns", say.gross_sentence(figures), blocks)


def drawdown_section(figures: Figures) -> Section:
    """Say how deep and how long the strategy stood below its last peak."""
    fallen = figures["drawdown"]
    facts = Facts(
        [
            fact(figures, "Maximum drawdown", "drawdown.max_drawdown", say.percent),
            Fact("Time under water", say.percent(fallen["time_under_water"], 0), "of the sessions"),
            Fact("Longest", f"{fallen['max_drawdown_sessions']} sessions", "below the same peak"),
            Fact("Ulcer index", say.percent(fallen["ulcer_index"])),
        ]
    )
    columns = {
        "Start": ("start", "day", say.day),
        "Trough": ("trough", "day", say.day),
        "Recovery": ("recovery", "day", lambda end: say.day(end) if end else "ongoing"),
        "Depth": ("depth", "number", say.percent),
        "Sessions": ("sessions", "number", whole),
        "Days": ("calendar_days", "number", whole),
    }
    blocks: list[Block] = [Plot("underwater", "Distance below the highest equity so far. Flat at zero means a new high."), facts]
    worst = fallen["worst"]
    blocks += [listed("The worst drawdowns", worst, columns)] if worst else [Notes(["The equity never fell below an earlier peak."])]
    return Section("drawdown", "Drawdown", "", blocks)


def _monthly(result: BacktestResult) -> Table:
    """Return the table of months, each cell tinted by its sign and size."""
    months = metrics.monthly_table(result.portfolio.returns)
    head = [Cell("Year"), *(Cell(name, "number") for name in (*MONTHS, "Year"))]
    rows = [[Cell(str(year), "day"), *(Cell(say.percent(value), f"number {_tint(value)}") for value in row)] for year, row in _rows(months)]
    return Table("Returns by month, UTC", head, rows)


def _rows(table: pd.DataFrame) -> Iterable[tuple[object, list[float]]]:
    return zip(table.index, table.to_numpy(dtype=float).tolist(), strict=True)


def _tint(value: float) -> str:
    """Return the CSS class of a return: up1 to up3, down1 to down3, or nothing."""
    size = int(np.searchsorted([0.0005, 0.01, 0.03], abs(value), side="right")) if np.isfinite(value) else 0
    return f"{'up' if value > 0 else 'down'}{size}" if size else ""


def _extremes(caption: str, best: list[Figures], worst: list[Figures], key: str) -> Table:
    """Return the best and the worst side by side, folded: few ask for them."""
    when = say.day if key == "time" else text
    rows = [
        {"best": when(one[key]), "gain": say.signed(one["return"], 2), "worst": when(other[key]), "loss": say.signed(other["return"], 2)}
        for one, other in zip(best, worst, strict=True)
    ]
    columns = {title: (key, kind, text) for title, key, kind in _EXTREMES}
    return listed(caption, rows, columns, folded=True)


_EXTREMES = (("Best", "best", "day"), ("Its return", "gain", "number"), ("Worst", "worst", "day"), ("Its return ", "loss", "number"))
