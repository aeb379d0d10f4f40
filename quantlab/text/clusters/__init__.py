"""Clusters of rows by what their news is about: as features (`TopicClusters`), and as a rule that buys and sells them (`ClusterRule`)."""

from quantlab.text.clusters.features import TopicClusters
from quantlab.text.clusters.rule import ClusterRule

__all__ = ["ClusterRule", "TopicClusters"]
