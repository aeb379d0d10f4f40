"""Synthetic markets: the same bytes for the same seed, an effect where it was planted and nowhere else."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantlab.bars import PRICES, Bars
from quantlab.data import read_dataset
from quantlab.dataset import Dataset
from quantlab.errors import DataError, StorageError, UsageError
from quantlab.news import MARKET, News
from quantlab.sessions import sessions
from quantlab.synthetic import DECAY, EFFECT, Market, make_market, write_dataset
from quantlab.synthetic.prices import garch
from quantlab.synthetic.wording import CHATTER, PHRASES, companies, sentences, tones

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SAMPLE_SEED = 3


@pytest.fixture(scope="module")
def market() -> Market:
    """A market of the default size, the one in data/sample."""
    return make_market(seed=SAMPLE_SEED)


@pytest.fixture(scope="module")
def silent() -> Market:
    """The same market without an effect."""
    return make_market(effect=0.0, seed=SAMPLE_SEED)


@pytest.fixture(scope="module")
def small() -> Market:
    """A small market in which every kind of listing occurs."""
    return make_market(120, 12, seed=1)


def information_coefficient(market: Market, horizon: int = 5) -> float:
    """The mean rank correlation of the planted signal with the open-to-open return after it, over the sessions."""
    opened = market.dataset.bars.open
    after = opened.shift(-1 - horizon) / opened.shift(-1) - 1
    signal = market.planted_signal().unstack("symbol").where(after.notna())
    ranks = [np.ma.masked_invalid(table.rank(axis=1).iloc[: -1 - horizon].to_numpy()) for table in (signal, after)]
    one, two = (table - table.mean(axis=1, keepdims=True) for table in ranks)
    return float(((one * two).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))).mean())


def fingerprint(folder: Path) -> dict[str, str]:
    """The sha256 of each file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def first_known(market: Market, symbol: str) -> int:
    """The bar at which the first headline with a tone of this symbol is known, by the obvious loop."""
    table = market.dataset.news.table
    first = table.loc[(table["symbol"] == symbol) & (market.tone != 0), "available_at"].iloc[0]
    return next(t for t, close in enumerate(market.dataset.bars.times) if close > first)


class TestDeterminism:
    """The same seed gives the same bytes; the sample in the repository is what the code makes."""

    def test_two_makes_are_equal_to_the_byte(self, small, tmp_path):
        """Two makes of the same market are written as the same bytes, and gzip headers hold no time."""
        again = make_market(120, 12, seed=1)
        for compress in (False, True):
            one, two = (
                write_dataset(made, tmp_path / f"{name}{compress}", compress=compress) for name, made in (("a", small), ("b", again))
            )
            assert fingerprint(one) == fingerprint(two)
        assert (one / "bars.csv.gz").read_bytes()[4:8] == bytes(4)

    def test_another_seed_is_another_market(self):
        """Prices and headlines both follow the seed."""
        one, two = make_market(30, 3, seed=1), make_market(30, 3, seed=2)
        assert not one.dataset.bars.close.equals(two.dataset.bars.close)
        assert not one.dataset.news.table.equals(two.dataset.news.table)

    def test_the_committed_sample_is_a_fresh_make(self, market, tmp_path):
        """data/sample holds what its README's command writes today, and that README."""
        write_dataset(market, tmp_path)
        committed = fingerprint(SAMPLE)
        assert committed.pop("README.md")
        assert committed == fingerprint(tmp_path)

    def test_the_sample_is_small(self):
        """The sample stays below 3 MB."""
        assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 3_000_000

    def test_more_companies_change_no_company(self):
        """A company's prices and its own headlines do not depend on how many others there are."""
        few, many = make_market(80, 5, seed=4), make_market(80, 12, seed=4)
        for name in (*PRICES, "volume"):
            pd.testing.assert_frame_equal(getattr(many.dataset.bars, name)[few.dataset.bars.symbols], getattr(few.dataset.bars, name))

        def own(market: Market) -> pd.DataFrame:
            table = market.dataset.news.table[market.kind.isin(["company", "chatter", "copy"])]
            return table[table["symbol"].isin(few.dataset.bars.symbols)].reset_index(drop=True)

        pd.testing.assert_frame_equal(own(many), own(few))


