"""What the words of a report mean: one sentence each, with the formula or the convention that the figure follows.

A name that is shown on a page and stands here is explained there, wherever it is shown. Add a figure's name as the page spells it;
capitals do not matter. Sources are named where a formula has more than one tradition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType

_EARNED = {
    "Total return": "What 1 became, less 1: the product of (1 + r) over all sessions, net of fees and slippage.",
    "CAGR": "The yearly rate that compounds to the total return: (1 + total)^(sessions a year / sessions) - 1.",
    "Benchmark": "Total return of what the strategy is held against, over the same sessions and without costs.",
    "Before costs": "The total return with fees and slippage added back, session by session.",
    "Volatility": "Standard deviation of the returns (ddof 1) times the root of the sessions a year.",
    "Sharpe ratio": "Mean return over the standard deviation (ddof 1), times the root of the sessions a year; the risk-free rate is 0.",
    "Sortino ratio": "Mean return over the root mean square of the losses, taken over all sessions, times the root of the sessions a year.",
    "Calmar ratio": "CAGR over the size of the maximum drawdown.",
    "Omega ratio": "Sum of the gains over the sum of the losses, at a threshold of 0.",
    "Tail ratio": "Size of the 95th percentile of the returns over the size of the 5th.",
    "Value at risk": "The return that 5% of the sessions fell below: the 5th percentile of what happened, so that a loss is negative.",
    "Expected shortfall": "The mean return of the sessions at or below the value at risk.",
    "Skewness": "Third standardised moment of the returns: below 0, the large moves are losses.",
    "Kurtosis": "Fourth standardised moment of the returns, not in excess of 3: a normal distribution has 3.",
    "Win rate": "Share of the sessions with a return above 0, among those whose return is not 0.",
    "Profit factor": "Sum of the gains over the size of the sum of the losses.",
    "Alpha": "Intercept of the regression of the returns on the benchmark's, a year: what the benchmark does not explain.",
    "Beta": "Slope of the regression of the returns on the benchmark's: how far the strategy moves when the benchmark moves by 1.",
    "Tracking error": "Standard deviation (ddof 1) of the difference from the benchmark, times the root of the sessions a year.",
    "Information ratio": "Mean difference from the benchmark over its standard deviation, a year.",
    "Upside capture": "Geometric mean return a session over the benchmark's own, while the benchmark rose: 1 keeps pace.",
    "Downside capture": "The same while the benchmark fell: 1 falls as fast, 0 not at all, and below 0 the strategy gained.",
    "Maximum drawdown": "The deepest fall below an earlier peak of the equity, which starts at 1, as a fraction of that peak.",
    "Longest": "Sessions of the longest span below one and the same peak, which need not be the deepest.",
    "Time under water": "Share of the sessions that closed below an earlier peak.",
    "Ulcer index": "Root mean square of the distance below the last peak, over all sessions.",
    "Depth": "How far the equity fell from the peak to the trough, as a fraction of the peak.",
    "Trough": "The session at which the drawdown was deepest.",
    "Recovery": "The first session at which the equity stood at its peak again; ongoing if that never came.",
}
_FORETOLD = {
    "Hit rate": "Share of the rows whose direction the signal named; rows where signal or target is exactly 0 are not judged.",
    "Base rate": "What always naming the more frequent direction would have got: the hit rate to beat.",
    "Balanced accuracy": "Mean of the hit rates among rows that rose and among rows that fell: 0.5 is guessing.",
    "Matthews correlation": "Correlation of the named and the true direction, from -1 to 1: 0 is guessing, however uneven the directions.",
    "AUC": "Chance that a row that rose had a higher signal than one that fell: 0.5 is guessing.",
    "Brier score": "Mean squared distance of the probability from what came (1 or 0): lower is better.",
    "Brier skill": "1 less the Brier score over that of always saying the base rate: above 0 beats it.",
    "Log loss": "Mean of minus the logarithm of the probability that was given to what came: lower is better.",
    "Coverage": "Share of the rows on which the signal takes a side, once the least sure are left out.",
    "Information coefficient": "Spearman's rank correlation of signal and target over the names of a session, averaged over the sessions.",
    "t of the mean IC": "Mean over its standard error by Newey and West (1987), with a lag that covers the overlap of the labels.",
    "IC IR": "Mean over standard deviation of the information coefficient, session by session.",
    "Share positive": "Share of the sessions with an information coefficient above 0.",
    "Pooled IC": "Rank correlation over all rows at once, for sessions of few names; its interval resamples blocks of sessions.",
    "Rank autocorrelation": "Rank correlation of a session's signals with those of the session before: near 1, the signal trades little.",
    "Quantile spread": "Mean return over the horizon of the fifth of the names with the highest signals, less that of the lowest fifth.",
    "Break-even cost": "The cost in basis points of traded value at which the strategy would have earned nothing.",
}
_LUCK = {
    "Probabilistic Sharpe": "Chance that the true Sharpe ratio is above 0, given the length of the span, its skewness and kurtosis "
    "(Bailey and Lopez de Prado, 2012).",
    "Deflated Sharpe": "Chance that it is above what the best of that many trials shows by luck (Bailey and Lopez de Prado, 2014).",
    "Track record needed": "Sessions after which such a ratio would be above 0 with 95% confidence (Bailey and Lopez de Prado, 2012).",
    "Haircut Sharpe": "The Sharpe ratio after allowing for the number of trials (Harvey and Liu, 2015).",
    "Superior ability": "Chance of such an advantage over the benchmark under luck alone (Hansen, 2005): small is good.",
    "Overfitting probability": "Share of the splits in which the best variant of one half ranks low in the other (PBO by CSCV).",
    "Trials": "Different runs of this strategy family so far, this one included: the more were tried, the better the best looks by luck.",
    "Best by luck": "Sharpe ratio to expect of the best of that many trials without any skill (Bailey and Lopez de Prado, 2014).",
    "Cut off": "How much of the Sharpe ratio the allowance for other trials takes away (Harvey and Liu, 2015).",
    "Block": "Neighbouring sessions that the bootstrap keeps together; their number follows Politis and White (2004).",
    "Low": "Lower end of the 95% interval.",
    "High": "Upper end of the 95% interval.",
    "Interval": "95% percentile interval of a block bootstrap, which keeps neighbouring sessions together; wider where the blocks are few.",
    "p-value": "Chance of a figure at least this large if there were nothing to find.",
}
_TRADED = {
    "Turnover": "Traded value over equity before trading, both sides counted.",
    "Turnover a session": "Traded value over equity before trading, both sides counted, in the mean session.",
    "Trades": "Round trips: a position from its first order to its last.",
    "Trades won": "Share of the closed trades with a gain after fees.",
    "Gross exposure": "Long plus short positions over equity, in the mean session.",
    "Net exposure": "Long less short positions over equity, in the mean session.",
    "Exposure": "Long plus short positions over equity, in the mean session.",
    "Fees": "Commissions and the like, in the currency of the bars.",
    "Slippage": "What was paid for prices worse than the bar's, in the currency of the bars.",
    "Closed as delisted": "Positions in names that had no bar for five sessions, closed at the last close less the haircut.",
    "Orders cut short": "Orders filled below what was asked, for want of cash or volume.",
    "Time in the market": "Share of the sessions that end with any position at all.",
    "Costs paid": "Fees and slippage in basis points of the traded value: below the break-even cost, the strategy earned something.",
    "Capacity": "Equity up to which 95% of the orders stay below a stated share of the volume of their bar; market impact is not in it.",
    "Five largest": "Share of the five largest parts in the sum of all gains and losses, each without its sign.",
    "Its share": "Share of the largest part in the sum of all gains and losses, each without its sign.",
    "Herfindahl": "Sum of the squared shares of the parts: 1 if one part made everything, 1 / n if n parts made the same.",
    "Known since": "When the document was available to the strategy (UTC).",
}
_LEARNED = {
    "Learned from": "The sessions whose rows the fold was fitted on, both ends included.",
    "Tested on": "The sessions that the fitted models predicted, none of which they had seen.",
    "Gap": "Bars between training and test, purged because their labels reach into the test window.",
    "Purged gap": "Bars between training and test, purged because their labels reach into the test window.",
    "Window": "Whether the data ended before the test window was full.",
    "Rows learned": "Rows (session x symbol) that the fold was fitted on.",
    "Rows tested": "Rows (session x symbol) that the fold predicted.",
    "Placebo": "The same run with the texts dealt out to other names and dates: what a text adds by being there, not by what it says.",
    "Cumulative abnormal return": "Sum of the returns less those of the market, from before the news to after it.",
    "Contribution": "Mean absolute share of a feature in the predictions of the test rows, in units of the signal.",
    "Importance": "Share of a feature in the fitted models; the shares of a fold sum to 1.",
}
_SAME = {  # shown name: the entry that explains it
    "Sharpe": "Sharpe ratio",
    "Sortino": "Sortino ratio",
    "Calmar": "Calmar ratio",
    "Drawdown": "Maximum drawdown",
    "Return a year": "CAGR",
    "Omega": "Omega ratio",
    "Skew": "Skewness",
    "VaR": "Value at risk",
    "Mean IC": "Information coefficient",
    "IC": "Information coefficient",
    "MCC": "Matthews correlation",
    "Brier": "Brier score",
    "PSR": "Probabilistic Sharpe",
    "DSR": "Deflated Sharpe",
    "PBO": "Overfitting probability",
    "SPA": "Superior ability",
    "CAR": "Cumulative abnormal return",
    "95% interval": "Interval",
}
DEFINITIONS: Mapping[str, str] = MappingProxyType({**_EARNED, **_FORETOLD, **_LUCK, **_TRADED, **_LEARNED})
_ENTRIES = {name.casefold(): name for name in DEFINITIONS} | {name.casefold(): entry for name, entry in _SAME.items()}


def entry(name: str) -> str | None:
    """Return the entry that explains a shown name, or None if there is none: `IC` is explained by `Information coefficient`."""
    return _ENTRIES.get(name.casefold())


def definition(name: str) -> str | None:
    """Return the sentence that explains a shown name, or None."""
    found = entry(name)
    return DEFINITIONS[found] if found else None


def anchor(name: str) -> str:
    """Return the id of an entry on the page: `term-sharpe-ratio`."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def used(names: Iterable[Iterable[str]]) -> dict[str, str]:
    """Return {shown name: its entry} for each of the names that is explained, in the order in which they come."""
    return {name: found for name in chain.from_iterable(names) if (found := entry(name))}
