"""Another future: everything after the cut is replaced, nothing before it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantlab.audit.poison import ECHOED, SOURCES, poisoned
from quantlab.bars import PRICES
from quantlab.synthetic import make_market

DATASET = make_market(60, 8, seed=1).dataset
CUT = DATASET.bars.times[40]


@pytest.mark.parametrize("sources", [SOURCES, *[[source] for source in SOURCES]])
def test_the_past_stays_the_same(sources: list[str]) -> None:
    """Bit for bit: bars and documents up to the cut."""
    other = poisoned(DATASET, CUT, sources=sources)
    for name in (*PRICES, "volume"):
        pd.testing.assert_frame_equal(getattr(other.bars, name).loc[:CUT], getattr(DATASET.bars, name).loc[:CUT], check_exact=True)
    pd.testing.assert_frame_equal(other.news.until(CUT).table, DATASET.news.until(CUT).table)


def test_all_prices_volumes_and_texts_of_the_future_are_others() -> None:
    """The bars remain possible, and each change is of one kind only if asked so."""
    other = poisoned(DATASET, CUT)
    late = DATASET.bars.times > CUT
    listed = (other.bars.listed & DATASET.bars.listed).loc[late]
    assert (other.bars.close.loc[late] != DATASET.bars.close.loc[late]).to_numpy()[listed.to_numpy()].all()
    texts = set(DATASET.news.table["text"])
    after = other.news.table[other.news.table["available_at"] > CUT]
    assert not set(after.loc[~after["source"].isin(["echo"]) & ~after["text"].str.startswith("Correction"), "text"]) & texts
    only = poisoned(DATASET, CUT, sources=["volumes"])
    pd.testing.assert_frame_equal(only.bars.close, DATASET.bars.close)
    assert not only.bars.volume.equals(DATASET.bars.volume)


def test_listings_change_both_ways() -> None:
    """Every other name goes, and the one that was delisted comes back."""
    other = poisoned(DATASET, CUT, sources=["listings"])
    last, before = other.bars.listed.iloc[-1].to_numpy(), DATASET.bars.listed.iloc[-1].to_numpy()
    assert not last[1::2].any()
    assert last[0::2].all()
    assert (~before).any() or (DATASET.bars.listed.iloc[41:].to_numpy() != other.bars.listed.iloc[41:].to_numpy()).any()


def test_known_documents_come_again_word_for_word_and_corrected() -> None:
    """Copies under another id, corrections under the same: both after the cut."""
    table = poisoned(DATASET, CUT, sources=["news"]).news.table
    recent = DATASET.news.table[DATASET.news.table["available_at"].between(DATASET.bars.times[40 - ECHOED], CUT, inclusive="right")]
    copies = table[table["source"] == "echo"]
    corrections = table[table["text"].str.startswith("Correction: ")]
    assert len(copies) == len(corrections) == len(recent) > 0
    assert sorted(copies["text"]) == sorted(recent["text"])
    assert sorted(corrections["id"]) == sorted(recent["id"])
    assert (corrections["available_at"] > CUT).all()


def test_the_seed_makes_the_poison() -> None:
    """The same for the same, another for another."""
    one, two, three = (poisoned(DATASET, CUT, seed=seed).bars.close.to_numpy() for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three, equal_nan=True)
