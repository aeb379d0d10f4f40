"""What the text added: against hand-worked folds and obvious loops over rows and documents."""

from __future__ import annotations

from dataclasses import replace

import fake_evidence
import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from scipy.stats import spearmanr

from quantlab import evidence
from quantlab.evidence.text import dominant_topic
from quantlab.metrics import information_coefficient, sharpe
from quantlab.news import MARKET
from quantlab.result import BacktestResult, FoldFit, Variant

CLOSE = pd.Timestamp("2024-01-01 21:00", tz="UTC")


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """Return a run with news, topics, variants and delays."""
    return fake_evidence.finished()


def with_fits(result: BacktestResult, *fits: FoldFit) -> BacktestResult:
    """Return the result with other folds."""
    return replace(result, predicted=replace(result.predicted, fits=fits))


def in_view(result: BacktestResult, time: pd.Timestamp, symbol: str, lookback: int) -> list[tuple[pd.Timedelta, str]]:
    """Return (age, source) of the documents in view, by the rule and one at a time."""
    times, found = result.dataset.bars.times, []
    for document in result.dataset.news.table.itertuples():
        first = next((number for number, close in enumerate(times) if document.available_at < close), len(times))
        if document.symbol in (symbol, MARKET) and first <= times.get_loc(time) < first + lookback:
            found.append((time - document.available_at, document.source))
    return found


def test_ablation_says_what_the_variants_lack(result: BacktestResult) -> None:
    """IC and Sharpe are those of the metrics, differences are strategy less variant, and skill beats noise beyond its interval."""
    table = evidence.ablation(result)
    assert table.index.tolist() == ["strategy", "no_text", "text_only", "placebo"]
    assert table.loc["strategy", "ic"] == pytest.approx(information_coefficient(result.predicted.signal, result.target).mean())
    for variant in result.variants or ():
        row = table.loc[variant.name]
        assert row["ic"] == pytest.approx(information_coefficient(variant.signal, result.target).mean())
        assert row["sharpe"] == pytest.approx(sharpe(variant.returns))
        assert row["turnover"] == pytest.approx(variant.turnover.mean())
        assert row["ic_difference"] == pytest.approx(table.loc["strategy", "ic"] - row["ic"])
        assert row["sharpe_difference"] == pytest.approx(table.loc["strategy", "sharpe"] - row["sharpe"])
        assert 0 < row["ic_low"] < row["ic_difference"] < row["ic_high"]
        assert 0 < row["sharpe_low"] < row["sharpe_difference"] < row["sharpe_high"]
    assert table.loc["strategy", ["ic_difference", "ic_low", "sharpe_difference", "sharpe_high"]].isna().all()


def test_a_variant_that_is_the_strategy_differs_by_nothing(result: BacktestResult) -> None:
    """The same sessions are drawn for both, so the interval is a point; the order of a variant's rows does not matter."""
    own, shuffled = result.portfolio, result.predicted.signal.sample(frac=1.0, random_state=0)
    same = Variant("same", shuffled, own.returns, own.turnover)
    row = evidence.ablation(replace(result, variants=(same,))).loc["same"]
    assert row[["ic_difference", "ic_low", "ic_high", "sharpe_difference", "sharpe_low", "sharpe_high"]].tolist() == [0.0] * 6


def test_the_difference_is_that_of_the_sessions_in_which_both_have_an_ic(result: BacktestResult) -> None:
    """The variant speaks in 40 sessions alone, in which the strategy is right and it is nearly so: it is worse, not better.

    In all others the strategy is wrong, so its mean over all sessions lies below that of the variant.
    """
    y = result.target.fillna(0.0)
    session = pd.factorize(y.index.get_level_values(0))[0]
    noise = pd.Series(np.random.default_rng(0).normal(size=len(y)), index=y.index)
    spoken = session < 40
    signal = y.where(spoken, -y)
    own = result.portfolio
    sparse = Variant("text_only", (y / y.std() + 0.3 * noise).where(spoken, 0.0), own.returns, own.turnover)
    table = evidence.ablation(replace(result, variants=(sparse,), predicted=replace(result.predicted, signal=signal)))
    row = table.loc["text_only"]
    assert table.loc["strategy", "ic"] < 0 < row["ic"] < 1
    both = information_coefficient(signal, result.target).iloc[:40] - information_coefficient(sparse.signal, result.target).iloc[:40]
    assert row["ic_difference"] == pytest.approx(both.mean())
    assert 0 < row["ic_low"] < row["ic_difference"] < row["ic_high"]
    assert row["n_compared"] == row["n_sessions"] == 40
    assert table["n_compared"].dtype.kind == "i"
    assert table.loc["strategy", "n_compared"] == table.loc["strategy", "n_sessions"] > 40


