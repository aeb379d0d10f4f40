"""Text learners: scikit-learn transformers that read the news column made by `known_news`.

Each is imported from its module when it is first used: gensim is loaded for topics only, torch when a text is encoded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantlab.text.base import TextFeature
    from quantlab.text.clusters import ClusterRule, TopicClusters
    from quantlab.text.encoder import TextEncoder
    from quantlab.text.encoder.attribution import Attribution, attribute_tokens
    from quantlab.text.encoder.training import Training
    from quantlab.text.masking import masked
    from quantlab.text.sentiment import Sentiment
    from quantlab.text.topics import LdaTopics

_HOMES = {
    "Attribution": "encoder.attribution",
    "ClusterRule": "clusters",
    "LdaTopics": "topics",
    "Sentiment": "sentiment",
    "TextEncoder": "encoder",
    "TextFeature": "base",
    "TopicClusters": "clusters",
    "Training": "encoder.training",
    "attribute_tokens": "encoder.attribution",
    "masked": "masking",
}

__all__ = [
    "Attribution",
    "ClusterRule",
    "LdaTopics",
    "Sentiment",
    "TextEncoder",
    "TextFeature",
    "TopicClusters",
    "Training",
    "attribute_tokens",
    "masked",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'quantlab.text' has no attribute {name!r}")
    return getattr(import_module(f"quantlab.text.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
