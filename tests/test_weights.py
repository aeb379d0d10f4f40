"""Weights: portfolios by hand, ties, abstention, bounds, and that no rule looks ahead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import weights as weights_module
from quantlab.bars import Bars
from quantlab.errors import DataError, UsageError
from quantlab.weights import cluster_rule, limit, long_short, scale_to_volatility, threshold, top_k

NAN = np.nan


def times(n: int) -> pd.DatetimeIndex:
    """`n` closes at 21:00 UTC."""
    return pd.date_range("2024-01-01 21:00", periods=n, tz="UTC").as_unit("us")


def table(**columns: list[float]) -> pd.DataFrame:
    """One column per symbol."""
    return pd.DataFrame(columns, index=times(len(next(iter(columns.values())))), dtype=float)


def bars_of(close: pd.DataFrame) -> Bars:
    """Bars that print one price."""
    return Bars(close, close, close, close, close.notna() * 100.0)


def market(**columns: list[float]) -> tuple[pd.Series, Bars]:
    """A signal, and bars at a constant price for it."""
    wide = table(**columns)
    return wide.stack(future_stack=True), bars_of(wide.fillna(0.0) * 0 + 1)


def random_market(seed: int, n: int = 16, n_symbols: int = 5) -> tuple[pd.Series, Bars]:
    """Signals with ties and gaps from bar 4 on; one name listed late, one halted, one delisted."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n, n_symbols)), axis=0))
    close[:6, 0] = close[9:11, 1] = close[n - 5 :, 2] = NAN
    frame = pd.DataFrame(close, index=times(n), columns=list("ABCDEFGH")[:n_symbols])
    signal = pd.DataFrame(rng.integers(-3, 4, close.shape) / 2, index=frame.index, columns=frame.columns)
    return signal.where(rng.random(close.shape) > 0.2).iloc[4:].stack(future_stack=True), bars_of(frame)


RULES: dict[str, Callable[[pd.Series, Bars], pd.DataFrame]] = {
    "long_short": lambda signal, bars: long_short(signal, bars, quantile=0.4, gross=0.9),
    "long_short_held": lambda signal, bars: long_short(signal, bars, hold=3),
    "top_k": lambda signal, bars: top_k(signal, bars, k=2, hold=2),
    "threshold": lambda signal, bars: threshold(signal, bars, enter=0.5, max_name=0.4),
    "threshold_hysteresis": lambda signal, bars: threshold(signal, bars, enter=1.0, exit=0.0),
    "cluster_rule": lambda signal, bars: cluster_rule(np.sign(signal), bars, hold=2),
    "scale_to_volatility": lambda signal, bars: scale_to_volatility(long_short(signal, bars), bars, window=4, target=0.2),
    "limit": lambda signal, bars: limit(long_short(signal, bars), name=0.4, gross=0.8, net=0.1, turnover=0.3),
}


