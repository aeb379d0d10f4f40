"""Strategy: what a user writes, how a file becomes one, and how its settings are changed."""

from quantlab.strategy.definition import Strategy, Target
from quantlab.strategy.loading import MODULE_PREFIX, load_strategy
from quantlab.strategy.setting import with_settings

__all__ = ["MODULE_PREFIX", "Strategy", "Target", "load_strategy", "with_settings"]
