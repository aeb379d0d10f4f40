"""What stands at the top: the key figures, and how the verdict came about."""

from __future__ import annotations

from collections.abc import Mapping

from quantlab.report import wording as say
from quantlab.report.blocks import Block, Facts, Notes, Section
from quantlab.report.sections.parts import Figures, fact, listed, text, whole

NAMES: Mapping[str, tuple[str, say.Written]] = {
    "total_return": ("Total return", say.signed),
    "cagr": ("CAGR", say.signed),
    "volatility": ("Volatility", say.percent),
    "sharpe": ("Sharpe ratio", say.number),
    "max_drawdown": ("Maximum drawdown", say.percent),
    "alpha": ("Alpha", say.signed),
    "information_ratio": ("Information ratio", say.number),
    "hit_rate": ("Hit rate", say.percent),
    "hit_rate_above_base": ("Hit rate less base rate", say.signed),
    "ic_mean": ("Information coefficient", say.three),
    "pooled_ic": ("Pooled IC", say.three),
}


def headline(figures: Figures) -> Facts:
    """Return the key figures at the top of the page."""
    accuracy, trading = figures["accuracy"], figures["trading"]
    pooled = accuracy["pooled_ic"] is not None
    signal = ("Pooled IC", "accuracy.pooled_ic") if pooled else ("Information coefficient", "accuracy.ic_mean")
    return Facts(
        [
            fact(figures, "Total return", "returns.total_return", say.signed),
            fact(figures, "Sharpe ratio", "returns.sharpe", say.number),
            fact(figures, "Maximum drawdown", "drawdown.max_drawdown", say.percent),
            fact(
                figures,
                "Hit rate",
                "accuracy.hit_rate",
                say.percent,
                note=f"base rate {say.percent(accuracy['base_rate'])}",
                against=accuracy["base_rate"] or 0.0,
            ),
            fact(figures, *signal, say.three),
            fact(figures, "Turnover a session", "trading.turnover", say.percent, note=f"{whole(trading['n_trades'])} trades"),
        ]
    )


def key_figure_section(figures: Figures) -> Section:
    """Say which conditions the verdict went by, and how far each headline figure could have come out otherwise."""
    values = {**figures["returns"], **figures["drawdown"], **figures["accuracy"]}
    values["hit_rate_above_base"] = None if values["hit_rate"] is None else values["hit_rate"] - values["base_rate"]
    rows = []
    for key, (low, high) in figures["intervals"].items():
        if key == "pooled_ic" and values[key] is None:
            continue  # it stands in for the mean of the sessions where there are few names
        name, written = NAMES[key]
        cells = [written(value) for value in (values[key], low, high)]
        rows.append({"name": name, "value": cells[0], "low": cells[1], "high": cells[2], "block": figures["significance"]["blocks"][key]})
    columns = {
        "Figure": ("name", "text", text),
        "Value": ("value", "number", text),
        "Low": ("low", "number", text),
        "High": ("high", "number", text),
        "Block": ("block", "number", whole),
    }
    caption = f"Headline figures with their 95% intervals; {whole(figures['significance']['n_resamples'])} resamples, blocks in sessions"
    blocks: list[Block] = [Notes(figures["verdict"]["reasons"]), listed(caption, rows, columns)]
    lead = "The verdict goes by these findings, each against a rule that was fixed beforehand, and by the interval of the Sharpe ratio."
    return Section("key-figures", "Why this verdict", lead, blocks)
