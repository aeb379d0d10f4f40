"""Provenance: what determined a result, as JSON, and the names that follow from it."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from quantlab import cache as store
from quantlab.dataset import Dataset
from quantlab.repro import code_hash, platform_facts, versions
from quantlab.result import Json, OutOfSample, Trials
from quantlab.strategy import Strategy
from quantlab.walkforward import fit_ends


def provenance(strategy: Strategy, dataset: Dataset, *, seed: int, signals: OutOfSample, trials: Trials) -> dict[str, Json]:
    """Return what determined the result (`inputs`) and where it came from.

    How often the strategy was tried is an input: with another count the deflated Sharpe ratio, and so the report, is another.
    """
    inputs: dict[str, Json] = {"data": content_hash(dataset), "code": code_hash(), "versions": versions(), "platform": platform_facts()}
    inputs["encoders"] = _encoders(signals)
    inputs["trials"] = {"n": trials.n, "source": trials.source, "sharpes": store.key(list(trials.sharpes)), "notes": list(trials.notes)}
    files: dict[str, Json] = dict(sorted(dataset.hashes.items()))
    return {
        "inputs": inputs,
        "files": files,
        "strategy_source": strategy.source_hash,
        "seed": seed,
        "threads_per_fit": 1,
        "fit_end": fit_ends(signals.fits),
    }


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
