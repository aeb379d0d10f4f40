"""Targets: labels by hand, against the obvious loop, and that they use nothing after the open of t+1+horizon."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import target as target_module
from quantlab.bars import Bars
from quantlab.errors import UsageError
from quantlab.target import Direction, ForwardReturn, TripleBarrier

NAN = np.nan
FIELDS = ("open", "high", "low", "close", "volume")
TARGETS: list[Callable[[int], Callable[[Bars], pd.Series]]] = [
    ForwardReturn,
    lambda h: ForwardReturn(h, "market_neutral"),
    lambda h: ForwardReturn(h, "rank"),
    Direction,
    lambda h: Direction(h, neutral="keep"),
    lambda h: TripleBarrier(h, upper=0.7, lower=0.9, window=3),
]


def table(**columns: list[float]) -> pd.DataFrame:
    """One column per symbol."""
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01 21:00", periods=n, tz="UTC").as_unit("us"), dtype=float)


def flat_bars(opened: pd.DataFrame, **others: pd.DataFrame) -> Bars:
    """Bars that print their open only, unless told otherwise."""
    return Bars(**(dict.fromkeys(("open", "high", "low", "close"), opened) | {"volume": opened.notna() * 100.0} | others))


def random_bars(seed: int, n: int = 24) -> Bars:
    """Four names: one listed late, one halted, one without volume for a bar, one delisted."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n, 4)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, (n, 4)))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    volume = np.full((n, 4), 100.0)
    volume[n // 2, 2] = 0
    for frame in (opened, high, low, close, volume):
        frame[:4, 0] = frame[9:12, 1] = frame[n - 6 :, 3] = NAN
    times = table(A=[0] * n).index
    return Bars(*(pd.DataFrame(frame, index=times, columns=list("ABCD")) for frame in (opened, high, low, close, volume)))


def wide(labels: pd.Series) -> dict[str, list[float]]:
    """Labels as one list per symbol."""
    return {symbol: labels.xs(symbol, level="symbol").tolist() for symbol in labels.index.get_level_values("symbol").unique()}


def test_forward_return_runs_from_the_next_open_to_the_open_horizon_bars_later() -> None:
    """Opens 10, 20, 30, 60: the label of the first bar is 30/20 - 1, of the second 60/30 - 1, of the last two unknown."""
    labels = ForwardReturn(1)(flat_bars(table(A=[10, 20, 30, 60], B=[1, 1, 1, 1])))
    assert wide(labels)["A"] == pytest.approx([0.5, 1.0, NAN, NAN], nan_ok=True)
    assert labels.name == "target"
    assert labels.index.names == ["time", "symbol"]
    assert labels.index.is_monotonic_increasing
    assert len(labels) == 8
    assert wide(ForwardReturn(2)(flat_bars(table(A=[10, 20, 30, 60]))))["A"] == pytest.approx([2.0, NAN, NAN, NAN], nan_ok=True)


def test_a_name_that_does_not_trade_at_the_next_open_has_no_label() -> None:
    """Halted, not listed, or without volume in bar t+1: nothing could have been bought there."""
    opened = table(A=[10, NAN, 30, 60], B=[NAN, NAN, 10, 11], C=[10, 20, 30, 60])
    volume = table(A=[1, NAN, 1, 1], B=[NAN, NAN, 1, 1], C=[1, 0, 1, 1])
    labels = wide(ForwardReturn(1)(flat_bars(opened, volume=volume)))
    assert labels["A"] == pytest.approx([NAN, 1.0, NAN, NAN], nan_ok=True)
    assert labels["B"] == pytest.approx([NAN, 0.1, NAN, NAN], nan_ok=True)
    assert labels["C"] == pytest.approx([NAN, 1.0, NAN, NAN], nan_ok=True)


def test_a_name_halted_at_the_exit_is_worth_its_last_close() -> None:
    """Bought at 20, closed at 25, halted when the label ends: 25/20 - 1."""
    opened, close = table(A=[10, 20, NAN, 60, 60]), table(A=[10, 25, NAN, 60, 60])
    bars = Bars(open=opened, high=np.fmax(opened, close), low=np.fmin(opened, close), close=close, volume=close)
    assert wide(ForwardReturn(1)(bars))["A"][0] == pytest.approx(0.25)
    assert wide(ForwardReturn(2)(bars))["A"][0] == pytest.approx(2.0)


def test_a_delisted_name_ends_at_its_last_close() -> None:
    """Bought at 20 and gone after a close of 5: -75%, not missing. But beyond the last bar of the data nothing is known."""
    opened, close = table(A=[10, 20, NAN, NAN, NAN], B=[1] * 5), table(A=[10, 5, NAN, NAN, NAN], B=[1] * 5)
    bars = Bars(open=opened, high=np.fmax(opened, close), low=np.fmin(opened, close), close=close, volume=close)
    assert wide(ForwardReturn(3)(bars))["A"] == pytest.approx([-0.75, NAN, NAN, NAN, NAN], nan_ok=True)
    assert wide(ForwardReturn(4)(bars))["A"] == pytest.approx([NAN] * 5, nan_ok=True)


def test_market_neutral_and_rank_compare_the_names_of_one_bar() -> None:
    """Returns of 10%, 20% and 60%: less their mean of 30%; ranks from -0.5 to 0.5."""
    bars = flat_bars(table(A=[1, 10, 11], B=[1, 10, 12], C=[1, 10, 16]))
    assert ForwardReturn(1, "market_neutral")(bars).iloc[:3].tolist() == pytest.approx([-0.2, -0.1, 0.3])
    assert ForwardReturn(1, "rank")(bars).iloc[:3].tolist() == [-0.5, 0.0, 0.5]
    tied = flat_bars(table(A=[1, 10, 11], B=[1, 10, 11], C=[1, NAN, NAN]))
    assert ForwardReturn(1, "rank")(tied).iloc[:3].tolist() == pytest.approx([0.0, 0.0, NAN], nan_ok=True)
    assert ForwardReturn(1, "rank")(flat_bars(table(A=[1, 10, 11]))).iloc[0] == 0.0


def test_direction_has_a_dead_zone_like_stocknet() -> None:
    """A fall of exactly 0.5% counts as down and a rise of exactly 0.55% is still neutral."""
    bars = flat_bars(table(A=[1, 1000, 995], B=[1, 1000, 1005.5], C=[1, 1000, 1006], D=[1, 1000, 1000], E=[1, NAN, NAN]))
    down, up = 995 / 1000 - 1, 1005.5 / 1000 - 1  # the thresholds as floats round them
    assert Direction(1, down, up)(bars).iloc[:5].tolist() == pytest.approx([-1, NAN, 1, NAN, NAN], nan_ok=True)
    assert Direction(1, down, up, neutral="keep")(bars).iloc[:5].tolist() == pytest.approx([-1, 0, 1, 0, NAN], nan_ok=True)
    assert (Direction().lower, Direction().upper, Direction().horizon) == (-0.005, 0.0055, 1)


def barrier_bars(high: list[float], low: list[float]) -> Bars:
    """Log returns of +-ln 2 before bar 2, then an entry at 100; the extremes are those given, from bar 3 on."""
    flat = [100.0] * len(high)
    price = table(A=[100, 200, 100, *flat])
    return flat_bars(price, high=table(A=[100, 200, 100, *high]), low=table(A=[100, 200, 100, *low]))


WIDTH = np.sqrt(2) * np.log(2) * np.sqrt(2)  # the deviation of +-ln 2 over two bars, for two bars ahead


@pytest.mark.parametrize(
    ("high", "low", "label"),
    [
        ([100 + 51 * WIDTH, 100, 100], [100, 100, 100], 1.0),
        ([100, 100 + 51 * WIDTH, 100], [100, 100, 100], 1.0),
        ([100 + 49 * WIDTH] * 2 + [100], [100, 100, 100], 0.0),
        ([100, 100, 100], [100 - 26 * WIDTH, 100, 100], -1.0),
        ([100, 100, 100], [100 - 24 * WIDTH, 100 - 24 * WIDTH, 100], 0.0),
        ([100 + 51 * WIDTH, 100, 100], [100, 100 - 26 * WIDTH, 100], 1.0),
        ([100 + 51 * WIDTH, 100, 100], [100 - 26 * WIDTH, 100, 100], -1.0),
        ([100, 100, 100 + 51 * WIDTH], [100, 100, 100 - 26 * WIDTH], 0.0),
    ],
    ids=["up at once", "up later", "not up", "down", "not down", "up first", "both in one bar", "after the horizon"],
)
def test_triple_barrier_by_hand(high: list[float], low: list[float], label: float) -> None:
    """Barriers at +0.5 and -0.25 volatilities; the first one touched counts, a bar that touches both is the loss."""
    labels = TripleBarrier(2, upper=0.5, lower=0.25, window=2)(barrier_bars(high, low))
    assert labels.tolist()[2] == label
    assert np.isnan(labels.tolist()[:2] + labels.tolist()[3:]).all()


def test_triple_barrier_needs_a_volatility() -> None:
    """Without any movement before t both barriers would stand on the entry: no label."""
    assert TripleBarrier(1, window=2)(flat_bars(table(A=[1] * 8))).isna().all()


def test_triple_barrier_of_a_delisted_name_ends_flat() -> None:
    """A name that is gone touches nothing more."""
    price = table(A=[100, 200, 100, 100, NAN, NAN], B=[1] * 6)
    assert wide(TripleBarrier(2, window=2)(flat_bars(price)))["A"][2] == 0.0


def obvious_triple_barrier(bars: Bars, rule: TripleBarrier) -> list[float]:
    """Row by row, bar by bar."""
    labels = []
    n, close = len(bars.times), bars.close.ffill()
    deviation = np.log(close).diff().rolling(rule.window).std()
    for t in range(n):
        for symbol in bars.symbols:
            width = deviation[symbol].iloc[t] * rule.horizon**0.5
            if t + 1 + rule.horizon >= n or not bars.traded[symbol].iloc[t + 1] or not width > 0:
                labels.append(NAN)
                continue
            entry, label = bars.open[symbol].iloc[t + 1], 0.0
            for bar in range(t + 1, t + 1 + rule.horizon):
                if bars.low[symbol].iloc[bar] <= entry * (1 - rule.lower * width):
                    label = -1.0
                elif bars.high[symbol].iloc[bar] >= entry * (1 + rule.upper * width):
                    label = 1.0
                if label:
                    break
            labels.append(label)
    return labels


@pytest.mark.parametrize("seed", range(3))
def test_triple_barrier_equals_the_obvious_loop(seed: int) -> None:
    """Halts, a late listing and a delisting included."""
    bars, rule = random_bars(seed), TripleBarrier(3, upper=0.7, lower=0.9, window=3)
    labels = rule(bars)
    assert set(labels.dropna()) == {-1.0, 0.0, 1.0}
    assert labels.tolist() == pytest.approx(obvious_triple_barrier(bars, rule), nan_ok=True)


def test_forward_return_equals_the_obvious_loop() -> None:
    """The last price known by the open of t+1+h, over the open of t+1."""
    bars, h = random_bars(7), 3
    n, expected = len(bars.times), []
    for t in range(n):
        for symbol in bars.symbols:
            if t + 1 + h >= n or not bars.traded[symbol].iloc[t + 1]:
                expected.append(NAN)
                continue
            leave = bars.open[symbol].iloc[t + 1 + h]
            if np.isnan(leave):
                leave = bars.close[symbol].iloc[: t + 1 + h].dropna().iloc[-1]
            expected.append(leave / bars.open[symbol].iloc[t + 1] - 1)
    assert ForwardReturn(h)(bars).tolist() == pytest.approx(expected, nan_ok=True)


def poisoned(bars: Bars, position: int, seed: int) -> Bars:
    """Another market after the open at `position`: high, low, close and volume of that bar too; some names vanish."""
    rng = np.random.default_rng(seed)
    frames = {name: getattr(bars, name).to_numpy().copy() for name in FIELDS}
    n_later = len(bars.times) - position - 1
    for name in ("open", "high", "low", "close"):
        frames[name][position + 1 :] = 777.0
    frames["volume"][position:] = rng.integers(0, 2, frames["volume"][position:].shape)
    frames["high"][position] = frames["open"][position] * 9
    frames["low"][position] = frames["open"][position] / 9
    frames["close"][position] = frames["open"][position] * 5
    gone = rng.random((n_later, len(bars.symbols))) < 0.5
    for frame in frames.values():
        frame[position + 1 :][gone] = NAN
    return Bars(**{name: pd.DataFrame(frame, index=bars.times, columns=bars.symbols) for name, frame in frames.items()})


@pytest.mark.parametrize("make", TARGETS)
@settings(derandomize=True, deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**32), horizon=st.integers(1, 4))
def test_a_label_uses_nothing_after_the_open_it_ends_at(
    make: Callable[[int], Callable[[Bars], pd.Series]], seed: int, horizon: int
) -> None:
    """Cut off or poison what comes after that open, for every bar in turn: the label stays to the last bit."""
    bars, target = random_bars(seed, 14), make(horizon)
    labels = target(bars)
    assert labels.notna().any()
    for t in range(len(bars.times) - 1 - horizon):
        end = t + 1 + horizon
        pd.testing.assert_series_equal(target(poisoned(bars, end, seed)).loc[: bars.times[t]], labels.loc[: bars.times[t]])
        pd.testing.assert_series_equal(target(bars.between(end=bars.times[end])).loc[: bars.times[t]], labels.loc[: bars.times[t]])


