"""Sweeps: what is tried, what is shared, what is counted, and what choosing by the past is worth."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from quantlab import metrics
from quantlab.bars import Bars
from quantlab.commands.sweep import sweep as command
from quantlab.costs import Costs
from quantlab.dataset import Dataset
from quantlab.entry import answer
from quantlab.errors import StrategyError, UsageError
from quantlab.features import momentum, panel
from quantlab.folds import Fold, WalkForward
from quantlab.models import ridge_regressor
from quantlab.news import News
from quantlab.portfolio import simulate
from quantlab.report.sweep_page import sentences, sharpe_map, verdict
from quantlab.run import Settings, decided, predicted, run
from quantlab.strategy import Strategy, with_settings
from quantlab.sweep import Range, SweepResult, attempts, combinations, contract, page, parse_choices, sweep, write_sweep
from quantlab.sweep import bench as bench_module
from quantlab.sweep.nested import chosen, windows
from quantlab.synthetic import make_market, write_dataset
from quantlab.target import ForwardReturn
from quantlab.trials import read_trials
from quantlab.weights import long_short

APP = typer.Typer(add_completion=False)
APP.command()(command)
DATA: Dataset = make_market(240, 8, seed=3, effect=0).dataset
GRID = {"weights.quantile": [0.2, 0.5], "weights.hold": [2, 5]}


def features(bars: Bars, news: News, fast: int = 5) -> pd.DataFrame:
    """Return two price features."""
    return panel(fast=momentum(bars.close, fast), slow=momentum(bars.close, 20))


def long_short_unless(signal: pd.Series, bars: Bars, *, hold: int, quantile: float = 0.2) -> pd.DataFrame:
    """Return long-short weights, but refuse to hold for seven bars."""
    if hold == 7:
        raise ZeroDivisionError("seven")
    return long_short(signal, bars, hold=hold, quantile=quantile)


STRATEGY = Strategy(
    name="plain",
    features=partial(features, fast=5),
    target=ForwardReturn(horizon=2),
    model=ridge_regressor(),
    weights=partial(long_short, hold=2, quantile=0.2),
    folds=WalkForward(train=60, test=47, min_train=50),
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepResult, Path]:
    """Return a sweep over two settings of the weights, and the folder of its ledger."""
    ledger = tmp_path_factory.mktemp("out") / "plain"
    return sweep(STRATEGY, DATA, GRID, ledger=ledger), ledger


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,3", [1, 2, 3]),
        ("0.1", [0.1]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ("(1,2)", [(1, 2)]),
        ("open, close", ["open", "close"]),
        ("'a,b',c", ["a,b", "c"]),
        ("None,True", [None, True]),
        ("../a,../b", ["../a", "../b"]),
    ],
)
def test_values_are_cut_at_commas_outside_brackets_and_quotes(text: str, values: list[object]) -> None:
    """And read as --set reads them."""
    assert parse_choices([f"x={text}"]) == {"x": values}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1..10", Range(1, 10)),
        (".1..0.5", Range(0.1, 0.5)),
        ("-1 .. 1", Range(-1, 1)),
        ("1e-4..1e-1:log", Range(1e-4, 0.1, log=True)),
    ],
)
def test_a_range_is_two_numbers(text: str, meant: Range) -> None:
    """Whole numbers if both are."""
    (found,) = parse_choices([f"x={text}"]).values()
    assert isinstance(found, Range)
    assert found == meant
    assert found.whole == (isinstance(meant.low, int))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["x"], "takes NAME=VALUE"),
        (["=1"], "takes NAME=VALUE"),
        (["x="], "takes NAME=VALUE"),
        (["x=1", "x=2"], "names x twice"),
        (["x=[1,2"], "not closed"),
        (["x=1,,2"], "missing between two commas"),
        (["x=5..1"], "lower to a higher"),
        (["x=0..1:log"], "above 0"),
    ],
)
def test_what_cannot_be_read_is_refused(settings: list[str], said: str) -> None:
    """With the setting."""
    with pytest.raises(UsageError, match=said):
        parse_choices(settings)


def test_every_combination_comes_once_the_last_setting_changing_fastest() -> None:
    """Two by two; a value that is listed twice, and a range, are refused."""
    assert list(combinations({"a": [1, 2], "b": ["x", "y"]})) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    with pytest.raises(UsageError, match="lists 1 twice"):
        list(combinations({"a": [1, 1]}))
    with pytest.raises(UsageError, match="is a range: list its values"):
        list(combinations({"a": Range(1, 2)}))


def test_a_variant_earns_what_a_run_of_it_earns(swept: tuple[SweepResult, Path]) -> None:
    """To the last bit, with the same trial id; the strategy as it stands is the variant that equals it, and stands not twice."""
    result, _ = swept
    assert [tried.settings for tried in result.variants] == list(combinations(GRID))
    assert [tried.own for tried in result.variants] == [True, False, False, False]
    for place, tried in enumerate(result.variants):
        alone = run(with_settings(STRATEGY, [f"{name}={value}" for name, value in tried.settings.items()]), DATA, Settings(ablation=False))
        pd.testing.assert_series_equal(result.returns[place], alone.portfolio.returns, check_names=False, check_exact=True)
        assert tried.trial_id == alone.trial_id
        assert tried.figures is not None
        assert tried.figures["sharpe"] == metrics.sharpe(alone.portfolio.returns)
        assert tried.figures["turnover"] == pytest.approx(alone.portfolio.turnover.mean())


def test_the_signal_is_fitted_once_for_all_variants_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, costs, cash: one fit; another model: one more, on the panel that is there; another feature: another panel."""
    fits, panels, made = [], [], panel
    monkeypatch.setattr(bench_module, "predicted", lambda *given: fits.append(1) or predicted(*given))
    monkeypatch.setitem(globals(), "panel", lambda **columns: panels.append(1) or made(**columns))
    counting = replace(STRATEGY, features=features)
    sweep(counting, DATA, {"weights.hold": [1, 2], "costs.fee_bps": [0.0, 1.0], "cash": [1e5]})
    assert (len(fits), len(panels)) == (1, 1)
    sweep(counting, DATA, {"model.alpha": [3.0, 30.0], "weights.hold": [2]})
    assert (len(fits), len(panels)) == (4, 2)  # the strategy as it stands has an alpha of its own
    fits.clear()
    sweep(STRATEGY, DATA, {"features.fast": [3, 5]})
    assert len(fits) == 2


