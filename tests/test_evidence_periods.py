"""When it worked: the parts add up, the legs too, and a regime is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import fake_evidence
import numpy as np
import pandas as pd
import pytest
from conftest import closes, flat_bars

from quantlab import evidence
from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.metrics import information_coefficient, max_drawdown, sharpe, total_return
from quantlab.result import BacktestResult


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a run with a halt, a late listing and a delisting over parts of two years, in three folds."""
    return fake_evidence.finished(n_folds=3, variants=False)


def with_market(result: BacktestResult, returns: list[float], n: int) -> BacktestResult:
    """Return a run over the last `n` bars whose benchmark A had the given returns."""
    wealth = np.cumprod(1.0 + np.array([0.0, *returns]))
    times = closes(len(wealth))
    bars = flat_bars({"A": 10 * wealth, "B": [10.0] * len(wealth)}, times=times)
    own = pd.Series(np.arange(1.0, n + 1) / 1000, index=times[-n:])
    return replace(result, dataset=replace(result.dataset, bars=bars), benchmark_name="A", portfolio=replace(result.portfolio, returns=own))


def test_the_last_session_of_a_half_year_may_close_in_the_next() -> None:
    """Round the clock: the closes at midnight of 1 July and 1 January end the half before."""
    times = pd.DatetimeIndex(["2023-06-30", "2023-07-01", "2023-07-02", "2024-01-01", "2024-01-02"], tz="UTC").as_unit("us")
    run = fake_evidence.hand_made(flat_bars({"A": [10] * 5, "B": [10] * 5}, times=times), [[0, 0]] * 5)
    table = evidence.sub_periods(run)
    assert table.loc["year", "n_sessions"].to_dict() == {"2023": 4, "2024": 1}
    assert table.loc["half_year", "n_sessions"].to_dict() == {"2023H1": 2, "2023H2": 2, "2024H1": 1}
    assert table.loc["half_year", "end"].tolist() == [times[1], times[3], times[4]]


def test_name_and_leg_returns_add_up(result: BacktestResult) -> None:
    """To the net return of every session, with costs, a halt and a delisting."""
    returns = result.portfolio.returns
    np.testing.assert_allclose(evidence.name_returns(result).sum(axis=1), returns, atol=1e-12)
    np.testing.assert_allclose(evidence.leg_returns(result).sum(axis=1), returns, atol=1e-9)
    gross = result.portfolio.exposure.abs().sum(axis=1)
    np.testing.assert_allclose(evidence.leg_exposure(result).sum(axis=1), gross, atol=1e-9)
    assert (result.portfolio.orders["reason"] == "delisted").any()


def test_a_name_that_turns_is_split_where_it_turned() -> None:
    """Long at 10, turned at the open of 12 to short, closing at 9: the long made 2 a share, the short 3 a share."""
    times = closes(3)
    open_, close = (pd.DataFrame({"A": prices}, index=times, dtype=float) for prices in ([10, 10, 12], [10, 10, 9]))
    bars = Bars(open_, np.fmax(open_, close), np.fmin(open_, close), close, close * 0 + 1000)
    run = fake_evidence.hand_made(bars, [[1.0], [-1.0], [0.0]])
    legs = evidence.leg_returns(run)  # 100,000 shares at 10; 1,200,000 of equity at the open, so 100,000 short at 12
    np.testing.assert_allclose(legs.to_numpy(), [[0, 0], [0, 0], [0.2, 0.3]], atol=1e-12)
    np.testing.assert_allclose(evidence.leg_exposure(run).to_numpy(), [[0, 0], [1, 0], [0, 9e5 / 1.5e6]], atol=1e-12)


def test_the_fee_goes_with_the_position_that_it_buys() -> None:
    """A hundred bps to buy and to sell flat prices: the long leg lost both, the short leg nothing."""
    run = fake_evidence.hand_made(flat_bars({"A": [10] * 4}), [[0.5], [0.0], [0.0], [0.0]], costs=Costs(fee_bps=100.0, slippage_bps=0.0))
    legs = evidence.leg_returns(run)
    assert legs["short"].tolist() == [0.0] * 4
    np.testing.assert_allclose(legs["long"], run.portfolio.returns)
    assert legs["long"].iloc[1:3].lt(0).all()


def test_legs_apart(result: BacktestResult) -> None:
    """Their yearly contributions add up to the yearly mean return; what was never held has no session."""
    table, returns = evidence.legs(result), evidence.leg_returns(result)
    assert table["contribution"].sum() == pytest.approx(result.portfolio.returns.mean() * 252)
    assert table.loc["short", "sharpe"] == pytest.approx(sharpe(returns["short"]))
    assert table.loc["long", "total_return"] == pytest.approx(total_return(returns["long"]))
    bought = evidence.legs(fake_evidence.hand_made(flat_bars({"A": [10, 10, 11, 12]}), [[0.5]] * 4))
    assert bought["n_sessions"].to_dict() == {"long": 3, "short": 0}
    assert bought.loc["short", ["exposure", "contribution", "total_return"]].tolist() == [0, 0, 0]
    assert np.isnan(bought.loc["short", "sharpe"])


def test_what_sums_of_floats_left_over_is_no_position() -> None:
    """A tenth of a millionth of a share is flat: no session, no exposure."""
    run = fake_evidence.hand_made(flat_bars({"A": [10, 10, 11, 12]}), [[0.0]] * 4)
    dust = replace(run, portfolio=replace(run.portfolio, positions=run.portfolio.positions + 1e-7))
    assert evidence.legs(dust)[["n_sessions", "exposure"]].to_numpy().tolist() == [[0, 0], [0, 0]]


