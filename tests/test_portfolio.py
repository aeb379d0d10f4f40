"""The simulation: one bar of delay, honest costs, halts, delistings and cut orders, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, random_bars

from quantlab.audit.ledger import execution_check, ledger_check, replay
from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.errors import DataError, UsageError
from quantlab.portfolio import simulate, simulate_many

FREE = Costs(fee_bps=0, slippage_bps=0, delisting_haircut_bps=0)


def weights_of(bars: Bars, **columns: list[float]) -> pd.DataFrame:
    """Return weights by symbol, aligned with the bars."""
    return pd.DataFrame(columns, index=bars.times)[list(bars.symbols)].astype(float)


def test_a_weight_decided_at_a_close_earns_from_the_next_open_on() -> None:
    """Decided on day 1, bought at 10 on day 2, worth 11 on day 3: +10% on day 3 and nothing before."""
    bars = flat_bars({"A": [5, 10, 11]})
    portfolio = simulate(weights_of(bars, A=[1, 1, 1]), bars, FREE)
    assert portfolio.returns.tolist() == pytest.approx([0, 0, 0.1])
    assert portfolio.orders[["time", "decided_at", "size", "price"]].iloc[0].tolist() == [bars.times[1], bars.times[0], 100_000, 10]


def test_the_open_is_traded_not_the_close() -> None:
    """Open 10, close 12 on the day of the fill: +20% that day."""
    bars = flat_bars({"A": [5, 12, 12]})
    bars = replace(bars, open=bars.open.assign(A=[5.0, 10, 12]), low=bars.low.assign(A=[5.0, 10, 12]))
    assert simulate(weights_of(bars, A=[1, 1, 1]), bars, FREE).returns.tolist() == pytest.approx([0, 0.2, 0])
    assert simulate(weights_of(bars, A=[1, 1, 1]), bars, FREE, fill="close").returns.tolist() == pytest.approx([0, 0, 0])


def test_flipping_weights_from_a_bar_on_leaves_the_returns_up_to_it_unchanged() -> None:
    """What is decided at t cannot touch t: the mutant without the shift fails here."""
    bars = random_bars(30, 4)
    weights = pd.DataFrame(0.25, bars.times, bars.symbols)
    flipped = weights.copy()
    flipped.iloc[15:] *= -1
    first, second = simulate(weights, bars, Costs()), simulate(flipped, bars, Costs())
    assert first.returns.iloc[:16].tolist() == second.returns.iloc[:16].tolist()
    assert first.returns.iloc[16] != second.returns.iloc[16]


def test_fees_and_slippage_by_hand() -> None:
    """Half of a million at 10 with 100 bp slippage and 100 bp fee: 50,000 shares at 10.10, fee 5,050, slippage 5,000."""
    bars = flat_bars({"A": [10, 10, 10]})
    portfolio = simulate(weights_of(bars, A=[0.5, 0.5, 0.5]), bars, Costs(fee_bps=100, slippage_bps=100))
    order = portfolio.orders.iloc[0]
    assert order[["size", "price", "fee", "slippage"]].tolist() == pytest.approx([50_000, 10.1, 5_050, 5_000])
    assert portfolio.equity.iloc[1] == pytest.approx(1e6 - 5_000 - 5_050)
    assert portfolio.gross_returns.iloc[1] == pytest.approx(0)
    assert portfolio.turnover.iloc[1] == pytest.approx(0.505)


def test_long_and_short_legs_earn_their_difference() -> None:
    """Half long A (+10%), half short B (-10%): +10% in all."""
    bars = flat_bars({"A": [10, 10, 11], "B": [10, 10, 9]})
    assert simulate(weights_of(bars, A=[0.5] * 3, B=[-0.5] * 3), bars, FREE).returns.tolist() == pytest.approx([0, 0, 0.1])


@pytest.mark.parametrize("halt", ["volume", "prices"])
def test_a_halted_bar_trades_nothing_and_the_position_is_held(halt: str) -> None:
    """Sold the bar after the halt, at that bar's price."""
    bars = flat_bars({"A": [10, 10, 10, 12, 12], "B": [1.0] * 5})
    if halt == "volume":
        bars = replace(bars, volume=bars.volume.assign(A=[1.0, 1, 0, 1, 1]))
    else:
        bars = flat_bars({"A": [10, 10, np.nan, 12, 12], "B": [1.0] * 5})
    portfolio = simulate(weights_of(bars, A=[1, 0, 0, 0, 0], B=[0.0] * 5), bars, FREE)
    assert portfolio.orders["time"].tolist() == [bars.times[1], bars.times[3]]
    assert portfolio.equity.tolist() == pytest.approx([1e6, 1e6, 1e6, 1.2e6, 1.2e6])


