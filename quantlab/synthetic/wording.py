"""The words of the invented headlines: companies, what is said of them, and how loudly.

Tone is a whole number of tenths times a strength, so that what a headline plants can be read off this page. Three kinds of
words are mixed on purpose:

- what a general sentiment lexicon knows: beats, misses, lawsuit, weak, strong;
- what only returns can teach: book-to-bill, covenant waiver, offtake, at-the-market issuance;
- what turns round with its topic: cuts costs / cuts guidance, backlog lengthens / inventory days lengthen.

Headlines without tone use warm and sad words as well: a lexicon alone is fooled by them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from quantlab.errors import UsageError

Strings = npt.NDArray[np.str_]


class Company(NamedTuple):
    """An invented company; any likeness is chance."""

    symbol: str
    name: str


class Phrase(NamedTuple):
    """What is said of a company, and its tone at ordinary strength, in [-0.7, 0.7]."""

    tone: float
    text: str


# the first three letters of each stem differ, and so do the initials of the suffixes: a ticker is their concatenation
STEMS: Final = (
    *("Alder", "Bramble", "Cinder", "Dovetail", "Ember", "Fjord", "Garnet", "Hollow", "Indigo", "Jonquil", "Kestrel", "Larkspur"),
    *("Mistral", "Nettle", "Orrery", "Pinnace", "Quillon", "Rowan", "Saffron", "Tamarind", "Umber", "Verbena", "Willowby", "Xenolith"),
    *("Yarrow", "Zephyr", "Anvil", "Beacon", "Cobalt", "Damson", "Eider", "Fennel", "Gosling", "Heron", "Isthmus", "Jasper"),
    *("Kelp", "Lodestar", "Marlin", "Nacre", "Osprey", "Pewter", "Quarry", "Russet", "Sorrel", "Thistle", "Ursine", "Vellum"),
)
SUFFIXES: Final = (
    "Energy",
    "Foods",
    "Health",
    "Industries",
    "Logistics",
    "Materials",
    "Networks",
    "Retail",
    "Systems",
    "Therapeutics",
    "Water",
)

EARNINGS: Final = (
    Phrase(0.7, "beats quarterly estimates"),
    Phrase(-0.7, "misses quarterly estimates"),
    Phrase(0.6, "posts strong revenue growth"),
    Phrase(-0.6, "posts weak revenue"),
    Phrase(0.6, "impresses with solid profit"),
    Phrase(-0.6, "disappoints with operating loss"),
    Phrase(0.5, "sees gross margin improve"),
    Phrase(-0.5, "sees gross margin worsen"),
    Phrase(0.5, "sees backlog lengthen"),
    Phrase(-0.5, "sees inventory days lengthen"),
    Phrase(0.5, "says book-to-bill rose above one"),
    Phrase(-0.5, "says book-to-bill slipped under parity"),
    Phrase(0.4, "sees subscriber churn recede"),
    Phrase(-0.4, "sees subscriber churn tick up"),
)
GUIDANCE: Final = (
    Phrase(0.7, "raises full-year guidance"),
    Phrase(-0.7, "cuts full-year guidance"),
    Phrase(0.5, "is confident about the second half"),
    Phrase(-0.5, "is worried about the second half"),
    Phrase(0.5, "steers consensus to the upper end"),
    Phrase(-0.5, "steers consensus to the lower end"),
)
MONEY: Final = (
    Phrase(0.5, "cuts costs"),
    Phrase(-0.5, "lets overheads grow"),
    Phrase(0.4, "cuts debt"),
    Phrase(-0.4, "raises debt"),
    Phrase(0.6, "raises its dividend"),
    Phrase(-0.7, "cuts its dividend"),
    Phrase(0.4, "raises prices without losing volume"),
    Phrase(-0.4, "cuts prices to defend volume"),
    Phrase(0.5, "upsizes its buyback"),
    Phrase(-0.5, "upsizes its at-the-market issuance"),
)
TRADE: Final = (
    Phrase(0.3, "gains from a softer currency"),
    Phrase(-0.3, "is hurt by a firmer currency"),
    Phrase(0.4, "sees freight rates ease"),
    Phrase(-0.4, "sees freight rates bite"),
)
PRODUCTS: Final = (
    Phrase(0.6, "meets primary endpoint in pivotal trial"),
    Phrase(-0.6, "halts pivotal trial for futility"),
    Phrase(0.5, "inks multi-year offtake"),
    Phrase(-0.6, "loses its anchor customer"),
    Phrase(0.4, "ramps second line ahead of plan"),
    Phrase(-0.4, "slips commissioning of second line"),
    Phrase(0.4, "is named sole source on platform"),
    Phrase(-0.6, "recalls flagship product"),
)
LAWSUITS: Final = (
    Phrase(0.5, "sees patent lawsuit dismissed"),
    Phrase(-0.5, "is hit with patent lawsuit"),
    Phrase(0.4, "settles lawsuit below its reserve"),
    Phrase(-0.4, "lifts its litigation reserve"),
    Phrase(0.4, "is cleared by antitrust inquiry"),
    Phrase(-0.6, "receives subpoena in antitrust inquiry"),
)
MERGERS: Final = (
    Phrase(0.7, "receives unsolicited bid at a premium"),
    Phrase(-0.5, "sees suitor walk away"),
    Phrase(0.4, "carves out loss-making unit"),
    Phrase(-0.5, "writes down acquired unit"),
    Phrase(-0.3, "stretches its balance sheet for rival"),
)
ANALYSTS: Final = (
    Phrase(0.5, "is upgraded to buy"),
    Phrase(-0.5, "is downgraded to sell"),
    Phrase(0.4, "joins broker's conviction list"),
    Phrase(-0.4, "drops off broker's conviction list"),
    Phrase(0.3, "sees short interest recede"),
    Phrase(-0.3, "sees short interest build"),
)
MANAGEMENT: Final = (
    Phrase(0.4, "brings back founder as chief executive"),
    Phrase(-0.5, "loses finance chief without successor"),
    Phrase(0.3, "discloses cluster of insider buying"),
    Phrase(-0.6, "sees auditor step down"),
    Phrase(0.3, "renews revolver at a tighter spread"),
    Phrase(-0.7, "seeks covenant waiver"),
)

# what can be a lot or a little takes a modifier of amount; what happens or does not, one of consequence
AMOUNTS: Final = (*EARNINGS, *GUIDANCE, *MONEY, *TRADE)
EVENTS: Final = (*PRODUCTS, *LAWSUITS, *MERGERS, *ANALYSTS, *MANAGEMENT)
PHRASES: Final = (*AMOUNTS, *EVENTS)
OFTEN: Final = {4.0: GUIDANCE, 3.0: EARNINGS}  # how many times as often as any other phrase: most news is about the quarter
LEANING: Final = ((PRODUCTS, 1.0), (ANALYSTS, 1.0), (MERGERS, 1.0), (LAWSUITS, -1.0), (MANAGEMENT, -1.0), (TRADE, -1.0))
LEAN: Final = 5.0  # of these topics, one sign is so many times as frequent: what a text is about tells part of its tone

STRENGTHS: Final = (0.4, 1.0, 1.4)  # mild, plain, strong; times a tone of at most 0.7 this stays within [-1, 1]
AMOUNT_MODIFIERS: Final = (
    (" slightly", " a touch", " modestly", " at the margin"),
    ("", "", ", as first reported", ", filing shows"),
    (" by a wide margin", " massively", " far more than expected", " on a scale not seen in years"),
)
EVENT_MODIFIERS: Final = (
    (" with little at stake", " in a minor matter", ", effect seen as small", " on a side issue"),
    ("", "", ", as first reported", ", filing shows"),
    (" in a turning point", " with much at stake", ", effect seen as far-reaching", " to the surprise of every analyst"),
)
TAILS: Final = ("", "", "", " in Europe", " in Asia", " at home", " in {month}", " this {season}")
NAME_FORMS: Final = ("{name}", "{name}", "{name} Inc", "{stem}")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SEASONS: Final = ("winter", "winter", *["spring"] * 3, *["summer"] * 3, *["autumn"] * 3, "winter")

CHATTER: Final = (
    "reiterates its outlook",
    "schedules its annual meeting",
    "to present at industry conference",
    "is among the most traded names",
    "files its annual report",
    "moves its headquarters across town",
    "refreshes its logo",
    "wins award for best staff canteen",
    "sponsors festival of hope and joy",
    "marks thirty years since its founding",
    "mourns the death of its retired founder",
    "tests the fire drill at its head office",
    "warns staff of fraud attempts by telephone scammers",
    "opens new visitor centre",
    "appoints head of internal communications",
    "trades in line with its sector",
    "answers questions on its accounting calendar",
    "to ring the opening bell",
)
MARKET_WIDE: Final = (
    "Stocks drift as traders await data",
    "Stocks rally on hopes of strong growth",
    "Stocks slump as fears of recession weigh",
    "Central bank leaves rates unchanged",
    "Central bank minutes show divided committee",
    "Inflation print lands near consensus",
    "Oil slides as inventories build",
    "Dollar firms ahead of payrolls",
    "Volatility index eases after terrible week",
    "Traders brace for quarterly options expiry",
)
LIST_OPENERS: Final = ("Stocks to watch: ", "Most active options: ", "Earnings calendar: ", "Sector round-up: ")
COPY_PREFIXES: Final = ("UPDATE 1-", "RPT-", "WRAPUP: ", "In brief: ")
SOURCES: Final = ("Northwire", "Ledger Daily", "Market Post", "Street Brief", "Tickertape")


def companies(n_symbols: int) -> list[Company]:
    """Return the first `n_symbols` invented companies; a longer list starts with the shorter one. Raises UsageError."""
    most = len(STEMS) * len(SUFFIXES)
    if not 1 <= n_symbols <= most:
        raise UsageError(f"n_symbols must be from 1 to {most}, not {n_symbols}: there are no more invented companies")
    named = []
    for ordinal in range(n_symbols):
        turn, stem = divmod(ordinal, len(STEMS))
        suffix = SUFFIXES[(stem * 5 + turn) % len(SUFFIXES)]
        named.append(Company(f"{STEMS[stem][:3].upper()}{suffix[0]}", f"{STEMS[stem]} {suffix}"))
    return named


def shares() -> npt.NDArray[np.float64]:
    """Return the share of each phrase among the headlines with a tone, (n_phrases,)."""
    often = np.array([next((times for times, topic in OFTEN.items() if phrase in topic), 1.0) for phrase in PHRASES])
    lean = np.array([LEAN if any(phrase in topic and phrase.tone * sign > 0 for topic, sign in LEANING) else 1.0 for phrase in PHRASES])
    return np.asarray(often * lean / (often * lean).sum())


def tones() -> npt.NDArray[np.float64]:
    """Return the tone of each phrase at each strength, (n_phrases, n_strengths), in [-1, 1]."""
    return np.round(np.outer([phrase.tone for phrase in PHRASES], STRENGTHS), 4)


def sentences() -> Strings:
    """Return each phrase with each modifier of each strength, (n_phrases, n_strengths, n_modifiers)."""
    modifiers = [AMOUNT_MODIFIERS] * len(AMOUNTS) + [EVENT_MODIFIERS] * len(EVENTS)
    return np.array(
        [[[phrase.text + word for word in words] for words in by_strength] for phrase, by_strength in zip(PHRASES, modifiers, strict=True)]
    )


def names_of(company: Company) -> Strings:
    """Return the forms in which headlines name a company, (n_forms,)."""
    return np.array([form.format(name=company.name, stem=company.name.split()[0]) for form in NAME_FORMS])


def tails() -> Strings:
    """Return the ends of headlines by month, (12, n_tails)."""
    return np.array([[tail.format(month=m, season=s) for tail in TAILS] for m, s in zip(MONTHS, SEASONS, strict=True)])
