"""Attribution: the words that made the score, and nothing unexplained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from encoder_case import one_a_row, tiny_checkpoint, toned_headlines

from quantlab.errors import UsageError
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.result import EXAMPLES
from quantlab.text import TextEncoder, attribute_tokens
from quantlab.walkforward import walk_forward


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small encoder."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "encoder")


def fitted(n: int = 80, **parameters: object) -> TextEncoder:
    """Return an encoder fitted to the tone of headlines."""
    texts, tone = toned_headlines(n)
    column = one_a_row(texts)
    return TextEncoder(horizon=1, random_state=0, **parameters).fit(column, pd.Series(tone + 0.01 * np.arange(n), index=column.index))


@pytest.mark.parametrize("tune", ["head", "top:1", "full"])
def test_the_shares_add_up_to_the_score_less_that_of_padding(tune: str, tiny: Path) -> None:
    """Whatever was trained; what the steps leave over shrinks as there are more of them."""
    encoder = fitted(checkpoint=tiny, tune=tune, max_tokens=64)
    few, many = (attribute_tokens(encoder, "Acme 12 beats estimates on Monday", n_steps=n) for n in (4, 256))
    assert many.score != pytest.approx(many.baseline, abs=1e-3)
    assert many.tokens["share"].sum() + many.left_over == pytest.approx(many.score - many.baseline, abs=1e-5)
    assert abs(many.left_over) < 0.02 * abs(many.score - many.baseline) + 1e-3
    assert abs(many.left_over) <= abs(few.left_over) + 1e-4


def test_the_score_is_the_one_that_the_features_have(tiny: Path) -> None:
    """In float32 the same number as transform gives for a row with this one document."""
    texts, tone = toned_headlines(40)
    column = one_a_row(texts)
    encoder = TextEncoder(tiny, tune="top:1", max_tokens=64, dtype="float32", horizon=1, random_state=0)
    scores = np.asarray(encoder.fit(column, pd.Series(tone + 0.01 * np.arange(40), index=column.index)).transform(column))[:, 0]
    assert attribute_tokens(encoder, texts[7]).score == pytest.approx(scores[7], abs=0.02)  # (states are kept in bfloat16)


def test_the_tokens_point_into_the_text(tiny: Path) -> None:
    """Start and end are characters of the text that was read; links are not read."""
    found = attribute_tokens(fitted(checkpoint=tiny, tune="head", max_tokens=64), "Acme beats estimates https://t.co/x")
    assert found.text == "Acme beats estimates"
    words = [found.text[start:end] for start, end in zip(found.tokens["start"], found.tokens["end"], strict=True)]
    assert words[0] == words[-1] == ""
    assert "beats" in words


@pytest.mark.slow
def test_the_words_of_the_tone_matter_more_than_the_company() -> None:
    """With the default encoder: of a headline the phrase that was planted moves the score, and in its direction."""
    encoder = fitted(400, tune="head")
    for text, sign in (("Wonka 77 raises guidance on Monday", 1.0), ("Wonka 77 cuts guidance on Monday", -1.0)):
        tokens = attribute_tokens(encoder, text).tokens.set_index("token")["share"]
        verb = tokens["raises"] if sign > 0 else tokens["cuts"]
        assert sign * verb > 0
        assert abs(verb) > abs(tokens["monday"])
        assert abs(verb) > abs(tokens["77"])


def test_it_runs_on_the_processor_wherever_the_encoder_does(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder on a GPU is explained on the processor: there its tensors are."""
    encoder = fitted(checkpoint=tiny, tune="top:1", max_tokens=64)
    expected = attribute_tokens(encoder, "Acme beats estimates").tokens
    part = replace(encoder.part(), device="cuda")
    monkeypatch.setattr(TextEncoder, "part", lambda _: part)
    pd.testing.assert_frame_equal(attribute_tokens(encoder, "Acme beats estimates").tokens, expected)


def test_what_has_no_score_cannot_be_explained(tiny: Path) -> None:
    """Components, an encoder that learned nothing, a text without words."""
    with pytest.raises(UsageError, match="gives components"):
        attribute_tokens(fitted(checkpoint=tiny, tune="none", max_tokens=64), "Acme beats estimates")
    column = one_a_row(toned_headlines(20)[0])
    flat = TextEncoder(tiny, tune="head", max_tokens=64, horizon=1).fit(column, pd.Series(1.0, index=column.index))
    with pytest.raises(UsageError, match="learned nothing"):
        attribute_tokens(flat, "Acme beats estimates")
    with pytest.raises(UsageError, match="nothing to read"):
        attribute_tokens(fitted(checkpoint=tiny, tune="head", max_tokens=64), "https://t.co/x")


def test_the_pieces_of_a_word_count_together(tiny: Path) -> None:
    """Words in their order, each once; their shares are those of the tokens, but for what the encoder adds."""
    found = attribute_tokens(fitted(checkpoint=tiny, tune="head", max_tokens=64), "Vandelay beats estimates")
    words = found.words()
    assert list(words.index) == ["Vandelay", "beats", "estimates"]
    added = found.tokens["end"] == found.tokens["start"]
    assert words.sum() == pytest.approx(found.tokens.loc[~added, "share"].sum())


def test_the_last_fold_explains_its_highest_and_lowest_scores(tiny: Path) -> None:
    """Three headlines on either side, as they were read, the scores those of the tone; only where somebody asks, and only once."""
    texts, tone = toned_headlines(120)
    column = one_a_row(texts)
    X, y = column.to_frame("news"), pd.Series(tone + 0.01 * np.arange(120), index=column.index)
    folds = list(WalkForward(train=20, test=10, min_train=20).split(pd.DatetimeIndex(column.index.levels[0]), 1))
    encoder = TextEncoder(tiny, tune="head", max_tokens=64, mask_entities=True, entity_names=("Acme",), horizon=1, random_state=0)
    model = with_text(ridge_regressor(), encoder)
    fits = walk_forward(model, X, y, folds, ablate=True).fits
    assert all(EXAMPLES not in fit.learned["model.features.text_encoder"] for fit in fits[:-1])
    examples = fits[-1].learned["model.features.text_encoder"][EXAMPLES]
    scores = [example["score"] for example in examples]
    assert scores[:3] == sorted(scores, reverse=True)[:3]
    assert len(examples) == 6
    assert not any("Acme" in example["text"] or any(map(str.isdigit, example["text"])) for example in examples)
    assert all(word in example["text"] for example in examples for word, _ in example["words"])
    assert EXAMPLES not in walk_forward(model, X, y, folds).fits[-1].learned["model.features.text_encoder"]