@pytest.mark.parametrize(("weight", "worth"), [(0.5, 950_000.0), (-0.5, 950_000.0)])
def test_a_delisted_position_is_closed_after_its_last_bar_less_the_haircut(weight: float, worth: float) -> None:
    """10% against the holder, long or short, although the weights still ask for it; then it is gone."""
    bars = flat_bars({"A": [10, 10, 10, np.nan, np.nan], "B": [1.0] * 5})
    weights = weights_of(bars, A=[weight] * 5, B=[0.0] * 5)
    portfolio = simulate(weights, bars, replace(FREE, delisting_haircut_bps=1000), delisted_after=1)
    assert portfolio.orders[["time", "reason"]].iloc[-1].tolist() == [bars.times[3], "delisted"]
    assert portfolio.equity.iloc[-1] == pytest.approx(worth)
    assert portfolio.positions["A"].iloc[-1] == pytest.approx(0, abs=1e-6)
    assert portfolio.slippage.sum() == 0  # a loss, not a cost of trading
    assert portfolio.gross_returns.equals(portfolio.returns)


def test_a_name_counts_as_delisted_after_some_missing_bars_whatever_comes_later() -> None:
    """Nobody knew on day 5 whether it would come back on day 6: what was done until then is the same in both worlds."""
    gone, back = ([10, 10, np.nan, np.nan, np.nan, last, last] for last in (np.nan, 12.0))
    found = []
    for prices in (gone, back):
        bars = flat_bars({"A": prices, "B": [1.0] * 7})
        weights = weights_of(bars, A=[0.5] + [0.0] * 6, B=[0.0] * 7)
        found.append(simulate(weights, bars, replace(FREE, delisting_haircut_bps=1000), delisted_after=3))
    assert found[0].equity.tolist() == found[1].equity.tolist() == [1e6, 1e6, 1e6, 1e6, 950_000, 950_000, 950_000]


def test_ruin_is_an_error_and_not_a_return() -> None:
    """Short all there is, and the price more than doubles: returns on negative equity would mean nothing."""
    bars = flat_bars({"A": [10, 10, 10, 25, 20]})
    with pytest.raises(UsageError, match="ruined: its equity is -500,000"):
        simulate(weights_of(bars, A=[-1.0] * 5), bars, FREE)


def test_the_end_of_the_data_is_no_delisting() -> None:
    """A name that trades on the last bar is not closed."""
    bars = flat_bars({"A": [10, 10, 10]})
    assert (simulate(weights_of(bars, A=[1, 1, 1]), bars, FREE).orders["reason"] == "target").all()


def test_a_name_before_its_listing_is_not_bought() -> None:
    """No price, no order; the equity stays finite."""
    bars = flat_bars({"A": [np.nan, np.nan, 10, 11], "B": [1.0] * 4})
    portfolio = simulate(weights_of(bars, A=[1.0] * 4, B=[0.0] * 4), bars, FREE)
    assert portfolio.orders["time"].tolist() == [bars.times[2]]
    assert portfolio.equity.tolist() == pytest.approx([1e6, 1e6, 1e6, 1.1e6])


def test_an_order_that_cash_cannot_pay_is_listed_as_cut() -> None:
    """All in, with a fee: the order is short by the fee, and says so."""
    bars = flat_bars({"A": [10, 10, 10]})
    cut = simulate(weights_of(bars, A=[1, 1, 1]), bars, replace(FREE, fee_bps=100)).cut
    assert cut["symbol"].tolist()[:1] == ["A"]
    assert cut["asked"].iloc[0] == pytest.approx(100_000)
    assert cut["filled"].iloc[0] == pytest.approx(100_000 / 1.01)


