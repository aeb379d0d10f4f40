"""The verdict: its levels by the stated rules, what the text added, and the weakest point, in words."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from quantlab.report.verdict import STRESSES, verdict

Figures = dict[str, Any]


def figures(**changes: object) -> Figures:
    """Return the figures of a strategy that holds up, with some of them changed: `part__key=value`."""
    made: Figures = {
        "returns": {"total_return": 0.42, "sharpe": 2.0, "alpha": 0.2},
        "accuracy": {"ic_mean": 0.05, "pooled_ic": None},
        "intervals": {"sharpe": [1.0, 3.0], "alpha": [0.1, 0.3], "ic_mean": [0.02, 0.08]},
        "significance": {"dsr": 0.99, "n_returns": 499},
        "trials": {"n": 1, "source": "alone", "notes": []},
        "audit": {"verdict": "passed"},
        "fragility": {"stress": [{"stress": "costs_doubled", "left": 0.7}, {"stress": "traded_later", "left": 0.4}]},
        "text_ablation": {"variants": [variant("no_text"), variant("placebo")], "knowledge": None},
    }
    made = copy.deepcopy(made)
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if key:
            made[part][key] = value
        else:
            made[part] = value
    return made


def variant(name: str, low: float | None = 0.01, high: float | None = 0.05) -> Figures:
    """Return a variant that the strategy is better than, unless said otherwise."""
    return {
        "variant": name,
        "ic_difference": None if low is None or high is None else (low + high) / 2,
        "ic_low": low,
        "ic_high": high,
        "sharpe_difference": 1.0,
        "sharpe_low": 0.5,
        "sharpe_high": 1.5,
    }


def everything(found: Mapping[str, Any]) -> str:
    """Return all sentences of a verdict, in their order."""
    return " ".join([found["sentence"], *found["also"]]).strip()


def knowledge(share: float) -> Figures:
    """Return a text part whose encoder has read of that share of the sessions."""
    return {"variants": None, "knowledge": {"cutoff": "2021-12-31", "share_of_sessions": share}}


def test_all_rules_held_is_real() -> None:
    """The sentence says what was made, its interval, what the text added and what would hurt most."""
    found = verdict(figures())
    assert found["level"] == "real"
    assert found["text"] == "added"
    sentence = everything(found)
    assert sentence.startswith("Hard to explain by luck: after costs it returned +42.0% in 499 sessions")
    assert "95% interval from 1.00 to 3.00" in sentence
    assert sentence.endswith("Its weakest point: traded one bar later, 40% of the profit would be left.")


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"audit__verdict": "failed"}, "invalid"),
        ({"significance__n_returns": 59}, "untested"),
        ({"intervals__sharpe": [None, None]}, "untested"),
        ({"intervals__sharpe": [-3.0, -0.01]}, "loss"),
        ({"intervals__sharpe": [-0.01, 2.0]}, "luck"),
        ({"intervals__sharpe": [0.0, 2.0]}, "luck"),
        ({"intervals__sharpe": [-2.0, 0.0]}, "luck"),
        ({"significance__dsr": 0.949}, "weak"),
        ({"significance__dsr": None}, "weak"),
        ({"intervals__alpha": [-0.01, 0.3]}, "weak"),
        ({"intervals__ic_mean": [-0.01, 0.3]}, "weak"),
        ({"audit__verdict": "skipped"}, "weak"),
        ({"text_ablation": knowledge(0.51)}, "weak"),
        ({"text_ablation": knowledge(0.5)}, "real"),
        ({"intervals__alpha": [None, None]}, "real"),
        ({"significance__n_returns": 60}, "real"),
        ({"text_ablation": None}, "real"),
    ],
)
def test_levels_follow_the_rules(changes: Mapping[str, object], level: str) -> None:
    """Each rule alone moves the level, at its stated limit."""
    assert verdict(figures(**changes))["level"] == level


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"significance__dsr": 0.62, "trials__n": 40}, "the deflated Sharpe ratio is 62.0% after 40 trials"),
        ({"intervals__alpha": [-0.05, 0.3]}, "which includes zero"),
        ({"audit__verdict": "skipped"}, "no audit was made"),
        ({"audit__verdict": "blind"}, "the audit could not have seen a leak"),
        ({"text_ablation": knowledge(0.8)}, "may remember 80.0% of the sessions"),
    ],
)
def test_a_weak_verdict_names_what_is_missing(changes: Mapping[str, object], said: str) -> None:
    """The first sentence names each rule that does not hold, and the reasons list all of them."""
    found = verdict(figures(**changes))
    assert said in everything(found)
    assert any(said[4:] in reason for reason in found["reasons"])  # type: ignore[attr-defined]


def test_few_names_are_judged_by_the_pooled_ic() -> None:
    """Where the sessions have few names, the rank correlation over all rows decides."""
    few = {"accuracy__pooled_ic": 0.01, "intervals__ic_mean": [None, None], "intervals__pooled_ic": [-0.02, 0.04]}
    found = verdict(figures(**few))
    assert found["level"] == "weak"
    assert "pooled information coefficient" in everything(found)


@pytest.mark.parametrize(
    ("variants", "text", "said"),
    [
        ([variant("no_text", -0.01, 0.02)], "nothing", "added nothing that can be told from chance"),
        ([variant("no_text", 0.0, 0.02)], "nothing", "added nothing that can be told from chance"),
        ([variant("no_text", -0.02, -0.01)], "hurt", "The text added nothing, the signal foretold worse with it"),
        ([variant("no_text"), variant("placebo", -0.01, 0.02)], "presence", "they did not do clearly worse"),
        ([variant("no_text"), variant("placebo", None, None)], "presence", "they did not do clearly worse"),
        ([variant("no_text")], "added", "The text added to the signal"),
        ([variant("no_text", None, None)], "added", "information coefficient not comparable, Sharpe ratio +1.00 (0.50 to 1.50)"),
        (None, None, "What the text added was not measured."),
        ([], None, "What the text added was not measured."),
    ],
)
def test_what_the_text_added(variants: list[Figures] | None, text: str | None, said: str) -> None:
    """By the difference to the strategy without it, and to the placebo; by the Sharpe ratio where there is no rank correlation."""
    found = verdict(figures(text_ablation={"variants": variants, "knowledge": None}))
    assert found["text"] == text
    assert said in everything(found)


def test_a_strategy_that_reads_no_text_says_so() -> None:
    """Nothing is claimed about a text that there is not."""
    found = verdict(figures(text_ablation=None))
    assert found["text"] is None
    assert "Its model reads no text." in everything(found)


def test_the_weakest_point_is_the_least_that_is_left() -> None:
    """Nothing left is said as such; without a profit there is nothing to break; a failed audit has nothing to say."""
    broken = figures(
        fragility={"stress": [{"stress": name, "left": 0.5} for name in STRESSES] + [{"stress": "costs_doubled", "left": -2.0}]}
    )
    assert everything(verdict(broken)).endswith("Its weakest point: at twice the costs, no profit would be left.")
    assert everything(verdict(figures(fragility={"stress": []}))).endswith("There was no profit that could break.")
    failed = everything(verdict(figures(audit__verdict="failed")))
    assert failed == "Nothing can be concluded: the audit failed, so none of the figures can be trusted."
    assert verdict(figures(audit__verdict="failed"))["text"] is None


def test_notes_of_the_trial_ledger_are_reasons() -> None:
    """What is odd about the count stands beside it."""
    found = verdict(figures(trials__notes=["trial ledger: 2 of its lines cannot be read"]))
    assert found["reasons"][-1] == "trial ledger: 2 of its lines cannot be read."  # type: ignore[index]
