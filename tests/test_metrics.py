"""The metrics against hand-worked cases, published vectors and obvious loops."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from quantlab import metrics


def series(*values: float, start: str = "2020-01-01") -> pd.Series:
    """Return daily returns in UTC."""
    return pd.Series(values, index=pd.date_range(start, periods=len(values), tz="UTC", unit="us"), dtype=float)


def rows(*sessions: list[float]) -> pd.Series:
    """Return a Series over (time, symbol): one list of values, for A, B, C ..., per session."""
    times = pd.date_range("2020-01-01", periods=len(sessions), tz="UTC", unit="us")
    index = pd.MultiIndex.from_tuples([(t, "ABCDEFGHIJ"[i]) for t, s in zip(times, sessions, strict=True) for i in range(len(s))])
    return pd.Series([value for session in sessions for value in session], index=index.set_names(["time", "symbol"]), dtype=float)


@pytest.fixture
def published() -> pd.Series:
    """Return the 504 days on which four other tools disagree."""
    t = np.arange(504)
    values = 0.0008 + 0.012 * np.sin(1.7 * t) * np.cos(0.31 * t) + 0.004 * np.sin(t**1.3)
    values[0] = -0.05
    return series(*values)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("total_return", 0.48624688),
        ("cagr", 0.2191173),
        ("volatility", 0.10734135),
        ("sharpe", 1.90021131),
        ("sortino", 2.81716830),
        ("max_drawdown", -0.05),
        ("calmar", 0.2191173 / 0.05),
    ],
)
def test_published_series(published: pd.Series, name: str, expected: float) -> None:
    """The 504 days give the figures of the conventions, not those of 365 days or of summed returns."""
    assert getattr(metrics, name)(published) == pytest.approx(expected, rel=1e-6)


def test_periods_annualise(published: pd.Series) -> None:
    """A year of 365 sessions scales volatility and Sharpe by sqrt(365 / 252)."""
    for name in ("volatility", "sharpe", "sortino"):
        metric = getattr(metrics, name)
        assert metric(published, periods=365) == pytest.approx(metric(published) * math.sqrt(365 / 252))


def test_returns_compound() -> None:
    """Up 50% and down 50% is a loss of a quarter, not nothing."""
    assert metrics.total_return(series(0.5, -0.5)) == pytest.approx(-0.25)
    assert metrics.cagr(series(0.1, 0.1), periods=2) == pytest.approx(0.21)
    assert metrics.cagr(series(-1.0, 0.3)) == -1.0


@pytest.mark.parametrize("values", [(0.0,) * 5, (0.1,) * 5])
def test_constant_returns_have_no_sharpe(values: tuple[float, ...]) -> None:
    """Returns that never vary have no Sharpe, Sortino or Calmar ratio, and no infinite one either."""
    for name in ("sharpe", "sortino", "calmar"):
        assert math.isnan(getattr(metrics, name)(series(*values)))
    assert math.isnan(metrics.skewness(series(*values)))


def test_no_returns_at_all() -> None:
    """Nothing in, NaN out, without a warning."""
    empty = series()
    for name in ("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown"):
        assert math.isnan(getattr(metrics, name)(empty))
    assert metrics.drawdowns(empty).empty


def test_missing_return_is_not_skipped() -> None:
    """A missing return makes the total unknown instead of quietly being 0."""
    for name in ("total_return", "sharpe", "volatility", "max_drawdown"):
        assert math.isnan(getattr(metrics, name)(series(0.1, math.nan, -0.2)))


def test_sortino_counts_all_observations() -> None:
    """The downside deviation of -10%, +10%, +20%, +20% is sqrt(.01 / 4): the gains count in the denominator."""
    assert metrics.sortino(series(-0.1, 0.1, 0.2, 0.2), periods=1) == pytest.approx(0.1 / 0.05)


def test_loss_on_the_first_day_is_a_drawdown() -> None:
    """Equity starts at 1, so a first return of -10% is a drawdown of 10%."""
    assert metrics.max_drawdown(series(-0.1, 0.5)) == pytest.approx(-0.1)
    assert metrics.max_drawdown(series(0.1, 0.2)) == 0.0


def test_drawdowns_table() -> None:
    """Equity .8 .9 1.0 1.1 .99 1.1 .55: three drawdowns, deepest first, the last one ongoing."""
    wealth = pd.Series([0.8, 0.9, 1.0, 1.1, 0.99, 1.1, 0.55])
    returns = series(*(wealth / wealth.shift(fill_value=1.0) - 1.0))
    table = metrics.drawdowns(returns)
    assert list(table.columns) == ["start", "trough", "recovery", "depth", "sessions", "calendar_days"]
    assert table["depth"].tolist() == pytest.approx([-0.5, -0.2, -0.1])
    assert [t.day for t in table["start"]] == [7, 1, 5]
    assert [t.day for t in table["trough"]] == [7, 1, 5]
    assert [None if pd.isna(t) else t.day for t in table["recovery"]] == [None, 3, 6]
    assert table["sessions"].tolist() == [1, 2, 1]
    assert table["calendar_days"].tolist() == [0, 2, 1]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40))
def test_drawdowns_match_the_loop(values: list[float]) -> None:
    """Every drawdown is the one that a loop over the days finds."""
    wealth, peak, open_, found = 1.0, 1.0, None, []
    for day, value in enumerate(values):
        wealth *= 1.0 + value
        peak = max(peak, wealth)
        depth = wealth / peak - 1.0
        if depth < -metrics.ROUNDING:
            open_ = open_ or [day, 0.0, 0]
            open_[1], open_[2] = min(open_[1], depth), open_[2] + 1
        elif open_:
            found, open_ = [*found, (*open_, day)], None
    found += [(*open_, None)] if open_ else []
    returns = series(*values)
    table = metrics.drawdowns(returns)
    expected = sorted(found, key=lambda row: row[1])
    assert table["depth"].tolist() == pytest.approx([row[1] for row in expected])
    assert table["sessions"].tolist() == [row[2] for row in expected]
    assert [returns.index.get_loc(t) for t in table["start"]] == [row[0] for row in expected]
    assert [None if pd.isna(t) else returns.index.get_loc(t) for t in table["recovery"]] == [row[3] for row in expected]
    assert table["depth"].min() == pytest.approx(metrics.max_drawdown(returns)) if found else metrics.max_drawdown(returns) == 0


def test_monthly_table() -> None:
    """Months compound, a month without sessions is NaN, and the year is the product of its months."""
    index = pd.DatetimeIndex(["2019-12-30", "2019-12-31", "2020-01-02", "2020-03-02"], tz="UTC").as_unit("us")
    table = metrics.monthly_table(pd.Series([0.1, 0.1, 0.5, -0.5], index=index))
    assert table.loc[2019, 12] == pytest.approx(0.21)
    assert table.loc[2020, "year"] == pytest.approx(-0.25)
    assert math.isnan(table.loc[2020, 2])
    assert list(table.columns) == [*range(1, 13), "year"]
    unknown = metrics.monthly_table(pd.Series([0.1, math.nan, 0.5, -0.5], index=index))
    assert math.isnan(unknown.loc[2019, 12])
    assert math.isnan(unknown.loc[2019, "year"])


def test_rolling_sharpe_is_the_sharpe_of_each_window(published: pd.Series) -> None:
    """The last value is the Sharpe ratio of the last window; before the first full window there is none."""
    rolling = metrics.rolling_sharpe(published, 60)
    assert rolling.iloc[-1] == pytest.approx(metrics.sharpe(published.iloc[-60:]))
    assert rolling.iloc[:59].isna().all()
    assert metrics.rolling_sharpe(series(0.3, 0.1, 0.1, 0.1), 2).iloc[2:].isna().all()


def test_alpha_beta() -> None:
    """A return of 1% plus twice the benchmark has beta 2 and alpha 1% a session; missing sessions are left out."""
    benchmark = series(0.01, -0.02, 0.03, 0.0)
    alpha, beta = metrics.alpha_beta(0.01 + 2 * benchmark, benchmark.where(benchmark != 0), periods=10)
    assert (alpha, beta) == pytest.approx((0.1, 2.0))
    assert all(math.isnan(value) for value in metrics.alpha_beta(benchmark, 0 * benchmark))


def test_moments_are_those_of_the_population() -> None:
    """0 0 0 4: mean 1, variance 3, third moment 6, fourth 21; kurtosis is not in excess of 3."""
    values = series(0, 0, 0, 4)
    assert metrics.skewness(values) == pytest.approx(6 / 3**1.5)
    assert metrics.kurtosis(values) == pytest.approx(21 / 9)


def test_information_coefficient_by_hand() -> None:
    """Same order +1, reversed -1, one swap of three +.5; NaN for two names, a constant, or an unknown target."""
    signal = rows([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2], [5, 5, 5], [1, 2, 3])
    target = rows([4, 5, 9], [3, 2, 1], [1, 3, 2], [1, 2], [1, 2, 3], [1, 2, math.nan])
    coefficient = metrics.information_coefficient(signal, target)
    assert coefficient.iloc[:3].tolist() == pytest.approx([1.0, -1.0, 0.5])
    assert coefficient.iloc[3:].isna().all()
    assert coefficient.index.equals(signal.index.get_level_values(0).unique())


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=8), min_size=1, max_size=5))
def test_information_coefficient_matches_scipy(sessions: list[list[tuple[int, int]]]) -> None:
    """Session by session it is scipy's Spearman, ties and all."""
    signal = rows(*[[float(a) for a, _ in session] for session in sessions])
    target = rows(*[[float(b) for _, b in session] for session in sessions])
    expected = [
        math.nan if len({a for a, _ in s}) == 1 or len({b for _, b in s}) == 1 else spearmanr(*zip(*s, strict=True)).statistic
        for s in sessions
    ]
    assert metrics.information_coefficient(signal, target).tolist() == pytest.approx(expected, nan_ok=True)


