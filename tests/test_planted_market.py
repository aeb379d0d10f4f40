"""Learners find what is planted, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from quantlab import metrics
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.features import panel
from quantlab.folds import WalkForward
from quantlab.models import lightgbm_regressor, ridge_regressor, with_text
from quantlab.news import known_news
from quantlab.run import Settings, run
from quantlab.strategy import Strategy, load_strategy, with_settings
from quantlab.synthetic import Market, make_market
from quantlab.target import ForwardReturn
from quantlab.text import LdaTopics, Sentiment, TextEncoder
from quantlab.weights import long_short

STRATEGIES = Path(__file__).resolve().parents[1] / "strategies"
HORIZON = 5


def text_alone(model: BaseEstimator, train: int = 252, test: int = 63) -> Strategy:
    """Return a strategy that sees nothing but the news of the last three bars."""
    return Strategy(
        name="text_alone",
        features=lambda bars, news: panel(news=known_news(news, bars, lookback=3)),
        target=ForwardReturn(horizon=HORIZON, kind="rank"),
        model=model,
        weights=long_short,
        folds=WalkForward(train=train, test=test),
    )


def ic_and_error(signal: pd.Series, target: pd.Series) -> tuple[float, float]:
    """Return the mean IC and its standard error, Newey-West over the horizon."""
    ic = metrics.information_coefficient(signal, target).dropna()
    return float(ic.mean()), float(ic.mean() / metrics.newey_west_t(ic, HORIZON))


@pytest.fixture(scope="module")
def market() -> Market:
    """Return the market of the sample."""
    return make_market(seed=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "test"),
    [(Sentiment(), 63), (LdaTopics(n_topics=20), 63), (TextEncoder(max_documents=1500), 252)],  # few folds where a fit takes long
    ids=["sentiment", "topics", "encoder"],
)
def test_each_text_learner_alone_finds_the_planted_effect(learner: BaseEstimator, test: int, market: Market, tmp_path: Path) -> None:
    """Out of sample, what it says goes with the planted tone; so does the return, less clearly."""
    strategy = text_alone(with_text(ridge_regressor(), learner), test=test)
    result = run(strategy, market.dataset, Settings(cache=Cache(tmp_path), audit=False, ablation=False))
    planted = market.planted_signal().reindex(result.predicted.signal.index)
    ic, error = ic_and_error(result.predicted.signal, planted)
    assert ic > 3 * error
    assert ic > 0.04
    ic, error = ic_and_error(result.predicted.signal, result.target)
    assert ic > error


@pytest.mark.slow
def test_on_a_null_market_the_mean_ic_is_nothing() -> None:
    """Twenty markets whose news moves nothing: the mean IC of a full model is within two standard errors of 0."""
    model = with_text(lightgbm_regressor(n_estimators=40, min_child_samples=20), LdaTopics(n_topics=5, n_passes=3), Sentiment())
    found = []
    for seed in range(20):
        dataset: Dataset = make_market(240, 10, effect=0.0, seed=seed).dataset
        result = run(text_alone(model, train=120), dataset, Settings(audit=False, ablation=False))
        found.append(metrics.information_coefficient(result.predicted.signal, result.target).mean())
    assert abs(np.mean(found)) < 2 * np.std(found, ddof=1) / np.sqrt(len(found))


@pytest.mark.nightly
def test_labels_that_mean_nothing_teach_nothing(market: Market, tmp_path: Path) -> None:
    """The fine-tuned encoder, handed labels in another order, does not know the planted tone out of sample."""
    strategy = load_strategy(STRATEGIES / "sentiment_ridge.py")
    column = known_news(market.dataset.news, market.dataset.bars, lookback=3)
    y = strategy.target(market.dataset.bars).reindex(column.index)
    rng = np.random.default_rng(0)
    times = market.dataset.bars.times
    train = (column.index.get_level_values(0) <= times[300]) & y.notna().to_numpy()
    test = column.index.get_level_values(0) > times[310]
    permuted = pd.Series(rng.permutation(y[train].to_numpy()), index=y[train].index)
    planted = market.planted_signal().reindex(column.index)[test]
    encoder = TextEncoder(max_documents=1000, horizon=HORIZON, random_state=0, cache=Cache(tmp_path))
    scores = [np.asarray(encoder.fit(column[train], labels).transform(column[test]))[:, 0] for labels in (y[train], permuted)]
    honest, shuffled = (float(np.corrcoef(score, planted)[0, 1]) for score in scores)
    assert honest > 0.1
    assert abs(shuffled) < honest / 2


@pytest.mark.nightly
def test_the_flagship_earns_its_ic_from_the_news(market: Market, tmp_path: Path) -> None:
    """The whole strategy finds the effect; without it, in the same market, there is nothing to find."""
    settings = ["model.n_topics=10", "model.text_encoder.max_documents=1000"]
    strategy = with_settings(load_strategy(STRATEGIES / "news_momentum.py"), settings)
    result = run(strategy, market.dataset, Settings(cache=Cache(tmp_path), audit=False, ablation=False))
    ic, error = ic_and_error(result.predicted.signal, result.target)
    assert ic > 2 * error
