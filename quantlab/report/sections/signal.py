"""How well the signal foretold the target."""

from __future__ import annotations

import pandas as pd

from quantlab.evidence.events import Z95
from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Plot, Section
from quantlab.report.sections.parts import Figures, basis_points, fact, frame, whole
from quantlab.result import BacktestResult


def accuracy_section(result: BacktestResult, figures: Figures) -> Section:
    """Say how often the direction was right, how well names were ranked, and how fast that fades."""
    lead = (
        f"The signal of each test row, held against what came in the {result.horizon} bars after it. "
        "Directions say whether it calls rises and falls; ranks say whether it tells the better names from the worse."
    )
    blocks: list[Block] = [Facts([*_directions(figures), *_ranks(figures)]), *_plots(figures)]
    return Section("accuracy", "Accuracy and signal", lead, blocks)


def _directions(figures: Figures) -> list[Fact]:
    accuracy = figures["accuracy"]
    low, high = figures["intervals"]["hit_rate_above_base"]
    span = "" if low is None else f"the hit rate is above it by {say.signed(low)} to {say.signed(high)}"
    facts = [
        fact(
            figures, "Hit rate", "accuracy.hit_rate", say.percent, note=f"{whole(accuracy['n'])} rows", against=accuracy["base_rate"] or 0.0
        ),
        Fact("Base rate", say.percent(accuracy["base_rate"]), span),
        Fact("Balanced accuracy", say.percent(accuracy["balanced_accuracy"]), "50% is guessing"),
        Fact("Matthews correlation", say.three(accuracy["mcc"]), "0 is guessing"),
        Fact("AUC", say.three(accuracy["auc"]), "0.5 is guessing"),
    ]
    if accuracy["brier"] is not None:
        facts += [
            Fact("Brier score", say.three(accuracy["brier"]), "0.25 is guessing"),
            Fact("Brier skill", say.three(accuracy["brier_skill"]), "above 0 beats the base rate"),
            Fact("Log loss", say.three(accuracy["log_loss"]), "0.693 is guessing"),
        ]
    return facts


def _ranks(figures: Figures) -> list[Fact]:
    accuracy = figures["accuracy"]
    spread = accuracy["quantile_spread"]
    pooled = [fact(figures, "Pooled IC", "accuracy.pooled_ic", say.three)] if accuracy["pooled_ic"] is not None else []
    parts = [Fact("Quantile spread", say.signed(spread["mean"], 2), f"t = {say.number(spread['t'])}")] if spread else []
    return [
        *pooled,
        fact(figures, "Mean IC", "accuracy.ic_mean", say.three),
        Fact(
            "t of the mean IC",
            say.number(accuracy["ic_t"]),
            f"lag {accuracy['ic_lag']} sessions; beyond 2 or so is unlikely to be luck",
        ),
        Fact("IC IR", say.number(accuracy["ic_ir"]), f"standard deviation {say.three(accuracy['ic_std'])}"),
        Fact("Share positive", say.percent(accuracy["ic_positive"], 0), f"of {whole(accuracy['n_sessions'])} sessions"),
        *parts,
        Fact("Rank autocorrelation", say.number(accuracy["rank_autocorrelation"])),
        Fact("Break-even cost", basis_points(accuracy["break_even_bps"]), f"paid: {basis_points(figures['fragility']['own_cost_bps'])}"),
    ]


def _plots(figures: Figures) -> list[Block]:
    """Return the figures of the signal, in pairs; a figure without data is left out by the page."""
    accuracy = figures["accuracy"]
    folds = frame(figures["walk_forward"], "test_start", {"value": "ic"})
    folds.index = pd.Index([say.day(start) for start in folds.index], dtype=object)
    decay = frame(accuracy["ic_decay"], "horizon", {"value": "mean", "t": "t"})
    reach = Z95 * decay["value"].abs() / decay["t"].abs()  # the standard error is mean / t
    decay = decay.assign(low=decay["value"] - reach, high=decay["value"] + reach)
    quantiles = frame(accuracy["quantile_returns"], "quantile", {"value": "mean"})
    quantiles.index = pd.Index([str(name) for name in quantiles.index], dtype=object)
    sided = frame(accuracy["coverage"], "coverage", {"value": "hit_rate"})
    plots: list[Block] = [
        Plot(
            "ic-by-fold",
            "Mean rank correlation (IC) in each test window. Skill that lasts shows in most bars, not in one.",
            figure=charts.columns(folds, x="test window from", y="mean IC", height=260),
        ),
        Plot(
            "ic-decay",
            "IC of the same signal with the return over other horizons: how long it keeps its worth.",
            figure=charts.decay(decay.dropna(subset=["value"]), x="bars ahead", y="mean IC", x_format="d"),
            half=True,
        ),
        Plot(
            "quantiles",
            "Mean return over the horizon in each fifth of the signal, 1 the lowest. A signal that ranks well rises to the right.",
            figure=charts.columns(quantiles, x="fifth of the signal", y="mean return", y_format=".2%"),
            half=True,
        ),
        Plot(
            "coverage",
            "Hit rate if only the strongest signals spoke. A signal that knows how sure it is rises to the left.",
            figure=charts.decay(sided, x="share of the rows judged", y="hit rate", x_format=".0%", y_format=".1%"),
            half=bool(accuracy["calibration"]),  # its neighbour
        ),
    ]
    if accuracy["calibration"]:
        bins = frame(accuracy["calibration"], "low", {"probability": "probability", "share_up": "share_up"})
        caption = "How often it rose when the signal gave that probability. On the diagonal a forecast means what it says."
        plots.append(Plot("calibration", caption, figure=charts.calibration(bins), half=True))
    return plots
