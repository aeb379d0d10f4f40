"""The zoo: each deliberate leak is found, with its cause in words; each honest look-alike is let pass.

One market, the quick audit. `same_bar_fill` cannot be written as a strategy, because the engine holds the only delay: its file brings
an engine of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quantlab.audit.full import audit
from quantlab.audit.outcome import AuditReport
from quantlab.dataset import Dataset
from quantlab.portfolio import simulate
from quantlab.strategy import MODULE_PREFIX, load_strategy
from quantlab.synthetic import make_market

ZOO = Path(__file__).parent / "zoo"

# file: the check that names the cause, the stage, words of the cause, and the other checks that see it as well
LEAKY = {
    "backfill": ("truncation", "features", "filled backwards (bfill)", {"poison"}),
    "centred_window": ("truncation", "features", "looks up to 2 bars ahead", {"poison"}),
    "duplicates_kept_last": ("truncation", "documents", "duplicates kept last", {"poison"}),
    "encoder_on_everything": ("truncation", "features", "a learner trained on all rows, later texts and returns", {"poison"}),
    "idf_on_all": ("truncation", "features", "vocabulary, IDF weights or topics learned from all documents", {"poison"}),
    "label_overlap": ("label overlap", "folds", "training labels overlap the test window by 3 bars", {"truncation", "poison"}),
    "late_cutoff": ("canary", "documents", "the cut-off is too late, by up to 5 minutes", set()),
    "lda_on_all": ("truncation", "features", "vocabulary, IDF weights or topics learned from all documents", {"poison"}),
    "memoised": ("truncation", "features", "a mean and spread of the whole sample (of prices", {"poison"}),
    "naive_stamps": ("canary", "documents", "the wrong time zone (naive local times taken for UTC)", {"truncation", "poison"}),
    "restated_news": ("poison", "documents", "a restated text under its first stamp", set()),
    "same_bar_fill": ("execution", "orders", "same-bar fill", set()),
    "same_day_news": ("canary", "documents", "credited to the same day (joined by date)", {"truncation", "poison"}),
    "scaler_on_all": ("truncation", "features", "a mean and spread of the whole sample (of volumes", {"poison"}),
    "shift_minus_one": ("truncation", "features", "shift(-1)", {"poison"}),
    "stale_cache": ("truncation", "signal", "a stale cache", set()),
    "test_window_scaler": ("truncation", "signal", "uses later rows of the test window", {"poison"}),
    "threshold_on_test_span": ("truncation", "weights", "on signals of the whole test span", {"poison"}),
    "understated_horizon": ("truncation", "labels", "not settled 5 bars later, but the target states horizon = 1", {"poison"}),
    "universe_by_future_volume": ("poison", "features", "which names are in the panel depends on later volumes", set()),
}
CLEAN = ("cross_sectional_rank", "decay_features", "ema", "expanding_zscore", "lagged_labels", "memoised_by_bars", "monthly_refit")


@pytest.fixture(scope="module")
def market() -> Dataset:
    """Return a small synthetic market with a delisting and halts."""
    return make_market(180, 8, seed=3).dataset


def audited(kind: str, name: str, market: Dataset) -> AuditReport:
    """Audit an animal of the zoo."""
    path = ZOO / kind / f"{name}.py"
    strategy = load_strategy(path)
    engine = getattr(sys.modules[MODULE_PREFIX + name], "engine", simulate)
    return audit(strategy, market, quick=True, fresh=lambda: load_strategy(path), engine=engine)


def test_the_zoo_is_complete() -> None:
    """Every file is in one of the lists: an animal that nobody looks after proves nothing."""
    assert {path.stem for path in (ZOO / "leaky").glob("*.py")} == set(LEAKY)
    assert {path.stem for path in (ZOO / "clean").glob("*.py")} == set(CLEAN)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEAKY))
def test_a_leak_is_found_and_its_cause_named(name: str, market: Dataset) -> None:
    """By the checks that should see it, and by no other: a check that fires at everything says nothing."""
    check, stage, words, others = LEAKY[name]
    report = audited("leaky", name, market)
    assert {outcome.name for outcome in report.leaks} == {check, *others}
    findings = next(outcome.findings for outcome in report.checks if outcome.name == check)
    assert findings[0].stage == stage
    assert words in findings[0].cause


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_an_honest_look_alike_is_let_pass(name: str, market: Dataset) -> None:
    """No finding, and no check that could not see."""
    report = audited("clean", name, market)
    assert report.findings == ()
    assert report.verdict == "held"