def test_every_variant_is_entered_in_the_ledger_once(swept: tuple[SweepResult, Path]) -> None:
    """Under the id that a backtest of it would have: sweeping again, or running one of them, adds nothing."""
    result, ledger = swept
    sharpe = metrics.sharpe(result.returns[0], periods=1)
    assert read_trials(ledger, result.variants[1].trial_id).n == 4
    assert sharpe in read_trials(ledger, result.variants[1].trial_id).sharpes
    sweep(STRATEGY, DATA, {"weights.hold": [2, 5]}, ledger=ledger)
    assert read_trials(ledger, result.variants[0].trial_id).n == 4


def test_variants_that_decide_alike_are_one_trial(tmp_path: Path) -> None:
    """A setting that moves nothing: the ledger and the deflated Sharpe ratio count once."""
    result = sweep(STRATEGY, DATA, {"weights.quantile": [0.2, 0.2000001, 0.5]}, ledger=tmp_path)
    one, again, other = (tried.trial_id for tried in result.variants)
    assert one == again != other
    assert read_trials(tmp_path, one).n == 2
    assert any("1 of 3 variants decide" in note for note in result.notes)
    plain = sweep(STRATEGY, DATA, {"weights.quantile": [0.2, 0.5]})
    assert (result.deflated, result.hindsight_figures) == (plain.deflated, plain.hindsight_figures)
    assert result.pbo == plain.pbo


