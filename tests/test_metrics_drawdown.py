"""Drawdowns, figures against a benchmark and figures of trading, against hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_case import market, published, series

from quantlab import metrics
from quantlab.errors import DataError


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
    assert table.index.equals(pd.RangeIndex(3))
    assert metrics.underwater(returns).index.equals(returns.index)


def test_the_trough_is_the_deepest_session_and_equal_drawdowns_stay_in_order() -> None:
    """Down 10% twice, then up: the trough is the second day. Equal ones, each made good, come in order of time."""
    assert [time.day for time in metrics.drawdowns(series(0.1, -0.1, -0.1, 0.05, 0.5))["trough"]] == [3]
    halved = metrics.drawdowns(series(*[-0.5, 1.0, -0.75, 3.0] * 30))
    assert halved["depth"].tolist() == [-0.75] * 30 + [-0.5] * 30
    assert all(table["start"].is_monotonic_increasing for _, table in halved.groupby("depth"))
    none = metrics.drawdowns(series(0.1, 0.2))
    assert none.empty
    assert none["recovery"].dtype == halved["recovery"].dtype == none["trough"].dtype


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


def test_a_drawdown_over_a_weekend() -> None:
    """From Friday to Monday it is one session and three calendar days."""
    days = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"], tz="UTC")
    table = metrics.drawdowns(pd.Series([0.1, -0.1, 0.2], index=days))
    assert table[["sessions", "calendar_days"]].to_numpy().tolist() == [[1, 3]]


def test_a_missing_return_has_no_drawdowns() -> None:
    """Past an unknown return nobody knows the peak: the table is refused, with the time."""
    with pytest.raises(DataError, match="the return at 2020-01-02 00:00:00\\+00:00 is missing: fill it"):
        metrics.drawdowns(series(-0.1, math.nan, 0.1))


def test_time_under_water_and_ulcer_index_by_hand() -> None:
    """Depths 0, -10%, -10%, 0: half the time, and the root of .02 / 4."""
    returns = series(0.2, -0.1, 0.0, 0.5)
    assert metrics.time_under_water(returns) == 0.5
    assert metrics.ulcer_index(returns) == pytest.approx(math.sqrt(0.02 / 4))
    assert metrics.time_under_water(series(-0.1, 0.5)) == 0.5
    assert metrics.ulcer_index(series(0.1, 0.1)) == 0.0


def test_alpha_beta() -> None:
    """A return of 1% plus twice the benchmark has beta 2 and alpha 1% a session; missing sessions are left out."""
    benchmark = series(0.01, -0.02, 0.03, 0.0)
    alpha, beta = metrics.alpha_beta(0.01 + 2 * benchmark, benchmark.where(benchmark != 0), periods=10)
    assert (alpha, beta) == pytest.approx((0.1, 2.0))
    assert all(math.isnan(value) for value in metrics.alpha_beta(benchmark, 0 * benchmark))
    assert metrics.alpha_beta(series(0.01, 0.03), series(0.0, 0.01), periods=1) == pytest.approx((0.01, 2.0))
    assert all(math.isnan(value) for value in metrics.alpha_beta(series(0.01), series(0.02)))


def test_active_returns_by_hand() -> None:
    """1% and 3% beyond the benchmark: mean 2%, deviation 1.41%; a session that either misses is left out."""
    benchmark = series(0.02, -0.01, 0.05, math.nan)
    returns = series(0.03, 0.02, math.nan, 0.7)
    assert metrics.active_returns(returns, benchmark).tolist() == pytest.approx([0.01, 0.03])
    assert metrics.tracking_error(returns, benchmark, periods=4) == pytest.approx(2 * math.sqrt(0.0002))
    assert metrics.information_ratio(returns, benchmark, periods=4) == pytest.approx(2 * math.sqrt(2))
    assert math.isnan(metrics.information_ratio(benchmark, benchmark))


def test_a_year_has_252_sessions_unless_told() -> None:
    """The default of every figure that annualises."""
    for name in ("tracking_error", "information_ratio"):
        metric = getattr(metrics, name)
        assert metric(published(), market()) == pytest.approx(metric(published(), market(), periods=1) * math.sqrt(252))
    assert metrics.alpha_beta(published(), market())[0] == pytest.approx(252 * metrics.alpha_beta(published(), market(), periods=1)[0])
    assert metrics.annual_turnover(series(0.1, 0.3)) == pytest.approx(0.2 * 252)


def test_capture_by_hand() -> None:
    """On two rising days of 10%, 21% and 0% grow as fast as the benchmark; on the falling one it loses half as much."""
    benchmark, returns = series(0.1, -0.1, 0.1, 0.0, math.nan), series(0.21, -0.05, 0.0, 0.4, 0.4)
    assert metrics.up_capture(returns, benchmark) == pytest.approx(1.0)
    assert metrics.down_capture(returns, benchmark) == pytest.approx(0.5)
    assert math.isnan(metrics.up_capture(series(0.1), series(-0.1)))
    assert math.isnan(metrics.down_capture(series(-1.0), series(-0.1)))


def test_exposure_by_hand() -> None:
    """Half long and half short is all of equity gross and nothing net; a session without a position is out of the market."""
    exposure = pd.DataFrame([[0.5, -0.5], [0.0, 0.0], [0.2, 0.1]], columns=["A", "B"])
    assert metrics.gross_exposure(exposure).tolist() == pytest.approx([1.0, 0.0, 0.3])
    assert metrics.net_exposure(exposure).tolist() == pytest.approx([0.0, 0.0, 0.3])
    assert metrics.time_in_market(exposure) == pytest.approx(2 / 3)
    unknown = exposure.assign(B=[-0.5, math.nan, 0.1])
    assert metrics.gross_exposure(unknown).isna().tolist() == [False, True, False]
    assert metrics.net_exposure(unknown).isna().tolist() == [False, True, False]
    assert math.isnan(metrics.time_in_market(unknown))


def test_break_even_cost_by_hand() -> None:
    """Earned 0.4% on a traded value of once the equity: 40 basis points, which would leave nothing."""
    gross, turnover = series(0.001, 0.003), series(0.75, 0.25)
    assert metrics.break_even_bps(gross, turnover) == pytest.approx(40.0)
    assert np.mean(gross - metrics.break_even_bps(gross, turnover) / 1e4 * turnover) == pytest.approx(0.0, abs=1e-15)
    assert metrics.break_even_bps(-gross, turnover) == pytest.approx(-40.0)
    assert metrics.break_even_bps(gross, 2 * turnover) == pytest.approx(20.0)
    assert math.isnan(metrics.break_even_bps(gross, 0 * turnover))
    assert math.isnan(metrics.annual_turnover(series()))