def test_it_is_the_same_the_other_way_round(result: BacktestResult) -> None:
    """A strategy that says nothing in most sessions is compared with its variant in the others alone, interval included."""
    y = result.target.fillna(0.0)
    spoken = pd.factorize(y.index.get_level_values(0))[0] < 40
    noise = pd.Series(np.random.default_rng(0).normal(size=len(y)), index=y.index)
    own = result.portfolio
    dense = Variant("no_text", (y / y.std() + 0.3 * noise).where(spoken, -y), own.returns, own.turnover)
    signal = y.where(spoken, 0.0)
    row = evidence.ablation(replace(result, variants=(dense,), predicted=replace(result.predicted, signal=signal))).loc["no_text"]
    assert row["n_compared"] == 40 < row["n_sessions"]
    assert 0 < row["ic_low"] < row["ic_difference"] < row["ic_high"] < 1


def test_a_variant_that_never_speaks_is_not_compared(result: BacktestResult) -> None:
    """A constant has no IC: no difference, no interval, nothing compared, and no warning."""
    own = result.portfolio
    row = evidence.ablation(replace(result, variants=(Variant("text_only", result.target * 0.0, own.returns, own.turnover),))).loc[
        "text_only"
    ]
    assert row["n_compared"] == 0
    assert row[["ic", "ic_difference", "ic_low", "ic_high"]].isna().all()
    assert row["sharpe_difference"] == 0


def test_no_variants_leave_the_strategy_alone(result: BacktestResult) -> None:
    """Without variants there is one row and the same columns."""
    table = evidence.ablation(replace(result, variants=None))
    assert table.index.tolist() == ["strategy"]
    assert table.columns.tolist() == evidence.ablation(result).columns.tolist()


def test_contributions_are_averaged_over_folds(result: BacktestResult) -> None:
    """Fold one gives price 3 of 4, fold two all: 7/8 on average; the tone counts 0 in the fold that lacks it."""
    fold = result.predicted.fits[0].fold
    one = FoldFit(fold, 1, 1, {}, groups={"tone": "sentiment"}, contribution={"momentum": 0.2, "volatility": 0.1, "tone": 0.1})
    two = FoldFit(fold, 1, 1, {}, contribution={"momentum": 0.1})
    table = evidence.group_contributions(with_fits(result, one, two))
    assert table.index.tolist() == ["price", "sentiment"]
    assert table.loc["price"].tolist() == pytest.approx([2, 0.2, 0.875, 0.75, 1.0, 2])
    assert table.loc["sentiment"].tolist() == pytest.approx([1, 0.05, 0.125, 0.0, 0.25, 2])


def test_a_model_that_cannot_say_contributes_no_row(result: BacktestResult) -> None:
    """No contributions: an empty table with the usual columns; all 0: no share."""
    fit = FoldFit(result.predicted.fits[0].fold, 1, 1, {})
    table = evidence.group_contributions(with_fits(result, fit))
    assert len(table) == 0
    assert table.columns.tolist() == evidence.group_contributions(result).columns.tolist()
    flat = evidence.group_contributions(with_fits(result, replace(fit, contribution={"momentum": 0.0})))
    assert flat.loc["price", "contribution"] == 0
    assert np.isnan(flat.loc["price", "share"])


def test_a_document_at_the_very_close_is_not_in_view() -> None:
    """One second before the close it is, with its age; at the close, it is first seen a bar later."""
    bars = flat_bars({"A": [10, 11, 12], "B": [10, 11, 12]})
    run = fake_evidence.hand_made(
        bars, [[0, 0]] * 3, news=news_of(("2024-01-01 20:59:59", "A", "early"), ("2024-01-01 21:00", "B", "late"))
    )
    documents = evidence.sources_in_view(run, lookback=1)
    assert documents.row.tolist() == [0, 3]  # (first bar, A) and (second bar, B)
    assert documents.age_hours.tolist() == pytest.approx([1 / 3600, 24.0])
    assert evidence.ic_by_age(run, documents)["n_rows"].tolist() == [1, 0, 1, 0, 0, 4]  # 24 hours are no longer "< 1 d"


