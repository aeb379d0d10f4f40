"""What all text learners share: cross-fitting over blocks of time, and a cache that never changes a result."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from conftest import closes, flat_bars

from quantlab.cache import Arrays, Cache
from quantlab.news import Documents, News, known_news
from quantlab.text.base import Floats, TextFeature


class Memory(TextFeature):
    """Over-fits on purpose: remembers the mean label of every text, and the rows that it saw."""

    supervised = True
    cacheable = True

    def __init__(self, *, horizon: int | None = None, n_blocks: int = 3, cache: Cache | None = None) -> None:
        """Store the settings."""
        self.horizon = horizon
        self.n_blocks = n_blocks
        self.cache = cache

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        assert y is not None
        means = {text: y[documents.row[documents.text == code]].mean() for code, text in enumerate(documents.texts)}
        self.fits = getattr(self, "fits", 0) + 1
        return {"texts": np.array([hash_of(text) for text in means]), "means": np.array(list(means.values()))}

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        known = dict(zip(learned["texts"].tolist(), learned["means"].tolist(), strict=True))
        scores = np.array([[known.get(hash_of(text), 0.0)] for text in documents.texts]).reshape(-1, 1)
        return documents.mean_by_row(scores, np.ones(len(documents.text)))

    def _names(self, learned: Arrays) -> list[str]:
        return ["score"]


def hash_of(text: str) -> int:
    """Return the number at the end of a text."""
    return int(text.rsplit(" ", 1)[1])


def one_text_a_row(n_times: int = 30, text: str = "text {}") -> pd.Series:
    """Return a news column in which each of the rows of two symbols has one document of its own."""
    bars = flat_bars({"A": [1.0] * n_times, "B": [1.0] * n_times})
    stamps = closes(n_times) - pd.Timedelta(hours=1)
    table = pd.DataFrame(
        {
            "available_at": stamps.repeat(2),
            "symbol": ["A", "B"] * n_times,
            "text": [text.format(number) for number in range(2 * n_times)],
        }
    )
    return known_news(News(table), bars)


def labels(column: pd.Series) -> pd.Series:
    """Return noise, one label per row."""
    return pd.Series(np.random.default_rng(0).normal(size=len(column)), index=column.index)


def test_a_supervised_learner_is_not_scored_on_what_it_learned_from() -> None:
    """It remembers every label; cross-fitted, it knows none of its own rows, while transform would know them all."""
    column = one_text_a_row()
    learner = Memory(horizon=2)
    scores = learner.fit_transform(column, labels(column))
    assert np.abs(scores).max() == 0
    assert np.corrcoef(learner.transform(column)[:, 0], labels(column))[0, 1] > 0.999


def test_blocks_leave_out_horizon_plus_one_bars_on_both_sides() -> None:
    """One text that stands in every row tells which rows were learned from: the mean of their labels, by hand."""
    column = one_text_a_row(12, "text 0")
    y = pd.Series(np.repeat(np.arange(12.0), 2), index=column.index)
    scores = Memory(horizon=1).fit_transform(column, y)[::2, 0]
    assert scores[0] == np.mean([6, 7, 8, 9, 10, 11])  # block of bars 0-3, without the two after it
    assert scores[4] == np.mean([0, 1, 10, 11])  # block of bars 4-7, without two on each side
    assert scores[8] == np.mean([0, 1, 2, 3, 4, 5])  # block of bars 8-11


def test_the_horizon_must_be_known() -> None:
    """A purge that is guessed would leak."""
    column = one_text_a_row()
    with pytest.raises(ValueError, match="horizon"):
        Memory().fit_transform(column, labels(column))


def test_labels_must_be_given() -> None:
    """A supervised learner without labels is a mistake, not an empty fit."""
    with pytest.raises(ValueError, match="labels"):
        Memory(horizon=1).fit(one_text_a_row())


def test_with_a_cache_nothing_is_learned_twice_and_nothing_changes(tmp_path: Path) -> None:
    """The second learner reads all three entries and gives the same bytes."""
    column = one_text_a_row()
    y = labels(column)
    first, second, without = Memory(horizon=2, cache=Cache(tmp_path)), Memory(horizon=2, cache=Cache(tmp_path)), Memory(horizon=2)
    outputs = [(learner.fit_transform(column, y).tobytes(), learner.transform(column).tobytes()) for learner in (first, second, without)]
    assert outputs[0] == outputs[1] == outputs[2]
    assert first.fits == 4  # one fit, three blocks
    assert not hasattr(second, "fits")


@pytest.mark.parametrize("change", ["documents", "labels", "parameter"])
def test_a_changed_input_never_hits(change: str, tmp_path: Path) -> None:
    """Another document, another label, another setting: each is learned anew."""
    column = one_text_a_row()
    y = labels(column)
    Memory(horizon=2, cache=Cache(tmp_path)).fit_transform(column, y)
    other = Memory(horizon=3 if change == "parameter" else 2, cache=Cache(tmp_path))
    other.fit_transform(one_text_a_row(text="other {}") if change == "documents" else column, y + 1 if change == "labels" else y)
    assert other.fits == 4


class Stranger(Memory):
    """A learner that does not say that it may be kept."""

    cacheable = False


def test_a_learner_of_the_users_is_not_kept_unless_it_says_so(tmp_path: Path) -> None:
    """What its file imports may change without the file: better slow than stale."""
    column = one_text_a_row()
    for _ in range(2):
        learner = Stranger(horizon=2, cache=Cache(tmp_path))
        learner.fit_transform(column, labels(column))
        assert learner.fits == 4
    assert Cache(tmp_path).entries() == []


@pytest.mark.parametrize("place", ["notebook", "stdin", "nowhere"])
@pytest.mark.parametrize("kept", [False, True])
def test_a_learner_without_a_file_learns_but_is_not_kept(place: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed in a notebook (a main module without a file), read from stdin, of no module: its code cannot be told, so it is learned anew."""
    module = ModuleType(f"typed_{place}") if place != "notebook" else ModuleType("__main__")
    if place == "stdin":
        module.__file__ = str(tmp_path / "<stdin>")
    if place != "nowhere":
        monkeypatch.setitem(sys.modules, module.__name__, module)
    typed = type("Typed", (Memory,), {"__module__": module.__name__})
    column = one_text_a_row()
    for _ in range(2):
        learner = typed(horizon=2, cache=Cache(tmp_path) if kept else None)
        learner.fit_transform(column, labels(column))
        assert learner.fits == 4
    assert Cache(tmp_path).entries() == []


def test_fit_end_is_the_last_row_learned_from() -> None:
    """Measured on the rows, not taken from the fold."""
    column = one_text_a_row()
    assert Memory(horizon=1).fit(column.iloc[:20], labels(column).iloc[:20]).fit_end_ == closes(10)[-1]
