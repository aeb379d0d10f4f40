"""The sections of a report: every word and number that its page shows, ready to be laid out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from quantlab import metrics
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Cell, Fact, Facts, Notes, Plot, Section, Table, table
from quantlab.report.figures import rolling_window
from quantlab.result import BacktestResult

Figures: TypeAlias = "Mapping[str, Any]"  # the content of report.json
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SHOWN = 5  # trades per table
SHOWN_CUT = 20  # orders cut short; all of them are counted
SHOWN_LEARNED = 60  # lines of what the last fold learned
CONVENTIONS = (
    "Returns are simple, net of fees and slippage, and compound; the span starts at the first out-of-sample session.",
    "Annual figures count the sessions of the calendar, not 365 days; the risk-free rate is 0.",
    "Sharpe: sample standard deviation (ddof 1). Sortino: downside deviation over all sessions.",
    "Drawdowns start from an equity of 1, so that a loss on the first session counts.",
    "IC: Spearman's rank correlation over the names of a session, then averaged; its t-statistic follows Newey and West, "
    "with a lag of the target's horizon.",
    "Sharpe interval: circular block bootstrap (Politis and Romano 1992), blocks of n^(1/3) sessions, 95%, percentiles.",
    "PSR and DSR: Bailey and Lopez de Prado (2012, 2014), with population skewness and kurtosis that is not in excess of 3.",
    "A direction is judged where signal and target are known and neither is exactly 0.",
)


def sections(result: BacktestResult, figures: Figures, drawn: Collection[str]) -> list[Section]:
    """Return the sections in the order of the page; `figures` is the content of report.json, `drawn` the ids of its plots."""
    every = [
        return_section(result, figures),
        drawdown_section(figures),
        accuracy_section(result, figures),
        walk_forward_section(result, figures),
        trading_section(result, figures),
        data_section(result, figures),
        audit_section(figures),
        Section("parameters", "Parameters", "The strategy as it ran.", [_leaves("Settings", result.config)]),
        provenance_section(result),
    ]
    # a plot without data (no importance, returns too few for a window) leaves no hole
    return [
        replace(section, blocks=[block for block in section.blocks if not isinstance(block, Plot) or block.id in drawn])
        for section in every
    ]


def headline(figures: Figures) -> Facts:
    """Return the key figures at the top of the page."""
    earned, accuracy, sure = figures["returns"], figures["accuracy"], figures["significance"]
    low, high = sure["sharpe_ci"]
    return Facts(
        [
            Fact("Total return", say.signed(earned["total_return"]), f"{say.signed(earned['cagr'])} a year"),
            Fact("Sharpe ratio", say.number(earned["sharpe"]), f"95% interval {say.number(low)} to {say.number(high)}"),
            Fact(
                "Maximum drawdown",
                say.percent(figures["drawdown"]["max_drawdown"]),
                f"up to {figures['drawdown']['max_drawdown_sessions']} sessions below a peak",
            ),
            Fact("Hit rate", say.percent(accuracy["hit_rate"]), f"base rate {say.percent(accuracy['base_rate'])}"),
            Fact("Information coefficient", say.number(accuracy["ic_mean"], 3), f"t = {say.number(accuracy['ic_t'], 1)}"),
            Fact("Turnover a session", say.percent(figures["trading"]["turnover"], 0), f"{figures['trading']['n_trades']} trades"),
        ]
    )


def return_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what was earned, month by month, and how sure one can be of it."""
    earned, sure = figures["returns"], figures["significance"]
    facts = Facts(
        [
            Fact("Benchmark", say.signed(earned["benchmark_total_return"]), result.benchmark_name),
            Fact("Volatility", say.percent(earned["volatility"]), "a year"),
            Fact("Sortino ratio", say.number(earned["sortino"])),
            Fact("Calmar ratio", say.number(earned["calmar"])),
            Fact("Alpha", say.signed(earned["alpha"]), f"a year, at a beta of {say.number(earned['beta'])}"),
            Fact("Probabilistic Sharpe", say.percent(sure["psr"]), "chance that the true ratio is above 0"),
            Fact("Deflated Sharpe", say.percent(sure["dsr"]), f"the same, after {sure['n_trials']} trial(s)"),
            Fact("Track record needed", say.number(sure["min_track_record"], 0), f"sessions; there are {len(result.portfolio.returns)}"),
        ]
    )
    window = rolling_window(result)
    blocks: list[Block] = [
        Plot("equity", f"What 1 became, net of costs, beside the benchmark ({result.benchmark_name})."),
        facts,
        _monthly(result),
        Plot("rolling-sharpe", f"Sharpe ratio of the last {window} sessions. Skill would keep it above zero most of the time."),
    ]
    before = say.signed(metrics.total_return(result.portfolio.gross_returns))
    return Section("return", "Return", f"Before costs it would have returned {before}.", blocks)


