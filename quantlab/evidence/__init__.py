"""Evidence: what a finished run says about its text and where its result breaks. Figures only: no wording, no pictures.

Each function takes a `BacktestResult` and returns a table (or what another function here turns into one).

text          what the text added: ablation, contributions by group of features, IC by age, source and topic of the news
events        event study: cumulative abnormal returns around the first bar that knows of a document
headlines     the documents in view on the best and worst days, and at the best and worst trades
fragility     cost x delay, without the best trades and days, concentration, capacity
periods       years, halves, folds; long and short leg; market regimes
attribution   the net return taken apart by name and by leg, exactly
ranks         rank correlation in each session of each group of rows
"""

from __future__ import annotations

from quantlab.evidence.attribution import leg_exposure, leg_returns, name_profits, name_returns
from quantlab.evidence.events import Events, event_curves, find_events
from quantlab.evidence.fragility import capacity, concentration, cost_delay_grid, own_cost_bps, profit_by, without_best
from quantlab.evidence.headlines import session_headlines, trade_headlines
from quantlab.evidence.periods import legs, market_regimes, market_returns, sub_periods
from quantlab.evidence.text import ablation, group_contributions, ic_by_age, ic_by_source, ic_by_topic, sources_in_view

__all__ = [
    "Events",
    "ablation",
    "capacity",
    "concentration",
    "cost_delay_grid",
    "event_curves",
    "find_events",
    "group_contributions",
    "ic_by_age",
    "ic_by_source",
    "ic_by_topic",
    "leg_exposure",
    "leg_returns",
    "legs",
    "market_regimes",
    "market_returns",
    "name_profits",
    "name_returns",
    "own_cost_bps",
    "profit_by",
    "session_headlines",
    "sources_in_view",
    "sub_periods",
    "trade_headlines",
    "without_best",
]