def test_a_setting_that_equals_the_strategy_s_own_is_the_strategy() -> None:
    """1000 or 1000.0, and costs of 1 or 1.0."""
    for choices in ({"model.alpha": [10, 1000]}, {"costs.fee_bps": [0, 1]}, {"max_gross": [1, 2]}):
        result = sweep(STRATEGY, DATA, choices)
        assert [tried.own for tried in result.variants].count(True) == 1
        assert len(result.variants) == 2


def test_values_of_numpy_are_values() -> None:
    """Of an array, and in a list; in a search, too."""
    result = sweep(STRATEGY, DATA, {"model.alpha": np.logspace(1, 3, 2), "weights.quantile": [np.float64(0.2)]})
    assert [tried.error for tried in result.variants] == [None, None]
    assert [tried.settings for tried in result.variants] == [{"model.alpha": 10}, {"model.alpha": 1000}]
    assert result.variants[1].own


def test_a_variant_that_fails_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """Whether its settings make no strategy, or its code raises, or it is ruined; it counts as no trial."""
    strategy = replace(STRATEGY, weights=partial(long_short_unless, hold=2))
    result = sweep(strategy, DATA, {"weights.hold": [2, 7], "folds.test": [47, -1]}, ledger=tmp_path)
    errors = [tried.error for tried in result.variants]
    assert errors[0] is None
    assert "WalkForward.test must be" in str(errors[1])
    assert "line 54, in weights, raises ZeroDivisionError: seven" in str(errors[2])
    assert len(result.worked) == 1
    assert any("3 of 4 variants failed" in note for note in result.notes)
    assert read_trials(tmp_path, result.variants[0].trial_id).n == 1
    assert contract(result)["pbo"] is None


def test_a_variant_that_cannot_be_traded_stops_nothing() -> None:
    """Too large for the limit: the other earns what it earns alone."""
    result = sweep(STRATEGY, DATA, {"weights.gross": [1.0, 3.0]})
    assert "exceeds the limit" in str(result.variants[2].error)
    np.testing.assert_array_equal(result.returns[0], result.returns[1])
    np.testing.assert_array_equal(result.returns[0], run(STRATEGY, DATA, Settings(ablation=False)).portfolio.returns)