def _monthly(result: BacktestResult) -> Table:
    """Return the table of months, each cell tinted by its sign and size."""
    months = metrics.monthly_table(result.portfolio.returns)
    head = [Cell("Year"), *(Cell(name, "number") for name in (*MONTHS, "Year"))]
    rows = [[Cell(str(year), "day"), *(Cell(say.percent(value), f"number {_tint(value)}") for value in row)] for year, row in _rows(months)]
    return Table("Returns by month, UTC", head, rows)


def _rows(frame: pd.DataFrame) -> Iterable[tuple[object, list[float]]]:
    return zip(frame.index, frame.to_numpy(dtype=float).tolist(), strict=True)


def _tint(value: float) -> str:
    """Return the CSS class of a return: up1 to up3, down1 to down3, or nothing."""
    size = int(np.searchsorted([0.0005, 0.01, 0.03], abs(value), side="right")) if np.isfinite(value) else 0
    return f"{'up' if value > 0 else 'down'}{size}" if size else ""


def drawdown_section(figures: Figures) -> Section:
    """Say how deep and how long the strategy stood below its last peak."""
    rows = [
        (
            say.day(row["start"]),
            say.day(row["trough"]),
            say.day(row["recovery"]) if row["recovery"] else "ongoing",
            say.percent(row["depth"]),
            str(row["sessions"]),
            str(row["calendar_days"]),
        )
        for row in figures["drawdown"]["worst"]
    ]
    columns = {"Start": "day", "Trough": "day", "Recovery": "day", "Depth": "number", "Sessions": "number", "Days": "number"}
    blocks: list[Block] = [Plot("underwater", "Distance below the highest equity so far. Flat at zero means a new high.")]
    blocks += [table("The worst drawdowns", columns, rows)] if rows else [Notes(["The equity never fell below an earlier peak."])]
    return Section("drawdown", "Drawdown", "", blocks)


def accuracy_section(result: BacktestResult, figures: Figures) -> Section:
    """Say how well the signal foretold the target."""
    accuracy = figures["accuracy"]
    facts = Facts(
        [
            Fact("Hit rate", say.percent(accuracy["hit_rate"]), f"of {say.number(accuracy['n'], 0)} directions"),
            Fact("Base rate", say.percent(accuracy["base_rate"]), "always the more frequent direction"),
            Fact("Matthews correlation", say.number(accuracy["mcc"], 3), "0 is guessing"),
            Fact("AUC", say.number(accuracy["auc"], 3), "0.5 is guessing"),
            Fact(
                "Brier score", say.number(accuracy["brier"], 3), "0.25 is guessing" if accuracy["brier"] else "the signal is no probability"
            ),
            Fact("Mean IC", say.number(accuracy["ic_mean"], 3), f"standard deviation {say.number(accuracy['ic_std'], 3)}"),
            Fact("t of the mean IC", say.number(accuracy["ic_t"], 2), "beyond 2 or so is unlikely to be luck"),
        ]
    )
    caption = "Mean rank correlation (IC) in each test window. Skill that lasts shows in most bars, not in one."
    lead = f"The signal of each test row, held against what came in the {result.horizon} bars after it."
    return Section("accuracy", "Accuracy and signal", lead, [facts, Plot("ic-by-fold", caption)])


