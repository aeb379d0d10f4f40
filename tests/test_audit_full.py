"""The audit as a whole: what it refuses to call clean, what it says, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.base import BaseEstimator, RegressorMixin

from quantlab.audit.canary import canary_check
from quantlab.audit.cuts import Cut, adversarial_cuts
from quantlab.audit.execution import execution_outcome, label_outcome
from quantlab.audit.full import audit
from quantlab.audit.history import warm_up
from quantlab.audit.outcome import AuditReport
from quantlab.audit.placebo import headline_placebo, label_placebo
from quantlab.audit.stages import Subject, traded, whole_run
from quantlab.audit.truncation import poison_check, truncated, truncation_check
from quantlab.bars import Bars
from quantlab.commands.audit import audit as command
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.entry import answer
from quantlab.errors import UsageError
from quantlab.executor import silent
from quantlab.features import momentum, panel
from quantlab.folds import Fold, WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.portfolio import simulate
from quantlab.result import Check, Finding, Portfolio
from quantlab.run import Settings
from quantlab.strategy import Strategy
from quantlab.synthetic import make_market, write_dataset
from quantlab.target import ForwardReturn
from quantlab.text import Sentiment
from quantlab.weights import cluster_rule, long_short, top_k

ZOO = Path(__file__).parent / "zoo"
MARKET = make_market(150, 6, seed=5).dataset
TRUTH = ForwardReturn(horizon=3)(MARKET.bars).fillna(0.0)


def momenta(bars: Bars, news: News) -> pd.DataFrame:
    """Two clean features."""
    return panel(momentum=momentum(bars.close, 5), last_return=momentum(bars.close, 1))


def with_news(bars: Bars, news: News) -> pd.DataFrame:
    """One clean feature and the documents."""
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, lookback=2))


CLEAN = Strategy(
    name="clean",
    features=momenta,
    target=ForwardReturn(horizon=3),
    model=ridge_regressor(),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=70, test=35, min_train=60),
)


def subject(strategy: Strategy, dataset: Dataset = MARKET, fresh: Callable[[], Strategy] | None = None) -> Subject:
    """Return what is audited, without a cache."""
    return Subject(strategy=strategy, dataset=dataset, settings=Settings(), fresh=fresh or (lambda: strategy))


def truncation(strategy: Strategy, dataset: Dataset = MARKET, fresh: Callable[[], Strategy] | None = None) -> Check:
    """Return what the truncation check alone says."""
    given = subject(strategy, dataset, fresh)
    whole = whole_run(given)
    return truncation_check(given, whole, adversarial_cuts(whole.folds, dataset.bars, given.horizon, quick=True), silent)


def outcome(report: AuditReport, name: str) -> Check:
    """Return the outcome of one check."""
    return next(check for check in report.checks if check.name == name)


def test_a_clean_strategy_is_said_to_be_so() -> None:
    """Every check held, or says why it does not apply."""
    report = audit(CLEAN, MARKET, quick=True)
    assert report.verdict == "held"
    assert [check.name for check in report.checks] == [
        "truncation", "poison", "canary", "execution", "label overlap", "warm-up", "placebo labels", "placebo headlines",
    ]  # fmt: skip
    assert outcome(report, "canary").verdict == "not applicable"
    assert "clean: no look into the future was found" in report.summary()


def test_two_audits_say_the_same() -> None:
    """Random cuts, poison and placebos come from the seed."""
    said = [json.dumps(audit(CLEAN, MARKET, quick=True).as_json(), allow_nan=False) for _ in range(2)]
    assert said[0] == said[1]


def test_too_few_decisions_are_a_failure() -> None:
    """One fold of a few bars and two names: nothing is proven, and nobody is told that it is clean."""
    dataset = replace(make_market(64, 2, seed=5).dataset, name="tiny")
    report = audit(replace(CLEAN, folds=WalkForward(train=60, test=35, min_train=58)), dataset, quick=True)
    assert outcome(report, "truncation").verdict == "blind"
    assert "too few decisions" in outcome(report, "truncation").detail
    assert report.verdict == "blind"
    assert "NOT PROVEN" in report.summary()


class Constant(RegressorMixin, BaseEstimator):
    """Says the same of all."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Learn nothing."""
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return zeros."""
        return np.zeros(len(X))


def test_a_signal_that_never_varies_proves_nothing() -> None:
    """A leak would not show in it."""
    found = truncation(replace(CLEAN, model=Constant()))
    assert (found.verdict, "the signal never varies" in found.detail) == ("blind", True)


def deaf(bars: Bars, news: News) -> pd.DataFrame:
    """Documents are used a month late only."""
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, delay=pd.Timedelta(days=30)))


def test_a_canary_that_nobody_hears_is_a_failure() -> None:
    """If a document from before the close has no effect, that one from after it has none says nothing."""
    given = subject(replace(CLEAN, features=deaf, model=with_text(ridge_regressor(), Sentiment())))
    assert canary_check(given, whole_run(given), [Cut(MARKET.bars.times[90], "here")], silent).verdict == "blind"


class Signs(Constant):
    """Says +1 or -1."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the sign of the momentum."""
        return np.where(X["momentum"].fillna(0.0) > 0, 1.0, -1.0)