class TestPlantedEffect:
    """Headlines move the prices after them, by the stated amount, and none before."""

    def test_the_effect_changes_neither_headlines_nor_volume(self, market, silent):
        """Only prices differ between a market with an effect and one without."""
        pd.testing.assert_frame_equal(market.dataset.news.table, silent.dataset.news.table)
        pd.testing.assert_series_equal(market.tone, silent.tone)
        pd.testing.assert_frame_equal(market.dataset.bars.volume, silent.dataset.bars.volume)

    def test_nothing_moves_before_the_open_after_the_news(self, market, silent):
        """Up to open[t+1] of a symbol's first headline, prices are those without effect; from its close on they are not."""
        with_effect, without = market.dataset.bars, silent.dataset.bars
        moved_at_once = 0
        for symbol in with_effect.symbols:
            t = first_known(market, symbol)
            for name in PRICES:
                one, two = getattr(with_effect, name)[symbol], getattr(without, name)[symbol]
                pd.testing.assert_series_equal(one.iloc[: t + 1], two.iloc[: t + 1])
            assert with_effect.open[symbol].iloc[t + 1] == without.open[symbol].iloc[t + 1]
            moved_at_once += with_effect.close[symbol].iloc[t + 1] != without.close[symbol].iloc[t + 1]
        tones = market.planted_signal().unstack("symbol")
        told = sum(tones[symbol].iloc[first_known(market, symbol)] != 0 for symbol in with_effect.symbols)  # two may cancel
        assert moved_at_once == told >= 20

    def test_one_headline_moves_the_next_bars_by_the_stated_amount(self, market, silent):
        """All that an effect adds to open-to-open log returns is effect * tone * decay**k, summed by the obvious loop."""
        bars, symbol = market.dataset.bars, "ALDE"
        table = market.dataset.news.table
        expected = np.zeros(len(bars.times) - 1)  # of the return from open[u] to open[u+1]
        for at, tone in zip(table["available_at"][table["symbol"] == symbol], market.tone[table["symbol"] == symbol], strict=True):
            t = int((bars.times <= at).sum())  # the first bar whose close lies strictly after
            for k, u in enumerate(range(t + 1, len(expected))):
                expected[u] += EFFECT * tone * DECAY**k
        added = np.diff(np.log(bars.open[symbol])) - np.diff(np.log(silent.dataset.bars.open[symbol]))
        np.testing.assert_allclose(added, expected, atol=2e-5)  # prices are rounded to four decimals
        assert np.abs(expected).max() > 100 * 2e-5

    def test_planted_signal_is_what_moves_the_next_open_to_open_return(self, market, silent):
        """The log return that was added from open[t+1] to open[t+2] is effect * signal[t], for every symbol that trades."""
        signal = market.planted_signal().unstack("symbol")
        added = np.log(market.dataset.bars.open).diff() - np.log(silent.dataset.bars.open).diff()
        difference = (added.shift(-2) - EFFECT * signal).drop(columns="HOLH")  # halted with flat bars: it catches up later
        assert difference.notna().to_numpy().mean() > 0.9
        assert np.nanmax(np.abs(difference)) < 2e-5

    def test_a_stamp_at_the_very_close_is_known_one_bar_later(self, market):
        """Headlines stamped exactly at a close exist, and the signal at that close does not hold them."""
        table, bars, signal = market.dataset.news.table, market.dataset.bars, market.planted_signal()
        at_close = table[table["available_at"].isin(bars.times) & (market.tone != 0)]
        alone = at_close[~at_close.duplicated(["available_at", "symbol"])]
        assert len(alone) > 20
        row = alone.iloc[0]
        t = bars.times.get_loc(row["available_at"])
        before = table[(table["symbol"] == row["symbol"]) & (table["available_at"] < row["available_at"])]
        last_known = [int((bars.times <= at).sum()) for at in before["available_at"]]
        expected = sum(tone * DECAY ** (t - known) for tone, known in zip(market.tone[before.index], last_known, strict=True))
        assert signal[(bars.times[t], row["symbol"])] == pytest.approx(expected, abs=1e-12)

    def test_the_planted_signal_has_the_stated_ic(self, market):
        """The default effect gives the IC that make_market's docstring states."""
        means = [information_coefficient(make_market(seed=seed)) for seed in range(3)]
        assert means[0] == pytest.approx(0.251, abs=0.001)
        assert 0.23 < np.mean([*means, information_coefficient(market)]) < 0.28

    def test_without_effect_there_is_no_relation(self, silent):
        """Over several seeds the mean IC of the planted tones is within two standard errors of zero."""
        means = [information_coefficient(silent)]
        means += [information_coefficient(make_market(effect=0.0, seed=seed)) for seed in (0, 1, 2, 4, 5, 6, 7)]
        error = np.std(means, ddof=1) / np.sqrt(len(means))
        assert abs(np.mean(means)) < 2 * error
        assert error < 0.01

    def test_a_negative_effect_turns_the_ic_round(self):
        """Tones may be planted to mislead."""
        assert information_coefficient(make_market(300, 12, effect=-0.02)) < -0.2


