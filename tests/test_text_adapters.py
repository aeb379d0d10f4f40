"""Tuning an encoder as a whole: every way learns, changes nothing shared, and is a pure function of each text."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_case import tiny_checkpoint, toned_headlines

from quantlab.errors import UsageError
from quantlab.text.encoder.adapters import Prefix, Whole, what_is_tuned
from quantlab.text.encoder.checkpoint import find_checkpoint
from quantlab.text.encoder.finetune import finetune, outputs
from quantlab.text.encoder.frozen import FrozenPart, frozen_part
from quantlab.text.encoder.inference import pooled
from quantlab.text.encoder.training import Examples, Training
from quantlab.text.encoder.tuned import tuned_part

WAYS = ("full", "lora:4", "adalora:4", "ia3", "prefix:5")
TRAINING = Training(epochs=4, learning_rate=3e-3, batch_size=16)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a small checkpoint."""
    return str(tiny_checkpoint(tmp_path_factory.mktemp("tiny")))


def part_of(folder: str, tune: str, dtype: str = "bfloat16") -> FrozenPart:
    """Return what a way of tuning leaves frozen of the small checkpoint."""
    return frozen_part(folder, tune=tune, max_tokens=64, dtype=dtype)


def examples(n: int = 60) -> Examples:
    """Return headlines of two lengths, labelled by tone."""
    texts, tone = toned_headlines(n)
    texts = [text if number % 3 else f"{text}, {text}" for number, text in enumerate(texts)]
    return Examples.of(texts, tone[:, None], task="regression")


@pytest.mark.parametrize("tune", WAYS)
def test_it_learns_and_repeats_and_reads_each_text_alone(tune: str, tiny: str) -> None:
    """The loss falls; the same bits twice, for a text alone or in company, in any order, on one thread or two."""
    import torch

    part, given = part_of(tiny, tune), examples()
    learned = finetune(part, given, TRAINING)
    assert learned["loss"][-1] < learned["loss"][0]
    again = finetune(part, given, TRAINING)
    assert all(np.array_equal(learned[name], again[name]) for name in learned)
    whole = outputs(part, learned, given.texts)
    assert np.array_equal(outputs(part, learned, given.texts[::-1]), whole[::-1])
    assert np.array_equal(outputs(part, learned, given.texts[:1]), whole[:1])
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1 if n_threads > 1 else 2)
    try:
        assert np.array_equal(outputs(part, learned, given.texts), whole)
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("tune", WAYS)
def test_the_shared_encoder_stays_as_it_came(tune: str, tiny: str) -> None:
    """Training changes a copy, or weights of its own."""
    part, given = part_of(tiny, tune), examples(20)
    before = {name: value.clone() for name, value in part.encoder.model.state_dict().items()}
    finetune(part, given, TRAINING)
    after = part.encoder.model.state_dict()
    assert after.keys() == before.keys()
    assert all((after[name] == before[name]).all() for name in before)
    assert not any(parameter.requires_grad for parameter in part.encoder.model.parameters())


@pytest.mark.parametrize("tune", WAYS[1:])
def test_an_adapter_is_small(tune: str, tiny: str) -> None:
    """What is learned is plain arrays, far fewer numbers than the encoder has."""
    part = part_of(tiny, tune)
    learned = finetune(part, examples(20), TRAINING)
    n_weights = sum(value.numel() for value in part.encoder.model.parameters())
    assert sum(value.size for value in learned.values()) < 0.01 * n_weights
    assert all(value.dtype in (np.float32, np.float64) for value in learned.values())


