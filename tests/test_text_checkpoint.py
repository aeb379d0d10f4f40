"""Checkpoints: found without torch, verified whenever they are loaded, refused if they cannot be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from encoder_case import tiny_checkpoint

from quantlab.errors import StorageError, UsageError
from quantlab.text.encoder import checkpoint as home
from quantlab.text.encoder.checkpoint import PACKAGE, WEIGHTS_SHA256, find_checkpoint, load_encoder, resolved_device, resolved_dtype


def flip_last_byte(path: Path) -> None:
    """Damage a file in one bit."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


def test_the_default_is_the_packaged_one() -> None:
    """All-MiniLM-L6-v2: six blocks, width 384, text up to 2021."""
    found = find_checkpoint(None)
    assert found.weights == (("model.safetensors", WEIGHTS_SHA256),)
    assert (found.n_layers, found.width, found.max_tokens, found.knowledge_cutoff) == (6, 384, 512, "2021-12-31")


def test_finding_imports_neither_torch_nor_the_package() -> None:
    """Not sentence-transformers either: a run whose features are cached starts at once."""
    code = (
        "import sys; from quantlab.text.encoder import TextEncoder; from quantlab.text.encoder.checkpoint import checkpoint_facts;"
        "checkpoint_facts(TextEncoder().checkpoint, dtype='auto', device='auto');"
        f"print(sorted({{'torch', 'transformers', 'sentence_transformers', '{PACKAGE}'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_a_flipped_bit_in_the_default_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the package, found first, differs in one bit of 90 MB."""
    copy = tmp_path / PACKAGE / "model"
    copy.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    for file in find_checkpoint(None).folder.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    flip_last_byte(copy / "model.safetensors")
    monkeypatch.syspath_prepend(str(tmp_path))
    damaged = find_checkpoint(None)
    assert damaged.folder == copy
    with pytest.raises(StorageError, match="sha256"):
        load_encoder(damaged, "float32")


def test_weights_that_change_after_they_were_found_are_refused(tmp_path: Path) -> None:
    """What is loaded is what the key names."""
    found = find_checkpoint(tiny_checkpoint(tmp_path))
    flip_last_byte(tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match="damaged"):
        load_encoder(found, "float32")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_the_id_names_everything_that_counts(name: str, tmp_path: Path) -> None:
    """Other weights, another tokenizer, another configuration: another id; a README counts for nothing."""
    folder = tiny_checkpoint(tmp_path)
    before = find_checkpoint(folder).id
    (folder / "README.md").write_text("changed")
    assert find_checkpoint(str(folder)).id == before
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert find_checkpoint(folder).id != before


@pytest.mark.parametrize("name", ["./no/such/folder", "no/such/folder", Path("nowhere")])
def test_an_unknown_folder_is_a_usage_error(name: str | Path) -> None:
    """It says what was looked for."""
    with pytest.raises(UsageError, match="is no folder"):
        find_checkpoint(name)


def test_a_name_that_the_hub_does_not_give_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither here nor there; no test asks the network."""
    import huggingface_hub

    def refuse(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(UsageError, match=r"nobody/nothing.*neither a folder"):
        find_checkpoint("nobody/nothing")


def test_weights_that_can_hold_code_are_not_read(tmp_path: Path) -> None:
    """A pickle is refused, not converted."""
    folder = tiny_checkpoint(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="safetensors"):
        find_checkpoint(folder)


@pytest.mark.parametrize(("config", "message"), [("{}", "its size"), ("no json", "its size")])
def test_a_folder_without_a_usable_configuration_is_refused(config: str, message: str, tmp_path: Path) -> None:
    """Not an error out of transformers."""
    folder = tiny_checkpoint(tmp_path)
    (folder / "config.json").write_text(config)
    with pytest.raises(UsageError, match=message):
        find_checkpoint(folder)


def test_an_unknown_kind_of_model_is_refused(tmp_path: Path) -> None:
    """The code of a checkpoint's own is never run."""
    folder = tiny_checkpoint(tmp_path)
    config = (folder / "config.json").read_text().replace('"model_type": "bert"', '"model_type": "own", "auto_map": {"AutoModel": "own.M"}')
    (folder / "config.json").write_text(config)
    (folder / "own.py").write_text("raise SystemExit('executed')")
    with pytest.raises(UsageError, match="no encoder that transformers can load"):
        load_encoder(find_checkpoint(folder), "float32")


def test_loading_is_silent_and_leaves_the_settings_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bar, no remark; what the user set for transformers is still set."""
    from transformers.utils import logging

    found = find_checkpoint(tiny_checkpoint(tmp_path))
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    capfd.readouterr()
    load_encoder(found, "float32")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_auto_is_bfloat16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is asked for by name is taken."""
    for has, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(home, "_has_bfloat16", lambda has=has: has)
        assert resolved_dtype("auto") == expected
    assert (resolved_dtype("bfloat16"), resolved_dtype("float32")) == ("bfloat16", "float32")


def test_a_gpu_is_used_where_torch_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asked for only where its driver is loaded; one that is named and missing is an error, as is another word."""
    asked = []
    monkeypatch.setattr(home, "NVIDIA", tmp_path / "version")
    for present in (True, False):
        monkeypatch.setattr(home, "_has_cuda", lambda present=present: (asked.append(present), present)[1])
        assert resolved_device("cpu") == resolved_device("auto") == "cpu"
        assert not asked
    with pytest.raises(UsageError, match="torch finds no GPU here"):
        resolved_device("cuda")
    (tmp_path / "version").touch()
    assert resolved_device("auto") == "cpu"
    monkeypatch.setattr(home, "_has_cuda", lambda: True)
    assert resolved_device("auto") == resolved_device("cuda") == "cuda"
    monkeypatch.setattr(home, "_gpu_has_bfloat16", lambda: False)
    assert resolved_dtype("auto", "cuda") == "float32"
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        resolved_device("cude")


@pytest.mark.parametrize(
    ("card", "cutoff"),
    [('{"knowledge_cutoff": "2023-04-30"}', "2023-04-30"), ('{"knowledge_cutoff": 3}', None), ("[1]", None), (None, None)],
)
def test_a_fine_tuned_folder_knows_what_it_has_read(card: str | None, cutoff: str | None, tmp_path: Path) -> None:
    """The card beside the weights says so; without one, or with one that is not ours, it is unknown."""
    folder = tiny_checkpoint(tmp_path / "encoder")
    if card is not None:
        (folder / "card.json").write_text(card, encoding="utf-8")
    assert find_checkpoint(folder).knowledge_cutoff == cutoff