class TestBars:
    """Prices look like prices, on the real calendar."""

    def test_bars_stand_on_the_sessions_of_the_calendar(self, market):
        """No weekend, no holiday, and half days that close at 13:00 New York time."""
        times = market.dataset.bars.times
        clock = sessions("XNYS", "2021-01-04", times[-1])
        assert times.equals(pd.DatetimeIndex(clock["close"]))
        local = times.tz_convert("America/New_York")
        assert set(local.hour) == {13, 16}
        assert (local.hour == 13).sum() == 4  # the days after Thanksgiving, and 2023-07-03
        assert pd.Timestamp("2021-11-26 18:00", tz="UTC") in times
        assert not (local.day_of_week >= 5).any()

    def test_one_symbol_is_delisted(self, market):
        """DOVL has bars until it is gone for good, and no headlines of its own after."""
        bars = market.dataset.bars
        gone = bars.last_bar[bars.last_bar < len(bars.times) - 1]
        assert list(gone.index) == ["DOVL"]
        table = market.dataset.news.table[(market.dataset.news.table["symbol"] == "DOVL") & (market.kind == "company")]
        assert table["available_at"].max() < bars.times[gone["DOVL"] + 1]

    def test_one_symbol_is_listed_late(self, market):
        """JONF has no bar before its first, and all after."""
        first = market.dataset.bars.listed.to_numpy().argmax(axis=0)
        assert list(market.dataset.bars.symbols[first > 0]) == ["JONF"]
        assert market.dataset.bars.listed["JONF"].iloc[first.max() :].all()

    def test_one_symbol_is_halted_without_bars(self, market):
        """FJOI misses six sessions in a row, and is written about meanwhile or not, but trades again."""
        listed = market.dataset.bars.listed["FJOI"]
        missing = np.flatnonzero(~listed)
        assert len(missing) == 6
        assert missing[-1] - missing[0] == 5
        assert listed.iloc[-1]

    def test_one_symbol_is_halted_without_volume(self, market):
        """HOLH prints four flat bars at its last close with volume 0."""
        bars = market.dataset.bars
        still = np.flatnonzero(bars.volume["HOLH"] == 0)
        assert len(still) == 4
        last = bars.close["HOLH"].iloc[still[0] - 1]
        assert all((getattr(bars, name)["HOLH"].iloc[still] == last).all() for name in PRICES)
        assert (bars.volume.drop(columns="HOLH").to_numpy() != 0).all()

    def test_returns_are_those_of_stocks(self, market):
        """Fat tails, clustered volatility, a common factor, both overnight and intraday moves, volume that follows moves."""
        bars = market.dataset.bars
        returns = np.log(bars.close).diff().dropna(axis=1, thresh=700).dropna()
        assert 0.01 < returns.std().median() < 0.03
        assert returns.kurt().median() > 0.5
        assert np.mean([returns[name].abs().autocorr(1) for name in returns]) > 0.03
        correlation = returns.corr().to_numpy()
        assert 0.1 < correlation[np.triu_indices_from(correlation, 1)].mean() < 0.6
        overnight, intraday = np.log(bars.open / bars.close.shift()).std().median(), np.log(bars.close / bars.open).std().median()
        assert 0.4 < overnight / intraday < 0.8
        assert returns.abs().corrwith(np.log1p(bars.volume.loc[returns.index, returns.columns])).median() > 0.3

    def test_prices_have_four_decimals(self, market):
        """What is in memory is what is written."""
        close = market.dataset.bars.close.to_numpy()
        np.testing.assert_array_equal(close, np.round(close, 4))

    def test_garch_is_the_obvious_recursion(self):
        """Variance 0.02 + (0.08 z**2 + 0.90) * the last variance: 1, then 0.92 after no shock, then 1.1616 after one of 2."""
        volatility = garch(np.array([[0.0], [2.0], [0.0]]), np.array([0.01]))
        np.testing.assert_allclose(volatility[:, 0], 0.01 * np.sqrt([1.0, 0.92, 0.02 + (0.32 + 0.90) * 0.92]))


