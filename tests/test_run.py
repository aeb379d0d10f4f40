"""run(): the pieces put together, and refused where they do not fit."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from types import FunctionType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import random_bars
from scipy.stats import loguniform
from sklearn.ensemble import StackingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.preprocessing import FunctionTransformer

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
from quantlab.provenance import content_hash, trial_id
from quantlab.repro import described
from quantlab.result import Trials
from quantlab.run import Settings, run, with_trials
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
    """Another count gives another run of the same trial, and names itself in what determined it; the first count gives the first run."""
    once = run(STRATEGY, DATASET)
    again = with_trials(once, Trials(n=7, source="given"))
    assert (once.run_id, once.trials) != (again.run_id, again.trials)
    assert once.trial_id == again.trial_id
    assert [result.provenance["inputs"]["trials"]["n"] for result in (once, again)] == [1, 7]
    assert with_trials(again, Trials()).run_id == once.run_id


def test_a_trial_is_what_was_decided_on_which_data() -> None:
    """Checks on the side, a seed that nothing draws from and another spelling change nothing; data, terms and decisions do."""
    light = Settings(audit=False, ablation=False)
    once = run(STRATEGY, DATASET).trial_id
    spelled = replace(STRATEGY, name="else", cash=1_000_000, model=ridge_regressor(alpha=1000), description="again")
    same = [run(STRATEGY, DATASET, light), run(STRATEGY, DATASET, replace(light, seed=1)), run(spelled, DATASET, light)]
    assert {result.trial_id for result in same} == {once}
    others = [
        run(replace(STRATEGY, cash=5.0), DATASET, light),
        run(replace(STRATEGY, costs=Costs(fee_bps=7.0)), DATASET, light),
        run(replace(STRATEGY, weights=partial(long_short, quantile=0.4)), DATASET, light),
        run(STRATEGY, Dataset(name="random", bars=random_bars(120, 6, seed=1)), light),
    ]
    assert len({once, *(other.trial_id for other in others)}) == 5


def test_noise_in_the_last_bit_and_the_sign_of_zero_are_no_other_trial() -> None:
    """Weights are compared to 12 decimals; the next ones count."""
    weights = run(STRATEGY, DATASET).weights
    same = trial_id(STRATEGY, DATASET, weights)
    assert trial_id(STRATEGY, DATASET, weights.replace(0.0, -0.0) + 1e-15) == same
    assert trial_id(STRATEGY, DATASET, weights + 1e-9) != same
    assert trial_id(STRATEGY, DATASET, weights.iloc[1:]) != same


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


def remembering(n_bars: int) -> Callable[[Bars, News], pd.DataFrame]:
    """Return a feature whose lookback stands in its closure alone."""
    return lambda bars, news: panel(x=momentum(bars.close, n_bars))


def imported(bars: Bars, news: News) -> pd.DataFrame:
    """Return a feature whose lookback stands in another module."""
    return panel(x=momentum(bars.close, NAMED.lookback))


NAMED = SimpleNamespace(lookback=3)


def test_strategies_that_differ_where_no_text_of_theirs_tells_share_no_run_and_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a closure, and in what an imported module says."""
    closed = [run(replace(STRATEGY, features=remembering(n_bars)), DATASET) for n_bars in (2, 9)]
    far = [run(replace(STRATEGY, features=imported), DATASET)]
    monkeypatch.setattr(NAMED, "lookback", 9)
    far.append(run(replace(STRATEGY, features=imported), DATASET))
    for one, other in (closed, far):
        assert one.run_id != other.run_id
        assert one.trial_id != other.trial_id
    assert closed[1].trial_id == far[1].trial_id  # the same decisions, by two ways


def test_what_a_function_remembers_of_a_run_is_no_input_of_it() -> None:
    """A feature that keeps what it computed: the same run in a fresh process and in this one is named before it runs."""

    def keeping(kept: list[int]) -> Callable[[Bars, News], pd.DataFrame]:
        return lambda bars, news: kept.append(1) or features(bars, news)  # type: ignore[func-returns-value]  # None, and so the panel

    fresh = [run(replace(STRATEGY, features=keeping([])), DATASET, Settings(end=BARS.times[end])) for end in (-1, 100)]
    assert fresh[0].config["features"] == fresh[1].config["features"] == described(keeping([]))


