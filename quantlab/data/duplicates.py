"""Copies of documents: syndicated, retweeted, sent again. Found by looking backwards only.

1. Texts are compared without case, punctuation, links and `RT @name:`; two that are then the same are the same.
2. Otherwise they are compared as sets of word pairs (a single word is its own pair): Jaccard similarity, the shared over
   all. Broder, "On the resemblance and containment of documents" (1997).
3. A document is a copy if an *earlier* one of its symbol, in the order (available_at, id, text, source), no older than the
   window, is similar enough. Whether that earlier one was a copy itself does not matter, and what comes later cannot:
   cutting the news at any instant leaves the same documents before it.
4. Candidates are found exactly, not by sampling: two sets with a Jaccard similarity of at least s share one of the first
   n - ceil(s n) + 1 elements of either, in any common order (Chaudhuri, Ganti and Kaushik, "A primitive operator for
   similarity joins", 2006). Rare pairs come first, so that there are few candidates; the order changes the time, never the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

RETWEET = r"^(?:rt @\w+:? *)+"
LINK = r"(?:https?:|www\.)\S*"
NO_WORD = r"[^\p{L}\p{M}\p{N}]+"
PAIRS_AT_ONCE = 1 << 22  # candidates held in memory at a time
ROUNDING = 1e-9  # 0.8 * 15 is a little more than 12


@dataclass(frozen=True)
class Copies:
    """Which documents repeat an earlier one: word for word, or nearly so; both (n_docs,), never both at once."""

    same: Mask
    near: Mask


def copies(frame: pd.DataFrame, *, window: pd.Timedelta, similarity: float) -> Copies:
    """Return which documents of a table like that of News are copies; its order of rows does not matter."""
    none = np.zeros(len(frame), dtype=bool)
    if window <= pd.Timedelta(0) or frame.empty:
        return Copies(none, none.copy())
    order = ["available_at", "id", "text", "source"]
    ordered = frame.reset_index(drop=True).sort_values(order, kind="stable")
    at = pd.DatetimeIndex(ordered["available_at"]).as_unit("us").asi8
    symbol = pd.factorize(ordered["symbol"])[0].astype(np.int64)
    text, distinct = pd.factorize(normalised(ordered["text"]))
    reach = window // pd.Timedelta(microseconds=1)
    same = _same_again(symbol, text.astype(np.int64), at, reach)
    near = _nearly_again(symbol, text.astype(np.int64), at, reach, _shingles(distinct), similarity, ~same)
    back = np.argsort(ordered.index.to_numpy(), kind="stable")
    return Copies(same[back], near[back])


def normalised(texts: pd.Series) -> pd.Series:
    """Return texts as they are compared: words in lower case; one without any word stays as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.string()), "NFKC"))
    for pattern, put in ((RETWEET, ""), (LINK, " "), (NO_WORD, " ")):
        words = pc.replace_substring_regex(words, pattern, put)
    found = pc.utf8_trim_whitespace(words).to_pandas().astype("str").set_axis(texts.index)
    compared: pd.Series = found.where(found != "", texts)
    return compared


@dataclass(frozen=True)
class Shingles:
    """The sets of word pairs of texts, flat: those of text i are `pair[start[i]:start[i + 1]]`, the rarest first."""

    pair: Ints
    start: Ints

    @property
    def size(self) -> Ints:
        """Number of pairs of each text, (n_texts,)."""
        return np.diff(self.start)


