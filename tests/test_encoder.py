"""TextEncoder: learns from the training rows alone, is scored on none of them, and gives the same bytes every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from encoder_case import one_a_row, tiny_checkpoint, toned_headlines
from sklearn.base import clone

from quantlab.cache import Cache
from quantlab.errors import UsageError
from quantlab.news import Documents, known_news
from quantlab.text.encoder import TextEncoder
from quantlab.text.encoder.checkpoint import WEIGHTS_SHA256, checkpoint_facts, find_checkpoint
from quantlab.text.encoder.examples import sample, tail, target_of
from quantlab.text.encoder.frozen import FrozenPart
from quantlab.text.encoder.training import Training

TUNES = ("none", "head", "top:1")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a small checkpoint."""
    return str(tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


def labelled(n: int = 120, effect: float = 1.0, seed: int = 0) -> tuple[pd.Series, pd.Series]:
    """Return n rows with a headline each, and labels that are its tone times `effect` plus noise of variance 1."""
    texts, tone = toned_headlines(n, seed)
    column = one_a_row(texts)
    noise = np.random.default_rng(seed + 1).normal(size=n)
    return column, pd.Series(effect * tone + noise, index=column.index)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tune": "topp:2"}, r"tune='topp:2'.*did you mean 'top:2'"),
        ({"tune": "top:3"}, "top:2"),
        ({"tune": "top:0"}, "none of 'none', 'head', 'top:1'"),
        ({"tune": "ful"}, "did you mean 'full'"),
        ({"tune": "lora:0"}, "tune='lora:0' is none of"),
        ({"tune": "lorra"}, "did you mean 'lora'"),
        ({"tune": 1}, "tune=1"),
        ({"dtype": "bfloat61"}, "did you mean 'bfloat16'"),
        ({"device": "gpu"}, "device='gpu' is none of"),
        ({"training": Training(epochs=0)}, "Training: epochs=0 must be a whole number >= 1"),
        ({"training": 3}, "training=3 must be a Training, or None"),
        ({"task": "clases"}, "did you mean 'classes'"),
        ({"dead_zone": -1.0}, "dead_zone=-1.0 must be a number >= 0"),
        ({"dead_zone": 0.5, "task": "regression"}, "makes classes of numbers"),
        ({"warm_start": 1}, "warm_start=1 must be True or False"),
        ({"tune": "head", "continual": True}, "nothing to go on from"),
        ({"n_components": 0}, "n_components=0"),
        ({"max_documents": 0}, "max_documents=0"),
        ({"n_blocks": 1}, "n_blocks=1"),
        ({"max_tokens": 4}, "max_tokens=4"),
        ({"max_tokens": 65}, "reads 64 at most"),
        ({"horizon": -1}, "horizon=-1"),
        ({"random_state": -1}, "random_state=-1"),
        ({"half_life_hours": 0.0}, "half_life_hours=0.0 must be a number > 0"),
        ({"checkpoint": "./nowhere"}, "is no folder"),
        ({"checkpoint": 5}, "checkpoint=5 must be a str or a Path, or None"),
        ({"start": 5}, "start=5 must be a Start, or None"),
        ({"cache": "a/folder"}, "cache='a/folder' must be a Cache, or None"),
        ({"half_life_hours": "abc"}, "half_life_hours='abc' must be a number > 0"),
    ],
)
def test_a_value_out_of_range_is_a_usage_error(parameters: dict[str, object], message: str, tiny: str) -> None:
    """Said before anything is computed: by fit, and by prepare, which a run calls first."""
    column, y = labelled(4)
    encoder = TextEncoder(**{"checkpoint": tiny, "max_tokens": 64, "horizon": 1, **parameters})  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(UsageError, match=message):
        encoder.fit(column, y)
    with pytest.raises(UsageError, match=message):
        encoder.prepare(column)


def test_more_blocks_than_bars_are_a_usage_error(tiny: str) -> None:
    """Each block needs a bar; the error says how many there are."""
    column, y = labelled(8)
    n_bars = column.index.get_level_values(0).nunique()
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=0, n_blocks=n_bars + 1)
    with pytest.raises(UsageError, match=f"n_blocks={n_bars + 1}, but the training rows have {n_bars} bars"):
        encoder.fit_transform(column, y)
    assert encoder.set_params(n_blocks=2).fit_transform(column, y).shape == (len(column), 1)


