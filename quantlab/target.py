"""Targets: what a model is asked to predict. The only module that looks into the future, through `_ahead` alone.

The label of bar t, for a horizon of h bars:

1. It is decided at the close of t and entered at the open of t+1, the first price that can be had. A name that does not trade in
   bar t+1 has no label.
2. It ends at the open of t+1+h and uses nothing after that price, so that folds can derive their purge from h.
3. A name that has no open then ends at its last close before: a halted one is worth that, and a delisted one was sold at that. To
   drop the delisted instead would be survivorship bias: they are not missing at random.
4. Where bar t+1+h lies beyond the data there is no label, whatever happened on the way: labels known early are not like the rest.

Every target is a frozen value with an integer `horizon`; calling it on bars gives the labels, one per (time, symbol), sorted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.errors import UsageError, nearest

__all__ = ["Direction", "ForwardReturn", "TripleBarrier"]

ReturnKind = Literal["raw", "market_neutral", "rank"]
Neutral = Literal["drop", "keep"]


@dataclass(frozen=True)
class ForwardReturn:
    """The return from the open of t+1 to the open of t+1+horizon, as a fraction; horizon in bars, >= 1.

    kind: "raw"; "market_neutral", less the mean of all names of the bar; or "rank", the rank among them from -0.5 (lowest)
    to 0.5 (highest), ties sharing their mean rank.
    """

    horizon: int = 5
    kind: ReturnKind = "raw"

    def __post_init__(self) -> None:
        """Refuse a horizon or a kind that cannot be."""
        _check_bars("ForwardReturn.horizon", self.horizon, least=1)
        _check_choice("ForwardReturn.kind", self.kind, get_args(ReturnKind))

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the labels, (n_times * n_symbols,), NaN where unknown."""
        outcome = _forward_return(bars, self.horizon)
        if self.kind == "market_neutral":
            outcome = outcome.sub(outcome.mean(axis=1), axis=0)
        elif self.kind == "rank":
            n_names = outcome.notna().sum(axis=1)
            outcome = outcome.rank(axis=1).sub((n_names + 1) / 2, axis=0).div((n_names - 1).clip(lower=1), axis=0)
        return _stacked(outcome.to_numpy(), bars)


@dataclass(frozen=True)
class Direction:
    """Up (+1) where the forward return exceeds `upper`, down (-1) where it is at most `lower`, both as fractions.

    The dead zone between them is NaN (neutral="drop") or 0 ("keep"). The default thresholds balance the two classes in StockNet
    (Xu and Cohen, ACL 2018), which measures from close to close; here it is from open to open, so that it can be traded.
    """

    horizon: int = 1
    lower: float = -0.005
    upper: float = 0.0055
    neutral: Neutral = "drop"

    def __post_init__(self) -> None:
        """Refuse a horizon, thresholds or a neutral that cannot be."""
        _check_bars("Direction.horizon", self.horizon, least=1)
        _check_choice("Direction.neutral", self.neutral, get_args(Neutral))
        if not -1.0 < self.lower <= self.upper < math.inf:
            raise UsageError(f"Direction needs -1 < lower <= upper, as fractions, not lower {self.lower!r} and upper {self.upper!r}")

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the labels, (n_times * n_symbols,), NaN where unknown or neutral and dropped."""
        outcome = _forward_return(bars, self.horizon).to_numpy()
        neutral = np.where(np.isnan(outcome) | (self.neutral == "drop"), np.nan, 0.0)
        return _stacked(np.select([outcome > self.upper, outcome <= self.lower], [1.0, -1.0], neutral), bars)


@dataclass(frozen=True)
class TripleBarrier:
    """Which comes first after the open of t+1: a rise (+1), a fall (-1), or `horizon` bars without either (0).

    The barriers stand `upper` and `lower` times the volatility known at t away from the entry, as a fraction of it:
    the standard deviation of the last `window` log returns times sqrt(horizon) (Lopez de Prado, Advances in Financial
    Machine Learning, 3.4). They are compared with the highs and lows of bars t+1 to t+horizon. A bar that touches both counts as
    the loss, because its order within the bar is not known. NaN also where the volatility is 0 or not known yet.
    """

    horizon: int = 10
    upper: float = 2.0
    lower: float = 2.0
    window: int = 20

    def __post_init__(self) -> None:
        """Refuse a horizon, barriers or a window that cannot be."""
        _check_bars("TripleBarrier.horizon", self.horizon, least=1)
        _check_bars("TripleBarrier.window", self.window, least=2)
        for name, value in (("upper", self.upper), ("lower", self.lower)):
            if not 0.0 < value < math.inf:
                raise UsageError(f"TripleBarrier.{name} must be in (0, inf) volatilities, not {value!r}")

    def __call__(self, bars: Bars) -> pd.Series:
        """Return the labels -1, 0 or +1, (n_times * n_symbols,), NaN where unknown."""
        entry = _ahead(_entry(bars), 1).to_numpy()
        width = _volatility(bars.close, self.window) * math.sqrt(self.horizon)
        top, bottom = entry * (1.0 + self.upper * width), entry * (1.0 - self.lower * width)
        label = np.zeros(entry.shape)
        for bar in range(1, self.horizon + 1):
            touch = np.where(_ahead(bars.high, bar).to_numpy() >= top, 1.0, 0.0)
            touch[_ahead(bars.low, bar).to_numpy() <= bottom] = -1.0
            label = np.where(label == 0.0, touch, label)
        inside = np.arange(len(bars.times))[:, None] + 1 + self.horizon < len(bars.times)
        return _stacked(np.where(inside & ~np.isnan(entry) & (width > 0.0), label, np.nan), bars)


def _ahead(wide: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return what each bar will see `n` bars later: the one look into the future of the whole project."""
    return wide.shift(-n)


def _entry(bars: Bars) -> pd.DataFrame:
    """Return the open of each bar in which a name trades."""
    return bars.open.where(bars.traded)


def _forward_return(bars: Bars, horizon: int) -> pd.DataFrame:
    """Return the return from the open of t+1 to the open of t+1+horizon, or to the last close before it."""
    # whether bar t+1+horizon had volume is known only after its open, so its open counts even if nothing traded later in the bar
    leave = bars.open.fillna(bars.close.ffill().shift(1))
    return _ahead(leave, 1 + horizon) / _ahead(_entry(bars), 1) - 1.0


def _volatility(close: pd.DataFrame, window: int) -> npt.NDArray[np.float64]:
    """Return the standard deviation of the last `window` log returns; a halted bar stands at the last close."""
    logged = pd.DataFrame(np.log(close.ffill().to_numpy(dtype=np.float64)))
    return logged.diff().rolling(window).std().to_numpy()


def _stacked(values: npt.NDArray[np.float64], bars: Bars) -> pd.Series:
    """Return a table of labels as rows (time, symbol)."""
    index = pd.MultiIndex.from_product([bars.times, bars.symbols], names=["time", "symbol"])
    return pd.Series(values.ravel(), index=index, name="target")


def _check_bars(name: str, value: int, *, least: int) -> None:
    """Refuse what is not a whole number of bars."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} must be a whole number of bars >= {least}, not {value!r}")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not one of the known."""
    if value not in known:
        raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r}{nearest(str(value), known)}")
