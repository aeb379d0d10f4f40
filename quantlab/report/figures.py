"""The figures of a report, as plotly figures that a notebook can show too.

No figure names a colour: `theme()` holds them, for light and for dark, and the page swaps one for the other.
Names from data (symbols, features) pass through `label`, because plotly reads a part of HTML in texts and hovers.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from quantlab import metrics
from quantlab.report.contract import mean_by_fold
from quantlab.result import BacktestResult

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
LONGEST_LABEL = 32  # characters: a longer one would leave no room for the figure on a phone
TOP_FEATURES = 15
COLOURS = {  # ink, muted, grid, accent, second, ground of a hover
    "light": ("#1d2126", "#6a7178", "#e6e8ea", "#0f766e", "#9aa1a8", "#ffffff"),
    "dark": ("#e7e9eb", "#99a1a9", "#2a3037", "#4fbfb3", "#858d95", "#1c2126"),
}


def theme(name: Literal["light", "dark"]) -> go.layout.Template:
    """Return the colours and type of every figure; the first colour is the strategy's, the second its comparison's."""
    ink, muted, grid, accent, second, ground = COLOURS[name]
    axis = {"gridcolor": grid, "zerolinecolor": grid, "linecolor": grid, "tickcolor": grid, "tickfont": {"color": muted}}
    axis["title"] = {"font": {"color": muted, "size": 12}, "standoff": 12}
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=[accent, second],
        hoverlabel={"bgcolor": ground, "bordercolor": grid, "font": {"color": ink, "family": FONT}},
        legend={"font": {"color": muted}},
        xaxis=axis,
        yaxis=axis,
    )
    first = go.Scatter(fillcolor=f"rgba({', '.join(str(part) for part in bytes.fromhex(accent[1:]))}, 0.16)")
    return go.layout.Template(layout=layout, data={"scatter": [first, go.Scatter()]})  # traces take them in turn


def label(text: str) -> str:
    """Return a name as plotly shall show it: its HTML inert, cut to a length that fits."""
    cut = text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
    return html.escape(cut, quote=False)


def figures(result: BacktestResult) -> dict[str, go.Figure]:
    """Return every figure of the report by its id."""
    made = {
        "equity": equity(result),
        "rolling-sharpe": rolling_sharpe(result),
        "underwater": underwater(result),
        "ic-by-fold": ic_by_fold(result),
        "folds": fold_windows(result),
        "importance": importance(result),
        "exposure": exposure(result),
    }
    return {name: figure for name, figure in made.items() if figure.data}


def equity(result: BacktestResult) -> go.Figure:
    """Return what 1 became, net of costs, against the benchmark."""
    portfolio = result.portfolio
    own, other = portfolio.equity / portfolio.cash, (1.0 + result.benchmark).cumprod()
    figure = _figure(y="growth of 1", y_format=".2f")
    figure.add_scatter(x=_days(own), y=_numbers(own), name=label(result.strategy), line={"width": 2})
    figure.add_scatter(x=_days(other), y=_numbers(other), name=label(result.benchmark_name), line={"width": 1.3})
    return figure.update_layout(showlegend=True)


def rolling_sharpe(result: BacktestResult) -> go.Figure:
    """Return the Sharpe ratio of the last half year, session by session."""
    line = metrics.rolling_sharpe(result.portfolio.returns, rolling_window(result), periods=result.dataset.sessions_per_year).dropna()
    figure = _figure(y="Sharpe ratio", y_format=".1f", height=240)
    if len(line):
        figure.add_scatter(x=_days(line), y=_numbers(line), name="Sharpe ratio", line={"width": 1.6})
    return figure


def rolling_window(result: BacktestResult) -> int:
    """Return half a year in sessions, or a third of the span if that is shorter."""
    return max(2, min(round(result.dataset.sessions_per_year / 2), len(result.portfolio.returns) // 3))


def underwater(result: BacktestResult) -> go.Figure:
    """Return how far the equity stood below its last peak."""
    depth = metrics.underwater(result.portfolio.returns)
    figure = _figure(y="below the peak", y_format=".0%", height=240)
    figure.add_scatter(x=_days(depth), y=_numbers(depth), name="below the peak", fill="tozeroy", line={"width": 1.2})
    return figure.update_yaxes(hoverformat=".1%")


def ic_by_fold(result: BacktestResult) -> go.Figure:
    """Return the mean information coefficient of each test window."""
    ic = metrics.information_coefficient(result.predicted.signal, result.target)
    means = mean_by_fold(ic, result)
    figure = _figure(y="mean IC", y_format=".3f", height=260)
    names = [str(fit.fold.test_start.date()) for fit in result.predicted.fits]
    figure.add_bar(x=names, y=_numbers(means), name="mean IC")
    return figure.update_xaxes(type="category", title="test window from").update_layout(bargap=0.45, hovermode="closest")


def fold_windows(result: BacktestResult) -> go.Figure:
    """Return one line per fold: what it learned from, the purged gap, what it was tested on."""
    figure = _figure(y="fold", y_format="d", height=100 + 22 * min(len(result.predicted.fits), 20))
    folds = [fit.fold for fit in result.predicted.fits]
    windows = {
        "test": [(fold.test_start, fold.test_end) for fold in folds],
        "train": [(fold.train_start, fold.train_end) for fold in folds],
    }
    for name, spans in windows.items():
        x = [day for start, end in spans for day in (str(start.date()), str(end.date()), None)]
        y = [row for number in range(1, len(spans) + 1) for row in (number, number, None)]
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"width": 7 if len(folds) <= 20 else 3})
    figure.update_yaxes(range=[len(folds) + 0.7, 0.3], dtick=max(1, len(folds) // 10), showgrid=False, zeroline=False)
    return figure.update_layout(showlegend=True, hovermode="closest", legend_traceorder="reversed")


def importance(result: BacktestResult) -> go.Figure:
    """Return the share of each feature in the fitted models, averaged over the folds, the largest on top."""
    share = mean_importance(result).head(TOP_FEATURES)[::-1]
    figure = _figure(y="", y_format="", height=90 + 24 * len(share))
    if len(share):
        figure.add_bar(x=_numbers(share), y=[label(str(name)) for name in share.index], orientation="h", name="share")
    return figure.update_xaxes(tickformat=".0%", hoverformat=".1%").update_layout(hovermode="closest", bargap=0.4)


def mean_importance(result: BacktestResult) -> pd.Series:
    """Return the mean share of each feature over the folds that have one, descending; a feature absent from a fold counts 0 there."""
    table = pd.DataFrame([dict(fit.importance) for fit in result.predicted.fits if fit.importance], dtype=float)
    return table.fillna(0.0).mean().sort_index().sort_values(ascending=False, kind="stable")


def exposure(result: BacktestResult) -> go.Figure:
    """Return gross and net exposure, as fractions of the equity."""
    held = result.portfolio.exposure
    figure = _figure(y="of the equity", y_format=".0%", height=240)
    for name, line in {"gross": held.abs().sum(axis=1), "net": held.sum(axis=1)}.items():
        figure.add_scatter(x=_days(line), y=_numbers(line), name=name, line={"width": 1.4})
    return figure.update_layout(showlegend=True)


def _figure(*, y: str, y_format: str, height: int = 340) -> go.Figure:
    """Return an empty figure in the shared frame: quiet axes, one hover for all lines, nothing to drag by accident."""
    layout = go.Layout(
        template=theme("light"),
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        showlegend=False,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        hovermode="x unified",
        dragmode=False,
        xaxis={"automargin": True, "fixedrange": True, "showgrid": False},
        yaxis={"automargin": True, "fixedrange": True, "tickformat": y_format, "title": {"text": y}, "zeroline": True},
    )
    return go.Figure(layout=layout)


def _days(line: pd.Series) -> list[str]:
    """Return the sessions' dates, as text: a file of its own needs no time zone to draw them."""
    return list(pd.DatetimeIndex(line.index).strftime("%Y-%m-%d"))


def _numbers(values: pd.Series | Sequence[float]) -> list[float | None]:
    """Return the values to six decimals, which is finer than any screen; gaps as None."""
    rounded = np.round(np.asarray(values, dtype=float), 6)
    return [float(value) if np.isfinite(value) else None for value in rounded]
