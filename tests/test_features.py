"""Features: the numbers, the holes, and that none of them looks ahead."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import features as F  # noqa: N812 - many features, one short prefix
from quantlab.bars import Bars
from quantlab.errors import DataError, UsageError
from quantlab.news import News, known_news

WORDS = np.array(["profit", "loss", "merger", "up", "down", "chip", "oil", "record", "cut", "deal"])
N_TIMES = 30


def times(n: int) -> pd.DatetimeIndex:
    """`n` closes at 21:00 UTC."""
    return pd.date_range("2024-01-01 21:00", periods=n, tz="UTC").as_unit("us")


def table(**columns: list[float]) -> pd.DataFrame:
    """One column per symbol."""
    return pd.DataFrame(columns, index=times(len(next(iter(columns.values())))), dtype=float)


def flat_bars(close: pd.DataFrame, **others: pd.DataFrame) -> Bars:
    """Bars that print one price, unless told otherwise."""
    fields = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": close.notna() * 100.0}
    return Bars(**(fields | others))


def random_bars(seed: int, n: int = N_TIMES) -> Bars:
    """Four names: one listed late, one halted, one without volume for a bar, one delisted."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n, 4)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, (n, 4)))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    volume = rng.integers(0, 10**7, (n, 4)).astype(float)
    volume[n // 2, 2] = 0
    for frame in (opened, high, low, close, volume):
        frame[:4, 0] = np.nan
        frame[9:12, 1] = np.nan
        frame[n - 6 :, 3] = np.nan
    return Bars(*(pd.DataFrame(frame, index=times(n), columns=list("ABCD")) for frame in (opened, high, low, close, volume)))


def random_news(seed: int, bars: Bars, n: int = 60) -> News:
    """Documents of a few words at random instants, some of the whole market."""
    rng = np.random.default_rng(seed + 1)
    seconds = rng.integers(0, 86_400 * len(bars.times), n)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 5))) for _ in range(n)]
    symbols = rng.choice([*bars.symbols, "*"], n)
    available_at = bars.times[0] - pd.Timedelta(days=1) + pd.to_timedelta(seconds, unit="s")
    return News(pd.DataFrame({"available_at": available_at, "symbol": symbols, "text": texts}))


def everything(bars: Bars, news: News) -> pd.DataFrame:
    """Every feature, in one panel."""
    return F.panel(**{name: feature(bars, news) for name, feature in SWEEP.items()})


SWEEP: dict[str, Callable[[Bars, News], pd.DataFrame | pd.Series]] = {
    "returns": lambda bars, _: F.returns(bars.close, 2),
    "momentum": lambda bars, _: F.momentum(bars.close, 5, skip=2),
    "volatility": lambda bars, _: F.volatility(bars.close, 4),
    "range_volatility": lambda bars, _: F.range_volatility(bars, 4),
    "range_volatility_garman_klass": lambda bars, _: F.range_volatility(bars, 4, "garman_klass"),
    "range_volatility_rogers_satchell": lambda bars, _: F.range_volatility(bars, 4, "rogers_satchell"),
    "rsi": lambda bars, _: F.rsi(bars.close, 4),
    "moving_average_distance": lambda bars, _: F.moving_average_distance(bars.close, 4),
    "volume_zscore": lambda bars, _: F.volume_zscore(bars.volume, 4),
    "overnight_gap": lambda bars, _: F.overnight_gap(bars),
    "market_beta": lambda bars, _: F.market_beta(bars.close, 4),
    "market_beta_given": lambda bars, _: F.market_beta(bars.close, 4, bars.close["C"]),
    "rank": lambda bars, _: F.rank(bars.close),
    "zscore": lambda bars, _: F.zscore(bars.close),
    "news_count": lambda bars, news: F.news_count(known_news(news, bars, lookback=2)),
    "news_novelty": lambda bars, news: F.news_novelty(known_news(news, bars), 3),
}


