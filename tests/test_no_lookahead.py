"""Nothing at time t depends on what came after t: the four strategies, cut at fold edges, cold and warm."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from sweep import Stages, adversarial_cuts, differences, stages

from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.features import momentum, panel
from quantlab.news import News, known_news
from quantlab.strategy import Strategy, load_strategy, with_settings
from quantlab.synthetic import make_market
from quantlab.text import LdaTopics

STRATEGIES = Path(__file__).resolve().parents[1] / "strategies"
SMALL = {
    "news_momentum": ["model.text_encoder.max_documents=200", "model.text_encoder.epochs=1", "model.n_topics=4"],
    "topic_regimes": ["model.n_topics=4", "model.n_clusters=4"],
}


@pytest.fixture(scope="module")
def market() -> Dataset:
    """Return a small synthetic market."""
    return make_market(190, 8, seed=3).dataset


def small(name: str) -> Strategy:
    """Return a shipped strategy with windows that fit the small market."""
    strategy = load_strategy(STRATEGIES / f"{name}.py")
    return with_settings(strategy, ["folds.train=90", "folds.test=30", "folds.min_train=80", *SMALL.get(name, [])])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["news_momentum", "price_momentum", "sentiment_ridge", "topic_regimes"])
def test_a_shipped_strategy_is_the_same_on_truncated_data(name: str, market: Dataset, tmp_path: Path) -> None:
    """Features, signal and weights before each cut equal those of the whole run: with the cache warmed by it, and cold."""
    strategy, warm = small(name), Cache(tmp_path / "warm")
    whole = stages(strategy, market, warm)
    cuts = adversarial_cuts(whole.folds, market.bars.times, strategy.target.horizon)
    assert len(cuts) >= 8
    found = [difference for cut in cuts for difference in differences(strategy, market, whole, cut, warm)]
    found += [f"cold: {difference}" for cut in cuts[1:-1:4] for difference in differences(strategy, market, whole, cut, None)]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["news_momentum", "price_momentum", "sentiment_ridge", "topic_regimes"])
def test_a_poisoned_future_changes_nothing_before(name: str, market: Dataset, tmp_path: Path) -> None:
    """Everything after the cut replaced: prices multiplied, texts turned to garbage, volumes gone."""
    strategy, cache = small(name), Cache(tmp_path)
    whole = stages(strategy, market, cache)
    cut = whole.folds[1].test_start
    poisoned = stages(strategy, poison(market, cut), cache)
    pd.testing.assert_series_equal(whole.signal.loc[:cut], poisoned.signal.loc[:cut], rtol=1e-9)
    pd.testing.assert_frame_equal(whole.weights.loc[:cut], poisoned.weights.loc[:cut], rtol=1e-9)


def poison(dataset: Dataset, cut: pd.Timestamp) -> Dataset:
    """Replace all that came after the cut."""
    late = dataset.bars.times > cut
    factor = pd.Series(1.0, dataset.bars.times).mask(late, 7.0)
    tables = {name: getattr(dataset.bars, name).mul(factor, axis=0) for name in ("open", "high", "low", "close")}
    table = dataset.news.table
    garbage = table["text"].where(table["available_at"] <= cut, "<b>zzz</b> garbage bankrupt 9999")
    return replace(dataset, bars=Bars(**tables, volume=dataset.bars.volume), news=News(table.assign(text=garbage)))


def leaky_scaler(bars: Bars, news: News) -> pd.DataFrame:
    """Standardise with the mean of all rows: the classic."""
    change = momentum(bars.close, 5)
    return panel(scaled=(change - change.stack().mean()) / change.stack().std())


def leaky_topics(bars: Bars, news: News) -> pd.DataFrame:
    """Fit the topics once, on all rows."""
    column = known_news(news, bars, lookback=3)
    topics = pd.DataFrame(LdaTopics(n_topics=3, random_state=0).fit_transform(column), index=column.index, columns=["a", "b", "c"])
    return pd.concat([panel(momentum=momentum(bars.close, 5)), topics], axis=1)


@pytest.mark.parametrize("leak", [leaky_scaler, leaky_topics])
def test_a_learner_fitted_on_all_rows_is_found(leak: object, market: Dataset) -> None:
    """Both show in the features already."""
    strategy = replace(small("price_momentum"), features=leak)
    found = found_in(strategy, market)
    assert any("feature" in difference for difference in found)


class SameBarTarget:
    """A label whose stated horizon is shorter than its reach."""

    horizon = 1

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the return over five bars, and call it one."""
        return (bars.open.shift(-6) / bars.open.shift(-1) - 1).stack(future_stack=True)


def test_a_target_that_understates_its_horizon_is_found(market: Dataset) -> None:
    """The purge is derived from the horizon: a wrong one trains on labels that are not known yet, and the cut shows it."""
    strategy = replace(small("price_momentum"), target=SameBarTarget())
    assert any("signal" in difference for difference in found_in(strategy, market))


def threshold_on_all(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Buy what is above the median of all signals, those to come included."""
    wide = signal.unstack().reindex(index=bars.times, columns=bars.symbols)
    return (wide > signal.median()).astype(float) / len(bars.symbols)


def test_a_threshold_chosen_on_the_test_span_is_found(market: Dataset) -> None:
    """It shows in the weights."""
    strategy = replace(small("price_momentum"), weights=partial(threshold_on_all))
    assert any("weights" in difference for difference in found_in(strategy, market))


def found_in(strategy: Strategy, market: Dataset) -> list[str]:
    """Return the differences at the edges of the second fold."""
    whole: Stages = stages(strategy, market, None)
    cuts = adversarial_cuts(whole.folds[1:2], market.bars.times, 5)
    return [difference for cut in cuts for difference in differences(strategy, market, whole, cut, None)]
