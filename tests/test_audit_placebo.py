"""Placebos: what means nothing may tell nothing, and chance is no leak however few sessions there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import closes

from quantlab.audit.placebo import _block_means, _told, headline_placebo
from quantlab.audit.stages import Subject, whole_run
from quantlab.bars import Bars
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor
from quantlab.news import News
from quantlab.result import Check
from quantlab.steps import Settings
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn
from quantlab.weights import long_short

N_SYMBOLS = 8
FOLDS = WalkForward(train=40, test=20, min_train=40)


def told(n_sessions: int, horizon: int, seed: int, known: float = 0.0) -> Check:
    """Return what is said of a persistent signal that knows so much of labels that overlap over the horizon, and else nothing."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([closes(n_sessions), [f"S{number}" for number in range(N_SYMBOLS)]], names=["time", "symbol"])
    walk = rng.normal(size=(n_sessions + horizon, N_SYMBOLS)).cumsum(axis=0)
    labels = walk[horizon:] - walk[:-horizon]
    noise = pd.DataFrame(rng.normal(size=labels.shape)).ewm(halflife=10).mean().to_numpy()
    signal = noise + known * labels / np.sqrt(horizon)
    return _told("placebo", "placebos", pd.Series(signal.ravel(), index), None, pd.Series(labels.ravel(), index), horizon)


@pytest.mark.parametrize(("horizon", "n_sessions"), [(1, 40), (5, 20), (5, 110), (20, 45), (20, 450)])
def test_chance_is_no_leak(horizon: int, n_sessions: int) -> None:
    """Of 50 signals that know nothing, none leaks: Newey and West's t > 4 said so of up to one in ten."""
    assert "leak" not in {told(n_sessions, horizon, seed).verdict for seed in range(50)}


@pytest.mark.parametrize(("horizon", "n_sessions"), [(1, 60), (3, 110), (20, 450)])
def test_what_knows_the_labels_leaks(horizon: int, n_sessions: int) -> None:
    """With as many sessions as a short run has."""
    assert [told(n_sessions, horizon, seed, known=1.0).verdict for seed in range(5)] == ["leak"] * 5


def test_too_few_sessions_are_noted() -> None:
    """Not one block of a horizon of 20 fits into 45 sessions; 200 would do."""
    check = told(45, 20, 0)
    assert check.verdict == "noted"
    assert "45 sessions are too few to tell that from chance (200 would do)" in check.detail


def test_blocks_are_as_long_as_two_labels() -> None:
    """The sessions left over are the first."""
    assert _block_means(np.arange(26.0), 3).tolist() == [4.5, 10.5, 16.5, 22.5]
    assert len(_block_means(np.arange(3000.0), 3)) == 30


def test_the_same_ic_at_every_session_is_no_chance() -> None:
    """A placebo that is always right has no spread at all."""
    index = pd.MultiIndex.from_product([closes(40), list("ABC")], names=["time", "symbol"])
    same = pd.Series(np.tile([1.0, 2.0, 3.0], 40), index)
    assert _told("placebo", "placebos", same, None, same, 1).verdict == "leak"


def words(bars: Bars, news: News) -> pd.DataFrame:
    """One feature in numbers that pandas keeps in Arrow, and no news."""
    return panel(x=momentum(bars.close, 5).stack(future_stack=True).astype("double[pyarrow]"))


def test_arrow_numbers_are_no_news() -> None:
    """No learner reads a text in them."""
    strategy = Strategy(
        name="arrow", features=words, target=ForwardReturn(horizon=1), model=ridge_regressor(), weights=long_short, folds=FOLDS
    )
    given = Subject(strategy=strategy, dataset=make_market(90, 4).dataset, settings=Settings(), fresh=lambda: strategy)
    assert headline_placebo(given, whole_run(given)).verdict == "not applicable"