def poisoned(bars: Bars, news: News, cut: int) -> tuple[Bars, News]:
    """The same market up to bar `cut`, another one after it."""
    other = random_bars(999, len(bars.times))
    mixed = Bars(
        **{
            name: pd.concat([getattr(bars, name).iloc[: cut + 1], 7 * getattr(other, name).iloc[cut + 1 :]])
            for name in ("open", "high", "low", "close", "volume")
        }
    )
    late = news.table["available_at"] > bars.times[cut]
    return mixed, News(news.table.assign(text=news.table["text"].mask(late, "poison oil record")))


@pytest.fixture(scope="module")
def cuts() -> list[tuple[pd.Timestamp, tuple[Bars, News], tuple[Bars, News]]]:
    """For each bar: its time, the market cut off after it, and the market poisoned after it."""
    bars = random_bars(0)
    news = random_news(0, bars)
    return [(end, (bars.between(end=end), news.until(end)), poisoned(bars, news, cut)) for cut, end in enumerate(bars.times)]


@pytest.mark.parametrize("name", sorted(SWEEP))
def test_no_feature_looks_ahead(name: str, cuts: list[tuple[pd.Timestamp, tuple[Bars, News], tuple[Bars, News]]]) -> None:
    """Cutting or poisoning what comes after a bar leaves the feature up to that bar as it was, at every bar."""
    whole = F.panel(x=SWEEP[name](*cuts[-1][1]))
    assert whole["x"].notna().sum() > 20
    for end, cut_off, poison in cuts:
        before = whole.loc[:end]
        for market in (cut_off, poison):
            pd.testing.assert_frame_equal(F.panel(x=SWEEP[name](*market)).loc[:end], before, rtol=1e-9, atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, N_TIMES - 1))
