"""The comparison of finished runs, on the sessions that all of them cover.

1. Sessions that not every run has are left out and counted, for each run.
2. Every figure is computed again on what is left, so that no run is judged on easier days than another.
3. A difference is to the first run, the baseline. Its interval comes from a block bootstrap that draws the same sessions for both:
   what moved both alike cancels, so a difference can be clear where neither figure is.
4. What was chosen, and what was read, is set side by side wherever it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab import metrics, significance
from quantlab.cache import key
from quantlab.compare.record import Record
from quantlab.compare.settings import differing
from quantlab.errors import UsageError
from quantlab.result import Json
from quantlab.significance import figures as resampled
from quantlab.significance.bootstrap import LEAST_SESSIONS

Statistic = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
SHORTEST_ID = 8  # characters


@dataclass(frozen=True)
class Difference:
    """A figure of a run less that of the baseline, and its interval; NaN where it cannot be said."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """Two or more runs side by side; the first is the baseline.

    sessions: those that all runs have, (n_common,). left_out: sessions of each run that are not among them.
    figures: for each run, name to value on the common sessions.
    differences: for each run but the first, name to difference from the baseline.
    settings: dotted names of the configuration to one value per run, only where they differ; None where a run has no such setting.
    data: likewise for the data set: its name, the hash of its content, and of each file. code: likewise for the versions and the code.
    notes: what a reader must know before trusting the differences.
    """

    runs: tuple[Record, ...]
    sessions: pd.DatetimeIndex
    left_out: tuple[int, ...]
    figures: tuple[Mapping[str, float], ...]
    differences: tuple[Mapping[str, Difference], ...]
    settings: Mapping[str, tuple[Json, ...]]
    data: Mapping[str, tuple[Json, ...]]
    code: Mapping[str, tuple[Json, ...]]
    notes: tuple[str, ...]

    @property
    def comparison_id(self) -> str:
        """A hash of the run ids, in their order: it names the page."""
        return key([record.run_id for record in self.runs])[:16]

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each run: its strategy, and as much of its id as tells all apart."""
        return names(self.runs)


def compare(runs: Sequence[Record], *, confidence: float = 0.95, n_resamples: int = 1000, seed: int = 0) -> Comparison:
    """Return two or more runs side by side, with intervals on the differences to the first.

    Raises UsageError for fewer than two runs, a run that is named twice, or runs that have no session in common.
    """
    _check(runs)
    sessions = _common(runs)
    tables = [_by_session(record, sessions) for record in runs]
    figures = tuple(_figures(table, runs[0].periods) for table in tables)
    ways = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    differences = tuple(
        {
            name: _difference(figures[position][name] - figures[0][name], (tables[position], tables[0]), parts, ways)
            for name, parts in _statistics(runs[0].periods).items()
        }
        for position in range(1, len(runs))
    )
    return Comparison(
        runs=tuple(runs),
        sessions=sessions,
        left_out=tuple(len(record.sessions) - len(sessions) for record in runs),
        figures=figures,
        differences=differences,
        settings=differing([record.manifest["config"] for record in runs]),
        data=differing([_data(record) for record in runs]),
        code=differing([_code(record) for record in runs]),
        notes=_notes(runs, sessions),
    )


def _check(runs: Sequence[Record]) -> None:
    if len(runs) < 2:
        raise UsageError(f"compare takes two runs or more, not {len(runs)}: name another one")
    ids = [record.run_id for record in runs]
    for position, name in enumerate(ids):
        if name in ids[:position]:
            raise UsageError(f"the run {runs[position].strategy}/{name} is named twice: name another one")


def _common(runs: Sequence[Record]) -> pd.DatetimeIndex:
    """Return the sessions that every run has."""
    common = pd.DatetimeIndex(runs[0].sessions.index)
    for record in runs[1:]:
        common = common.intersection(pd.DatetimeIndex(record.sessions.index))
    if not len(common):
        spans = [f"{record.strategy}/{record.run_id}: {_span(record)}" for record in runs]
        raise UsageError(f"the runs have no session in common ({'; '.join(spans)}): compare runs over the same time")
    return common.sort_values()


def _span(record: Record) -> str:
    return f"{record.sessions.index[0].date()} to {record.sessions.index[-1].date()}"