@pytest.mark.parametrize("name", sorted(RULES))
@settings(derandomize=True, deadline=None, max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_no_rule_looks_ahead(name: str, seed: int) -> None:
    """Cutting or poisoning signal and bars after any bar leaves the weights up to it as they were."""
    signal, bars = random_market(seed)
    whole = RULES[name](signal, bars)
    assert (whole != 0).any(axis=None)
    for end in bars.times:
        cut_off = RULES[name](signal.loc[:end], bars.between(end=end))
        pd.testing.assert_frame_equal(cut_off, whole.loc[:end], rtol=1e-9, atol=1e-12)
        later = signal.index.get_level_values(0) > end
        close = pd.concat([bars.close.loc[:end], 3 * bars.close.shift(3).loc[end:].iloc[1:]])
        poisoned = RULES[name](signal.mask(later, 1.0).mask(later & (np.arange(len(signal)) % 3 == 0), -1.0), bars_of(close))
        pd.testing.assert_frame_equal(poisoned.loc[:end], whole.loc[:end], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(RULES))
@settings(derandomize=True, deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_every_rule_keeps_its_promises(name: str, seed: int) -> None:
    """Finite, on the bars' times and symbols, gross within the bound, nothing in a name without a price."""
    signal, bars = random_market(seed)
    weights = RULES[name](signal, bars)
    assert weights.index.equals(bars.times)
    assert weights.columns.equals(bars.symbols)
    assert np.isfinite(weights.to_numpy()).all()
    assert weights.abs().sum(axis=1).max() <= 1 + 1e-12
    if name != "limit":
        assert (weights.where(~bars.listed, 0.0) == 0.0).all(axis=None)
        assert (weights.iloc[:4] == 0.0).all(axis=None)
    if "hold" not in name and name in ("threshold", "threshold_hysteresis", "long_short"):
        silent = signal.unstack().reindex(bars.times).isna()
        assert (weights.where(silent, 0.0) == 0.0).all(axis=None)


def test_the_sweep_covers_every_public_rule() -> None:
    """A rule that is not in the sweep is not tested for look-ahead."""
    assert set(weights_module.__all__) <= set(RULES)
    assert list(weights_module.__all__) == sorted(weights_module.__all__)


def test_long_short_by_hand() -> None:
    """Of five names, 40% are two a side: each with a quarter of the gross of 1."""
    signal, bars = market(A=[1], B=[5], C=[3], D=[2], E=[4])
    assert long_short(signal, bars, quantile=0.4).iloc[0].tolist() == [-0.25, 0.25, 0.0, -0.25, 0.25]
    assert long_short(signal, bars, quantile=0.2, gross=0.6).iloc[0].tolist() == [-0.3, 0.3, 0.0, 0.0, 0.0]


def test_long_short_holds_at_least_one_name_a_side_and_never_the_same() -> None:
    """Three names at 1% are one a side; at 50% too, the middle one is left out; one name alone is no pair."""
    signal, bars = market(A=[1, 1, NAN], B=[2, NAN, NAN], C=[3, NAN, NAN])
    for quantile in (0.01, 0.5):
        assert long_short(signal, bars, quantile=quantile).to_numpy().tolist() == [[-0.5, 0.0, 0.5], [0.0] * 3, [0.0] * 3]


def test_long_short_counts_as_written() -> None:
    """29% of 100 names are 29, though 0.29 * 100 is 28.999999999999996."""
    names = {f"S{i:03d}": [float(i)] for i in range(100)}
    assert (long_short(*market(**names), quantile=0.29) > 0).to_numpy().sum() == 29


def test_ties_are_broken_by_symbol() -> None:
    """B, C and D tie in the middle: the earlier symbol counts as the higher, whatever the order of the signal's rows."""
    signal, bars = market(A=[9], B=[5], C=[5], D=[5], E=[1])
    expected = [0.25, 0.25, 0.0, -0.25, -0.25]
    assert long_short(signal, bars, quantile=0.4).iloc[0].tolist() == expected
    assert long_short(signal.iloc[::-1], bars, quantile=0.4).iloc[0].tolist() == expected
    assert top_k(signal, bars, k=2).iloc[0].tolist() == [0.5, 0.5, 0, 0, 0]


def test_a_constant_signal_holds_nothing() -> None:
    """It does not say which name to choose; negative zero is zero."""
    signal, bars = market(A=[2, 0.0], B=[2, -0.0], C=[2, 0.0])
    assert (long_short(signal, bars) == 0).all(axis=None)
    assert (top_k(signal, bars, k=2) == 0).all(axis=None)
    assert (top_k(signal, bars, k=3) == 1 / 3).all(axis=None)


def test_hold_averages_the_last_portfolios() -> None:
    """Jegadeesh and Titman: bought once, half of it is there for two bars, and then exactly nothing."""
    signal, bars = market(A=[1, NAN, 1, 2, 2], B=[2, NAN, 2, 1, 2])
    held = long_short(signal, bars, hold=2)
    assert held["B"].tolist() == [0.25, 0.25, 0.25, 0.0, -0.25]
    assert held["A"].tolist() == [-0.25, -0.25, -0.25, 0.0, 0.25]
    assert long_short(signal, bars, hold=100)["B"].iloc[-1] == pytest.approx(0.5 * (1 + 1 - 1) / 100)


def test_a_tranche_leaves_no_dust() -> None:
    """Once the last portfolio has run out the weight is zero to the last bit."""
    signal, bars = market(A=[1, 3, 1, *[NAN] * 4], B=[2, 2, 2, *[NAN] * 4], C=[3, 1, 3, *[NAN] * 4])
    held = long_short(signal, bars, gross=0.7, hold=3)
    assert (held.iloc[5:] == 0.0).all(axis=None)
    assert (held.iloc[4] != 0.0).any()


def test_a_name_without_a_price_gets_nothing_even_from_a_tranche() -> None:
    """B is gone at the second bar: neither its signal nor its tranche counts, and the others share what is chosen."""
    signal = table(A=[1, 1], B=[3, 3], C=[2, 2]).stack()
    bars = bars_of(table(A=[1, 1], B=[1, NAN], C=[1, 1]))
    assert long_short(signal, bars, hold=2).to_numpy().tolist() == [[-0.25, 0.25, 0.0], [-0.5, 0.0, 0.25]]


def test_top_k_by_hand() -> None:
    """The two best at half each, of whatever sign; with one signal only, half stays in cash."""
    signal, bars = market(A=[-1, 1, NAN], B=[-2, NAN, NAN], C=[-3, NAN, NAN])
    assert top_k(signal, bars, k=2).to_numpy().tolist() == [[0.5, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0] * 3]


def test_threshold_by_hand() -> None:
    """Strictly beyond the threshold; equal shares of the gross; max_name caps them and leaves the rest in cash."""
    signal, bars = market(A=[2, 1, NAN], B=[-2, -1, 3], C=[0, 0.5, 0])
    assert threshold(signal, bars, enter=1).to_numpy().tolist() == [[0.5, -0.5, 0.0], [0.0] * 3, [0.0, 1.0, 0.0]]
    assert threshold(signal, bars, enter=1, max_name=0.3).to_numpy().tolist() == [[0.3, -0.3, 0.0], [0.0] * 3, [0.0, 0.3, 0.0]]


def test_threshold_keeps_a_position_until_the_exit() -> None:
    """In above 2, out at 1 or below, or on silence; a jump across the other exit ends it, and it takes 2 to get back in."""
    a = [1.5, 2.5, 1.5, 1.0, 1.5, 2.5, NAN, 1.5, 2.5, -1.5, 1.5, -2.5, -1.5, -0.5]
    signal, bars = market(A=a, B=[0.0] * len(a))
    assert threshold(signal, bars, enter=2, exit=1)["A"].tolist() == [0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, -1, -1, 0]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), exit_at=st.sampled_from([0.0, 0.5, 1.0]))
