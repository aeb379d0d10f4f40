"""Copies of documents, found by looking backwards only."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.data import duplicates
from quantlab.data.duplicates import copies, normalised

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2024-01-01", tz="UTC")


def table(*rows):
    """Return a news table of (hours since the start, symbol, text) rows."""
    at = pd.DatetimeIndex([START + pd.Timedelta(hours=row[0]) for row in rows]).as_unit("us")
    frame = pd.DataFrame({"available_at": at, "symbol": [r[1] for r in rows], "text": [r[2] for r in rows]}).astype({"text": "str"})
    return frame.assign(source="", id=[str(i) for i in range(len(rows))])


def dropped(frame, window=3 * DAY, similarity=0.8):
    """Return which rows are copies of either kind."""
    found = copies(frame, window=window, similarity=similarity)
    assert not (found.same & found.near).any()
    return list(found.same | found.near)


def test_the_same_text_again_is_a_copy_of_the_earlier_one():
    """The first stays; another symbol's is its own."""
    frame = table((0, "A", "profit rises"), (1, "A", "profit rises"), (1, "B", "profit rises"))
    assert dropped(frame) == [False, True, False]


def test_case_punctuation_links_and_retweet_marks_do_not_count():
    """`RT @who:` in front and a link at the end make no new document."""
    texts = pd.Series(
        ["Profit rises!", "RT @who: PROFIT rises https://t.co/x", "RT @a: RT @b profit, rises", "http://t.co/y", "買い"], dtype="str"
    )
    assert list(normalised(texts)) == ["profit rises", "profit rises", "profit rises", "http://t.co/y", "買い"]


def test_two_texts_of_links_alone_are_different():
    """What has no word at all is compared as it stands."""
    assert dropped(table((0, "A", "http://t.co/x"), (1, "A", "http://t.co/y"), (2, "A", "http://t.co/x"))) == [False, False, True]
    assert dropped(table((2, "A", "http://t.co/y"), (0, "A", "http://t.co/x"), (1, "A", "http://t.co/x"))) == [False, False, True]


def test_nearly_the_same_is_measured_on_word_pairs():
    """Ten words have nine pairs; one word more gives 9 / 10 = 0.9, another last word 8 / 10 = 0.8, two of them 7 / 11."""
    words = "a b c d e f g h i j"
    frame = table((0, "A", words), (1, "A", words + " k"), (2, "A", words[:-1] + "z"), (3, "A", "b c d e f g h i y"))
    assert dropped(frame) == [False, True, True, False]
    assert dropped(frame, similarity=0.85) == [False, True, False, False]


def test_a_copy_out_of_the_window_is_a_document_again():
    """Three days later, to the microsecond, is still within three days."""
    frame = table((0, "A", "profit rises"), (72, "A", "profit rises"), (144.001, "A", "profit rises"))
    assert dropped(frame) == [False, True, False]


def test_a_chain_of_copies_hangs_on_the_nearest_before_even_if_that_is_a_copy():
    """Repeated every two days it stays a copy for ever."""
    frame = table(*[(48 * i, "A", "profit rises") for i in range(5)])
    assert dropped(frame) == [False, True, True, True, True]


def test_a_window_of_nothing_keeps_everything():
    """0D switches the removal of copies off."""
    assert dropped(table((0, "A", "x"), (0, "A", "x")), window=pd.Timedelta(0)) == [False, False]


def test_no_news_has_no_copies():
    """An empty table is no special case for the caller."""
    assert dropped(table((0, "A", "x")).iloc[:0]) == []


def oracle(frame, window, similarity):
    """Compare every document with every earlier one, one by one."""
    order = frame.sort_values(["available_at", "id", "text", "source"], kind="stable").index
    sets = {}
    for i in frame.index:
        words = re.sub(r"[^\w]+|_", " ", frame["text"][i].lower()).split()
        sets[i] = set(pairwise(words)) if len(words) > 1 else set(words)
    found = dict.fromkeys(frame.index, False)
    for n, i in enumerate(order):
        for j in order[:n]:
            close = frame["available_at"][i] - frame["available_at"][j] <= window and frame["symbol"][i] == frame["symbol"][j]
            if close and len(sets[i] & sets[j]) >= similarity * len(sets[i] | sets[j]) - 1e-9:
                found[i] = True
    return [found[i] for i in frame.index]


WORDS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=12).map(" ".join)
ROWS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("AB"), WORDS), min_size=1, max_size=25)


@given(ROWS, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_the_fast_way_finds_what_the_obvious_loop_finds(rows, similarity):
    """No candidate is missed and none is made up, at any similarity."""
    frame = table(*rows)
    assert dropped(frame, DAY, similarity) == oracle(frame, DAY, similarity)


@given(ROWS, st.integers(0, 60), st.randoms(use_true_random=False))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_what_comes_later_changes_nothing_before(rows, cut, random):
    """Cutting the news at any instant leaves the same documents before it; nor does the order of the rows matter."""
    frame = table(*rows)
    whole = np.array(dropped(frame, DAY))
    before = (frame["available_at"] <= START + pd.Timedelta(hours=cut)).to_numpy()
    assert dropped(frame[before], DAY) == list(whole[before])
    mixed = list(range(len(frame)))
    random.shuffle(mixed)
    assert dropped(frame.iloc[mixed], DAY) == list(whole[mixed])


def test_the_property_catches_a_look_ahead():
    """Keeping the last of the copies, as `drop_duplicates(keep="last")` does, breaks it: the test can fail."""
    frame = table((0, "A", "profit rises"), (5, "A", "profit rises"))

    def keep_last(part):
        return list(part.duplicated(["symbol", "text"], keep="last"))

    assert keep_last(frame)[:1] != keep_last(frame[:1])
    assert dropped(frame)[:1] == dropped(frame[:1])


@pytest.mark.parametrize("at_once", [1, 7])
def test_candidates_may_come_in_small_parts(monkeypatch, at_once):
    """Memory is bounded by working on parts; the result is the same."""
    rng = np.random.default_rng(0)
    frame = table(*[(i, "AB"[i % 2], " ".join(rng.choice(list("abcdef"), 5))) for i in range(60)])
    whole = dropped(frame, similarity=0.4)
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", at_once)
    assert dropped(frame, similarity=0.4) == whole
    assert 0 < sum(whole) < 60
