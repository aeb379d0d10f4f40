"""run(): one strategy on one data set. The few lines of `run` and `traded` are the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from quantlab import cache as store
from quantlab.audit.light import light_audit
from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import DataError, StrategyError, UsageError
from quantlab.executor import Executor, Progress, serial, silent
from quantlab.portfolio import simulate, simulate_many
from quantlab.provenance import counted_in, outcome_hash, provenance, trial_id
from quantlab.repro import described
from quantlab.result import BacktestResult, Delayed, Json, OutOfSample, Trials, Variant
from quantlab.strategy import Strategy
from quantlab.walkforward import prepared, walk_forward

DELAYS = (1, 2)  # bars by which the strategy is also traded later, to see whether it is in a hurry


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run needs besides strategy and data.

    start: first bar of the samples (earlier bars warm the features up); end: nothing after it is read.
    audit: check the run. ablation: also run without the text, with the text alone and with a placebo, and later than decided.
    cache, executor and progress change how long a run takes and what it shows, never its result.
    """

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    seed: int = 0
    audit: bool = True
    ablation: bool = True
    cache: Cache | None = None
    executor: Executor = serial
    progress: Progress = silent


def run(strategy: Strategy, dataset: Dataset, settings: Settings | None = None) -> BacktestResult:
    """Return what the strategy would have earned on the data set, judged out of sample only.

    Raises UsageError, StrategyError or DataError before any model is fitted where the fault can be seen by then.
    """
    settings = settings or Settings()
    config = _config(strategy, settings)  # before anything runs: a function may keep what it computed
    return traded(strategy, dataset, settings, predicted(strategy, dataset, settings), config=config)


def predicted(strategy: Strategy, dataset: Dataset, settings: Settings) -> OutOfSample:
    """Return the out-of-sample signal: features, folds, learners. It depends on neither the weights nor the costs."""
    dataset = _read(dataset, settings)
    X, y = samples(strategy, dataset, settings.start)
    folds = list(strategy.folds.split(_times(X), strategy.target.horizon))
    model = learner(strategy, dataset, settings)
    return walk_forward(
        model, X, y, folds, ablate=settings.ablation, cache=settings.cache, executor=settings.executor, progress=settings.progress
    )


def traded(strategy: Strategy, dataset: Dataset, settings: Settings, signals: OutOfSample, *, config: Mapping[str, Json]) -> BacktestResult:
    """Return what a signal would have earned: weights, portfolio, and all that a report says about them."""
    dataset = _read(dataset, settings)
    bars = dataset.bars
    span = bars.between(signals.fits[0].fold.test_start, signals.fits[-1].fold.test_end)
    weights = decided(strategy, signals.signal, bars).loc[span.times]
    portfolio = simulate(weights, span, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross)
    benchmark, benchmark_name = _benchmark(strategy, dataset, span.times)
    target = strategy.target(bars).reindex(signals.signal.index)
    result = BacktestResult(
        run_id="",  # follows from the rest: `with_trials`
        trial_id=trial_id(strategy, dataset, weights),
        strategy=strategy.name,
        description=strategy.description,
        dataset=dataset,
        horizon=strategy.target.horizon,
        predicted=signals,
        target=target,
        weights=weights,
        portfolio=portfolio,
        benchmark=benchmark,
        benchmark_name=benchmark_name,
        config=config,
        provenance=provenance(strategy, dataset, seed=settings.seed, signals=signals) | {"outcome": outcome_hash(signals, target, weights)},
        dropped_rows={"no label in the training rows (not tradable at the next bar, or in a dead zone)": signals.n_unlabelled},
        audit=None,
        variants=_variants(strategy, bars, span, signals) if settings.ablation and signals.variants else None,
        delayed=_delayed(strategy, span, weights) if settings.ablation else (),
    )
    result = with_trials(result, Trials())
    return replace(result, audit=light_audit(result, strategy.costs, strategy.fill)) if settings.audit else result


def with_trials(result: BacktestResult, trials: Trials) -> BacktestResult:
    """Return the run as one of so many trials: what it is judged by, and so another run id.

    The count is known only now: whether a run is a new trial shows in what it decided.
    """
    origin = counted_in(result.provenance, trials)
    run_id = store.key(result.config, origin["inputs"], origin["outcome"])[:16]
    return replace(result, run_id=run_id, trials=trials, provenance=origin)


def _read(dataset: Dataset, settings: Settings) -> Dataset:
    """Return the data set as far as it may be read."""
    return dataset if settings.end is None else dataset.until(settings.end)


def _variants(strategy: Strategy, bars: Bars, span: Bars, signals: OutOfSample) -> tuple[Variant, ...]:
    """Return what the same weight rule would have earned from the signals of other columns."""
    weights = [decided(strategy, signal, bars).loc[span.times] for signal in signals.variants.values()]
    earned = simulate_many(weights, span, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross)
    return tuple(
        Variant(name, signal, returns, turnover)
        for (name, signal), (returns, turnover) in zip(signals.variants.items(), earned, strict=True)
    )


