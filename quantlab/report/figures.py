"""The figures of a run, as plotly figures that a notebook can show too. Those of plain tables are in `charts`."""

from __future__ import annotations

import pandas as pd
from plotly import graph_objects as go

from quantlab import metrics
from quantlab.report import charts
from quantlab.report.contract import mean_by_fold
from quantlab.report.look import COLOURS, LONGEST_LABEL, frame, label, theme, themed, with_legend
from quantlab.result import BacktestResult

__all__ = [
    "COLOURS",
    "LONGEST_LABEL",
    "equity",
    "exposure",
    "figures",
    "fold_windows",
    "ic_by_fold",
    "importance",
    "label",
    "mean_importance",
    "rolling_sharpe",
    "rolling_window",
    "theme",
    "themed",
    "underwater",
]
TOP_FEATURES = 15
THICK = 20  # folds: more of them get thinner lines


def figures(result: BacktestResult) -> dict[str, go.Figure]:
    """Return the figures of the report that are drawn from the run itself, by id; those of report.json are drawn where they are said."""
    made = {
        "equity": equity(result),
        "rolling-sharpe": rolling_sharpe(result),
        "underwater": underwater(result),
        "folds": fold_windows(result),
        "exposure": exposure(result),
    }
    return {name: figure for name, figure in made.items() if figure.data}


def equity(result: BacktestResult) -> go.Figure:
    """Return what 1 became, net of costs, against the benchmark."""
    portfolio = result.portfolio
    table = pd.concat([portfolio.equity / portfolio.cash, (1.0 + result.benchmark).cumprod()], axis=1)
    table.columns = pd.Index([result.strategy, result.benchmark_name], dtype=object)  # they may be the same: two columns all the same
    return charts.lines(table, y="growth of 1")


def rolling_sharpe(result: BacktestResult) -> go.Figure:
    """Return the Sharpe ratio of the last half year, session by session."""
    line = metrics.rolling_sharpe(result.portfolio.returns, rolling_window(result), periods=result.dataset.sessions_per_year).dropna()
    return charts.lines(line.to_frame("Sharpe ratio"), y="Sharpe ratio", y_format=".1f", height=240).update_yaxes(hoverformat=".2f")


def rolling_window(result: BacktestResult) -> int:
    """Return half a year in sessions, or a third of the span if that is shorter."""
    return max(2, min(round(result.dataset.sessions_per_year / 2), len(result.portfolio.returns) // 3))


def underwater(result: BacktestResult) -> go.Figure:
    """Return how far the equity stood below its last peak."""
    depth = metrics.underwater(result.portfolio.returns).to_frame("below the peak")
    figure = charts.lines(depth, y="below the peak", y_format=".1~%", height=240)
    return figure.update_traces(fill="tozeroy", line={"width": 1.2}).update_yaxes(hoverformat=".1%")


def ic_by_fold(result: BacktestResult) -> go.Figure:
    """Return the mean information coefficient of each test window."""
    ic = metrics.information_coefficient(result.predicted.signal, result.target)
    names = [str(fit.fold.test_start.date()) for fit in result.predicted.fits]
    table = pd.DataFrame({"value": mean_by_fold(ic, result)}, index=pd.Index(names, dtype=object))
    return charts.columns(table, x="test window from", y="mean IC", height=260)


def fold_windows(result: BacktestResult) -> go.Figure:
    """Return one line per fold: what it learned from, the purged gap, what it was tested on."""
    folds = [fit.fold for fit in result.predicted.fits]
    figure = frame(y="fold", y_format="d", height=100 + 22 * min(len(folds), THICK))
    windows = {
        "test": [(fold.test_start, fold.test_end) for fold in folds],
        "train": [(fold.train_start, fold.train_end) for fold in folds],
        "purged gap": [(fold.train_end, fold.test_start) for fold in folds],
    }
    for name, spans in windows.items():
        x = [day for start, end in spans for day in (str(start.date()), str(end.date()), None)]
        y = [row for number in range(1, len(spans) + 1) for row in (number, number, None)]
        thick = 7 if len(folds) <= THICK else 3
        line = {"width": thick if name != "purged gap" else 1.5}
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line=line, meta="spans")
    figure.update_yaxes(range=[len(folds) + 0.7, 0.3], dtick=max(1, len(folds) // 10), showgrid=False, zeroline=False)
    return with_legend(figure.update_layout(hovermode="closest"))


def importance(result: BacktestResult) -> go.Figure:
    """Return the share of each feature in the fitted models, averaged over the folds, the largest on top."""
    share = mean_importance(result).head(TOP_FEATURES)
    figure = charts.groups(share.to_frame("value"), x="share", x_format=".0%", height=90 + 24 * len(share))
    return figure.update_xaxes(hoverformat=".1%", title="")


def mean_importance(result: BacktestResult) -> pd.Series:
    """Return the mean share of each feature over the folds that have one, descending; a feature absent from a fold counts 0 there."""
    table = pd.DataFrame([dict(fit.importance) for fit in result.predicted.fits if fit.importance], dtype=float)
    return table.fillna(0.0).mean().sort_index().sort_values(ascending=False, kind="stable")


def exposure(result: BacktestResult) -> go.Figure:
    """Return gross and net exposure, as fractions of the equity."""
    held = result.portfolio.exposure
    table = pd.DataFrame({"gross": held.abs().sum(axis=1), "net": held.sum(axis=1)})
    return charts.lines(table, y="of the equity", y_format=".0%", height=240).update_yaxes(hoverformat=".1%")