def _shingles(texts: pd.Index) -> Shingles:
    """Return the word pairs of normalised texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    split = pc.split_pattern(pa.array(texts, pa.string()), " ")
    n_words = pc.list_value_length(split).to_numpy()
    word, vocabulary = pd.factorize(split.flatten().to_pandas())
    text = np.repeat(np.arange(len(texts)), n_words)
    paired = np.flatnonzero(text[1:] == text[:-1])
    alone = np.flatnonzero((n_words == 1)[text])
    pair = np.concatenate([word[paired] * len(vocabulary) + word[paired + 1], -1 - word[alone]])
    pair = pd.factorize(pair)[0].astype(np.int64)
    often = np.bincount(pair)
    rarity = np.empty(len(often), np.int64)
    rarity[np.argsort(often, kind="stable")] = np.arange(len(often))
    key = np.sort(np.concatenate([text[paired], text[alone]]) * len(often) + rarity[pair])
    key = key[np.r_[True, np.diff(key) != 0]]
    start = np.searchsorted(key, np.arange(len(texts) + 1) * len(often))
    return Shingles(key % len(often), start)


def _same_again(symbol: Ints, text: Ints, at: Ints, reach: int) -> Mask:
    """Return where the same text came before, on the same symbol and within reach; rows are in order of time."""
    order = np.lexsort([text, symbol])  # stable: in order of time within
    again = (np.diff(symbol[order]) == 0) & (np.diff(text[order]) == 0) & (np.diff(at[order]) <= reach)
    same = np.zeros(len(at), dtype=bool)
    same[order[1:]] = again
    return same


def _nearly_again(symbol: Ints, text: Ints, at: Ints, reach: int, sets: Shingles, similarity: float, asked: Mask) -> Mask:
    """Return which of the rows asked about have a similar text before them, on the same symbol and within reach."""
    length = sets.size - np.ceil(similarity * sets.size - ROUNDING).astype(np.int64) + 1
    row = np.repeat(np.arange(len(text)), length[text])
    nth = np.arange(len(row)) - np.repeat(np.cumsum(length[text]) - length[text], length[text])
    pair = sets.pair[sets.start[text[row]] + nth]
    order = np.lexsort([row, pair, symbol[row]])
    row, pair = row[order], pair[order]
    group = np.cumsum(np.r_[0, (np.diff(symbol[row]) != 0) | (np.diff(pair) != 0)])
    near = np.zeros(len(text), dtype=bool)
    oldest = np.searchsorted(at, at - reach, side="left")  # the first row within reach of each row
    first = np.searchsorted(group * len(text) + row, group * len(text) + oldest[row], side="left")
    n_before = np.where(asked[row], np.arange(len(row)) - first, 0)
    total = np.cumsum(n_before)
    cuts = np.searchsorted(total, np.arange(PAIRS_AT_ONCE, int(total[-1]) + PAIRS_AT_ONCE, PAIRS_AT_ONCE))
    for part in np.split(np.arange(len(row)), np.unique(np.minimum(cuts + 1, len(row)))):
        later = np.repeat(part, n_before[part])
        back = np.arange(len(later)) - np.repeat(np.cumsum(n_before[part]) - n_before[part], n_before[part])
        one, other = row[later], row[first[later] + back]
        near[one[_similar(text[one], text[other], sets, similarity)]] = True
    return near


def _similar(one: Ints, other: Ints, sets: Shingles, similarity: float) -> Mask:
    """Return which pairs of texts are similar enough, (n_pairs,)."""
    n_texts = len(sets.size)
    small, large = np.minimum(sets.size[one], sets.size[other]), np.maximum(sets.size[one], sets.size[other])
    possible = (small >= similarity * large - ROUNDING) & (one != other)
    key, which = np.unique(one[possible] * n_texts + other[possible], return_inverse=True)
    a, b = key // n_texts, key % n_texts
    size = sets.size[a]
    element = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size) + np.repeat(sets.start[a], size)
    n_pairs = int(sets.pair.max(initial=0)) + 1
    members = np.repeat(np.arange(n_texts), sets.size) * n_pairs + sets.pair  # increasing: each set is sorted
    wanted = np.repeat(b, size) * n_pairs + sets.pair[element]
    found = np.searchsorted(members, wanted)
    shared = np.bincount(np.repeat(np.arange(len(a)), size), members[np.minimum(found, len(members) - 1)] == wanted, minlength=len(a))
    enough = shared >= similarity * (size + sets.size[b] - shared) - ROUNDING
    similar = np.zeros(len(one), dtype=bool)
    similar[possible] = enough[which]
    return similar