def _delayed(strategy: Strategy, span: Bars, weights: pd.DataFrame) -> tuple[Delayed, ...]:
    """Return what the same weights would have earned some bars later, without fees and slippage."""
    free = replace(strategy.costs, fee_bps=0.0, slippage_bps=0.0)
    later = [weights.shift(n_bars, fill_value=0.0) for n_bars in DELAYS]
    earned = simulate_many(later, span, free, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross)
    return tuple(Delayed(n_bars, returns, turnover) for n_bars, (returns, turnover) in zip(DELAYS, earned, strict=True))


def samples(strategy: Strategy, dataset: Dataset, start: pd.Timestamp | None) -> tuple[pd.DataFrame, pd.Series]:
    """Return the panel X and the labels y of every (time, symbol) from `start` on at which the symbol has a bar.

    Raises StrategyError if the features are not a panel of finite numbers and news columns on the bars' times and symbols.
    """
    bars = dataset.bars
    X = strategy.features(bars, dataset.news)
    _check_panel(X, bars)
    listed = bars.listed.stack().reindex(X.index).to_numpy(dtype=bool)
    if start is not None:
        listed = listed & (X.index.get_level_values(0) >= start)
    if not listed.any():
        raise UsageError(f"there is no bar from {start} on: the data runs from {bars.times[0]} to {bars.times[-1]}")
    X = X[listed]
    return X, strategy.target(bars).reindex(X.index)


def learner(strategy: Strategy, dataset: Dataset, settings: Settings) -> BaseEstimator:
    """Return the strategy's model, told what it left open: the horizon, the seed, the cache, the names that texts may be masked by."""
    return prepared(
        strategy.model,
        horizon=strategy.target.horizon,
        random_state=settings.seed,
        cache=settings.cache,
        entity_names=[*dataset.bars.symbols, *dataset.names.values()],
    )


def decided(strategy: Strategy, signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Return the strategy's weights for a signal, checked: one row per bar, one column per symbol."""
    weights = strategy.weights(signal, bars)
    if not isinstance(weights, pd.DataFrame) or not (weights.index.equals(bars.times) and weights.columns.equals(bars.symbols)):
        raise StrategyError("weights(signal, bars) must return a DataFrame with the times and symbols of bars: see quantlab.weights")
    return weights


def _check_panel(X: object, bars: Bars) -> None:
    """Refuse features that are no panel: a wrong shape would be joined to the wrong rows, an infinity would drown a model."""
    if not isinstance(X, pd.DataFrame) or not isinstance(X.index, pd.MultiIndex) or X.index.nlevels != 2:
        raise StrategyError("features(bars, news) must return a DataFrame indexed by (time, symbol): build it with quantlab.features.panel")
    if not X.index.is_monotonic_increasing or not X.index.is_unique:
        raise StrategyError("the rows of features must be unique and sorted by (time, symbol): call .sort_index()")
    foreign = ~(X.index.get_level_values(0).isin(bars.times) & X.index.get_level_values(1).isin(bars.symbols))
    if foreign.any():
        raise StrategyError(f"features has {int(foreign.sum())} rows that are no (time, symbol) of the bars, first {X.index[foreign][0]}")
    if X.shape[1] == 0:
        raise StrategyError("features has no column")
    for name, column in X.select_dtypes("number").items():
        endless = np.isinf(column.to_numpy(dtype=float))
        if endless.any():
            raise DataError(f"the feature {name!r} is infinite at {X.index[endless][0]}: guard the division that made it")


def _config(strategy: Strategy, settings: Settings) -> dict[str, Json]:
    """Return all that the user chose, as JSON."""
    chosen = described(replace(strategy, description=""))
    assert isinstance(chosen, dict)  # noqa: S101 - a dataclass is described as a dictionary: for the type checker
    return {
        **{name: value for name, value in chosen.items() if name not in ("class", "description")},
        "start": None if settings.start is None else settings.start.isoformat(),
        "end": None if settings.end is None else settings.end.isoformat(),
        "seed": settings.seed,
        "audit": settings.audit,
        "ablation": settings.ablation,
    }


def _benchmark(strategy: Strategy, dataset: Dataset, times: pd.Index) -> tuple[pd.Series, str]:
    """Return the benchmark's close-to-close returns over the evaluated bars, without costs, and its name."""
    symbol = strategy.benchmark or dataset.benchmark
    close = dataset.bars.close
    if symbol is not None and symbol not in close:
        raise StrategyError(f"the benchmark {symbol!r} has no bars: name one of the symbols, or leave it out")
    returns = close.ffill().pct_change(fill_method=None).where(dataset.bars.listed)
    chosen = returns.mean(axis=1) if symbol is None else returns[symbol]
    held = chosen.reindex(times).fillna(0.0)
    held.iloc[0] = 0.0  # the portfolio cannot trade before the second bar of the span either
    return held.rename("benchmark"), symbol or "equal weight, rebalanced daily"


def _times(X: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(X.index.get_level_values(0).unique())
