"""The audit of every back-test: nothing is fitted again, and still most leaks are found, with their cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from quantlab.audit import light
from quantlab.audit.outcome import told
from quantlab.backtest import backtest
from quantlab.bars import Bars
from quantlab.dataset import Dataset
from quantlab.entry import answer
from quantlab.errors import StorageError, StrategyError
from quantlab.features import momentum, panel
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.news import News, known_news
from quantlab.result import BacktestResult, Check
from quantlab.run import Settings, run
from quantlab.strategy import Strategy, load_strategy
from quantlab.synthetic import make_market, write_dataset
from quantlab.target import ForwardReturn
from quantlab.text import Sentiment
from quantlab.weights import long_short

ZOO = Path(__file__).parent / "zoo"
MARKET = make_market(180, 8, seed=3).dataset
QUIET = Settings(ablation=False)

# file: the check that names the cause, and words of it
FOUND = {
    "backfill": ("truncation", "filled backwards (bfill)"),
    "centred_window": ("truncation", "looks up to 2 bars ahead"),
    "duplicates_kept_last": ("truncation", "duplicates kept last"),
    "encoder_on_everything": ("truncation", "a learner trained on all rows, later texts and returns"),
    "idf_on_all": ("truncation", "vocabulary, IDF weights or topics learned from all documents"),
    "label_overlap": ("label overlap", "training labels overlap the test window by 3 bars"),
    "late_cutoff": ("canary", "the cut-off is too late, by up to 5 minutes"),
    "lda_on_all": ("truncation", "vocabulary, IDF weights or topics learned from all documents"),
    "memoised": ("truncation", "a mean and spread of the whole sample (of prices"),
    "naive_stamps": ("canary", "the wrong time zone (naive local times taken for UTC)"),
    "restated_news": ("poison", "a restated text under its first stamp"),
    "same_day_news": ("canary", "credited to the same day (joined by date)"),
    "scaler_on_all": ("truncation", "a mean and spread of the whole sample (of volumes"),
    "shift_minus_one": ("truncation", "shift(-1)"),
    "threshold_on_test_span": ("truncation", "on signals of the whole test span"),
    "understated_horizon": ("truncation", "but the target states horizon = 1"),
    "universe_by_future_volume": ("poison", "which names are in the panel depends on later volumes"),
}
NOT_TRIED = {  # what shows only where a model is fitted again, or with another engine
    "same_bar_fill",
    "stale_cache",
    "test_window_scaler",
}


def with_news(bars: Bars, news: News) -> pd.DataFrame:
    """One clean feature and the documents."""
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, lookback=2))


CLEAN = Strategy(
    name="clean",
    features=with_news,
    target=ForwardReturn(horizon=3),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=partial(long_short, quantile=0.25, hold=3),
    folds=WalkForward(train=70, test=35, min_train=60),
)


def audited(strategy: Strategy, dataset: Dataset = MARKET, settings: Settings = QUIET) -> dict[str, Check]:
    """Return what each check said of a run, by its name."""
    return {check.name: check for check in run(strategy, dataset, settings).audit or ()}


def from_file(path: Path) -> dict[str, Check]:
    """Return what each check said of a run that a door started from a file."""
    return audited(load_strategy(path), settings=replace(QUIET, fresh=lambda: load_strategy(path)))


@pytest.fixture(scope="module")
def clean() -> BacktestResult:
    """Return a run of a clean strategy, with its ablation."""
    return run(CLEAN, MARKET)


def test_every_run_is_tried(clean: BacktestResult) -> None:
    """Each check by name, and by name what only the full audit tries."""
    assert [(check.name, check.verdict) for check in clean.audit or ()] == [
        ("truncation", "held"), ("poison", "held"), ("canary", "held"), ("execution", "held"), ("label overlap", "held"),
        ("warm-up", "noted"), ("placebo text features", "held"), ("models fitted again", "not tried"),
    ]  # fmt: skip
    assert "`quantlab audit FILE`" in (clean.audit or ())[-1].detail


def test_two_runs_say_the_same(clean: BacktestResult) -> None:
    """Cuts and poison come from the seed, their number from nothing that a clock could measure."""
    assert run(CLEAN, MARKET).audit == clean.audit


def test_a_skipped_audit_is_none() -> None:
    """`--no-audit` makes no check at all."""
    assert run(CLEAN, MARKET, Settings(audit=False, ablation=False)).audit is None


def test_no_model_is_fitted_again(clean: BacktestResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what makes it light."""

    def forbidden(*given: object, **named: object) -> object:
        raise AssertionError("a model was fitted")

    monkeypatch.setattr("quantlab.audit.stages.walk_forward", forbidden)
    monkeypatch.setattr("quantlab.audit.history.fit_and_predict", forbidden)
    assert light.light_audit(CLEAN, clean, Settings()) == clean.audit