def test_an_unknown_setting_is_refused_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the nearest name; so is a sweep without a choice."""
    monkeypatch.setattr(bench_module, "predicted", lambda *_: pytest.fail("fitted"))
    with pytest.raises(UsageError, match="did you mean 'quantile'"):
        sweep(STRATEGY, DATA, {"weights.quantil": [0.1, 0.2]})
    with pytest.raises(UsageError, match="nothing to choose from"):
        sweep(STRATEGY, DATA, {"weights.hold": [1]})


def test_a_sweep_in_which_nothing_works_is_an_error() -> None:
    """With what the first one said."""
    with pytest.raises(UsageError, match=r"none of the 3 variants works; the first: .*too few for one fold"):
        sweep(STRATEGY, DATA, {"folds.min_train": [55, 60], "folds.train": [2000], "folds.embargo": [400]})


def test_a_setting_with_one_value_is_the_same_for_all() -> None:
    """The strategy as it stands has it, too."""
    result = sweep(STRATEGY, DATA, {"weights.hold": [1, 2], "costs.fee_bps": [50.0]})
    assert [tried.own for tried in result.variants] == [False, True]
    dear = run(replace(STRATEGY, costs=replace(STRATEGY.costs, fee_bps=50.0)), DATA)
    np.testing.assert_array_equal(result.returns[1], dear.portfolio.returns)


def test_each_window_is_chosen_by_the_sessions_before_it() -> None:
    """By hand: B is ahead after the first window, A after the second; in the first nothing is known; what comes later changes nothing."""
    times = pd.date_range("2024-01-01", periods=9, tz="UTC")
    returns = pd.DataFrame({0: [1, 1, -3, 4, 5, 4, -1, 0, 1], 1: [2, 3, 2, -9, -8, -9, 0, 1, 0]}, index=times) / 100
    starts = [times[0], times[3], times[6]]
    choices = chosen(returns, starts, own=0, periods=252)
    assert [(choice.variant, choice.n_known) for choice in choices] == [(0, 0), (1, 3), (0, 6)]
    assert [(choice.start, choice.end) for choice in choices] == [(times[0], times[2]), (times[3], times[5]), (times[6], times[8])]
    assert np.isnan(choices[0].sharpe)
    assert choices[1].sharpe == metrics.sharpe(returns[1].iloc[:3])
    later = returns.copy()
    later.iloc[3:] = 0.5
    assert chosen(later, starts[:2], own=0, periods=252)[1].variant == 1
    still = returns * 0.0
    assert [choice.variant for choice in chosen(still, starts, own=1, periods=252)] == [1, 0, 0]  # nothing traded: 0, of a tie the first


def test_the_windows_are_the_strategy_s_own(swept: tuple[SweepResult, Path]) -> None:
    """Its test windows, cut to the common sessions."""
    times = pd.date_range("2024-01-01", periods=9, tz="UTC")
    folds = [Fold(times[0], times[0], times[place], times[place + 2]) for place in (1, 3, 5)]
    assert windows(folds, times[2:]) == [times[2], times[3], times[5]]
    result, _ = swept
    own = run(STRATEGY, DATA, Settings(ablation=False))
    assert [choice.start for choice in result.nested.choices] == [fit.fold.test_start for fit in own.predicted.fits]


def test_choosing_always_the_same_variant_earns_what_it_earns() -> None:
    """Two variants that are the same in all but name: the claim is the return of either."""
    result = sweep(STRATEGY, DATA, {"max_gross": [1.0, 2.0]})
    np.testing.assert_array_equal(result.nested.returns, result.returns[0])
    assert result.n_switches == 0


def test_a_change_of_variant_is_traded_after_the_choice_and_paid_for(swept: tuple[SweepResult, Path]) -> None:
    """The claim equals a simulation of the weights put end to end, window by window."""
    result, _ = swept
    assert result.n_switches > 0
    stitched = None
    for choice in result.nested.choices:
        strategy = with_settings(STRATEGY, [f"{name}={value}" for name, value in result.variants[choice.variant].settings.items()])
        weights = decided(strategy, predicted(strategy, DATA, Settings(ablation=False)).signal, DATA.bars)
        stitched = weights.copy() if stitched is None else stitched
        stitched.loc[choice.start : choice.end] = weights.loc[choice.start : choice.end]
    span = DATA.bars.between(result.returns.index[0], result.returns.index[-1])
    assert stitched is not None
    expected = simulate(stitched.loc[span.times], span, STRATEGY.costs).returns
    np.testing.assert_array_equal(result.nested.returns, expected)
    first = result.nested.choices[1].start  # the first session of a window still earns what the window before held
    assert result.nested.choices[1].variant != 0
    assert result.nested.returns[first] == result.returns[0][first]


def test_costs_are_an_assumption_and_no_choice() -> None:
    """A variant without costs is never better by choice: the claim is traded under the strategy's own."""
    result = sweep(STRATEGY, DATA, {"costs.slippage_bps": [0.0, 5.0], "costs.fee_bps": [0.0, 1.0]})
    own = run(STRATEGY, DATA, Settings(ablation=False))
    assert STRATEGY.costs == Costs()
    assert result.variants[result.hindsight].settings == {"costs.slippage_bps": 0.0, "costs.fee_bps": 0.0}
    np.testing.assert_array_equal(result.nested.returns, own.portfolio.returns)
    assert any("an assumption and not a choice" in note for note in result.notes)


