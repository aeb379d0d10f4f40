"""The page of a report: one HTML file that needs no network and sends nothing anywhere.

The content security policy forbids every request and every script but the two inlined ones, which it names by their hash.
Data reach the page as JSON that is never executed, and everything else is escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from quantlab.report import wording as say
from quantlab.report.blocks import Cell, Row
from quantlab.report.figures import figures, theme
from quantlab.report.sections import headline, sections
from quantlab.result import BacktestResult

HERE = Path(__file__).parent
EMPTY_STYLE = ""  # plotly.js adds an empty <style> and fills it by rule, which the policy must let it do
OWN_STYLE = re.compile(r"\.textContent='([^'\\]*)',document\.head")  # and, where it is loaded, the style of its maps


def render(result: BacktestResult, content: Mapping[str, Any]) -> str:
    """Return the report as HTML; `content` is that of report.json."""
    scripts = [Markup(get_plotlyjs()), Markup(_text("report.js"))]  # noqa: S704  (files of installed packages, not data)
    style = Markup(_text("report.css"))  # noqa: S704  (likewise)
    plots = {name: json.loads(figure.to_json(engine="json")) for name, figure in figures(result).items()}
    for plot in plots.values():
        del plot["layout"]["template"]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=result.strategy,
            description=result.description,
            run_id=result.run_id,
            summary=_summary(result, content),
            verdict=content["audit"]["verdict"],
            headline=headline(content),
            sections=sections(result, content, plots.keys()),
            plots=plots,
            themes={name: json.loads(json.dumps(theme(name).to_plotly_json())) for name in ("light", "dark")},
            policy=policy(scripts, [style, EMPTY_STYLE, *OWN_STYLE.findall(scripts[0])]),
            style=style,
            scripts=scripts,
            plotly_version=plotly.__version__,
        )
    )


def _summary(result: BacktestResult, content: Mapping[str, Any]) -> list[str]:
    """Return the sentences that a reader who reads nothing else should read."""
    sessions = result.portfolio.returns.index
    memory = say.memory_sentence(result.predicted.fits, sessions)
    return [
        say.return_sentence(content, result.benchmark_name, sessions[0], sessions[-1]),
        say.accuracy_sentence(content),
        say.luck_sentence(content),
        *([memory] if memory else []),
        say.audit_sentence(content["audit"]["verdict"]),
    ]


def index_page(rows: Sequence[Row], broken: Sequence[str]) -> str:
    """Return the list of all runs as HTML, with no script at all."""
    style = Markup(_text("report.css"))  # noqa: S704  (a file of this package, not data)
    columns = ["Span", "Return", "Sharpe", "Drawdown", "Hit rate", "IC"]
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            head=[Cell("Strategy"), *(Cell(name, "number") for name in columns), Cell("Audit")],
            rows=rows,
            broken=broken,
            summary=f"{len(rows)} run{'' if len(rows) == 1 else 's'}, each net of costs and judged on what its model had not seen.",
            policy=policy([], [style]),
            style=style,
        )
    )


def environment() -> jinja2.Environment:
    """Return the template engine: everything is escaped, a misspelt name is an error, JSON is strict and sorted."""
    made = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(HERE), trim_blocks=True, lstrip_blocks=True
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False, "separators": (",", ":")}
    return made


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return a content security policy that allows these inline texts and nothing else."""
    allowed = {"script-src": scripts, "style-src": styles}
    named = [f"{directive} {' '.join(_hash(text) for text in texts)}" for directive, texts in allowed.items() if texts]
    return "; ".join(["default-src 'none'", *named, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
