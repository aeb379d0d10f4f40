"""What the text added, which news the signal reads well, and the headlines behind the best and the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from quantlab import evidence
from quantlab.evidence.events import Z95
from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Notes, Plot, Section, Table, table
from quantlab.report.contract.encode import rows as as_rows
from quantlab.report.sections.parts import Figures, frame, listed, text, whole
from quantlab.result import EXAMPLES, BacktestResult

VARIANTS = {
    "strategy": "the strategy",
    "no_text": "without the text",
    "text_only": "text alone",
    "placebo": "placebo: texts dealt out to other names and dates",
}
KINDS = {
    "age": "IC of the rows by the age of the youngest document in view at the close.",
    "source": "IC of the rows by the sources in view; a row can have several.",
    "topic": "IC of the rows by their main topic. What a topic is about is learned anew in each fold; the words are those of the last.",
}
GROUPS = (
    "Share of each group of features in what moved the predictions, averaged over the folds, with its least and greatest fold. "
    "'price' is everything that no text learner made."
)
ORDER = {"up": 0, "down": 1, "flat": 2}  # of the curves: the strategy's own colour for what it would buy
EXTREMES, NAMES, DOCUMENTS = 5, 2, 2  # sessions or trades on either side, names of each, documents of each
LEAST_ROWS = 30  # of a kind of news, for a bar of its own; the rest is in report.json
TOPIC_WORDS = 2
WORDS = 3  # of a headline, on either side
MANY = 8  # bars: more of them take the whole width


def text_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what the text added, or that none was read."""
    added = figures["text_ablation"]
    if added is None:
        return Section("text", "News and text", "The model of this strategy reads no text: there is nothing to take apart.")
    words = topic_words(result)
    blocks = [*_knowledge(added), *_ablation(added), *_kinds(added, words), *_events(added["events"], words), *_explained(result)]
    blocks += _headlines(result)
    lead = "The same folds again without the text, with the text alone, and with a placebo; then which news the signal reads well."
    return Section("text", "News and text", lead, blocks)


def topic_words(result: BacktestResult) -> dict[str, str]:
    """Return `topic_3` to its name with the first words of the last fold's topic, as far as one learner says them."""
    learned = [facts for fit in result.predicted.fits[-1:] for facts in fit.learned.values() if isinstance(facts, Mapping)]
    told = [facts["topics"] for facts in learned if isinstance(facts.get("topics"), list)]
    if len(told) != 1:
        return {}
    topics: Any = told[0]
    return {
        f"topic_{number}": f"{number}: {', '.join(map(str, words[:TOPIC_WORDS]))}"
        for number, words in enumerate(topics)
        if isinstance(words, list) and words
    }


def _knowledge(added: Figures) -> list[Block]:
    """Say plainly that it is not known what an encoder may remember; where it is known, the summary says it."""
    known = added["knowledge"]
    return [Notes([say.knowledge_sentence(known)])] if known and known["unknown"] else []


def _explained(result: BacktestResult) -> list[Block]:
    """Show the headlines that an encoder scored highest and lowest in the last fold, with the words that made it so."""
    learned = [said for fit in result.predicted.fits[-1:] for said in fit.learned.values() if isinstance(said, Mapping)]
    examples: list[Any] = [example for said in learned for example in said.get(EXAMPLES) or ()]  # type: ignore[union-attr]
    columns = {"Headline, as the encoder read it": "text", "Score": "number", "Raised it": "text", "Lowered it": "text"}
    lines = []
    for example in sorted(examples, key=lambda example: -example["score"]):
        words = sorted(example["words"], key=lambda word: -abs(word[1]))
        moved = [[say.cut(f"{word} {say.three(share)}") for word, share in words if sign * share > 0][:WORDS] for sign in (1, -1)]
        lines.append((text(example["text"]), say.number(example["score"]), *(", ".join(some) or say.NONE for some in moved)))
    caption = "Highest and lowest scores of the fine-tuned encoder in the last fold, and the words that made them (integrated gradients)"
    return [table(caption, columns, lines, folded=True)] if lines else []


def _ablation(added: Figures) -> list[Block]:
    if not added["variants"]:
        return [Notes(["The run was made without the ablation: what the text added was not measured."])]
    rows = [
        {
            **row,
            "name": VARIANTS.get(row["variant"], row["variant"]),
            "ic_more": _difference(row, "ic", say.three),
            "sharpe_more": _difference(row, "sharpe", say.number),
        }
        for row in added["variants"]
    ]
    columns = {
        "Variant": ("name", "text", text),
        "IC": ("ic", "number", say.three),
        "IC difference": ("ic_more", "number", text),
        "Sharpe": ("sharpe", "number", say.number),
        "Sharpe difference": ("sharpe_more", "number", text),
        "Turnover": ("turnover", "number", lambda value: say.percent(value, 0)),
    }
    return [
        listed("The same folds with other columns; a difference is the strategy less the variant, with its 95% interval", rows, columns)
    ]