def test_newey_west_vector() -> None:
    """Twelve values with three lags: standard error .00497292, t 3.351485."""
    values = series(0.02, 0.05, -0.01, 0.03, 0.04, -0.02, 0.01, 0.06, 0, 0.02, 0.03, -0.03)
    t = metrics.newey_west_t(values, 3)
    assert t == pytest.approx(3.351485, abs=1e-6)
    assert values.mean() / t == pytest.approx(0.00497292, abs=1e-8)
    assert metrics.newey_west_t(pd.concat([values, series(math.nan, start="2021-01-01")]), 3) == t


def test_newey_west_without_lags_and_without_variation() -> None:
    """Lag 0 is the plain t-test (ddof 0); a constant series has none; more lags than values are as many as there are."""
    values = series(1.0, 2.0, 3.0, 4.0)
    assert metrics.newey_west_t(values, 0) == pytest.approx(2.5 / math.sqrt(1.25 / 4))
    assert math.isnan(metrics.newey_west_t(series(1, 1, 1), 1))
    assert math.isnan(metrics.newey_west_t(series(), 1))
    assert metrics.newey_west_t(values, 99) == metrics.newey_west_t(values, 3)


def test_overlapping_labels_fool_the_naive_test() -> None:
    """On labels that overlap over five bars, worlds without signal are rejected far more often without lags."""
    random = np.random.default_rng(0)
    noise = np.apply_along_axis(lambda x: np.convolve(x, np.ones(5), "valid"), 1, random.normal(size=(200, 400)))
    naive = np.mean([abs(metrics.newey_west_t(pd.Series(x), 0)) > 1.96 for x in noise])
    robust = np.mean([abs(metrics.newey_west_t(pd.Series(x), 10)) > 1.96 for x in noise])
    assert naive > 0.25
    assert robust < 0.12