class TestHeadlines:
    """Headlines come at all hours, in words that show their tone."""

    def test_headlines_come_at_all_hours(self, market):
        """Before the open, in session, after the close, at night, on weekends."""
        table = market.dataset.news.table
        local = table["available_at"].dt.tz_convert("America/New_York")
        assert set(local.dt.hour) == set(range(24))
        assert set(local.dt.day_of_week) == set(range(7))
        assert (local.dt.day_of_week >= 5).mean() > 0.02
        hours = pd.cut(local.dt.hour, [-1, 8, 15, 23]).value_counts(normalize=True)
        assert (hours > 0.15).all()

    def test_the_number_of_headlines_follows_the_parameter(self, market):
        """0.4 a session and company; copies, lists and the market's come on top; 0 leaves only these."""
        own = market.kind.isin(["company", "chatter"]).sum()
        assert own / market.dataset.bars.listed.to_numpy().sum() == pytest.approx(0.4, rel=0.05)
        assert 8_000 < len(market.dataset.news) < 10_000
        assert set(make_market(40, 3, documents_per_session=0).kind) == {"list", "market"}

    def test_tones_belong_to_company_headlines_only(self, market):
        """Chatter, copies, lists and market-wide headlines plant nothing; tones lie in [-1, 1] and nearly cancel."""
        assert (market.tone[market.kind != "company"] == 0).all()
        assert (market.tone[market.kind == "company"] != 0).all()
        assert market.tone.abs().max() <= 1
        assert abs(market.tone[market.kind == "company"].mean()) < 0.05

    def test_copies_repeat_an_earlier_headline(self, market):
        """A copy comes within 30 hours of the first, from another source, word for word or after a prefix."""
        table = market.dataset.news.table.assign(kind=market.kind)
        copies, firsts = table[table["kind"] == "copy"], table[table["kind"].isin(["company", "chatter"])]
        assert 0.08 < len(copies) / len(firsts) < 0.16
        for copy in copies.iloc[:50].itertuples():
            age = copy.available_at - firsts["available_at"]
            recent = firsts[(firsts["symbol"] == copy.symbol) & (age > pd.Timedelta(0)) & (age <= pd.Timedelta(hours=30))]
            same = [row for row in recent.itertuples() if copy.text.endswith(row.text)]
            assert any(row.source != copy.source for row in same)
        assert 0.3 < copies["text"].isin(firsts["text"]).mean() < 0.7

    def test_market_wide_and_shared_headlines_exist(self, market):
        """`*` stands for the market; a list is one document with a row for each company."""
        table = market.dataset.news.table
        assert (table.loc[market.kind == "market", "symbol"] == MARKET).all()
        assert table[market.kind == "list"].groupby("id").size().max() == 4
        assert not table.duplicated(["id", "symbol"]).any()

    def test_a_tone_can_be_read_from_the_words(self):
        """No sentence stands for two tones, and the same verb means good or bad with its topic."""
        flat = pd.DataFrame({"text": sentences().ravel(), "tone": np.repeat(tones().ravel(), sentences().shape[2])})
        assert (flat.groupby("text")["tone"].nunique() == 1).all()
        tone = {phrase.text: phrase.tone for phrase in PHRASES}
        assert tone["cuts costs"] > 0 > tone["cuts full-year guidance"]
        assert tone["raises its dividend"] > 0 > tone["raises debt"]

    def test_a_general_lexicon_reads_some_of_the_tone_but_not_all(self, market):
        """VADER is right more often than not, blind to much of it, and fooled by chatter."""
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        scores = SentimentIntensityAnalyzer()
        score = {phrase.text: scores.polarity_scores(phrase.text)["compound"] for phrase in PHRASES}
        blind = np.mean([value == 0 for value in score.values()])
        assert 0.3 < blind < 0.8
        assert 0.2 < np.corrcoef([phrase.tone for phrase in PHRASES], list(score.values()))[0, 1] < 0.7
        assert np.mean([scores.polarity_scores(text)["compound"] != 0 for text in CHATTER]) > 0.2

    def test_symbols_are_unique(self):
        """Every invented company has its own ticker."""
        most = companies(528)
        assert len({firm.symbol for firm in most}) == len({firm.name for firm in most}) == 528


class TestArguments:
    """What cannot be is refused; what is small is not."""

    @pytest.mark.parametrize(
        "arguments",
        [{"n_times": 1}, {"n_symbols": 0}, {"n_symbols": 529}, {"effect": float("nan")}, {"seed": -1}, {"documents_per_session": -0.1}],
    )
    def test_impossible_sizes_are_refused(self, arguments):
        """The message names what is wrong."""
        with pytest.raises(UsageError):
            make_market(**({"n_times": 10, "n_symbols": 2} | arguments))

    def test_an_unknown_calendar_is_refused(self):
        """As everywhere, with a DataError."""
        with pytest.raises(DataError, match="XNYZ"):
            make_market(10, 2, calendar="XNYZ")

    @pytest.mark.parametrize("size", [(2, 1), (2, 12), (9, 7), (40, 10)])
    def test_small_markets_are_markets(self, size):
        """Every symbol has at least one bar, and the last bar is there."""
        bars = make_market(*size).dataset.bars
        assert bars.close.shape == size
        assert (bars.last_bar >= 0).all()

    def test_another_calendar_has_its_own_hours(self):
        """A market round the clock has a bar for each day of the year."""
        dataset = make_market(40, 3, calendar="24/7").dataset
        assert dataset.sessions_per_year == 365
        assert (np.diff(dataset.bars.times) == np.timedelta64(1, "D")).all()