def test_an_infinite_half_life_counts_all_documents_alike(tiny: str) -> None:
    """It is no error."""
    column, y = labelled(8)
    assert TextEncoder(tiny, tune="head", max_tokens=64, horizon=1, half_life_hours=np.inf).fit(column, y).transform(column).any()


def test_without_documents_components_are_0_and_as_many_as_asked_for(tiny: str) -> None:
    """So the columns of a fold do not depend on whether it had news."""
    column, _ = labelled(8)
    encoder = TextEncoder(tiny, tune="none", max_tokens=64, n_components=3).fit(column[:0])
    np.testing.assert_array_equal(encoder.transform(column), np.zeros((len(column), 3)))


def test_an_unknown_parameter_is_a_type_error() -> None:
    """Nothing swallows a misspelt option."""
    with pytest.raises(TypeError, match="max_document"):
        TextEncoder(max_document=3)  # type: ignore[call-arg]  # wrong on purpose


def test_blocks_of_an_unknown_layout_are_not_trained(tmp_path: Path) -> None:
    """Its embeddings serve, frozen; its blocks take other arguments."""
    folder = str(tiny_checkpoint(tmp_path, "distilbert"))
    column, y = labelled(20)
    with pytest.raises(UsageError, match="cannot be trained apart: use tune='full'"):
        TextEncoder(folder, max_tokens=64, horizon=1).fit(column, y)
    assert TextEncoder(folder, max_tokens=64, horizon=1, tune="head").fit(column, y).transform(column).std() > 0


def test_it_is_a_scikit_learn_estimator(tiny: str) -> None:
    """The constructor only stores; a clone has the same parameters; cloning needs no checkpoint."""
    given = {"checkpoint": "nowhere", "tune": "none", "max_documents": 7, "horizon": 3, "half_life_hours": 5.0}
    encoder = TextEncoder(**given)  # type: ignore[arg-type]  # as a dictionary
    parameters = clone(encoder).get_params(deep=False)
    assert parameters.items() >= given.items()
    assert TextEncoder(**parameters).get_params(deep=False) == parameters
    column, _ = labelled(10)
    assert clone(encoder).set_params(checkpoint=tiny, max_tokens=64).fit_transform(column).shape == (10, 9)  # rank of 10 centred rows


@pytest.mark.parametrize("tune", TUNES)
def test_fit_twice_equals_the_last_fit(tune: str, tiny: str) -> None:
    """Nothing of the first fit is left, and nothing given is changed."""
    (first, y_first), (column, y) = labelled(40, seed=3), labelled(60)
    before = Documents.of(column).fingerprint(), y.copy()
    encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1)
    again = clone(encoder).fit(first, y_first).fit(column, y)
    encoder.fit(column, y)
    assert encoder.learned_.keys() == again.learned_.keys()
    assert all(np.array_equal(encoder.learned_[name], again.learned_[name]) for name in encoder.learned_)
    assert np.array_equal(encoder.transform(first), again.transform(first))
    assert Documents.of(column).fingerprint() == before[0]
    pd.testing.assert_series_equal(y, before[1])


@pytest.mark.parametrize("tune", TUNES)
def test_cold_warm_and_without_a_cache_give_the_same_bytes(tune: str, tiny: str, tmp_path: Path) -> None:
    """Prepared or not; and from a cache that knows the frozen part but nothing learned."""
    column, y = labelled(60)
    outputs = []
    for cache, prepared in ((None, False), (Cache(tmp_path), True), (Cache(tmp_path), False), (Cache(tmp_path / "other"), False)):
        encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1, cache=cache)
        if prepared:
            encoder.prepare(column)
        outputs.append(encoder.fit_transform(column[:40], y[:40]).tobytes() + encoder.transform(column[40:]).tobytes())
    assert len(set(outputs)) == 1


