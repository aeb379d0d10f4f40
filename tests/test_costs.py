"""Costs are never income."""

import math

import pytest

from quantlab.costs import Costs
from quantlab.errors import UsageError


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, 10_000, "5"])
@pytest.mark.parametrize("field", ["fee_bps", "slippage_bps", "delisting_haircut_bps"])
def test_impossible_costs_are_refused_by_name(field: str, wrong: object) -> None:
    """vectorbt would take a negative fee as a gift."""
    with pytest.raises(UsageError, match=field):
        Costs(**{field: wrong})


def test_zero_costs_are_allowed() -> None:
    """For comparison, not for belief."""
    assert Costs(fee_bps=0, slippage_bps=0, delisting_haircut_bps=0).fee_bps == 0