def test_lora_is_the_encoder_with_its_products_added(tiny: str) -> None:
    """The plain encoder with W + 2 B A for queries and values gives the same: by Hugging Face's own forward pass."""
    import torch

    part, given = part_of(tiny, "lora:4", "float32"), examples(20)
    learned = finetune(part, given, TRAINING)
    model = tuned_part(part_of(tiny, "full", "float32"), {name: learned[name] for name in ("head.weight", "head.bias")}).model
    for number, layer in enumerate(model.encoder.layer):
        for name in ("query", "value"):
            place = f"encoder.encoder.layer.{number}.attention.self.{name}"
            product = learned[f"{place}.lora_B.default.weight"] @ learned[f"{place}.lora_A.default.weight"]
            getattr(layer.attention.self, name).weight.data += 2.0 * torch.from_numpy(product)
    for number in (0, 1):
        encoded = part.encoder.tokenizer(given.texts[number], return_tensors="pt")
        with torch.inference_mode():
            vector = pooled(model(**encoded).last_hidden_state, encoded["attention_mask"].bool()).numpy()
        expected = vector @ learned["head.weight"].T + learned["head.bias"]
        np.testing.assert_allclose(outputs(part, learned, given.texts[number : number + 1]), expected, atol=1e-5)


def test_a_prefix_is_what_hugging_face_makes_of_earlier_keys_and_values(tiny: str) -> None:
    """The same keys and values in its cache of earlier tokens, the positions of the text unshifted, give the same states."""
    import torch
    from transformers import DynamicCache

    part, given = part_of(tiny, "prefix:5", "float32"), examples(4)
    learned = finetune(part, given, TRAINING)
    tuned = tuned_part(part, {name: learned[name] for name in ("head.weight", "head.bias")}, weights=learned)
    encoded = part.encoder.tokenizer(given.texts[0], return_tensors="pt")
    n_tokens = encoded["input_ids"].shape[1]
    with torch.inference_mode():
        keys = Prefix(tuned.module["prefix"], part.encoder.model, 1).parts
        earlier = DynamicCache()
        for layer in range(2):
            earlier.update(keys[2 * layer], keys[2 * layer + 1], layer)
        answer = part.encoder.model(
            input_ids=encoded["input_ids"],
            attention_mask=torch.ones(1, 5 + n_tokens, dtype=torch.long),
            position_ids=torch.arange(n_tokens)[None],
            past_key_values=earlier,
        )
        vector = pooled(answer.last_hidden_state, torch.ones(1, n_tokens, dtype=torch.bool)).numpy()
    expected = vector @ learned["head.weight"].T + learned["head.bias"]
    np.testing.assert_allclose(outputs(part, learned, given.texts[:1]), expected, atol=1e-5)


def test_adalora_ends_with_the_rank_it_was_given(tiny: str) -> None:
    """It starts with half as much again; of all singular values, the rank times the number of matrices are left."""
    learned = finetune(part_of(tiny, "adalora:4"), examples(), Training(epochs=12, learning_rate=3e-3, batch_size=16))
    values = np.concatenate([value.ravel() for name, value in learned.items() if "lora_E" in name])
    assert len(values) == 4 * 6  # two blocks, queries and values
    assert np.count_nonzero(values) == 4 * 4


def test_a_single_step_of_adalora_is_enough(tiny: str) -> None:
    """A handful of texts makes one batch: there is no importance yet by which to take rank away."""
    learned = finetune(part_of(tiny, "adalora:2"), examples(8), Training())
    assert np.isfinite(learned["head.weight"]).all()


def test_adalora_and_gradual_unfreezing_exclude_each_other(tiny: str) -> None:
    """Ranks are weighed by gradients, and frozen blocks have none."""
    with pytest.raises(UsageError, match="gradual_unfreezing=True leaves AdaLoRA nothing"):
        finetune(part_of(tiny, "adalora:2"), examples(8), Training(gradual_unfreezing=True))


@pytest.mark.parametrize(
    ("tune", "expected"),
    [("none", (0, None)), ("head", (0, None)), ("top:2", (2, None)), ("full", (0, Whole("full"))), ("lora", (0, Whole("lora", 8))),
     ("lora:3", (0, Whole("lora", 3))), ("prefix", (0, Whole("prefix", 16))), ("ia3", (0, Whole("ia3")))],
)  # fmt: skip
def test_a_word_says_what_is_tuned(tune: str, expected: tuple[int, Whole | None], tiny: str) -> None:
    """With a number, or the usual one."""
    assert what_is_tuned(tune, find_checkpoint(tiny)) == expected


