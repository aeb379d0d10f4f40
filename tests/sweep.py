"""The audit's truncation for a test of one learner: cut time at the edge of a fold and inside it, and compare all that came before."""

from __future__ import annotations

from pathlib import Path

from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference
from quantlab.audit.stages import Subject, whole_run
from quantlab.audit.truncation import truncated
from quantlab.cache import Cache
from quantlab.dataset import Dataset
from quantlab.run import Settings
from quantlab.strategy import Strategy


def differences(strategy: Strategy, dataset: Dataset, fold: int, folder: Path) -> list[Difference]:
    """Return what changes when time ends at a fold's first test bar, or five on: with the whole run's cache, and cold with all folds."""
    subject = Subject(strategy=strategy, dataset=dataset, settings=Settings(cache=Cache(folder)), fresh=lambda: strategy)
    whole = whole_run(subject)
    edge = subject.place(whole.folds[fold].test_start)
    cuts = [Cut(subject.times[edge + step], f"fold {fold}, bar {step}", cold, cold) for step in (0, 5) for cold in (False, True)]
    seen = [truncated(subject, whole, cut) for cut in cuts]
    assert all(one.n_decisions for one in seen), "no decision was compared"
    return [difference for one in seen for difference in one.differences]
