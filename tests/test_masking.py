"""Masking: what happened stays, to whom and by how much goes."""

from __future__ import annotations

import pytest

from quantlab.text.masking import masked

NAMES = ("Garnet Systems", "GARS", "Acme Corp", "Hewlett Packard Co", "F", "3M")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Garnet Systems wins award", "the company wins award"),
        ("Garnet is worried", "the company is worried"),
        ("garnet earrings are in fashion", "garnet earrings are in fashion"),
        ("Garnet Systems Inc. beats estimates", "the company beats estimates"),
        ("GARNET SYSTEMS BEATS", "the company BEATS"),
        ("GARS up, says $GARS holder (NASDAQ: GARS)", "the company up, says the company holder the company"),
        ("Acme's profit falls", "the company's profit falls"),
        ("Foo Bar Ltd buys Baz Holdings", "the company buys the company"),
        ("Profit rises 12.5% to $1.2bn", "Profit rises some to some"),
        ("EUR 3.4 million, up from 2 million in 2009", "some, up from some in some"),
        ("F is a letter", "F is a letter"),
        ("Shares fall on weak outlook", "Shares fall on weak outlook"),
        ("", ""),
    ],
)
def test_names_tickers_and_numbers_become_neutral(text: str, expected: str) -> None:
    """Each by hand."""
    assert masked(text, NAMES) == expected


WRITTEN = {  # as data sets write names
    "The Boeing Company": ("Boeing", "The Boeing Company", "BOEING"),
    "Amazon.com, Inc.": ("Amazon", "Amazon.com", "Amazon.com, Inc."),
    "JPMorgan Chase & Co.": ("JPMorgan", "JPMorgan Chase", "JPMorgan Chase & Co", "JPMorgan Chase & Co."),
    "Goldman Sachs Group, Inc. (The)": ("Goldman", "Goldman Sachs", "Goldman Sachs Group", "The Goldman Sachs Group, Inc."),
    "Coca-Cola Company (The)": ("Coca-Cola", "The Coca-Cola Company"),
    "The Walt Disney Company": ("Walt Disney", "WALT DISNEY"),
    "Procter & Gamble Co": ("Procter", "Procter & Gamble", "PROCTER & GAMBLE"),
    "Advanced Micro Devices, Inc.": ("Advanced Micro", "Advanced Micro Devices"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_names_are_found_however_the_data_set_writes_them(name: str) -> None:
    """Articles, legal forms and what joins them are no part of a name; no word of it is left over."""
    for form in WRITTEN[name]:
        assert masked(f"Yesterday {form} rose", [name]) == "Yesterday the company rose", form


def test_two_companies_in_one_story_read_alike() -> None:
    """The same news about two companies is one reading: nothing is left to recognise."""
    said = "{} raises its outlook after sales of ${} million"
    assert masked(said.format("Garnet Systems", 12), NAMES) == masked(said.format("Hewlett Packard", 345), NAMES)


def test_the_order_of_the_names_does_not_matter() -> None:
    """The longest form wins, whatever came first."""
    text = "Hewlett Packard Co and Garnet Systems merge"
    assert masked(text, NAMES) == masked(text, NAMES[::-1]) == "the company and the company merge"


def test_masking_twice_changes_nothing() -> None:
    """A masked text holds nothing to mask."""
    once = masked("Garnet Systems Inc (NYSE: GARS) earns $3.50 a share", NAMES)
    assert masked(once, NAMES) == once
