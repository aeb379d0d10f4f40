"""Selection: overfitting and superior ability, where the answer is published, planted or known to be nothing."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import significance as sig
from quantlab.errors import UsageError

Floats = npt.NDArray[np.float64]


def noise(n_times: int, n_variants: int, seed: int = 0) -> Floats:
    """Return independent normal returns."""
    return 0.01 * np.random.default_rng(seed).normal(size=(n_times, n_variants))


def logits_by_loop(values: Floats, n_blocks: int) -> list[float]:
    """Return the logits as the paper words them, one split after the other."""
    blocks = np.array_split(np.arange(len(values)), n_blocks)
    found = []
    for half in combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[k] for k in half])
        outside = np.concatenate([blocks[k] for k in range(n_blocks) if k not in half])
        earlier, later = (values[rows].mean(axis=0) / values[rows].std(axis=0, ddof=1) for rows in (inside, outside))
        rank = np.argsort(np.argsort(later))[np.argmax(earlier)] + 1
        share = rank / (values.shape[1] + 1)
        found.append(math.log(share / (1 - share)))
    return found


def test_the_published_vector() -> None:
    """M[t, j] = sin(1.1 (t + 1)(j + 1) + .77 j) + .02 j, 48 times, 5 variants, 6 blocks: .65 with the median, .40 without."""
    t, j = np.arange(48)[:, None], np.arange(5)[None, :]
    found = sig.overfitting_probability(np.sin(1.1 * (t + 1) * (j + 1) + 0.77 * j) + 0.02 * j, 6)
    assert found == (pytest.approx(0.65), pytest.approx(0.40))
    assert (found.at_most_zero, found.below_zero) == found


@given(n_times=st.integers(12, 60), n_variants=st.integers(2, 7), half=st.integers(1, 3), seed=st.integers(0, 99))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_logits_are_those_of_the_loop(n_times: int, n_variants: int, half: int, seed: int) -> None:
    """Also where the blocks do not divide the times."""
    values = noise(n_times, n_variants, seed) + 0.02
    assert sig.overfitting_logits(values, 2 * half) == pytest.approx(logits_by_loop(values, 2 * half), abs=1e-9)


def test_a_variant_with_skill_is_no_overfitting() -> None:
    """One that is really better wins in every half."""
    values = noise(400, 10)
    values[:, 3] += 0.01
    assert sig.overfitting_probability(pd.DataFrame(values), 8) == (0.0, 0.0)


def test_variants_without_skill_are_as_bad_as_a_coin() -> None:
    """Over many worlds the winner of one half is below the median of the other about half of the time."""
    shares = [sig.overfitting_probability(noise(120, 10, seed), 6).at_most_zero for seed in range(60)]
    assert 0.4 < np.mean(shares) < 0.65


def test_a_variant_that_never_trades_neither_wins_nor_fails() -> None:
    """Its ratio is 0: it comes last behind winners only, and gives no NaN."""
    values = np.column_stack([noise(60, 1)[:, 0] + 0.02, np.zeros(60), noise(60, 1, 1)[:, 0] - 0.02])
    logits = sig.overfitting_logits(values, 6)
    assert np.isfinite(logits).all()
    assert (logits > 0).all()
    flat = np.column_stack([np.full(60, 0.01), np.zeros(60)])
    assert sig.overfitting_logits(flat, 4) == pytest.approx(np.zeros(6))  # both 0: they share the middle


def test_variants_that_do_the_same_share_their_rank() -> None:
    """Settings that change nothing: each is as good as the other, which is the median, whatever the last bits of their sums."""
    one = noise(61, 1)[:, 0]
    assert sig.overfitting_logits(np.column_stack([one] * 5), 6) == pytest.approx(np.zeros(20), abs=0)
    again = np.column_stack([one, one * 3.0, one / 7.0])  # another size, the same ratio
    assert sig.overfitting_logits(again, 6) == pytest.approx(np.zeros(20), abs=0)


@pytest.mark.parametrize(
    ("values", "n_blocks", "said"),
    [
        (noise(40, 1), 4, "at least two variants"),
        (noise(40, 3)[:, 0], 4, "at least two variants"),
        (noise(40, 3), 5, "even"),
        (noise(40, 3), 0, "even"),
        (noise(40, 3), 22, "half of the 40 times"),
        (np.where(np.arange(40)[:, None] == 7, np.nan, noise(40, 3)), 4, "variant 0 at position 7 is nan"),
    ],
)
def test_what_cannot_be_split_is_refused(values: Floats, n_blocks: int, said: str) -> None:
    """With the value, and what to do."""
    with pytest.raises(UsageError, match=said):
        sig.overfitting_probability(values, n_blocks)


def frame(values: Floats) -> pd.DataFrame:
    """Return the values as daily returns."""
    return pd.DataFrame(values, pd.date_range("2020-01-01", periods=len(values), tz="UTC"))


def test_a_variant_that_beats_the_benchmark_is_found() -> None:
    """Returns are gains: twenty basis points a day more than the benchmark leave no doubt, as many less leave every doubt."""
    returns = frame(noise(500, 5))
    benchmark = pd.Series(0.0, returns.index)
    better, worse = returns.copy(), returns - 0.002
    better[2] += 0.002
    assert sig.superior_ability(better, benchmark).consistent < 0.01
    assert sig.superior_ability(worse, benchmark).consistent > 0.5
    assert sig.superior_ability(better, better[2]).consistent > 0.5  # nothing beats the best, least of all itself


def test_the_consistent_value_lies_between_its_bounds() -> None:
    """Poor variants count for nothing in the lower bound, and for most in the upper."""
    values = noise(500, 6, seed=4)
    values[:, 1] -= 0.001
    values[:, 2:] -= 0.01
    returns = frame(values)
    found = sig.superior_ability(returns, pd.Series(0.0, returns.index))
    assert found.lower <= found.consistent <= found.upper


def test_superior_ability_is_seeded() -> None:
    """Same seed, same value; a single series is a table of one."""
    returns = frame(noise(250, 3))
    benchmark = pd.Series(noise(250, 1, 9)[:, 0], returns.index)
    assert sig.superior_ability(returns, benchmark, seed=1) == sig.superior_ability(returns, benchmark, seed=1)
    assert sig.superior_ability(returns, benchmark, seed=1) != sig.superior_ability(returns, benchmark, seed=2)
    assert sig.superior_ability(returns[0], benchmark) == sig.superior_ability(returns[[0]], benchmark)


def test_superior_ability_holds_its_level() -> None:
    """Among worlds without skill about a tenth are below .1, whatever the number of variants."""
    found = []
    for seed in range(100):
        returns = frame(noise(250, 4, seed))
        found.append(sig.superior_ability(returns, pd.Series(0.0, returns.index), n_resamples=100).consistent)
    assert 0.03 <= np.mean(np.array(found) < 0.1) <= 0.18


def test_superior_ability_of_nothing_is_undefined() -> None:
    """Too few sessions, or no difference at all: NaN; other sessions are refused."""
    returns = frame(noise(19, 2))
    assert math.isnan(sig.superior_ability(returns, pd.Series(0.0, returns.index)).consistent)
    returns = frame(noise(50, 2))
    assert math.isnan(sig.superior_ability(returns[0], returns[0]).consistent)
    with pytest.raises(UsageError, match="50 sessions and the benchmark 49"):
        sig.superior_ability(returns, pd.Series(0.0, returns.index[1:]))
    with pytest.raises(UsageError, match="missing values"):
        sig.superior_ability(returns, pd.Series(math.nan, returns.index))
