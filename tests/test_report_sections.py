"""What the page says: its sections in their order, their figures those of report.json, names from data as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_evidence import finished
from fake_result import fake_result

from quantlab.news import News
from quantlab.report import page
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Notes, Plot, Section, Table
from quantlab.report.contract import contract
from quantlab.report.figures import figures
from quantlab.report.sections import breaking, headline, sections
from quantlab.report.sections.luck import luck_section
from quantlab.report.sections.news import topic_words
from quantlab.report.sections.parts import fact, frame, listed
from quantlab.result import EXAMPLES, BacktestResult

ORDER = [
    "key-figures",
    "return",
    "drawdown",
    "accuracy",
    "text",
    "walk-forward",
    "luck",
    "fragility",
    "trading",
    "data",
    "audit",
    "parameters",
    "provenance",
]


@cache
def case() -> tuple[BacktestResult, dict[str, Any], list[Section]]:
    """Return a made-up run, its report.json and its sections."""
    return built(fake_result())


def built(result: BacktestResult) -> tuple[BacktestResult, dict[str, Any], list[Section]]:
    """Return a run, its report.json and its sections."""
    content = contract(result)
    return result, content, sections(result, content, figures(result).keys())


def part(name: str, found: list[Section] | None = None) -> Section:
    """Return a section by its id."""
    return next(section for section in found or case()[2] if section.id == name)


def facts(section: Section) -> dict[str, Fact]:
    """Return every fact of a section by its name."""
    return {one.name: one for block in section.blocks if isinstance(block, Facts) for one in block.facts}


def tables(section: Section) -> dict[str, Table]:
    """Return every table of a section by its caption."""
    return {block.caption: block for block in section.blocks if isinstance(block, Table)}


def plots(section: Section) -> dict[str, Plot]:
    """Return every plot of a section by its id."""
    return {block.id: block for block in section.blocks if isinstance(block, Plot)}


def texts(blocks: list[Block]) -> Iterator[str]:
    """Yield every text of some blocks."""
    for block in blocks:
        if isinstance(block, Facts):
            yield from (text for one in block.facts for text in (one.name, one.value, one.note))
        elif isinstance(block, Table):
            yield from (cell.text for row in block.rows for cell in row)
        elif isinstance(block, Notes):
            yield from block.lines
        elif isinstance(block, Plot):
            yield block.caption


def test_the_sections_come_in_their_order() -> None:
    """What matters most comes first, and each has an id of its own."""
    assert [section.id for section in case()[2]] == ORDER


def test_the_reasons_of_the_verdict_are_on_the_page() -> None:
    """Each condition, and a row for each headline figure with its interval and the length of its blocks."""
    _, content, _ = case()
    section = part("key-figures")
    assert [block.lines for block in section.blocks if isinstance(block, Notes)] == [content["verdict"]["reasons"]]
    (table,) = tables(section).values()
    assert len(table.rows) == len(content["intervals"])
    by_name = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    low, high = content["intervals"]["sharpe"]
    assert by_name["Sharpe ratio"][:3] == [say.number(content["returns"]["sharpe"]), say.number(low), say.number(high)]


def test_headline_figures_have_intervals_and_what_they_are_held_against() -> None:
    """The hit rate is held against the base rate, the others against 0; few names are judged by the pooled IC."""
    _, content, _ = case()
    found = {one.name: one for one in headline(content).facts}
    assert list(found) == ["Total return", "Sharpe ratio", "Maximum drawdown", "Hit rate", "Pooled IC", "Turnover a session"]
    hit = found["Hit rate"].interval
    assert hit is not None
    assert (hit.low, hit.high) == tuple(content["intervals"]["hit_rate"])
    assert hit.against == content["accuracy"]["base_rate"]
    assert found["Turnover a session"].interval is None


def test_a_figure_without_an_interval_is_still_shown() -> None:
    """Its value and its note; null is a dash, never nan."""
    made = {"returns": {"cagr": None}, "intervals": {"cagr": [None, None]}}
    assert fact(made, "CAGR", "returns.cagr", say.signed, note="a year") == Fact("CAGR", say.NONE, "a year")
    made = {"returns": {"cagr": 0.1}, "intervals": {"cagr": [0.0, 0.2]}}
    assert fact(made, "CAGR", "returns.cagr", say.signed, against=None).note == "95%: 0.0% to +20.0%"


def test_returns_and_drawdown_hold_every_metric() -> None:
    """Each metric of the tear sheet is a fact of its own, and the longest lists are folded."""
    assert {"CAGR", "Volatility", "Sortino ratio", "Calmar ratio", "Omega ratio", "Alpha", "Beta", "Value at risk"} <= set(
        facts(part("return"))
    )
    assert {"Expected shortfall", "Tail ratio", "Skewness", "Kurtosis", "Profit factor"} <= set(facts(part("return")))
    assert {"Time under water", "Ulcer index", "Maximum drawdown"} <= set(facts(part("drawdown")))
    assert tables(part("return"))["Best and worst sessions"].folded
    assert "without any it would have been" in part("return").lead


def test_probabilities_have_their_scores_and_their_figure() -> None:
    """Brier score, skill, log loss and calibration are shown for probabilities alone."""
    assert {"Brier score", "Brier skill", "Log loss"} <= set(facts(part("accuracy")))
    assert "calibration" in plots(part("accuracy"))
    _, _, found = built(fake_result(is_probability=False, n_sessions=260))
    assert "Brier score" not in facts(part("accuracy", found))
    assert "calibration" not in plots(part("accuracy", found))
    assert {"ic-by-fold", "ic-decay", "quantiles", "coverage"} == set(plots(part("accuracy", found)))


def test_the_text_section_says_what_was_added_by_which_news() -> None:
    """The ablation with its intervals, figures by group, age, source and topic, an event study, and headlines, folded."""
    _, content, found = built(finished())
    section = part("text", found)
    (ablation,) = (table for caption, table in tables(section).items() if caption.startswith("The same folds"))
    assert [row[0].text for row in ablation.rows][:2] == ["the strategy", "without the text"]
    row = content["text_ablation"]["variants"][1]
    assert ablation.rows[1][2].text == f"{say.three(row['ic_difference'])} ({say.three(row['ic_low'])} to {say.three(row['ic_high'])})"
    assert set(plots(section)) == {"groups", "ic-by-age", "ic-by-source", "ic-by-topic", "events", "events-by-topic"}
    assert "summed over bars" in plots(section)["events"].caption
    folded = [caption for caption, table in tables(section).items() if table.folded]
    assert len(folded) == 4
    assert any("headline" in text for text in texts(list(section.blocks)))


def test_without_text_the_section_says_so() -> None:
    """No empty figures: one sentence."""
    result = finished()
    bare = replace(result, variants=None, predicted=replace(result.predicted, text=pd.DataFrame(index=result.predicted.signal.index)))
    section = part("text", built(bare)[2])
    assert section.blocks == []
    assert "reads no text" in section.lead


def test_scores_are_explained_by_their_words() -> None:
    """The last fold's headlines, highest score first, each with what raised and what lowered it; they are not told a second time."""
    caption = next(caption for caption in tables(part("text")) if "integrated gradients" in caption)
    found = [[cell.text for cell in row] for row in tables(part("text"))[caption].rows]
    assert found == [
        ["company beats estimates", "0.60", "beats 0.550, estimates 0.050", say.NONE],
        ["<i>company</i> cuts dividend", say.number(-0.4), "company 0.100", f"cuts {say.three(-0.3)}, dividend {say.three(-0.2)}"],
    ]
    learned = [block for block in part("walk-forward").blocks if isinstance(block, Table)][-1]
    assert not any(EXAMPLES in cell.text for row in learned.rows for cell in row)


