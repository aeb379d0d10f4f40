"""report.json beyond its keys: what each part is made of, held against the metrics and the tables of the run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_evidence import finished, market
from fake_result import fake_result

from quantlab import evidence, metrics, significance
from quantlab.report.blocks import Notes
from quantlab.report.contract import contract
from quantlab.report.contract.accuracy import Told, foretold_intervals
from quantlab.report.contract.horizons import (
    earned_afterwards,
    forward_returns,
    ic_decay,
    rank_autocorrelation,
    rank_correlation,
    wide_signal,
)
from quantlab.report.contract.luck import _alpha
from quantlab.report.sections.news import text_section
from quantlab.result import BacktestResult, FoldFit, Trials
from quantlab.significance import figures
from quantlab.synthetic import make_market
from quantlab.target import ForwardReturn


@cache
def case() -> tuple[BacktestResult, dict[str, Any]]:
    """Return a run with real trades, a halt, a late listing and a delisting, and its report.json."""
    result = finished()
    return result, contract(result)


def test_the_forward_return_is_that_of_the_target() -> None:
    """Taken by position or shifted, the label is the same to the bit, also around halts and delistings and past the end."""
    halted = make_market(120, 9, seed=1).dataset.bars  # one name has bars without volume
    for bars, horizon in ((market().bars, 1), (market().bars, 20), (halted, 3), (halted, 119), (halted, 125)):
        expected = ForwardReturn(horizon)(bars).to_numpy().reshape(len(bars.times), -1)
        np.testing.assert_array_equal(forward_returns(bars, horizon), expected)


def test_ranks_in_a_table_are_those_in_rows() -> None:
    """The quick rank correlation of two tables is the information coefficient; ties, gaps and too few names included."""
    random = np.random.default_rng(0)
    one, other = (np.round(random.normal(size=(50, 6)), 1) for _ in range(2))
    one[random.random(one.shape) < 0.2], other[random.random(one.shape) < 0.2] = np.nan, np.nan
    one[3], other[4, 2:] = 1.0, np.nan
    index = pd.MultiIndex.from_product([range(50), range(6)])
    expected = metrics.information_coefficient(pd.Series(one.ravel(), index), pd.Series(other.ravel(), index))
    np.testing.assert_allclose(rank_correlation(one, other), expected.to_numpy(), atol=1e-12)
    assert np.isnan(expected.to_numpy()[[3, 4]]).all()


def test_the_decay_at_the_own_horizon_is_the_own_ic() -> None:
    """With raw returns as the target, the row of its horizon says what the whole does; the lag is twice the horizon."""
    result = finished()
    decay = ic_decay(result, wide_signal(result))
    labels = ForwardReturn(result.horizon)(result.dataset.bars).reindex(result.predicted.signal.index)
    ic = metrics.information_coefficient(result.predicted.signal, labels)
    assert list(decay.index) == [1, 2, 5, 10, 20]
    assert decay.loc[result.horizon, "mean"] == pytest.approx(ic.mean())
    assert decay.loc[result.horizon, "t"] == pytest.approx(metrics.newey_west_t(ic, 2 * result.horizon))
    assert rank_autocorrelation(wide_signal(result)) == pytest.approx(metrics.rank_autocorrelation(result.predicted.signal).mean())
    pd.testing.assert_series_equal(earned_afterwards(result), labels, check_names=False)


def test_every_interval_holds_its_figure_and_is_that_of_the_bootstrap() -> None:
    """Each headline figure lies in its interval, the length of its blocks is stated, and the seed is fixed."""
    result, content = case()
    returns, values = result.portfolio.returns, {**content["returns"], **content["drawdown"], **content["accuracy"]}
    for name, (low, high) in content["intervals"].items():
        value = values["hit_rate"] - values["base_rate"] if name == "hit_rate_above_base" else values[name]
        assert low <= value <= high, name
        assert content["significance"]["blocks"][name] >= 1
    block = significance.block_length(returns)
    found = significance.interval(returns, figures.max_drawdown, block=block)
    assert content["intervals"]["max_drawdown"] == [found.low, found.high]
    assert content["intervals"]["sharpe"] == content["significance"]["sharpe_ci"]
    growth = [(1 + end) ** (252 / len(returns)) - 1 for end in content["intervals"]["total_return"]]
    assert content["intervals"]["cagr"] == pytest.approx(growth)


def test_alpha_of_resamples_is_alpha() -> None:
    """The intercept of many resamples at once is that of the regression, one by one."""
    random = np.random.default_rng(1)
    drawn = random.normal(size=(3, 40, 2)) * 0.01
    expected = [metrics.alpha_beta(pd.Series(one[:, 0]), pd.Series(one[:, 1]))[0] for one in drawn]
    assert _alpha(drawn, periods=252) == pytest.approx(expected)
    assert np.isnan(_alpha(drawn * [1, 0], periods=252)).all()


@pytest.mark.parametrize("rises", [True, False])
def test_hit_rate_above_the_base_rate_counts_both_directions(rises: bool) -> None:
    """Always naming the side that is more frequent, up or down, is no advantage: the interval of the difference is 0 to 0."""
    called = np.random.default_rng(0).integers(5, 9, size=40)
    hits = pd.DataFrame({"hits": called, "up": called if rises else 10 - called, "n": 10})
    found = foretold_intervals(Told(pd.Series(np.sin(np.arange(40.0))), hits, None, 10.0))
    assert (found["hit_rate_above_base"].low, found["hit_rate_above_base"].high) == (0.0, 0.0)
    assert 0.5 < found["hit_rate"].low < found["hit_rate"].high < 0.8


def test_hit_rate_and_base_rate_are_the_metrics() -> None:
    """Counted by session and summed, they are what they are over all rows."""
    result, content = case()
    judged = metrics.judged(result.predicted.signal, result.target)
    assert content["accuracy"]["n"] == len(judged)
    assert content["accuracy"]["hit_rate"] == metrics.hit_rate(result.predicted.signal, result.target)
    assert content["accuracy"]["base_rate"] == metrics.base_rate(judged["target"])


def test_few_names_are_pooled() -> None:
    """With fewer than ten names in the median session all rows are ranked at once as well; with ten or more that is null."""
    result, content = case()
    sums = metrics.session_rank_sums(result.predicted.signal, result.target)
    assert content["accuracy"]["names_per_session"] < 10
    assert content["accuracy"]["pooled_ic"] == metrics.pooled_ic(sums)
    many = contract(fake_result(symbols=[f"S{number:02d}" for number in range(12)], n_sessions=260))
    assert many["accuracy"]["names_per_session"] == 12  # type: ignore[call-overload,index]
    assert many["accuracy"]["pooled_ic"] is None  # type: ignore[call-overload,index]
    assert many["intervals"]["pooled_ic"] == [None, None]  # type: ignore[index]


def test_quantiles_are_returns_whatever_the_target() -> None:
    """A target of ranks is no return: the quantiles are judged by what the names earned over the horizon."""
    result, content = case()
    ranked = contract(replace(result, target=result.target.groupby(level=0).rank(pct=True)))
    assert ranked["accuracy"]["quantile_returns"] == content["accuracy"]["quantile_returns"]  # type: ignore[call-overload,index]
    assert [row["quantile"] for row in content["accuracy"]["quantile_returns"]] == [1, 2, 3, 4, 5]
    top, bottom = content["accuracy"]["quantile_returns"][4]["mean"], content["accuracy"]["quantile_returns"][0]["mean"]
    assert content["accuracy"]["quantile_spread"]["mean"] == pytest.approx(top - bottom, abs=0.005)  # by sessions that have both


def test_trials_deflate_and_cut() -> None:
    """More trials leave a lower deflated ratio, with the variance of the known ones; the haircut counts all of them."""
    result, alone = case()
    sharpes = (0.01, -0.02, 0.03)
    tried = contract(replace(result, trials=Trials(n=40, sharpes=sharpes, source="ledger", notes=("odd",))))
    own, sure = metrics.sharpe(result.portfolio.returns, periods=1), tried["significance"]
    assert isinstance(sure, dict)
    assert alone["significance"]["trial_variance"] is None
    assert alone["significance"]["expected_max_sharpe"] == 0
    assert sure["trial_variance"] == pytest.approx(np.var([own, *sharpes], ddof=1))
    assert sure["dsr"] < alone["significance"]["dsr"] == alone["significance"]["psr"]  # type: ignore[operator]
    cut = significance.haircut_sharpe(own, len(result.portfolio.returns), sharpes, n_trials=40)
    assert sure["haircut"]["bonferroni"]["p_value"] == cut.bonferroni.p_value  # type: ignore[call-overload,index]
    assert sure["haircut"]["bonferroni"]["sharpe"] == pytest.approx(cut.bonferroni.sharpe * math.sqrt(252))  # type: ignore[call-overload,index]
    assert tried["trials"] == {"n": 40, "source": "ledger", "notes": ["odd"]}


def test_the_text_part_is_the_evidence() -> None:
    """Ablation, kinds of news and event study are the tables of `evidence`, row by row."""
    result, content = case()
    added = content["text_ablation"]
    table = evidence.ablation(result)
    assert [row["variant"] for row in added["variants"]] == list(table.index)
    assert added["variants"][1]["ic_low"] == table["ic_low"].iloc[1]
    assert added["variants"][0]["ic_low"] is None
    assert [row["group"] for row in added["groups"]] == ["lda_topics", "price", "sentiment"]
    assert [row["age"] for row in added["by_age"]] == list(evidence.text.AGE_NAMES)
    assert added["events"]["days"] == list(range(-5, 21))
    assert {curve["class"] for curve in added["events"]["by_sign"]} == {"up", "down"}
    assert sum(curve["n_events"] for curve in added["events"]["by_sign"]) == added["events"]["n_events"]
    assert all(len(curve["mean"]) == 26 for curve in added["events"]["by_sign"] + added["events"]["by_topic"])


def test_without_text_there_is_nothing_to_take_apart() -> None:
    """A strategy without text columns has no such part; one whose ablation was not asked for has no variants, and says so."""
    result = finished(variants=False)
    assert contract(result)["text_ablation"]["variants"] is None  # type: ignore[call-overload,index]
    bare = replace(result, predicted=replace(result.predicted, text=pd.DataFrame(index=result.predicted.signal.index)))
    assert contract(bare)["text_ablation"] is None


@pytest.mark.parametrize(("cutoff", "share"), [("2020-12-31", 0.5), ("2019-12-31", 0.0), ("2030-01-01", 1.0)])
def test_what_a_pretrained_encoder_may_remember_is_counted(cutoff: str, share: float) -> None:
    """The share of the sessions up to the day that it has read of."""
    result = finished()
    fit = result.predicted.fits[-1]
    learned = replace(fit, learned={"encoder": {"knowledge_cutoff": cutoff}, "topics": {"topics": []}})
    known = contract(replace(result, predicted=replace(result.predicted, fits=(fit, learned))))["text_ablation"]["knowledge"]  # type: ignore[call-overload,index]
    sessions = result.portfolio.returns.index
    assert known == {
        "cutoff": cutoff,
        "share_of_sessions": pytest.approx((sessions <= pd.Timestamp(cutoff, tz="UTC") + pd.Timedelta(days=1)).mean()),
        "unknown": [],
    }
    assert (known["share_of_sessions"] > 0) == (share > 0)
    assert case()[1]["text_ablation"]["knowledge"] is None


@pytest.mark.parametrize(
    ("learned", "cutoff", "unknown"),
    [
        ({"encoder": {"checkpoint": "x", "knowledge_cutoff": None}}, None, ["encoder"]),
        ({"encoder": {"checkpoint_id": "x"}}, None, ["encoder"]),
        ({"sentiment": {"model_id": "x", "knowledge_cutoff": None}}, None, ["sentiment"]),
        ({"b": {"checkpoint": "x", "knowledge_cutoff": "2030-01-01"}, "a": {"checkpoint": "y"}}, "2030-01-01", ["a"]),
    ],
)
def test_an_unknown_cutoff_is_said_to_be_unknown(learned: dict[str, Any], cutoff: str | None, unknown: list[str]) -> None:
    """A pretrained part that does not say what it has read is named, in report.json and in the section on text."""
    result = finished()
    fits = (replace(result.predicted.fits[-1], learned={**learned, "topics": {"topics": []}}),)
    told = replace(result, predicted=replace(result.predicted, fits=fits))
    content: dict[str, Any] = contract(told)
    known = content["text_ablation"]["knowledge"]
    assert (known["cutoff"], known["share_of_sessions"], known["unknown"]) == (cutoff, 0.0 if cutoff is None else 1.0, unknown)
    said = " ".join(sentence for block in text_section(told, content).blocks if isinstance(block, Notes) for sentence in block.lines)
    assert f"It is not known up to when the encoder has read texts (in {unknown[0]})" in said
    assert ("up to 2030-01-01, as far as is known; 100.0% of the sessions lie before" in said) == (cutoff is not None)


def test_what_is_left_of_the_profit() -> None:
    """Each stress is the profit that would be left over the profit that was made, 1 for all of it."""
    result, content = case()
    left = {row["stress"]: row["left"] for row in content["fragility"]["stress"]}
    without = evidence.without_best(result)
    own = evidence.own_cost_bps(result)
    grid = evidence.cost_delay_grid(result, costs_bps=(own, 2 * own))["total_return"]
    assert left["without_best_trades"] == pytest.approx(without.loc["trades", "profit"] / without.loc["all", "profit"])
    assert left["costs_doubled"] == pytest.approx(grid[0, 2 * own] / grid[0, own])
    assert left["traded_later"] == pytest.approx(grid[1, own] / grid[0, own])
    halves = evidence.sub_periods(result).loc["half", "total_return"]
    growth = math.log1p(content["returns"]["total_return"])
    assert left["as_in_weaker_half"] == pytest.approx(2 * math.log1p(halves.min()) / growth)
    assert {(row["delay"], row["cost_bps"]) for row in content["fragility"]["cost_delay"]} == {
        (delay, cost) for delay in (0, 1, 2) for cost in (0, 5, 10, 20)
    }


def test_without_profit_nothing_is_left_to_stress() -> None:
    """A strategy that lost has no share of a profit that could be left."""
    result = finished()
    lost = replace(result, portfolio=replace(result.portfolio, returns=-0.01 + 0 * result.portfolio.returns))
    assert contract(lost)["fragility"]["stress"] == []  # type: ignore[call-overload,index]


def test_it_is_strict_json_and_leaves_the_result_alone() -> None:
    """No NaN or infinity anywhere, and the tables of the run are as they were."""
    result, content = case()
    json.dumps(content, allow_nan=False)
    again = finished()
    pd.testing.assert_frame_equal(result.portfolio.trades, again.portfolio.trades)
    pd.testing.assert_series_equal(result.predicted.signal, again.predicted.signal)
    assert contract(again) == content


def test_a_fold_without_contributions_is_no_error() -> None:
    """Models that cannot say what moved them have no groups; a run without any trade has no costs of its own."""
    result = fake_result(n_sessions=260)
    fits = tuple(FoldFit(fit.fold, fit.n_train, fit.n_test, fit.fit_end) for fit in result.predicted.fits)
    content = contract(replace(result, predicted=replace(result.predicted, fits=fits)))
    assert content["text_ablation"]["groups"] == []  # type: ignore[call-overload,index]


def test_what_delistings_took_is_counted() -> None:
    """Positions closed at the last close less 10%: a ninth of what they still brought."""
    result, content = case()
    orders = result.portfolio.orders
    gone = orders[orders["reason"] == "delisted"]
    assert set(gone["side"]) == {"sell"}
    assert content["trading"]["n_delisted"] == len(gone) == 1
    assert content["trading"]["delisting_haircut"] == pytest.approx((gone["size"] * gone["price"]).sum() / 9)
