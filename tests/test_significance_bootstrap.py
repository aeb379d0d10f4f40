"""The block bootstrap: what is drawn, what it costs to ignore blocks, and whether the intervals hold what they promise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import partial
from statistics import NormalDist
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from arch.bootstrap import optimal_block_length
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import metrics
from quantlab import significance as sig
from quantlab.errors import UsageError

Floats = npt.NDArray[np.float64]
NAN = float("nan")


def noise(n: int, mean: float = 0.0, seed: int = 0) -> pd.Series:
    """Return n independent normal returns."""
    return pd.Series(mean + 0.01 * np.random.default_rng(seed).normal(size=n))


def autoregressive(n_worlds: int, n: int, rho: float, seed: int = 0) -> Floats:
    """Return worlds of returns in each of which a session keeps `rho` of the one before, (n_worlds, n); without mean."""
    shocks = np.random.default_rng(seed).normal(size=(n_worlds, n + 50))
    worlds = np.empty_like(shocks)
    worlds[:, 0] = shocks[:, 0]
    for t in range(1, n + 50):
        worlds[:, t] = rho * worlds[:, t - 1] + shocks[:, t]
    return 0.01 * worlds[:, 50:]


@given(n=st.integers(1, 40), data=st.data(), seed=st.integers(0, 9))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_blocks_run_on_and_round_the_end(n: int, data: st.DataObject, seed: int) -> None:
    """The positions are those of a loop that lays block after block round the circle, cut to the length of the span."""
    block = data.draw(st.integers(1, n))
    drawn = sig.resampled(n, block, n_resamples=5, seed=seed)
    starts = np.random.default_rng([seed, crc32(b"block_bootstrap")]).integers(0, n, size=(5, math.ceil(n / block)))
    assert drawn.tolist() == [[(start + k) % n for start in row for k in range(block)][:n] for row in starts]


def test_every_session_is_drawn_equally_often() -> None:
    """The first and the last as often as those in the middle: no end has fewer blocks that reach it."""
    counts = np.bincount(sig.resampled(50, 10, n_resamples=4000, seed=1).ravel(), minlength=50)
    assert counts.min() > 0.9 * 4000
    assert counts.max() < 1.1 * 4000


def test_a_block_that_cannot_be_is_refused() -> None:
    """From one session to all of them."""
    for block in (0, 11):
        with pytest.raises(UsageError, match="from 1 to the 10 sessions"):
            sig.resampled(10, block)
    with pytest.raises(UsageError, match="at least 1, not 0"):
        sig.resampled(10, 2, n_resamples=0)


RETURNS = {
    "noise": noise(40, 0.001),
    "loss first": pd.Series([-0.05, 0.02, 0.03, 0.01]),
    "gains only": pd.Series([0.01, 0.02, 0.005]),
    "ruin": pd.Series([0.1, -1.2, 0.1]),
    "constant": pd.Series([0.001] * 5),
}


@pytest.mark.parametrize("returns", RETURNS.values(), ids=list(RETURNS))
def test_figures_are_those_of_the_metrics(returns: pd.Series) -> None:
    """Each figure of a resample equals the metric of the same returns; two resamples at once give two values."""
    drawn = np.stack([returns.to_numpy(), returns.to_numpy()[::-1]])
    pairs = [
        (sig.figures.total_return, metrics.total_return),
        (partial(sig.figures.cagr, periods=50), partial(metrics.cagr, periods=50)),
        (sig.figures.cagr, metrics.cagr),
        (partial(sig.figures.volatility, periods=50), partial(metrics.volatility, periods=50)),
        (sig.figures.volatility, metrics.volatility),
        (partial(sig.figures.sharpe, periods=50), partial(metrics.sharpe, periods=50)),
        (sig.figures.sharpe, metrics.sharpe),
        (sig.figures.max_drawdown, metrics.max_drawdown),
    ]
    for resampled, metric in pairs:
        expected = [metric(returns), metric(returns[::-1])]
        assert resampled(drawn) == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_the_mean_leaves_out_sessions_without_a_value() -> None:
    """NaN is no IC of 0; a resample of nothing else has no mean."""
    assert sig.figures.mean(np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN]])) == pytest.approx([2.0, NAN], nan_ok=True)


def rows(n_times: int, n_names: int, seed: int = 0) -> tuple[pd.Series, pd.Series]:
    """Return a signal and a target that has a little to do with it, over (time, symbol)."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([range(n_times), [f"S{k}" for k in range(n_names)]], names=["time", "symbol"])
    signal = pd.Series(rng.normal(size=len(index)), index)
    return signal, 0.3 * signal + rng.normal(size=len(index))


