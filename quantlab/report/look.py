"""How figures look: the palette for light and for dark, the shared frame, and texts and numbers as plotly takes them.

Most traces name no colour: `theme()` deals them out in turn. One that must (a band that belongs to its line) names a colour of
the light palette, and whoever shows the figure in the dark swaps palette for palette: the page by its script, a notebook by `themed`.
Names from data (symbols, features) pass through `label`, because plotly reads a part of HTML in texts and hovers.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from plotly import graph_objects as go

from quantlab.report import wording as say

Theme = Literal["light", "dark"]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
FAINT = "29"  # appended to a colour: its opacity, 16%
LONGEST_LABEL = 32  # characters: a longer one would leave no room for the figure on a phone
COLOURS = {  # ink, muted, grid, ground of a hover; then of a heat map: less than nothing, nothing, more
    "light": ("#1d2126", "#636a71", "#e6e8ea", "#ffffff", "#dd8f78", "#f4f5f4", "#58aca3"),
    "dark": ("#e7e9eb", "#99a1a9", "#2a3037", "#1c2126", "#8f4a38", "#22282d", "#1f6b63"),
}
PALETTE = {  # in turn: the strategy's, its comparison's, and six more that stay apart for the colour-blind too
    "light": ("#0f766e", "#868e96", "#3565a8", "#b7791f", "#7b559c", "#b4472e", "#5b7a2c", "#a8406f"),
    "dark": ("#4fbfb3", "#858d95", "#7ea8e0", "#d9a441", "#b48fd6", "#e08a70", "#a3bf6a", "#de86ad"),
}
# what turns the direction of the text around it, lone surrogates (no file can hold them) and control characters
UNSEEN = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def plain(text: str) -> str:
    """Return a text without what acts unseen: direction overrides, controls and lone surrogates show as \N{REPLACEMENT CHARACTER}."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def label(text: str) -> str:
    """Return a name as plotly shall show it: its HTML inert, cut to a length that fits."""
    seen = plain(text)
    cut = seen if len(seen) <= LONGEST_LABEL else seen[: LONGEST_LABEL - 1] + "…"
    return html.escape(cut, quote=False)


@cache  # a figure takes a copy, and making one takes longer than a figure
def theme(name: Theme) -> go.layout.Template:
    """Return the colours and type of every figure; the first colour is the strategy's, the second its comparison's."""
    ink, muted, grid, ground, less, nothing, more = COLOURS[name]
    accent = PALETTE[name][0]
    axis = {"gridcolor": grid, "zerolinecolor": grid, "linecolor": grid, "tickcolor": grid, "tickfont": {"color": muted}}
    axis["title"] = {"font": {"color": muted, "size": 12}, "standoff": 12}
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=PALETTE[name],
        coloraxis={"colorscale": [(0.0, less), (0.5, nothing), (1.0, more)], "cmid": 0, "showscale": False},
        hoverlabel={"bgcolor": ground, "bordercolor": grid, "font": {"color": ink, "family": FONT}},
        legend={"font": {"color": muted}},
        xaxis=axis,
        yaxis=axis,
    )
    thin = {"thickness": 1.1, "width": 3}
    scatter = [go.Scatter(fillcolor=accent + FAINT, error_y=thin), go.Scatter(error_y=thin)]  # traces take them in turn
    bar = go.Bar(error_x={"color": ink, **thin}, error_y={"color": ink, **thin}, marker={"line": {"width": 0}, "opacity": 0.88})
    return go.layout.Template(layout=layout, data={"scatter": scatter, "bar": [bar], "heatmap": [go.Heatmap(textfont={"color": ink})]})


def themed(figure: go.Figure, name: Theme) -> go.Figure:
    """Return a copy of a figure of this package in the colours of a theme, for a notebook."""
    swap = dict(zip(PALETTE["light"], PALETTE[name], strict=True))
    traces = [_swapped(trace.to_plotly_json(), swap) for trace in figure.data]
    return go.Figure(traces, figure.layout).update_layout(template=theme(name))


def _swapped(value: Any, swap: dict[str, str]) -> Any:
    if not isinstance(value, dict):
        return value
    named = {key: swap.get(item[:7], item[:7]) + item[7:] for key, item in value.items() if key in ("color", "fillcolor")}
    return {key: _swapped(item, swap) for key, item in value.items()} | named  # "#rrggbb", perhaps with an opacity that stays


def frame(*, y: str, y_format: str, height: int = 340) -> go.Figure:
    """Return an empty figure in the shared frame: quiet axes, one hover for all lines, nothing to drag by accident."""
    layout = {
        "template": theme("light"),
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "hovermode": "x unified",
        "dragmode": False,
        "xaxis": {"automargin": True, "fixedrange": True, "showgrid": False},
        "yaxis": {"automargin": True, "fixedrange": True, "tickformat": y_format, "title": {"text": y}, "zeroline": True},
    }
    return go.Figure(layout=layout)


def with_legend(figure: go.Figure, *, shown: bool = True) -> go.Figure:
    """Return the figure with its legend, and room for it."""
    return figure.update_layout(showlegend=shown, margin={"t": 28 if shown else 12})


def written(value: object, d3: str) -> str:
    """Return a number as an axis of that d3 format writes it: `.2f` and `.1%` give so many digits, and a true minus sign."""
    digits = re.search(r"\.(\d+)", d3)
    form = say.percent if d3.endswith("%") else say.number
    return form(value, int(digits[1]) if digits else 0)


def places(index: pd.Index) -> npt.NDArray[np.generic]:
    """Return where the rows of a table stand: sessions as dates (a file of its own needs no time zone to draw them), numbers, names."""
    if isinstance(index, pd.DatetimeIndex):
        whole = bool((index.normalize() == index).all()) or not index.normalize().has_duplicates
        return np.asarray(index.strftime("%Y-%m-%d" if whole else "%Y-%m-%d %H:%M"), dtype=str)
    if pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_bool_dtype(index.dtype):
        return index.to_numpy(dtype=float)
    return np.array([label(str(value)) for value in index], dtype=object)


def numbers(values: pd.Series | pd.DataFrame | Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the values to six decimals, which is finer than any screen; gaps and infinities as NaN, which plotly leaves out."""
    rounded = np.round(np.asarray(values, dtype=np.float64), 6)
    return np.where(np.isfinite(rounded), rounded, np.nan)
