"""Fine-tuning as a command: a folder that others can read, a card that tells the truth, and a kill that costs one pass at most."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from encoder_case import one_a_row, tiny_checkpoint, toned_headlines
from finetune_case import quick, toned_file, write

from quantlab.commands.finetune import finetune
from quantlab.entry import answer
from quantlab.errors import DataError, StorageError, UsageError
from quantlab.finetune import Columns, finetune_file, read_examples, split
from quantlab.finetune.card import model_facts
from quantlab.text import TextEncoder
from quantlab.text.encoder import finetune as tuning
from quantlab.text.encoder import loop
from quantlab.text.encoder.card import sealed
from quantlab.text.encoder.frozen import frozen_part
from quantlab.text.encoder.heads import shares
from quantlab.text.sentiment.model_folder import find_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small checkpoint."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder made of a hundred toned headlines; beside it stands the file."""
    folder = tmp_path_factory.mktemp("made")
    finetune_file(toned_file(folder / "x.csv"), folder / "model", quick(base, licence="ours"))
    return folder / "model"


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_others_read_the_folder(made: Path) -> None:
    """Hugging Face finds every weight of the encoder, and our encoder takes it as a checkpoint; the journal is gone."""
    from transformers import AutoModel, AutoTokenizer

    model, loading = AutoModel.from_pretrained(made, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert model.config.num_hidden_layers == 2
    assert AutoTokenizer.from_pretrained(made)("beats estimates")["input_ids"]
    texts, _ = toned_headlines(20)
    assert TextEncoder(made, tune="none", max_tokens=64, n_components=2).fit_transform(one_a_row(texts)).shape == (20, 2)
    assert sorted(path.name for path in made.parent.iterdir()) == ["model", "x.csv"]


def test_the_card_says_what_happened(made: Path) -> None:
    """Task, labels, split, figures of the written folder on the test rows, hashes, licence; no time of day."""
    card = json.loads((made / "card.json").read_text())
    assert (card["task"], card["labels"]) == ("classes", ["bad", "good"])
    assert (card["data"]["n_rows"], card["data"]["licence"], card["fit_end"]) == (100, "ours", None)
    examples = read_examples(made.parent / "x.csv", Columns())
    parts = split(examples, test_share=0.2, horizon=pd.Timedelta(0), seed=0)
    assert (card["split"]["n_train"], card["split"]["n_test"]) == (len(parts.train), len(parts.test))
    told = find_model(made).predict([examples.texts[row] for row in parts.test]).argmax(axis=1)
    accuracy = (told == examples.target[parts.test].argmax(axis=1)).mean()
    assert card["metrics"]["accuracy"] == accuracy > 0.7
    assert len(card["training"]["loss"]) == 3
    assert {"card.json", *card["files"]} == set(content(made))
    assert card["base"]["knowledge_cutoff"] is card["knowledge_cutoff"] is None  # unknown stays unknown
    assert card["knowledge_rests_on"] == []


def test_a_prediction_is_a_pure_function_of_its_text(made: Path) -> None:
    """Alone, in company, in another order: the same bits; they are probabilities, and those of the trained model."""
    texts, _ = toned_headlines(60, seed=1)
    model = find_model(made)
    whole = model.predict(texts)
    assert (model.predict(texts[::-1])[::-1] == whole).all()
    assert (model.predict(texts[:1]) == whole[:1]).all()
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", ["model.safetensors", "head.safetensors", "tokenizer.json", "config.json"])
def test_a_folder_that_is_not_what_its_card_says_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    """One byte added to any file."""
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    assert find_model(copy).id == find_model(made).id
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(StorageError, match=name.replace(".", r"\.")):
        find_model(copy)
    (copy / name).unlink()
    with pytest.raises((StorageError, UsageError), match=r"lacks|no \*\.safetensors"):
        find_model(copy)


def test_a_folder_without_a_card_is_refused(made: Path, base: Path, tmp_path: Path) -> None:
    """It is a checkpoint perhaps, but no model."""
    with pytest.raises(UsageError, match="quantlab finetune"):
        find_model(base)
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    card = json.loads((copy / "card.json").read_text())
    for name in ("task", "labels", "model", "fit_end", "knowledge_cutoff"):
        (copy / "card.json").write_text(json.dumps(sealed({key: value for key, value in card.items() if key != name})))
        with pytest.raises(StorageError, match=f"it lacks {name}"):
            find_model(copy)
    (copy / "card.json").write_text(json.dumps(sealed({**card, "model": {"scale": 1.0}})))
    with pytest.raises(StorageError, match=r"it lacks model\.dtype, model\.largest, model\.max_tokens, model\.offset"):
        find_model(copy)
    (copy / "card.json").write_text("{")
    with pytest.raises(StorageError, match="is damaged"):
        find_model(copy)
    (copy / "card.json").write_text('{"schema_version": 99, "files": {}}')
    with pytest.raises(UsageError, match="version 99"):
        find_model(copy)


class Killed(BaseException):
    """Something that nobody catches."""


def kill_after(n_passes: int):
    """Return a progress that is killed after some passes."""

    def progress(items: Iterable, label: str, total: int) -> Iterator:
        del label, total
        for number, item in enumerate(items):
            if number == n_passes:
                raise Killed
            yield item

    return progress


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(
    made: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after two of three passes, and again while the folder is written: one pass is trained, every file is the same."""
    file, out, settings = made.parent / "x.csv", tmp_path / "model", quick(base, licence="ours")
    with pytest.raises(Killed):
        finetune_file(file, out, settings, progress=kill_after(2))
    assert not out.exists()
    aside = tmp_path / "model.unfinished"
    (aside / "model").mkdir()
    (aside / "model" / "model.safetensors").write_bytes(b"half")
    trained = []
    train = loop.State.train
    monkeypatch.setattr(loop.State, "train", lambda self, *rest: (trained.append(1), train(self, *rest))[1])
    finetune_file(file, out, settings)
    assert len(trained) == 1
    assert content(out) == content(made)
    assert not aside.exists()


def test_what_is_in_the_way_is_said(made: Path, base: Path, tmp_path: Path) -> None:
    """A folder that exists, and an unfinished training of other settings: neither is touched."""
    file = made.parent / "x.csv"
    before = content(made)
    with pytest.raises(UsageError, match="exists already"):
        finetune_file(file, made, quick(base))
    assert content(made) == before
    out = tmp_path / "model"
    with pytest.raises(Killed):
        finetune_file(file, out, quick(base), progress=kill_after(1))
    with pytest.raises(UsageError, match="unfinished training of other data, settings"):
        finetune_file(file, out, quick(base, seed=1))
    finetune_file(file, out, quick(base))


@pytest.mark.parametrize(
    ("tune", "training", "said"),
    [
        ("full", {"label_smoothing": 0.1}, "label_smoothing"),
        ("adalora:2", {"gradual_unfreezing": True}, "AdaLoRA"),
        ("full", {"validation": 0.01}, "rows are left"),
    ],
)
def test_a_training_that_cannot_be_leaves_nothing_behind(base: Path, tmp_path: Path, tune: str, training: dict, said: str) -> None:
    """Refused before its first pass; a journal of passes is never removed by that."""
    texts, tone = toned_headlines(60)
    file = write(tmp_path / "x.csv", ("text", "label"), [*zip(texts, tone + 0.5, strict=True)])
    with pytest.raises((UsageError, DataError), match=said):
        finetune_file(file, tmp_path / "model", quick(base, tune=tune, training=training))
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    with pytest.raises(Killed):
        finetune_file(file, tmp_path / "model", quick(base), progress=kill_after(1))
    kept = sorted((tmp_path / "model.unfinished").rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quantlab.finetune.tuning.finetune", refusing)
        with pytest.raises(UsageError, match="no more"):
            finetune_file(file, tmp_path / "model", quick(base))
    assert sorted((tmp_path / "model.unfinished").rglob("*")) == kept


def refusing(*_: object, **__: object) -> None:
    """Refuse to train."""
    raise UsageError("no more")


@pytest.mark.parametrize("tune", ["top:1", "lora:2", "head"])
def test_every_way_of_tuning_gives_a_plain_folder(base: Path, tmp_path: Path, tune: str) -> None:
    """Blocks are put back, adapters merged: what is written predicts what was learned."""
    file = toned_file(tmp_path / "x.csv", 60)
    settings = quick(base, tune=tune, training={"learning_rate": 1e-2})
    learned = {}
    original = tuning.finetune

    def listening(part, examples, training, **rest):
        learned.update(part=part, arrays=original(part, examples, training, **rest))
        return learned["arrays"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quantlab.finetune.tuning.finetune", listening)
        finetune_file(file, tmp_path / "model", settings)
    texts, _ = toned_headlines(30, seed=2)
    parts = learned["part"], frozen_part(base, tune="head", max_tokens=64)
    expected, head_alone = (shares(tuning.outputs(part, learned["arrays"], texts), "classes") for part in parts)
    error = np.abs(find_model(tmp_path / "model").predict(texts) - expected).max()
    assert error <= min(0.1 * np.abs(head_alone - expected).max(), 2e-4), error  # merged, and rounded elsewhere


def test_a_prefix_has_no_place_in_a_folder(base: Path, tmp_path: Path) -> None:
    """Said before anything is trained."""
    with pytest.raises(UsageError, match="lora:8"):
        finetune_file(toned_file(tmp_path / "x.csv", 40), tmp_path / "model", quick(base, tune="prefix:4"))
    assert not (tmp_path / "model.unfinished").exists()


def test_several_seeds_are_one_folder_of_their_mean_weights(base: Path, tmp_path: Path) -> None:
    """Its head is the mean of the heads of both fits."""
    file = toned_file(tmp_path / "x.csv", 60)
    finetune_file(file, tmp_path / "model", quick(base, training={"n_seeds": 2, "epochs": 1}))
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["training"]["n_seeds"] == 2
    assert find_model(tmp_path / "model").head["head.weight"].shape == (2, 32)


def test_numbers_are_told_in_their_own_units(base: Path, tmp_path: Path) -> None:
    """Tones of 100 and 300 basis points: predictions lie there, with the error beside them."""
    texts, tone = toned_headlines(100)
    file = write(tmp_path / "x.csv", ("text", "label"), [(text, 200 + 100 * value + row / 100) for row, (text, value) in
                                                        enumerate(zip(texts, tone, strict=True))])  # fmt: skip
    card = finetune_file(file, tmp_path / "model", quick(base))
    assert card["task"] == "number"
    assert set(card["metrics"]) == {"mse", "mae", "r2"}
    found = find_model(tmp_path / "model").predict(texts)
    assert found.shape == (100, 1)
    assert found[tone > 0].mean() - 50 > found[tone < 0].mean() > 100
    assert 300 < card["model"]["largest"] < 302


def test_labels_that_come_together(base: Path, tmp_path: Path) -> None:
    """Tone and place are told at once, each with its own figures."""
    texts, tone = toned_headlines(120)
    rows = [(text, int(value > 0), int(text.endswith("in Europe"))) for text, value in zip(texts, tone, strict=True)]
    columns = Columns(labels=("good", "europe"))
    card = finetune_file(write(tmp_path / "x.csv", ("text", "good", "europe"), rows), tmp_path / "model", quick(base, columns=columns))
    assert (card["task"], card["labels"]) == ("multilabel", ["good", "europe"])
    assert [row["label"] for row in card["metrics"]["per_label"]] == ["good", "europe"]
    found = find_model(tmp_path / "model").predict(texts)
    assert (found[:, 0][tone > 0].mean() > 0.5) & (found[:, 0][tone < 0].mean() < 0.5)


def test_a_time_column_makes_the_test_the_future(base: Path, tmp_path: Path) -> None:
    """The card says when learning ended, and that nothing before may be back-tested with it."""
    texts, tone = toned_headlines(100)
    days = pd.date_range("2023-01-01", periods=100, freq="D").strftime("%Y-%m-%dT12:00:00Z")
    file = write(tmp_path / "x.csv", ("text", "label", "at"), [*zip(texts, tone.astype(int), days, strict=True)])
    card = finetune_file(file, tmp_path / "model", quick(base, columns=Columns(time="at"), horizon=pd.Timedelta("5D")))
    assert card["split"] == {
        "kind": "chronological, purged",
        "n_train": 75,
        "n_test": 20,
        "n_purged": 5,
        "settled": "2023-03-21T12:00:00+00:00",
        "test_start": "2023-03-22T12:00:00+00:00",
    }
    assert card["fit_end"] == "2023-03-16T12:00:00+00:00"
    assert (card["base"]["knowledge_cutoff"], card["knowledge_cutoff"]) == (None, "2023-03-21")  # at least what its labels knew
    assert card["knowledge_rests_on"] == ["labels"]


@pytest.mark.parametrize(
    ("read", "settled", "cutoff", "rests_on"),
    [
        (None, None, None, []),
        ("2021-12-31", None, "2021-12-31", ["base"]),
        (None, "2023-03-21", "2023-03-21", ["labels"]),
        ("2021-12-31", "2023-03-21", "2023-03-21", ["base", "labels"]),
        ("2024-12-31", "2023-03-21", "2024-12-31", ["base", "labels"]),
    ],
)
def test_the_knowledge_cutoff_is_the_later_of_what_is_known(
    made: Path, base: Path, read: str | None, settled: str | None, cutoff: str | None, rests_on: list[str]
) -> None:
    """Of the base and of the labels; the card says on which it rests."""
    part = frozen_part(base, tune="head", max_tokens=64)
    part = replace(part, checkpoint=replace(part.checkpoint, knowledge_cutoff=read))
    examples = read_examples(made.parent / "x.csv", Columns())
    parts = split(examples, test_share=0.2, horizon=pd.Timedelta(0), seed=0)
    facts = model_facts(made, part, examples, replace(parts, settled=None if settled is None else pd.Timestamp(settled, tz="UTC")))
    assert (facts["knowledge_cutoff"], facts["knowledge_rests_on"]) == (cutoff, rests_on)


def test_shuffled_labels_teach_nothing(base: Path, tmp_path: Path) -> None:
    """On the test part it is no better than chance."""
    texts, tone = toned_headlines(200)
    shuffled = np.random.default_rng(0).permutation(tone).astype(int)
    file = write(tmp_path / "x.csv", ("text", "label"), [*zip(texts, shuffled, strict=True)])
    metrics = finetune_file(file, tmp_path / "model", quick(base))["metrics"]
    assert metrics["accuracy"] < metrics["base_rate"] + 2.5 * metrics["accuracy_standard_error"]


def command(*arguments: object) -> int:
    """Run the command alone, and return its exit code."""
    app = typer.Typer(add_completion=False)
    app.command()(finetune)
    return answer(app, [str(argument) for argument in arguments], "quantlab finetune")


def test_the_command(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON on stdout is the card and nothing else; without it a person reads the figures; changes of settings reach the training."""
    file = toned_file(tmp_path / "x.csv", 60)
    common = ("--base", base, "--max-tokens", 64, "--set", "learning_rate=0.003", "--set", "batch_size=16")
    assert command(file, "--out", tmp_path / "a", "--epochs", 1, "--json", *common) == 0
    card = json.loads(capsys.readouterr().out)
    assert card == json.loads((tmp_path / "a" / "card.json").read_text())
    assert (card["training"]["epochs"], card["training"]["learning_rate"], card["training"]["schedule"]) == (1, 0.003, "linear")
    assert command(file, "--out", tmp_path / "b", "--tune", "head", *common) == 0
    said = capsys.readouterr().out
    assert "48 to learn from, 12 to test on (random, stratified)" in said
    assert "macro_f1" in said
    assert "good       precision" in said


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--task", "clases"], 2, "did you mean 'classes'"),
        (["--conflicts", "keep"], 2, "takes error, first, drop"),
        (["--set", "learning_rates=1"], 2, "did you mean 'learning_rate'"),
        (["--set", "epochs=many"], 2, "no number"),
        (["--set", "epochs=0"], 2, "epochs=0"),
        (["--horizon", "soon"], 2, "such as 5D"),
        (["--horizon", "5"], 2, "not '5' (did you mean 5D?)"),  # nanoseconds to pandas
        (["--horizon", "0.5"], 2, "not '0.5' (did you mean 0.5D?)"),
        (["--horizon", "5 5"], 2, "not '5 5'"),
        (["--horizon", "nan"], 2, "not 'nan'"),
        (["--horizon", "NaT"], 2, "not 'NaT'"),
        (["--horizon=-5D"], 2, "not '-5D' (did you mean 5D?)"),
        (["--horizon", ""], 2, "not ''"),
        (["--tune", "fulll"], 2, "did you mean 'full'"),
        (["--label", "labels"], 3, "did you mean 'label'"),
        (["--test", "1.5"], 2, "between 0 and 1"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    """Exit code and a sentence; nothing is left behind."""
    file = toned_file(tmp_path / "x.csv", 40)
    assert command(file, "--out", tmp_path / "model", "--base", base, "--max-tokens", 64, *options) == code
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
