"""Files of models, each flipped, truncated, emptied or swapped with another: refused in words, or the same numbers; never a crash."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_case import tiny_checkpoint

from quantlab.cache import Cache
from quantlab.errors import QuantlabError, StorageError
from quantlab.text.encoder import checkpoint as home
from quantlab.text.encoder.card import sealed
from quantlab.text.encoder.checkpoint import PACKAGE, find_checkpoint, load_encoder
from quantlab.text.encoder.frozen import frozen_part
from quantlab.text.sentiment.model_folder import file_hashes

TEXTS = ["profit rose", "sales fell", "the company said so"]
DAMAGES = ("flip", "truncate", "empty", "swap")


def damaged(folder: Path, name: str, how: str, *, at: float = 0.5) -> None:
    """Damage one file of a folder; what it is swapped with is the next one of its kind, or of any kind."""
    content = (folder / name).read_bytes()
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    alike = [other for other in names if Path(other).suffix == Path(name).suffix]
    others = alike if len(alike) > 1 else names
    flipped = bytearray(content)
    flipped[int(len(content) * at)] ^= 4
    other = (folder / others[(others.index(name) + 1) % len(others)]).read_bytes()
    (folder / name).write_bytes({"flip": bytes(flipped), "truncate": content[: len(content) // 2], "empty": b"", "swap": other}[how])


@pytest.mark.parametrize("how", DAMAGES)
def test_the_packaged_encoder_is_known_to_the_last_byte(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of configuration and tokenizer too: they change what it computes as much as its weights do."""
    original = find_checkpoint(None).folder
    counted = [name for name in home.FILES if (original / name).is_file()]
    monkeypatch.setattr(home, "_default_folder", lambda: tmp_path / "model")
    for name in counted:
        (tmp_path / "model").mkdir(exist_ok=True)
        for other in counted:
            (tmp_path / "model" / other).write_bytes((original / other).read_bytes())
        assert find_checkpoint(None).id == home.DEFAULT_ID
        damaged(tmp_path / "model", name, how)
        with pytest.raises(QuantlabError, match=f"install {PACKAGE} again|does not tell its size"):
            find_checkpoint(None)


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """Return a folder with an encoder and a card that names its files."""
    folder = tiny_checkpoint(tmp_path / "tuned")
    card = {"files": file_hashes(find_checkpoint(folder)), "knowledge_cutoff": "2023-04-30", "model": {"scale": 2.0}}
    (folder / "card.json").write_text(json.dumps(sealed(card)))
    return folder


@pytest.mark.parametrize("how", DAMAGES)
def test_a_fine_tuned_folder_is_what_its_card_says(how: str, tuned: Path) -> None:
    """Each of its files in turn, the card itself included: one digit of the day up to which it has read, or of its scale, would do harm."""
    whole = {path.name: path.read_bytes() for path in tuned.iterdir()}
    expected = find_checkpoint(tuned)
    for name in sorted({*json.loads(whole["card.json"])["files"], "card.json"}):
        for at in (0.1, 0.5, 0.9):
            damaged(tuned, name, how, at=at)
            if (name, how) == ("card.json", "swap"):  # somebody else's: then it is not known what the encoder has read
                assert find_checkpoint(tuned) == replace(expected, knowledge_cutoff=None)
            else:
                with pytest.raises(StorageError, match=name.replace(".", r"\.")):
                    find_checkpoint(tuned)
            (tuned / name).write_bytes(whole[name])
    assert find_checkpoint(tuned) == expected


def test_every_bit_of_a_card_counts(tuned: Path) -> None:
    """Whichever is flipped: it is refused, or says what it said."""
    whole = (tuned / "card.json").read_bytes()
    expected = find_checkpoint(tuned).knowledge_cutoff
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        (tuned / "card.json").write_bytes(content)
        try:
            assert find_checkpoint(tuned).knowledge_cutoff == expected
        except StorageError:
            continue


@pytest.mark.parametrize("how", DAMAGES)
def test_any_other_encoder_is_another_one_or_refused(how: str, tmp_path: Path) -> None:
    """There is no card to go by: its id tells it from the whole one, and what transformers raises comes as our own error."""
    folder = tiny_checkpoint(tmp_path / "encoder")
    whole, expected = {path.name: path.read_bytes() for path in folder.iterdir()}, find_checkpoint(folder).id
    for name in (name for name in whole if name in home.FILES or name.endswith(".safetensors")):
        damaged(folder, name, how)
        with contextlib.suppress(QuantlabError):
            found = find_checkpoint(folder)
            assert found.id != expected
            load_encoder.__wrapped__(found, "float32")
        (folder / name).write_bytes(whole[name])


def test_weights_of_another_shape_are_not_filled_up_at_random(tmp_path: Path) -> None:
    """Weights without a layer that the configuration names: transformers would draw it."""
    folder = tiny_checkpoint(tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": config["num_hidden_layers"] + 1}))
    with pytest.raises(QuantlabError, match="would be random: one of the two files is of another model"):
        load_encoder.__wrapped__(find_checkpoint(folder), "float32")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_segment_of_states_is_computed_again(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever it is damaged, header, names or rows: the same numbers, and a warning."""
    folder, cache = tiny_checkpoint(tmp_path / "encoder"), Cache(tmp_path / "cache")

    def states() -> dict[int, bytes]:
        part = frozen_part(folder, tune="top:1", max_tokens=16, dtype="float32", cache=cache)
        part.fill(TEXTS)
        found = {}
        for chunk in part.chunks(TEXTS):
            for row, position in enumerate(chunk.position):
                found[int(position)] = chunk.states[row].tobytes() + chunk.embedding[row].tobytes()
        return found

    expected = states()
    (segment,) = (tmp_path / "cache").rglob("*.qlc")
    whole = segment.read_bytes()
    places = np.linspace(33, len(whole) - 1, 60).astype(int) if how == "flip" else [len(whole) // 2, 40, 100]
    for place in places:
        content = bytearray(whole)
        content[place] ^= 2
        segment.write_bytes({"flip": bytes(content), "truncate": whole[:place], "empty": b"", "swap": b"\0" * place}[how])
        caplog.clear()
        assert states() == expected
        assert "damaged cache entry" in caplog.text
    assert segment.read_bytes() == whole