@pytest.mark.parametrize("name", sorted(FOUND))
def test_most_of_the_zoo_is_found(name: str) -> None:
    """By a plain back-test, with the cause in words, the stage, a row and both values."""
    name_of_check, words = FOUND[name]
    check = from_file(ZOO / "leaky" / f"{name}.py")[name_of_check]
    assert check.verdict == "leak"
    assert words in check.findings[0].cause
    assert check.findings[0].time is not None
    assert check.findings[0].value != check.findings[0].other


@pytest.mark.parametrize("path", sorted((ZOO / "clean").glob("*.py")), ids=lambda path: path.stem)
def test_an_honest_look_alike_is_let_pass(path: Path) -> None:
    """No finding, and no check that could not see."""
    assert {check.name for check in from_file(path).values() if not check.passed} == set()


def test_the_rest_of_the_zoo_is_known() -> None:
    """Each animal is found, or listed as one that needs the full audit."""
    assert {path.stem for path in (ZOO / "leaky").glob("*.py")} == set(FOUND) | NOT_TRIED


def remembers(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Fail unless all bars are there."""
    if len(bars.times) < len(MARKET.bars.times):
        raise ValueError("where is the rest?")
    return long_short(signal, bars, quantile=0.25, hold=3)


def test_weights_that_need_the_end_are_a_leak() -> None:
    """At a bar, nobody had what came after it."""
    (finding,) = audited(replace(CLEAN, weights=remembers))["truncation"].findings
    assert finding.stage == "weights"
    assert "weights cannot be made from data that ends here" in finding.cause


def dice(bars: Bars, news: News) -> pd.DataFrame:
    """A random feature, unseeded: other values each time."""
    return panel(x=pd.DataFrame(np.random.default_rng().normal(size=bars.close.shape), bars.times, bars.symbols))


def test_random_features_are_told_from_a_leak() -> None:
    """They differ from themselves, cut or not."""
    found = audited(replace(CLEAN, features=dice, model=ridge_regressor()))["truncation"].findings
    assert "`x` has other values each time that it is made" in found[0].cause


def brittle(bars: Bars, news: News) -> pd.DataFrame:
    """Run on the real data only, whole or cut short."""
    texts = news.table["text"]
    if not texts.isin(MARKET.news.table["text"]).all() or len(texts) == len(MARKET.news.table) // 2:
        raise ValueError("what is this?")
    return with_news(bars, news)


def test_a_strategy_that_bears_no_other_future_is_blind_and_the_run_goes_on() -> None:
    """Nothing is proven, no leak is claimed, and the back-test has its result."""
    found = audited(replace(CLEAN, features=brittle))
    assert {name: check.verdict for name, check in found.items() if not check.passed} == {"poison": "blind", "canary": "blind"}
    assert "what is this?" in found["poison"].detail
    assert "what is this?" in found["canary"].detail


def brittle_leak(bars: Bars, news: News) -> pd.DataFrame:
    """Look one bar ahead, and run at prices of this world only."""
    if not bars.close.isin(MARKET.bars.close.stack().to_numpy()).to_numpy()[bars.listed.to_numpy()].all():
        raise ValueError("a price beyond belief")
    return panel(x=momentum(bars.close, 5).shift(-1))  # the leak


def test_a_leak_is_reported_where_its_cause_cannot_be_sought() -> None:
    """The experiments that tell causes fail; the finding stays, with the reason."""
    found = audited(replace(CLEAN, features=brittle_leak, model=ridge_regressor()))["truncation"].findings
    assert "it depends on later data; what else cannot be told" in found[0].cause
    assert "a price beyond belief" in found[0].cause


def test_without_a_file_what_hides_in_memory_is_said_to_prove_nothing() -> None:
    """Features that stay the same when all that they could read is replaced: the cuts may have seen nothing."""
    found = audited(load_strategy(ZOO / "leaky" / "memoised.py"))
    assert (found["truncation"].verdict, found["poison"].verdict) == ("held", "blind")
    assert "no feature follows the data" in found["poison"].detail


def since_the_first_bar(bars: Bars, news: News) -> pd.DataFrame:
    """The price over each name's first one: a name that has no bar yet has none."""
    return panel(x=bars.close.apply(lambda prices: prices / prices.dropna().iloc[0] - 1))


def late_name() -> Dataset:
    """Return the market with one name listed near the end only."""
    bars = MARKET.bars
    late = np.arange(len(bars.times))[:, None] < 170
    first = np.arange(len(bars.symbols))[None, :] == 0
    tables = {field.name: getattr(bars, field.name).mask(late & first, 0.0 if field.name == "volume" else np.nan) for field in fields(bars)}
    return replace(MARKET, bars=Bars(**tables))


def test_a_feature_that_needs_each_name_to_have_begun_is_no_leak() -> None:
    """It fails at every cut, and runs without the name that has no bar yet: nothing is proven, and nobody accused."""
    found = audited(replace(CLEAN, features=since_the_first_bar, model=ridge_regressor()), late_name())["truncation"]
    assert found.verdict == "blind"
    assert "IndexError" in found.detail
    assert "cannot run on less data" in found.detail


def centred_signal(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Weights over the spread of the bar's signals: 0 / 0 where all are the same."""
    wide = signal.unstack().reindex(index=bars.times, columns=bars.symbols)
    centred = wide.sub(wide.mean(axis=1), axis=0)
    weights = centred.div(centred.abs().sum(axis=1), axis=0).where(wide.notna(), 0.0)
    weights.loc[weights.index < signal.index[0][0]] = 0.0
    return weights


def test_weights_that_divide_by_the_spread_of_signals_bear_another_future() -> None:
    """Other signals after a cut differ from name to name, as real ones do."""
    found = audited(replace(CLEAN, weights=centred_signal))
    assert (found["poison"].verdict, "failed" in found["poison"].detail) == ("held", False)


def shy(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Read something of the bars that is not there."""
    if not bars.close.iloc[-1].equals(MARKET.bars.close.iloc[-1]) and len(bars.times) == len(MARKET.bars.times):
        return bars.unheard_of  # type: ignore[attr-defined,no-any-return]  # that is the fault
    return long_short(signal, bars, quantile=0.25, hold=3) if len(bars.times) == len(MARKET.bars.times) else flat(signal, bars)


def test_the_search_for_a_cause_never_ends_a_run() -> None:
    """Weights that fail in another future by an error that nobody expects: the leak is told without its cause."""
    found = audited(replace(CLEAN, weights=shy))
    assert "it depends on later data; what else cannot be told" in found["truncation"].findings[0].cause
    assert found["poison"].verdict == "blind"
    assert "the strategy cannot run in another future" in found["poison"].detail


CALLS: list[int] = []


def thirty_leaks(bars: Bars, news: News) -> pd.DataFrame:
    """Look one bar ahead, thirty times."""
    CALLS.append(1)
    return panel(**{f"x{number}": momentum(bars.close, number + 1).shift(-1) for number in range(30)})


def test_the_search_for_causes_ends() -> None:
    """Each experiment is made once a cut, and for the first columns only: many leaks do not take minutes."""
    CALLS.clear()
    found = audited(replace(CLEAN, features=thirty_leaks, model=ridge_regressor()))["truncation"].findings
    assert len(found) == 30
    assert ["shift(-1)" in finding.cause for finding in found] == [True] * 3 + [False] * 27
    assert "its own cause was not sought" in found[3].cause
    assert len(CALLS) < 50


def monthly(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Trade on the last bar of each month, which is known once the next month has begun."""
    month = pd.Series(bars.times.month, index=bars.times)
    held = long_short(signal, bars, quantile=0.25)
    return held[month != month.shift(-1)].reindex(bars.times).ffill().fillna(0.0)


def test_the_last_bar_of_a_month_is_told_from_other_leaks() -> None:
    """Nothing that is in the data moves the weights, only which bars follow."""
    finding = next(one for one in audited(replace(CLEAN, weights=monthly))["truncation"].findings if one.stage == "weights")
    assert "depend on which bars follow" in finding.cause
    assert "first bar of the next month" in finding.cause


def month_mean(bars: Bars) -> pd.DataFrame:
    """The mean return of the month, its end included."""
    returns = bars.close.pct_change(fill_method=None)
    return returns.groupby(bars.times.month).transform("mean")


def of_the_best(bars: Bars) -> pd.DataFrame:
    """Momentum of the half that will have gained most."""
    gained = bars.close.ffill().iloc[-1] / bars.close.bfill().iloc[0]
    return momentum(bars.close, 5).loc[:, gained.nlargest(4).index].reindex(columns=bars.symbols)


def of_the_better_half(bars: Bars) -> pd.DataFrame:
    """Momentum of the half that will have gained most, 0 for the rest."""
    gained = bars.close.pct_change(fill_method=None).mean()
    return momentum(bars.close, 5) * (gained > gained.median())


def of_a_feature(rule: Callable[[Bars], pd.DataFrame], bars: Bars, news: News) -> pd.DataFrame:
    """A rule beside a clean feature."""
    return panel(momentum=momentum(bars.close, 5), x=rule(bars))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (month_mean, "bars ahead (of prices"),
        (of_the_best, "which names `x` is kept for depends on later prices"),
        (of_the_better_half, "a statistic or a fit of the whole sample (of prices"),
    ],
)
def test_causes_are_not_mistaken_for_their_neighbours(rule: Callable[[Bars], pd.DataFrame], words: str) -> None:
    """A month's mean fills no gap, a choice of names is no scale, and a whole sample no window."""
    found = audited(replace(CLEAN, features=partial(of_a_feature, rule), model=ridge_regressor()))["truncation"].findings
    assert words in found[0].cause


def full_disk(bars: Bars, news: News) -> pd.DataFrame:
    """Fail to keep something, on less data than all."""
    if len(bars.times) < len(MARKET.bars.times):
        raise StorageError("no space left")
    return with_news(bars, news)


def test_a_full_disk_is_no_leak() -> None:
    """It ends the run as it would elsewhere."""
    with pytest.raises(StorageError, match="no space left"):
        audited(replace(CLEAN, features=full_disk))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("features(bars, news) (/home/me/my work/x.py, line 3) fails", "StrategyError: features(bars, news) (x.py, line 3) fails"),
        ("/srv/x.py, line 3 raises 'a/b'", "StrategyError: x.py, line 3 raises 'a/b'"),
        ("C:\\work\\x.py, line 3", "StrategyError: x.py, line 3"),
        ("either 1 / 2 or 3", "StrategyError: either 1 / 2 or 3"),
    ],
)
def test_errors_are_told_without_folders(said: str, expected: str) -> None:
    """A report says the same wherever the strategy's file lies."""
    assert told(StrategyError(said)) == expected