class TestWriting:
    """The folder holds the data set, whole, and nothing that was there is overwritten."""

    @pytest.mark.parametrize("compress", [False, True])
    def test_reading_back_gives_the_same_bars(self, small, tmp_path, compress):
        """Every price and volume to the bit, with holes where they were."""
        back = read_dataset(write_dataset(small, tmp_path / "made", compress=compress))
        for name in (*PRICES, "volume"):
            pd.testing.assert_frame_equal(getattr(back.bars, name), getattr(small.dataset.bars, name), check_names=False, check_freq=False)
        assert back.name == small.dataset.name
        assert back.calendar == "XNYS"
        assert small.dataset.notes[0] in back.notes

    def test_reading_back_gives_the_same_news_less_copies(self, small, tmp_path):
        """Every document that reading keeps is one that was made, and only copies and repeats are dropped."""
        back = read_dataset(write_dataset(small, tmp_path / "made")).news.table
        made = small.dataset.news.table
        assert len(back.merge(made)) == len(back)
        dropped = made.merge(back, how="left", indicator=True)["_merge"].eq("left_only").to_numpy()
        assert small.kind[dropped].eq("copy").mean() > 0.8
        assert dropped[small.kind == "copy"].mean() > 0.4

    def test_the_sample_can_be_read(self, market):
        """What --data defaults to."""
        dataset = read_dataset(SAMPLE)
        pd.testing.assert_frame_equal(dataset.bars.close, market.dataset.bars.close, check_names=False, check_freq=False)
        assert any("ynthetic" in note for note in dataset.notes)

    def test_stamps_are_utc_and_symbols_joined(self, small, tmp_path):
        """published_at ends with Z; a list is one row with several symbols."""
        news = pd.read_csv(write_dataset(small, tmp_path) / "news.csv")
        assert list(news.columns) == ["published_at", "symbol", "text", "source", "id"]
        assert news["published_at"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
        assert news["symbol"].str.contains("|", regex=False).sum() > 5
        assert news["id"].is_unique
        assert news["symbol"].str.split("|").str.len().sum() == len(small.dataset.news)

    def test_bars_off_the_calendar_are_stamped_with_their_close(self, tmp_path):
        """Two hourly bars keep their instants."""
        times = pd.DatetimeIndex(["2024-03-04T15:00Z", "2024-03-04T16:00Z"]).as_unit("us")
        price = pd.DataFrame({"A": [1.0, 2.5]}, index=times)
        dataset = Dataset(name="hourly", calendar="XNYS", bars=Bars(price, price, price, price, price))
        folder = write_dataset(dataset, tmp_path)
        assert (folder / "bars.csv").read_text() == (
            "time,symbol,open,high,low,close,volume\n2024-03-04T15:00:00Z,A,1.0,1.0,1.0,1.0,1.0\n2024-03-04T16:00:00Z,A,2.5,2.5,2.5,2.5,2.5\n"
        )
        assert tomllib.loads((folder / "dataset.toml").read_text())["bar_stamp"] == "close"
        pd.testing.assert_frame_equal(read_dataset(folder).bars.close, price, check_names=False)

    def test_another_data_set_is_not_overwritten(self, tmp_path):
        """The same bytes may be written again; anything else there is an error, and stays."""
        market = make_market(10, 2)
        write_dataset(market, tmp_path)
        write_dataset(market, tmp_path)
        before = fingerprint(tmp_path)
        with pytest.raises(StorageError, match=r"bars\.csv"):
            write_dataset(make_market(10, 2, seed=1), tmp_path)
        with pytest.raises(StorageError, match=r"bars\.csv, news\.csv"):
            write_dataset(market, tmp_path, compress=True)
        assert fingerprint(tmp_path) == before

    def test_a_data_set_without_calendar_is_refused(self, tmp_path):
        """dataset.toml must name one."""
        bars = make_market(10, 2).dataset.bars
        with pytest.raises(UsageError, match="calendar"):
            write_dataset(Dataset(name="x", bars=bars, news=News.none()), tmp_path)