@pytest.mark.parametrize("make", TARGETS)
def test_a_label_beyond_the_data_is_missing(make: Callable[[int], Callable[[Bars], pd.Series]]) -> None:
    """The last horizon + 1 bars have no label, even where a barrier was touched early."""
    bars = random_bars(1)
    for horizon in (1, 3, 30):
        labels = make(horizon)(bars)
        assert labels.loc[bars.times[max(len(bars.times) - 1 - horizon, 0)] :].isna().all()
        assert labels.index.equals(pd.MultiIndex.from_product([bars.times, bars.symbols]))


def test_the_future_is_touched_in_one_line() -> None:
    """There is one negative shift in the module."""
    source = inspect.getsource(target_module)
    assert source.count("shift(-") == 1
    assert "shift(-" in inspect.getsource(target_module._ahead)


WHOLE = "must be a whole number of bars >="
IMPOSSIBLE = [
    (lambda: ForwardReturn(0), f"ForwardReturn.horizon {WHOLE} 1, not 0"),
    (lambda: ForwardReturn(True), f"ForwardReturn.horizon {WHOLE} 1, not True"),
    (lambda: ForwardReturn(2.0), f"ForwardReturn.horizon {WHOLE} 1, not 2.0"),
    (
        lambda: ForwardReturn(1, "ranked"),
        "ForwardReturn.kind must be one of raw, market_neutral, rank, not 'ranked' (did you mean 'rank'?)",
    ),
    (lambda: Direction(0), f"Direction.horizon {WHOLE} 1, not 0"),
    (lambda: Direction(lower=0.1, upper=-0.1), "Direction needs -1 < lower <= upper, as fractions, not lower 0.1 and upper -0.1"),
    (lambda: Direction(lower=-1.0), "Direction needs -1 < lower <= upper, as fractions, not lower -1.0 and upper 0.0055"),
    (lambda: Direction(upper=math.inf), "Direction needs -1 < lower <= upper, as fractions, not lower -0.005 and upper inf"),
    (lambda: Direction(upper=NAN), "Direction needs -1 < lower <= upper, as fractions, not lower -0.005 and upper nan"),
    (lambda: Direction(neutral="maybe"), "Direction.neutral must be one of drop, keep, not 'maybe'"),
    (lambda: TripleBarrier(0), f"TripleBarrier.horizon {WHOLE} 1, not 0"),
    (lambda: TripleBarrier(upper=0.0), "TripleBarrier.upper must be in (0, inf) volatilities, not 0.0"),
    (lambda: TripleBarrier(upper=math.inf), "TripleBarrier.upper must be in (0, inf) volatilities, not inf"),
    (lambda: TripleBarrier(lower=NAN), "TripleBarrier.lower must be in (0, inf) volatilities, not nan"),
    (lambda: TripleBarrier(window=1), f"TripleBarrier.window {WHOLE} 2, not 1"),
]


