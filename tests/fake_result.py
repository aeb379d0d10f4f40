"""A finished run made up from seeded noise: quick to build, complete enough for every section of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from quantlab.bars import Bars
from quantlab.dataset import Dataset, Dropped
from quantlab.folds import WalkForward
from quantlab.news import News
from quantlab.result import EXAMPLES, BacktestResult, Check, Delayed, FoldFit, OutOfSample, Portfolio, Trials, Variant

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH")
HORIZON = 5
CASH = 1e6


def fake_result(
    *,
    symbols: Sequence[str] = SYMBOLS,
    n_sessions: int = 420,
    strategy: str = "news_momentum",
    feature: str = "momentum_20",
    skill: float = 0.15,
    audited: bool = True,
    is_probability: bool = True,
    n_documents: int = 200,
) -> BacktestResult:
    """Return a run over `n_sessions` business days; `skill` is how much of the target shows in the signal."""
    random = np.random.default_rng(7)
    bars = _bars(random, sorted(symbols), n_sessions)
    folds = list(WalkForward(train=126, test=63).split(bars.times, HORIZON))
    times = bars.times[bars.times >= folds[0].test_start]
    target = (bars.close.shift(-HORIZON - 1) / bars.close.shift(-1) - 1.0).loc[times].stack(future_stack=True)
    target.index = target.index.set_names(["time", "symbol"])
    noise = pd.Series(random.normal(size=len(target)), index=target.index)
    signal = np.tanh(skill * (target / target.std()).fillna(0.0) + noise) * 0.3
    weights = _weights(signal)
    returns = bars.close.pct_change().loc[times]
    return BacktestResult(
        run_id="0123456789abcdef",
        strategy=strategy,
        description="Buy what has risen on good news, sell what has fallen on bad.",
        dataset=Dataset(
            name="made up",
            bars=bars,
            news=_news(random, bars, n_documents),
            calendar="XNYS",
            dropped=(Dropped("no text", 3, ("news.csv:12", "news.csv:80", "news.csv:81")),),
            notes=("Prices and news are made up.",),
            hashes={"bars.csv": "ab" * 32, "news.csv": "cd" * 32},
        ),
        horizon=HORIZON,
        predicted=OutOfSample(
            signal.rename("signal"), tuple(_fits(random, folds, bars, feature)), is_probability=is_probability, text=_text(signal)
        ),
        target=target.rename("target"),
        weights=weights,
        portfolio=_portfolio(random, weights, returns, bars),
        benchmark=returns.mean(axis=1),
        benchmark_name="equal weight",
        config={"folds": {"test": 63, "train": 126}, "model": {"class": "lightgbm", "learning_rate": 0.05}, "name": strategy},
        provenance={"seed": 0, "source_sha256": "ef" * 32, "versions": {"numpy": "2.4.6", "python": "3.11"}},
        dropped_rows={"label unknown": 48, "feature unknown": 160},
        audit=_CHECKS if audited else None,
        trials=Trials(n=3, sharpes=(0.01, 0.05), source="ledger", notes=("trial ledger: 1 of its lines cannot be read",)),
        trial_id="fedcba9876543210",
        variants=tuple(_variant(number, name, noise, returns) for number, name in enumerate(("no_text", "text_only", "placebo"))),
        delayed=tuple(_delayed(n_bars, weights, returns) for n_bars in (1, 2)),
    )


_CHECKS = (
    Check("truncation", "held", "12 cuts, nothing before them changed"),
    Check("poison", "held", "the future was replaced by noise at 3 cuts"),
    Check("ledger", "held", "equity replayed to 2e-10"),
)


_EXAMPLES = [
    {"text": "<i>company</i> cuts dividend", "score": -0.4, "words": [["company", 0.1], ["cuts", -0.3], ["dividend", -0.2]]},
    {"text": "company beats estimates", "score": 0.6, "words": [["company", 0.0], ["beats", 0.55], ["estimates", 0.05]]},
]


def _bars(random: np.random.Generator, symbols: list[str], n: int) -> Bars:
    times = pd.bdate_range("2020-01-02", periods=n, tz="UTC", unit="us") + pd.Timedelta(hours=21)
    steps = 0.0003 + 0.008 * random.normal(size=(n, 1)) + 0.012 * random.normal(size=(n, len(symbols)))
    close = pd.DataFrame(50.0 * np.exp(np.cumsum(steps, axis=0)), index=times, columns=symbols)
    return Bars(open=close * 0.999, high=close * 1.01, low=close * 0.99, close=close, volume=close * 0 + 1e6)


def _news(random: np.random.Generator, bars: Bars, n: int) -> News:
    return News(
        pd.DataFrame(
            {
                "available_at": bars.times[np.sort(random.integers(0, len(bars.times), n))] - pd.Timedelta(hours=3),
                "symbol": random.choice(list(bars.symbols), n),
                "text": [f"headline {number}" for number in range(n)],
                "source": [("wire", "blog", "")[number % 3] for number in range(n)],
            }
        )
    )


def _weights(signal: pd.Series) -> pd.DataFrame:
    """Return the signal less its mean, held for five sessions, sizes summing to 1."""
    wide = signal.unstack()
    weights = wide.sub(wide.mean(axis=1), axis=0).rolling(5, min_periods=1).mean()
    return weights.div(weights.abs().sum(axis=1), axis=0)


def _text(signal: pd.Series) -> pd.DataFrame:
    """Return a tone and the shares of three topics, without a random number: others depend on how many were drawn."""
    place = np.arange(len(signal))
    share = {f"topic_{k}": ((place + k) % 3 == 0) * (place % 7 > 0) * 0.8 for k in range(3)}
    return pd.DataFrame({"sentiment_tone": np.sin(place), **share}, index=signal.index)


def _variant(number: int, name: str, noise: pd.Series, returns: pd.DataFrame) -> Variant:
    """Return the strategy with a signal of noise, each variant with noise of its own."""
    signal = pd.Series(np.roll(noise.to_numpy(), number), index=noise.index)
    held = _weights(signal).shift(1, fill_value=0.0)
    turnover = held.diff().abs().sum(axis=1)
    return Variant(name, signal, (held * returns).sum(axis=1) - 6e-4 * turnover, turnover)


def _delayed(n_bars: int, weights: pd.DataFrame, returns: pd.DataFrame) -> Delayed:
    held = weights.shift(1 + n_bars, fill_value=0.0)
    return Delayed(n_bars, (held * returns).sum(axis=1), held.diff().abs().sum(axis=1))


def _fits(random: np.random.Generator, folds: list, bars: Bars, feature: str) -> list[FoldFit]:
    names = (feature, "momentum_5", "volatility_20", "sentiment", "topic_0", "topic_1", "topic_2", "embedding_0")
    fits = []
    for fold in folds:
        share = random.dirichlet(np.arange(len(names), 0, -1.0))
        words = ["earnings", "profit", "guidance", "lawsuit", "merger", "dividend"]
        fits.append(
            FoldFit(
                fold=fold,
                n_train=126 * len(bars.symbols),
                n_test=63 * len(bars.symbols),
                fit_end={"model": fold.train_end, "topics": fold.train_end},
                importance=dict(zip(names, share.tolist(), strict=True)),
                learned={
                    "topics": {"topics": [list(random.permutation(words)[:4]) for k in range(3)]},
                    "encoder": {"loss": [0.69, 0.64], "knowledge_cutoff": "2020-08-31", EXAMPLES: _EXAMPLES if fold is folds[-1] else []},
                },
                groups={name: name.split("_")[0] for name in names[3:]},
                contribution=dict(zip(names, (0.01 * share).tolist(), strict=True)),
            )
        )
    return fits


def _portfolio(random: np.random.Generator, weights: pd.DataFrame, returns: pd.DataFrame, bars: Bars) -> Portfolio:
    held = weights.shift(1, fill_value=0.0)
    gross = (held * returns).sum(axis=1)
    turnover = (held - held.shift(1, fill_value=0.0)).abs().sum(axis=1)
    net = gross - turnover * 6e-4
    equity = CASH * (1.0 + net).cumprod()
    price = bars.close.loc[weights.index]
    return Portfolio(
        cash=CASH,
        equity=equity,
        returns=net,
        gross_returns=gross,
        turnover=turnover,
        fees=turnover * 1e-4 * equity,
        slippage=turnover * 5e-4 * equity,
        positions=held.mul(equity, axis=0) / price,
        exposure=held,
        **_tables(random, weights, price),
    )


def _tables(random: np.random.Generator, weights: pd.DataFrame, price: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return orders, cut and trades: one trade per symbol and month, bought and sold again."""
    times, symbols = weights.index, list(weights.columns)
    entry = np.repeat(np.arange(1, len(times) - 25, 21), len(symbols))
    symbol = np.tile(np.arange(len(symbols)), len(entry) // len(symbols))
    leave = entry + 20
    bought, sold = price.to_numpy()[entry, symbol], price.to_numpy()[leave, symbol]
    size = np.round(random.uniform(100, 900, len(entry)), 3)
    names = np.array(symbols, dtype=object)[symbol]
    ongoing = leave == leave.max()
    trades = pd.DataFrame(
        {
            "symbol": names,
            "side": "long",
            "entry_time": times[entry],
            "exit_time": times[leave].where(~ongoing),
            "size": size,
            "entry_price": bought,
            "exit_price": np.where(ongoing, np.nan, sold),
            "pnl": size * (sold - bought) - 12.0,
            "return": sold / bought - 1.0,
        }
    )
    orders = pd.concat([_orders(times, entry, names, "buy", size, bought), _orders(times, leave, names, "sell", size, sold)])
    orders = orders.sort_values(["time", "symbol"], kind="stable", ignore_index=True)
    cut = pd.DataFrame({"time": times[[3]], "symbol": symbols[:1], "asked": [100.0], "filled": [60.0]})
    return {"orders": orders, "cut": cut, "trades": trades}


def _orders(times: pd.DatetimeIndex, when: np.ndarray, symbol: np.ndarray, side: str, size: np.ndarray, price: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": times[when],
            "decided_at": times[when - 1],
            "symbol": symbol,
            "side": side,
            "size": size,
            "price": price,
            "fee": size * price * 1e-4,
            "slippage": size * price * 5e-4,
            "reason": "target",
        }
    )
