"""The significance of a Sharpe ratio, against the numbers printed in the papers."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from quantlab import metrics
from quantlab import significance as sig
from quantlab.result import Trials


def test_probabilistic_sharpe_of_the_paper() -> None:
    """Two years of months with a Sharpe ratio of .458: .982 if normal, .913 with the skew of hedge funds."""
    assert sig.probabilistic_sharpe(0.458, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert sig.probabilistic_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


def test_probabilistic_sharpe_of_the_published_series() -> None:
    """The 504 days of the metrics' tests: .99440922, from population moments and non-excess kurtosis."""
    t = np.arange(504)
    returns = pd.Series(0.0008 + 0.012 * np.sin(1.7 * t) * np.cos(0.31 * t) + 0.004 * np.sin(t**1.3))
    returns.iloc[0] = -0.05
    ratio = metrics.sharpe(returns, periods=1)
    psr = sig.probabilistic_sharpe(ratio, 504, metrics.skewness(returns), metrics.kurtosis(returns))
    assert psr == pytest.approx(0.99440922, abs=1e-8)


def test_expected_maximum() -> None:
    """The best of ten standard normals is 1.5746 on average; of one trial, nothing is expected."""
    assert sig.expected_max_sharpe(10, 1.0) == pytest.approx(1.5746, abs=5e-5)
    assert sig.expected_max_sharpe(10, 4.0) == pytest.approx(2 * 1.5746, abs=1e-4)
    assert sig.expected_max_sharpe(1, 1.0) == 0.0


def test_deflated_sharpe_of_the_paper() -> None:
    """A hundred trials: the benchmark becomes .1132 a day and the probability .9004."""
    assert sig.expected_max_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert sig.deflated_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, 100, 0.5 / 250) == pytest.approx(0.9004, abs=5e-5)


def test_one_trial_deflates_nothing() -> None:
    """With a single trial the deflated ratio is the probabilistic one."""
    assert sig.deflated_sharpe(0.1, 500, -1.0, 6.0, 1, 0.3) == sig.probabilistic_sharpe(0.1, 500, -1.0, 6.0)


def test_min_track_record_is_where_the_probability_reaches_the_confidence() -> None:
    """At the minimum track record the probabilistic Sharpe ratio is the confidence asked for."""
    n = sig.min_track_record(0.1, -0.5, 5.0, benchmark=0.02, confidence=0.9)
    spread = math.sqrt(1 + 0.05 + 0.01)
    assert NormalDist().cdf((0.1 - 0.02) * math.sqrt(n - 1) / spread) == pytest.approx(0.9)
    assert sig.min_track_record(-0.1, 0.0, 3.0) == math.inf
    assert math.isnan(sig.min_track_record(math.nan, 0.0, 3.0))


def test_lo_2002() -> None:
    """A Sharpe ratio of 1 from 60 returns has a standard error of .158; eta(12) is 2.88 at rho .2 and sqrt(12) at 0."""
    assert sig.lo_standard_error(1.0, 60) == pytest.approx(0.158, abs=5e-4)
    assert sig.lo_annualisation(0.2, 12) == pytest.approx(2.88, abs=5e-3)
    assert sig.lo_annualisation(0.0, 12) == pytest.approx(math.sqrt(12))


def test_undefined_stays_undefined() -> None:
    """No returns, no variation, or moments that cannot be: NaN, not an exception."""
    assert math.isnan(sig.probabilistic_sharpe(math.nan, 100, 0.0, 3.0))
    assert math.isnan(sig.probabilistic_sharpe(0.1, 1, 0.0, 3.0))
    assert math.isnan(sig.probabilistic_sharpe(1.0, 100, 5.0, 1.0))
    assert math.isnan(sig.trial_variance(Trials(), math.nan, 100))


def test_variance_of_the_trials() -> None:
    """Of all ratios that are known, with ddof 1; of one alone, what sampling makes of it: (1 + .5 * 1) / 60 for a ratio of 1."""
    assert sig.trial_variance(Trials(n=3, sharpes=(0.1, 0.2)), 0.3, 60) == pytest.approx(0.01)
    assert sig.trial_variance(Trials(n=7, sharpes=(0.1,)), 0.3, 60) == pytest.approx(0.02)
    assert sig.trial_variance(Trials(n=7), 1.0, 60) == pytest.approx(1.5 / 60)
    assert sig.trial_variance(Trials(n=3, sharpes=(0.1, 0.3)), math.nan, 60) == pytest.approx(0.02)
