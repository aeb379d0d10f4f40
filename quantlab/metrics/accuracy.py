"""How often the signal calls the direction of what then happens, and how far its probabilities can be trusted.

Signal, probability and target are Series over (time, symbol). A row is *judged* if signal and target are known and not 0. A
probability is that of a rise, P(target > 0); a target of 0 did not rise. Rows with either missing are left out.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.errors import DataError, UsageError, nearest
from quantlab.metrics.arrays import check_count, floats, paired

Binning = Literal["uniform", "quantile"]
ROUNDED = 1e-9  # a probability may miss 0 or 1 by the last bits of a sum


def judged(signal: pd.Series, target: pd.Series) -> pd.DataFrame:
    """Return the rows on which a direction can be judged: signal and target known, and neither of them 0."""
    both = paired(signal=signal, target=target)
    return both[(both["signal"] != 0) & (both["target"] != 0)]


def hit_rate(signal: pd.Series, target: pd.Series) -> float:
    """Return the share of judged rows on which signal and target have the same sign."""
    rows = judged(signal, target)
    return float(np.mean(np.sign(rows["signal"].to_numpy()) == np.sign(rows["target"].to_numpy()))) if len(rows) else math.nan


def base_rate(target: pd.Series) -> float:
    """Return the share of the most frequent sign: the hit rate of always naming that one."""
    signs = np.sign(floats(target.dropna()))
    return float(np.unique(signs, return_counts=True)[1].max() / len(signs)) if len(signs) else math.nan


def mcc(signal: pd.Series, target: pd.Series) -> float:
    """Return Matthews' correlation of `signal > 0` with `target > 0` over the judged rows; NaN if either never varies."""
    rows = judged(signal, target)
    called, came = rows["signal"].to_numpy() > 0, rows["target"].to_numpy() > 0
    if not (called.any() and came.any()) or called.all() or came.all():
        return math.nan
    return float(np.corrcoef(called.astype(float), came.astype(float))[0, 1])  # phi of a 2 x 2 table is its correlation


def auc(signal: pd.Series, target: pd.Series) -> float:
    """Return the chance that a row that rose ranks above one that did not, ties counting half (Mann & Whitney 1947)."""
    both = paired(signal=signal, target=target)
    rose = both["target"].to_numpy() > 0
    n_up, n_down = int(rose.sum()), int((~rose).sum())
    if not n_up or not n_down:
        return math.nan
    ranks = both["signal"].rank().to_numpy()
    return float((ranks[rose].sum() - n_up * (n_up + 1) / 2.0) / (n_up * n_down))


def balanced_accuracy(signal: pd.Series, target: pd.Series) -> float:
    """Return the mean of the shares of rises and of falls that were called, over the judged rows: .5 without any skill.

    Unlike the hit rate it gains nothing from always naming the more frequent side. NaN if only one side came.
    """
    rows = judged(signal, target)
    called, came = floats(rows["signal"]) > 0, floats(rows["target"]) > 0
    if not came.any() or came.all():
        return math.nan
    return float((np.mean(called[came]) + np.mean(~called[~came])) / 2.0)


def session_hits(signal: pd.Series, target: pd.Series) -> pd.DataFrame:
    """Return columns hits, up, n for each session of the signal, (n_sessions, 3): rows called rightly, rows that rose, rows judged.

    Their sums over any choice of sessions give its hit rate, hits / n, and base rate, max(up, n - up) / n: what a bootstrap over
    blocks of sessions needs.
    """
    rows = judged(signal, target)
    rose = rows["target"] > 0
    table = pd.DataFrame({"hits": (rows["signal"] > 0) == rose, "up": rose, "n": True}).astype("int64").groupby(level=0).sum()
    return table.reindex(signal.index.get_level_values(0).unique(), fill_value=0)


