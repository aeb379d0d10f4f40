"""The haircut of a Sharpe ratio, against the example printed in the paper and its definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import significance as sig
from quantlab.errors import UsageError
from quantlab.significance.haircut import bhy, bonferroni, holm, p_values

PAPER = np.array([0.005, 0.009, 0.0128, 0.0135, 0.045, 0.06])  # Harvey & Liu 2015: six tests


def test_the_six_tests_of_the_paper() -> None:
    """At 5% Bonferroni finds one discovery, Holm two, and Benjamini, Hochberg and Yekutieli four."""
    assert bonferroni(PAPER) == pytest.approx([0.03, 0.054, 0.0768, 0.081, 0.27, 0.36], abs=5e-5)
    assert holm(PAPER) == pytest.approx([0.03, 0.045, 0.0512, 0.0512, 0.09, 0.09], abs=5e-5)
    assert bhy(PAPER) == pytest.approx([0.0496, 0.0496, 0.0496, 0.0496, 0.06, 0.06], abs=5e-5)


def test_a_ratio_of_three_quarters_over_twenty_years() -> None:
    """240 months at .75 a year: p = .0008 alone; the best of 200, it is .159 (Bonferroni), and .31 of the ratio is left."""
    cut = sig.haircut_sharpe(0.75 / math.sqrt(12), 240, n_trials=200)
    assert cut.p_value == pytest.approx(0.0008, abs=5e-6)
    assert cut.bonferroni.p_value == pytest.approx(200 * cut.p_value)
    assert cut.bonferroni.sharpe * math.sqrt(12) == pytest.approx(0.3148, abs=5e-5)
    assert cut.bonferroni.haircut == pytest.approx(1 - 0.3148 / 0.75, abs=1e-4)


def test_the_haircut_ratio_has_the_raised_p_value() -> None:
    """Alone, the ratio that is left would have had the p-value that the methods arrive at."""
    cut = sig.haircut_sharpe(0.12, 1000, [0.1, 0.05, -0.02])
    for adjusted in (cut.bonferroni, cut.holm, cut.bhy):
        assert p_values([adjusted.sharpe], 1000) == pytest.approx([adjusted.p_value])
        assert 0 < adjusted.haircut < 1


def test_a_single_trial_is_not_cut() -> None:
    """With nothing else tried there is nothing to allow for."""
    cut = sig.haircut_sharpe(0.1, 500)
    for adjusted in (cut.bonferroni, cut.holm, cut.bhy):
        assert adjusted.sharpe == pytest.approx(0.1)
        assert adjusted.p_value == cut.p_value
        assert adjusted.haircut == pytest.approx(0.0)


def test_trials_without_a_known_ratio_count() -> None:
    """As trials without any effect: more of them cut more, and an undefined ratio is one of them."""
    known, more = sig.haircut_sharpe(0.12, 1000, [0.1]), sig.haircut_sharpe(0.12, 1000, [0.1], n_trials=50)
    for name in ("bonferroni", "holm", "bhy"):
        assert getattr(more, name).sharpe < getattr(known, name).sharpe
    assert sig.haircut_sharpe(0.12, 1000, [math.nan]) == sig.haircut_sharpe(0.12, 1000, n_trials=2)


def test_no_method_makes_a_ratio_better() -> None:
    """A loss stays what it is, a hopeless ratio becomes 0, and a p-value too small for a float cuts nothing."""
    loss = sig.haircut_sharpe(-0.1, 500, n_trials=10)
    assert loss.holm.sharpe == -0.1
    assert math.isnan(loss.holm.haircut)
    hopeless = sig.haircut_sharpe(0.001, 100, n_trials=100)
    assert (hopeless.bonferroni.sharpe, hopeless.bonferroni.haircut, hopeless.bonferroni.p_value) == (0.0, 1.0, 1.0)
    assert sig.haircut_sharpe(3.0, 500, n_trials=10).bonferroni.sharpe == 3.0


def test_what_cannot_be_is_said() -> None:
    """An undefined ratio gives NaN throughout; a count below the trials given is refused."""
    nothing = sig.haircut_sharpe(math.nan, 500)
    assert math.isnan(nothing.p_value)
    assert math.isnan(nothing.bhy.sharpe)
    with pytest.raises(UsageError, match="at least 3, not 2"):
        sig.haircut_sharpe(0.1, 500, [0.1, 0.2], n_trials=2)


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=12))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_raised_p_values_are_those_of_the_definitions(single: list[float]) -> None:
    """As the paper words them, one p-value after the other, and each back in its place."""
    order = sorted(range(len(single)), key=single.__getitem__)
    p, m = [single[k] for k in order], len(single)
    factor = sum(1 / k for k in range(1, m + 1))
    step_down = [min(1.0, max((m - j) * p[j] for j in range(i + 1))) for i in range(m)]
    step_up = [p[-1]]
    for i in range(m - 1, 0, -1):  # i of m is the rank
        step_up.insert(0, min(step_up[0], m * factor / i * p[i - 1]))
    assert bonferroni(np.array(single)) == pytest.approx([min(1.0, m * value) for value in single])
    assert holm(np.array(single))[order] == pytest.approx(step_down)
    assert bhy(np.array(single))[order] == pytest.approx(step_up)
