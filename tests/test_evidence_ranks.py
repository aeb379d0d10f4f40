"""Rank correlations by session and group: against scipy, the metric of the same name, and one group at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from quantlab.evidence.ranks import RankIC, _centred_ranks, rank_ic
from quantlab.metrics import information_coefficient, newey_west_t

FEW = st.integers(min_value=-3, max_value=3).map(float)  # few values: many ties


def ic(rows: list[tuple[int, int, float, float]], shape: tuple[int, int]) -> RankIC:
    """Return the IC of rows (group, session, signal, target)."""
    group, session, signal, target = (np.array(column) for column in zip(*rows, strict=True))
    return rank_ic(signal.astype(float), target.astype(float), session=session, group=group, shape=shape)


def test_sessions_with_three_names_have_a_correlation_each() -> None:
    """Session 0 ranks all three right (1), session 1 all wrong (-1), session 2 one pair of three wrong (1/2)."""
    rows = [(0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3), (0, 1, 1, 3), (0, 1, 2, 2), (0, 1, 3, 1), (0, 2, 1, 2), (0, 2, 2, 1), (0, 2, 3, 3)]
    found = ic(rows, (1, 3))
    np.testing.assert_allclose(found.by_session, [[1.0, -1.0, 0.5]])
    table = found.table(pd.Index(["all"]), lag=1)
    assert table.loc["all", ["n_rows", "n_sessions", "pooled"]].tolist() == [9, 3, False]
    assert table.loc["all", "ic"] == pytest.approx(1 / 6)
    assert table.loc["all", "t"] == pytest.approx(newey_west_t(pd.Series([1.0, -1.0, 0.5]), 1))


def test_few_names_are_ranked_over_all_rows() -> None:
    """Two names a session: the sessions' parts average to Spearman's correlation over all rows."""
    rows = [(0, 0, 1, 5), (0, 0, 4, 2), (0, 1, 3, 7), (0, 1, 9, 8), (0, 2, 5, 1), (0, 2, 6, 9)]
    found = ic(rows, (1, 3))
    assert found.pooled.tolist() == [True]
    expected = spearmanr([row[2] for row in rows], [row[3] for row in rows]).statistic
    assert found.by_session.mean() == pytest.approx(expected)


def test_pooling_sets_in_when_most_rows_lack_company() -> None:
    """Three of six rows in a session of three are half of them: no pooling; three of seven are fewer."""
    three, alone = [(0, 0, i, i) for i in (1, 2, 3)], [(0, day, day, -day) for day in (1, 2, 3, 4)]
    assert ic(three + alone[:3], (1, 5)).pooled.tolist() == [False]
    assert ic(three + alone, (1, 5)).pooled.tolist() == [True]


def test_a_session_of_two_says_nothing() -> None:
    """Two names rank +1 or -1 whatever they do: beside a session of three they are left out."""
    found = ic([(0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3), (0, 1, 1, 2), (0, 1, 2, 1)], (1, 2))
    np.testing.assert_array_equal(found.by_session, [[1.0, np.nan]])


def test_what_never_varies_has_no_correlation() -> None:
    """A session with one signal for all names is no session of correlation 0; a missing target is no row."""
    found = ic([(0, 0, 1, 1), (0, 0, 1, 2), (0, 0, 1, 3), (0, 1, 1, 1), (0, 1, 2, 2), (0, 1, 3, 3), (0, 1, 4, np.nan)], (1, 2))
    np.testing.assert_array_equal(found.by_session, [[np.nan, 1.0]])
    assert found.n_rows.tolist() == [6]


def test_no_row_at_all() -> None:
    """A group without a row has no figure, and says so with its counts."""
    none = np.zeros(0)
    table = rank_ic(none, none, session=none.astype(int), group=none.astype(int), shape=(2, 3)).table(pd.Index(["a", "b"]), lag=1)
    assert table["n_rows"].tolist() == [0, 0]
    assert table["n_sessions"].tolist() == [0, 0]
    assert table[["ic", "t"]].isna().all(axis=None)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), FEW, FEW), min_size=1, max_size=60))
def test_groups_do_not_disturb_each_other(rows: list[tuple[int, int, float, float]]) -> None:
    """All groups at once give what each gives alone, and the wide case is the metric of that name."""
    together = ic(rows, (4, 4))
    for group in range(4):
        own = [(0, *row[1:]) for row in rows if row[0] == group]
        if not own:
            assert np.isnan(together.by_session[group]).all()
            continue
        np.testing.assert_allclose(together.by_session[group], ic(own, (1, 4)).by_session[0], atol=1e-12)
        index = pd.MultiIndex.from_tuples([(row[1], number) for number, row in enumerate(own)])
        known = information_coefficient(pd.Series([row[2] for row in own], index=index), pd.Series([row[3] for row in own], index=index))
        if not together.pooled[group]:
            np.testing.assert_allclose(together.by_session[group], known.reindex(range(4)), atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), FEW), max_size=40))
def test_ranks_share_ties(rows: list[tuple[int, float]]) -> None:
    """Each cell's ranks are scipy's, less their mean."""
    cell, values = np.array([row[0] for row in rows], dtype=int), np.array([row[1] for row in rows], dtype=float)
    expected = np.zeros(len(rows))
    for number in set(cell.tolist()):
        ranks = rankdata(values[cell == number])
        expected[cell == number] = ranks - ranks.mean()
    np.testing.assert_allclose(_centred_ranks(values, cell), expected)
