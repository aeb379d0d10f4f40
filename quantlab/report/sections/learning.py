"""What each fold learned from, what it was tested on, and what it learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from quantlab.report import charts
from quantlab.report import wording as say
from quantlab.report.blocks import Block, Plot, Section, Table, table
from quantlab.report.sections.parts import Figures
from quantlab.result import EXAMPLES, BacktestResult, Json

SHOWN_LEARNED = 60  # lines of what the last fold learned


def walk_forward_section(result: BacktestResult, figures: Figures) -> Section:
    """Say what was learned when, and how it did."""
    times = result.dataset.bars.times
    rows = []
    for number, (fit, fold) in enumerate(zip(result.predicted.fits, figures["walk_forward"], strict=True), start=1):
        gap = times.searchsorted(fit.fold.test_start) - times.searchsorted(fit.fold.train_end)
        trained, tested = (f"{say.day(fold[f'{name}_start'])} to {say.day(fold[f'{name}_end'])}" for name in ("train", "test"))
        counts = [say.number(fold[name], 0) for name in ("n_train", "n_test")]
        rows.append((str(number), trained, f"{gap} bars", tested, *counts, say.three(fold["ic"]), "cut short" if fit.fold.partial else ""))
    columns = {"Fold": "text", "Learned from": "day", "Gap": "number", "Tested on": "day"}
    columns |= {"Rows learned": "number", "Rows tested": "number", "IC": "number", "Window": "day"}
    fits = result.predicted.fits
    last = {name: _without_examples(said) for name, said in fits[-1].learned.items()} if fits else {}
    blocks: list[Block] = [
        Plot("folds", "Each line is a fold: it learns from the grey part and is judged on the coloured one, never the other way round."),
        table("Folds", columns, rows, folded=len(rows) > 12),
        Plot(
            "importance",
            "Share of each feature in the model of each fold, the largest on average on top. What matters in one fold only is noise.",
            figure=charts.importance_over_folds(_importance(result)),
        ),
    ]
    blocks += [leaves("What the learners of the last fold say they learned", last, SHOWN_LEARNED, folded=True)] if last else []
    lead = (
        f"Everything that learns was fitted anew in each of {len(rows)} folds, on the past alone; the gap keeps its labels out of the test."
    )
    return Section("walk-forward", "Walk-forward", lead, blocks)


def _without_examples(said: Json) -> Json:
    """Return what a learner says, without the headlines that the section on text shows."""
    return {name: value for name, value in said.items() if name != EXAMPLES} if isinstance(said, Mapping) else said


def leaves(caption: str, values: Mapping[str, Any], most: int = 1000, *, folded: bool = False) -> Table:
    """Return a nested mapping as a table of dotted names and values, sorted by name; what is not shown is counted."""
    lines = list(say.flat({name: values[name] for name in sorted(values)}))
    rest = [("…", f"{len(lines) - most} more in manifest.json")] if len(lines) > most else []
    return table(caption, {"Name": "text name", "Value": "text value"}, [*lines[:most], *rest], folded=folded)


def _importance(result: BacktestResult) -> pd.DataFrame:
    """Return the share of each feature in each fold that has one, (n_folds, n_features)."""
    told = [(say.day(fit.fold.test_start), dict(fit.importance)) for fit in result.predicted.fits if fit.importance]
    return pd.DataFrame([share for _, share in told], index=pd.Index([start for start, _ in told], dtype=object), dtype=float)
