"""Where the audit cuts: fold edges first, then what clocks and listings get wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
from conftest import flat_bars

from quantlab.audit.cuts import adversarial_cuts
from quantlab.bars import Bars
from quantlab.folds import WalkForward
from quantlab.sessions import sessions


def new_york(n_times: int = 60, start: str = "2021-10-01") -> Bars:
    """Return flat bars of two names at the closes of the exchange, B halted over one bar."""
    times = pd.DatetimeIndex(sessions("XNYS", start, "2022-06-01")["close"].iloc[:n_times])
    prices = {"A": [1.0] * n_times, "B": [np.nan if bar == 50 else 1.0 for bar in range(n_times)]}
    return flat_bars(prices, times=pd.DatetimeIndex(times, name=None))


def test_each_fold_is_cut_at_its_edges() -> None:
    """At the first test bar, one on, and horizon - 1 and horizon on: there a wrong purge shows."""
    bars = flat_bars({"A": [1.0] * 40, "B": [1.0] * 40})
    folds = list(WalkForward(train=10, test=10, min_train=10).split(bars.times, 5))
    cuts = adversarial_cuts(folds, bars, 5)
    edges = [bars.times.get_loc(cut.time) for cut in cuts if cut.reason.startswith("first test bar") and not cut.cold]
    starts = [bars.times.get_loc(fold.test_start) for fold in folds]
    assert edges == [start + step for start in starts for step in (0, 1, 4, 5) if start + step < 39]


def test_clock_changes_half_days_and_listings_are_cut() -> None:
    """The clocks go back on 2021-11-07, 2021-11-26 is a half day, and B is halted in bar 50."""
    bars = new_york()
    folds = list(WalkForward(train=10, test=20, min_train=10).split(bars.times, 2))
    reasons = {cut.reason: cut.time.date().isoformat() for cut in adversarial_cuts(folds, bars, 2, calendar="XNYS") if not cut.cold}
    assert reasons["last bar before a clock change"] == "2021-11-05"
    assert reasons["first bar after a clock change"] == "2021-11-08"
    assert reasons["half day"] == "2021-11-26"
    assert reasons["last bar before a name comes, goes or halts"] == bars.times[50].date().isoformat()  # it ends as it began


def test_no_cut_lies_before_a_decision_or_leaves_no_future() -> None:
    """A cut before the first test bar compares no decision, one at the last bar cuts nothing away."""
    bars = new_york()
    folds = list(WalkForward(train=10, test=20, min_train=10).split(bars.times, 2))
    cuts = adversarial_cuts(folds, bars, 2, calendar="XNYS")
    assert folds[0].test_start <= min(cut.time for cut in cuts)
    assert max(cut.time for cut in cuts) < bars.times[-1]


def test_some_cuts_are_cold_and_one_fits_all_folds_again() -> None:
    """A stale cache shows only where nothing is remembered."""
    bars = new_york()
    folds = list(WalkForward(train=10, test=20, min_train=10).split(bars.times, 2))
    for quick in (False, True):
        cold = [cut for cut in adversarial_cuts(folds, bars, 2, quick=quick) if cut.cold]
        assert cold[0].reason == "first test bar + 0"
        assert [cut.whole_prefix for cut in cold] == [False] * (len(cold) - 1) + [True]


def test_quick_has_fewer_cuts_and_the_seed_moves_only_the_random_ones() -> None:
    """Everything else is laid by the folds and the market."""
    bars = new_york()
    folds = list(WalkForward(train=10, test=7, min_train=10).split(bars.times, 2))
    one, two = (adversarial_cuts(folds, bars, 2, seed=seed) for seed in (0, 1))
    assert len(adversarial_cuts(folds, bars, 2, quick=True)) < len(one)
    assert one == adversarial_cuts(folds, bars, 2, seed=0)
    assert {c for c in one if c.reason.startswith("first")} == {c for c in two if c.reason.startswith("first")}