def walk_forward_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what each fold learned from, what it was tested on, and what it learned."""
    times = result.dataset.bars.times
    rows = []
    for number, (fit, fold) in enumerate(zip(result.predicted.fits, figures["walk_forward"], strict=True), start=1):
        gap = times.searchsorted(fit.fold.test_start) - times.searchsorted(fit.fold.train_end)
        trained, tested = (f"{say.day(fold[f'{name}_start'])} to {say.day(fold[f'{name}_end'])}" for name in ("train", "test"))
        counts = [say.number(fold[name], 0) for name in ("n_train", "n_test")]
        rows.append(
            (str(number), trained, f"{gap} bars", tested, *counts, say.number(fold["ic"], 3), "cut short" if fit.fold.partial else "")
        )
    columns = {"Fold": "text", "Learned from": "day", "Gap": "number", "Tested on": "day"}
    columns |= {"Rows learned": "number", "Rows tested": "number", "IC": "number", "Window": "day"}
    last = dict(result.predicted.fits[-1].learned) if result.predicted.fits else {}
    blocks: list[Block] = [
        Plot("folds", "Each line is a fold: it learns from the grey part and is judged on the coloured one, never the other way round."),
        table("Folds", columns, rows),
        Plot("importance", "Share of each feature in the fitted models, averaged over the folds; the largest only."),
    ]
    blocks += [_leaves("What the learners of the last fold say they learned", last, SHOWN_LEARNED)] if last else []
    lead = (
        f"Everything that learns was fitted anew in each of {len(rows)} folds, on the past alone; the gap keeps its labels out of the test."
    )
    return Section("walk-forward", "Walk-forward", lead, blocks)


def trading_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what was traded, what it cost, and which trades made or lost most."""
    portfolio, trading = result.portfolio, figures["trading"]
    closed = portfolio.trades[portfolio.trades["exit_time"].notna()]
    won = float((closed["pnl"] > 0).mean()) if len(closed) else None
    yearly = (trading["turnover"] or 0.0) * result.dataset.sessions_per_year
    facts = Facts(
        [
            Fact("Trades", say.number(trading["n_trades"], 0), f"{len(portfolio.trades) - len(closed)} still open"),
            Fact("Trades won", say.percent(won), "of those closed, after fees"),
            Fact("Turnover", f"{say.number(yearly, 1)}×", "the equity a year, both sides"),  # noqa: RUF001  (the sign for times)
            Fact("Gross exposure", say.percent(trading["exposure"], 0), "mean, of the equity"),
            Fact("Fees", say.number(trading["fees"], 0), f"on a capital of {say.number(portfolio.cash, 0)}"),
            Fact("Slippage", say.number(trading["slippage"], 0), "worse prices than the bar's"),
            Fact("Orders cut short", say.number(trading["truncated_orders"], 0), f"of {say.number(len(portfolio.orders), 0)}"),
        ]
    )
    ranked = closed.sort_values(["pnl", "entry_time", "symbol"], kind="stable")
    latest = portfolio.trades.sort_values(["entry_time", "symbol"], kind="stable")
    blocks: list[Block] = [facts, Plot("exposure", "Long plus short (gross) and long less short (net) positions after each session.")]
    for caption, part in (
        ("The best trades", ranked.tail(SHOWN)[::-1]),
        ("The worst trades", ranked.head(SHOWN)),
        ("The latest trades", latest.tail(SHOWN)[::-1]),
    ):
        blocks += [_trades(caption, part)] if len(part) else []
    if len(portfolio.cut):
        columns = {"Time": "day", "Symbol": "text", "Asked": "number", "Filled": "number"}
        shown = portfolio.cut.head(SHOWN_CUT).to_dict("records")
        lines = [(say.day(row["time"]), say.cut(str(row["symbol"])), say.number(row["asked"]), say.number(row["filled"])) for row in shown]
        blocks.append(table(f"Orders filled short of what was asked, {len(lines)} of {len(portfolio.cut)}", columns, lines))
    return Section("trading", "Trades and costs", "", blocks)


