"""Provenance: what determined a result, as JSON, and the names that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab import cache as store
from quantlab.dataset import Dataset
from quantlab.repro import code_hash, described, platform_facts, versions
from quantlab.result import Json, OutOfSample, Trials
from quantlab.strategy import Strategy
from quantlab.walkforward import fit_ends

DECIMALS = 12  # of a weight: what is finer is noise of the platform, and no other decision


def provenance(strategy: Strategy, dataset: Dataset, *, seed: int, signals: OutOfSample) -> dict[str, Json]:
    """Return what determined the result (`inputs`, but for the trials: see `counted_in`) and where it came from."""
    inputs: dict[str, Json] = {"data": content_hash(dataset), "code": code_hash(), "versions": versions(), "platform": platform_facts()}
    inputs["encoders"] = _encoders(signals)
    inputs["dataset"] = {"name": dataset.name, "sessions_per_year": described(dataset.sessions_per_year)}
    if len(dataset.quarantined):
        inputs["quarantined"] = store.key(*(list(map(str, dataset.quarantined[name])) for name in dataset.quarantined))
    files: dict[str, Json] = dict(sorted(dataset.hashes.items()))
    return {
        "inputs": inputs,
        "files": files,
        "strategy_source": strategy.source_hash,
        "seed": seed,
        "threads_per_fit": 1,
        "fit_end": fit_ends(signals.fits),
    }


def counted_in(origin: Mapping[str, Json], trials: Trials) -> dict[str, Json]:
    """Return the provenance with the trials among its inputs.

    How often the strategy was tried is one: with another count the deflated Sharpe ratio, and so the report, is another.
    """
    inputs = origin["inputs"]
    assert isinstance(inputs, dict)  # noqa: S101 - `provenance` makes it one: for the type checker
    said: Json = {"n": trials.n, "source": trials.source, "sharpes": store.key(list(trials.sharpes)), "notes": list(trials.notes)}
    return {**origin, "inputs": {**inputs, "trials": said}}


def trial_id(strategy: Strategy, dataset: Dataset, weights: pd.DataFrame) -> str:
    """Return the name of a trial: what was decided, (n_times, n_symbols), on which data as far as read, and on what terms it was traded.

    Parameters and code are not in it: two spellings of one decision are one trial, and one file that decides otherwise is two.
    """
    values = np.round(weights.to_numpy(dtype=float), DECIMALS) + 0.0  # -0.0 is 0.0
    terms = described((strategy.costs, strategy.cash, strategy.fill, strategy.max_gross))
    return store.key(content_hash(dataset), _labels(weights.index), list(map(str, weights.columns)), values, terms)[:16]


def outcome_hash(signals: OutOfSample, target: pd.Series, weights: pd.DataFrame) -> str:
    """Return a sha256 of what came out of a strategy, to the last bit: its code may read what no description of it tells."""
    said: list[object] = []
    for series in (signals.signal, *(signals.variants[name] for name in sorted(signals.variants)), target):
        times, symbols = (series.index.get_level_values(level) for level in (0, 1))
        codes, names = pd.factorize(symbols)
        said += [_labels(times), codes, list(map(str, names)), series.to_numpy(dtype=float)]
    return store.key(
        *said, sorted(signals.variants), _labels(weights.index), list(map(str, weights.columns)), weights.to_numpy(dtype=float)
    )


def _labels(times: pd.Index) -> npt.NDArray[np.int64]:
    return pd.DatetimeIndex(times).as_unit("us").asi8


def _encoders(signals: OutOfSample) -> Json:
    """Return which weights, and which number format, each pretrained encoder had: a path alone does not tell."""
    learned = signals.fits[-1].learned.items()
    return {
        name: {fact: said[fact] for fact in ("checkpoint_id", "dtype", "device") if fact in said}
        for name, said in learned
        if isinstance(said, dict) and {"checkpoint_id", "dtype"} <= said.keys()
    }


@lru_cache(maxsize=1)
def content_hash(dataset: Dataset) -> str:
    """Return a sha256 of the bars and documents themselves, whatever files, and in whatever order, they came from."""
    bars, table = dataset.bars, dataset.news.table
    values = [getattr(bars, name).to_numpy(dtype=float) for name in ("open", "high", "low", "close", "volume")]
    texts = [store.strings(table[name].tolist()) for name in ("symbol", "text", "source", "id")]
    stamps = pd.DatetimeIndex(table["available_at"]).asi8
    return store.key(bars.times.asi8, list(map(str, bars.symbols)), *values, stamps, *texts, dict(dataset.names), dataset.benchmark)
