"""The ledger reads orders as anyone could; a price that is not that of its bar is seen, however small prices are."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from conftest import flat_bars

from quantlab.audit.ledger import execution_check
from quantlab.costs import Costs
from quantlab.portfolio import simulate

FREE = Costs(fee_bps=0.0, slippage_bps=0.0)


@pytest.mark.parametrize("scale", [1.0, 5e-9])
def test_a_price_one_part_in_a_thousand_off_is_no_fill(scale: float) -> None:
    """Shares for hundreds, or coins for billionths: the tolerance is a part of the price."""
    bars = flat_bars({"A": [100.0 * scale, 101.0 * scale, 102.0 * scale], "B": [50.0 * scale] * 3}, volume=1e15)
    weights = pd.DataFrame({"A": [0.5, 0.5, 0.5], "B": 0.0}, bars.times)
    portfolio = simulate(weights, bars, FREE, cash=1000.0, fill="open", max_gross=1.0)
    assert execution_check(portfolio, weights, bars, FREE).verdict == "held"
    orders = portfolio.orders
    off = replace(portfolio, orders=orders.assign(price=orders["price"] * 1.001))
    check = execution_check(off, weights, bars, FREE)
    assert check.verdict == "leak"
    assert f"{len(orders)} of them not at the open" in check.detail
