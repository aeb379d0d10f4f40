"""The frozen part of an encoder: a pure function of each text, the same from the disk as from the processor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_case import tiny_checkpoint, toned_headlines

from quantlab.cache import Cache
from quantlab.text.encoder import frozen as home
from quantlab.text.encoder.checkpoint import find_checkpoint
from quantlab.text.encoder.frozen import FrozenPart

LENGTHS = (3, 9, 20, 40, 70, 150)  # words: every bucket up to 128, and one text that is cut


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small checkpoint."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def part(tiny: Path, tmp_path: Path) -> FrozenPart:
    """Return the frozen part below the last block of the small checkpoint, with a cache."""
    return FrozenPart(find_checkpoint(tiny), "bfloat16", 1, 64, "test", Cache(tmp_path))


def texts_of_all_buckets(n: int = 24, lengths: Sequence[int] = LENGTHS) -> list[str]:
    """Return distinct texts of different lengths."""
    words = " ".join(toned_headlines(200)[0]).split()
    return [f"{number} " + " ".join(words[number : number + lengths[number % len(lengths)]]) for number in range(n)]


def bits(part: FrozenPart, texts: list[str]) -> list[bytes]:
    """Return states and embedding of each text, in the order asked for."""
    found: dict[int, bytes] = {}
    for chunk in part.chunks(texts):
        for row, position in enumerate(chunk.position):
            found[int(position)] = chunk.states[row, : chunk.n_tokens[row]].tobytes() + chunk.embedding[row].tobytes()
    assert sorted(found) == list(range(len(texts)))
    return [found[position] for position in range(len(texts))]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "lengths"), [("bfloat16", LENGTHS), ("float32", LENGTHS[:2])])  # float32 is slow
def test_an_embedding_is_a_pure_function_of_its_text(dtype: str, lengths: Sequence[int]) -> None:
    """The default encoder: alone, in a batch, in any order, on one thread and on two: the same bits."""
    import torch

    part = FrozenPart(find_checkpoint(None), dtype, 1, 128, "test")  # type: ignore[arg-type]  # a parameter of the test
    texts = texts_of_all_buckets(12, lengths)
    whole = bits(part, texts)
    assert bits(part, texts[::-1]) == whole[::-1]
    assert bits(part, texts[::5]) == whole[::5]
    assert bits(part, [texts[1]]) == [whole[1]]
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert bits(part, texts) == whole
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_so_it_is_for_encoders_of_other_kinds(kind: str, tmp_path: Path) -> None:
    """Also where transformers runs the blocks, and leaves out the mask of a batch without padding."""
    part = FrozenPart(find_checkpoint(tiny_checkpoint(tmp_path, kind)), "bfloat16", 0, 64, "test")
    texts = texts_of_all_buckets()
    whole = part.embeddings(texts)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1.0, rtol=1e-5)
    assert np.array_equal(part.embeddings(texts[::-1]), whole[::-1])
    for number in (0, 5):  # a short one, and one that fills its bucket
        assert np.array_equal(part.embeddings([texts[number]])[0], whole[number])


@pytest.mark.parametrize(("n_positions", "max_tokens"), [(40, 40), (1024, 1000), (2200, 2100)])
def test_a_text_may_be_as_long_as_the_encoder_reads(n_positions: int, max_tokens: int, tmp_path: Path) -> None:
    """Whatever the number of positions: none is padded beyond it, and each is a pure function of its text, states as well."""
    part = FrozenPart(find_checkpoint(tiny_checkpoint(tmp_path, n_positions=n_positions)), "float32", 1, max_tokens, "test")
    texts = [f"{text} {text}" for text in texts_of_all_buckets(6, (3, 25, 1300))]
    whole = bits(part, texts)
    assert bits(part, texts[::-1]) == whole[::-1]
    assert bits(part, [texts[2]]) == [whole[2]]
    assert max(chunk.states.shape[1] for chunk in part.chunks(texts)) == max_tokens


def test_embeddings_agree_with_sentence_transformers_recipe(tiny: Path) -> None:
    """Mean over the tokens of the text, length one: computed by transformers alone, without buckets."""
    import torch

    part = FrozenPart(find_checkpoint(tiny), "float32", 0, 64, "test")
    encoder = part.encoder
    for text in texts_of_all_buckets(4):
        encoded = encoder.tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
        with torch.inference_mode():
            mean = encoder.model(**encoded).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(part.embeddings([text])[0], (mean / mean.norm()).numpy(), atol=1e-5)


def test_the_disk_gives_what_the_processor_gave(part: FrozenPart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cache, into it and out of it: the same bits; the second time the encoder is not even loaded."""
    texts = texts_of_all_buckets()
    fresh = bits(replace(part, cache=None), texts)
    part.fill(texts[:15])
    assert bits(part, texts) == fresh
    monkeypatch.setattr(home, "load_encoder", never)
    part.fill(texts)
    assert bits(part, texts) == fresh
    assert bits(part, texts[::-3]) == fresh[::-3]


@pytest.mark.parametrize("change", [{"namespace": "other"}, {"max_tokens": 32}, {"dtype": "float32"}])
def test_what_was_computed_otherwise_is_not_read(change: dict[str, object], part: FrozenPart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other code, another length, another number format: nothing is found."""
    part.fill(["Acme beats estimates"])
    monkeypatch.setattr(home, "load_encoder", never)
    with pytest.raises(AssertionError, match="computed again"):
        replace(part, **change).fill(["Acme beats estimates"])  # type: ignore[arg-type]  # a parameter of the test


def flipped(content: bytes, position: int) -> bytes:
    """Return the content with one bit flipped."""
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: flipped(c, len(c) // 2),
        lambda c: flipped(c, 60),
        lambda c: c[: len(c) // 2],
        lambda _: b"",
        lambda c: flipped(c, len(c) - 1),
    ],
    ids=["a state", "the header", "cut short", "empty", "the end"],
)
def test_a_damaged_segment_is_removed_and_computed_again(
    damage: Callable[[bytes], bytes], part: FrozenPart, caplog: pytest.LogCaptureFixture
) -> None:
    """One flipped bit anywhere is reported, and never reaches a result."""
    texts = toned_headlines(4)[0]
    whole = bits(part, texts)
    assert part.cache is not None
    (segment,) = part.cache.entries()
    segment.write_bytes(damage(segment.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert bits(part, texts) == whole
    assert bits(part, texts) == whole


def test_a_segment_is_an_entry_like_any_other(part: FrozenPart) -> None:
    """It counts towards the bound of the cache, and is cleared with it."""
    part.fill(texts_of_all_buckets())
    assert part.cache is not None
    assert len(part.cache.entries()) == 3  # one per bucket
    assert part.cache.clear() == 3


def never(*_: object) -> None:
    """Stand in for what must not be called."""
    raise AssertionError("computed again")
