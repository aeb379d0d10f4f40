"""The simulation: one bar of delay, honest costs, halts, delistings and cut orders, worked by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, random_bars

from quantlab.audit.ledger import execution_check, ledger_check, read_orders, replay
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
    assert portfolio.turnover.iloc[:2].tolist() == pytest.approx([0.0, 0.505])  # 0 where nothing was ordered, and not unknown
    assert portfolio.fees.iloc[:2].tolist() == pytest.approx([0, 5_050])
    names = ("equity", "returns", "gross_returns", "turnover", "fees", "slippage")
    assert [getattr(portfolio, name).name for name in names] == list(names)


def test_what_is_sold_pays_for_what_is_bought_in_the_same_bar() -> None:
    """All of A, then all of B, then all of A again: with the names in either order nothing is cut, and no order stays undone."""
    bars = flat_bars({"A": [10.0] * 4, "B": [10.0] * 4})
    portfolio = simulate(weights_of(bars, A=[1, 0, 1, 0], B=[0, 1, 0, 1]), bars, FREE)
    assert portfolio.cut.empty
    assert portfolio.positions.to_numpy().tolist() == [[0, 0], [100_000, 0], [0, 100_000], [100_000, 0]]
    assert portfolio.orders["side"].tolist() == ["buy", "sell", "buy", "buy", "sell"]
    assert portfolio.orders["symbol"].tolist() == ["A", "A", "B", "A", "B"]
    assert portfolio.orders.index.equals(pd.RangeIndex(5))
    assert portfolio.orders["decided_at"].tolist() == [bars.times[k - 1] for k in (1, 2, 2, 3, 3)]


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


def test_a_name_that_misses_a_few_hours_is_not_delisted() -> None:
    """Sessions count, not bars: with three bars a day it is closed at the first bar of the second day without any, and only there.

    A bar that ends at midnight, as the third of each day does here, is of the day before.
    """
    daily = flat_bars({"A": [10] * 2 + [np.nan] * 10, "B": [1.0] * 12})
    times = pd.date_range("2024-01-01 08:00", periods=12, freq="8h", tz="UTC", unit="us")
    bars = Bars(**{name: getattr(daily, name).set_axis(times) for name in ("open", "high", "low", "close", "volume")})
    weights = weights_of(bars, A=[0.5] * 12, B=[0.0] * 12)
    orders = simulate(weights, bars, FREE, delisted_after=2).orders
    assert orders.loc[orders["reason"] == "delisted", "time"].tolist() == [times[6]]


def test_ruin_is_an_error_and_not_a_return() -> None:
    """Short all there is, and the price more than doubles: returns on negative equity would mean nothing."""
    bars = flat_bars({"A": [10, 10, 10, 25, 20]})
    with pytest.raises(UsageError, match=r"ruined: its equity is -500,000 at 2024-01-04 21:00:00\+00:00"):
        simulate(weights_of(bars, A=[-1.0] * 5), bars, FREE)
    bars = flat_bars({"A": [10, 10, 10, 20]})
    with pytest.raises(UsageError, match=r"ruined: its equity is 0 at 2024-01-04"):
        simulate(weights_of(bars, A=[-1.0] * 4), bars, FREE)
    penniless = simulate(weights_of(bars, A=[-0.5, 0, 0, 0]), bars, FREE, cash=1.0)
    assert penniless.equity.tolist() == pytest.approx([1.0] * 4)


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


def test_a_cut_order_is_listed_by_what_it_asked_and_got_beyond_what_was_held() -> None:
    """Half of A is held over a bar without orders; then all is asked for: 50,000 shares more, of which the fee takes its part."""
    bars = flat_bars({"A": [10.0] * 5})
    bars = replace(bars, volume=bars.volume.assign(A=[1.0, 1, 0, 1, 1]))
    cut = simulate(weights_of(bars, A=[0.5, 0.5, 1, 1, 1]), bars, replace(FREE, fee_bps=100)).cut
    assert cut["time"].tolist()[:1] == [bars.times[3]]
    asked = 995_000 / 10 - 50_000  # a fee of 5,000 was paid for the first half
    assert cut["asked"].iloc[0] == pytest.approx(asked)
    assert cut["filled"].iloc[0] == pytest.approx(495_000 / 10 / 1.01)


def test_nothing_is_cut_when_cash_suffices() -> None:
    """The list is empty for a hedged book."""
    bars = random_bars(40, 6)
    weights = pd.DataFrame(np.tile([0.1, -0.1, 0.1, -0.1, 0.1, -0.1], (40, 1)), bars.times, bars.symbols)
    assert simulate(weights, bars, Costs()).cut.empty


def test_columns_in_another_order_are_refused() -> None:
    """vectorbt would trade the wrong stock, silently."""
    bars = random_bars(5, 3)
    weights = pd.DataFrame(0.1, bars.times, bars.symbols[::-1])
    with pytest.raises(DataError, match=r"^weights are not aligned with the bars: reindex them to bars.times and bars.symbols"):
        simulate(weights, bars, Costs())
    with pytest.raises(UsageError, match=r"^fill must be 'open' or 'close', not 'noon'$"):
        simulate(pd.DataFrame(0.1, bars.times, bars.symbols), bars, Costs(), fill="noon")  # type: ignore[arg-type]  # the mistake


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
    assert trade[["size", "pnl"]].tolist() == pytest.approx([100_000, 200_000])


def test_trades_are_in_order_of_their_entry_and_those_still_open_have_no_exit() -> None:
    """B is sold short first and still held; A is bought and sold again."""
    bars = flat_bars({"A": [10, 10, 10, 12, 12], "B": [10, 10, 10, 9, 9]})
    trades = simulate(weights_of(bars, A=[0, 0.5, 0, 0, 0], B=[-0.5] * 5), bars, FREE).trades
    assert trades["symbol"].tolist() == ["B", "A"]
    assert trades["side"].tolist() == ["short", "long"]
    assert trades["exit_time"].isna().tolist() == trades["exit_price"].isna().tolist() == [True, False]
    assert trades.index.equals(pd.RangeIndex(2))
    assert trades["exit_price"].dtype == np.float64


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
    first = orders["time"].iloc[3] if damage != "drop" else portfolio.orders["time"].iloc[3]
    assert re.fullmatch(r"replayed orders agree with the simulated equity to .*e.* of capital at .*", check.detail)
    assert pd.Timestamp(check.detail.rpartition(" at ")[2]) >= first


@pytest.mark.parametrize(("error", "passed"), [(0.0, True), (1.0, True), (1.001, False), (np.nan, False)])
def test_one_millionth_of_the_capital_is_let_pass_and_nothing_unknown_is(error: float, passed: bool) -> None:
    """The simulated equity is off by so much of a million on one bar; an unknown equity agrees with nothing."""
    bars = flat_bars({"A": [10.0] * 3})
    portfolio = simulate(weights_of(bars, A=[0.5, 0.5, 0.5]), bars, FREE)
    equity = portfolio.equity.copy()
    equity.iloc[2] += error
    check = ledger_check(replace(portfolio, equity=equity), portfolio.orders, bars)
    assert (check.name, check.passed) == ("ledger", passed)
    assert (" at " in check.detail) == (not passed)
    if not error:
        assert check.detail == "replayed orders agree with the simulated equity to 0.0e+00 of capital"


@pytest.mark.parametrize("fill", ["open", "close"])
def test_the_execution_check_holds_for_an_honest_simulation(fill: str) -> None:
    """With halts, listings, a delisting and cut orders."""
    bars = messy_bars()
    weights = pd.DataFrame(1 / 8, bars.times, bars.symbols)
    portfolio = simulate(weights, bars, Costs(), fill=fill)  # type: ignore[arg-type]  # a parameter of the test
    check = execution_check(portfolio, weights, bars, Costs(), fill)  # type: ignore[arg-type]  # likewise
    assert check.passed, check.detail
    assert check.name == "execution"
    said = rf"{len(portfolio.orders)} orders, 0 of them not at the {fill} of their bar, worse by the stated slippage"
    held = "what was held after trading is what was decided one bar before, to .*e.* of equity"
    assert re.fullmatch(f"{said}; {held}", check.detail)


def test_a_price_off_by_a_hundredth_of_a_basis_point_is_found() -> None:
    """The open is what is expected unless told otherwise."""
    bars = random_bars(10, 2)
    weights = pd.DataFrame(0.1, bars.times, bars.symbols)
    portfolio = simulate(weights, bars, Costs())
    assert execution_check(portfolio, weights, bars, Costs()).passed
    bent = portfolio.orders.assign(price=portfolio.orders["price"] * (1 + 1e-6))
    assert not execution_check(replace(portfolio, orders=bent), weights, bars, Costs()).passed


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
    found = replay(orders, bars, 100.0)
    assert found.tolist() == [99.0, 109.0]
    assert found.name == "equity"


def test_orders_are_read_with_their_names_and_to_the_microsecond() -> None:
    """Tickers such as 000001 and NA stay what they are, and so do instants written in more than one way, or without a zone."""
    text = (
        "time,symbol,side\n2024-01-02 21:00:00+00:00,000001,buy\n2024-01-02T16:00:00.000001-05:00,NA,sell\n2024-01-02T21:00:00,TRUE,buy\n"
    )
    orders = read_orders(StringIO(text))
    assert orders["symbol"].tolist() == ["000001", "NA", "TRUE"]
    assert orders["time"].dtype == pd.DatetimeTZDtype("us", "UTC")
    close = pd.Timestamp("2024-01-02 21:00", tz="UTC")
    assert [time - close for time in orders["time"]] == [pd.Timedelta(0), pd.Timedelta(microseconds=1), pd.Timedelta(0)]


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
    plain = many[0] / 2
    assert simulate_many([plain], bars, costs)[0][0].equals(simulate(plain, bars, costs).returns)
    with pytest.raises(UsageError, match="exceeds the limit of 1:"):
        simulate_many([many[1]], bars, costs)
    assert simulate_many([], bars, costs) == []
    with pytest.raises(DataError, match="0 means flat"):
        simulate_many([many[0], many[1] * np.nan], bars, costs, **terms)
