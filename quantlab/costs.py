"""Costs: what trading takes away, in basis points."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from quantlab.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of trading, all in basis points (1 bp = 0.0001) and all >= 0; UsageError otherwise.

    fee_bps: commission, of the traded value.
    slippage_bps: how much worse than the bar's price a fill is.
    delisting_haircut_bps: how much worse than its last close a delisted position is closed, against the holder
        whether long or short. The default of 10% lies between a merger (about 0) and a performance delisting
        (about 30%: Shumway, Journal of Finance 52(1), 1997).

    Not modelled: borrow fees, financing, dividends that the prices do not hold, taxes, market impact.
    """

    fee_bps: float = 1.0
    slippage_bps: float = 5.0
    delisting_haircut_bps: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse negative and infinite costs: vectorbt would take them as income."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 10_000):
                raise UsageError(f"Costs.{field.name} must be in [0, 10000) basis points, not {value!r}")