def _by_session(record: Record, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Return what the figures are made of, (n_common, 5): return, turnover, ic, hits, judged."""
    kept = record.signal[record.signal.index.get_level_values("time").isin(sessions)]
    signal, target = kept["signal"], kept["target"]
    rows = metrics.judged(signal, target)
    hit = np.sign(rows["signal"]) == np.sign(rows["target"])
    counted = hit.groupby(level=0).agg(["sum", "count"]).reindex(sessions, fill_value=0).astype(float)
    return pd.DataFrame(
        {
            "return": record.sessions["return"].loc[sessions],
            "turnover": record.sessions["turnover"].loc[sessions],
            "ic": metrics.information_coefficient(signal, target).reindex(sessions),
            "hits": counted["sum"],
            "judged": counted["count"],
        }
    )


def _figures(table: pd.DataFrame, periods: float) -> dict[str, float]:
    returns = table["return"]
    return {
        "total_return": metrics.total_return(returns),
        "cagr": metrics.cagr(returns, periods=periods),
        "volatility": metrics.volatility(returns, periods=periods),
        "sharpe": metrics.sharpe(returns, periods=periods),
        "max_drawdown": metrics.max_drawdown(returns),
        "turnover": float(table["turnover"].mean()),
        "ic_mean": float(table["ic"].mean()),
        "hit_rate": float(table["hits"].sum() / table["judged"].sum()) if table["judged"].sum() else float("nan"),
    }


def _statistics(periods: float) -> dict[str, tuple[list[str], Statistic]]:
    """Return for each figure the columns that it needs, and its statistic for resampled sessions."""
    return {
        "total_return": (["return"], resampled.total_return),
        "cagr": (["return"], partial(resampled.cagr, periods=periods)),
        "volatility": (["return"], partial(resampled.volatility, periods=periods)),
        "sharpe": (["return"], partial(resampled.sharpe, periods=periods)),
        "max_drawdown": (["return"], resampled.max_drawdown),
        "turnover": (["turnover"], resampled.mean),
        "ic_mean": (["ic"], resampled.mean),
        "hit_rate": (["hits", "judged"], resampled.share),
    }


def _difference(
    value: float, tables: tuple[pd.DataFrame, pd.DataFrame], parts: tuple[list[str], Statistic], ways: Mapping[str, Any]
) -> Difference:
    """Return a difference with its interval, the same sessions drawn for both runs."""
    columns, statistic = parts
    own, base = (table[columns].to_numpy(dtype=float) for table in tables)
    if len(columns) == 1:
        own, base = own[:, 0], base[:, 0]
    found = significance.difference_interval(own, base, statistic, **ways)
    return Difference(value, found.low, found.high)


def _data(record: Record) -> dict[str, Json]:
    """Return what a run read: the data set's name, the hash of what it held, and of each file."""
    stated = record.manifest["data"]
    content = record.manifest["provenance"].get("inputs", {}).get("data")
    shape = {name: record.report["data"].get(name) for name in ("start", "end", "n_sessions", "n_symbols", "n_documents")}
    return {"name": stated.get("name"), "content_sha256": content, **shape, "files": dict(stated.get("hashes", {}))}


def _code(record: Record) -> dict[str, Json]:
    """Return by what a run was made: the strategy file, the package, the libraries and the machine."""
    inputs = record.manifest["provenance"].get("inputs", {})
    made_by = {name: inputs.get(name) for name in ("code", "versions", "platform", "encoders")}
    return {"strategy_source": record.manifest["provenance"].get("strategy_source"), **made_by}


def names(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return what to call each run: its strategy, and as much of its id as tells all apart."""
    for length in range(SHORTEST_ID, max(len(record.run_id) for record in runs)):
        found = tuple(f"{record.strategy} {record.run_id[:length]}" for record in runs)
        if len(set(found)) == len(found):
            return found
    return tuple(f"{record.strategy} {record.run_id}" for record in runs)


def _notes(runs: Sequence[Record], sessions: pd.DatetimeIndex) -> tuple[str, ...]:
    notes = []
    if len({record.manifest["provenance"].get("inputs", {}).get("data") for record in runs}) > 1:
        notes.append("The runs read different data: a difference may lie in the data and not in the strategy.")
    horizons = sorted({str(record.manifest["config"].get("target")) for record in runs})
    if len(horizons) > 1:
        notes.append("The runs predict different labels: their IC and hit rate answer different questions.")
    if len({record.periods for record in runs}) > 1:
        shown = ", ".join(f"{record.periods:g}" for record in runs)
        notes.append(f"The runs count different numbers of sessions a year ({shown}): all are annualised as the first is.")
    if len(sessions) < LEAST_SESSIONS:
        notes.append(f"{len(sessions)} common sessions are too few for an interval.")
    verdicts = [(name, record.report["audit"]["verdict"]) for name, record in zip(names(runs), runs, strict=True)]
    notes += [f"The audit of {name}: {verdict}." for name, verdict in verdicts if verdict != "passed"]
    return tuple(notes)