@pytest.mark.parametrize("lookback", [1, 5])
def test_age_and_source_agree_with_a_loop(lookback: int) -> None:
    """Each row's youngest document and distinct sources, found one document at a time, give the same counts and correlations."""
    result = fake_evidence.finished(fake_evidence.market(48, 6, 90), variants=False)
    documents = evidence.sources_in_view(result, lookback=lookback)
    ages, sources = {}, {}
    limits = dict(zip(evidence.text.AGE_NAMES, (6.5, 24, 48, 72, np.inf), strict=False))
    for row in result.target.index:
        seen = in_view(result, *row, lookback)
        hours = min((age / pd.Timedelta(hours=1) for age, _ in seen), default=None)
        name = "none" if hours is None else next(name for name, limit in limits.items() if hours < limit)
        ages.setdefault(name, []).append(row)
        for source in {source or "(unnamed)" for _, source in seen} or {"(none)"}:
            sources.setdefault(source, []).append(row)
    for table, rows in ((evidence.ic_by_age(result, documents), ages), (evidence.ic_by_source(result, documents), sources)):
        for name in table.index:
            chosen = pd.MultiIndex.from_tuples(rows[name]) if name in rows else result.target.index[:0]
            signal, target = result.predicted.signal.reindex(chosen), result.target.reindex(chosen)
            both = signal[target.notna()], target.dropna()
            assert table.loc[name, "n_rows"] == len(both[0])
            if table.loc[name, "pooled"] and len(both[0]) > 2:
                assert table.loc[name, "ic"] == pytest.approx(spearmanr(*both).statistic)
            elif len(both[0]):
                assert table.loc[name, "ic"] == pytest.approx(information_coefficient(*both).mean(), nan_ok=True)


def test_rare_sources_share_a_row(result: BacktestResult) -> None:
    """With room for one source the others are one; a row with two of them counts once there."""
    documents = evidence.sources_in_view(result)
    table = evidence.ic_by_source(result, documents, most=1)
    assert table.index.tolist() == ["wire", "(other)", "(none)"]
    known = result.target.notna().to_numpy()
    others = {int(row) for row, text in zip(documents.row, documents.text, strict=True) if documents.texts[text] != "wire" and known[row]}
    assert table.loc["(other)", "n_rows"] == len(others)
    assert evidence.ic_by_source(result, documents, most=4).index.tolist()[-1] == "(none)"
    assert "(other)" not in evidence.ic_by_source(result, documents, most=4).index


def test_the_dominant_topic_is_the_first_of_the_greatest(result: BacktestResult) -> None:
    """Ties go to the first; nothing about nothing; a column that a fold lacks counts as 0; what is no topic is not read."""
    index = result.predicted.signal.index
    text = pd.DataFrame(0.0, index=index, columns=["tone", "topic_0", "topic_1"])
    text.iloc[0] = [9.0, 0.4, 0.6]
    text.iloc[1] = [9.0, 0.5, 0.5]
    text.iloc[2] = [9.0, np.nan, 0.1]
    found = replace(result, predicted=replace(result.predicted, text=text))
    assert dominant_topic(found)[:4].tolist() == [1, 0, 1, 2]
    table = evidence.ic_by_topic(found)
    assert table.index.tolist() == ["topic_0", "topic_1", "(none)"]
    assert table["n_rows"].tolist() == [1, 2, int(result.target.notna().sum()) - 3]


def test_without_topics_there_is_no_row(result: BacktestResult) -> None:
    """No text learner, or none of topics: an empty table."""
    for text in (pd.DataFrame(), result.predicted.text[["sentiment_tone"]]):
        assert len(evidence.ic_by_topic(replace(result, predicted=replace(result.predicted, text=text)))) == 0


@pytest.mark.parametrize("seed", [3, 4])
def test_every_judged_row_stands_under_one_age_and_one_topic(seed: int) -> None:
    """Ages and topics part the rows: their counts add up to the rows with a target."""
    result = fake_evidence.finished(fake_evidence.market(40, 6, 60, seed), variants=False)
    n_rows = int(result.target.notna().sum())
    assert evidence.ic_by_age(result, evidence.sources_in_view(result))["n_rows"].sum() == n_rows
    assert evidence.ic_by_topic(result)["n_rows"].sum() == n_rows
