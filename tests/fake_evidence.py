"""A finished run on a made-up market, simulated for real: its money can be taken apart and adds up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from quantlab.bars import Bars
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.folds import Fold
from quantlab.news import News
from quantlab.portfolio import simulate
from quantlab.result import BacktestResult, Delayed, FoldFit, OutOfSample, Portfolio, Variant

HORIZON = 2
SOURCES = ("", "agency", "blog", "wire")


def market(n_times: int = 160, n_symbols: int = 6, n_documents: int = 300, seed: int = 0) -> Dataset:
    """Return bars with a halt, a late listing and a delisting, and news of them, of strangers and of the whole market."""
    random = np.random.default_rng(seed)
    times = pd.bdate_range("2020-10-01", periods=n_times, tz="UTC", unit="us") + pd.Timedelta(hours=21)
    symbols = pd.Index([f"S{number:02d}" for number in range(n_symbols)])
    close = pd.DataFrame(50.0 * np.exp(np.cumsum(0.012 * random.normal(size=(n_times, n_symbols)), axis=0)), times, symbols)
    open_ = close * np.exp(0.004 * random.normal(size=close.shape))
    missing = np.zeros(close.shape, dtype=bool)
    missing[: n_times // 3, 3], missing[n_times // 2 : n_times // 2 + 3, 4], missing[-n_times // 4 :, 5] = True, True, True
    high, low = np.fmax(open_, close) * 1.001, np.fmin(open_, close) * 0.999
    volume = pd.DataFrame(random.integers(1_000, 100_000, close.shape).astype(float), times, symbols)
    bars = Bars(*(table.mask(missing) for table in (open_, high, low, close)), volume.mask(missing, 0.0))
    stamp = times[np.sort(random.integers(0, n_times, n_documents))] - pd.to_timedelta(random.integers(0, 4000, n_documents), unit="m")
    news = pd.DataFrame(
        {
            "available_at": stamp,
            "symbol": random.choice([*symbols, "*", "ZZZ"], n_documents),
            "text": [f"headline {number % (n_documents * 2 // 3)}" for number in range(n_documents)],
            "source": random.choice(SOURCES, n_documents),
            "id": [f"d{number:06d}" for number in range(n_documents)],
        }
    )
    return Dataset(name="made up", bars=bars, news=News(news))


def finished(
    dataset: Dataset | None = None, *, n_folds: int = 2, first: int | None = None, n_topics: int = 3, seed: int = 1, variants: bool = True
) -> BacktestResult:
    """Return a run whose signal knows a little of the future, traded from bar `first` on (a quarter of the way by default)."""
    dataset = market() if dataset is None else dataset
    random, bars = np.random.default_rng(seed), dataset.bars
    first = len(bars.times) // 4 if first is None else first
    times = bars.times[first:]
    ahead = bars.open.ffill().to_numpy()
    target = pd.DataFrame(np.nan, bars.times, bars.symbols)
    target.iloc[: -HORIZON - 1] = ahead[HORIZON + 1 :] / ahead[1:-HORIZON] - 1.0
    index = pd.MultiIndex.from_product([times, bars.symbols], names=["time", "symbol"])
    index = index[bars.listed.loc[times].to_numpy().ravel()]
    y = target.stack(future_stack=True).reindex(index).rename("target")
    signal = (0.4 * (y / y.std()).fillna(0.0) + random.normal(size=len(y))).rename("signal")
    text = _text(random, index, n_topics)
    result = BacktestResult(
        run_id="0123456789abcdef",
        strategy="fake",
        description="",
        dataset=dataset,
        horizon=HORIZON,
        predicted=OutOfSample(signal, _fits(times, n_folds, text), text=text),
        target=y,
        weights=pd.DataFrame(),
        portfolio=_no_trades(times),
        benchmark=bars.close.ffill().pct_change(fill_method=None).where(bars.listed).mean(axis=1).loc[times].rename("benchmark"),
        benchmark_name="equal weight",
        config={},
        provenance={},
        dropped_rows={},
        audit=None,
    )
    result = traded(result, demeaned(signal, bars.times[first:], bars.symbols))
    others = tuple(_variant(name, result, random) for name in ("no_text", "text_only", "placebo"))
    delayed = tuple(_delayed(result, n_bars) for n_bars in (1, 2))
    return replace(result, variants=others if variants else None, delayed=delayed)


def demeaned(signal: pd.Series, times: pd.DatetimeIndex, symbols: pd.Index) -> pd.DataFrame:
    """Return weights that sum to 0 and whose sizes sum to 1 in each bar; 0 where there is no signal."""
    wide = signal.unstack().reindex(index=times, columns=symbols)
    apart = wide.sub(wide.mean(axis=1), axis=0).fillna(0.0)
    return apart.div(apart.abs().sum(axis=1).replace(0.0, 1.0), axis=0)


def traded(result: BacktestResult, weights: pd.DataFrame, costs: Costs | None = None) -> BacktestResult:
    """Return the result with other weights, simulated."""
    span = result.dataset.bars.between(weights.index[0], weights.index[-1])
    return replace(result, weights=weights, portfolio=simulate(weights, span, costs or Costs(fee_bps=2.0, slippage_bps=3.0)))


def hand_made(
    bars: Bars, weights: Sequence[Sequence[float]], *, signal: pd.Series | None = None, news: News | None = None, costs: Costs | None = None
) -> BacktestResult:
    """Return a run over all the bars with the given weights, one fold, and a signal of ones unless given."""
    index = pd.MultiIndex.from_product([bars.times, bars.symbols], names=["time", "symbol"])
    signal = pd.Series(1.0, index=index) if signal is None else signal
    fold = Fold(bars.times[0], bars.times[0], bars.times[1], bars.times[-1])
    result = BacktestResult(
        run_id="0",
        strategy="hand",
        description="",
        dataset=Dataset(name="hand", bars=bars, news=news or News.none()),
        horizon=1,
        predicted=OutOfSample(signal, (FoldFit(fold, 1, 1, {}),)),
        target=signal * 0.0,
        weights=pd.DataFrame(),
        portfolio=_no_trades(bars.times),
        benchmark=pd.Series(0.0, index=bars.times),
        benchmark_name="equal weight",
        config={},
        provenance={},
        dropped_rows={},
        audit=None,
    )
    table = pd.DataFrame(weights, index=bars.times, columns=bars.symbols, dtype=float)
    return traded(result, table, costs or Costs(fee_bps=0.0, slippage_bps=0.0))


def _text(random: np.random.Generator, index: pd.MultiIndex, n_topics: int) -> pd.DataFrame:
    """Return a tone and shares of topics, all 0 in every fifth row."""
    share = random.dirichlet(np.ones(n_topics), size=len(index)) * (np.arange(len(index)) % 5 > 0)[:, None]
    columns = {f"topic_{number}": share[:, number] for number in range(n_topics)}
    return pd.DataFrame({"sentiment_tone": random.uniform(-1, 1, len(index)), **columns}, index=index)


def _fits(times: pd.DatetimeIndex, n_folds: int, text: pd.DataFrame) -> tuple[FoldFit, ...]:
    groups = {name: "sentiment" if name.startswith("sentiment") else "lda_topics" for name in text}
    parts = np.array_split(np.arange(len(times)), n_folds)
    return tuple(
        FoldFit(
            Fold(times[0], times[0], times[part[0]] if part[0] else times[0] + pd.Timedelta(1, "us"), times[part[-1]]),
            100,
            len(part),
            {"model": times[0]},
            groups=groups,
            contribution={"momentum_5": 0.2, "volatility_20": 0.1, **{name: 0.05 * (number + 1) for number, name in enumerate(text)}},
        )
        for number, part in enumerate(parts)
    )


def _variant(name: str, result: BacktestResult, random: np.random.Generator) -> Variant:
    """Return the strategy with a signal of noise."""
    signal = pd.Series(random.normal(size=len(result.target)), index=result.target.index)
    times = pd.DatetimeIndex(result.weights.index)
    noise = traded(result, demeaned(signal, times, result.weights.columns)).portfolio
    return Variant(name, signal, noise.returns, noise.turnover)


def _delayed(result: BacktestResult, n_bars: int) -> Delayed:
    late = traded(result, result.weights.shift(n_bars, fill_value=0.0)).portfolio
    return Delayed(n_bars, late.gross_returns, late.turnover)


def _no_trades(times: pd.DatetimeIndex) -> Portfolio:
    nothing = pd.Series(0.0, index=times)
    return Portfolio(
        cash=1e6, equity=nothing + 1e6, returns=nothing, gross_returns=nothing, turnover=nothing, fees=nothing, slippage=nothing,
        positions=pd.DataFrame(index=times), exposure=pd.DataFrame(index=times),
        orders=pd.DataFrame(), cut=pd.DataFrame(), trades=pd.DataFrame(),
    )  # fmt: skip
