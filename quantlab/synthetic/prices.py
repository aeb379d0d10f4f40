"""The invented prices: what a market without text looks like, and what text adds to it.

1. Each symbol, and the market, has its own stream of shocks: Student t, overnight and intraday (a quarter and three quarters
   of the variance). Volatility is a GARCH(1,1) of the session's whole shock (Bollerslev, 1986).
2. A log return is beta times the market's plus the symbol's own; the overnight part comes first, then the intraday part.
3. What headlines plant is added to these log returns; with an effect of 0 that is an exact 0.0, so the noise is the same to
   the bit.
4. Volume grows with the size of the shock, and shrinks with the length of a half day.
5. Some symbols are listed late, delisted or halted, two ways: no bar at all, or a flat bar without volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import Bars
from quantlab.repro import random_generator
from quantlab.synthetic.wording import Company

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FREEDOM: Final = 6  # of the t distribution: fat tails with a finite fourth moment
OVERNIGHT: Final = 0.25  # share of a session's variance, and of what a headline plants
REACTION, MEMORY = 0.08, 0.90  # of the GARCH: to the last shock, and to the last variance
MARKET_VOLATILITY: Final = 0.009  # log return per session
DRIFT: Final = 0.0002  # log return per session, of the market
DECIMALS: Final = 4  # of a price, so that what is written is what was made

# which company meets what, and when, as a share of the sessions; the others trade throughout
DELISTED: Final = (3, 0.62)
HALTED_WITHOUT_BARS: Final = (5, 0.40, 6)  # sessions
HALTED_WITHOUT_VOLUME: Final = (7, 0.70, 4)
LISTED_LATE: Final = (9, 0.30)


@dataclass(frozen=True)
class Listing:
    """Where a symbol is alive, where alive but without a bar, and where its bar is flat and without volume; (n_times, n_symbols)."""

    alive: Bools
    without_bar: Bools
    without_volume: Bools

    @classmethod
    def of(cls, n_times: int, n_symbols: int) -> Listing:
        """Return who is listed when; a company's fate depends on its ordinal alone, not on how many there are."""
        time, symbol = np.indices((n_times, n_symbols))

        def halted(ordinal: int, share: float, n_halted: int) -> Bools:
            begun = max(1, int(share * n_times))
            return np.asarray((symbol == ordinal) & (time >= begun) & (time < begun + min(n_halted, n_times // 20 + 1)))

        gone = (symbol == DELISTED[0]) & (time >= int(DELISTED[1] * n_times))
        unborn = (symbol == LISTED_LATE[0]) & (time < int(LISTED_LATE[1] * n_times))
        return cls(~(gone | unborn), halted(*HALTED_WITHOUT_BARS), halted(*HALTED_WITHOUT_VOLUME))


@dataclass(frozen=True)
class Shocks:
    """One stream's random numbers: a session's overnight and intraday shock (unit variance in sum), its range, its volume.

    overnight, intraday, range_up, range_down, volume: each (n_times, n_streams); level: (n_streams, 4), uniform in [0, 1).
    """

    overnight: Floats
    intraday: Floats
    range_up: Floats
    range_down: Floats
    volume: Floats
    level: Floats

    @classmethod
    def of(cls, names: Sequence[str], n_times: int, seed: int) -> Shocks:
        """Draw the random numbers of each stream, each from its own generator."""
        streams = [random_generator(seed, f"prices of {name}") for name in names]
        level = np.stack([rng.random(4) for rng in streams])
        drawn = np.stack([rng.standard_t(FREEDOM, (n_times, 5)) for rng in streams], axis=1) * np.sqrt((FREEDOM - 2) / FREEDOM)
        overnight, intraday = drawn[..., 0] * np.sqrt(OVERNIGHT), drawn[..., 1] * np.sqrt(1 - OVERNIGHT)
        return cls(overnight, intraday, np.abs(drawn[..., 2]), np.abs(drawn[..., 3]), drawn[..., 4], level)


def make_bars(firms: Sequence[Company], clock: pd.DataFrame, listing: Listing, planted: Floats, seed: int) -> Bars:
    """Return the bars of these companies, symbols sorted.

    `planted` (n_times, n_symbols) is the log return that headlines add from the open of each bar to the next open.
    """
    shocks = Shocks.of(["the market", *(firm.symbol for firm in firms)], len(clock), seed)
    level = shocks.level[1:]
    volatility = garch(shocks.overnight + shocks.intraday, np.r_[MARKET_VOLATILITY, 0.010 + 0.012 * level[:, 0]])
    beta = 0.6 + 0.8 * level[:, 1]
    overnight = _with_market(volatility * shocks.overnight, beta)
    intraday = _with_market(volatility * shocks.intraday, beta) + DRIFT * beta
    moves = _Moves(overnight + OVERNIGHT * _later(planted), intraday + (1 - OVERNIGHT) * planted)
    prices = moves.prices(np.log(15.0) + np.log(10.0) * level[:, 2], volatility[:, 1:], shocks)
    length = (clock["close"] - clock["open"]) / (clock["close"] - clock["open"]).max()
    size = np.abs(overnight + intraday) / volatility[:, 1:]
    log_volume = np.log(2e5) + 3 * level[:, 3] + 0.45 * (size - 1) + 0.25 * shocks.volume[:, 1:]
    volume = np.rint(np.exp(log_volume) * length.to_numpy()[:, None])
    return _bars(prices, volume, firms, clock, listing)


def garch(shocks: Floats, level: Floats) -> Floats:
    """Return the volatility of each session, (n_times, n_streams), given unit shocks and the long-run level (n_streams,)."""
    variance = np.empty_like(shocks)
    variance[0] = 1.0
    for t in range(1, len(shocks)):  # each depends on the one before
        variance[t] = (1 - REACTION - MEMORY) + (REACTION * shocks[t - 1] ** 2 + MEMORY) * variance[t - 1]
    return np.asarray(np.sqrt(variance) * level)


def _with_market(returns: Floats, beta: Floats) -> Floats:
    """Return each symbol's own return plus beta times the market's, which stands in the first column."""
    return np.asarray(returns[:, 1:] + beta * returns[:, :1])


def _later(values: Floats) -> Floats:
    """Return the values one bar later, 0 on the first."""
    return np.vstack([np.zeros_like(values[:1]), values[:-1]])


@dataclass(frozen=True)
class _Moves:
    """Log returns from the last close to the open, and from the open to the close; both (n_times, n_symbols)."""

    overnight: Floats
    intraday: Floats

    def prices(self, start: Floats, volatility: Floats, shocks: Shocks) -> dict[str, Floats]:
        """Return open, high, low and close from the logarithm of the first price, (n_symbols,)."""
        close = start + np.cumsum(self.overnight + self.intraday, axis=0)
        opened = np.vstack([start, close[:-1]]) + self.overnight  # not close - intraday, whose rounding would see the session's news
        reach = 0.4 * volatility
        high = np.maximum(opened, close) + reach * shocks.range_up[:, 1:]
        low = np.minimum(opened, close) - reach * shocks.range_down[:, 1:]
        logs = {"open": opened, "high": high, "low": low, "close": close}
        return {name: np.asarray(np.round(np.exp(log), DECIMALS)) for name, log in logs.items()}


def _bars(prices: dict[str, Floats], volume: Floats, firms: Sequence[Company], clock: pd.DataFrame, listing: Listing) -> Bars:
    """Return the tables as bars: flat where halted, missing where not listed."""
    times, symbols = pd.DatetimeIndex(clock["close"], name="time"), pd.Index([firm.symbol for firm in firms], name="symbol")
    tables = {name: pd.DataFrame(values, times, symbols) for name, values in [*prices.items(), ("volume", volume)]}
    last_close = tables["close"].mask(listing.without_volume).ffill()
    tables = {name: table.mask(listing.without_volume, 0.0 if name == "volume" else last_close) for name, table in tables.items()}
    there = listing.alive & ~listing.without_bar
    return Bars(**{name: table.where(there).sort_index(axis=1) for name, table in tables.items()})
