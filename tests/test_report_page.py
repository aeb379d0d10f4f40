"""How the report looks and behaves: the verdict first, terms explained, a table behind each plot, hostile texts inert."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_result import fake_result
from hypothesis import given, settings
from hypothesis import strategies as st
from plotly import graph_objects as go

from quantlab.report import behind, blocks, charts, glossary, look, page
from quantlab.report.behind import table_behind
from quantlab.report.blocks import Fact, Facts, Interval, Page, Plot, Section, Verdict, table
from quantlab.report.contract import contract
from quantlab.result import BacktestResult, Check, Finding

DAYS = pd.bdate_range("2020-01-01", periods=3, tz="UTC") + pd.Timedelta(hours=21)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "a\u2028b\u2029c",
    "\u202egnp.exe",
    "\u2066\u2067x\u2069",
    "\ud800",
    "{{ 7*7 }}{% raw %}",
    "</style><style>*{display:none}",
    "<!--",
)


class Tags(HTMLParser):
    """The tags of a page, with what is inside each element of interest."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, and open it unless it never closes."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "line", "rect", "circle", "polyline", "link", "img", "option"):
            self.open.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        """Close what is open up to that tag."""
        while self.open:
            closed = self.open.pop()
            self.inside.append(closed)
            if closed[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        """Note the text in all that is open."""
        for element in self.open:
            element[2].append(data)

    def texts(self, tag: str, kind: str | None = None) -> list[str]:
        """Return the text inside each such element, in the order of their ends."""
        return ["".join(text).strip() for name, attrs, text in self.inside if name == tag and kind in (None, attrs.get("class"))]

    def ids(self) -> list[str]:
        """Return every id."""
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Leave plotly.js itself out of the pages: it is the same in all of them, and test_report.py looks at one that has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "plotly.js v")
        yield


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a made-up run."""
    return fake_result(n_sessions=260)


@pytest.fixture(scope="module")
def rendered(result: BacktestResult) -> str:
    """Return its page, with a verdict."""
    return page.render(result, judged(result, "luck", "Not distinguishable from luck."))


def judged(result: BacktestResult, level: str, sentence: str) -> dict[str, Any]:
    """Return the content of report.json with that verdict."""
    content: dict[str, Any] = contract(result)
    content["verdict"] = {**(content.get("verdict") or {}), "level": level, "sentence": sentence, "also": []}
    return content


def interval(values: list[float], reach: float = 1.0) -> pd.DataFrame:
    """Return values with an interval of that reach to both sides."""
    centre = np.array(values, dtype=float)
    return pd.DataFrame({"value": centre, "low": centre - reach, "high": centre + reach}, index=[f"g{n}" for n in range(len(values))])


def texts(shown: blocks.Table) -> list[list[str]]:
    """Return the texts of a table, row by row, its head first."""
    return [[cell.text for cell in shown.head], *([cell.text for cell in row] for row in shown.rows)]


def plotted(figure: go.Figure) -> str:
    """Return a page of one plot."""
    return page.render_page(Page(title="t", sections=[Section("s", "S", "", [Plot("p", "caption", figure=figure)])]))


def test_the_verdict_comes_first(rendered: str) -> None:
    """The answer in plain words stands before any figure, as a word and not by its colour alone."""
    found = Tags(rendered)
    assert found.texts("div", "verdict luck") == ["Could be luckNot distinguishable from luck."]
    assert rendered.index("Not distinguishable from luck.") < rendered.index("Total return")


def test_a_page_without_a_verdict_has_no_place_for_one() -> None:
    """A report.json without a verdict has none; a level that does not exist is an error that names those that do."""
    assert blocks.verdict(None) is None
    assert 'class="verdict' not in page.render_page(Page(title="t", sections=[]))
    with pytest.raises(ValueError, match="real, weak, luck, loss, untested, invalid"):
        blocks.verdict({"level": "fine", "sentence": ""})


def test_levels_have_an_order() -> None:
    """A list of runs sorts them from what holds up to what cannot be trusted."""
    ranks = [Verdict(level, "").rank for level in ("real", "weak", "luck", "loss", "untested", "invalid")]
    assert ranks == [6, 5, 4, 3, 2, 1]
    assert Verdict("invalid", "").title == "Cannot be trusted"


def test_a_failed_audit_is_an_alarm_above_the_verdict(result: BacktestResult) -> None:
    """No verdict is read before the sentence that says that no figure can be trusted, which is said once."""
    failed = replace(result, audit=(Check("canary", "leak", "IC t = 152"),))
    text = page.render(failed, judged(failed, "real", "It made money."))
    said = "The audit failed: see below"
    assert text.index(said) < text.index("It made money.")
    assert len(re.findall(said, text[: text.index("<h2>")])) == 1


def test_a_finding_is_shown_with_its_cause(result: BacktestResult) -> None:
    """Stage and column, the first row, both values, and the cause, which stands in the alarm too."""
    time = pd.Timestamp("2024-01-02 21:00", tz="UTC")
    finding = Finding("features", "volume_z", time, "AAA", "0.31", "0.28", 7, "cut after 2024-01-02", "uses a full-sample mean")
    failed = replace(result, audit=(Check("truncation", "leak", "4 cuts", (finding,)), Check("warm-up", "not tried", "later")))
    text = page.render(failed, contract(failed))
    assert "Likely cause: uses a full-sample mean. The figures cannot be trusted." in text
    section = text[text.index("What depends on later data") :]
    for said in ("features volume_z", "AAA at 2024-01-02T21:00:00+00:00 (7 rows; cut after 2024-01-02)", "0.31", "0.28"):
        assert said in section


def test_a_blind_audit_is_said(result: BacktestResult) -> None:
    """With the check that could not see, and why; it is no alarm."""
    blind = replace(result, audit=(Check("canary", "blind", "nobody heard it"),))
    text = page.render(blind, contract(blind))
    assert "The audit proves nothing, for it could not have seen a leak (canary: nobody heard it)." in text
    assert "audit blind" in text


def test_names_are_explained_where_they_stand(rendered: str) -> None:
    """Each name in the glossary is a button, reachable by key and by touch, that points to its definition on the page."""
    found = Tags(rendered)
    buttons = [(attrs, "".join(text)) for tag, attrs, text in found.inside if tag == "button" and attrs.get("class") == "term"]
    meanings = {attrs["id"]: "".join(text) for tag, attrs, text in found.inside if tag == "dd" and "id" in attrs}
    assert {"Total return", "Sharpe ratio", "Depth", "IC"} <= {name for _, name in buttons}
    for attrs, name in buttons:
        assert attrs["type"] == "button"
        assert meanings[attrs["aria-describedby"]] == glossary.definition(name)
    assert set(meanings) == {attrs["aria-describedby"] for attrs, _ in buttons}  # it defines what the page uses, and no more
    assert 'title="' not in rendered[: rendered.index("application/json")]


def test_a_name_that_nobody_defined_is_plain_text() -> None:
    """It gets no button, and a page without any term has no section for them."""
    text = page.render_page(Page(title="t", sections=[Section("s", "S", "", [Facts([Fact("Colour", "red")])])]))
    assert "Colour" in Tags(text).texts("dt")
    assert 'class="term"' not in text
    assert "terms" not in Tags(text).ids()


def test_the_glossary_is_sound() -> None:
    """Each entry is one sentence and has an anchor of its own; each other name leads to an entry; capitals do not matter."""
    assert len({glossary.anchor(name) for name in glossary.DEFINITIONS}) == len(glossary.DEFINITIONS)
    for name, meaning in glossary.DEFINITIONS.items():
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", meaning), name
        assert glossary.entry(name) == name
    for other, name in glossary._SAME.items():
        assert glossary.definition(other) == glossary.DEFINITIONS[name]
    assert glossary.definition("sharpe RATIO") == glossary.DEFINITIONS["Sharpe ratio"]
    assert glossary.definition("no such thing") is None


def test_an_interval_is_drawn_to_scale() -> None:
    """From 0 to 4, five percent of the width at both ends: 1 to 4 with 2 inside, held against 0."""
    assert Interval(1.0, 2.0, 4.0).marks == {"low": "27.50%", "width": "67.50%", "value": "50.00%", "against": "5.00%"}
    assert Interval(1.0, 2.0, 4.0, against=6.0).marks == {"low": "5.00%", "width": "54.00%", "value": "23.00%", "against": "95.00%"}
    assert Interval(0.0, 0.0, 0.0).marks == {"low": "5.00%", "width": "0.00%", "value": "5.00%", "against": "5.00%"}


@pytest.mark.parametrize(
    "bad", [Interval(None, 1.0, 2.0), Interval(0.0, float("nan"), 1.0), Interval(0.0, 1.0, float("inf")), Interval(2, 1, 0)]
)
def test_an_interval_that_is_not_known_is_not_drawn(bad: Interval) -> None:
    """Its figure stands without a bar."""
    assert bad.marks is None
    text = page.render_page(Page(title="t", headline=Facts([Fact("a", "1", interval=bad)]), sections=[]))
    assert "<rect" not in text
    drawn = page.render_page(Page(title="t", headline=Facts([Fact("a", "1", interval=Interval(1.0, 2.0, 4.0))]), sections=[]))
    assert '<rect x="27.50%" width="67.50%"' in drawn


def test_every_plot_has_its_numbers_behind_it(rendered: str) -> None:
    """Below each plot a folded table, so that nothing is only in a picture."""
    assert rendered.count('<div class="plot"') == rendered.count("<summary>The numbers</summary>") >= 7
    for part in rendered.split('<div class="plot"')[1:]:
        assert part.index("<td") < part.index("</figure>")


def test_the_table_behind_lines_matches_them_by_day() -> None:
    """A row per session, a column per line, one digit more than the axis shows; a gap is a dash."""
    lines = pd.DataFrame({"own": [1.0, 1.25, 1.5], "<b>": [1.0, np.nan, -2.0]}, index=DAYS)
    expected = [
        ["Date", "own", "<b>"],
        ["2020-01-01", "1.000", "1.000"],
        ["2020-01-02", "1.250", "–"],  # noqa: RUF001  (an en dash)
        ["2020-01-03", "1.500", "\u22122.000"],
    ]
    assert texts(table_behind(charts.lines(lines, y="growth of 1"))) == expected


def test_the_table_behind_bars_has_the_ends_of_their_whiskers() -> None:
    """In the order in which the eye meets them: downwards for groups, rightwards for columns."""
    expected = [["IC", "low", "high"], ["g0", "1.0%", "0.0%", "2.0%"], ["g1", "3.0%", "2.0%", "4.0%"]]
    bars = interval([0.01, 0.03], 0.01)
    for figure in (charts.groups(bars, x="IC", x_format=".1%"), charts.columns(bars, x="", y="IC", y_format=".1%")):
        shown = texts(table_behind(figure.update_xaxes(hoverformat=".1%").update_yaxes(hoverformat=".1%")))
        assert [shown[0][1:], *shown[1:]] == expected


def test_the_table_behind_a_heat_map_is_the_table() -> None:
    """Row by row, with the numbers as its cells show them."""
    grid = pd.DataFrame([[0.5, -0.25], [np.nan, 1.0]], index=["0 bps", "5 bps"], columns=[0, 1])
    shown = texts(table_behind(charts.heat_map(grid, x="bars late", y="cost", value="Sharpe ratio")))
    assert shown == [["cost", "0", "1"], ["0 bps", "0.50", "\u22120.25"], ["5 bps", "–", "1.00"]]  # noqa: RUF001  (an en dash)


def test_the_table_behind_folds_says_from_when_to_when(result: BacktestResult) -> None:
    """A row per fold: tested, trained, and the purged gap between them."""
    from quantlab.report.figures import fold_windows

    fold = result.predicted.fits[0].fold
    head, first = texts(table_behind(fold_windows(result)))[:2]
    assert head == ["fold", "test", "train", "purged gap"]
    assert first[0] == "1"
    assert first[3] == f"{fold.train_end.date()} to {fold.test_start.date()}"


def test_a_long_table_is_thinned_and_says_so() -> None:
    """At most so many rows, the first and the last among them, and the reader is told out of how many."""
    days = pd.bdate_range("2020-01-01", periods=1000, tz="UTC")
    shown = table_behind(charts.lines(pd.DataFrame({"a": np.arange(1000.0)}, index=days), y="a", y_format=".0f"))
    assert len(shown.rows) == behind.MOST_ROWS
    assert [shown.rows[0][1].text, shown.rows[-1][1].text] == ["0.0", "999.0"]
    assert shown.caption == "60 of 1,000 points, evenly spaced"


@settings(derandomize=True, deadline=None, max_examples=50)
@given(values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=20, max_size=200), most=st.integers(4, 40))
def test_thinning_keeps_the_ends_and_the_extremes(values: list[float], most: int) -> None:
    """Whatever the line, its first, last, highest and lowest points are drawn, and not many more than asked for."""
    line = pd.DataFrame({"a": values})
    kept = line[charts.thinned(line, most).to_numpy()]
    assert {0, len(values) - 1} <= set(kept.index)
    assert len(kept) <= max(most, 2) + 2 or len(values) <= most
    if line["a"].notna().any():
        assert kept["a"].max() == line["a"].max()
        assert kept["a"].min() == line["a"].min()


EVENT = interval([0.0, 0.01, 0.02], 0.01).set_axis([-1, 0, 1])
BINS = pd.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "probability": [0.3, 0.7], "share_up": [0.4, 0.6], "n": [5, 5]})
SHARES = pd.DataFrame({"a": [0.2, 0.4], "b": [0.8, 0.6], "c": [np.nan, 0.0]}, index=DAYS[:2])
GROWTH = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 0.5, 2.0]}, index=DAYS)
KINDS: dict[str, Callable[[], go.Figure]] = {
    "lines": lambda: charts.lines(GROWTH, y="growth of 1"),
    "bands": lambda: charts.bands({"up": EVENT, "down": EVENT - 0.01}, x="bars", y="return"),
    "heat_map": lambda: charts.heat_map(pd.DataFrame([[1.0, -1.0]]), x="delay", y="cost", value="Sharpe ratio"),
    "groups": lambda: charts.groups(interval([1.0, 2.0]), x="IC"),
    "columns": lambda: charts.columns(interval([1.0, 2.0]), x="quantile", y="return"),
    "decay": lambda: charts.decay(EVENT, x="horizon in bars", y="IC"),
    "calibration": lambda: charts.calibration(BINS),
    "importance": lambda: charts.importance_over_folds(SHARES),
}


@pytest.mark.parametrize("name", list(KINDS))
def test_each_kind_of_figure_works_alone_and_on_a_page(name: str) -> None:
    """A plotly figure for a notebook; on the page strict JSON, no template of its own, a table behind it, the same bytes twice."""
    figure = KINDS[name]()
    assert isinstance(figure, go.Figure)
    text = plotted(figure)
    assert text == plotted(KINDS[name]())
    drawn = json.loads(Tags(text).texts("script")[0])["p"]
    assert "template" not in drawn["layout"]
    assert len(table_behind(figure).rows) > 0


@pytest.mark.parametrize("name", list(KINDS))
def test_a_dark_figure_names_no_light_colour(name: str) -> None:
    """Whatever colour a figure names is swapped for that of the theme, with its opacity; nothing else changes."""
    light, dark = KINDS[name](), look.themed(KINDS[name](), "dark")
    named = json.dumps(json.loads(dark.to_json())["data"])
    assert not any(colour in named for colour in look.PALETTE["light"])
    assert table_behind(light) == table_behind(dark)
    if name == "bands":
        assert dark.data[1].fillcolor == look.PALETTE["dark"][0] + look.FAINT
        assert dark.data[2].line.color == look.PALETTE["dark"][0]


def test_palettes_have_a_partner_for_each_colour() -> None:
    """Light and dark have as many colours, none twice, all written in full: the page swaps one for the other."""
    for colours in look.PALETTE.values():
        assert len(set(colours)) == len(colours) == len(look.PALETTE["light"])
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


def test_figures_leave_their_tables_alone() -> None:
    """No builder changes what it is given."""
    bars, lines = interval([1.0, 2.0]), pd.DataFrame({"a": [1.0, np.nan]}, index=DAYS[:2])
    kept = bars.copy(), lines.copy()
    charts.groups(bars, x="IC")
    charts.columns(bars, x="", y="IC")
    charts.lines(lines, y="a")
    assert bars.equals(kept[0])
    assert lines.equals(kept[1])


def test_an_empty_table_makes_an_empty_figure_and_no_hole() -> None:
    """Without rows there is nothing to draw, no error, and no place for the plot on the page."""
    none = interval([])
    empty = [charts.groups(none, x="IC"), charts.columns(none, x="", y=""), charts.decay(none, x="", y="")]
    empty += [charts.heat_map(pd.DataFrame(), x="", y="", value=""), charts.bands({}, x="", y="")]
    empty += [
        charts.calibration(pd.DataFrame({"probability": [np.nan], "share_up": [np.nan]})),
        charts.importance_over_folds(pd.DataFrame()),
    ]
    for figure in empty:
        assert not figure.data
        assert 'class="plot"' not in plotted(figure)
    assert 'class="plot"' not in page.render_page(Page(title="t", sections=[Section("s", "S", "", [Plot("p", "no figure")])]))


def test_whiskers_stand_only_where_they_are_known() -> None:
    """Low and high reach from the value; a row without them has none, and a table without them draws none."""
    partly = interval([1.0, 2.0])
    partly.loc["g1", ["low", "high"]] = np.nan
    drawn = charts.columns(partly, x="", y="IC").data[0].error_y
    assert list(drawn.array) == [1.0, 0.0]
    assert list(drawn.arrayminus) == [1.0, 0.0]
    assert charts.columns(partly[["value"]], x="", y="IC").data[0].error_y.array is None


def test_whiskers_may_reach_further_to_one_side() -> None:
    """From 1 down to 0.5 and up to 3."""
    uneven = pd.DataFrame({"value": [1.0], "low": [0.5], "high": [3.0]}, index=["a"])
    for whiskers in (charts.columns(uneven, x="", y="").data[0].error_y, charts.groups(uneven, x="").data[0].error_x):
        assert (list(whiskers.arrayminus), list(whiskers.array)) == ([0.5], [2.0])


def test_a_calibration_curve_takes_the_edges_of_its_bins_for_no_interval() -> None:
    """As `metrics.calibration` names them low and high; what is known of the share has names of its own. The diagonal is no data."""
    plain = charts.calibration(BINS)
    assert plain.data[0].error_y.array is None
    known = charts.calibration(BINS.assign(share_low=[0.3, 0.5], share_high=[0.5, 0.9]))
    assert list(known.data[0].error_y.array) == pytest.approx([0.1, 0.3])
    assert texts(table_behind(plain)) == [["predicted probability", "came true"], ["30%", "40.0%"], ["70%", "60.0%"]]


def test_bars_of_the_same_name_stay_apart() -> None:
    """Two names that look the same would fall into one bar."""
    bars = charts.columns(pd.DataFrame({"value": [1.0, 2.0]}, index=["x" * 50 + "1", "x" * 50 + "2"]), x="", y="IC").data[0]
    assert len(set(bars.x)) == 2


def test_more_bands_than_colours_are_refused() -> None:
    """They could not be told apart."""
    with pytest.raises(ValueError, match="9 lines with a band, and 8 colours"):
        charts.bands({str(n): interval([0.0]) for n in range(9)}, x="", y="")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_inert_wherever_they_stand(text: str) -> None:
    """As title, verdict, fact, table, note, caption, label of any figure or settings: no tag, no attribute, no direction override."""
    bars = interval([1.0, 2.0]).set_axis(pd.Index([text, "b"], dtype=object))
    name = pd.Index([text], dtype=object)
    figures = [
        charts.groups(bars, x=look.label(text)),
        charts.lines(pd.DataFrame([[1.0], [2.0]], index=DAYS[:2], columns=name), y="y"),
        charts.heat_map(pd.DataFrame([[1.0]], index=name, columns=name), x="", y="", value=text),
        charts.bands({text: interval([1.0])}, x="", y=""),
    ]
    whole = Page(
        title=text,
        eyebrow=text,
        description=text,
        alarm=text,
        footer=text,
        badges=[(text, "passed")],
        summary=[text],
        verdict=Verdict("weak", text),
        headline=Facts([Fact(text, text, text)]),
        sections=[
            Section("s", text, text, [table(text, {text: "text"}, [[text]]), table(text, {"a": "text"}, [[text]], folded=True)]),
            Section("n", text, text, [blocks.Notes([text]), *(Plot(f"p{n}", text, figure=figure) for n, figure in enumerate(figures))]),
        ],
    )
    harmless = re.sub(r"[^a-z]", "", text) or "x"
    bytes_ = page.render_page(whole).encode()  # a lone surrogate would not encode
    found, plain = Tags(bytes_.decode()), {tag for tag, _ in Tags(page.render_page(replace(whole, title=harmless))).tags}
    assert {tag for tag, _ in found.tags} == plain <= set(TAGS.split())
    assert len(found.texts("script")) == 4
    assert not any(key.startswith("on") or key in ("style", "src") for _, attrs in found.tags for key in attrs)
    assert all(str(attrs["href"]).startswith("#") for _, attrs in found.tags if "href" in attrs)
    own = bytes_.decode()[: bytes_.index(b"plotly.js v")]
    assert not look.UNSEEN.search(own.replace("\n", ""))
    for drawn in strings(json.loads(found.texts("script")[0])):
        assert "<" not in drawn.replace("<extra></extra>", "")
        assert not look.UNSEEN.search(drawn)


TAGS = (
    "html head meta title style body a nav details summary ol li button main section p h1 h2 bdi div span dl dt dd svg line rect circle "
    "noscript figure figcaption table thead tbody tr th td ul footer script"
)


def strings(value: Any) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_what_acts_unseen_is_shown() -> None:
    """Direction overrides, controls and lone surrogates become a visible mark; letters of any script, tabs and new lines stay."""
    assert look.plain("\u202eabc\u2066\x07\u2028\ud800") == "\ufffdabc" + "\ufffd" * 4
    assert look.plain("naïve 新闻 أخبار\tx\ny") == "naïve 新闻 أخبار\tx\ny"


def test_user_texts_keep_their_direction_to_themselves(rendered: str) -> None:
    """Title, values and captions are isolated, so that right-to-left text does not turn the numbers beside it around."""
    assert "<h1><bdi>" in rendered
    isolated = Tags(rendered).texts("bdi")
    assert "news_momentum" in isolated
    assert "Buy what has risen on good news, sell what has fallen on bad." in isolated


def test_the_page_can_be_used_by_key(rendered: str) -> None:
    """The first stop skips to the summary, every link has its target, folded parts are native, focus is never hidden."""
    found = Tags(rendered)
    first = next(attrs for tag, attrs in found.tags if tag in ("a", "button", "summary"))
    assert first == {"class": "skip", "href": "#summary"}
    assert {str(attrs["href"])[1:] for tag, attrs in found.tags if tag == "a"} <= set(found.ids())
    assert len(found.ids()) == len(set(found.ids()))
    assert all(attrs.get("type") == "button" for tag, attrs in found.tags if tag == "button")
    style = found.texts("style")[0]
    assert ":focus-visible { outline: 2px" in style
    assert "outline: none" not in style.replace("section:focus { outline: none; }", "")  # a target of a link, not a control
    for _, attrs in found.tags:
        assert attrs.get("role") != "region" or attrs.get("aria-label")


def test_paper_is_light_and_unbroken(rendered: str) -> None:
    """In print the colours are light, the navigation is gone, and no plot, table row or heading is torn from what belongs to it."""
    style = Tags(rendered).texts("style")[0]
    printed = style[style.index("@media print") :]
    assert "color-scheme: light" in printed
    assert re.search(r"nav, [^}]*\.data:not\(\[open\]\) \{ display: none; \}", printed)
    assert re.search(r"figure, [^}]*tr, [^}]*\{ break-inside: avoid; \}", printed)
    assert 'addEventListener("beforeprint"' in rendered


def test_pictures_are_allowed_only_inside_the_page(rendered: str) -> None:
    """A heat map is painted into the page itself; nothing may be fetched, posted or framed."""
    policy = next(attrs["content"] for _, attrs in Tags(rendered).tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
