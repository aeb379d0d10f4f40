"""What a headline or a tweet says, without what it only carries: links, handles, retweet marks, markup.

`plain` keeps case and punctuation, which a sentiment rule reads; `words` gives the lower-case words that a topic model
counts, `runs` the same by neighbourhood, in which phrases are found. All are pure functions of one text, of no locale.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

# Up, down, above, below, over, under, off, out, against, not, no, more, less, most and least are words here: they are the news.
STOP_WORDS: Final = frozenset(
    """
    a about after again all also am an and any are as at be because been before being both but by can could did do does doing
    during each for from further get gets got had has have having he her here hers him his how i if in into is it its itself just
    let may me might my myself now of on once only or other our ours own per same says say said she should so some such than that
    the their theirs them then there these they this those through to too until us very via was we were what when where which
    while who whom why will with would yes yet you your yours rt amp
    """.split()  # noqa: SIM905 (as a list literal it is 130 lines)
)
MIN_LENGTH: Final = 2  # of a word, in characters; q1, 5g and m&a are words
JOINING: Final = " -\t"  # may stand between the words of a phrase: share buyback, year-end

QUOTES: Final = {0x2018: "'", 0x2019: "'"}  # curly ones
LINKS = re.compile(r"(?:https?://|www\.)\S*|\bpic\.twitter\.com/\S*", re.IGNORECASE)
HANDLES = re.compile(r"\bRT\s+@\w+:?|^RT\b|(?<!\w)@\w+")
CASHTAG = r"\$[A-Za-z]{1,6}(?:[._-][A-Za-z]{1,2})?(?!\w)"
CASHTAGS = re.compile(rf"(?<!\w){CASHTAG}")
AMOUNT = r"\d+(?:[.,]\d+)*(?:st|nd|rd|th|k|m|mn|mln|b|bn|bln|t|tn|x|bps)?(?![^\W_])"
TOKEN = re.compile(
    rf"""
    (?P<cashtag>(?<!\w){CASHTAG})             # $aapl, $brk.b
    | (?P<money>[$£€¥]\s?{AMOUNT})            # $1.2bn
    | (?P<percent>{AMOUNT}\s?(?:%|pct\b))     # 4.5%
    | (?P<number>{AMOUNT})                    # 1,250  2014  3rd
    | (?P<initials>(?:[^\W\d_]\.){{2,}})      # u.s.
    | (?P<word>[^\W_]+(?:['&](?!s(?![^\W_]))[^\W_]+)*)  # don't  s&p  5g, and apple of apple's
    """,
    re.VERBOSE,
)
NORMALISED: Final = {"money": "$0", "percent": "0%", "number": "0"}
NO_TOPIC: Final = STOP_WORDS.union(NORMALISED.values())


def plain(text: str) -> str:
    """Return the text without links, @handles, $cashtags and retweet marks, on one line; case and punctuation stay."""
    return " ".join(CASHTAGS.sub(" ", _readable(text)).split())


def tokens(text: str) -> list[str]:
    """Return the lower-case tokens in their order: words, `$cashtags`, and `0`, `$0`, `0%` for numbers, money, percentages."""
    found = TOKEN.finditer(_readable(text).lower())
    return [NORMALISED.get(match.lastgroup or "", match.group().rstrip(".")) for match in found]


def words(text: str) -> list[str]:
    """Return the tokens that a topic can be about: no stop words, numbers or single letters, and no cashtags.

    Which symbol a document belongs to is known already; left in, cashtags make every topic the name of a company.
    """
    return [token for token in tokens(text) if _is_topical(token)]


def runs(text: str) -> list[list[str]]:
    """Return the words of the text (as `words` does), those in one list that stand side by side.

    A run ends at a stop word, a number or a cashtag, and at any mark between words but a space or a hyphen: what a comma
    or a # keeps apart is no phrase.
    """
    readable = _readable(text).lower()
    found: list[list[str]] = []
    end = -1  # of the last word, -1 after a token that is none
    for match in TOKEN.finditer(readable):
        token = NORMALISED.get(match.lastgroup or "", match.group().rstrip("."))
        if not _is_topical(token):
            end = -1
            continue
        if end < 0 or readable[end : match.start()].strip(JOINING):
            found.append([])
        found[-1].append(token)
        end = match.end()
    return found


def _is_topical(token: str) -> bool:
    return len(token) >= MIN_LENGTH and token not in NO_TOPIC and token[0] != "$"


def _readable(text: str) -> str:
    """Return the text with HTML entities decoded, look-alike characters made one, and no links, handles or retweet marks."""
    decoded = html.unescape(text) if "&" in text else text
    if not decoded.isascii():
        decoded = unicodedata.normalize("NFKC", decoded).translate(QUOTES)
    return HANDLES.sub(" ", LINKS.sub(" ", decoded))
