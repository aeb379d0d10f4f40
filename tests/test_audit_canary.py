"""Canaries: an honest strategy hears them in time, however it joins; what is never heard, or moves by itself, is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quantlab.audit.canary import canary_check
from quantlab.audit.cuts import Cut
from quantlab.audit.stages import Stages, Subject, whole_run
from quantlab.bars import Bars
from quantlab.errors import StorageError
from quantlab.executor import silent
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor
from quantlab.news import News, known_news
from quantlab.result import Check
from quantlab.steps import Settings, samples
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn
from quantlab.weights import long_short

MARKET = make_market(70, 4, seed=3).dataset
TABLE = MARKET.news.table
SOURCE = str(TABLE["source"].iloc[0])
Features = Callable[[Bars, News], pd.DataFrame]

BASE = Strategy(
    name="base",
    features=lambda bars, news: panel(momentum=momentum(bars.close, 5)),
    target=ForwardReturn(horizon=1),
    model=ridge_regressor(),
    weights=long_short,
    folds=WalkForward(train=30, test=20, min_train=30),
)


@pytest.fixture(scope="module")
def base() -> Stages:
    """Return a run, whose features are then put aside: no check of canaries looks at what was learned."""
    return whole_run(Subject(strategy=BASE, dataset=MARKET, settings=Settings(), fresh=lambda: BASE))


@pytest.fixture
def sung(base: Stages) -> Callable[..., Check]:
    """Return what the check says of features."""

    def check(features: Features, news: News = MARKET.news) -> Check:
        strategy, dataset = replace(BASE, features=features), replace(MARKET, news=news)
        subject = Subject(strategy=strategy, dataset=dataset, settings=Settings(), fresh=lambda: strategy)
        whole = replace(base, features=samples(strategy, dataset, None)[0])
        times = MARKET.bars.times
        return canary_check(subject, whole, [Cut(times[44], "here"), Cut(times[61], "there")], silent)

    return check


def joined(delay: str = "0D", text: str = "", source: str = "") -> Features:
    """Return features that join the news of one source, or with one word, after a delay."""

    def features(bars: Bars, news: News) -> pd.DataFrame:
        table = news.table
        read = table["text"].str.contains(text, regex=False) & (table["source"].str.startswith(source))
        return panel(momentum=momentum(bars.close, 5), news=known_news(News(table[read]), bars, delay=pd.Timedelta(delay), lookback=3))

    return features


def on_wednesdays(bars: Bars, news: News) -> pd.DataFrame:
    """Rows of one weekday only."""
    X = joined()(bars, news)
    return X[X.index.get_level_values(0).day_of_week == 2]


def too_late(bars: Bars, news: News) -> pd.DataFrame:
    """The news of one source, with that of the next ten minutes."""
    table = news.table[news.table["source"] == SOURCE]
    return panel(news=known_news(News(table.assign(available_at=table["available_at"] - pd.Timedelta("10min"))), bars))


def late_on_wednesdays(bars: Bars, news: News) -> pd.DataFrame:
    """The same of all sources, on one weekday."""
    early = News(news.table.assign(available_at=news.table["available_at"] - pd.Timedelta("10min")))
    return on_wednesdays(bars, early)


HONEST = {
    "a delay of two days": joined(delay="2D"),
    "a delay of five days": joined(delay="5D"),
    "one source": joined(source=SOURCE),
    "one word": joined(text="Alder"),
    "rows on Wednesdays": on_wednesdays,
}


@pytest.mark.parametrize("features", HONEST.values(), ids=list(HONEST))
def test_an_honest_join_hears_in_time(sung: Callable[..., Check], features: Features) -> None:
    """A delay of days, a choice of sources, or of weekdays is neither a leak nor deaf."""
    check = sung(features)
    assert (check.verdict, check.findings) == ("held", ())


@pytest.mark.parametrize("features", [too_late, late_on_wednesdays])
def test_a_late_join_of_some_of_the_news_is_found(sung: Callable[..., Check], features: Features) -> None:
    """Documents of its source, and cuts at its rows, show it."""
    check = sung(features)
    assert check.verdict == "leak"
    assert "the cut-off is too late, by up to 15 minutes" in check.findings[0].cause


def test_who_hears_nothing_for_a_month_is_blind(sung: Callable[..., Check]) -> None:
    """No document of the last week is picked up: nothing is proven."""
    check = sung(joined(delay="30D"))
    assert check.verdict == "blind"
    assert "but none from up to 7 days before the close was picked up either" in check.detail


def hears_at_the_end(bars: Bars, news: News) -> pd.DataFrame:
    """Read no document before a day between the cuts."""
    return joined()(bars, News(news.table[news.table["available_at"] > MARKET.bars.times[52]]))


def test_one_cut_that_hears_is_enough(sung: Callable[..., Check]) -> None:
    """At the first, no news is read yet, as of a feed that begins later; that is told."""
    check = sung(hears_at_the_end)
    assert check.verdict == "held"
    assert "picked up (at 1 of the bars)" in check.detail


def only_the_first_half(bars: Bars, news: News) -> pd.DataFrame:
    """Read the older half of the documents, as a feed that ended did."""
    return panel(momentum=momentum(bars.close, 5), n=joined_count(bars, News(news.table[news.table["available_at"] < bars.times[15]])))


def joined_count(bars: Bars, news: News) -> pd.DataFrame:
    """Return how many documents are known, (n_times, n_symbols)."""
    n = known_news(news, bars).array.__arrow_array__().combine_chunks().value_lengths().to_numpy()
    return pd.DataFrame(n.reshape(bars.close.shape).astype(float), bars.times, bars.symbols)


def test_who_reads_old_news_reads_news(sung: Callable[..., Check]) -> None:
    """Half of the documents is taken away, then the other half: it is never said that no news is read."""
    assert sung(only_the_first_half).verdict == "blind"
    assert sung(BASE.features).verdict == "not applicable"
    assert sung(BASE.features, News.none()).verdict == "not applicable"


def dice(bars: Bars, news: News) -> pd.DataFrame:
    """A random feature, unseeded."""
    return panel(x=pd.DataFrame(np.random.default_rng().normal(size=bars.close.shape), bars.times, bars.symbols))


def dice_and_news(bars: Bars, news: News) -> pd.DataFrame:
    """The same beside an honest join."""
    return panel(x=dice(bars, news)["x"], news=known_news(news, bars))


def dice_and_late_news(bars: Bars, news: News) -> pd.DataFrame:
    """The same beside a late one."""
    return dice(bars, news).join(too_late(bars, news))


def test_what_moves_by_itself_is_no_canary_heard(sung: Callable[..., Check]) -> None:
    """A random column differs whatever is added; a late document beside it is still found."""
    assert sung(dice).verdict == "not applicable"
    check = sung(dice_and_news)
    assert check.verdict == "blind"
    assert "`x` has other values each time that it is made" in check.detail
    assert [finding.column for finding in sung(dice_and_late_news).findings] == ["news"]


def full(bars: Bars, news: News) -> pd.DataFrame:
    """Find no room on the disk once the news is other news."""
    if len(news.table) != len(TABLE):
        raise StorageError("the disk is full")
    return joined()(bars, news)


def test_a_full_disk_says_nothing_about_a_strategy(sung: Callable[..., Check]) -> None:
    """The error goes on to who can mend it."""
    with pytest.raises(StorageError, match="the disk is full"):
        sung(full)


def brittle(bars: Bars, news: News) -> pd.DataFrame:
    """Bear the real documents only."""
    if len(news.table) != len(TABLE):
        raise ValueError("what is this?")
    return joined()(bars, news)


def test_no_folder_is_in_what_is_said(sung: Callable[..., Check]) -> None:
    """Two runs say the same wherever the strategy lies."""
    check = sung(brittle)
    assert check.verdict == "blind"
    assert "test_audit_canary.py, line" in check.detail
    assert "what is this?" in check.detail
    assert "/" not in check.detail
