"""Going on from an earlier fold: less is forgotten, the new is learned, and no row is scored by what has learned from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from encoder_case import one_a_row, tiny_checkpoint, toned_headlines
from sklearn.base import clone

from quantlab.cache import Cache, unpacked
from quantlab.news import Documents
from quantlab.text.base import Start
from quantlab.text.encoder import TextEncoder
from quantlab.text.encoder.continual import remembered, with_replay
from quantlab.text.encoder.training import Examples, Training

TRAINING = Training(epochs=12, further_epochs=12, learning_rate=1e-3, batch_size=32, replay=100)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a small checkpoint."""
    return str(tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


def regime(subject: str, sign: float, n: int = 300, seed: int = 0) -> tuple[pd.Series, pd.Series]:
    """Return headlines about a subject and labels that are `sign` times their tone, plus a little noise."""
    texts, tone = toned_headlines(n, seed)
    column = one_a_row([f"{subject}: {text}" for text in texts])
    return column, pd.Series(sign * tone + 0.3 * np.random.default_rng(seed).normal(size=n), index=column.index)


def after(rows: pd.Series, labels: pd.Series, days: int = 1000) -> tuple[pd.Series, pd.Series]:
    """Return the same rows, later."""
    index = rows.index.set_levels(rows.index.levels[0] + pd.Timedelta(days=days), level=0)
    return rows.set_axis(index), labels.set_axis(index)


def told(encoder: TextEncoder, rows: pd.Series, labels: pd.Series) -> float:
    """Return the correlation of the scores with the labels."""
    return float(np.corrcoef(encoder.transform(rows)[:, 0], labels)[0, 1])


def encoder_of(folder: str, **parameters: object) -> TextEncoder:
    """Return an encoder of two trained blocks."""
    base = TextEncoder(folder, tune="top:2", max_tokens=64, horizon=1, training=clone(TRAINING))
    return base.set_params(**parameters)


def test_a_continual_learner_forgets_less_and_still_adapts(tiny: str) -> None:
    """First good news of banks is good; then only miners make news, and for them good is bad.

    A plain warm start learns to turn the sign for banks as well; with replay and pull the banks are remembered and the miners learned.
    """
    old, new = regime("Bank", 1.0), after(*regime("Miner", -1.0, seed=1))
    old_test, new_test = regime("Bank", 1.0, 200, seed=5), regime("Miner", -1.0, 200, seed=6)
    first = encoder_of(tiny, continual=True).fit(*old)
    assert told(first, *old_test) > 0.8
    assert told(first, *new_test) < -0.8
    warm = encoder_of(tiny, warm_start=True, start=first.as_start()).fit(*new)
    continual = encoder_of(tiny, continual=True, start=first.as_start()).fit(*new)
    assert told(continual, *old_test) > told(warm, *old_test) + 0.4
    assert told(continual, *new_test) > 0.4
    said = continual.describe_learned()
    assert (said["n_replayed"], said["n_fits_before"], said["started_from"]) == (100, 1, first.key_)
    assert said["start_fit_end"] == old[0].index.get_level_values(0).max().isoformat()
    assert continual.fit_end_ == new[0].index.get_level_values(0).max()


def test_the_chain_is_counted_and_a_fold_with_nothing_to_learn_keeps_what_is_known(tiny: str) -> None:
    """Three fits deep; labels that are all the same change nothing."""
    rows, labels = regime("Bank", 1.0, 60)
    encoder = encoder_of(tiny, warm_start=True, training=Training(epochs=4)).fit(rows, labels)
    passes = [len(encoder.describe_learned()["loss"])]  # type: ignore[arg-type]  # a list
    for number in range(2):
        encoder = clone(encoder).set_params(start=encoder.as_start()).fit(*after(rows, labels, 100 * (number + 1)))
        passes.append(len(encoder.describe_learned()["loss"]))  # type: ignore[arg-type]  # likewise
    assert passes == [4, 1, 1]
    assert encoder.describe_learned()["n_fits_before"] == 2
    later = after(rows, 0 * labels, 1000)
    idle = clone(encoder).set_params(start=encoder.as_start()).fit(*later)
    assert np.array_equal(idle.transform(rows), encoder.transform(rows))
    assert idle.describe_learned()["n_trained_on"] == 0


def test_training_rows_are_never_scored_by_what_learned_from_them(tiny: str) -> None:
    """The start knows the noise of these very rows by heart: its scores show it, the cross-fitted features do not."""
    texts, _ = toned_headlines(200)
    rows = one_a_row(texts)
    noise = pd.Series(np.random.default_rng(0).normal(size=200), index=rows.index)
    training = Training(epochs=40, learning_rate=3e-3, batch_size=32)
    first = encoder_of(tiny, warm_start=True, training=training).fit(rows, noise)
    assert np.corrcoef(first.transform(rows)[:, 0], noise)[0, 1] > 0.5
    encoder = clone(first).set_params(start=first.as_start())
    encoder.set_params(training__epochs=3)
    features = encoder.fit_transform(rows, noise)[:, 0]
    assert abs(np.corrcoef(features, noise)[0, 1]) < 0.2
    fresh = clone(encoder).set_params(start=None).fit_transform(rows, noise)[:, 0]
    assert np.array_equal(features, fresh)


def test_a_start_that_knows_later_rows_is_refused(tiny: str) -> None:
    """Folds in another order would hand the future to the past."""
    rows, labels = regime("Bank", 1.0, 40)
    later = Start("key", {}, rows.index.get_level_values(0).max() + pd.Timedelta(days=1))
    with pytest.raises(ValueError, match="after the last training row"):
        encoder_of(tiny, warm_start=True, start=later).fit(rows, labels)


def test_continues_says_whether_it_goes_on(tiny: str) -> None:
    """A start that is not asked for is not used."""
    rows, labels = regime("Bank", 1.0, 40)
    plain = encoder_of(tiny, training=Training()).fit(rows, labels)
    assert [encoder_of(tiny).continues, encoder_of(tiny, warm_start=True).continues, encoder_of(tiny, continual=True).continues] == [
        False,
        True,
        True,
    ]
    again = clone(plain).set_params(start=plain.as_start()).fit(rows, labels)
    assert np.array_equal(again.transform(rows), plain.transform(rows))


def test_a_fit_that_goes_on_is_the_same_from_the_cache(tiny: str, tmp_path: object) -> None:
    """Cold, warm and without a cache; another start is another fit."""
    rows, labels = regime("Bank", 1.0, 60)
    first = encoder_of(tiny, continual=True, training=Training(replay=10)).fit(rows, labels)
    other = encoder_of(tiny, continual=True, training=Training(replay=10)).fit(rows, -labels)
    later, y = after(*regime("Bank", 1.0, 60, seed=1))
    found = []
    for cache in (None, Cache(tmp_path), Cache(tmp_path)):  # type: ignore[arg-type]  # pytest's path
        encoder = clone(first).set_params(start=first.as_start(), cache=cache)
        found.append(encoder.fit_transform(later, y).tobytes() + encoder.transform(rows).tobytes())
        said = encoder.describe_learned()
        assert said["n_replayed"] == 10
        third = clone(encoder).set_params(start=encoder.as_start()).fit(*after(rows, labels, 3000))
        assert third.describe_learned()["n_fits_before"] == 2
    assert len(set(found)) == 1
    changed = clone(first).set_params(start=other.as_start()).fit(later, y)
    assert not np.array_equal(changed.transform(rows), encoder.transform(rows))


def memory_of(*windows: list[str], size: int = 5) -> list[str]:
    """Return the texts that are remembered after some windows."""
    learned: dict[str, np.ndarray] = {}
    for number, texts in enumerate(windows):
        given = Examples.of(texts, np.full((len(texts), 1), float(number)), task="regression")
        learned = remembered(learned, given, size, 0)
    return unpacked(learned["memory.texts"])


def test_the_memory_is_a_bounded_sample_of_all_texts_ever_seen() -> None:
    """Whatever the windows and their order: each text has its own number, and the lowest stay."""
    texts = [f"text {number}" for number in range(40)]
    whole = memory_of(texts)
    assert len(whole) == 5
    assert memory_of(texts[:25], texts[15:]) == whole
    assert set(memory_of(texts[20:], texts[:20])) == set(whole)
    early = [sum(int(text.split()[1]) < 20 for text in memory_of([f"{text} {seed}" for text in texts], size=20)) for seed in range(20)]
    assert 8 < np.mean(early) < 12


def test_what_is_in_the_window_is_not_replayed() -> None:
    """And a text that was held out is not remembered."""
    given = Examples.of(["a", "b", "c"], np.arange(3.0)[:, None], task="regression", held_out=np.array([False, False, True]))
    memory = remembered({}, given, 10, 0)
    assert sorted(unpacked(memory["memory.texts"])) == ["a", "b"]
    later = Examples.of(["b", "d"], np.full((2, 1), 9.0), task="regression", held_out=np.array([True, False]))
    found = with_replay(later, memory)
    assert found.texts == ["b", "d", "a"]
    assert found.target[:, 0].tolist() == [9.0, 9.0, 0.0]
    assert (found.sampled.tolist(), found.held_out.tolist()) == ([False, True, True], [True, False, False])
    assert with_replay(later, {}) is later


def test_the_inputs_stay_as_they_are(tiny: str) -> None:
    """Neither rows nor start are changed by a fit."""
    rows, labels = regime("Bank", 1.0, 40)
    first = encoder_of(tiny, continual=True, training=Training()).fit(rows, labels)
    start = first.as_start()
    before, documents = {name: value.copy() for name, value in start.learned.items()}, Documents.of(rows).fingerprint()
    encoder_of(tiny, continual=True, training=Training(), start=start).fit(*after(rows, -labels))
    assert all(np.array_equal(start.learned[name], before[name]) for name in before)
    assert Documents.of(rows).fingerprint() == documents


def test_the_folds_of_a_walk_hand_on_what_they_learned(tiny: str) -> None:
    """In order, each from the last one's start; the record says how deep, and when each stopped learning."""
    from quantlab.folds import WalkForward
    from quantlab.models import ridge_regressor, with_text
    from quantlab.walkforward import prepared, walk_forward

    rows, labels = regime("Bank", 1.0, 160)
    X = pd.DataFrame({"noise": np.random.default_rng(0).normal(size=160), "news": rows})
    times = X.index.get_level_values(0).unique()
    folds = list(WalkForward(train=30, test=15).split(times, 1))
    encoder = TextEncoder(tiny, max_tokens=64, warm_start=True)
    model = prepared(with_text(ridge_regressor(), encoder), horizon=1, random_state=0, cache=None)
    found = walk_forward(model, X, labels, folds)
    said = [part for fit in found.fits for name, part in sorted(fit.learned.items()) if "text_encoder" in name]
    assert [part["n_fits_before"] for part in said] == list(range(len(folds)))
    ends = [next(end for name, end in sorted(fit.fit_end.items()) if "text_encoder" in name) for fit in found.fits]
    assert [part["start_fit_end"] for part in said[1:]] == [end.isoformat() for end in ends[:-1]]
    assert [pd.Timestamp(end) for end in ends] == [fold.train_end for fold in folds]
