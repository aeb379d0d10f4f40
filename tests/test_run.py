"""run(): the pieces put together, and refused where they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_bars

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.errors import DataError, QuantlabError, StrategyError, UsageError
from quantlab.executor import processes
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.portfolio import simulate
from quantlab.provenance import content_hash
from quantlab.repro import described
from quantlab.result import Trials
from quantlab.run import Settings, run, trial_id
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn
from quantlab.text import Sentiment
from quantlab.weights import long_short

BARS = random_bars(120, 6)
DATASET = Dataset(name="random", bars=BARS)


def features(bars: Bars, news: News) -> pd.DataFrame:
    """Return one price feature."""
    return panel(momentum=momentum(bars.close, 3))


STRATEGY = Strategy(
    name="plain",
    features=features,
    target=ForwardReturn(horizon=2),
    model=ridge_regressor(),
    weights=long_short,
    folds=WalkForward(train=40, test=20, min_train=30),
)


def test_a_run_starts_at_the_first_test_bar_and_passes_its_audit() -> None:
    """All tables of the result share the evaluated span."""
    result = run(STRATEGY, DATASET)
    first = result.predicted.fits[0].fold.test_start
    assert result.weights.index[0] == result.portfolio.equity.index[0] == result.benchmark.index[0] == first
    assert first == BARS.times[29 + 3]
    assert result.audit is not None
    assert all(check.passed for check in result.audit)
    assert result.benchmark_name == "equal weight, rebalanced daily"
    assert result.predicted.fits[-1].fold.partial


def test_the_same_inputs_give_the_same_id_and_another_input_another() -> None:
    """Seed, setting, data: each changes the id; the number of processes does not."""
    base = run(STRATEGY, DATASET)
    assert run(STRATEGY, DATASET, Settings(executor=processes(2))).run_id == base.run_id
    others = [
        run(STRATEGY, DATASET, Settings(seed=1)),
        run(replace(STRATEGY, folds=WalkForward(train=40, test=19, min_train=30)), DATASET),
        run(STRATEGY, Dataset(name="random", bars=random_bars(120, 6, seed=1))),
        run(STRATEGY, DATASET, Settings(start=BARS.times[2])),
    ]
    assert len({base.run_id, *(other.run_id for other in others)}) == 5


def test_how_often_it_was_tried_is_an_input_but_not_what_is_tried() -> None:
    """Another count gives another run of the same trial; another setting another trial; an audit none."""
    once, again = (run(STRATEGY, DATASET, Settings(trials=trials)) for trials in (Trials(), Trials(n=7, source="given")))
    assert once.run_id != again.run_id
    assert once.trial_id == again.trial_id == trial_id(STRATEGY, DATASET, Settings(audit=False, ablation=False))
    other = {trial_id(STRATEGY, DATASET, Settings(seed=1)), trial_id(replace(STRATEGY, cash=5.0), DATASET, Settings())}
    assert len({once.trial_id, *other}) == 3


def test_the_same_weights_are_also_traded_later_and_without_costs() -> None:
    """One bar later is the portfolio of the weights of the bar before, fees and slippage left out; the first bars hold nothing."""
    result = run(STRATEGY, DATASET)
    span = BARS.between(result.weights.index[0], result.weights.index[-1])
    for delayed, n_bars in zip(result.delayed, (1, 2), strict=True):
        late = simulate(result.weights.shift(n_bars, fill_value=0.0), span, Costs(fee_bps=0.0, slippage_bps=0.0))
        assert delayed.n_bars == n_bars
        pd.testing.assert_series_equal(delayed.gross_returns, late.returns)
        pd.testing.assert_series_equal(delayed.turnover, late.turnover)
        assert (delayed.turnover.iloc[: n_bars + 1] == 0).all()
    assert run(STRATEGY, DATASET, Settings(ablation=False)).delayed == ()


def test_the_variants_trade_as_the_strategy_does() -> None:
    """Each signal through the same weight rule, costs and bars; a strategy without text has none."""
    market = make_market(120, 6, seed=3).dataset
    texty = replace(
        STRATEGY,
        features=lambda bars, news: panel(m=momentum(bars.close, 3), news=known_news(news, bars)),
        model=with_text(ridge_regressor(), Sentiment()),
    )
    result = run(texty, market)
    assert result.variants is not None
    assert [variant.name for variant in result.variants] == ["no_text", "text_only", "placebo"]
    span = market.bars.between(result.weights.index[0], result.weights.index[-1])
    for variant in result.variants:
        earned = simulate(long_short(variant.signal, market.bars).loc[span.times], span, STRATEGY.costs)
        pd.testing.assert_series_equal(variant.returns, earned.returns)
    assert run(STRATEGY, DATASET).variants is None


def test_two_strategies_that_differ_in_a_function_alone_have_two_ids() -> None:
    """Built in Python, with functions of one name: what they do tells them apart."""

    def of(make: object) -> str:
        return run(replace(STRATEGY, features=make), DATASET).run_id

    assert of(lambda bars, news: panel(x=momentum(bars.close, 3))) != of(lambda bars, news: panel(x=momentum(bars.close, 9)))


def test_nothing_after_the_end_is_read() -> None:
    """A run to a date equals a run on data that ends there."""
    end = BARS.times[90]
    cut, short = run(STRATEGY, DATASET, Settings(end=end)), run(STRATEGY, DATASET.until(end))
    assert cut.portfolio.equity.equals(short.portfolio.equity)
    assert cut.weights.index[-1] == end


def test_the_start_limits_the_samples_and_not_the_warm_up() -> None:
    """The first training row is at the start, and its features know the bars before it."""
    start = BARS.times[10]
    result = run(STRATEGY, DATASET, Settings(start=start))
    assert result.predicted.fits[0].fold.train_start == start
    assert list(result.dropped_rows.values()) == [0]


def test_a_benchmark_symbol_is_bought_and_held() -> None:
    """Its close-to-close returns; an unknown one is refused."""
    result = run(replace(STRATEGY, benchmark="S03"), DATASET)
    expected = BARS.close["S03"].pct_change().reindex(result.benchmark.index)
    np.testing.assert_allclose(result.benchmark.iloc[1:], expected.iloc[1:])
    with pytest.raises(StrategyError, match="SPY"):
        run(replace(STRATEGY, benchmark="SPY"), DATASET)


def shuffled(bars: Bars, news: News) -> pd.DataFrame:
    """Return rows in no order."""
    return features(bars, news).iloc[::-1]


def infinite(bars: Bars, news: News) -> pd.DataFrame:
    """Return a feature that divides by zero."""
    return panel(ratio=bars.close / (bars.close - bars.close))


def foreign(bars: Bars, news: News) -> pd.DataFrame:
    """Return a row of a symbol that does not exist."""
    return features(bars, news).rename(index={"S05": "S99"}, level=1)


def wide(bars: Bars, news: News) -> pd.DataFrame:
    """Return a wide table, not a panel."""
    return bars.close


def empty(bars: Bars, news: News) -> pd.DataFrame:
    """Return rows without a column."""
    return features(bars, news)[[]]


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (shuffled, StrategyError, "sorted"),
        (infinite, DataError, "'ratio' is infinite"),
        (foreign, StrategyError, "S99"),
        (wide, StrategyError, "quantlab.features.panel"),
        (empty, StrategyError, "no column"),
    ],
)
def test_features_that_are_no_panel_are_refused(wrong: object, kind: type[QuantlabError], said: str) -> None:
    """With the place, before anything is fitted."""
    with pytest.raises(kind, match=said):
        run(replace(STRATEGY, features=wrong), DATASET)


def test_weights_of_another_shape_are_refused() -> None:
    """A Series of signals is no table of weights."""
    with pytest.raises(StrategyError, match="times and symbols of bars"):
        run(replace(STRATEGY, weights=lambda signal, bars: signal), DATASET)


def test_a_start_after_the_data_is_refused() -> None:
    """With the span that there is."""
    with pytest.raises(UsageError, match="the data runs from"):
        run(STRATEGY, DATASET, Settings(start=BARS.times[-1] + pd.Timedelta(days=1)))


def test_the_content_hash_is_of_the_content() -> None:
    """Another price, another volume: another hash; the same tables made again: the same."""
    assert content_hash(DATASET) == content_hash(Dataset(name="else", bars=random_bars(120, 6)))
    volume = BARS.volume.copy()
    volume.iloc[5, 2] += 1
    assert content_hash(DATASET) != content_hash(Dataset(name="random", bars=replace(BARS, volume=volume)))


def test_a_description_tells_parameters_apart_and_refuses_what_it_cannot_tell() -> None:
    """Estimators by parameter, paths and times as strings; an object that is none of these is refused."""
    assert described(ridge_regressor(alpha=1)) != described(ridge_regressor(alpha=2))
    assert described({"a": np.float64(1.5), "b": Path("x")}) == {"a": 1.5, "b": "x"}
    assert described(np.zeros(3)) != described(np.ones(3))
    with pytest.raises(TypeError, match="cannot be described"):
        described(object())
