"""The table behind a figure, so that nothing is only in a picture: read from the figure itself, so that the two cannot differ."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from plotly import graph_objects as go

from quantlab.report import wording as say
from quantlab.report.blocks import Cell, Table
from quantlab.report.look import written

MOST_ROWS = 60  # of one table; the CSV files beside the page hold every session
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def table_behind(figure: go.Figure) -> Table:
    """Return what a figure shows, in numbers: a row per place, a column per line or bar; long ones thinned, and saying so."""
    traces = [trace.to_plotly_json() for trace in figure.data if trace.meta != "guide"]
    if any(trace.get("meta") == "spans" for trace in traces):
        return _spans(traces, figure)
    if any(trace["type"] == "heatmap" for trace in traces):
        return _cells(traces[0], figure)
    return _columns(traces, figure)


def _columns(traces: Sequence[dict[str, Any]], figure: go.Figure) -> Table:
    """Return lines and bars side by side, matched by where they stand."""
    flat = any(trace.get("orientation") == "h" for trace in traces)
    place, value = ("y", "x") if flat else ("x", "y")
    named: list[tuple[str, dict[Any, Any]]] = []
    for trace in traces:
        places = np.asarray(trace[place]).tolist()
        named += [(name, dict(zip(places, column.tolist(), strict=True))) for name, column in _measured(trace, value)]
    rows = list(dict.fromkeys(row for _, column in named for row in column))
    if not flat and all(isinstance(row, float) for row in rows):
        rows.sort()
    elif flat:
        rows.reverse()  # plotly stacks such bars from the bottom
    shown = [rows[position] for position in _spread(len(rows))]
    form = _finer(figure.layout[f"{value}axis"])
    axis = figure.layout[f"{place}axis"]
    head = [Cell(axis.title.text or ("Date" if _is_day(rows) else ""), "day"), *(Cell(name, "number") for name, _ in named)]
    lines = [[Cell(_place(row, axis), "day"), *(Cell(written(column.get(row), form), "number") for _, column in named)] for row in shown]
    caption = "" if len(shown) == len(rows) else f"{len(shown)} of {say.number(len(rows), 0)} points, evenly spaced"
    return Table(caption, head, lines)


def _measured(trace: dict[str, Any], value: str) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Yield what a trace shows: its values, and the ends of its whiskers if it has them."""
    name = html.unescape(str(trace.get("name", "")))
    values = np.asarray(trace[value], dtype=float)
    yield name, values
    whiskers = trace.get(f"error_{value}") or {}
    for end, key, sign in (("low", "arrayminus", -1.0), ("high", "array", 1.0)):
        if key in whiskers:
            yield end, values + sign * np.asarray(whiskers[key], dtype=float)


def _cells(trace: dict[str, Any], figure: go.Figure) -> Table:
    """Return a heat map as the table that it is."""
    head = [Cell(figure.layout.yaxis.title.text or "", "text"), *(Cell(html.unescape(str(name)), "number") for name in trace["x"])]
    rows = [
        [Cell(html.unescape(str(name)), "text"), *(Cell(value, "number") for value in row)]
        for name, row in zip(trace["y"], trace["text"], strict=True)
    ]
    return Table(f"Across: {figure.layout.xaxis.title.text}" if figure.layout.xaxis.title.text else "", head, rows)


def _spans(traces: Sequence[dict[str, Any]], figure: go.Figure) -> Table:
    """Return spans drawn as pieces of a line: a row per piece's height, from when to when per trace."""
    pieces: dict[float, dict[str, str]] = {}
    for trace in traces:
        for height, start, end in zip(trace["y"][::3], trace["x"][::3], trace["x"][1::3], strict=True):
            pieces.setdefault(height, {})[trace["name"]] = f"{start} to {end}"
    names = [trace["name"] for trace in traces]
    head = [Cell(figure.layout.yaxis.title.text or "", "day"), *(Cell(name, "day") for name in names)]
    keys = list(pieces)
    shown = [keys[position] for position in _spread(len(keys))]
    rows = [[Cell(f"{key:g}", "day"), *(Cell(pieces[key].get(name, say.NONE), "day") for name in names)] for key in shown]
    return Table("" if len(shown) == len(keys) else f"{len(shown)} of {len(keys)}, evenly spaced", head, rows)


def _spread(n: int) -> list[int]:
    """Return at most MOST_ROWS positions of n, the first and the last among them."""
    return [int(position) for position in np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).round())] if n else []


def _is_day(rows: Sequence[Any]) -> bool:
    return bool(rows) and isinstance(rows[0], str) and DAY.match(rows[0]) is not None


def _place(row: object, axis: go.layout.XAxis | go.layout.YAxis) -> str:
    if isinstance(row, float):
        return written(row, axis.tickformat) if axis.tickformat else f"{row:g}"
    return html.unescape(str(row))


def _finer(axis: go.layout.XAxis | go.layout.YAxis) -> str:
    """Return the format of a column: that of the axis with one digit more, or that of its hover: a table has the room."""
    form = axis.tickformat or ".2f"
    digits = re.search(r"\.(\d+)", form)
    return axis.hoverformat or f".{int(digits[1]) + 1 if digits else 1}{'%' if form.endswith('%') else 'f'}"
