"""Sentiment: a word list of financial English, weighted by age, that learns nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from sklearn.base import clone

from quantlab.cache import Cache
from quantlab.errors import UsageError
from quantlab.news import known_news
from quantlab.text.sentiment import WORDS, Sentiment, score, tones

BARS = flat_bars({"A": [1, 1, 1], "B": [2, 2, 2]})  # closes at 21:00 on 1, 2 and 3 January 2024
GOOD, BAD = "Apple beats estimates, raises guidance", "Retailer files for bankruptcy"


def column(*rows: tuple[str, str, str]) -> pd.Series:
    """Return the news column of the three bars."""
    return known_news(news_of(*rows), BARS)


@pytest.mark.parametrize(
    "headline",
    [
        GOOD,
        "Analyst upgrades Tesla to buy",
        "Pfizer wins FDA approval for cancer drug",
        "Company announces $10 billion share buyback",
        "Loss narrows on strong demand",
        "Judge throws out case: lawsuit dismissed",
        "Shares up 5%, a record high",
        "Sales were weak but outlook raised",
        "No fraud found in audit of lender",
        "Ford did not miss estimates",
        "Company denies fraud allegations",
        "Maker of chips: BETTER-THAN-EXPECTED results",
    ],
)
def test_good_news_has_a_positive_tone(headline: str) -> None:
    """Finance's good news is good, and so is the denial of bad news."""
    assert score([headline])[0, 0] > 0.2


@pytest.mark.parametrize(
    "headline",
    [
        BAD,
        "Boeing shares plunge after new 737 probe",
        "Analyst downgrades Netflix on slowing growth",
        "Company not profitable this year",
        "GM recalls 1.2 million trucks",
        "Bank hit by $2 bln fine over money laundering",
        "Quarterly profit falls 20%",
        "Guidance cut sends stock tumbling",
        "Dividend cut looms",
        "Earnings fail to beat expectations",
        "Shares fall despite better-than-expected earnings",
        "$AAPL TANKS!!!",
    ],
)
def test_bad_news_has_a_negative_tone(headline: str) -> None:
    """Finance's bad news is bad, and so is the denial of good news."""
    assert score([headline])[0, 0] < -0.2


@pytest.mark.parametrize(
    "headline",
    [
        "Vice president of Security Trust to speak",
        "Oil tank farm owner to pay interest",
        "Gross margin and market share unchanged",
        "GROSS margin and market SHARE unchanged",
        "Best Buy and United Airlines to share free credit data",
        "Crude oil, natural gas and energy securities",
        "$WIN $LOVE http://t.co/great @happy",
        "",
    ],
)
def test_words_that_mean_nothing_in_finance_have_no_tone(headline: str) -> None:
    """Share, gross, vice, tank, crude ... are plain words here; tickers, links and handles are no words at all."""
    assert score([headline])[0].tolist() == [0, 0]


def test_tone_is_the_mean_weighted_by_age() -> None:
    """One document an hour old and one 25 hours older: at a half-life of 25 hours the weights are 2 to 1."""
    bars = flat_bars({"A": [1, 1]})
    news = known_news(news_of(("2024-01-01T19:00Z", "A", BAD), ("2024-01-02T20:00Z", "A", GOOD)), bars, lookback=2)
    (good, sure), (bad, surer) = score([GOOD, BAD]).astype(float)
    tone = (2 * good + bad) / 3
    disagreement = np.sqrt((2 * (good - tone) ** 2 + (bad - tone) ** 2) / 3)
    features = Sentiment(half_life_hours=25.0).fit_transform(news)
    np.testing.assert_allclose(features[1], [tone, (2 * sure + surer) / 3, disagreement], rtol=1e-12)
    np.testing.assert_allclose(features[0], [bad, surer, 0], rtol=1e-12)


def test_a_row_without_documents_is_all_zero() -> None:
    """No news is no tone, no confidence and no disagreement, also where there is no news at all."""
    assert (Sentiment().fit_transform(column(("2024-01-02T01:00Z", "A", GOOD)))[[0, 1, 3, 4, 5]] == 0).all()
    assert (Sentiment().fit_transform(column()) == 0).all()


def test_what_it_was_fitted_on_changes_nothing() -> None:
    """Fitted on good news, on bad news or on none, it scores the same."""
    news = column(("2024-01-02T01:00Z", "A", GOOD), ("2024-01-03T01:00Z", "B", BAD))
    expected = Sentiment().fit(news).transform(news)
    assert (Sentiment().fit(news[:2]).transform(news) == expected).all()
    assert (Sentiment().fit(news[3:]).transform(news) == expected).all()
    assert expected[2, 0] > 0 > expected[5, 0]


def test_each_distinct_text_is_scored_once_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Copies cost nothing; companions change nothing; with a cache, `prepare` does the work of all folds."""
    asked: list[str] = []
    monkeypatch.setattr(tones, "score", lambda texts, own: (asked.extend(texts), score(texts, own))[1])
    news = column(("2024-01-02T01:00Z", "A", GOOD), ("2024-01-02T01:00Z", "B", GOOD), ("2024-01-03T01:00Z", "B", BAD))
    bare = Sentiment().fit_transform(news)
    assert sorted(asked) == sorted([GOOD, BAD])
    learner = Sentiment(cache=Cache(tmp_path))
    learner.prepare(news)
    asked.clear()
    assert (learner.fit_transform(news) == bare).all()
    assert (learner.fit(news[:4]).transform(news[2:]) == bare[2:]).all()
    assert asked == []
    assert (score([GOOD, BAD])[1] == score([BAD])[0]).all()


def test_names_and_parameters() -> None:
    """Three named columns; clone keeps the parameters; a half-life must be positive."""
    learner = clone(Sentiment(half_life_hours=6.0))
    assert {name: value for name, value in learner.get_params().items() if value is not None} == {"half_life_hours": 6.0, "template": "{}"}
    assert [*learner.fit(column()).get_feature_names_out()] == ["sentiment_tone", "sentiment_confidence", "sentiment_disagreement"]
    with pytest.raises(UsageError, match="half_life_hours=0"):
        Sentiment(half_life_hours=0).fit(column())


def test_the_word_list_is_in_order() -> None:
    """Sorted, lower case, each phrase once, scores on VADER's scale."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    phrases = [row["phrase"] for row in rows]
    assert phrases == sorted(set(phrases))
    assert all(phrase == " ".join(phrase.lower().split()) for phrase in phrases)
    assert all(abs(float(row["score"])) <= 4 for row in rows)