def flat(signal: pd.Series, bars: Bars) -> pd.DataFrame:
    """Never trade."""
    return pd.DataFrame(0.0, bars.times, bars.symbols)


def test_a_run_that_never_trades_proves_nothing() -> None:
    """There is nothing in which a leak would show."""
    found = audited(replace(CLEAN, weights=flat))
    assert (found["truncation"].verdict, found["poison"].verdict) == ("blind", "blind")
    assert "nothing was ever traded" in found["truncation"].detail


def since(n_bars: int) -> Callable[[Bars, News], pd.DataFrame]:
    """Return features that need all history, or that of some bars."""

    def features(bars: Bars, news: News) -> pd.DataFrame:
        window = bars.close.rolling(n_bars) if n_bars else bars.close.expanding()
        return panel(x=bars.close / window.mean(), momentum=momentum(bars.close, 5))

    return features


@pytest.mark.parametrize(
    ("n_bars", "said"), [(5, "1 year (40 bars) of history give the same features"), (0, "1 year of history move features")]
)
def test_the_history_that_the_features_need_is_noted(n_bars: int, said: str) -> None:
    """Without a model: each column is compared as it is."""
    strategy = replace(CLEAN, features=since(n_bars), model=ridge_regressor())
    warm = audited(strategy, replace(MARKET, sessions_per_year=40.0))["warm-up"]
    assert (warm.verdict, said in warm.detail) == ("noted", True)


