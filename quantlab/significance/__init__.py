"""Significance: whether luck alone could have made this.

sharpe     what one Sharpe ratio is worth: probabilistic, deflated, minimum track record
haircut    what is left of it once the other tests are allowed for
bootstrap  intervals on any figure of sessions; `figures` are the ones it can resample
selection  what choosing the best of many variants is worth: probability of overfitting, superior ability

Sharpe ratios go in and come out per period (mean / standard deviation of one session's returns, not annualised), except in
`sharpe_interval`, which annualises. Skewness and kurtosis are moments of the population, kurtosis *not* in excess of 3.
"""

from __future__ import annotations

from quantlab.significance import figures
from quantlab.significance.bootstrap import Interval, block_length, difference_interval, interval, resampled, sharpe_interval
from quantlab.significance.haircut import Adjusted, Haircut, haircut_sharpe
from quantlab.significance.selection import Overfitting, SuperiorAbility, overfitting_logits, overfitting_probability, superior_ability
from quantlab.significance.sharpe import (
    deflated_sharpe,
    expected_max_sharpe,
    lo_annualisation,
    lo_standard_error,
    min_track_record,
    probabilistic_sharpe,
    trial_variance,
)

__all__ = [
    "Adjusted",
    "Haircut",
    "Interval",
    "Overfitting",
    "SuperiorAbility",
    "block_length",
    "deflated_sharpe",
    "difference_interval",
    "expected_max_sharpe",
    "figures",
    "haircut_sharpe",
    "interval",
    "lo_annualisation",
    "lo_standard_error",
    "min_track_record",
    "overfitting_logits",
    "overfitting_probability",
    "probabilistic_sharpe",
    "resampled",
    "sharpe_interval",
    "superior_ability",
    "trial_variance",
]