def coverage(signal: pd.Series, target: pd.Series, *, n_levels: int = 10) -> pd.DataFrame:
    """Return how often the signal is right when it only speaks if it is strong, one row a level, the least strict first.

    threshold: the least |signal| that counts, at its quantiles 0, 1/n, ... (n - 1)/n over the judged rows; n: rows judged at that;
    coverage: their share of all rows whose target is known and not 0, so that a signal of 0 abstains; hit_rate: among them.
    Levels that ties make the same are one row. The risk-coverage curve of El-Yaniv & Wiener (2010).
    """
    check_count("coverage: n_levels", n_levels, least=1)
    rows, both = judged(signal, target), paired(signal=signal, target=target)
    strength = np.abs(floats(rows["signal"]))
    hit = (floats(rows["signal"]) > 0) == (floats(rows["target"]) > 0)
    threshold = np.unique(np.sort(strength)[np.arange(n_levels) * len(rows) // n_levels]) if len(rows) else np.empty(0)
    spoken = strength >= threshold[:, None]
    n = spoken.sum(axis=1)
    n_known = int((both["target"] != 0).sum())
    return pd.DataFrame({"threshold": threshold, "coverage": n / max(n_known, 1), "hit_rate": (spoken & hit).sum(axis=1) / n, "n": n})


def brier(probability: pd.Series, target: pd.Series) -> float:
    """Return the mean squared error of P(target > 0) (Brier 1950): 0 is perfect, always saying one half earns .25."""
    said, rose = _said_and_rose(probability, target)
    return float(np.mean((said - rose) ** 2)) if len(said) else math.nan


def brier_skill(probability: pd.Series, target: pd.Series) -> float:
    """Return 1 - Brier score / that of always saying the share that rose: 1 is perfect, at most 0 is no skill.

    NaN if all rose, or none.
    """
    said, rose = _said_and_rose(probability, target)
    reference = float(np.mean(rose) * (1.0 - np.mean(rose))) if len(rose) else 0.0
    return float(1.0 - np.mean((said - rose) ** 2) / reference) if reference else math.nan


def log_loss(probability: pd.Series, target: pd.Series) -> float:
    """Return the mean of -ln P(what came), in nats: 0 is perfect, always saying one half earns ln 2.

    Probabilities are kept 2.2e-16 away from 0 and 1, so that one that was certain and wrong costs 36 and not infinity.
    """
    said, rose = _said_and_rose(probability, target)
    least = float(np.finfo(np.float64).eps)
    came = np.clip(np.where(rose, said, 1.0 - said), least, 1.0 - least)
    return float(-np.mean(np.log(came))) if len(said) else math.nan


def calibration(probability: pd.Series, target: pd.Series, *, n_bins: int = 10, strategy: Binning = "uniform") -> pd.DataFrame:
    """Return one row per bin of the probability: low, high (its edges), probability (mean), share_up, n.

    strategy: "uniform", bins of equal width; or "quantile", edges at the quantiles, so that each holds about as many rows. A bin holds
    its lower edge, the last one both. An empty bin has n = 0 and NaN. Well calibrated: share_up equals probability.
    """
    check_count("calibration: n_bins", n_bins, least=1)
    known = get_args(Binning)
    if strategy not in known:
        raise UsageError(f"calibration: strategy must be one of {', '.join(known)}, not {strategy!r}{nearest(str(strategy), known)}")
    said, rose = _said_and_rose(probability, target)
    edges = np.arange(n_bins + 1) / n_bins  # k / n exactly, as a reader would write it
    if strategy == "quantile" and len(said):
        edges = np.unique(np.quantile(said, edges))
    place = np.clip(np.searchsorted(edges, said, side="right") - 1, 0, max(len(edges) - 2, 0))
    width = max(len(edges) - 1, 1)
    n = np.bincount(place, minlength=width)
    mean = [np.bincount(place, weights=column, minlength=width) / np.where(n > 0, n, np.nan) for column in (said, rose)]
    return pd.DataFrame({"low": edges[:width], "high": edges[-width:], "probability": mean[0], "share_up": mean[1], "n": n})


def _said_and_rose(probability: pd.Series, target: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return P(rise) and whether it rose (1 or 0), each (n_known,); raises DataError for what is no probability."""
    both = paired(probability=probability, target=target)
    said = floats(both["probability"])
    odd = (said < -ROUNDED) | (said > 1.0 + ROUNDED)
    if odd.any():
        first = int(odd.argmax())
        hint = "pass (1 + signal) / 2 for a signal that is P(up) - P(down)"
        raise DataError(f"a probability must lie between 0 and 1, it is {said[first]!r} at {both.index[first]!s}: {hint}")
    return np.clip(said, 0.0, 1.0), (floats(both["target"]) > 0).astype(np.float64)