def test_variants_with_other_folds_are_compared_on_common_sessions() -> None:
    """What is left out is counted."""
    result = sweep(STRATEGY, DATA, {"folds.min_train": [50, 58], "folds.test": [47, 31]})
    assert result.n_left_out == 8
    assert len(result.returns) == len(run(STRATEGY, DATA, Settings(ablation=False)).portfolio.returns) - 8
    assert not result.returns.isna().any(axis=None)


def noise(bars: Bars, news: News, seed: int) -> pd.DataFrame:
    """Return a feature that knows nothing, another one for each seed."""
    drawn = np.random.default_rng(seed).normal(size=bars.close.shape)
    return panel(noise=pd.DataFrame(drawn, bars.times, bars.symbols))


@pytest.mark.nightly
def test_without_skill_choosing_earns_nothing_and_hindsight_looks_good() -> None:
    """Twenty variants of noise, three times: the best in hindsight shines, choosing by the past does not, and PBO says so."""
    claims, bests, overfitting = [], [], []
    for world in range(3):
        seeds = list(range(20 * world, 20 * world + 20))
        idle = replace(STRATEGY, features=partial(noise, seed=seeds[0]), costs=Costs(fee_bps=0.0, slippage_bps=0.0))
        idle = with_settings(idle, ["folds.test=30"])
        result = sweep(idle, DATA, {"features.seed": seeds})
        claims.append(result.nested.figures["sharpe"])
        bests.append(result.hindsight_figures["sharpe"])
        overfitting.append(result.pbo)
        assert verdict(contract(result)).level == "luck"
        assert result.deflated < 0.95
    assert min(bests) > 1.0
    assert np.mean(claims) < 0.5
    assert np.mean(overfitting) > 0.5


def test_a_search_proposes_the_same_under_the_same_seed_and_claims_only_what_it_has_not_seen() -> None:
    """The claim begins at the second half of the windows, whatever the search did; what comes after the first half moves no proposal."""
    choices = {"weights.quantile": Range(0.1, 0.5), "weights.hold": Range(1, 6)}
    first = sweep(STRATEGY, DATA, choices, n_search=3)
    assert sweep(STRATEGY, DATA, choices, n_search=3).variants == first.variants
    assert first.n_asked == 3
    assert len(first.variants) == 4
    assert first.variants[0].own
    assert all(isinstance(tried.settings["weights.hold"], int) for tried in first.variants[1:])
    own = run(STRATEGY, DATA, Settings(ablation=False))
    half = own.predicted.fits[2].fold.test_start  # of four windows, two are looked at
    assert first.nested.returns.index[0] == first.nested.choices[0].start == half
    assert any("The search looked at the sessions before" in note for note in first.notes)
    earlier = sweep(STRATEGY, DATA, choices, Settings(end=own.predicted.fits[1].fold.test_end), n_search=1)  # two windows: one of them
    assert earlier.nested.returns.index[0] == own.predicted.fits[1].fold.test_start
    other = sweep(STRATEGY, DATA, choices, Settings(seed=1), n_search=1)
    assert other.variants[1].settings != first.variants[1].settings


def test_a_search_judges_by_the_sessions_before_its_claim_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is told of a proposal is the Sharpe ratio of the first half of the windows; NaN for one that fails."""
    told = []

    def asked(choices: object, n: int, measure: Callable[[Mapping[str, object]], float], *, seed: int) -> None:
        told.extend([measure({"weights.hold": 5}), measure({"weights.hold": 0})])

    monkeypatch.setattr(attempts, "search", asked)
    result = sweep(STRATEGY, DATA, {"weights.hold": Range(0, 6)}, n_search=2)
    returns = run(with_settings(STRATEGY, ["weights.hold=5"]), DATA, Settings(ablation=False)).portfolio.returns
    assert told[0] == metrics.sharpe(returns[returns.index < result.nested.choices[0].start], periods=1)
    assert np.isnan(told[1])


def test_a_search_that_repeats_itself_tries_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two values, five proposals: two variants, one of them the strategy as it stands; and one that fails is tried once."""
    calls = []
    tried = attempts.tried
    monkeypatch.setattr(attempts, "tried", lambda *given: calls.append(1) or tried(*given))
    result = sweep(STRATEGY, DATA, {"weights.hold": [2, 5]}, n_search=5)
    assert [tried.own for tried in result.variants] == [True, False]
    assert len(calls) == 2
    failing = replace(STRATEGY, weights=partial(long_short_unless, hold=2))
    assert sum(tried.error is not None for tried in sweep(failing, DATA, {"weights.hold": [7, 3]}, n_search=5).variants) == 1


