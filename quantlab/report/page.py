"""The page of a report: one HTML file that needs no network and sends nothing anywhere.

The content security policy forbids every request and every script but the two inlined ones, which it names by their hash.
Data reach the page as JSON that is never executed, and everything else is escaped by the template engine.
`render_page` lays out any `Page`: the report of a run, or several runs side by side.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import plotly
from markupsafe import Markup
from plotly import graph_objects as go
from plotly.offline import get_plotlyjs

from quantlab.report import glossary
from quantlab.report import wording as say
from quantlab.report.behind import table_behind
from quantlab.report.blocks import Cell, Facts, Page, Plot, Row, Section, Table, Terms, verdict
from quantlab.report.figures import figures
from quantlab.report.look import plain, theme
from quantlab.report.sections import headline, sections
from quantlab.result import BacktestResult

HERE = Path(__file__).parent
EMPTY_STYLE = ""  # plotly.js adds an empty <style> and fills it by rule, which the policy must let it do
OWN_STYLE = re.compile(r"\.textContent='([^'\\]*)',document\.head")  # and, where it is loaded, the style of its maps
COLUMNS = {**dict.fromkeys(("Return", "Sharpe", "Drawdown", "Hit rate", "IC"), "number"), "Audit": "text", "Span": "day"}


def render(result: BacktestResult, content: Mapping[str, Any]) -> str:
    """Return the report as HTML; `content` is that of report.json."""
    drawn = figures(result)
    audit = content["audit"]["verdict"]
    return render_page(
        Page(
            title=result.strategy,
            eyebrow="Backtest report",
            badges=[(f"audit {audit}", audit)],
            description=result.description,
            alarm=say.audit_sentence(content["audit"]) if audit == "failed" else "",
            verdict=verdict(content.get("verdict")),
            headline=headline(content),
            summary=_summary(result, content),
            sections=[_filled(section, drawn) for section in sections(result, content, drawn.keys())],
            footer=f"Run {result.run_id} · made by quantlab · figures by plotly.py {plotly.__version__}",
        )
    )


def render_page(page: Page) -> str:
    """Return a page as HTML, with a section that explains the terms it uses. A plot without a figure, or without data, is left out."""
    kept = [replace(section, blocks=[block for block in section.blocks if not _is_empty(block)]) for section in page.sections]
    terms = glossary.used(_names(page.headline, kept))
    kept += [_glossary(terms.values())] if terms else []
    plots = {block.id: block.figure for section in kept for block in section.blocks if isinstance(block, Plot) and block.figure is not None}
    scripts = [Markup(get_plotlyjs()), Markup(_text("report.js"))]  # noqa: S704  (files of installed packages, not data)
    style = Markup(_text("report.css"))  # noqa: S704  (likewise)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            page=replace(page, sections=kept),
            terms=terms,
            anchor=glossary.anchor,
            behind={name: table_behind(figure) for name, figure in plots.items()},
            plots={name: _data(figure) for name, figure in plots.items()},
            themes={name: json.loads(json.dumps(theme(name).to_plotly_json())) for name in ("light", "dark")},
            policy=policy(scripts, [style, EMPTY_STYLE, *OWN_STYLE.findall(scripts[0])], pictures=True),
            style=style,
            scripts=scripts,
        )
    )


def _filled(section: Section, drawn: Mapping[str, go.Figure]) -> Section:
    """Return a section whose plots have their figures: their own, or the run's of that name."""
    blocks = [
        replace(block, figure=drawn.get(block.id)) if isinstance(block, Plot) and block.figure is None else block
        for block in section.blocks
    ]
    return replace(section, blocks=blocks)


def _is_empty(block: object) -> bool:
    return isinstance(block, Plot) and (block.figure is None or not block.figure.data)


def _names(facts: Facts | None, parts: Iterable[Section]) -> Iterable[Sequence[str]]:
    """Yield the names on the page that may need an explanation: those of its facts and of the columns of its tables."""
    yield [fact.name for fact in facts.facts] if facts else []
    for section in parts:
        for block in section.blocks:
            if isinstance(block, Facts):
                yield [fact.name for fact in block.facts]
            elif isinstance(block, Table):
                yield [cell.text for cell in block.head]


def _glossary(entries: Iterable[str]) -> Section:
    listed = sorted(set(entries), key=str.casefold)
    terms = Terms([(glossary.anchor(name), name, glossary.DEFINITIONS[name]) for name in listed])
    return Section("terms", "Terms", "What the figures on this page are, and the conventions that they follow.", [terms])


def _data(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as JSON without its template, of which the page has one for light and one for dark."""
    made: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    del made["layout"]["template"]
    return made


def _summary(result: BacktestResult, content: Mapping[str, Any]) -> list[str]:
    """Return the sentences that a reader who reads nothing else should read, after the verdict."""
    sessions = result.portfolio.returns.index
    audit = content["audit"]["verdict"]
    known = (content["text_ablation"] or {}).get("knowledge")
    return [
        say.return_sentence(content, result.benchmark_name, sessions[0], sessions[-1]),
        say.accuracy_sentence(content),
        *([say.knowledge_sentence(known)] if known and (known["share_of_sessions"] or known["unknown"]) else []),
        *([say.audit_sentence(content["audit"])] if audit != "failed" else []),  # which stands above everything else
    ]


def index_page(rows: Sequence[Row], broken: Sequence[str]) -> str:
    """Return the list of all runs as HTML; its one script sorts and filters what is there without it, too."""
    style = Markup(_text("report.css"))  # noqa: S704  (a file of this package, not data)
    script = Markup(_text("index.js"))  # noqa: S704  (likewise)
    explained = sorted(set(glossary.used([COLUMNS]).values()), key=str.casefold)
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            head=[Cell("Strategy"), Cell("Verdict"), Cell("Equity", "spark"), *(Cell(name, kind) for name, kind in COLUMNS.items())],
            rows=rows,
            dash=say.NONE,
            broken=broken,
            meanings=[(name, glossary.DEFINITIONS[name]) for name in explained],
            summary=f"{len(rows)} run{'' if len(rows) == 1 else 's'}, each net of costs and judged on what its model had not seen.",
            policy=policy([script], [style]),
            style=style,
            script=script,
        )
    )


@cache
def environment() -> jinja2.Environment:
    """Return the template engine: everything is escaped, a misspelt name is an error, JSON is strict and sorted."""
    made = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False, "separators": (",", ":")}
    return made


def _plain(value: object) -> object:
    """Return what is printed without characters that act unseen; markup of our own passes as it is."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def policy(scripts: Sequence[str], styles: Sequence[str], *, pictures: bool = False) -> str:
    """Return a content security policy that allows these inline texts and nothing else, or pictures that are in the page itself.

    plotly paints the cells of a heat map into such a picture: a `data:` address holds it, and is no request.
    """
    allowed = {"script-src": scripts, "style-src": styles}
    named = [f"{directive} {' '.join(_hash(text) for text in texts)}" for directive, texts in allowed.items() if texts]
    named += ["img-src data:"] if pictures else []
    return "; ".join(["default-src 'none'", *named, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
