"""Tokens: what a headline or a tweet says, and nothing that it only carries."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.text.tokens import plain, runs, tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple's profit rises 4.5% to $1.2bn", ["apple", "s", "profit", "rises", "0%", "to", "$0"]),
        ("$AAPL and $BRK.B up", ["$aapl", "and", "$brk.b", "up"]),
        ("RT @trader: U.S. stocks don’t fall http://t.co/x", ["u.s", "stocks", "don't", "fall"]),  # noqa: RUF001 (a curly quote)
        ("S&amp;P 500 hits 1,250.5 on 3rd day, 5G #Earnings", ["s&p", "0", "hits", "0", "on", "0", "day", "5g", "earnings"]),
        ("£3m fine, 12 pct stake, €5 fee", ["$0", "fine", "0%", "stake", "$0", "fee"]),
        ("year-on-year", ["year", "on", "year"]),
        ("ＡＢＣ ﬁne 🚀", ["abc", "fine"]),  # noqa: RUF001 (wide letters, on purpose)
        ("", []),
        ("!!! ... 🚀", []),
    ],
)
def test_tokens_of_known_texts(text: str, expected: list[str]) -> None:
    """Lower case; links, handles, retweet marks and entities gone; numbers by kind; one spelling of look-alike characters."""
    assert tokens(text) == expected


def test_words_leave_out_what_no_topic_is_about() -> None:
    """Stop words, numbers, single letters and cashtags are no topic; up, down and not are."""
    assert words("RT @x: The $AAPL stock is not up 5% to $3, it is down 2 % in Q1 a b") == ["stock", "not", "up", "down", "q1"]


def test_plain_keeps_case_and_punctuation_for_the_sentiment_rules() -> None:
    """Only links, handles, cashtags, retweet marks and entities go; $5 is money and stays."""
    assert plain("RT @x: $AAPL  TANKS!!! &gt; $5\nsee www.example.com/a @y") == "TANKS!!! > $5 see"


def test_an_address_of_mail_is_no_handle() -> None:
    """An @ inside a word starts no handle."""
    assert plain("write to ir@firm.com") == "write to ir@firm.com"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text())
def test_any_text_gives_clean_tokens(text: str) -> None:
    """Whatever the text, tokens are lower case, not empty, without spaces, and the same for the same text composed otherwise."""
    found = tokens(text)
    assert all(token and token == token.lower() and not token.isspace() for token in found)
    assert tokens(unicodedata.normalize("NFC", text)) == found
    assert plain(text) == " ".join(plain(text).split())


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(alphabet="aB1$@.'&% :/#-RT\n"))
def test_words_are_some_of_the_tokens(text: str) -> None:
    """Words are the tokens less some, in the same order."""
    remaining = iter(tokens(text))
    assert all(word in remaining for word in words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Federal Reserve raises interest rate", [["federal", "reserve", "raises", "interest", "rate"]]),
        ("rate of interest", [["rate"], ["interest"]]),
        ("oil, gas; coal", [["oil"], ["gas"], ["coal"]]),
        ("year-end  rally #fed #rates", [["year", "end", "rally"], ["fed"], ["rates"]]),
        ("profit $AAPL warning 5 % higher", [["profit"], ["warning"], ["higher"]]),
        ("u.s. treasury", [["u.s", "treasury"]]),
        ("the of 5%", []),
    ],
)
def test_runs_of_known_texts(text: str, expected: list[list[str]]) -> None:
    """Words side by side are one run; stop words, numbers, cashtags, commas and # end it; spaces and hyphens do not."""
    assert runs(text) == expected


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(alphabet="aBc1$@.'&% :/#-RT\n,"))
def test_runs_are_the_words_in_their_order(text: str) -> None:
    """Put together again, the runs are the words; none is empty."""
    found = runs(text)
    assert [word for run in found for word in run] == words(text)
    assert all(found)
