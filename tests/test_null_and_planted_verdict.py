"""The verdict calls nothing what is nothing, real what was planted, and says what the text had to do with it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantlab import sessions
from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.report.contract import contract
from quantlab.result import BacktestResult
from quantlab.run import run
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn
from quantlab.text import Sentiment
from quantlab.weights import long_short

FREE = Costs(fee_bps=0.0, slippage_bps=0.0)  # costs would turn luck into loss, and nothing would be shown


def price_and_text(bars: Bars, news: News) -> pd.DataFrame:
    """Return last week's return, and the news of the last three bars."""
    return panel(momentum_5=momentum(bars.close, 5), news=known_news(news, bars, lookback=3))


def quick(train: int = 252) -> Strategy:
    """Return tone in a ridge regression, traded free of cost."""
    return Strategy(
        name="quick",
        features=price_and_text,
        target=ForwardReturn(horizon=5, kind="rank"),
        model=with_text(ridge_regressor(), Sentiment()),
        weights=partial(long_short, quantile=0.2, hold=5),
        folds=WalkForward(train=train, test=63),
        costs=FREE,
    )


def trending(dataset: Dataset, *, strength: float, seed: int = 0) -> Dataset:
    """Return the data set with a slow drift of its own in each name, up for weeks and down for weeks, that news knows nothing of."""
    bars = dataset.bars
    n_times, n_symbols = bars.close.shape
    drift = np.zeros((n_times, n_symbols))
    shocks = np.random.default_rng(seed).normal(size=drift.shape)
    for t in range(1, n_times):  # each depends on the one before
        drift[t] = 0.95 * drift[t - 1] + strength * shocks[t]
    grown = np.exp(np.cumsum(drift, axis=0))
    tables = {name: getattr(bars, name) * grown for name in ("open", "high", "low", "close")}
    # a bar opens where the last one closed, as before: the trend of a bar falls between its open and its close
    tables["open"] = tables["open"] / np.exp(drift)
    tables["high"] = np.maximum(tables["high"], tables["open"])
    tables["low"] = np.minimum(tables["low"], tables["open"])
    return replace(dataset, bars=Bars(**tables, volume=bars.volume))


def verdict(result: BacktestResult) -> dict[str, Any]:
    """Return the verdict that stands in report.json."""
    found = contract(result)["verdict"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def one_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the calendar once: it is the same for all markets, and takes a third of the time of each."""
    monkeypatch.setattr(sessions, "_calendar", cache(sessions._calendar))


@pytest.mark.nightly
@pytest.mark.usefixtures("one_calendar")
def test_at_most_two_of_twenty_null_markets_are_called_real() -> None:
    """News that moves nothing, traded free of cost: luck is called luck, and text that adds nothing is hardly ever said to add."""
    found = [verdict(run(quick(train=120), make_market(240, 10, effect=0.0, seed=seed).dataset)) for seed in range(20)]
    levels = [one["level"] for one in found]
    assert levels.count("real") <= 2
    assert levels.count("real") + levels.count("weak") <= 2  # significant at 5% by its Sharpe ratio alone
    assert levels.count("untested") == levels.count("invalid") == 0
    assert [one["text"] for one in found].count("added") <= 2


@pytest.mark.slow
def test_the_planted_market_is_called_real_and_the_text_did_it() -> None:
    """Where headlines move prices, the verdict says so, and that what they say is what counts."""
    found = verdict(run(quick(), make_market(seed=3).dataset))
    assert found["level"] == "real"
    assert found["text"] == "added"
    assert "The text added to the signal" in " ".join(found["also"])
    assert "it is what they say that counts" in " ".join(found["also"])


@pytest.mark.slow
def test_momentum_alone_is_not_credited_to_the_text() -> None:
    """Prices that trend and news that moves nothing: the strategy may be real, the text added nothing."""
    dataset = trending(make_market(756, 24, effect=0.0, seed=3).dataset, strength=0.001)
    found = verdict(run(quick(), dataset))
    assert found["level"] == "real"
    assert found["text"] in ("nothing", "hurt")
    assert "The text added nothing" in " ".join(found["also"])
