"""run(): one strategy on one data set. The eight lines of `run` are the architecture."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from quantlab import cache as store
from quantlab.audit.ledger import execution_check, ledger_check, read_orders
from quantlab.bars import Bars
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.errors import DataError, StrategyError, UsageError
from quantlab.executor import Executor, Progress, serial, silent
from quantlab.folds import Fold
from quantlab.portfolio import simulate
from quantlab.repro import code_hash, described, platform_facts, versions
from quantlab.result import BacktestResult, Check, Json, OutOfSample, Portfolio
from quantlab.strategy import Strategy
from quantlab.walkforward import fit_ends, prepared, walk_forward


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run needs besides strategy and data.

    start: first bar of the samples (earlier bars warm the features up); end: nothing after it is read.
    cache, executor and progress change how long a run takes and what it shows, never its result.
    """

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    seed: int = 0
    audit: bool = True
    cache: Cache | None = None
    executor: Executor = serial
    progress: Progress = silent


def run(strategy: Strategy, dataset: Dataset, settings: Settings | None = None) -> BacktestResult:
    """Return what the strategy would have earned on the data set, judged out of sample only.

    Raises UsageError, StrategyError or DataError before any model is fitted where the fault can be seen by then.
    """
    settings = settings or Settings()
    dataset = dataset if settings.end is None else dataset.until(settings.end)
    X, y = samples(strategy, dataset, settings.start)
    folds = list(strategy.folds.split(_times(X), strategy.target.horizon))
    model = prepared(strategy.model, horizon=strategy.target.horizon, random_state=settings.seed, cache=settings.cache)
    predicted = walk_forward(model, X, y, folds, executor=settings.executor, progress=settings.progress)
    weights = decided(strategy, predicted.signal, dataset.bars)
    span = dataset.bars.between(folds[0].test_start, folds[-1].test_end)
    portfolio = simulate(
        weights.loc[span.times], span, strategy.costs, cash=strategy.cash, fill=strategy.fill, max_gross=strategy.max_gross
    )
    return _result(strategy, dataset, settings, y=y, predicted=predicted, weights=weights.loc[span.times], portfolio=portfolio)


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


def _result(
    strategy: Strategy,
    dataset: Dataset,
    settings: Settings,
    *,
    y: pd.Series,
    predicted: OutOfSample,
    weights: pd.DataFrame,
    portfolio: Portfolio,
) -> BacktestResult:
    """Gather everything that the report says."""
    config, provenance = _config(strategy, settings), _provenance(strategy, dataset, settings, predicted)
    benchmark, name = _benchmark(strategy, dataset, weights.index)
    trained_on = y.index.get_level_values(0) <= predicted.fits[-1].fold.train_end
    return BacktestResult(
        run_id=store.key(config, provenance["inputs"])[:16],
        strategy=strategy.name,
        description=strategy.description,
        dataset=dataset,
        horizon=strategy.target.horizon,
        predicted=predicted,
        target=y.reindex(predicted.signal.index),
        weights=weights,
        portfolio=portfolio,
        benchmark=benchmark,
        benchmark_name=name,
        config=config,
        provenance=provenance,
        dropped_rows={"no label in the training rows (not tradable at the next bar, or in a dead zone)": int(y[trained_on].isna().sum())},
        audit=_light_audit(strategy, dataset.bars, predicted, weights, portfolio) if settings.audit else None,
    )


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
    }


def _provenance(strategy: Strategy, dataset: Dataset, settings: Settings, predicted: OutOfSample) -> dict[str, Json]:
    """Return what determined the result (`inputs`) and where it came from."""
    inputs: dict[str, Json] = {"data": content_hash(dataset), "code": code_hash(), "versions": versions(), "platform": platform_facts()}
    inputs["encoders"] = _encoders(predicted)
    files: dict[str, Json] = dict(sorted(dataset.hashes.items()))
    return {
        "inputs": inputs,
        "files": files,
        "strategy_source": strategy.source_hash,
        "seed": settings.seed,
        "threads_per_fit": 1,
        "fit_end": fit_ends(predicted.fits),
    }


def _encoders(predicted: OutOfSample) -> Json:
    """Return which weights, and which number format, each pretrained encoder had: a path alone does not tell."""
    learned = predicted.fits[-1].learned.items()
    return {
        name: {fact: said[fact] for fact in ("checkpoint_id", "dtype")}
        for name, said in learned
        if isinstance(said, dict) and {"checkpoint_id", "dtype"} <= said.keys()
    }


def content_hash(dataset: Dataset) -> str:
    """Return a sha256 of the bars and documents themselves, whatever files, and in whatever order, they came from."""
    bars, table = dataset.bars, dataset.news.table
    values = [getattr(bars, name).to_numpy(dtype=float) for name in ("open", "high", "low", "close", "volume")]
    texts = [store.strings(table[name].tolist()) for name in ("symbol", "text", "source", "id")]
    stamps = pd.DatetimeIndex(table["available_at"]).asi8
    return store.key(bars.times.asi8, list(map(str, bars.symbols)), *values, stamps, *texts, dataset.benchmark)


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


def _light_audit(strategy: Strategy, bars: Bars, predicted: OutOfSample, weights: pd.DataFrame, portfolio: Portfolio) -> tuple[Check, ...]:
    """Check what can be proven without a second run."""
    orders = read_orders(io.StringIO(portfolio.orders.to_csv(index=False)))
    span = bars.between(weights.index[0], weights.index[-1])
    return (
        ledger_check(portfolio, orders, span),
        execution_check(portfolio, weights, span, strategy.costs, strategy.fill),
        _label_check(
            [fit.fold for fit in predicted.fits], [max(fit.fit_end.values()) for fit in predicted.fits], bars, strategy.target.horizon
        ),
    )


def _label_check(folds: Sequence[Fold], fit_ends: Iterable[pd.Timestamp], bars: Bars, horizon: int) -> Check:
    """Prove for each fold that its last training label ended before its first decision."""
    first_test = bars.times.get_indexer(pd.DatetimeIndex([fold.test_start for fold in folds]))
    label_end = bars.times.get_indexer(pd.DatetimeIndex(list(fit_ends))) + 1 + horizon  # the label of t ends at the open of t + 1 + horizon
    overlaps = [fold.test_start.date().isoformat() for fold, late in zip(folds, label_end > first_test, strict=True) if late]
    detail = f"in {len(folds) - len(overlaps)} of {len(folds)} folds the last training label ended before the first decision"
    return Check("label_overlap", not overlaps, detail + (f"; not in {', '.join(overlaps)}" if overlaps else ""))


def _times(X: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(X.index.get_level_values(0).unique())