@pytest.mark.parametrize(("make", "said"), IMPOSSIBLE, ids=[said for _, said in IMPOSSIBLE])
def test_impossible_targets_are_refused(make: Callable[[], object], said: str) -> None:
    """The message holds the name, the range and the value."""
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == said


def test_a_dead_zone_may_have_no_width() -> None:
    """Both thresholds at 0: what rises is up, all else is down."""
    bars = flat_bars(table(A=[1, 1, 2, 2, 1, 1]))
    assert wide(Direction(1, lower=0.0, upper=0.0)(bars))["A"][:4] == [1.0, -1.0, -1.0, -1.0]


def test_the_ranks_of_two_names_are_a_half_apart_from_the_middle() -> None:
    """The lowest -0.5 and the highest 0.5; a name alone is in the middle."""
    bars = flat_bars(table(A=[1, 1, 2], B=[1, 1, 3]))
    assert ForwardReturn(1, "rank")(bars).iloc[:2].tolist() == [-0.5, 0.5]
    assert ForwardReturn(1, "rank")(flat_bars(table(A=[1, 1, 2]))).iloc[0] == 0.0


@pytest.mark.parametrize("side", ["top", "bottom"])
def test_a_price_at_the_very_barrier_touches_it(side: str) -> None:
    """Reached is reached, to the last bit; one bit short is not."""
    close = [100.0, 110.0, 100.0, 100.0, 100.0]
    rule = TripleBarrier(1, upper=0.5, lower=0.5, window=2)
    width = float(np.std(np.diff(np.log(close[:3])), ddof=1))
    barrier = 100.0 * (1.0 + 0.5 * width) if side == "top" else 100.0 * (1.0 - 0.5 * width)
    for price, label in ((barrier, 1.0 if side == "top" else -1.0), (float(np.nextafter(barrier, 100.0)), 0.0)):
        bars = flat_bars(table(A=close))
        high, low = bars.high.copy(), bars.low.copy()
        (high if side == "top" else low).iloc[3] = price
        assert rule(replace(bars, high=high, low=low)).iloc[2] == label


def test_targets_are_values() -> None:
    """Equal settings are equal targets, none can be changed, and bars are left as they were."""
    assert ForwardReturn(5) == ForwardReturn(horizon=5)
    with pytest.raises(AttributeError):
        ForwardReturn(5).horizon = 6
    bars, fresh = random_bars(0), random_bars(0)
    for make in TARGETS:
        make(2)(bars)
    for name in FIELDS:
        pd.testing.assert_frame_equal(getattr(bars, name), getattr(fresh, name))
