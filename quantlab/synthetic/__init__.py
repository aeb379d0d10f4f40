"""Invented markets with a planted effect of text on prices, or none; see `market` for its exact definition."""

from quantlab.synthetic.market import DECAY, EFFECT, Market, make_market
from quantlab.synthetic.writing import write_dataset

__all__ = ["DECAY", "EFFECT", "Market", "make_market", "write_dataset"]