def test_a_placebo_that_tells_the_future_is_a_leak(clean: BacktestResult) -> None:
    """Text features dealt out to other rows must add nothing to the rest; here they are made to know the label."""
    told = {**clean.predicted.variants, "placebo": clean.target.fillna(0.0)}
    knowing = replace(clean, predicted=replace(clean.predicted, variants=told))
    check = next(one for one in light.light_audit(CLEAN, knowing, Settings()) if one.name == "placebo text features")
    assert check.verdict == "leak"
    assert audited(CLEAN)["placebo text features"].verdict == "not applicable"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the market."""
    path = tmp_path_factory.mktemp("light") / "data"
    write_dataset(MARKET, path)
    return path


def ran(file: Path, folder: Path, out: Path) -> Iterator[int | str]:
    """Run a file as the command does; yield its exit code and its page."""
    app = typer.Typer()
    app.command()(backtest)
    yield answer(app, [str(file), "--data", str(folder), "--out", str(out), "--cache", str(out / "cache")], "backtest")
    yield next(out.glob("*/*/report.html")).read_text(encoding="utf-8")


def test_a_leak_ends_with_4_after_the_report_was_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cause in the summary, the first finding on stderr, and all on the page."""
    code, page = ran(ZOO / "leaky" / "shift_minus_one.py", folder, tmp_path)
    said = capsys.readouterr()
    assert code == 4
    assert "audit     failed; `last_return` looks up to 1 bars ahead" in said.out
    assert "features, last_return" in said.err
    assert "What depends on later data" in str(page)
    assert "The audit failed" in str(page)


DEAF = """
import pandas as pd
from quantlab import ForwardReturn, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short

def features(bars, news):
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, delay=pd.Timedelta(days=20)))

strategy = Strategy(name="deaf", features=features, target=ForwardReturn(horizon=3), model=with_text(ridge_regressor(), Sentiment()),
                    weights=long_short, folds=WalkForward(train=70, test=35, min_train=60))
"""


def test_a_blind_audit_is_said_and_is_no_failure(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0: nothing was found; but the summary and the page say that nothing is proven, and why."""
    (tmp_path / "deaf.py").write_text(DEAF, encoding="utf-8")
    code, page = ran(tmp_path / "deaf.py", folder, tmp_path)
    assert code == 0
    assert "audit     blind; canary:" in capsys.readouterr().out
    assert "The audit proves nothing" in str(page)
    assert "BLIND" in str(page)
