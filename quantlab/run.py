"""run(): one strategy on one data set. The few lines of `run` and `traded` are the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from quantlab import cache as store
from quantlab.audit.light import light_audit
from quantlab.bars import Bars
from quantlab.dataset import Dataset
from quantlab.errors import StrategyError
from quantlab.portfolio import simulate, simulate_many
from quantlab.provenance import counted_in, outcome_hash, provenance, trial_id
from quantlab.repro import described
from quantlab.result import BacktestResult, Delayed, Json, OutOfSample, Trials, Variant
from quantlab.steps import Settings, decided, labels, learner, samples
from quantlab.strategy import Strategy
from quantlab.walkforward import walk_forward

__all__ = ["Settings", "decided", "learner", "predicted", "run", "samples", "traded", "with_trials"]

DELAYS = (1, 2)  # bars by which the strategy is also traded later, to see whether it is in a hurry


def run(strategy: Strategy, dataset: Dataset, settings: Settings | None = None) -> BacktestResult:
    """Return what the strategy would have earned on the data set, judged out of sample only.

    Raises UsageError, StrategyError or DataError before any model is fitted where the fault can be seen by then.
    """
    settings = settings or Settings()
    config = _config(strategy, settings)  # before anything runs: a function may keep what it computed
    result = traded(strategy, dataset, settings, predicted(strategy, dataset, settings), config=config)
    return replace(result, audit=light_audit(strategy, result, settings)) if settings.audit else result


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
    target = labels(strategy, bars).reindex(signals.signal.index)
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
    return with_trials(result, Trials())


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