def test_the_name_of_the_data_and_its_sessions_a_year_are_inputs_of_the_run() -> None:
    """Both stand in the report; neither makes another trial."""
    runs = [run(STRATEGY, replace(DATASET, **change)) for change in ({}, {"name": "else"}, {"sessions_per_year": 365.0})]
    assert len({result.run_id for result in runs}) == 3
    assert len({result.trial_id for result in runs}) == 1


def test_a_stack_of_models_runs() -> None:
    """It predicts only once fitted; its own folds are described as any parameter."""
    stack = StackingRegressor([("ridge", ridge_regressor())], cv=KFold(3))
    assert run(replace(STRATEGY, model=stack), DATASET).trials.n == 1


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


def defaulted(x: float, *, scale: float = 1.5) -> float:
    """Return x in another scale."""
    return x * scale


class Colour(Enum):
    """Two things that are no numbers."""

    RED = 1
    BLUE = 2


class Words:
    """A list of words with a method, that knows itself."""

    def __init__(self, *words: str) -> None:
        """Keep the words."""
        self.words, self.me = set(words), self

    def n(self, text: str) -> int:
        """Return how many of the words are in a text."""
        return sum(word in text for word in self.words)


def scaled(scale: object) -> Callable[[float], object]:
    """Return a function with something in its closure, and with itself."""

    def function(x: float) -> object:
        return (scale, function, x)

    return function


def _kw(scale: float) -> FunctionType:
    """Return a function of one text and another default."""
    made = FunctionType(defaulted.__code__, globals(), "defaulted", None, None)
    made.__kwdefaults__ = {"scale": scale}
    return made


@pytest.mark.parametrize(
    "make",
    [
        KFold,
        TimeSeriesSplit,
        lambda n: loguniform(1, n),
        lambda n: pd.Series({"a": 1.0, "b": n}),
        lambda n: pd.DataFrame({"a": [n], "b": ["x"]}),
        lambda n: pd.Index([n, "x"]),
        lambda n: pd.Categorical([str(n)]),
        lambda n: np.array(["x", n], dtype=object),
        lambda n: np.array([0, n]) if n == 2 else np.array([0.0, 1e-323]),
        lambda n: {"a", "b", str(n)},
        lambda n: b"x" * n,
        lambda n: [datetime(2024, 1, n), timedelta(days=n), date(2024, 1, n)],
        lambda n: Colour(n - 1),
        lambda n: re.compile("x" * n),
        np.random.RandomState,
        scaled,
        lambda n: scaled(np.full(3, n)),
        _kw,
        lambda n: Words("a", str(n)).n,
        lambda n: GridSearchCV(ridge_regressor(), {"ridge__alpha": loguniform(1, n)}, cv=KFold(n)),
        lambda n: CountVectorizer(max_df=1 if n == 2 else 1.0),
        lambda n: FunctionTransformer([np.log, np.exp][n - 2]),
    ],
)
def test_what_users_of_scikit_learn_choose_is_described(make: Callable[[int], object]) -> None:
    """The same twice alike, another one otherwise, as JSON."""
    assert json.dumps(described(make(2))) == json.dumps(described(make(2)))
    assert json.dumps(described(make(2))) != json.dumps(described(make(3)))


def test_equal_numbers_are_described_alike() -> None:
    """Whole floats as whole numbers, wherever they come from; what is not whole stays."""
    assert json.dumps(described([1000.0, -0.0, np.float64(3), 0.5, 2.0**60])) == json.dumps([1000, 0, 3, 0.5, 2.0**60])
    assert json.dumps(described(ridge_regressor(alpha=10))) == json.dumps(described(ridge_regressor(alpha=10.0)))
    assert json.dumps(described(Costs(fee_bps=1))) == json.dumps(described(Costs(fee_bps=1.0)))


def test_a_closure_over_what_cannot_be_described_is_named_by_class() -> None:
    """A lock in a function is no reason to refuse a strategy."""
    assert described(scaled(threading.Lock()))["closure"]["scale"] == {"class": "_thread.lock"}


def test_a_description_tells_parameters_apart_and_refuses_what_it_cannot_tell() -> None:
    """Estimators by parameter, paths and times as strings; an object that is none of these is refused."""
    assert described(ridge_regressor(alpha=1)) != described(ridge_regressor(alpha=2))
    assert described({"a": np.float64(1.5), "b": Path("x")}) == {"a": 1.5, "b": "x"}
    assert described(np.zeros(3)) != described(np.ones(3))
    with pytest.raises(TypeError, match="cannot be described"):
        described(object())