class Dice(Constant):
    """Says something else each time."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Throw dice."""
        return np.random.default_rng().normal(size=len(X))  # unseeded, as what it is about


def test_a_learner_that_does_not_repeat_is_told_from_a_leak() -> None:
    """It differs from itself, cut or not."""
    (finding,) = truncation(replace(CLEAN, model=Dice())).findings
    assert "another signal at each fit" in finding.cause


def needs_the_end(bars: Bars, news: News) -> pd.DataFrame:
    """Ask for a bar by its date."""
    base = bars.close.loc[MARKET.bars.times[-1]]
    return panel(momentum=momentum(bars.close, 5), against_the_end=bars.close / base)


def test_features_that_fail_on_less_data_are_a_leak() -> None:
    """Nobody had that bar then."""
    (finding,) = truncation(replace(CLEAN, features=needs_the_end)).findings
    assert "cannot be made from data that ends here" in finding.cause
    assert "KeyError" in finding.other


@dataclass(frozen=True, kw_only=True)
class Thirds(WalkForward):
    """Folds whose embargo depends on how much data there is."""

    def split(self, times: pd.DatetimeIndex, horizon: int) -> Iterator[Fold]:
        """Lay the folds with the end in mind."""
        return WalkForward(train=70, test=35, min_train=60, embargo=len(times) % 3).split(times, horizon)


def test_folds_laid_with_the_end_in_mind_are_found() -> None:
    """They move when the data ends earlier."""
    found = truncation(replace(CLEAN, folds=Thirds(train=70, test=35, min_train=60)))
    assert next(finding.stage for finding in found.findings) == "folds"


@dataclass(frozen=True, kw_only=True)
class Purged(WalkForward):
    """Folds with a gap of one's own."""

    bars: int

    def gap(self, horizon: int) -> int:
        """Return the bars from the last training bar to the first test bar."""
        return self.bars


@pytest.mark.parametrize(("gap", "verdict"), [(4, "held"), (3, "leak")])
def test_a_purge_that_is_one_bar_short_is_found(gap: int, verdict: str) -> None:
    """A label of three bars, entered one bar on, is settled four bars later and not before: by the dates, and by its effect."""
    given = subject(replace(CLEAN, folds=Purged(train=70, test=35, min_train=60, bars=gap)))
    whole = whole_run(given)
    assert label_outcome(given, whole).verdict == verdict
    at_edge = truncated(given, whole, Cut(whole.folds[1].test_start, "first test bar"))
    assert [found.stage for found in at_edge.differences] == ([] if verdict == "held" else ["signal"])


def peeking(weights: pd.DataFrame, bars: Bars, costs: Costs, **terms: Any) -> Portfolio:
    """Trade less if the last of all weights are large."""
    return simulate(weights / (1 + weights.iloc[-1].abs().sum()), bars, costs, **terms)


def test_orders_that_depend_on_later_weights_are_found() -> None:
    """By cutting time, with a cold cache, and by flipping weights."""
    given = replace(subject(CLEAN), engine=peeking)
    whole = whole_run(given)
    weights = whole.weights.copy()
    weights.iloc[-1] = 0.0
    whole = replace(whole, weights=weights, portfolio=traded(given, weights, MARKET.bars.between(weights.index[0], weights.index[-1])))
    seen = truncated(given, whole, Cut(whole.folds[1].test_start, "here", cold=True))
    assert "orders" in {found.stage for found in seen.differences}


def ruined(weights: pd.DataFrame, bars: Bars, costs: Costs, **terms: Any) -> Portfolio:
    """Lose all with any weights but those of the strategy, which only buys."""
    if weights.min().min() < 0:
        raise UsageError("all is lost")
    return simulate(weights, bars, costs, **terms)


def test_weights_that_cannot_be_flipped_prove_nothing() -> None:
    """The other side may lose all there is: then later weights were never tried."""
    given = replace(subject(replace(CLEAN, weights=partial(top_k, k=2))), engine=ruined)
    flips = execution_outcome(given, whole_run(given), [Cut(MARKET.bars.times[90], "here")])
    assert (flips.verdict, "no weights could be flipped" in flips.detail) == ("blind", True)


def fragile(bars: Bars, news: News) -> pd.DataFrame:
    """Fail where a price is beyond belief."""
    if not bars.close.equals(MARKET.bars.close.loc[: bars.times[-1]]):
        raise ValueError("a price beyond belief")
    return momenta(bars, news)


def test_a_strategy_that_cannot_run_in_another_future_is_not_called_clean() -> None:
    """It is no leak either: nothing was compared, and the reason is said."""
    given = subject(replace(CLEAN, features=fragile))
    found = poison_check(given, whole_run(given), [Cut(MARKET.bars.times[90], "here")], silent)
    assert found.verdict == "blind"
    assert "1 of them failed" in found.detail
    assert "ValueError: a price beyond belief" in found.detail