def test_no_feature_looks_ahead_in_any_market(seed: int, cut: int) -> None:
    """The same for drawn markets, all features at once."""
    bars = random_bars(seed)
    news = random_news(seed, bars)
    end = bars.times[cut]
    before = everything(bars, news).loc[:end]
    pd.testing.assert_frame_equal(everything(bars.between(end=end), news.until(end)), before, rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(everything(*poisoned(bars, news, cut)).loc[:end], before, rtol=1e-9, atol=1e-12)


def test_the_sweep_covers_every_public_feature() -> None:
    """A feature that is not in the sweep is not tested for look-ahead."""
    swept = {name for name in F.__all__ if any(key.startswith(name) for key in SWEEP)}
    assert set(F.__all__) - swept == {"panel"}
    assert list(F.__all__) == sorted(F.__all__)


def test_features_are_not_defined_for_a_name_without_a_price() -> None:
    """Every price feature is NaN where the name has no bar, and float64."""
    bars = random_bars(3)
    for name, feature in SWEEP.items():
        wide = feature(bars, News.none())
        if isinstance(wide, pd.DataFrame):
            assert wide.where(~bars.listed).isna().all(axis=None), name
            assert (wide.dtypes == np.float64).all(), name
            assert not np.isinf(wide.to_numpy()).any(), name


def test_returns_are_simple_and_cross_a_halt() -> None:
    """100 -> 110 is 0.1; a halted bar has none, and the return on resumption is measured from the last close."""
    close = table(A=[100, 110, 121], B=[100, np.nan, 80])
    expected = table(A=[np.nan, 0.1, 0.1], B=[np.nan, np.nan, -0.2])
    pd.testing.assert_frame_equal(F.returns(close), expected)
    pd.testing.assert_frame_equal(F.returns(close, 2), table(A=[np.nan, np.nan, 0.21], B=[np.nan, np.nan, -0.2]))


def test_momentum_skips_the_last_bars() -> None:
    """From 100, four bars ago, to 160, one bar ago."""
    close = table(A=[100, 120, 140, 160, 80])
    assert F.momentum(close, 4).iloc[-1, 0] == pytest.approx(-0.2)
    assert F.momentum(close, 4, skip=1).iloc[-1, 0] == pytest.approx(0.6)
    assert F.momentum(close, 4).iloc[:-1].isna().all(axis=None)


def test_volatility_is_the_deviation_of_log_returns_per_bar() -> None:
    """Log returns of ln 2 and -ln 2 have a standard deviation (ddof 1) of sqrt(2) ln 2."""
    wide = F.volatility(table(A=[1, 2, 1, 2]), 2)
    assert wide["A"].tolist() == pytest.approx([np.nan, np.nan, np.sqrt(2) * np.log(2), np.sqrt(2) * np.log(2)], nan_ok=True)


def test_a_halt_does_not_blank_the_window_after_it() -> None:
    """The halted bar counts as flat: the volatility on resumption is that of the closes with the last one repeated."""
    halted, repeated = table(A=[1, 2, 1, np.nan, 3, 2]), table(A=[1, 2, 1, 1, 3, 2])
    expected = F.volatility(repeated, 3)
    expected.iloc[3] = np.nan
    pd.testing.assert_frame_equal(F.volatility(halted, 3), expected)
    assert expected.iloc[4:].notna().all(axis=None)


WINDOWED = [name for name in SWEEP if not name.startswith(("rank", "zscore", "news", "market_beta"))]


@pytest.mark.parametrize("name", WINDOWED)
def test_a_halted_bar_counts_as_a_flat_bar_without_volume(name: str) -> None:
    """Writing the last close and no volume into the halted bars changes nothing elsewhere."""
    bars = random_bars(4)
    halted = bars.close.isna() & bars.close.ffill().notna() & bars.close.bfill().notna()
    assert halted.to_numpy().sum() == 3
    fields = {field: getattr(bars, field).mask(halted, bars.close.ffill()) for field in ("open", "high", "low", "close")}
    filled = Bars(**fields, volume=bars.volume.mask(halted, 0.0))
    expected = SWEEP[name](filled, News.none()).where(~halted)
    pd.testing.assert_frame_equal(SWEEP[name](bars, News.none()), expected)


@pytest.mark.parametrize(
    ("name", "n_missing"),
    [
        ("returns", 2),
        ("momentum", 5),
        ("volatility", 4),
        ("range_volatility", 3),
        ("rsi", 4),
        ("moving_average_distance", 3),
        ("volume_zscore", 3),
        ("overnight_gap", 1),
        ("market_beta", 4),
    ],
)
def test_a_window_is_full_or_the_answer_is_missing(name: str, n_missing: int) -> None:
    """A name listed at the fifth bar has its first value once the window holds bars of its own alone."""
    listed_late = SWEEP[name](random_bars(0), News.none())["A"]
    assert listed_late.isna().tolist() == [True] * (4 + n_missing) + [False] * (N_TIMES - 4 - n_missing)


def test_range_volatilities_by_hand() -> None:
    """One bar with open 2, high 4, low 1, close 2: ln(H/L) = 2 ln 2 and ln(C/O) = 0."""
    two, ln2 = table(A=[2.0]), np.log(2)
    bars = flat_bars(two, high=table(A=[4.0]), low=table(A=[1.0]))
    assert F.range_volatility(bars, 1).iloc[0, 0] == pytest.approx(np.sqrt(4 * ln2**2 / (4 * ln2)))
    assert F.range_volatility(bars, 1, "garman_klass").iloc[0, 0] == pytest.approx(np.sqrt(2 * ln2**2))
    assert F.range_volatility(bars, 1, "rogers_satchell").iloc[0, 0] == pytest.approx(np.sqrt(ln2**2 + ln2**2))


def test_range_volatility_of_a_trend_bar() -> None:
    """A bar that opens at its low 1 and closes at its high 2 has no Rogers-Satchell volatility, and the others by formula."""
    one, two, ln2 = table(A=[1.0]), table(A=[2.0]), np.log(2)
    bars = Bars(open=one, high=two, low=one, close=two, volume=two)
    assert F.range_volatility(bars, 1, "rogers_satchell").iloc[0, 0] == 0.0
    assert F.range_volatility(bars, 1, "garman_klass").iloc[0, 0] == pytest.approx(np.sqrt((0.5 - 2 * ln2 + 1) * ln2**2))


def test_rsi_by_hand() -> None:
    """Changes +1, -0.5: gain 0.5, loss 0.25, index 66.67. Then +1: gain (0.5 + 1) / 2, loss 0.25 / 2, index 85.71."""
    wide = F.rsi(table(A=[10, 11, 10.5, 11.5], B=[5, 5, 5, 5]), 2)
    assert wide["A"].tolist() == pytest.approx([np.nan, np.nan, 200 / 3, 600 / 7], nan_ok=True)
    assert wide["B"].tolist() == pytest.approx([np.nan, np.nan, 50, 50], nan_ok=True)


def test_rsi_equals_the_loop_that_wilder_describes() -> None:
    """Seeded with a plain mean, then smoothed, from the first bar of each listing on."""
    close = random_bars(1).close
    for symbol in close:
        price = close[symbol].dropna() if symbol != "B" else close[symbol].ffill()
        change = price.diff().dropna().to_numpy()
        gain, loss = np.maximum(change, 0)[:5].mean(), np.maximum(-change, 0)[:5].mean()
        expected = [100 * gain / (gain + loss)]
        for step in change[5:]:
            gain, loss = (gain * 4 + max(step, 0)) / 5, (loss * 4 + max(-step, 0)) / 5
            expected.append(100 * gain / (gain + loss))
        wanted = pd.Series(expected, index=price.index[5:]).where(close[symbol].notna()).dropna()
        assert F.rsi(close, 5)[symbol].dropna().to_numpy() == pytest.approx(wanted.to_numpy())


def test_moving_average_distance_by_hand() -> None:
    """12 against the mean 10 of 8, 10, 12."""
    assert F.moving_average_distance(table(A=[8, 10, 12]), 3)["A"].tolist() == pytest.approx([np.nan, np.nan, 0.2], nan_ok=True)


def test_volume_zscore_by_hand() -> None:
    """log(1 + volume) of 0, 1, 2 has mean 1 and deviation 1; a volume that never changes is 0, never 0 / 0."""
    wide = F.volume_zscore(table(A=[0, np.e - 1, np.e**2 - 1], B=[7, 7, 7]), 3)
    assert wide.iloc[-1].tolist() == pytest.approx([1.0, 0.0])


def test_a_huge_volume_leaves_no_dust_in_later_windows() -> None:
    """Once a spike has left the window, a steady volume is exactly steady."""
    assert F.volume_zscore(table(A=[1e15, 1.0, 3e12, 5, 5, 5, 5, 5]), 3)["A"].iloc[-3:].tolist() == [0.0, 0.0, 0.0]


def test_overnight_gap_by_hand() -> None:
    """Open 11 after a close of 10; after a halt, the last close counts."""
    close = table(A=[10, np.nan, 10])
    bars = flat_bars(close, open=table(A=[10, np.nan, 11]), high=table(A=[10, np.nan, 11]))
    assert F.overnight_gap(bars)["A"].tolist() == pytest.approx([np.nan, np.nan, 0.1], nan_ok=True)


def test_market_beta_of_a_name_that_doubles_the_market() -> None:
    """Twice the market's returns is a beta of 2, of the market itself 1, and of a market that stands still NaN."""
    move = np.array([0.01, -0.02, 0.03, 0.01, -0.01])
    market, double = np.cumprod(1 + move), np.cumprod(1 + 2 * move)
    close = table(A=[1, *double], B=[1, *market])
    assert F.market_beta(close, 4, close["B"]).iloc[-1].tolist() == pytest.approx([2.0, 1.0])
    assert F.market_beta(close, 4).iloc[-1].tolist() == pytest.approx([2 / 1.5, 1 / 1.5])
    frozen = close["B"].where(close.index < close.index[2]).ffill()
    assert F.market_beta(close, 3, frozen).isna().to_numpy().tolist() == [[True] * 2] * 3 + [[False] * 2] + [[True] * 2] * 2


def test_market_beta_of_a_market_without_variance_is_missing() -> None:
    """A market that grows eightfold in every bar explains nothing; the rounding left in the covariance is not divided by zero."""
    close = random_bars(0).close
    steady = pd.Series(8.0 ** np.arange(N_TIMES), index=close.index)
    assert F.market_beta(close, 3, steady).isna().all(axis=None)


def test_market_beta_equals_a_regression_in_each_window() -> None:
    """Against numpy's least squares on the returns with halts as flat bars; the delisted are not part of the market."""
    close = random_bars(2).close
    name = close.ffill().pct_change()
    market = F.returns(close).mean(axis=1)
    beta = F.market_beta(close, 6)
    for symbol in close:
        for t in range(len(close)):
            window = name[symbol].iloc[max(t - 5, 0) : t + 1]
            if len(window) < 6 or window.isna().any() or np.isnan(close[symbol].iloc[t]):
                assert np.isnan(beta[symbol].iloc[t])
            else:
                assert beta[symbol].iloc[t] == pytest.approx(np.polyfit(market.iloc[t - 5 : t + 1], window, 1)[0])


def test_market_beta_refuses_a_market_of_other_times() -> None:
    """Pairing by position would be silent."""
    close = table(A=[1, 2, 3])
    with pytest.raises(DataError, match="other times"):
        F.market_beta(close, 2, close["A"].iloc[:-1])


def test_rank_is_centred_and_shares_ties() -> None:
    """Ranks run from -0.5 to 0.5; equal names get the middle; a lone name gets 0; a missing one stays missing."""
    wide = table(A=[1, 5, 5, 3], B=[2, 5, 5, np.nan], C=[3, 5, 9, np.nan])
    expected = table(A=[-0.5, 0, -0.25, 0], B=[0, 0, -0.25, np.nan], C=[0.5, 0, 0.5, np.nan])
    pd.testing.assert_frame_equal(F.rank(wide), expected)


def test_zscore_by_hand_and_without_spread() -> None:
    """1, 2, 3 has deviation sqrt(2/3); three times 0.1 is 0, not a rounding error divided by another."""
    wide = F.zscore(table(A=[1, 0.1, 4], B=[2, 0.1, np.nan], C=[3, 0.1, np.nan]))
    assert wide.iloc[0].tolist() == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert wide.iloc[1].tolist() == [0.0, 0.0, 0.0]
    assert wide.iloc[2].tolist() == pytest.approx([0.0, np.nan, np.nan], nan_ok=True)


def three_days_of_news() -> pd.Series:
    """A: "Profit up", then "profit UP again, again", then nothing, then "profit". B: nothing, then "profit"."""
    bars = flat_bars(table(A=[1] * 4, B=[1] * 4))
    close = bars.times - pd.Timedelta(hours=1)
    rows = [
        (close[0], "A", "Profit up"),
        (close[1], "A", "profit UP again, again"),
        (close[1], "B", "profit"),
        (close[3], "A", "profit"),
        (close[3], "A", "?!"),
    ]
    return known_news(News(pd.DataFrame(rows, columns=["available_at", "symbol", "text"])), bars)


def test_news_count_by_hand() -> None:
    """One number per row, 0 where there is no news."""
    count = F.news_count(three_days_of_news())
    assert count.tolist() == [1, 0, 1, 1, 0, 0, 2, 0]
    assert count.dtype == np.float64


def test_news_novelty_by_hand() -> None:
    """Of profit, up and again, only again is new; another name's words do not count; a word is new again after the window."""
    nan = np.nan
    assert F.news_novelty(three_days_of_news(), 1).tolist() == pytest.approx([nan, nan, 1 / 3, 1, nan, nan, 1, nan], nan_ok=True)
    assert F.news_novelty(three_days_of_news(), 2).tolist() == pytest.approx([nan, nan, nan, nan, nan, nan, 0, nan], nan_ok=True)


def test_the_only_word_of_one_name_is_new_for_the_next() -> None:
    """Two names with one and the same word do not tell each other's readers anything."""
    bars = flat_bars(table(A=[1] * 2, B=[1] * 2))
    rows = [(bars.times[0] + pd.Timedelta(hours=1), symbol, "profit") for symbol in "AB"]
    news = known_news(News(pd.DataFrame(rows, columns=["available_at", "symbol", "text"])), bars)
    assert F.news_novelty(news, 1).tolist() == pytest.approx([np.nan, np.nan, 1, 1], nan_ok=True)


def test_news_novelty_equals_the_obvious_loop() -> None:
    """Sets of words, row by row."""
    bars = random_bars(5)
    news = known_news(random_news(5, bars, 200), bars)
    words = [set(re.findall(r"\w+", " ".join(item["text"] for item in row).casefold())) for row in news.array.__arrow_array__().to_pylist()]
    n = len(bars.symbols)
    expected = []
    for row, own in enumerate(words):
        seen = set().union(*(words[row - back * n] for back in range(1, 4) if row >= back * n))
        expected.append(len(own - seen) / len(own) if own and row >= 3 * n else np.nan)
    assert F.news_novelty(news, 3).to_numpy() == pytest.approx(expected, nan_ok=True)


def test_news_novelty_of_rows_that_are_in_part_missing() -> None:
    """Rows that were dropped are without news; the others find their own numbers."""
    news = three_days_of_news()
    assert F.news_novelty(news.drop(news.index[0]), 1).tolist() == pytest.approx([np.nan, 1, 1, np.nan, np.nan, 1, np.nan], nan_ok=True)


def test_news_features_of_no_news_at_all() -> None:
    """No document, no novelty."""
    news = known_news(News.none(), flat_bars(table(A=[1, 2])))
    assert F.news_count(news).tolist() == [0, 0]
    assert F.news_novelty(news, 1).isna().all()


def test_panel_stacks_by_time_then_symbol_in_the_order_given() -> None:
    """Three bars and two symbols make six rows; integers become float64."""
    wide = table(A=[1, 2, 3], B=[4, 5, 6])
    rows = F.panel(z=wide, a=(wide * 10).astype(int))
    assert list(rows) == ["z", "a"]
    assert rows.index.names == ["time", "symbol"]
    assert rows.index.is_monotonic_increasing
    assert rows["z"].tolist() == [1, 4, 2, 5, 3, 6]
    assert rows["a"].tolist() == [10, 40, 20, 50, 30, 60]
    assert rows["a"].dtype == np.float64


def test_panel_takes_the_news_column_without_a_copy() -> None:
    """The Arrow column keeps its type and its very buffers."""
    bars = random_bars(0)
    news = known_news(random_news(0, bars), bars)
    rows = F.panel(news=news, momentum=F.momentum(bars.close, 2))
    assert rows["news"].dtype == news.dtype

    def address(column: pd.Series) -> int:
        arrow = column.array.__arrow_array__()
        if isinstance(arrow, pa.ChunkedArray):  # (combining chunks would copy them: any address would do)
            assert arrow.num_chunks == 1
            arrow = arrow.chunk(0)
        return arrow.buffers()[1].address  # where each row's list begins

    assert address(rows["news"]) == address(news)
    assert F.panel(news=news).index.equals(rows.index)


def test_panel_shares_no_memory_that_could_be_changed() -> None:
    """Writing into a panel leaves the feature it was made of as it was."""
    wide = table(A=[1, 2, 3])
    numbers = pd.Series([1.0, 2.0, 3.0], index=F.panel(x=wide).index)
    rows = F.panel(x=wide, y=numbers)
    rows.iloc[0, 0] = rows.iloc[0, 1] = 99.0
    assert wide.iloc[0, 0] == 1.0
    assert numbers.iloc[0] == 1.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table(A=[1, 2], B=[1, 2]), r"'b' is not aligned with 'a', at 2024-01-03 .* \(1 in all\)"),
        (table(A=[1, 2, 3]), r"'b' is not aligned with 'a', at B"),
        (table(B=[1, 2, 3], A=[1, 2, 3]), r"'b' is not aligned with 'a', at the order of its entries"),
        (table(A=[1, 2, 3], B=[1, 2, 3]).tz_localize(None), "'b' is not aligned with 'a'"),
        (table(A=[1, 2, 3], B=[1, 2, 3]).stack().iloc[1:], "'b' is not aligned with 'a'"),
        (table(A=[1, 2, 3], B=[1, 2, 3]).astype(object).replace(1, "x"), "'b' holds something that is not a number"),
    ],
)
def test_panel_names_the_column_that_does_not_fit(other: pd.DataFrame | pd.Series, message: str) -> None:
    """Pairing by position would be silent, so a difference is an error that names the column and the place."""
    with pytest.raises(DataError, match=message):
        F.panel(a=table(A=[1, 2, 3], B=[1, 2, 3]), b=other)