def test_topics_are_named_by_their_words() -> None:
    """The first words of the last fold's topic stand beside its number; two learners with topics are not mixed up."""
    result, _, _ = case()
    assert topic_words(result)["topic_1"].startswith("1: ")
    fit = replace(result.predicted.fits[-1], learned={"a": {"topics": [["x", "y", "z"]]}, "b": {"topics": [["w"]]}})
    assert topic_words(replace(result, predicted=replace(result.predicted, fits=(fit,)))) == {}


def test_the_ledger_speaks_in_the_section_on_luck() -> None:
    """How the trials were counted, what is odd about it, and what is left of the ratio."""
    _, content, _ = case()
    section = luck_section(content)
    (notes,) = (block for block in section.blocks if isinstance(block, Notes))
    assert notes.lines[1:] == content["trials"]["notes"]
    assert "ledger" in notes.lines[0]
    assert facts(section)["Trials"].value == "3"
    assert [row[0].text for row in next(iter(tables(section).values())).rows] == ["Bonferroni", "Holm", "Benjamini, Hochberg, Yekutieli"]


def test_where_it_breaks_is_drawn_and_listed() -> None:
    """Stress, cost and delay, capacity, legs, periods and regimes."""
    _, _, found = built(finished())
    section = part("fragility", found)
    assert set(plots(section)) == {"stress", "cost-delay"}
    assert [one.name for one in next(block for block in section.blocks if isinstance(block, Facts)).facts].count("Capacity") == 2
    assert {"Long and short apart; they add up to the net return of each session"} <= set(tables(section))