def test_a_rule_of_three_signals_bears_the_poison() -> None:
    """Poisoned signals are values that the strategy itself gives."""
    ruled = replace(CLEAN, model=Signs(), weights=cluster_rule)
    given = subject(ruled)
    assert poison_check(given, whole_run(given), [Cut(MARKET.bars.times[90], "here")], silent).verdict == "held"


def memory(bars: Bars, news: News, *, kept: dict[str, pd.Series]) -> pd.DataFrame:
    """Scale by what was seen first, for ever."""
    spread = kept.setdefault("spread", momentum(bars.close, 5).std())
    return panel(momentum=momentum(bars.close, 5) / spread, last_return=momentum(bars.close, 1))


def test_what_a_module_remembers_is_found_only_where_it_is_read_anew() -> None:
    """`fresh` is what makes a cold check cold."""
    remembered = replace(CLEAN, features=partial(memory, kept={}))
    assert truncation(remembered).verdict == "held"
    found = truncation(remembered, fresh=lambda: replace(CLEAN, features=partial(memory, kept={})))
    assert found.verdict == "leak"
    assert "cold cache" in found.findings[0].cut


def long_memory(bars: Bars, news: News) -> pd.DataFrame:
    """A clean feature that needs all history there is."""
    return panel(last_return=momentum(bars.close, 1), age=bars.close / bars.close.expanding().mean())


def test_the_history_that_is_needed_is_said() -> None:
    """For information: an expanding mean gives other signals with one year of history, a return of one bar the same."""
    dataset, needy = replace(MARKET, sessions_per_year=40.0), replace(CLEAN, features=long_memory)
    short, long = (warm_up(given, whole_run(given)) for given in (subject(one, dataset) for one in (CLEAN, needy)))
    assert (short.verdict, "1 year (40 bars) of history give the same signals" in short.detail) == ("noted", True)
    assert long.verdict == "noted"
    assert "1 year of history move signals" in long.detail
    assert "(age)" in long.detail


class Oracle(RegressorMixin, BaseEstimator):
    """Knows the labels from elsewhere, whatever it is taught."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:
        """Learn nothing."""
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the true labels."""
        return TRUTH.reindex(X.index).to_numpy()


class OracleOfText(Sentiment):
    """A text feature that knows the labels."""

    def transform(self, X: pd.Series) -> np.ndarray:
        """Put the truth in place of the tone."""
        return np.column_stack([TRUTH.reindex(X.index).to_numpy()] * 3)

    def fit_transform(self, X: pd.Series, y: pd.Series | None = None) -> np.ndarray:
        """The same of the training rows."""
        return self.fit(X).transform(X)


def test_placebos_find_what_knows_the_answer_anyway() -> None:
    """Labels and headlines that mean nothing still predict: something else tells."""
    told = subject(replace(CLEAN, model=Oracle()))
    assert label_placebo(told, whole_run(told)).verdict == "leak"
    told = subject(replace(CLEAN, features=with_news, model=with_text(ridge_regressor(), OracleOfText())))
    assert headline_placebo(told, whole_run(told)).verdict == "leak"


def test_placebos_let_honest_learners_pass() -> None:
    """They predict nothing from labels that mean nothing."""
    honest = subject(replace(CLEAN, features=with_news, model=with_text(ridge_regressor(), Sentiment())))
    whole = whole_run(honest)
    assert label_placebo(honest, whole).verdict == "held"
    assert headline_placebo(honest, whole).verdict == "held"


def test_a_finding_reads_aloud() -> None:
    """Stage, column, symbol, time, both values, cut, cause."""
    finding = Finding("features", "z", pd.Timestamp("2024-01-02", tz="UTC"), "A", "1", "2", 3, "cut after 2024-01-01", "because")
    assert str(finding) == (
        "features, z, A at 2024-01-02T00:00:00+00:00: 1 with the future, 2 without (3 rows; cut after 2024-01-01): because"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a small market."""
    path = tmp_path_factory.mktemp("audit") / "data"
    write_dataset(MARKET, path)
    return path


@pytest.mark.parametrize(("kind", "name", "code", "verdict"), [("clean", "ema", 0, "held"), ("leaky", "shift_minus_one", 4, "leak")])
def test_the_command_exits_with_4_for_a_leak(
    kind: str, name: str, code: int, verdict: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints nothing on stdout but JSON if asked to; the reason goes to stderr."""
    app = typer.Typer()
    app.command()(command)
    file = ZOO / kind / f"{name}.py"
    arguments = [str(file), "--data", str(folder), "--cache", str(tmp_path / "cache"), "--quick", "--json"]
    assert answer(app, arguments, "audit") == code
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert (said["verdict"], said["strategy"]) == (verdict, name)
    if code:
        assert "last_return" in printed.err
        assert {"stage", "column", "time", "symbol", "value", "other", "cause"} <= set(said["checks"][0]["findings"][0])