def test_nothing_is_cut_when_cash_suffices() -> None:
    """The list is empty for a hedged book."""
    bars = random_bars(40, 6)
    weights = pd.DataFrame(np.tile([0.1, -0.1, 0.1, -0.1, 0.1, -0.1], (40, 1)), bars.times, bars.symbols)
    assert simulate(weights, bars, Costs()).cut.empty


def test_columns_in_another_order_are_refused() -> None:
    """vectorbt would trade the wrong stock, silently."""
    bars = random_bars(5, 3)
    weights = pd.DataFrame(0.1, bars.times, bars.symbols[::-1])
    with pytest.raises(DataError, match="not aligned"):
        simulate(weights, bars, Costs())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_refused(value: float) -> None:
    """NaN would mean hold: a silent feed would keep a position for ever."""
    bars = random_bars(5, 2)
    weights = pd.DataFrame(0.1, bars.times, bars.symbols)
    weights.iat[2, 1] = value
    with pytest.raises(DataError, match="S01"):
        simulate(weights, bars, Costs())


def test_gross_above_the_limit_is_refused() -> None:
    """Cash must not run out without a word; the limit is the caller's to raise."""
    bars = random_bars(5, 2)
    weights = pd.DataFrame(0.6, bars.times, bars.symbols)
    with pytest.raises(UsageError, match=r"1\.2000 .* limit of 1"):
        simulate(weights, bars, Costs())


def test_trades_are_round_trips() -> None:
    """One in, one out: bought at 10, sold at 12."""
    bars = flat_bars({"A": [10, 10, 12, 12]})
    trade = simulate(weights_of(bars, A=[1, 0, 0, 0]), bars, FREE).trades.iloc[0]
    assert trade[["symbol", "side", "entry_time", "exit_time"]].tolist() == ["A", "long", bars.times[1], bars.times[2]]
    assert trade[["entry_price", "exit_price", "return"]].tolist() == pytest.approx([10, 12, 0.2])


def test_exposure_is_the_share_of_equity() -> None:
    """Half in A at the fill, a little more after it rose."""
    bars = flat_bars({"A": [10, 10, 20]})
    assert simulate(weights_of(bars, A=[0.5, 0.5, 0.5]), bars, FREE).exposure["A"].iloc[1] == pytest.approx(0.5)


def messy_bars() -> Bars:
    """Return random bars with a late listing, a delisting, a halt without prices and one without volume."""
    bars = random_bars(120, 8)
    listed = bars.listed.copy()
    listed.iloc[:20, 0] = listed.iloc[90:, 1] = listed.iloc[50:55, 2] = False
    volume = bars.volume.copy()
    volume.iloc[30:33, 3] = 0
    tables = {name: getattr(bars, name).where(listed) for name in ("open", "high", "low", "close")}
    return Bars(**tables, volume=volume)


@pytest.mark.parametrize("net", [0.0, 1.0])
def test_the_independent_ledger_agrees_on_every_bar(net: float) -> None:
    """With halts, listings, a delisting, costs and, when all in, cut orders."""
    bars = messy_bars()
    raw = np.random.default_rng(1).normal(net, 1, bars.close.shape)
    weights = pd.DataFrame(raw / np.abs(raw).sum(axis=1, keepdims=True), bars.times, bars.symbols)
    portfolio = simulate(weights, bars, Costs())
    assert ledger_check(portfolio, portfolio.orders, bars).passed


@pytest.mark.parametrize("damage", ["size", "price", "fee", "drop"])
def test_the_ledger_notices_a_wrong_order(damage: str) -> None:
    """One order changed by one percent, or lost, and the check fails."""
    bars = messy_bars()
    portfolio = simulate(pd.DataFrame(0.1, bars.times, bars.symbols), bars, Costs(fee_bps=100))
    orders = portfolio.orders.copy()
    if damage == "drop":
        orders = orders.drop(index=3)
    else:
        orders.loc[3, damage] *= 1.01 if damage != "fee" else 100
    check = ledger_check(portfolio, orders, bars)
    assert not check.passed
    assert str(bars.times[0].year) in check.detail


