"""The significance of a Sharpe ratio, against the numbers printed in the papers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from quantlab import metrics
from quantlab import significance as sig


def noise(n: int, mean: float = 0.0, seed: int = 0) -> pd.Series:
    """Return n independent normal returns."""
    return pd.Series(mean + 0.01 * np.random.default_rng(seed).normal(size=n))


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
    assert sig.NORMAL.cdf((0.1 - 0.02) * math.sqrt(n - 1) / spread) == pytest.approx(0.9)
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
    for returns in (pd.Series([0.0] * 50), pd.Series([0.01, -0.01]), pd.Series(dtype=float), pd.Series([math.nan] * 50)):
        assert all(math.isnan(bound) for bound in sig.sharpe_interval(returns))


def test_interval_is_reproducible_and_seeded() -> None:
    """Same seed, same interval, to the bit; another seed, another one."""
    returns = noise(300)
    assert sig.sharpe_interval(returns) == sig.sharpe_interval(returns)
    assert sig.sharpe_interval(returns, seed=1) != sig.sharpe_interval(returns, seed=2)


def test_interval_has_the_width_of_the_formula() -> None:
    """For independent normal returns the bootstrap agrees with Lo's standard error."""
    returns = noise(1000, mean=0.0005)
    low, high = sig.sharpe_interval(returns, block=1)
    expected = 2 * 1.96 * sig.lo_standard_error(metrics.sharpe(returns, periods=1), 1000) * math.sqrt(252)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < metrics.sharpe(returns) < high


def test_interval_covers_the_truth() -> None:
    """In about 95% of worlds without skill the interval contains 0."""
    covered = [low <= 0 <= high for low, high in (sig.sharpe_interval(noise(250, seed=s), n_resamples=300) for s in range(100))]
    assert 0.87 <= np.mean(covered) <= 1.0


def test_blocks_keep_runs_together() -> None:
    """Where gains follow gains, single days understate the width and blocks do not."""
    shocks = np.random.default_rng(3).normal(size=1009)
    returns = pd.Series(0.01 * np.convolve(shocks, np.ones(10), "valid"))
    single, blocks = (sig.sharpe_interval(returns, block=block) for block in (1, 40))
    assert blocks[1] - blocks[0] > 2 * (single[1] - single[0])


def test_interval_matches_the_loop() -> None:
    """The drawn rows are those of a loop that lays block after block round the circle."""
    returns = noise(31)
    n, block = 31, 4
    starts = np.random.default_rng([7, sig.crc32(b"sharpe_interval")]).integers(0, n, size=(50, 8))
    ratios = []
    for row in starts:
        drawn = [returns.iloc[(start + k) % n] for start in row for k in range(block)][:n]
        ratios.append(np.mean(drawn) / np.std(drawn, ddof=1) * math.sqrt(252))
    expected = np.quantile(ratios, [0.05, 0.95])
    assert sig.sharpe_interval(returns, confidence=0.9, n_resamples=50, seed=7) == pytest.approx(tuple(expected))