def test_threshold_equals_the_obvious_loop(seed: int, exit_at: float) -> None:
    """A state per name, bar by bar."""
    signal, bars = random_market(seed)
    wide = signal.unstack().reindex(bars.times).where(bars.listed)
    state = dict.fromkeys(wide.columns, 0)
    weights = threshold(signal, bars, enter=1.0, exit=exit_at)
    for time, row in wide.iterrows():
        for symbol, value in row.items():
            keeps = state[symbol] * value > exit_at
            state[symbol] = 1 if value > 1 else -1 if value < -1 else state[symbol] if keeps else 0
        n = sum(map(abs, state.values()))
        assert weights.loc[time].tolist() == pytest.approx([side / max(n, 1) for side in state.values()])


def test_cluster_rule_by_hand() -> None:
    """Buy, sell, flat: an equal share for each that is not flat; a unanimous signal is still a decision."""
    signal, bars = market(A=[1, 1, 0], B=[-1, 1, 0], C=[0, NAN, NAN])
    assert cluster_rule(signal, bars).to_numpy().tolist() == [[0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [0.0] * 3]
    assert cluster_rule(signal, bars, hold=2)["B"].tolist() == [-0.25, 0.0, 0.25]
    with pytest.raises(DataError, match=r"must be -1, 0 or 1, it is .*0\.5.* at 2024-01-01 .* / A"):
        cluster_rule(signal.replace(1, 0.5), bars)


def test_scale_to_volatility_by_hand() -> None:
    """Returns of 10% and -10% have a deviation of sqrt(2) / 10 a bar: a weight of 1 falls to 0.1 / (sqrt(2) / 10)."""
    bars = bars_of(table(A=[1, 1.1, 0.99, 0.99 * 1.1]))
    weights = pd.DataFrame(1.0, index=bars.times, columns=["A"])
    scaled = scale_to_volatility(weights, bars, target=0.1, window=2, periods=1)
    assert scaled["A"].tolist() == pytest.approx([0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    assert scale_to_volatility(weights, bars, target=0.1, window=2, periods=4)["A"].iloc[-1] == pytest.approx(np.sqrt(0.5) / 2)
    assert scale_to_volatility(weights, bars, target=9, window=2, periods=1)["A"].tolist() == [0, 0, 1, 1]
    assert scale_to_volatility(weights * 0.5, bars, target=9, window=2, max_gross=1.5, periods=1)["A"].iloc[-1] == pytest.approx(1.5)


def test_scale_to_volatility_equals_the_sample_covariance() -> None:
    """sqrt(w' S w) with the covariance of the window, where every name has all its returns."""
    rng = np.random.default_rng(0)
    bars = bars_of(pd.DataFrame(np.exp(np.cumsum(rng.normal(0, 0.02, (12, 3)), axis=0)), index=times(12), columns=list("ABC")))
    weights = pd.DataFrame(rng.normal(0, 0.1, (12, 3)), index=bars.times, columns=bars.symbols)
    scaled = scale_to_volatility(weights, bars, target=0.01, window=5)
    returns = bars.close.pct_change()
    for t in range(5, 12):
        w = weights.iloc[t].to_numpy()
        volatility = np.sqrt(w @ returns.iloc[t - 4 : t + 1].cov().to_numpy() @ w * 252)
        assert scaled.iloc[t].to_numpy() == pytest.approx(w * 0.01 / volatility)
    assert (scaled.iloc[:5] == 0).all(axis=None)


def test_scale_to_volatility_gives_a_new_name_the_returns_of_the_others() -> None:
    """B has no return yet in the first bars of the window: it does not look calmer for that."""
    bars = bars_of(table(A=[1, 1.1, 0.99], B=[NAN, NAN, 1]))
    weights = table(A=[0, 0, 0], B=[0, 0, 1])
    assert scale_to_volatility(weights, bars, target=0.1, window=2, periods=1)["B"].iloc[-1] == pytest.approx(np.sqrt(0.5))


def test_scale_to_volatility_of_a_still_market_and_an_empty_portfolio() -> None:
    """Without any movement the bound on gross decides; without any position there is none."""
    bars = bars_of(table(A=[1, 1, 1], B=[1, 1, 1]))
    scaled = scale_to_volatility(table(A=[0.1, 0.1, 0.1], B=[0, 0, -0.1]), bars, window=2, max_gross=0.8)
    assert scaled.iloc[-1].tolist() == pytest.approx([0.4, -0.4])
    assert (scale_to_volatility(table(A=[0] * 3, B=[0] * 3), bars, window=2) == 0).all(axis=None)


def test_scale_to_volatility_refuses_other_rows() -> None:
    """Pairing by position would be silent."""
    bars = bars_of(table(A=[1, 1], B=[1, 1]))
    with pytest.raises(DataError, match="not aligned"):
        scale_to_volatility(table(B=[0, 0], A=[0, 0]), bars)
    with pytest.raises(DataError, match="not aligned"):
        scale_to_volatility(table(A=[0], B=[0]), bars)


def test_limit_by_hand() -> None:
    """Each bound alone, on weights of 0.6, 0.2 and -0.4."""
    weights = table(A=[0.6], B=[0.2], C=[-0.4])
    assert limit(weights, name=0.5).iloc[0].tolist() == [0.5, 0.2, -0.4]
    assert limit(weights, gross=0.6).iloc[0].tolist() == pytest.approx([0.3, 0.1, -0.2])
    assert limit(weights, net=0.0).iloc[0].tolist() == pytest.approx([0.3, 0.1, -0.4])
    assert limit(-weights, net=0.2).iloc[0].tolist() == pytest.approx([-0.45, -0.15, 0.4])
    assert limit(weights, net=0.4).iloc[0].tolist() == pytest.approx([0.6, 0.2, -0.4])
    assert limit(weights, turnover=0.6).iloc[0].tolist() == pytest.approx([0.3, 0.1, -0.2])
    pd.testing.assert_frame_equal(limit(weights), weights)


def test_limit_on_turnover_goes_on_from_where_it_got_to() -> None:
    """From nothing towards 1, then towards -1, by 0.4 a bar."""
    assert limit(table(A=[1, 1, 1, -1, 0.35]), turnover=0.4)["A"].tolist() == pytest.approx([0.4, 0.8, 1.0, 0.6, 0.35])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=1, max_size=6),
    bounds=st.fixed_dictionaries({key: st.none() | st.floats(0.01, 2) for key in ("name", "gross", "net", "turnover")}),
)
def test_all_limits_hold_together(rows: list[list[float]], bounds: dict[str, float | None]) -> None:
    """Whatever the weights and whichever bounds are given."""
    weights = pd.DataFrame(rows, index=times(len(rows)), columns=list("ABC"))
    limited = limit(weights, **bounds)
    least = {
        "name": limited.abs().max(axis=None),
        "gross": limited.abs().sum(axis=1).max(),
        "net": limited.sum(axis=1).abs().max(),
        "turnover": limited.diff().fillna(limited).abs().sum(axis=1).max(),
    }
    assert all(bound is None or least[key] <= bound + 1e-9 for key, bound in bounds.items())
    kept = all(bound is None or size <= bound for (key, size), bound in zip(least.items(), bounds.values(), strict=True))
    if kept:
        pd.testing.assert_frame_equal(limit(limited, **bounds), limited)


def test_weights_that_are_not_finite_are_refused() -> None:
    """NaN would mean "hold" further on: the message names the place."""
    for value in (NAN, np.inf):
        with pytest.raises(DataError, match=r"the weight of 2024-01-02 .* / B is (nan|inf): use 0"):
            limit(table(A=[0, 0], B=[0, value]))


@pytest.mark.parametrize("rule", [long_short, lambda s, b: top_k(s, b, k=1), lambda s, b: threshold(s, b, enter=1), cluster_rule])
def test_a_signal_that_does_not_fit_the_bars_is_refused(rule: Callable[[pd.Series, Bars], pd.DataFrame]) -> None:
    """Unknown rows, infinite values and duplicates would be lost or win silently."""
    signal, bars = market(A=[1, -1], B=[-1, 1])
    with pytest.raises(DataError, match=r"at 2024-01-02 .* / A is infinite or has no bar"):
        rule(signal, bars.between(end=bars.times[0]))
    with pytest.raises(DataError, match=r"at 2024-01-01 .* / B is infinite or has no bar"):
        rule(signal, bars_of(bars.close[["A"]]))
    with pytest.raises(DataError, match="one row per"):
        rule(pd.concat([signal, signal]), bars)
    with pytest.raises(DataError, match=r"inf"):
        rule(signal.replace(1, np.inf), bars)
    with pytest.raises(DataError, match="one row per"):
        rule(signal.xs("A", level=1), bars)


def test_an_empty_signal_is_an_empty_portfolio() -> None:
    """All rows missing is all cash."""
    signal, bars = market(A=[1, 2], B=[2, 1])
    for rule in RULES.values():
        assert (rule(signal.iloc[:0], bars) == 0).all(axis=None)


@pytest.mark.parametrize(
    "call",
    [
        lambda s, b: long_short(s, b, quantile=0.0),
        lambda s, b: long_short(s, b, quantile=0.51),
        lambda s, b: long_short(s, b, quantile=NAN),
        lambda s, b: long_short(s, b, gross=0),
        lambda s, b: long_short(s, b, gross=np.inf),
        lambda s, b: long_short(s, b, hold=0),
        lambda s, b: long_short(s, b, hold=1.5),
        lambda s, b: top_k(s, b, k=0),
        lambda s, b: top_k(s, b, k=True),
        lambda s, b: top_k(s, b, k=1, gross=-1),
        lambda s, b: top_k(s, b, k=1, hold=0),
        lambda s, b: threshold(s, b, enter=-1),
        lambda s, b: threshold(s, b, enter=1, exit=2),
        lambda s, b: threshold(s, b, enter=1, exit=-0.1),
        lambda s, b: threshold(s, b, enter=1, gross="1"),
        lambda s, b: threshold(s, b, enter=1, max_name=0),
        lambda s, b: cluster_rule(s, b, gross=0),
        lambda s, b: cluster_rule(s, b, hold=0),
        lambda s, b: scale_to_volatility(b.close, b, target=0),
        lambda s, b: scale_to_volatility(b.close, b, window=1),
        lambda s, b: scale_to_volatility(b.close, b, max_gross=0),
        lambda s, b: scale_to_volatility(b.close, b, periods=0),
        lambda s, b: limit(b.close, name=0),
        lambda s, b: limit(b.close, gross=-1),
        lambda s, b: limit(b.close, net=-0.1),
        lambda s, b: limit(b.close, turnover=0),
    ],
)
def test_impossible_parameters_are_refused(call: Callable[[pd.Series, Bars], object]) -> None:
    """The message holds the value and the range."""
    with pytest.raises(UsageError, match=r"must be (in [\[(]|a whole number >= )"):
        call(*market(A=[1, -1], B=[-1, 1]))


def test_the_range_is_written_as_it_is() -> None:
    """Round brackets leave the end out, square ones include it."""
    with pytest.raises(UsageError, match=r"long_short: quantile must be in \(0, 0\.5\], not 0\.6"):
        long_short(*market(A=[1], B=[2]), quantile=0.6)
    with pytest.raises(UsageError, match=r"limit: net must be in \[0, inf\), not -1"):
        limit(table(A=[1]), net=-1)


def test_inputs_are_left_as_they_were() -> None:
    """No rule writes into the signal or the bars."""
    (signal, bars), (fresh_signal, fresh_bars) = random_market(0), random_market(0)
    for rule in RULES.values():
        rule(signal, bars)
    pd.testing.assert_series_equal(signal, fresh_signal)
    pd.testing.assert_frame_equal(bars.close, fresh_bars.close)