def _trades(caption: str, trades: pd.DataFrame) -> Table:
    columns = {"Symbol": "text", "Side": "text", "Entry": "day", "Exit": "day"}
    columns |= {"Size": "number", "Entered at": "number", "Left at": "number", "Gain": "number", "Return": "number"}
    rows = [
        (
            say.cut(str(row["symbol"])),
            str(row["side"]),
            say.day(row["entry_time"]),
            say.day(row["exit_time"]) if pd.notna(row["exit_time"]) else "open",
            say.number(row["size"], 1),
            say.number(row["entry_price"]),
            say.number(row["exit_price"]),
            say.number(row["pnl"], 0),
            say.signed(row["return"]),
        )
        for row in trades.to_dict("records")
    ]
    return table(caption, columns, rows)


def data_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what went in, and what was set aside on the way."""
    data = figures["data"]
    facts = Facts(
        [
            Fact("Data set", say.cut(data["name"]), f"calendar {result.dataset.calendar or 'of the bars themselves'}"),
            Fact("Sessions", say.number(data["n_sessions"], 0), f"{say.day(data['start'])} to {say.day(data['end'])}"),
            Fact("Symbols", say.number(data["n_symbols"], 0)),
            Fact("Documents", say.number(data["n_documents"], 0)),
        ]
    )
    rows = [(drop.reason, say.number(drop.n_rows, 0), say.cut(", ".join(drop.examples) or say.NONE)) for drop in result.dataset.dropped]
    rows += [(f"{reason} (training rows)", say.number(n, 0), say.NONE) for reason, n in sorted(result.dropped_rows.items())]
    blocks: list[Block] = [facts]
    columns = {"Rows set aside": "text", "Rows": "number", "The first of them": "text"}
    blocks += [table("What was left out, and why", columns, rows)] if rows else [Notes(["No row was left out."])]
    blocks += [Notes(list(result.dataset.notes))] if result.dataset.notes else []
    return Section("data", "Data", "", blocks)


def audit_section(figures: Figures) -> Section:
    """Say what the audit tried, and what it saw."""
    audit = figures["audit"]
    rows = [(check["name"], "held" if check["passed"] else "FAILED", say.cut(check["detail"])) for check in audit["checks"]]
    columns = {"Check": "text", "Outcome": "text", "Seen": "text"}
    return Section("audit", "Audit", say.audit_sentence(audit["verdict"]), [table("", columns, rows)] if rows else [])


def provenance_section(result: BacktestResult) -> Section:
    """Say what the result depends on, so that it can be made again, and how the figures are defined."""
    facts = {"run_id": result.run_id, **result.provenance, "data": dict(result.dataset.hashes)}
    blocks: list[Block] = [_leaves("Versions, seeds and hashes", facts), Notes(CONVENTIONS)]
    return Section("provenance", "Provenance", "The same inputs give the same run id and the same bytes.", blocks)


def _leaves(caption: str, values: Mapping[str, Any], most: int = 1000) -> Table:
    """Return a nested mapping as a table of dotted names and values, sorted by name; what is not shown is counted."""
    lines = list(say.flat({name: values[name] for name in sorted(values)}))
    rest = [("…", f"{len(lines) - most} more in manifest.json")] if len(lines) > most else []
    return table(caption, {"Name": "text name", "Value": "text value"}, [*lines[:most], *rest])
