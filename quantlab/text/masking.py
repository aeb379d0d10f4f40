"""Masking: headlines without the names and numbers by which a pretrained model could recognise what it remembers.

An encoder that has read the news of 2015 knows how the story of a company went on. What it may still read is what happened, not to
whom and by how much: names, tickers and numbers become the neutral words below. Dates are numbers too.

1. Tickers: `$AAPL`, `(NASDAQ: AAPL)`, and the symbols of the data set where they stand in capitals.
2. Names: those of the data set (`name` in symbols.csv), with or without `The`, `Inc`, `& Co` ..., and their first word or two where
   capitalised (`Garnet` for Garnet Systems). A first word that is an everyday word loses its meaning too where it is capitalised.
3. Any capitalised words that end in a legal form (`Foo Bar Ltd`).
4. Numbers, with their currency, per cent and size (`$1.2bn`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

COMPANY: Final = "the company"
NUMBER: Final = "some"
LEGAL: Final = (
    r"(?:Inc|Incorporated|Corp|Corporation|Co|Company|Ltd|Limited|LLC|LLP|LP|PLC|plc|AG|SE|SA|S\.A\.|NV|N\.V\.|AB|ASA|Oyj|GmbH"
    r"|Holdings?|Group|Trust)"
)
TICKER: Final = re.compile(
    r"\(?\b(?:NYSE|NASDAQ|Nasdaq|AMEX|LSE|OTC|TSX|HEL|OMX)\s?:\s?[A-Z0-9.\-]{1,8}\)?"
    r"|(?<!\w)\$[A-Za-z]{1,6}(?:[._-][A-Za-z]{1,2})?(?!\w)"
)
WITH_LEGAL: Final = re.compile(rf"\b(?:[A-Z][\w&'.-]*,?\s+){{1,4}}{LEGAL}\b\.?")
AMOUNT: Final = re.compile(
    r"(?:(?:US|C|A)?[$£€¥]\s?|\b(?:EUR|USD|GBP|SEK|Rs\.?)\s?)?"
    r"\b\d+(?:[.,:/]\d+)*(?:st|nd|rd|th|k|m|mn|mln|b|bn|bln|t|tn|x|bps)?\b"
    r"(?:\s?(?:%|percent\b|per cent\b|pct\b))?(?:\s(?:thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
TRIMMED: Final = re.compile(rf"^The\s+|\s*\(The\)$|,?\s+{LEGAL}\.?$|[\s,&]+$")
DOMAIN: Final = ".com"
REPEATED: Final = re.compile(rf"\b{COMPANY}(?:[\s,]+{COMPANY})+\b")
SHORTEST: Final = 4  # letters of a first word that stands for a name; shorter ones are too often something else


def masked(text: str, names: Sequence[str] = ()) -> str:
    """Return a text without tickers, company names and numbers; a pure function of the text and of the names.

    names: company names and symbols of the data set, in any order; a name in capitals without a blank counts as a symbol.
    """
    return _masker(tuple(sorted(set(names))))(text)


@lru_cache(maxsize=8)
def _masker(names: tuple[str, ...]) -> Callable[[str], str]:
    """Return the function that masks with these names, its pattern compiled once."""
    forms = sorted({form for name in names for form in _forms(name)}, key=lambda form: (-len(form), form))
    known = re.compile(rf"(?<![\w$])(?:{'|'.join(map(re.escape, forms))})(?:,?\s+(?:&\s+)?{LEGAL}\b\.?)*(?!\w)") if forms else None

    def mask(text: str) -> str:
        """Return the text with the names and numbers replaced."""
        found = TICKER.sub(COMPANY, text)
        if known is not None:
            found = known.sub(COMPANY, found)
        found = AMOUNT.sub(NUMBER, WITH_LEGAL.sub(COMPANY, found))
        return REPEATED.sub(COMPANY, found)

    return mask


def _forms(name: str) -> list[str]:
    """Return the ways in which a text may write a name: whole, without its legal form, in capitals, its first words, its first alone."""
    whole = _bare(name)
    if len(whole) <= 1:  # a symbol of one letter is a word in most texts
        return []
    words = whole.split()
    forms = [whole, name.strip(), f"The {whole}"] if "The" in name else [whole, name.strip()]
    first = words[0].strip(",.").removesuffix(DOMAIN)
    if len(first) >= SHORTEST and first[0].isupper() and not first.isupper():
        forms += [first, f"{first} {words[1]}"] if len(words) > 2 and words[1][0].isupper() else [first]
    return [*forms, *(form.upper() for form in forms)]


def _bare(name: str) -> str:
    """Return a name without its article, its legal forms and what joins them: `Coca-Cola Company (The)` is `Coca-Cola`."""
    shorter = TRIMMED.sub("", name.strip())
    return shorter if shorter == name else _bare(shorter)
