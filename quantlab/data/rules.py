"""Rules: what the rows and files of a data set must keep, and what happens to what does not. The one list of them.

Reading a data set, `quantlab data check` and `--bad-rows quarantine` all go by it. What happens is one of:

| answer | in a run | with `--bad-rows quarantine` |
|---|---|---|
| `refused` | nothing runs until it is mended: the file or the whole is wrong, not a row | the same |
| `bad row` | nothing runs until it is mended | the row is set aside in quarantine.csv and counted |
| `left out` | the row says nothing, or nothing new: it is left out and counted | the same |
| `noted` | kept, counted, and said in the report | the same |

What is suspicious and not wrong is `noted`. The exception is a price that jumps by a factor of fifty: no weight rule survives what such
a slip of units earns, so it is refused, and a data set in which it really happened raises `largest_jump`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

Answer: TypeAlias = Literal["refused", "bad row", "left out", "noted"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
BadRows: TypeAlias = Literal["error", "quarantine"]

WIDENED = 0.005  # an open or close this far, as a fraction, outside [low, high] is rounding or another venue's print; beyond, an error
LONGEST_GAP_DAYS = 366  # without a bar of any symbol: longer, and the year of a stamp is wrong
STALE_BARS = 4  # the same bar, volume included, so many times in a row: a feed that stands still
FROZEN_BARS = 20  # the same close so many times in a row, whatever the volume: nobody quotes it any more
SPLITS = (2, 3, 4, 5, 7, 8, 10, 15, 20, 25, 30)  # shares for one, or one for so many; also what a decimal point in the wrong place makes
SPLIT_NEAR = 0.03  # of such a factor: how far an open may move besides
SLIP_BARS = 5  # a price that is back after so few bars was a slip, and no split
FEW_MIDNIGHTS = 0.01  # of the stamps: chance alone puts one in 1440 of them on the minute of midnight
LONG_BEFORE_DAYS = 31  # news that much older than the first bar are history, or have a mistyped year
MOST_BAD = 0.05  # of the rows of a table: with more of them the file is wrong, not the row
MOST_COLUMNS = 1000
LONGEST_SYMBOL = 100  # characters
LONG_TEXT_LENGTH = 100_000
UNPACKED_TIMES = 100  # a packed table that grows by more than this is no table, but a bomb
ISO = "write ISO 8601 with a zone, such as 2024-03-04T15:30:00Z"
DAY = "write YYYY-MM-DD, such as 2024-03-04"


@dataclass(frozen=True)
class Rule:
    """What is wrong and how to mend it; words in braces are filled in by `of`."""

    name: str
    answer: Answer
    message: str
    fix: str = ""

    def of(self, **words: object) -> Rule:
        """Return the rule with its blanks filled in."""
        return replace(self, message=self.message.format(**words), fix=self.fix.format(**words))


# the folder and its files
NO_BARS = Rule("no bars", "refused", "there are no bars in {folder}", "add bars.csv, bars.csv.gz, bars.parquet or a folder bars/")
TWO_TABLES = Rule("two tables", "refused", "there are {files}", "keep one of them")
NO_TABLE = Rule("no table", "refused", "not a table", "move it away, or save it as one of {kinds}")
NOT_READ = Rule("not read", "noted", "this file is not read: {others}")
MISNAMED = Rule("misnamed", "refused", "this file is not read, and there is no {stem}.csv", "rename it, or move it away")
EMPTY_FOLDER = Rule("empty folder", "refused", "the folder {stem}/ is empty", "put the {stem} there, or remove it")
NO_FILE = Rule("no file", "refused", "not a file but {kind}", "put a plain file there")
LINK_OUT = Rule(
    "link out", "refused", "a link that leads out of the data folder", "copy the file here, or point at the folder that it is in"
)
UNREADABLE = Rule("unreadable", "refused", "cannot be read{how}: {error}", "replace the file: it is damaged or not readable")
BOMB = Rule("bomb", "refused", f"unpacks to more than {UNPACKED_TIMES} times its size", "replace the file: no table packs as well as that")
ANOTHER_KIND = Rule("another kind", "refused", "the content is {kind}", "name the file after what it is, or save it as the name says")
NUL = Rule("NUL", "refused", "a byte 0: no text has one", "replace the file: it is damaged, or binary")
ENCODING = Rule("encoding", "refused", "not UTF-8 (byte 0x{byte})", "convert the file: only UTF-8 is read")
EMPTY_FILE = Rule("empty file", "refused", "the file is empty", "fill it or remove it")
CUT = Rule("cut", "noted", "the last line has no line break at its end: the file may have been cut short")

# its tables
DELIMITER = Rule("delimiter", "refused", "the columns are separated by {mark}", "write commas, and decimal points")
HEADER = Rule("header", "refused", "the header cannot be read: {error}", "write the names of the columns, separated by commas")
QUOTE = Rule("quote", "refused", "a quote that opens here is never closed, or in the middle of a cell", 'close it, and write "" within')
NOT_CSV = Rule("not CSV", "refused", "not a CSV table: {error}", "look for a quote that is never closed")
MANY_COLUMNS = Rule("many columns", "refused", f"more than {MOST_COLUMNS} columns", "write one row per bar or document")
MANY_BROKEN = Rule(
    "many broken rows", "refused", "hardly any row has as many cells as the header", "look at the delimiter and the decimals"
)
COLUMN_TWICE = Rule("column twice", "refused", "the column {name} stands twice in the header", "rename or remove one of them")
THREE_HEADERS = Rule(
    "three headers", "refused", "there are three lines of header (columns, tickers, date)", "write one: date,open,high,low,close,volume"
)
COLUMN_MISSING = Rule("column missing", "refused", "the column {names} is missing{near}", "add it; the columns are {columns}")
COLUMN_UNREAD = Rule("column not read", "noted", "columns that are not read: {names}")
OTHER_COLUMNS = Rule("other columns", "refused", "other columns than in {first}: {columns}", "give all files the same columns")
NO_TEXT_COLUMN = Rule(
    "no text", "refused", "holds {kind}, not text", "read it as text (dtype=str, keep_default_na=False): 000001, NA and TRUE are names"
)
BROKEN_ROW = Rule(
    "broken row", "bad row", "the row is too short or too long", "quote cells that hold commas, write decimal points, fill up short rows"
)
NOT_JSON = Rule("not JSON", "bad row", "not JSON", "write one object per line")
NO_OBJECT = Rule("no object", "bad row", "not a JSON object", 'write one object per line: {"published_at": ...}')

# stamps, named by themselves
EMPTY = Rule("stamp: empty", "bad row", "the stamp is empty", ISO)
NUMBER = Rule("stamp: number", "bad row", "a number is no date", f"its unit is anyone's guess; {ISO}")
SLASHES = Rule("stamp: day or month", "bad row", "day and month cannot be told apart", "write the year first: 2024-03-04")
OTHER = Rule("stamp: none", "bad row", "not a date or time", ISO)
IMPOSSIBLE = Rule("stamp: impossible", "bad row", "no such day or time", "correct it")
YEAR = Rule("stamp: year", "bad row", "the year is not within 1900-2099", "correct it")
NAIVE = Rule("stamp: naive", "bad row", "no time zone", "add Z or an offset such as -05:00, or declare `timezone` in dataset.toml")
SKIPPED = Rule(
    "stamp: skipped", "bad row", "this local time was skipped when the clocks went forward", "give it with its offset, such as -04:00"
)
TWICE = Rule("stamp: twice", "bad row", "this local time came twice when the clocks went back", "give it with its offset, such as -04:00")
DAY_ONLY = Rule("stamp: day", "bad row", "a date without a time", "give the time and zone, or say bar_stamp = 'session' in dataset.toml")
NO_SESSION_DATE = Rule(
    "stamp: instant", "bad row", "not the date of a session", "write YYYY-MM-DD, or say bar_stamp = 'open' or 'close' in dataset.toml"
)
STAMPS = {rule.name: rule for rule in (EMPTY, NUMBER, SLASHES, OTHER, IMPOSSIBLE, YEAR, NAIVE, SKIPPED, TWICE, DAY_ONLY, NO_SESSION_DATE)}

# bars
DATE_AND_TIME = Rule("date and time", "refused", "there are both a date and a time", "keep the one that bar_stamp speaks of")
NO_CALENDAR = Rule("no calendar", "refused", "{error}", "correct the dates or the calendar")
NO_SESSION = Rule("no session", "bad row", "{calendar} has no session on this day", "remove the row, or correct `calendar` in dataset.toml")
OFF_SESSION = Rule("off session", "noted", "bars on a day that is no session of {calendar}")
LOCAL_MIDNIGHTS = Rule("local midnights", "noted", "all stamps of {column} are midnights in {zone}: read as the dates of those days")
HOURS = Rule(
    "hours",
    "refused",
    "on most days bars lie outside the hours of {calendar}, and the other end of the day has none",
    "check `timezone` and `bar_stamp` in dataset.toml: bars of another zone, or opens taken for closes, trade on news too early or late",
)
SYMBOL = Rule(
    "symbol",
    "bad row",
    "not the symbol of one name",
    f"name one, without * and | and invisible signs, of at most {LONGEST_SYMBOL} characters",
)
NO_NUMBER = Rule(
    "no number", "bad row", "not a finite number", "write digits with a decimal point, without currency, thousands or percent signs"
)
NO_PRICE = Rule("no price", "left out", "bars without a price")
PART_PRICE = Rule("part price", "bad row", "prices are in part missing", "fill them in, or leave all four empty")
NO_VOLUME = Rule("no volume", "bad row", "the volume is missing", "write 0 if nothing was traded")
NOT_POSITIVE = Rule("not positive", "bad row", "a price is not positive", "fix the row or drop the symbol")
HIGH_LOW = Rule("high below low", "bad row", "high < low", "fix the row or drop the symbol")
NEGATIVE_VOLUME = Rule("negative volume", "bad row", "volume is negative", "fix the row or drop the symbol")
OUTSIDE = Rule("outside range", "bad row", "open or close lies outside [low, high]", "fix the row or drop the symbol")
WIDE_RANGE = Rule(
    "wide range", "bad row", "high is {jump:g} times low or more", "write all prices in one unit; if it happened, raise largest_jump"
)
WIDENED_BARS = Rule("range widened", "noted", f"bars: high or low moved by at most {WIDENED:.1%} to take in open and close")
NO_ADJUSTED = Rule("no adj_close", "bad row", "adj_close is missing or not positive", "fill it in, or remove the column")
ADJUSTED_TWICE = Rule(
    "adjusted twice",
    "refused",
    "adj_close differs from close, although all is said to be adjusted",
    "say adjusted = 'splits' or 'none' in dataset.toml, or remove the column",
)
UNADJUSTED = Rule("unadjusted", "noted", "prices are not adjusted for {missing}")
SAME_BAR = Rule("bar twice", "left out", "bars that stand twice")
OTHER_BAR = Rule("bars differ", "bad row", "another bar of the same time and symbol has other values", "keep the right one of them")
JUMP = Rule(
    "price jump",
    "refused",
    "the close is {jump:g} times that of the bar before, or more, or less than one over that",
    "write all prices in one unit, adjust for splits; if it happened, raise largest_jump in dataset.toml",
)
SPLIT = Rule(
    "split",
    "noted",
    "bars open at a whole multiple or fraction of the close before (2, 3, 4, 5, 10 ... times), as after a split that prices were not"
    " adjusted for: adjust them, or say adjusted = 'none' and give adj_close",
)
SLIP = Rule(
    "slip", "noted", f"bars where such a multiple or fraction begins or ends, within {SLIP_BARS} bars: a slip of the decimal point?"
)
GAP = Rule("gap", "refused", "no bar of any symbol for {days} days, {side} this one", "correct the year of the stamp, or drop the row")
STALE = Rule("stale", "noted", f"bars repeat those before them, volume included, {STALE_BARS} times or more: does the feed stand still?")
FROZEN = Rule("frozen", "noted", f"bars within runs of {FROZEN_BARS} or more with the same close: does the feed stand still?")
FILLED_UP = Rule(
    "filled up",
    "noted",
    f"bars at the end of their symbol repeat its last close {FROZEN_BARS} times or more, as where a delisting was filled up: remove them",
)
CASE = Rule("case", "noted", "symbols that differ in nothing but capitals count as several: {names}")
NO_BAR_LEFT = Rule("no bar left", "refused", "not a single bar is left", "add rows with prices")
MISSING_SESSIONS = Rule("missing sessions", "noted", "{missing} of {total} sessions have no bar of any symbol")

# the listing
UNLISTED = Rule("unlisted", "refused", "the symbol {name} of the bars is not listed{near}", "add it, or drop its bars")
SPELL = Rule("spell", "refused", "start lies after end", "exchange them")
LISTED_TWICE = Rule("listed twice", "refused", "the symbol is listed twice", "give each company a symbol of its own")
IDLE = Rule("idle", "noted", "{idle} symbols of {file} have no bars")
OUTSIDE_LISTING = Rule("outside listing", "left out", "bars outside their symbol's listing")

# documents
NOBODY = Rule("nobody", "bad row", "the symbol is empty", "name one, or write * for the whole market")
NO_WORDS = Rule("no words", "left out", "news without a text")
UNKNOWN_SYMBOL = Rule("unknown symbol", "left out", "news on a symbol that has no bars")
NEWS_ELSEWHERE = Rule(
    "news elsewhere",
    "refused",
    "{n} of {total} news on single names are on symbols that have no bars{example}",
    "name them as the bars do, several joined by |, or leave out news.csv",
)
NEWS_RESPELT = Rule(
    "news respelt", "noted", "{n} news are left out whose symbol the bars spell otherwise{example}: several are joined by |"
)
COPY = Rule("copy", "left out", "news with the same text as before on that symbol, within {window}")
NEAR_COPY = Rule(
    "near copy", "left out", "news with nearly the same text (similarity >= {similarity:g}) as before on that symbol, within {window}"
)
MIDNIGHTS = Rule("midnights", "noted", "{n} news stamps of {column} say midnight: read as days, known when the day has ended")
EXACT_MIDNIGHTS = Rule(
    "exact midnights", "noted", "{n} news stamps of {column} say exactly midnight: read as instants; if they are days, write the date alone"
)
LONG_TEXT = Rule("long text", "noted", f"news of more than {LONG_TEXT_LENGTH:,} characters: is each of them one document?")
AFTER_ALL = Rule("after all bars", "noted", "news after the last bar: no bar knows them")
BEFORE_ALL = Rule("before all bars", "noted", f"news of more than {LONG_BEFORE_DAYS} days before the first bar: are the years right?")

# dataset.toml
SETTING = Rule("setting", "refused", "{message}", "{fix}")  # a reading of dataset.toml words them
BENCHMARK = Rule("benchmark", "refused", "the benchmark {name} has no bars{near}", "name one of the symbols, or leave it out")
TOO_MANY = Rule(
    "too many bad rows", "refused", "{bad} of {total} rows of {table} are bad", f"mend the file: more than {MOST_BAD:.0%} are not set aside"
)