def test_a_search_needs_optuna_two_windows_and_a_strategy_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each said in one sentence."""
    choices = {"weights.hold": Range(1, 6)}
    with pytest.raises(UsageError, match="two test windows"):
        sweep(replace(STRATEGY, folds=WalkForward(train=60, test=500, min_train=50)), DATA, choices, n_search=2)
    with pytest.raises(UsageError, match=r"as it stands fails.*seven"):
        sweep(replace(STRATEGY, weights=partial(long_short_unless, hold=7)), DATA, choices, n_search=2)
    real = builtins.__import__

    def without(name: str, *given: object) -> object:
        if name == "optuna":
            raise ImportError(name)
        return real(name, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="needs optuna, which is not installed: pip install optuna"):
        sweep(STRATEGY, DATA, choices, n_search=2)


def test_the_json_keeps_its_schema_and_is_strict(swept: tuple[SweepResult, Path]) -> None:
    """Every name of the schema and no other; variants count from 1."""
    content = contract(swept[0])
    assert list(content) == [
        "schema_version", "sweep_id", "strategy", "dataset", "sessions", "claim", "choices", "n_asked", "n_variants", "n_failed", "nested",
        "hindsight", "own", "pbo", "variants", "notes",
    ]  # fmt: skip
    assert [one["number"] for one in content["variants"]] == [1, 2, 3, 4]
    assert set(content["variants"][0]) == {"number", "settings", "own", "trial_id", "figures", "error"}
    assert content["own"]["variant"] == 1
    assert 0 <= content["hindsight"]["deflated"] <= 1
    assert 0 <= content["pbo"] <= 1
    json.dumps(content, allow_nan=False)


def claim(low: float | None, high: float | None) -> Mapping[str, object]:
    """Return what a verdict reads of a sweep's JSON."""
    figures = {"total_return": 0.01, "sharpe": 0.1, "sharpe_ci": [low, high]}
    return {"nested": {"figures": figures}, "hindsight": {"figures": {**figures, "total_return": 0.25}}, "n_variants": 21, "n_failed": 1}


@pytest.mark.parametrize(
    ("low", "high", "level"), [(-1.0, 1.0, "luck"), (0.1, 1.0, "real"), (-1.0, -0.1, "loss"), (None, None, "untested")]
)
def test_the_verdict_is_about_the_choice_and_names_hindsight(low: float | None, high: float | None, level: str) -> None:
    """In plain words, the best in hindsight beside it and marked as such."""
    found = verdict(claim(low, high))
    assert found.level == level
    assert found.sentence.startswith("Choosing by past performance would have earned +1.0%")
    assert "The best of 20 in hindsight shows +25.0%" in found.sentence
    assert "which nobody could have known" in found.sentence


def test_the_map_shows_two_settings_as_cells_and_one_as_bars(swept: tuple[SweepResult, Path]) -> None:
    """The Sharpe ratio of each variant where its values cross; a search has no map."""
    content = contract(swept[0])
    figure = sharpe_map(content)
    assert figure is not None
    assert figure.data[0].type == "heatmap"
    (cells,) = (trace.z for trace in figure.data)
    assert cells[1][0] == pytest.approx(content["variants"][2]["figures"]["sharpe"], abs=1e-6)
    one = contract(sweep(STRATEGY, DATA, {"weights.hold": [1, 2, 3]}))
    bars = sharpe_map(one)
    assert bars is not None
    assert bars.data[0].type == "bar"
    assert sharpe_map({**content, "choices": {"a": "1..2"}}) is None


