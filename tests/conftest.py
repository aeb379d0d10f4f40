"""What several tests share: tiny markets that a reader can check by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings

from quantlab.bars import Bars
from quantlab.news import News

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"

# the same examples on every machine, however slow; `mutation` stops at the first that fails, as only the failure counts there
settings.register_profile("quantlab", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutation", settings.get_profile("quantlab"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("quantlab")


def closes(n: int, start: str = "2024-01-01 21:00") -> pd.DatetimeIndex:
    """Return n daily closes at 21:00 UTC."""
    return pd.date_range(start, periods=n, freq="D", tz="UTC").as_unit("us")


def flat_bars(prices: Mapping[str, Sequence[float]], volume: float = 1000.0, times: pd.DatetimeIndex | None = None) -> Bars:
    """Return bars whose open, high, low and close are all the given price of each symbol; NaN is no bar."""
    wide = pd.DataFrame(prices, dtype=float).sort_index(axis=1)
    wide.index = closes(len(wide)) if times is None else times
    return Bars(wide, wide, wide, wide, wide.notna() * volume)


def random_bars(n_times: int, n_symbols: int, seed: int = 0) -> Bars:
    """Return a random walk of n_symbols names, with opens apart from closes."""
    rng = np.random.default_rng(seed)
    index, columns = closes(n_times), pd.Index([f"S{number:02d}" for number in range(n_symbols)])
    close = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_times, n_symbols)), axis=0)), index, columns)
    open_ = close * np.exp(rng.normal(0, 0.005, close.shape))
    high, low = np.fmax(open_, close) * 1.001, np.fmin(open_, close) * 0.999
    return Bars(open_, high, low, close, pd.DataFrame(rng.integers(1, 10_000, close.shape).astype(float), index, columns))


def news_of(*rows: tuple[str, str, str]) -> News:
    """Return news from (instant in UTC, symbol, text) rows."""
    stamps = pd.to_datetime([stamp for stamp, _, _ in rows], utc=True, format="ISO8601")
    return News(pd.DataFrame({"available_at": stamps, "symbol": [s for _, s, _ in rows], "text": [t for *_, t in rows]}))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets, which are not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets are not on this machine")
    return REAL_DATA