def test_sub_periods_part_the_sessions(result: BacktestResult) -> None:
    """Each kind holds every session once, so its returns compound to the whole; figures are those of the metrics."""
    table, returns = evidence.sub_periods(result), result.portfolio.returns
    assert table.index.unique(0).tolist() == ["year", "half_year", "half", "fold"]
    for kind in table.index.unique(0):
        part = table.loc[kind]
        assert part["n_sessions"].sum() == len(returns)
        assert (1 + part["total_return"]).prod() - 1 == pytest.approx(total_return(returns))
        assert (part["start"].iloc[1:].to_numpy() > part["end"].iloc[:-1].to_numpy()).all()
    year = returns[returns.index.year == 2021]
    row = table.loc[("year", "2021")]
    assert row[["sharpe", "max_drawdown"]].tolist() == pytest.approx([sharpe(year), max_drawdown(year)])
    ic = information_coefficient(result.predicted.signal, result.target)
    assert row["ic"] == pytest.approx(ic[ic.index.year == 2021].mean())
    assert table.loc["half_year"].index.tolist() == ["2020H2", "2021H1"]


def test_folds_and_halves_begin_where_they_should(result: BacktestResult) -> None:
    """A fold begins with its first test bar; of an odd number of sessions the first half has one more."""
    table = evidence.sub_periods(result)
    assert table.loc["fold"].index.tolist() == ["1", "2", "3"]
    assert table.loc["fold", "end"].tolist() == [fit.fold.test_end for fit in result.predicted.fits]
    odd = replace(result, portfolio=replace(result.portfolio, returns=result.portfolio.returns.iloc[:7]))
    assert evidence.sub_periods(odd).loc["half", "n_sessions"].tolist() == [4, 3]


def test_half_years_turn_in_july(result: BacktestResult) -> None:
    """June is the first half, July the second."""
    times = pd.DatetimeIndex(["2021-06-30 21:00", "2021-07-01 21:00"], tz="UTC")
    run = replace(result, portfolio=replace(result.portfolio, returns=pd.Series([0.1, 0.2], index=times)))
    assert evidence.sub_periods(run).loc["half_year", "total_return"].to_dict() == pytest.approx({"2021H1": 0.1, "2021H2": 0.2})


def test_up_and_down_sessions_by_hand(result: BacktestResult) -> None:
    """The market rose, stood still, fell and rose: unchanged counts as down."""
    run = with_market(result, [0.1, 0.0, -0.1, 0.2], 4)
    table = evidence.market_regimes(run)
    assert table.loc["benchmark", "n_sessions"].to_dict() == {"up": 2, "down": 2}
    assert table.loc[("benchmark", "up"), "total_return"] == pytest.approx(1.001 * 1.004 - 1)
    assert table.loc["trend", "n_sessions"].to_dict() == {"unknown": 4}
    assert table.loc["volatility", "n_sessions"].to_dict() == {"unknown": 4}


def test_a_trend_is_that_of_the_quarter_before(result: BacktestResult) -> None:
    """Sixty-three gains, then one crash: the crash itself stands in the up-trend, the session after it in the down-trend."""
    table = evidence.market_regimes(with_market(result, [0.001] * 63 + [-0.5, 0.0], 2))
    assert table.loc["trend", "n_sessions"].to_dict() == {"up": 1, "down": 1}
    assert table.loc[("trend", "up"), "total_return"] == pytest.approx(0.001)
    jump = evidence.market_regimes(with_market(result, [0.5] + [-0.001] * 64, 2))  # 63 bars back it counts, 64 bars back no more
    assert jump.loc["trend", "n_sessions"].to_dict() == {"up": 1, "down": 1}


def test_volatility_is_ranked_among_what_was_known(result: BacktestResult) -> None:
    """Calm for long, then a storm: high from the session after it began; and calm again once 21 calm sessions have passed."""
    calm = [0.001, -0.001] * 50
    run = with_market(result, [*calm, 0.1, -0.1, *calm[:30]], 32)
    states = evidence.market_regimes(run).loc["volatility", "n_sessions"].to_dict()
    assert states["high"] == 22  # the 21 sessions that look back on the first jump, and one more on the second
    assert sum(states.values()) == 32


def test_regimes_do_not_look_ahead(result: BacktestResult) -> None:
    """With every later price replaced by noise, the states of the sessions before stay."""
    bars, cut = result.dataset.bars, 100
    random = np.random.default_rng(0)
    noise = np.ones(bars.close.shape)
    noise[cut + 1 :] = np.exp(random.normal(size=noise[cut + 1 :].shape))
    poisoned = Bars(*(table * noise for table in (bars.open, bars.high, bars.low, bars.close)), bars.volume)
    early = replace(result, portfolio=replace(result.portfolio, returns=result.portfolio.returns.loc[: bars.times[cut]]))
    other = replace(early, dataset=replace(early.dataset, bars=poisoned))
    pd.testing.assert_frame_equal(evidence.market_regimes(early), evidence.market_regimes(other))
    assert {"low", "middle", "high"} & set(evidence.market_regimes(early).loc["volatility"].index)


def test_the_market_is_the_benchmark_of_the_run(result: BacktestResult) -> None:
    """Over the evaluated bars it is the result's own benchmark; a named one is that symbol."""
    np.testing.assert_allclose(evidence.market_returns(result).loc[result.benchmark.index], result.benchmark)
    named = evidence.market_returns(replace(result, benchmark_name="S01"))
    close = result.dataset.bars.close["S01"]
    np.testing.assert_allclose(named.iloc[1:], close.to_numpy()[1:] / close.to_numpy()[:-1] - 1)