@pytest.mark.parametrize("tune", TUNES)
def test_rows_without_documents_are_zero_and_future_texts_change_nothing(tune: str, tiny: str) -> None:
    """A row's features depend on what was learned and on its own documents, whatever stands after them."""
    texts, tone = toned_headlines(80)
    column = one_a_row(texts)
    y = pd.Series(tone, index=column.index) + np.linspace(0, 1, 80)
    encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1, n_components=3).fit(column[:40], y[:40])
    whole = encoder.transform(column)
    assert np.array_equal(encoder.transform(column[:50]), whole[:50])
    assert np.array_equal(encoder.transform(column[60:61]), whole[60:61])
    silent = known_news(news_of(("2024-01-02 12:00", "A", "Acme beats estimates")), flat_bars({"A": [1.0] * 4, "B": [1.0] * 4}))
    features = encoder.transform(silent)
    assert list(np.flatnonzero(features.any(axis=1))) == [2]


def test_frozen_embeddings_become_principal_components(tiny: str) -> None:
    """Of the standardised rows that have documents: by scikit-learn, up to the sign; its largest entry is positive."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    column, _ = labelled(50)
    encoder = TextEncoder(tiny, tune="none", max_tokens=64, n_components=4)
    features = encoder.fit_transform(column)
    embeddings = FrozenPart(find_checkpoint(tiny), encoder.part().dtype, 0, 64, "test").embeddings(toned_headlines(50)[0])
    expected = PCA(4, svd_solver="full").fit_transform(StandardScaler().fit_transform(embeddings.astype(float)))
    np.testing.assert_allclose(np.abs(features), np.abs(expected), atol=1e-6)
    assert (np.take_along_axis(encoder.learned_["components"], np.abs(encoder.learned_["components"]).argmax(1)[:, None], 1) > 0).all()
    assert list(encoder.get_feature_names_out()) == [f"encoder_{number}" for number in range(4)]


def test_a_rows_score_is_the_mean_of_its_documents_by_age(tiny: str) -> None:
    """Half-life 24 hours: of two documents a day apart, the elder counts half."""
    column, y = labelled(40)
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1).fit(column, y)
    rows = [("2024-01-01 20:00", "A", "Acme beats estimates"), ("2024-01-02 20:00", "A", "Hooli cuts guidance")]
    bars = flat_bars({"A": [1.0] * 2})
    old, new = (encoder.transform(known_news(news_of(row), bars)) for row in rows)
    both = encoder.transform(known_news(news_of(*rows), bars, lookback=2))
    assert both[1, 0] == pytest.approx((old[0, 0] + 2 * new[1, 0]) / 3)


def test_a_document_in_several_rows_is_one_example(tiny: str) -> None:
    """Its label is the mean over its rows by age: with the same labels everywhere, three views teach what one does."""
    texts, tone = toned_headlines(40)
    once, thrice = one_a_row(texts, n_symbols=1), one_a_row(texts, n_symbols=1, lookback=3)
    fits = [
        TextEncoder(tiny, max_tokens=64, horizon=1, tune="head").fit(column, pd.Series(tone, index=column.index))
        for column in (once, thrice)
    ]
    assert [fit.describe_learned()["n_texts"] for fit in fits] == [40, 40]
    far, near = (TextEncoder(tiny, max_tokens=64, horizon=1, tune="head", half_life_hours=hours) for hours in (1e-9, 0.5))
    labels = pd.Series(tone, index=thrice.index)
    assert (
        np.corrcoef(near.fit(thrice, labels).transform(once)[:, 0], fits[0].transform(once)[:, 0])[0, 1] > 0.999
    )  # the youngest view alone
    assert np.isfinite(far.fit(thrice, labels).transform(once)).all()


def test_links_handles_and_cashtags_are_not_read(tiny: str) -> None:
    """Two tweets that say the same are one text."""
    rows = [("2024-01-01 20:00", "A", "$A Acme beats estimates https://t.co/x"), ("2024-01-02 20:00", "A", "RT @b: Acme beats estimates")]
    column = known_news(news_of(*rows), flat_bars({"A": [1.0] * 3}))
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1).fit(column, pd.Series([0.1, 0.2, 0.35], index=column.index))
    assert encoder.describe_learned()["n_texts"] == 1


def test_a_sample_is_spread_evenly_over_time(tiny: str) -> None:
    """One text out of each equal stretch; another seed takes others."""
    taken = np.flatnonzero(sample(100, 10, 0))
    assert list(taken // 10) == list(range(10))
    assert not np.array_equal(taken, np.flatnonzero(sample(100, 10, 1)))
    assert sample(9, 10, 0).all()
    column, y = labelled(60)
    learned = TextEncoder(tiny, max_tokens=64, horizon=1, max_documents=20).fit(column, y).describe_learned()
    assert (learned["n_texts"], learned["n_trained_on"], len(learned["loss"])) == (60, 20, 1)  # type: ignore[arg-type]  # a list


def test_whole_numbered_labels_of_few_values_are_classes(tiny: str) -> None:
    """The score is then P(highest) - P(lowest): in [-1, 1], and far from 0 only where the text tells them apart."""
    texts, tone = toned_headlines(200)
    column = one_a_row(texts)
    for classes in (tone, (tone + 1) / 2, np.where(np.arange(200) % 3 == 0, 0.0, tone)):
        encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1).fit(column, pd.Series(classes, index=column.index))
        scores = encoder.transform(column)[:, 0]
        assert encoder.learned_["head.weight"].shape[0] == len(np.unique(classes))
        assert np.abs(scores).max() <= 1
        assert np.corrcoef(scores, tone)[0, 1] > 0.5


@pytest.mark.parametrize("tune", TUNES)
def test_nothing_to_learn_from_gives_zeros(tune: str, tiny: str) -> None:
    """No document at all, or labels that are all the same: no error, no feature."""
    column, y = labelled(12)
    empty = known_news(news_of(("2030-01-01", "A", "later")), flat_bars({"A": [1.0] * 8}))
    encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1)
    features = encoder.fit_transform(empty, pd.Series(np.arange(8.0), index=empty.index))
    assert not features.any()
    assert not encoder.transform(column).any()
    if tune != "none":
        assert not encoder.fit(column, 0 * y).transform(column).any()


def test_a_missing_label_is_refused(tiny: str) -> None:
    """It would be learned from as a number."""
    column, y = labelled(12)
    with pytest.raises(ValueError, match="missing"):
        TextEncoder(tiny, max_tokens=64, horizon=1).fit(column, y.where(y.index != y.index[3]))


@pytest.mark.parametrize("tune", ["head", "top:1"])
def test_an_over_fitted_score_is_not_shown_on_its_own_rows(tune: str, tiny: str) -> None:
    """Trained on noise until it knows it by heart, it knows nothing of the rows that it is stacked on."""
    column, y = labelled(240, effect=0.0)
    encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1, training=Training(epochs=25, learning_rate=3e-3))
    crossed = encoder.fit_transform(column, y)[:, 0]
    if tune == "top:1":
        assert np.corrcoef(encoder.transform(column)[:, 0], y)[0, 1] > 0.5
    assert abs(np.corrcoef(crossed, y)[0, 1]) < 0.2 if crossed.std() > 0 else True


@pytest.mark.slow
def test_it_learns_a_weak_tone_and_nothing_from_permuted_labels() -> None:
    """The tone explains 8% of the variance: out of sample its scores tell it; from permuted labels there are almost no scores."""
    column, y = labelled(900, effect=0.3)
    train, test = slice(0, 600), slice(600, 900)
    tone = toned_headlines(900)[1][test]
    for tune in ("head", "top:1"):
        scores = TextEncoder(tune=tune, horizon=1).fit(column[train], y[train]).transform(column[test])[:, 0]
        assert np.corrcoef(scores, tone)[0, 1] > 0.5
        assert scores.std() > 0.2  # of a standard deviation of the label; 0.29 would be all that there is to know
    for seed in range(3):
        permuted = pd.Series(np.random.default_rng(seed).permutation(y[train]), index=y[train].index)
        assert TextEncoder(horizon=1).fit(column[train], permuted).transform(column[test]).std() < 0.05


WARM = """
import sys
from pathlib import Path
import numpy as np
from quantlab.cache import Cache
from quantlab.text.encoder import TextEncoder
from test_encoder import labelled
column, y = labelled(30)
encoder = TextEncoder({folder!r}, tune={tune!r}, max_tokens=64, horizon=1, cache=Cache(Path({cache!r})))
encoder.prepare(column)
features = encoder.fit_transform(column[:20], y[:20]), encoder.transform(column[20:]), encoder.describe_learned()
print(*sorted({{'torch', 'transformers', 'tokenizers', 'sentence_transformers'}} & set(sys.modules)))
"""


@pytest.mark.parametrize("tune", ["none", "top:1"])
def test_a_warm_cache_never_imports_torch(tune: str, tiny: str, tmp_path: Path) -> None:
    """Prepare, fit and transform, all from the cache."""
    column, y = labelled(30)
    encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1, cache=Cache(tmp_path))
    encoder.prepare(column)
    encoder.fit_transform(column[:20], y[:20])
    encoder.transform(column[20:])
    code = WARM.format(folder=tiny, tune=tune, cache=str(tmp_path))
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    assert answer.stdout.split() == []


def test_facts_say_what_the_encoder_has_read() -> None:
    """As JSON, for the manifest: the default knows text up to 2021."""
    facts = checkpoint_facts(None, dtype="float32", device="auto")
    assert json.loads(json.dumps(facts)) == facts
    assert facts["sha256"] == {"model.safetensors": WEIGHTS_SHA256}
    assert (facts["knowledge_cutoff"], facts["dtype"]) == ("2021-12-31", "float32")


def test_of_an_own_checkpoint_the_cutoff_is_unknown(tiny: str) -> None:
    """Null, never a guess."""
    assert checkpoint_facts(tiny, dtype="auto", device="auto")["knowledge_cutoff"] is None


def test_a_dead_zone_makes_three_classes_of_numbers(tiny: str) -> None:
    """Down, flat and up; the score is P(up) - P(down)."""
    column, y = labelled(200, effect=2.0)
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1, dead_zone=0.5).fit(column, y)
    scores = encoder.transform(column)[:, 0]
    assert encoder.describe_learned()["classes"] == [-1.0, 0.0, 1.0]
    assert np.abs(scores).max() <= 1
    assert np.corrcoef(scores, toned_headlines(200)[1])[0, 1] > 0.5
    target = target_of(np.array([-3.0, -0.1, 0.1, 3.0]), dead_zone=0.5)
    assert target is not None
    assert target.values.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_more_than_three_classes_have_a_column_each(tiny: str) -> None:
    """Their probabilities; cross-fitted blocks that lack a class keep its column."""
    column, _ = labelled(80)
    y = pd.Series(np.arange(80) % 5, index=column.index, dtype=float)
    y[:40] = y[:40].where(y[:40] != 3, 2)
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1, task="classes")
    features = encoder.fit_transform(column, y)
    assert list(encoder.get_feature_names_out()) == [f"encoder_p_{number}" for number in range(5)]
    np.testing.assert_allclose(features.sum(axis=1), 1.0)
    numbers = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1).fit(column, y)
    assert list(numbers.get_feature_names_out()) == ["encoder_score"]
    with pytest.raises(UsageError, match="labels have 80 values"):
        encoder.fit(column, pd.Series(np.linspace(0, 1, 80), index=column.index))


def test_the_tail_is_held_out_and_purged_against_the_rest(tiny: str) -> None:
    """Of 20 bars the last five; with a horizon of 2 the three bars before them are neither learned from nor held out."""
    column, y = labelled(40)
    documents = Documents.of(column)
    bar = np.repeat(np.arange(20), 2)
    learning, held_out = tail(documents, np.arange(40), bar, 0.25, 3)
    assert np.flatnonzero(held_out).tolist() == list(range(30, 40))
    assert np.flatnonzero(learning).tolist() == list(range(24))
    how = Training(validation=0.25, epochs=3)
    said = TextEncoder(tiny, max_tokens=64, horizon=2, training=how).fit(column, y).describe_learned()
    assert (said["n_trained_on"], said["n_held_out"], said["n_purged"]) == (24, 10, 6)
    assert len(said["validation_loss"]) == len(said["loss"]) + 1  # type: ignore[arg-type]  # lists
    head = TextEncoder(tiny, tune="head", max_tokens=64, training=how).fit(column, y).describe_learned()
    assert (head["n_held_out"], head["n_purged"]) == (0, 0)  # it has no passes to stop
    with pytest.raises(ValueError, match="horizon"):
        TextEncoder(tiny, max_tokens=64, training=how).fit(column, y)


def test_a_text_that_straddles_the_edge_is_left_out() -> None:
    """Seen for three bars, its label is known only after the last: bars 5 to 7 of 10 do not fit on either side of bar 7."""
    texts, _ = toned_headlines(10)
    column = one_a_row(texts, n_symbols=1, lookback=3)
    documents = Documents.of(column)
    learning, held_out = tail(documents, np.arange(10), np.arange(10), 0.3, 1)
    assert np.flatnonzero(held_out).tolist() == [7, 8, 9]
    assert np.flatnonzero(learning).tolist() == [0, 1, 2, 3]  # text 3 is last seen at bar 5, two before bar 7


def test_rows_of_other_bars_are_another_fit(tiny: str, tmp_path: Path) -> None:
    """What is held out is cut by bars: the same documents on another calendar are not taken from the cache."""
    column, y = labelled(40)
    encoder = TextEncoder(tiny, max_tokens=64, horizon=1, training=Training(validation=0.25), cache=Cache(tmp_path)).fit(column, y)
    index = pd.MultiIndex.from_arrays([column.index.get_level_values(0)[np.arange(40) // 4 * 2], np.arange(40)], names=["time", "symbol"])
    other = clone(encoder).fit(column.set_axis(index), y.set_axis(index))
    assert encoder.describe_learned()["n_purged"] == 4
    assert other.describe_learned()["n_purged"] == 8


def test_parameters_of_the_training_can_be_set_from_the_command(tiny: str) -> None:
    """`--set model.epochs=3` reaches it, made or not; the defaults of other encoders stay."""
    from quantlab.models import ridge_regressor, with_text
    from quantlab.strategy.setting import _Setting, _with_parameter

    model = with_text(ridge_regressor(), TextEncoder(tiny))
    changed = _with_parameter(model, _Setting(("epochs",), 3, "model.epochs"))
    (encoder,) = (part for part in changed.get_params().values() if isinstance(part, TextEncoder))
    assert encoder.training.get_params() == Training(epochs=3).get_params()
    assert TextEncoder(tiny).get_params()["training__epochs"] == 1
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        _with_parameter(model, _Setting(("epoch",), 3, "model.epoch"))


@pytest.mark.parametrize("tune", ["full", "lora:2", "prefix:4"])
def test_a_whole_encoder_is_tuned_inside_folds_too(tune: str, tiny: str, tmp_path: Path) -> None:
    """Cold, warm and without a cache the same bytes; future texts change nothing."""
    column, y = labelled(60)
    found = []
    for cache in (None, Cache(tmp_path), Cache(tmp_path)):
        encoder = TextEncoder(tiny, tune=tune, max_tokens=64, horizon=1, cache=cache, training=Training(n_seeds=2, synonyms=0.5))
        encoder.prepare(column)
        found.append(encoder.fit_transform(column[:40], y[:40]).tobytes() + encoder.transform(column[40:]).tobytes())
    assert len(set(found)) == 1
    assert np.array_equal(encoder.transform(column[40:50]), encoder.transform(column[40:])[:10])


def test_masked_entities_are_not_read(tiny: str) -> None:
    """Two companies that do the same are one text."""
    rows = [("2024-01-01 20:00", "A", "Acme Corp beats estimates by 5%"), ("2024-01-02 20:00", "A", "Hooli beats estimates by 7%")]
    column = known_news(news_of(*rows), flat_bars({"A": [1.0] * 3}))
    y = pd.Series([0.1, 0.2, 0.35], index=column.index)
    texts = [
        TextEncoder(tiny, tune="head", max_tokens=64, horizon=1, mask_entities=mask, entity_names=("Acme Corp", "Hooli"))
        .fit(column, y)
        .describe_learned()["n_texts"]
        for mask in (False, True)
    ]
    assert texts == [2, 1]


ELSEWHERE = """
import hashlib
from quantlab.text.encoder import TextEncoder
from quantlab.text.encoder.training import Training
from test_encoder import labelled
column, y = labelled(30)
for tune in ("top:1", "lora:2", "adalora:2"):
    encoder = TextEncoder({folder!r}, tune=tune, max_tokens=64, horizon=1, training=Training(dropout=0.1, synonyms=0.5))
    print(hashlib.sha256(encoder.fit_transform(column[:20], y[:20]).tobytes() + encoder.transform(column[20:]).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(tiny: str) -> None:
    """Whatever the seed of its hashes: fitted, cross-fitted and scored twice, in two interpreters."""
    code = ELSEWHERE.format(folder=tiny)
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    )
    assert len(first.split()) == 3
    assert first == second
