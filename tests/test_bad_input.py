"""Bad input: every row of the table is answered by a run that says what it did, or by a refusal with its place and its fix."""

from __future__ import annotations

import pytest
from bad_input import CASES, OTHER_HALF, PAGE, Answer, every_answer, page

from quantlab.data import rules

HUGE = {"many broken rows", "not CSV"}  # take a file of 100,000 rows, and one of 64 MB: tested beside the readers


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Return the answers to all cases, made once."""
    return every_answer(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_answered(name: str, answers: dict[str, Answer]) -> None:
    """The exit code, with and without quarantine, and all that must be said; no traceback, in time, and the folder as it was."""
    case, answer = CASES[name], answers[name]
    for part in case.says:
        assert part in answer.words
    assert answer.code == case.code, answer.words
    assert answer.aside == (case.code if case.aside is None else case.aside)
    assert answer.untouched
    assert answer.seconds < 10
    assert "Traceback" not in answer.words


def test_every_rule_has_its_case(answers: dict[str, Answer]) -> None:
    """A rule that nothing breaks is either dead or not tested."""
    every = {rule.name for rule in vars(rules).values() if isinstance(rule, rules.Rule)}
    seen = set().union(*(answer.rules for answer in answers.values()))
    assert every - seen == HUGE | {rules.TOO_MANY.name}  # which follows from all findings, and is none of them


def test_the_page_shows_what_is_answered(answers: dict[str, Answer]) -> None:
    """The first half of docs/bad_input.md is what `python tests/bad_input.py` writes."""
    assert PAGE.read_text(encoding="utf-8").partition(OTHER_HALF)[0] == page(answers)