@pytest.mark.parametrize(
    "first",
    [
        table(B=[1, 2, 3], A=[1, 2, 3]),
        table(A=[1, 2, 3]).iloc[::-1],
        table(A=[1, 2, 3])["A"],
        table(A=[1, 2, 3], B=[1, 2, 3]).stack().iloc[::-1],
    ],
)
def test_panel_refuses_rows_out_of_order(first: pd.DataFrame | pd.Series) -> None:
    """Times and symbols are unique and sorted, or nothing downstream can rely on it."""
    with pytest.raises(DataError, match="'x' must be unique and sorted"):
        F.panel(x=first)


def test_panel_needs_a_column() -> None:
    """An empty panel is a mistake."""
    with pytest.raises(UsageError, match="at least one column"):
        F.panel()


@pytest.mark.parametrize(
    "call",
    [
        lambda bars: F.returns(bars.close, 0),
        lambda bars: F.momentum(bars.close, 0),
        lambda bars: F.momentum(bars.close, 5, skip=5),
        lambda bars: F.momentum(bars.close, 5, skip=-1),
        lambda bars: F.volatility(bars.close, 1),
        lambda bars: F.volatility(bars.close, 2.5),
        lambda bars: F.range_volatility(bars, 0),
        lambda bars: F.range_volatility(bars, 5, "parkinsen"),
        lambda bars: F.rsi(bars.close, True),
        lambda bars: F.moving_average_distance(bars.close, 0),
        lambda bars: F.volume_zscore(bars.volume, 1),
        lambda bars: F.market_beta(bars.close, 1),
        lambda bars: F.news_novelty(known_news(News.none(), bars), 0),
    ],
)
def test_impossible_parameters_are_refused(call: Callable[[Bars], object]) -> None:
    """The message holds the value and the range."""
    with pytest.raises(UsageError, match="must be"):
        call(random_bars(0))


def test_a_misspelt_kind_gets_the_nearest_one() -> None:
    """The near miss is offered."""
    with pytest.raises(UsageError, match="did you mean 'parkinson'"):
        F.range_volatility(random_bars(0), 5, "parkinsen")


def test_inputs_are_left_as_they_were() -> None:
    """No feature writes into the bars."""
    bars, fresh = random_bars(0), random_bars(0)
    everything(bars, random_news(0, bars))
    for name in ("open", "high", "low", "close", "volume"):
        pd.testing.assert_frame_equal(getattr(bars, name), getattr(fresh, name))