@pytest.mark.parametrize("tune", ["lora:", "lora:x", "lora:-1", "prefix:0", "full:3", "ia3:2", "top", "top:3", "qlora"])
def test_other_words_are_usage_errors(tune: str, tiny: str) -> None:
    """Never half understood."""
    with pytest.raises(UsageError, match="is none of"):
        what_is_tuned(tune, find_checkpoint(tiny))


def test_encoders_of_other_kinds_are_tuned_as_a_whole(tmp_path: Path) -> None:
    """All weights or LoRA in every linear layer; what does not suit them is said."""
    folder, given = str(tiny_checkpoint(tmp_path, "distilbert")), examples()
    for tune in ("full", "lora:4"):
        part = part_of(folder, tune)
        learned = finetune(part, given, TRAINING)
        assert learned["loss"][-1] < learned["loss"][0]
        whole = outputs(part, learned, given.texts)
        assert np.array_equal(outputs(part, learned, given.texts[::-1]), whole[::-1])
        assert np.array_equal(outputs(part, learned, given.texts[:1]), whole[:1])
    for tune, message in (("prefix", "takes no prefix"), ("top:1", "cannot be trained apart")):
        with pytest.raises(UsageError, match=message):
            part_of(folder, tune)
    with pytest.raises(UsageError, match="does not suit this encoder"):
        finetune(part_of(folder, "ia3"), given, TRAINING)


def test_without_peft_it_says_how_to_get_it(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is computed."""
    from quantlab.text.encoder import TextEncoder

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else find(name, *rest))
    with pytest.raises(UsageError, match=r"pip install 'quantlab\[peft\]'"):
        TextEncoder(tiny, tune="lora", max_tokens=64).part()
    with pytest.raises(UsageError, match="pip install"):
        finetune(part_of(tiny, "prefix"), examples(8), TRAINING)
    TextEncoder(tiny, tune="full", max_tokens=64).part()


@pytest.mark.slow
def test_peft_is_imported_for_adapters_alone(tiny: str) -> None:
    """It takes seconds."""
    code = (
        "import sys; from quantlab.text.encoder.frozen import frozen_part; from quantlab.text.encoder.finetune import finetune, outputs;"
        "from test_text_adapters import examples; from quantlab.text.encoder.training import Training;"
        f"part = frozen_part({tiny!r}, tune='full', max_tokens=64); given = examples(8);"
        "outputs(part, finetune(part, given, Training()), given.texts); print('peft' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    assert answer.stdout.strip() == "False"


def test_an_adversary_reaches_the_embeddings_of_a_whole_encoder(tiny: str) -> None:
    """All other ways of training work there too: dropout, hidden tokens, an adversary, late blocks."""
    given = examples(24)
    how = Training(epochs=2, learning_rate=1e-3, batch_size=8, dropout=0.1, token_dropout=0.1, adversarial=0.02, layer_decay=0.9)
    for tune in ("full", "lora:2"):
        part = part_of(tiny, tune)
        assert np.isfinite(finetune(part, given, how)["loss"]).all()
    gradual = finetune(part_of(tiny, "full"), given, replace_training(how, gradual_unfreezing=True))
    still = finetune(part_of(tiny, "full"), given, replace_training(how, gradual_unfreezing=True, epochs=1))
    name = "encoder.encoder.layer.1.output.dense.weight"
    original = part_of(tiny, "full").encoder.model.state_dict()[name.removeprefix("encoder.")].numpy()
    assert np.array_equal(still[name], original)
    assert not np.array_equal(gradual[name], original)


def replace_training(training: Training, **parameters: object) -> Training:
    """Return a copy with other parameters."""
    from sklearn.base import clone

    found: Training = clone(training).set_params(**parameters)
    return found


def test_the_first_weights_come_from_the_seed(tiny: str) -> None:
    """Two seeds, two adapters; torch's own stream of random numbers is not touched."""
    import torch

    part, state = part_of(tiny, "lora:2"), torch.random.get_rng_state()
    head = {"head.weight": np.zeros((1, 32), np.float32), "head.bias": np.zeros(1, np.float32)}
    first, again, other = (tuned_part(part, head, seed=seed).arrays() for seed in (0, 0, 1))
    name = next(name for name in first if "lora_A" in name)
    assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first[name], other[name])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert replace(part, device="cpu") == part