def _difference(row: Figures, by: str, written: say.Written) -> str:
    """Return a difference with its interval, or a dash."""
    value, low, high = (row[f"{by}_{end}"] for end in ("difference", "low", "high"))
    if value is None:
        return say.NONE
    return written(value) if low is None else f"{written(value)} ({written(low)} to {written(high)})"


def _kinds(added: Figures, words: Mapping[str, str]) -> list[Block]:
    """Return a figure for what moved the predictions, and one for each kind of news, in pairs where they are small."""
    plots: list[Block] = []
    for key, caption in KINDS.items():
        rows = [{**row, key: words.get(row[key], row[key])} for row in added[f"by_{key}"] if row["n_rows"] >= LEAST_ROWS]
        table = frame(rows, key, {"value": "ic", "t": "t"}).dropna(subset=["value"])
        if len(table):
            figure = charts.groups(_between(table), x="IC", x_format=".2f")
            plots.append(Plot(f"ic-by-{key}", caption, figure=figure, half=len(table) <= MANY))
    if not added["groups"]:
        return plots
    table = frame(added["groups"], "group", {"value": "share", "low": "share_low", "high": "share_high"})
    n_small = sum(isinstance(plot, Plot) and plot.half for plot in plots)
    figure = charts.groups(table, x="share", x_format=".0%")
    return [Plot("groups", GROUPS, figure=figure, half=n_small % 2 == 1), *plots]


def _between(table: pd.DataFrame) -> pd.DataFrame:
    """Return values with their 95% interval: the standard error is the value over its t."""
    reach = Z95 * table["value"].abs() / table["t"].abs()
    return table[["value"]].assign(low=table["value"] - reach, high=table["value"] + reach)


def _events(events: Figures, words: Mapping[str, str]) -> list[Block]:
    """Return the event study: by what the signal said, and by topic."""
    if not events["n_events"]:
        return [Notes(["There is no event whose window lies in the data: no event study."])]
    left = ", ".join(f"{whole(n)} {reason}" for reason, n in events["left_out"].items() if n)
    caption = (
        f"Mean abnormal return around {whole(events['n_events'])} news events, summed over bars, by what the signal said then; 95% bands. "
        "Day 0 first knows the news; a position decided then earns from day 1 on." + (f" Left out: {left}." if left else "")
    )
    figure = charts.bands(_curves(events["by_sign"], events["days"], {}), x="bars around the news", y="summed", y_format=".1%")
    plots: list[Block] = [Plot("events", caption, figure=figure)]
    if events["by_topic"]:
        shown = f"the {len(events['by_topic'])} of {events['n_topics']} topics with the most events"
        curves = _curves(events["by_topic"], events["days"], words, bands=False)
        plots.append(
            Plot(
                "events-by-topic",
                f"The same by main topic: {shown}.",
                figure=charts.bands(curves, x="bars around the news", y="summed", y_format=".1%"),
            )
        )
    return plots


def _curves(rows: Sequence[Figures], days: Sequence[int], words: Mapping[str, str], *, bands: bool = True) -> dict[str, pd.DataFrame]:
    curves = {}
    for row in sorted(rows, key=lambda row: ORDER.get(row["class"], 0)):
        table = pd.DataFrame({"value": row["mean"], "low": row["low"], "high": row["high"]}, index=pd.Index(days), dtype=float)
        curves[f"{words.get(row['class'], row['class'])} ({whole(row['n_events'])})"] = table if bands else table[["value"]]
    return curves


def _headlines(result: BacktestResult) -> list[Block]:
    """Return the documents in view on the best and worst sessions, and at the best and worst trades, folded."""
    by_session = evidence.session_headlines(result, k=EXTREMES, names=NAMES, documents=DOCUMENTS)
    by_trade = evidence.trade_headlines(result, k=EXTREMES, documents=DOCUMENTS)
    blocks: list[Block] = [_of_sessions(side, by_session[by_session["side"] == side]) for side in ("best", "worst")]
    return blocks + [_of_trades(side, by_trade[by_trade["side"] == side]) for side in ("best", "worst")]


def _of_sessions(side: str, found: pd.DataFrame) -> Table:
    columns = {
        "Session": ("time", "day", say.day),
        "Portfolio": ("net_return", "number", lambda value: say.signed(value, 2)),
        "Symbol": ("symbol", "text", text),
        "Its part": ("contribution", "number", lambda value: say.signed(value, 2)),
        "Known since": ("available_at", "day", say.day),
        "Headline": ("text", "text value", text),
        "When decided": ("in_time", "text", lambda known: "known" if known else "not yet"),
    }
    return listed(f"News in view of the names that moved the {side} sessions", as_rows(found), columns, folded=True)


def _of_trades(side: str, found: pd.DataFrame) -> Table:
    columns = {
        "Decided": ("decided_at", "day", say.day),
        "Symbol": ("symbol", "text", text),
        "Side": ("direction", "text", text),
        "Gain": ("pnl", "number", whole),
        "Return": ("return", "number", say.signed),
        "Known since": ("available_at", "day", say.day),
        "Headline": ("text", "text value", text),
    }
    return listed(f"News in view when the {side} trades were decided", as_rows(found), columns, folded=True)
