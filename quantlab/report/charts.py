"""Figures from plain tables: a DataFrame goes in, a plotly figure comes out, for a notebook as for the page.

An interval is a row with the columns `value`, `low` and `high`; where low and high are missing or NaN, no whisker is drawn.
Formats are those of d3 (`.2f`, `.1%`). Long lines are thinned, but the highest and lowest point of each stretch stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from quantlab.report.look import FAINT, PALETTE, frame, label, numbers, places, with_legend, written

MOST_POINTS = 2600  # per line: ten years of sessions are drawn as they are
MOST_BANDS = len(PALETTE["light"])
CELL_TEXT = 260  # cells: more of them have no room for their numbers


def lines(table: pd.DataFrame, *, y: str, y_format: str = ".2f", height: int = 340) -> go.Figure:
    """Return one line per column over the index: equity of several runs, a rolling ratio, exposure.

    A column without any value is left out; the first column is drawn strongest.
    """
    drawn = table.loc[thinned(table)].dropna(axis=1, how="all")
    figure = frame(y=y, y_format=y_format, height=height)
    x = places(drawn.index)
    for position, name in enumerate(drawn.columns):
        width = 2.0 if position == 0 else 1.4
        figure.add_scatter(x=x, y=numbers(drawn.iloc[:, position]), name=label(str(name)), mode="lines", line={"width": width})
    return with_legend(figure, shown=drawn.shape[1] > 1)


def thinned(table: pd.DataFrame, most: int = MOST_POINTS) -> pd.Series:
    """Return which rows to draw, a mask (n_rows,): all, or the ends and in each of equal stretches the extremes of each column."""
    n, width = table.shape
    keep = np.full(n, n <= most)
    if n > most:
        keep[[0, -1]] = True
        values = table.to_numpy(dtype=float)
        for stretch in np.array_split(np.arange(n), max(1, most // (2 * width))):
            part = values[stretch]
            keep[stretch[np.where(np.isnan(part), -np.inf, part).argmax(axis=0)]] = True
            keep[stretch[np.where(np.isnan(part), np.inf, part).argmin(axis=0)]] = True
    return pd.Series(keep, index=table.index)


def bands(tables: Mapping[str, pd.DataFrame], *, x: str, y: str, y_format: str = ".2f", height: int = 340) -> go.Figure:
    """Return one line per table (columns value, low, high) with its interval as a band: an event study by class or topic.

    The index is the place on the x axis, such as bars around the event. Raises ValueError with more lines than colours.
    """
    if len(tables) > MOST_BANDS:
        raise ValueError(f"{len(tables)} lines with a band, and {MOST_BANDS} colours: draw fewer lines in one figure")
    figure = frame(y=y, y_format=y_format, height=height)
    for (name, table), colour in zip(tables.items(), PALETTE["light"], strict=False):
        at, group = places(table.index), label(name)
        hidden = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": group}
        if {"low", "high"} <= set(table.columns):
            figure.add_scatter(x=at, y=numbers(table["low"]), name=f"{group}, low", **hidden)
            fill = {"fill": "tonexty", "fillcolor": colour + FAINT}
            figure.add_scatter(x=at, y=numbers(table["high"]), name=f"{group}, high", **hidden, **fill)
        line = {"width": 2, "color": colour}
        figure.add_scatter(x=at, y=numbers(table["value"]), name=group, mode="lines", line=line, legendgroup=group)
    return with_legend(figure.update_xaxes(title=x, hoverformat="d"), shown=len(tables) > 1)


def heat_map(table: pd.DataFrame, *, x: str, y: str, value: str, value_format: str = ".2f", height: int | None = None) -> go.Figure:
    """Return a table as tinted cells, 0 being the ground's colour: cost x delay, a parameter sweep, importance over folds.

    Rows run downwards as in the table; each cell shows its number where there is room for all of them.
    """
    figure = frame(y=y, y_format="", height=height or 110 + 34 * len(table))
    if table.size:
        figure.add_heatmap(
            z=numbers(table),
            x=_names(table.columns),
            y=_names(table.index),
            name=label(value),
            coloraxis="coloraxis",
            text=[[written(cell, value_format) for cell in row] for row in table.to_numpy(dtype=float)],
            texttemplate="%{text}" if table.size <= CELL_TEXT else "",
            hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    figure.update_xaxes(type="category", title=x, showgrid=False, zeroline=False, ticks="")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, zeroline=False, ticks="")
    return figure.update_layout(hovermode="closest")


def groups(table: pd.DataFrame, *, x: str, x_format: str = ".3f", height: int | None = None) -> go.Figure:
    """Return one bar per row with its interval, the first row on top: IC by topic, source or age; contribution by feature group."""
    figure = frame(y="", y_format="", height=height or 90 + 28 * len(table))
    turned = table[::-1]
    if len(turned):
        figure.add_bar(x=numbers(turned["value"]), y=_names(turned.index), orientation="h", name=label(x), error_x=_whiskers(turned))
    figure.update_yaxes(type="category", showgrid=False)
    figure.update_xaxes(title=x, tickformat=x_format, hoverformat=x_format, showgrid=True, zeroline=True)
    return figure.update_layout(hovermode="closest", bargap=0.45)


def columns(table: pd.DataFrame, *, x: str, y: str, y_format: str = ".3f", height: int = 280) -> go.Figure:
    """Return one upright bar per row with its interval, in the order of the table: returns by quantile, IC by test window."""
    figure = frame(y=y, y_format=y_format, height=height)
    if len(table):
        figure.add_bar(x=_names(table.index), y=numbers(table["value"]), name=label(y), error_y=_whiskers(table))
    return figure.update_xaxes(type="category", title=x).update_layout(hovermode="closest", bargap=0.45)


def decay(table: pd.DataFrame, *, x: str, y: str, x_format: str = "", y_format: str = ".3f", height: int = 280) -> go.Figure:
    """Return one point per row with its interval, over a numeric index: IC by horizon, coverage against accuracy."""
    figure = frame(y=y, y_format=y_format, height=height)
    if len(table):
        marks = {"mode": "lines+markers", "line": {"width": 1.4}, "marker": {"size": 7}}
        figure.add_scatter(x=places(table.index), y=numbers(table["value"]), name=label(y), error_y=_whiskers(table), **marks)
    return figure.update_xaxes(title=x, tickformat=x_format, hoverformat=x_format).update_layout(hovermode="closest")


def calibration(table: pd.DataFrame, *, height: int = 280) -> go.Figure:
    """Return how often what was given a probability came true: a row per bin, as `metrics.calibration` makes them.

    Columns `probability` and `share_up`; `share_low` and `share_high` draw whiskers. On the diagonal a forecast means what it says.
    """
    figure = frame(y="came true", y_format=".0%", height=height)
    both = table[["probability", "share_up"]].dropna()
    if len(both):
        known = table.loc[both.index].rename(columns={"low": "from", "high": "to"})  # the edges of the bin, not an interval
        whiskers = _whiskers(known.rename(columns={"share_up": "value", "share_low": "low", "share_high": "high"}))
        marks = {"mode": "lines+markers", "line": {"width": 1.4}, "marker": {"size": 7}}
        figure.add_scatter(x=numbers(both["probability"]), y=numbers(both["share_up"]), name="came true", error_y=whiskers, **marks)
        ends = [float(both.to_numpy().min()), float(both.to_numpy().max())]
        figure.add_scatter(x=numbers(ends), y=numbers(ends), name="perfect", mode="lines", line={"width": 1.2, "dash": "dot"}, meta="guide")
    figure.update_xaxes(title="predicted probability", tickformat=".0%", hoverformat=".1%").update_yaxes(hoverformat=".1%")
    return with_legend(figure.update_layout(hovermode="closest"))


def importance_over_folds(table: pd.DataFrame, *, most: int = 15, height: int | None = None) -> go.Figure:
    """Return a cell per feature and fold, tinted by its share: (n_folds, n_features) in, the largest on average on top.

    A share that a fold lacks counts as 0 in the mean and is left empty in the picture.
    """
    mean = table.fillna(0.0).mean().sort_index().sort_values(ascending=False, kind="stable")
    shown = table[mean.index[:most]].T
    return heat_map(shown, x="test window from", y="", value="share", value_format=".0%", height=height or 100 + 26 * len(shown))


def _names(index: pd.Index) -> list[str]:
    """Return the rows of a table as texts that differ: two that the eye cannot tell apart would fall into one place."""
    seen: dict[str, int] = {}
    names = []
    for name in (f"{place:g}" if isinstance(place, float) else str(place) for place in places(index)):
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _whiskers(table: pd.DataFrame) -> dict[str, object] | None:
    """Return the interval of each row as plotly takes it: how far above and below the value it reaches."""
    if not {"low", "high"} <= set(table.columns) or table[["low", "high"]].isna().all(axis=None):
        return None
    above, below = (table["high"] - table["value"]).fillna(0.0), (table["value"] - table["low"]).fillna(0.0)
    return {"type": "data", "symmetric": False, "array": numbers(above), "arrayminus": numbers(below)}
