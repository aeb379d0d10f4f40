"""quantlab: walk-forward backtests of strategies that trade on text.

    from quantlab import Bars, Costs, ForwardReturn, News, Strategy, WalkForward, known_news

The names below are found in their modules when they are first used, so that `import quantlab` and `quantlab --help` stay
quick: pandas alone takes longer to import than a command may take to answer. (`run` is not among them: it is
`quantlab.run.run`, because a function and a module of one name would hide each other.)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantlab.bars import Bars
    from quantlab.cache import Cache
    from quantlab.costs import Costs
    from quantlab.data import from_frames, read_dataset
    from quantlab.dataset import Dataset
    from quantlab.errors import DataError, LeakError, QuantlabError, StorageError, StrategyError, UsageError
    from quantlab.folds import Fold, WalkForward
    from quantlab.news import News, known_news
    from quantlab.portfolio import simulate
    from quantlab.report import write_report
    from quantlab.result import BacktestResult, Portfolio
    from quantlab.strategy import Strategy, load_strategy
    from quantlab.synthetic import make_market
    from quantlab.target import Direction, ForwardReturn, TripleBarrier
    from quantlab.walkforward import walk_forward

__version__ = "0.1.0"

_HOMES = {
    "bars": ("Bars",),
    "cache": ("Cache",),
    "costs": ("Costs",),
    "data": ("from_frames", "read_dataset"),
    "dataset": ("Dataset",),
    "errors": ("DataError", "LeakError", "QuantlabError", "StorageError", "StrategyError", "UsageError"),
    "folds": ("Fold", "WalkForward"),
    "news": ("News", "known_news"),
    "portfolio": ("simulate",),
    "report": ("write_report",),
    "result": ("BacktestResult", "Portfolio"),
    "strategy": ("Strategy", "load_strategy"),
    "synthetic": ("make_market",),
    "target": ("Direction", "ForwardReturn", "TripleBarrier"),
    "walkforward": ("walk_forward",),
}

__all__ = [
    "BacktestResult",
    "Bars",
    "Cache",
    "Costs",
    "DataError",
    "Dataset",
    "Direction",
    "Fold",
    "ForwardReturn",
    "LeakError",
    "News",
    "Portfolio",
    "QuantlabError",
    "StorageError",
    "Strategy",
    "StrategyError",
    "TripleBarrier",
    "UsageError",
    "WalkForward",
    "from_frames",
    "known_news",
    "load_strategy",
    "make_market",
    "read_dataset",
    "simulate",
    "walk_forward",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"quantlab.{module}"), name)
    raise AttributeError(f"module 'quantlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