def test_hit_rate_and_pooled_ic_come_from_sums_per_session() -> None:
    """The sums that the metrics make per session give the same figures when they are summed again."""
    signal, target = rows(30, 4)
    hits = metrics.session_hits(signal, target)[["hits", "n"]].to_numpy(dtype=float)
    assert sig.figures.share(hits[None]) == pytest.approx([metrics.hit_rate(signal, target)])
    sums = metrics.session_rank_sums(signal, target)
    correlations = [np.corrcoef(signal.rank()[:n], target.rank()[:n])[0, 1] for n in (120, 40)]  # all, and the first ten sessions
    assert sig.figures.pooled_correlation(sums.to_numpy()[None]) == pytest.approx([metrics.pooled_ic(sums)])
    assert sig.figures.pooled_correlation(sums.to_numpy()[None]) == pytest.approx(correlations[:1])
    assert sig.figures.pooled_correlation(sums.to_numpy()[None, :10]) == pytest.approx(correlations[1:])
    assert np.isnan(sig.figures.share(np.zeros((1, 3, 2)))).all()
    assert np.isnan(sig.figures.pooled_correlation(np.zeros((1, 3, 6)))).all()


def ends(resamples: Sequence[float], block: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentiles between which the interval lies: fixed-b, Kiefer & Vogelsang (2005)."""
    b = block / n
    wider = (1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3) / 1.96
    tail = NormalDist().cdf(NormalDist().inv_cdf((1 - confidence) / 2) * wider)
    low, high = np.quantile(resamples, [tail, 1 - tail])
    return float(low), float(high)


def test_long_blocks_widen_an_interval() -> None:
    """One session a block: the plain percentiles. A tenth of the series: 2.2606 instead of 1.96 standard errors, and 1.19 % in a tail."""
    returns, mean = noise(500), sig.figures.mean
    for block, tail in ((1, 0.025), (50, 0.01189)):
        drawn = returns.to_numpy()[sig.resampled(500, block, n_resamples=2000)].mean(axis=1)
        found = sig.interval(returns, mean, block=block, n_resamples=2000)
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [tail, 1 - tail])), rel=0.01)


def test_an_interval_of_overlapping_labels_covers() -> None:
    """Moving averages of five: 95 % intervals hold the true mean in at least nine of ten series; plain percentiles do not reach that."""
    random, held, plain = np.random.default_rng(3), 0, 0
    for seed in range(300):
        series = np.convolve(random.normal(size=130), np.ones(6), "valid")
        found = sig.interval(series, sig.figures.mean, n_resamples=400, seed=seed)
        low, high = np.quantile(series[sig.resampled(len(series), found.block, n_resamples=400, seed=seed)].mean(axis=1), [0.025, 0.975])
        held, plain = held + (found.low <= 0 <= found.high), plain + (low <= 0 <= high)
    assert plain < 0.88 * 300 < held


def test_an_interval_is_that_of_the_loop() -> None:
    """Draw, compute, take percentiles: one resample after the other gives the same bounds."""
    returns = noise(31)
    drawn = sig.resampled(31, 4, n_resamples=50, seed=7)
    ratios = [metrics.sharpe(returns.iloc[positions]) for positions in drawn]
    found = sig.interval(returns, sig.figures.sharpe, confidence=0.9, block=4, n_resamples=50, seed=7)
    assert (found.low, found.high) == pytest.approx(ends(ratios, 4, 31, 0.9))
    assert found.block == 4
    assert sig.sharpe_interval(returns, confidence=0.9, block=4, n_resamples=50, seed=7) == (found.low, found.high)


def test_a_long_table_is_resampled_in_slices() -> None:
    """However many values there are, the bounds are those of all resamples at once."""
    table = np.random.default_rng(0).normal(size=(3000, 2))
    share = sig.interval(np.abs(table), sig.figures.share, block=5, n_resamples=200)
    at_once = sig.figures.share(np.abs(table)[sig.resampled(3000, 5, n_resamples=200)])
    assert (share.low, share.high) == pytest.approx(ends(at_once, 5, 3000))


def test_intervals_are_reproducible_and_seeded() -> None:
    """Same seed, same interval, to the bit; another seed, another one; more confidence, a wider one."""
    returns = noise(300)
    assert sig.sharpe_interval(returns) == sig.sharpe_interval(returns)
    assert sig.sharpe_interval(returns, seed=1) != sig.sharpe_interval(returns, seed=2)
    narrow, wide = (sig.interval(returns, sig.figures.cagr, confidence=confidence) for confidence in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_an_interval_has_the_width_of_the_formula() -> None:
    """For independent normal returns the bootstrap agrees with Lo's standard error."""
    returns = noise(1000, mean=0.0005)
    low, high = sig.sharpe_interval(returns, block=1)
    expected = 2 * 1.96 * sig.lo_standard_error(metrics.sharpe(returns, periods=1), 1000) * math.sqrt(252)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < metrics.sharpe(returns) < high


def test_what_has_no_interval_gives_nan() -> None:
    """Too few sessions, nothing that varies, or a figure that most resamples lack; a confidence of 1 is refused."""
    for returns in (pd.Series([0.0] * 50), pd.Series([0.01, -0.01]), pd.Series(dtype=float), pd.Series([NAN] * 50), noise(19)):
        assert all(math.isnan(bound) for bound in sig.sharpe_interval(returns))
    hardly_judged = np.zeros((100, 2))
    hardly_judged[0] = 1.0
    found = sig.interval(hardly_judged, sig.figures.share, block=1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    for confidence in (0.0, 1.0, 95.0):
        with pytest.raises(UsageError, match=r"between 0 and 1"):
            sig.interval(noise(50), sig.figures.mean, confidence=confidence)


def test_the_inputs_stay_as_they_are() -> None:
    """Nothing is sorted, filled or centred in place."""
    returns = noise(100)
    before = returns.copy()
    sig.difference_interval(returns, returns * 2, sig.figures.sharpe)
    pd.testing.assert_series_equal(returns, before)


def test_the_block_is_the_one_that_the_series_asks_for() -> None:
    """Politis and White's length for the circular scheme, rounded up, as arch has it."""
    world = autoregressive(1, 1000, 0.6)[0]
    asked = max(optimal_block_length(series)["circular"].iloc[0] for series in (world, (world - world.mean()) ** 2))
    assert sig.block_length(world) == math.ceil(asked) > 5
    assert sig.interval(world, sig.figures.mean).block == sig.block_length(world)


def test_the_block_spans_calm_and_storm() -> None:
    """Returns that are independent but for their size need long blocks too, or the volatility's interval is far too narrow."""
    calm = np.repeat([1.0, 3.0], 50)
    returns = noise(1000).to_numpy() * np.tile(calm, 10)
    assert optimal_block_length(returns)["circular"].iloc[0] < 10
    assert sig.block_length(returns) > 30


def test_the_block_of_a_table_is_the_longest_of_its_columns() -> None:
    """And sessions without a value are left out; a column that never varies, or hardly has values, asks for nothing."""
    slow = autoregressive(1, 500, 0.8)[0]
    fast = noise(500).to_numpy()
    constant, rare = np.ones(500), np.where(np.arange(500) < 10, slow, NAN)
    assert sig.block_length(np.column_stack([fast, slow, constant, rare])) == sig.block_length(slow)
    holes = np.insert(slow, 100, [NAN] * 5)
    assert sig.block_length(holes) == sig.block_length(slow)
    assert sig.block_length(constant) == 1
    assert sig.block_length(fast[:5]) == 1


def test_gains_that_cancel_out_do_not_warn() -> None:
    """A series without long-run variance has no best length: there is one all the same, within the span."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 1 <= sig.block_length(np.tile([0.01, -0.01], 50)) <= 100


def test_blocks_keep_runs_together() -> None:
    """Where gains follow gains, single days understate the width and blocks do not."""
    shocks = np.random.default_rng(3).normal(size=1009)
    returns = pd.Series(0.01 * np.convolve(shocks, np.ones(10), "valid"))
    single, automatic = (sig.sharpe_interval(returns, block=block) for block in (1, None))
    assert automatic[1] - automatic[0] > 2 * (single[1] - single[0])


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_intervals_cover_the_truth(rho: float) -> None:
    """Of 200 worlds without skill about 95% have the 0 inside; where gains persist, AR(.3), single days would lose a tenth of them."""
    worlds = autoregressive(200, 500, rho, seed=1)
    covered = {}
    for block in (None, 1):
        bounds = np.array([sig.sharpe_interval(pd.Series(world), block=block, n_resamples=250) for world in worlds])
        covered[block] = np.mean((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0))
    assert 0.90 <= covered[None] <= 0.98
    if rho:
        assert covered[1] < covered[None] - 0.05


def test_a_difference_of_the_same_runs_is_nothing() -> None:
    """Not about nothing: exactly 0, because the same sessions are drawn for both."""
    found = sig.difference_interval(noise(100), noise(100), sig.figures.sharpe)
    assert (found.low, found.high) == (0.0, 0.0)


def test_what_moves_both_runs_alike_cancels_out() -> None:
    """One run earns five basis points more on every session: the difference is certain, though neither figure is."""
    market = noise(500, seed=2)
    better, other = market + 0.0005 + noise(500, seed=3) / 50, market
    found = sig.difference_interval(better, other, sig.figures.mean)
    alone = sig.interval(better, sig.figures.mean)
    assert 0.0004 < found.low < found.high < 0.0006
    assert alone.high - alone.low > 10 * (found.high - found.low)


def test_a_difference_is_that_of_the_loop() -> None:
    """Also for tables with several columns, and with sessions that only one run has a value for."""
    one, other = noise(40), noise(40, seed=1).where(np.arange(40) % 7 > 0)
    drawn = sig.resampled(40, 3, n_resamples=60)
    loop = [one.iloc[positions].mean() - other.iloc[positions].mean() for positions in drawn]
    found = sig.difference_interval(one, other, sig.figures.mean, block=3, n_resamples=60)
    assert (found.low, found.high) == pytest.approx(ends(loop, 3, 40))
    one, other = (metrics.session_hits(*rows(40, 3, seed))[["hits", "n"]] for seed in range(2))
    rates = [[table.iloc[positions]["hits"].sum() / table.iloc[positions]["n"].sum() for table in (one, other)] for positions in drawn]
    found = sig.difference_interval(one, other, sig.figures.share, block=3, n_resamples=60)
    assert (found.low, found.high) == pytest.approx(ends([left - right for left, right in rates], 3, 40))


def test_a_difference_needs_the_same_sessions() -> None:
    """As many are not enough: they must be the same; too few give NaN."""
    one = noise(50)
    for other in (noise(49), one.set_axis(one.index + 1)):
        with pytest.raises(UsageError, match="same sessions on both sides"):
            sig.difference_interval(one, other, sig.figures.mean)
    assert math.isnan(sig.difference_interval(noise(5), noise(5, seed=1), sig.figures.mean).low)
    assert math.isnan(sig.difference_interval(pd.Series(dtype=float), pd.Series(dtype=float), sig.figures.mean).low)