def test_the_page_is_the_same_bytes_and_escapes_what_it_shows(swept: tuple[SweepResult, Path], tmp_path: Path) -> None:
    """A hostile value and a hostile error are text."""
    hostile = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>\u2028'
    variants = (replace(swept[0].variants[0], settings={hostile: hostile}), *swept[0].variants[1:])
    failed = replace(swept[0].variants[0], figures=None, error=hostile)
    result = replace(swept[0], strategy=hostile, variants=(*variants, failed), notes=(hostile,))
    path = write_sweep(result, tmp_path)
    written = path.read_text(encoding="utf-8")
    assert written == page(result)
    assert "<img src=x" not in written
    assert "<script>alert(2)" not in written
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) == json.loads(json.dumps(contract(result)))


SOURCE = """
from functools import partial
from quantlab import ForwardReturn, Strategy, WalkForward
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short

strategy = Strategy(
    name="plain",
    features=lambda bars, news: panel(fast=momentum(bars.close, 5)),
    target=ForwardReturn(horizon=2),
    model=ridge_regressor(),
    weights=partial(long_short, hold=2),
    folds=WalkForward(train=60, test=30, min_train=50),
)
"""


def test_the_command_sweeps_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page and its JSON under <out>/sweep, the ledger beside the strategy's runs; --json prints JSON alone."""
    write_dataset(DATA, tmp_path / "data")
    (tmp_path / "plain.py").write_text(SOURCE)
    given = [str(tmp_path / "plain.py"), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--no-cache"]
    assert answer(APP, [*given, "--set", "weights.hold=1,3", "--set", "weights.quantile=0.3", "--json"], "quantlab sweep") == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert shown.err == ""
    assert content["n_variants"] == 3
    assert (tmp_path / "out" / "sweep" / f"{content['sweep_id']}.html").is_file()
    assert read_trials(tmp_path / "out" / "plain", "x").n == 4
    assert answer(APP, [*given, "--set", "weights.hold=2,3", "--end", "2021-10-01"], "quantlab sweep") == 0
    assert capsys.readouterr().out.startswith("Choosing by past performance would have earned")


@pytest.mark.parametrize(
    ("settings", "said"), [(["weights.hold=1..3"], "--optuna N"), (["weights.hodl=1,2"], "did you mean 'hold'"), ([], "set")]
)
def test_a_mistake_is_one_message(settings: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And exit code 2."""
    write_dataset(DATA, tmp_path / "data")
    (tmp_path / "plain.py").write_text(SOURCE)
    options = [part for setting in settings for part in ("--set", setting)]
    given = [str(tmp_path / "plain.py"), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--no-cache"]
    assert answer(APP, [*given, *options], "quantlab sweep") == 2
    assert said in capsys.readouterr().err
    assert StrategyError.exit_code == 2


def test_the_terminal_says_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many variants, and what the first said; nothing if none did. If nothing that was asked for works: an error, and no page."""
    strategy = replace(STRATEGY, weights=partial(long_short_unless, hold=2))
    shown = sentences(contract(sweep(strategy, DATA, {"weights.hold": [2, 7], "folds.test": [47, 40]})))
    assert shown[-1].startswith("2 of 4 variants failed; the first: weights.hold=7, folds.test=47: ")
    assert "raises ZeroDivisionError: seven" in shown[-1]
    assert not any("failed" in sentence for sentence in sentences(contract(sweep(STRATEGY, DATA, {"weights.hold": [2, 3]}))))
    write_dataset(DATA, tmp_path / "data")
    (tmp_path / "plain.py").write_text(SOURCE)
    given = [str(tmp_path / "plain.py"), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--no-cache"]
    assert answer(APP, [*given, "--set", "weights.gross=3,4"], "quantlab sweep") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 of 3 variants failed; the first: weights.gross=3: " in said.err
    assert not (tmp_path / "out" / "sweep").exists()
