"""Tone by a word list: VADER's with ours of financial English over it, or one that the user supplies, by VADER's rules.

1. The list is VADER's (Hutto & Gilbert, 2014), extended and overruled by ours of financial English, `finance_words.csv`:
   `beats` and `downgrade` are news, `gross` is no insult and `share` no kindness. A score of 0 there takes a word out.
2. A list of the user's own stands in the place of both. Either a table of `word,score` (from -4 to 4, as VADER's; `phrase` will do for
   `word`), or the master dictionary of Loughran & McDonald (2011) as they publish it: its words of the year's list count 2 and -2.
   (That dictionary may not be passed on with software; whoever has it names its path.)
3. A phrase (`guidance cut`, `short interest`) is joined into one word first, so that it counts as a whole.
4. VADER's rules do the rest: negation, intensifiers, `but`, emphasis. They compare each word with all others, so that a document of
   2 MB would take hours: of a text longer than a thousand words, the first thousand are read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from quantlab.errors import DataError, Problem, UsageError, nearest
from quantlab.text.tokens import plain

WORDS: Final = Path(__file__).with_name("finance_words.csv")
NEGATIONS = re.compile(r"\b(?:den(?:y|ies|ied)|(?:fail(?:s|ed)?|unable) to)\b", re.IGNORECASE)  # besides VADER's own: not, no, n't, without
STRONGEST: Final = 4.0  # on VADER's scale
LISTED: Final = 2.0  # of a word that Loughran & McDonald list, about the mean of VADER's
N_WORDS: Final = 1000  # of a text that are read
N_SHOWN: Final = 20  # problems of a list that are spelt out


def score(texts: Sequence[str], own: Mapping[str, float] | None = None) -> npt.NDArray[np.float32]:
    """Return tone in [-1, 1] and confidence in [0, 1] of each text, (n_texts, 2), each a pure function of that text.

    own: the phrases and scores of a list that stands in the place of VADER's and ours.
    """
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    if own is not None:
        analyzer.lexicon.clear()
        analyzer.emojis.clear()  # it would write each out in words, some of which the list may have
    join = _overrule(analyzer.lexicon, read_words(WORDS) if own is None else own)
    found = [analyzer.polarity_scores(_beginning(join(plain(text)))) for text in texts]
    return np.array([(one["compound"], min(1.0, one["pos"] + one["neg"])) for one in found], dtype=np.float32).reshape(-1, 2)


def _beginning(text: str) -> str:
    """Return a text as it is, or the words that are read of a long one."""
    words = text.split(maxsplit=N_WORDS)
    return text if len(words) <= N_WORDS else " ".join(words[:N_WORDS])


def read_words(path: Path) -> dict[str, float]:
    """Return the phrases of a word list in lower case, each with its score; DataError with the line of each that cannot be used."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"Sentiment: lexicon={str(path)!r} cannot be read ({error.strerror}): give the path of a CSV file") from error
    except UnicodeDecodeError as error:
        raise DataError(Problem("not UTF-8", "save it as UTF-8", file=path.name)) from error
    reader = csv.DictReader(io.StringIO(content, newline=""))
    columns = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    if {"word", "negative", "positive"} <= set(columns):
        rows = [(reader.line_num, row[columns["word"]], _listed(row, columns)) for row in reader]
    elif "score" in columns and (named := next((name for name in ("word", "phrase") if name in columns), None)):
        rows = [(reader.line_num, row[columns[named]], row[columns["score"]]) for row in reader]
    else:
        near = nearest("score", columns) if "word" in columns else nearest("word", columns)
        fix = "give the columns word and score, or those of Loughran and McDonald: Word, Negative, Positive"
        raise DataError(Problem(f"no word list: its columns are {', '.join(columns) or 'none'}{near}", fix, file=path.name, line=1))
    return _scored(rows, path.name)


def _listed(row: Mapping[str, str | None], columns: Mapping[str, str]) -> str | None:
    """Return the score of a row of Loughran & McDonald's: a cell holds the year a word was listed in, negative once it was removed."""
    try:
        good, bad = (float(row[columns[name]] or 0) > 0 for name in ("positive", "negative"))
    except (ValueError, TypeError):
        return None
    return str(LISTED * (good - bad))


def _scored(rows: Sequence[tuple[int, str | None, str | None]], file: str) -> dict[str, float]:
    """Return the words with their scores, none of 0 (in a list that overrules another, 0 takes a word out: kept there)."""
    found: dict[str, float] = {}
    problems = []
    for line, word, cell in rows:
        phrase = " ".join((word or "").lower().split())
        try:
            value = float(cell or "")
        except ValueError:
            value = np.nan
        if not phrase:
            problems.append(Problem("the word is empty", "fill it in or drop the line", file=file, line=line))
        elif not abs(value) <= STRONGEST:
            what, fix = f"the score of {phrase!r} is no number from -4 to 4", "correct it"
            problems.append(Problem(what, fix, file=file, line=line, value=cell or ""))
        elif found.get(phrase, value) != value:
            problems.append(Problem(f"{phrase!r} stands twice, with other scores", "keep one of them", file=file, line=line))
        found[phrase] = value
    if problems:
        more = [f"and {len(problems) - N_SHOWN} more problems"] if len(problems) > N_SHOWN else []
        raise DataError(*problems[:N_SHOWN], *more)
    if not any(found.values()):
        raise DataError(Problem("no word of it is good or bad", "give each word a score", file=file))
    return found


def _overrule(lexicon: dict[str, float], ours: Mapping[str, float]) -> Callable[[str], str]:
    """Put our words in the place of the lexicon's, and return the function that joins our phrases into words of that lexicon."""
    for phrase, value in ours.items():
        if value == 0:
            lexicon.pop(phrase, None)  # not 0: VADER adds emphasis to any listed word in capitals
        else:
            lexicon[phrase.replace(" ", "_")] = value
    phrases = sorted((phrase for phrase in ours if " " in phrase), key=lambda phrase: (-len(phrase), phrase))
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(_spaced, phrases))})(?![\w-])", re.IGNORECASE) if phrases else None

    def joined(text: str) -> str:
        """Return the text with each phrase as one word."""
        marked = pattern.sub(lambda match: re.sub("[ -]", "_", match.group()), text) if pattern else text
        return NEGATIONS.sub("not", marked)

    return joined


def _spaced(phrase: str) -> str:
    """Return a pattern of the phrase, its words apart or hyphenated."""
    return "[ -]".join(map(re.escape, phrase.split(" ")))
