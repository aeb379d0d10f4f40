"""Augmentation: other words of the same meaning, a pure function of text and seed; hidden tokens, never all of them."""

from __future__ import annotations

import numpy as np

from quantlab.text.encoder.augment import hidden, near_synonyms, swapped, with_swapped
from quantlab.text.encoder.training import Examples


def test_a_word_stands_in_one_line_of_the_list() -> None:
    """So that near-synonyms are symmetric: what may replace a word may be replaced by it."""
    known = near_synonyms()
    assert len(known) > 200
    assert all(word in known[other] and word == word.lower() for word, others in known.items() for other in others)


def test_swapping_keeps_the_capital_and_all_other_words() -> None:
    """With share 1 every known word is another one; with share 0 the text is untouched."""
    text = "Profit rises: 5% growth at Acme, U.S. sales climb"
    new = swapped(text, 1.0, 0)
    assert new.split()[0] == "Earnings"
    assert new.split()[1].rstrip(":") in near_synonyms()["rises"]
    assert "5%" in new
    assert "Acme, U.S." in new
    assert swapped(text, 0.0, 0) == text


def test_swapping_is_a_pure_function_of_text_and_seed() -> None:
    """The same twice; another seed gives another text."""
    text = "Profit rises, sales gain, shares of the firm soar on strong demand and upbeat outlook"
    assert swapped(text, 0.5, 0) == swapped(text, 0.5, 0)
    assert len({swapped(text, 0.5, seed) for seed in range(5)}) > 1


def test_a_copy_shares_the_weight_of_its_text() -> None:
    """Only of what is trained on; a text without known words has no copy."""
    texts = ["Profit rises", "xyz", "Sales fell", "Loss widens"]
    given = Examples(texts, np.arange(4.0)[:, None], np.ones(4), np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1], bool))
    found = with_swapped(given, 0.999, 0)
    assert len(found.texts) == 6
    assert found.texts[:4] == texts
    assert found.weight.tolist() == [0.5, 1.0, 0.5, 1.0, 0.5, 0.5]
    assert found.target[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 0.0, 2.0]
    assert len(set(found.texts)) == 6
    assert found.held_out.tolist() == [False, False, False, True, False, False]


def test_no_line_joins_words_of_opposite_tone() -> None:
    """A swap may change how loud a headline is, never its sign: no line has a plainly good and a plainly bad word."""
    good = {"rises", "rose", "soars", "beats", "wins", "boosts", "strong", "bullish", "profit", "upbeat", "gains", "surges"}
    bad = {"falls", "fell", "plunges", "misses", "loses", "hurts", "weak", "bearish", "loss", "cuts", "warns", "slumps"}
    for word, others in near_synonyms().items():
        group = {word, *others}
        assert not (group & good and group & bad), group


def test_hidden_tokens_are_about_a_share_and_never_all() -> None:
    """The first token of each text stays, padding stays padding."""
    n_tokens = np.array([1, 5, 12])
    left = hidden(n_tokens, 16, 0.9, np.random.default_rng(0))
    assert left[:, 0].all()
    assert not (left & (np.arange(16) >= n_tokens[:, None])).any()
    many = hidden(np.full(2000, 11), 16, 0.3, np.random.default_rng(0))[:, 1:11]
    assert abs(many.mean() - 0.7) < 0.02