def test_hit_rate_and_base_rate() -> None:
    """A zero signal, and a target that is unknown or 0, are not judged."""
    signal = rows([1, -1, 1, 0, 1, 1])
    target = rows([0.1, -0.2, -0.1, 0.3, math.nan, 0.0])
    assert metrics.hit_rate(signal, target) == pytest.approx(2 / 3)
    assert metrics.base_rate(metrics.judged(signal, target)["target"]) == pytest.approx(2 / 3)
    assert metrics.base_rate(series(1, 2, 3, -1)) == 0.75
    assert math.isnan(metrics.hit_rate(rows([0.0]), rows([1.0])))
    assert math.isnan(metrics.base_rate(series()))


def test_classifier_vector() -> None:
    """Ten probabilities: Brier .1625, AUC .875, MCC .408248."""
    probability = series(0.9, 0.8, 0.7, 0.6, 0.55, 0.4, 0.35, 0.3, 0.2, 0.1)
    rose = series(1, 1, 0, 1, 0, 1, 0, 0, 0, 0)
    assert metrics.brier(probability, rose) == pytest.approx(0.1625)
    assert metrics.auc(probability, rose) == pytest.approx(0.875)
    assert metrics.mcc(2 * probability - 1, 2 * rose - 1) == pytest.approx(0.408248, abs=1e-6)


def test_auc_counts_ties_half_and_needs_both_classes() -> None:
    """A constant signal ranks nothing: .5. With one class alone there is nothing to rank."""
    assert metrics.auc(series(1, 1, 1, 1), series(1, -1, 1, -1)) == 0.5
    assert math.isnan(metrics.auc(series(1, 2), series(1, 1)))
    assert math.isnan(metrics.mcc(series(1, 2), series(1, -1)))


def test_inputs_are_left_alone(published: pd.Series) -> None:
    """No metric changes what it is given."""
    before = published.copy()
    metrics.drawdowns(published), metrics.monthly_table(published), metrics.rolling_sharpe(published, 20)
    metrics.alpha_beta(published, published)
    pd.testing.assert_series_equal(published, before)
