"""Growth, risk, ratios, tails and months against hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from metrics_case import market, published, series

from quantlab import metrics
from quantlab.errors import UsageError
from quantlab.sessions import sessions

PUBLISHED = {
    "total_return": 0.48624688,
    "cagr": 0.2191173,
    "volatility": 0.10734135,
    "sharpe": 1.90021131,
    "sortino": 2.81716830,
    "max_drawdown": -0.05,
    "calmar": 0.2191173 / 0.05,
}
TAILS = series(-0.10, -0.04, *[0.0] * 17, 0.06, 0.20)  # 21 values: the quantiles 5% and 95% are the second from either end


def test_published_series() -> None:
    """The 504 days give the figures of the conventions, not those of 365 days or of summed returns."""
    for name, expected in PUBLISHED.items():
        assert getattr(metrics, name)(published()) == pytest.approx(expected, rel=1e-6), name


def test_periods_annualise() -> None:
    """A year of 365 sessions scales volatility and Sharpe by sqrt(365 / 252)."""
    for name in ("volatility", "sharpe", "sortino"):
        metric = getattr(metrics, name)
        assert metric(published(), periods=365) == pytest.approx(metric(published()) * math.sqrt(365 / 252))
    assert metrics.calmar(published(), periods=365) == pytest.approx(metrics.cagr(published(), periods=365) / 0.05)


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


def test_figures_take_whole_numbers_and_missing_ones_of_any_kind() -> None:
    """Profits in whole pounds, with one unknown: NaN, as for floats."""
    profits = pd.Series([2, -1, None], dtype="Int64")
    assert metrics.profit_factor(profits.dropna()) == 2.0
    assert math.isnan(metrics.profit_factor(profits))


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


def test_rolling_sharpe_is_the_sharpe_of_each_window() -> None:
    """The last value is the Sharpe ratio of the last window; before the first full window there is none."""
    rolling = metrics.rolling_sharpe(published(), 60)
    assert rolling.iloc[-1] == pytest.approx(metrics.sharpe(published().iloc[-60:]))
    assert rolling.iloc[:59].isna().all()
    assert metrics.rolling_sharpe(series(0.3, 0.1, 0.1, 0.1), 2).iloc[2:].isna().all()


def test_moments_are_those_of_the_population() -> None:
    """0 0 0 4: mean 1, variance 3, third moment 6, fourth 21; kurtosis is not in excess of 3."""
    values = series(0, 0, 0, 4)
    assert metrics.skewness(values) == pytest.approx(6 / 3**1.5)
    assert (metrics.skewness(series(1, 3)), metrics.kurtosis(series(1, 3))) == (0.0, 1.0)
    assert all(math.isnan(getattr(metrics, name)(series(0.1))) for name in ("skewness", "volatility", "sharpe"))
    assert metrics.kurtosis(values) == pytest.approx(21 / 9)


def test_omega_by_hand() -> None:
    """Gains of 5% against losses of 4% are 1.25; against a threshold of 1% it is 3% against 6%."""
    returns = series(0.03, -0.01, 0.02, -0.03)
    assert metrics.omega(returns) == pytest.approx(1.25)
    assert metrics.omega(returns, threshold=0.01) == pytest.approx(0.5)
    assert math.isnan(metrics.omega(series(0.1, 0.2)))


def test_win_rate_and_profit_factor_by_hand() -> None:
    """A session without a position is neither won nor lost; of trades, the profits themselves are passed."""
    returns = series(0.03, -0.01, 0.0, 0.02)
    assert metrics.win_rate(returns) == pytest.approx(2 / 3)
    assert metrics.profit_factor(returns) == pytest.approx(5.0)
    assert metrics.profit_factor(pd.Series([100.0, -50.0, 20.0])) == pytest.approx(2.4)
    assert math.isnan(metrics.win_rate(series(0.0, 0.0)))
    assert math.isnan(metrics.win_rate(series(0.1, math.nan)))
    assert math.isnan(metrics.profit_factor(series(0.1)))


def test_tails_by_hand() -> None:
    """Of -10%, -4%, seventeen zeros, 6%, 20%: value at risk -4%, shortfall -7%, tails 6 : 4. A loss is negative."""
    assert metrics.value_at_risk(TAILS) == pytest.approx(-0.04)
    assert metrics.expected_shortfall(TAILS) == pytest.approx(-0.07)
    assert metrics.tail_ratio(TAILS) == pytest.approx(1.5)
    assert metrics.value_at_risk(TAILS, level=0.1) == 0.0
    assert metrics.expected_shortfall(TAILS, level=0.1) == pytest.approx(-0.14 / 19)
    assert metrics.value_at_risk(series(-0.1, 0.1), level=0.25) == pytest.approx(-0.05)
    assert math.isnan(metrics.tail_ratio(series(0.0, 0.0)))


def test_a_level_is_a_share() -> None:
    """5 for five percent is refused, and so are the ends and what is just beyond."""
    for name in ("value_at_risk", "expected_shortfall", "tail_ratio"):
        for level in (5, 0.0, 1.0, 1.5):
            with pytest.raises(UsageError, match=f"^{name}: level must lie between 0 and 1, as a fraction, not {level}$"):
                getattr(metrics, name)(TAILS, level=level)


def test_best_and_worst_days_and_months() -> None:
    """Ties in order of time; missing returns are left out; months are ranked as days are."""
    returns = series(0.01, -0.02, 0.03, 0.03, -0.02, math.nan)
    assert metrics.best(returns, 2).to_dict() == {returns.index[2]: 0.03, returns.index[3]: 0.03}
    assert metrics.worst(returns, 2).to_dict() == {returns.index[1]: -0.02, returns.index[4]: -0.02}
    assert metrics.worst(returns).index.tolist() == [returns.index[k] for k in (1, 4, 0, 2, 3)]
    months = pd.Series([0.1, 0.1, -0.5], index=pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-02-03"], tz="UTC"))
    assert metrics.best(metrics.monthly_returns(months), 1).to_dict() == {pd.Period("2020-01", "M"): pytest.approx(0.21)}
    assert metrics.worst(metrics.monthly_returns(months), 1).to_dict() == {pd.Period("2020-02", "M"): pytest.approx(-0.5)}
    for name in ("best", "worst"):
        for n in (0, True):
            with pytest.raises(UsageError, match=f"^{name}: n must be a whole number >= 1, not {n}$"):
                getattr(metrics, name)(returns, n)
        tied = getattr(metrics, name)(series(*[0.01, 0.02] * 30), 60)
        assert all(days.index.is_monotonic_increasing for _, days in tied.groupby(tied))
        assert len(getattr(metrics, name)(published())) == 5


def test_a_session_that_closes_at_midnight_counts_in_the_day_it_ends() -> None:
    """Round the clock, 31 December closes on 1 January at 00:00: it is December's, and the old year's; a second later it is not."""
    index = pd.DatetimeIndex(["2020-12-31", "2021-01-01", "2021-01-02"], tz="UTC").as_unit("us")
    returns = pd.Series([0.1, 0.2, 0.5], index=index)
    assert metrics.monthly_returns(returns).to_dict() == pytest.approx({pd.Period("2020-12", "M"): 0.32, pd.Period("2021-01", "M"): 0.5})
    table = metrics.monthly_table(returns)
    assert table["year"].to_dict() == pytest.approx({2020: 0.32, 2021: 0.5})
    assert table.loc[2020, 12] == pytest.approx(table.loc[2020, "year"])
    later = metrics.monthly_returns(returns.set_axis(index + pd.Timedelta(seconds=1)))
    assert later.tolist() == pytest.approx([0.1, 0.8])


def test_months_of_new_york_are_those_of_the_close() -> None:
    """Closing at 21:00 UTC, no session moves: the months are those of a plain grouping by the date."""
    times = sessions("XNYS", "2019-12-01", "2021-02-01")["close"]
    returns = pd.Series(np.linspace(-0.01, 0.02, len(times)), index=pd.DatetimeIndex(times))
    plain = (1.0 + returns).groupby(returns.index.strftime("%Y-%m")).prod() - 1.0
    found = metrics.monthly_returns(returns)
    assert list(map(str, found.index)) == plain.index.tolist()
    assert found.tolist() == plain.tolist()


def test_nothing_in_and_unknown_in() -> None:
    """Without returns, or with an unknown one, each figure is NaN, and no warning is raised."""
    names = "omega tail_ratio value_at_risk expected_shortfall win_rate profit_factor time_under_water ulcer_index skewness kurtosis"
    for name in names.split():
        assert math.isnan(getattr(metrics, name)(series())), name
        assert math.isnan(getattr(metrics, name)(series(0.1, math.nan, -0.1))), name
    assert metrics.best(series()).empty
    assert metrics.monthly_returns(series()).empty


def test_inputs_are_left_alone() -> None:
    """No metric of returns changes what it is given."""
    returns, benchmark = published(), market()
    for name in ("best", "worst", "drawdowns", "underwater", "monthly_table", "win_rate", "expected_shortfall"):
        getattr(metrics, name)(returns)
    for name in ("alpha_beta", "tracking_error", "up_capture"):
        getattr(metrics, name)(returns, benchmark)
    pd.testing.assert_series_equal(returns, published())
    pd.testing.assert_series_equal(benchmark, market())