def test_only_what_tells_something_is_listed_by_period() -> None:
    """A ratio of a few sessions is left out, and so are the half-years of a long span."""
    rows = [{"kind": "year", "period": str(year), "n_sessions": 252, "sharpe": 1.0} for year in (2020, 2021, 2022)]
    rows += [{"kind": "half_year", "period": "2020H1", "n_sessions": 19, "sharpe": 48.0}]
    assert [row["sharpe"] for row in breaking.shown_periods(rows)] == [1.0, 1.0, 1.0, None]
    rows += [{"kind": "year", "period": "2023", "n_sessions": 20, "sharpe": 2.0}]
    assert [row["period"] for row in breaking.shown_periods(rows)] == ["2020", "2021", "2022", "2023"]
    assert breaking.shown_periods(rows)[-1]["sharpe"] == 2.0


def test_methods_name_conventions_and_what_the_encoder_has_read() -> None:
    """Each convention, the hashes, and the knowledge cut-off with what it means."""
    section = part("provenance")
    shown = " ".join(texts(list(section.blocks)))
    for said in ("Newey and West", "Politis and White", "Bailey and Lopez de Prado", "Hansen", "Harvey and Liu", "2020-08-31", "abab"):
        assert said in shown
    assert "No walk-forward can mend that." in shown


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>', "a\u202eb", "\u2028"])
def test_names_from_data_are_plain_text_here(name: str) -> None:
    """Nothing is marked up or escaped twice: the page does it, and figures pass names through their own escape."""
    result = fake_result(symbols=("BBB", "CCC", "DDD", name), n_sessions=260)
    _, _, found = built(result)
    assert name in set(texts(list(part("trading", found).blocks))) | set(texts(list(part("fragility", found).blocks)))
    for section in found:
        for plot in plots(section).values():
            assert plot.figure is None or "<" not in str(plot.figure.to_plotly_json()["data"]).replace("<extra>", "").replace(
                "</extra>", ""
            )


def test_rows_become_tables() -> None:
    """Titles name the keys that fill them; null becomes a missing number in a frame."""
    rows = [{"a": "x", "b": 0.5}, {"a": "y", "b": None}]
    made = listed("caption", rows, {"A": ("a", "text", str), "B": ("b", "number", say.percent)})
    assert [[cell.text for cell in row] for row in made.rows] == [["x", "50.0%"], ["y", say.NONE]]
    assert frame(rows, "a", {"value": "b"})["value"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("written", "value", "said"),
    [
        (say.chance, 0.9999, "> 99.9%"),
        (say.chance, 0.0001, "< 0.1%"),
        (say.chance, 0.95, "95.0%"),
        (say.chance, None, say.NONE),
        (say.probability, 0.0001, "< 0.001"),
        (say.probability, 0.04, "0.040"),
        (say.probability, None, say.NONE),
        (say.three, -0.0004, "0.000"),
    ],
)
def test_probabilities_never_claim_to_be_certain(written: say.Written, value: object, said: str) -> None:
    """Near 0 and 1 they are said to be beyond what is shown."""
    assert written(value) == said


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>x",
    "javascript:x",
    "a\u2028b",
    "\u202egnp",
    "{{7*7}}",
)


def test_hostile_headlines_sources_and_topics_are_inert_on_the_page() -> None:
    """Wherever a text from the news, or a word learned from it, is shown or drawn, it is a text and nothing else."""
    result = fake_result(n_sessions=260, n_documents=700)
    place = np.arange(700) % len(HOSTILE)
    table = result.dataset.news.table
    hostile = table.assign(text=np.array(HOSTILE, dtype=object)[place], source=np.array(HOSTILE, dtype=object)[::-1][place])
    fits = tuple(replace(fit, learned={"topics": {"topics": [[text, text] for text in HOSTILE]}}) for fit in result.predicted.fits)
    result = replace(result, dataset=replace(result.dataset, news=News(hostile)), predicted=replace(result.predicted, fits=fits))
    content = contract(result)
    html = page.render(result, content)
    tags = Counted(html)
    assert tags.counts["script"] == 4
    assert tags.counts["img"] == 0
    assert not tags.handlers
    assert html.count("alert(1)") > 5
    assert "\u202e" not in html
    assert {row["source"] for row in content["text_ablation"]["by_source"]} >= set(HOSTILE[:2])  # type: ignore[call-overload,index]


class Counted(HTMLParser):
    """How often each tag occurs, and the attributes that would run something."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it."""
        self.counts[tag] += 1
        self.handlers += [name for name, value in attrs if name.startswith("on") or (name == "href" and not (value or "").startswith("#"))]


def test_positions_closed_as_delisted_are_told_with_their_cost() -> None:
    """A run that had one says what the haircut took; a run without says none."""
    _, content, found = built(finished())
    shown = fact_of("Closed as delisted", found)
    assert shown.value == "1"
    assert shown.note == f"at the last close less a haircut of {say.number(content['trading']['delisting_haircut'], 0)}"
    assert fact_of("Closed as delisted", case()[2]).value == "0"


def fact_of(name: str, found: list[Section]) -> Fact:
    """Return a fact of the section on trades by its name."""
    return next(one for block in part("trading", found).blocks if isinstance(block, Facts) for one in block.facts if one.name == name)