@pytest.mark.parametrize("fill", ["open", "close"])
def test_the_execution_check_holds_for_an_honest_simulation(fill: str) -> None:
    """With halts, listings, a delisting and cut orders."""
    bars = messy_bars()
    weights = pd.DataFrame(1 / 8, bars.times, bars.symbols)
    portfolio = simulate(weights, bars, Costs(), fill=fill)  # type: ignore[arg-type]  # a parameter of the test
    check = execution_check(portfolio, weights, bars, Costs(), fill)  # type: ignore[arg-type]  # likewise
    assert check.passed, check.detail


@pytest.mark.parametrize("cheat", ["same bar", "two bars late", "half price", "other fill", "no slippage"])
def test_the_execution_check_finds_a_cheat(cheat: str) -> None:
    """Fills on the bar of the decision or a bar late, at a price that was not there, or without the stated slippage."""
    bars = messy_bars()
    weights = pd.DataFrame(np.random.default_rng(3).normal(0, 0.02, bars.close.shape), bars.times, bars.symbols)
    shifted = {"same bar": weights.shift(-1).fillna(0.0), "two bars late": weights.shift(1).fillna(0.0)}.get(cheat, weights)
    portfolio = simulate(shifted, bars, Costs(slippage_bps=0) if cheat == "no slippage" else Costs())
    if cheat == "half price":
        portfolio = replace(portfolio, orders=portfolio.orders.assign(price=portfolio.orders["price"] / 2))
    assert not execution_check(portfolio, weights, bars, Costs(), "close" if cheat == "other fill" else "open").passed


def test_the_ledger_by_hand() -> None:
    """Buy 10 at 5 for a fee of 1, hold at 6: 100 - 50 - 1 + 60."""
    bars = flat_bars({"A": [5, 6]})
    orders = pd.DataFrame({"time": [bars.times[0]], "symbol": ["A"], "side": ["buy"], "size": [10.0], "price": [5.0], "fee": [1.0]})
    assert replay(orders, bars, 100.0).tolist() == [99.0, 109.0]


@pytest.mark.slow
def test_rust_and_numba_orders_are_bit_identical() -> None:
    """The quick engine is trusted because it is compared."""
    import vectorbt as vbt

    bars = random_bars(40, 4)
    weights = pd.DataFrame(np.random.default_rng(2).normal(0, 0.1, bars.close.shape), bars.times, bars.symbols)
    records = [
        vbt.Portfolio.from_orders(
            close=bars.close,
            size=weights,
            size_type="targetpercent",
            price=bars.open,
            fees=0.001,
            slippage=0.001,
            init_cash=1e6,
            group_by=True,
            cash_sharing=True,
            call_seq="auto",
            freq="1D",
            engine=engine,
        ).orders.values
        for engine in ("rust", "numba")
    ]
    assert records[0].tobytes() == records[1].tobytes()


def test_many_weights_at_once_earn_to_the_last_bit_what_each_earns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With halts, a delisting, shorts and costs; in one call, and in several."""
    bars = random_bars(60, 6, seed=4)
    close = bars.close.copy()
    close.iloc[20:, 1] = np.nan
    close.iloc[30:33, 2] = np.nan
    gone = close.isna()
    bars = Bars(*(getattr(bars, name).mask(gone) for name in ("open", "high", "low", "close")), bars.volume.mask(gone))
    many = []
    for seed in range(5):
        drawn = np.random.default_rng(seed).normal(size=close.shape)
        many.append(pd.DataFrame(drawn / np.abs(drawn).sum(axis=1, keepdims=True) * (seed % 2 + 1), close.index, close.columns))
    costs, terms = Costs(fee_bps=3.0, slippage_bps=7.0, delisting_haircut_bps=500.0), {"cash": 1e5, "max_gross": 2.0}
    alone = [simulate(weights, bars, costs, **terms) for weights in many]
    for cells in (10**9, 2 * bars.close.size, 1):
        monkeypatch.setattr("quantlab.portfolio.MOST_CELLS", cells)
        together = simulate_many(many, bars, costs, **terms)
        assert len(together) == len(many)
        for (returns, turnover), portfolio in zip(together, alone, strict=True):
            pd.testing.assert_series_equal(returns, portfolio.returns, check_exact=True)
            pd.testing.assert_series_equal(turnover, portfolio.turnover, check_exact=True)
    assert simulate_many([], bars, costs) == []
    with pytest.raises(DataError, match="0 means flat"):
        simulate_many([many[0], many[1] * np.nan], bars, costs, **terms)
