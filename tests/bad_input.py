"""Bad input: what a data folder can get wrong, one case each, and what quantlab must answer. `python tests/bad_input.py` writes the page.

A case breaks a good folder of 40 sessions and 4 symbols. `code` is the exit code of a backtest, `says` what its message, or for a run
the notes and counts of its data, must hold; `aside` is what `--bad-rows quarantine` makes of it: the exit code again.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from quantlab.cli import main
from quantlab.data import examine
from quantlab.dataset import Dataset
from quantlab.errors import DataError
from quantlab.run import Settings, run
from quantlab.strategy import load_strategy
from quantlab.synthetic import make_market, write_dataset

PAGE = Path(__file__).resolve().parents[1] / "docs" / "bad_input.md"
OTHER_HALF = "\n## Bad strategy files\n"  # of the page: written by hand
STRATEGY = '''"""Tone and momentum in a ridge regression, quick."""
from quantlab import ForwardReturn, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment
from quantlab.weights import long_short


def features(bars, news):
    return panel(momentum_2=momentum(bars.close, 2), news=known_news(news, bars))


strategy = Strategy(
    name="tiny",
    features=features,
    target=ForwardReturn(horizon=1),
    model=with_text(ridge_regressor(), Sentiment()),
    weights=long_short,
    folds=WalkForward(train=15, test=10, min_train=10),
)
'''
HEADER = "published_at,symbol,text,source,id\n"
NEWS = '{"published_at": "2021-01-05T15:00:00Z", "symbol": "ALDE", "text": "Profit rises"}\n'
ALDE, BRAM, CINW, DOVL = "ALDE", "BRAM", "CINW", "DOVL"


@dataclass(frozen=True)
class Case:
    """One way to break a folder, and the answer."""

    title: str
    breaks: Callable[[Path], object]
    code: int
    says: tuple[str, ...]
    aside: int | None = None  # as `code` unless said otherwise


@dataclass(frozen=True)
class Answer:
    """What came back: the exit code and the words, the exit code with quarantine, seconds of the processor, and what was found."""

    code: int
    words: str
    aside: int
    seconds: float
    untouched: bool
    rules: frozenset[str] = frozenset()


# --- how to break a folder


def lines(path: Path, file: str = "bars.csv") -> list[str]:
    """Return the lines of a file, without their ends."""
    return (path / file).read_text().splitlines()


def put(path: Path, file: str, content: str | bytes) -> None:
    """Write a file, and its folder."""
    target = path / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())


def cell(column: str, value: str, *, row: int = 6, file: str = "bars.csv") -> Callable[[Path], None]:
    """Return what changes one cell; row 1 is the header."""

    def broken(path: Path) -> None:
        every = lines(path, file)
        cells = every[row - 1].split(",")
        cells[every[0].split(",").index(column)] = value
        every[row - 1] = ",".join(cells)
        put(path, file, "\n".join(every) + "\n")

    return broken


def line(text: Callable[[str], str], *, row: int = 6, file: str = "bars.csv") -> Callable[[Path], None]:
    """Return what changes one line."""

    def broken(path: Path) -> None:
        every = lines(path, file)
        every[row - 1] = text(every[row - 1])
        put(path, file, "\n".join(every) + "\n")

    return broken


def whole(text: Callable[[str], str | bytes], *, file: str = "bars.csv") -> Callable[[Path], None]:
    """Return what changes a whole file."""
    return lambda path: put(path, file, text((path / file).read_text()))


def added(content: str, *, file: str = "bars.csv") -> Callable[[Path], None]:
    """Return what adds to the end of a file."""
    return whole(lambda text: text + content, file=file)


def news(*rows: str) -> Callable[[Path], None]:
    """Return what adds documents (stamp, symbol, text)."""
    return added("".join(f"{row},x,x{number}\n" for number, row in enumerate(rows)), file="news.csv")


def packed(name: str, content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what replaces bars.csv by another file made of it."""

    def broken(path: Path) -> None:
        put(path, name, content((path / "bars.csv").read_bytes()))
        (path / "bars.csv").unlink()

    return broken


def replaced(file: str, by: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what puts something else in the place of a file."""

    def broken(path: Path) -> None:
        (path / file).unlink(missing_ok=True)
        by(path / file)

    return broken


def table(change: Callable[[pd.DataFrame], pd.DataFrame], *, file: str = "bars.csv", to: str | None = None) -> Callable[[Path], None]:
    """Return what changes a file as a table of text; `to` writes Parquet instead."""

    def broken(path: Path) -> None:
        frame = change(pd.read_csv(path / file, dtype=str, keep_default_na=False))
        if to is None:
            frame.to_csv(path / file, index=False)
        else:
            (path / file).unlink()
            frame.to_parquet(path / to)

    return broken


def scaled(
    by: float, *, since: str, until: str = "9999", columns: tuple[str, ...] = ("open", "high", "low", "close")
) -> Callable[[Path], None]:
    """Return what multiplies prices of ALDE over a span."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        part = (frame["symbol"] == ALDE) & (frame["date"] >= since) & (frame["date"] <= until)
        return frame.assign(**{name: frame[name].mask(part, (frame[name].astype(float) * by).astype(str)) for name in columns})

    return table(change)


def still(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return bars in which those of each symbol are the first, n times over."""
    values = ["open", "high", "low", "close", "volume"]
    nth = frame.groupby("symbol").cumcount()
    first = frame.groupby("symbol")[values].transform("first")
    return frame.assign(**{name: frame[name].mask(nth < n, first[name]) for name in values})


def with_hours(first: str, n_bars: int, settings: str) -> Callable[[Path], None]:
    """Return what makes hourly bars of the daily ones, the first of each day stamped `first`, and declares what they are."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        parts = [
            frame.assign(date=(pd.to_datetime(frame["date"] + " " + first) + pd.Timedelta(hours=hour)).astype(str))
            for hour in range(n_bars)
        ]
        return pd.concat(parts).rename(columns={"date": "time"})

    return then(table(change), whole(lambda text: text.replace('bar_stamp = "session"', settings), file="dataset.toml"))


def respelt(change: Callable[[str], str], *, every: int = 1) -> Callable[[Path], None]:
    """Return what changes the symbols of the news, or of one in so many."""
    return table(
        lambda f: f.assign(symbol=[change(name) if row % every == 0 else name for row, name in enumerate(f["symbol"])]), file="news.csv"
    )


def repeated(frame: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    """Return bars in which ALDE has the same prices, and no volume, from a day to another."""
    part = (frame["symbol"] == ALDE) & (frame["date"] >= first) & (frame["date"] <= last)
    price = frame.loc[part, "close"].iloc[0]
    return frame.assign(
        **{name: frame[name].mask(part, price) for name in ("open", "high", "low", "close")}, volume=frame["volume"].mask(part, "0")
    )


def renamed(new: str) -> Callable[[Path], None]:
    """Return what gives ALDE another name, everywhere."""

    def broken(path: Path) -> None:
        for file in ("bars.csv", "news.csv", "symbols.csv"):
            table(lambda frame: frame.assign(symbol=frame["symbol"].str.replace(ALDE, new, regex=False)), file=file)(path)

    return broken


def toml(text: str) -> Callable[[Path], None]:
    """Return what adds lines to dataset.toml."""
    return added(text, file="dataset.toml")


def per_symbol(path: Path) -> None:
    """Put the bars into a folder, one file each."""
    frame = pd.read_csv(path / "bars.csv", dtype=str)
    (path / "bars.csv").unlink()
    for name, part in frame.groupby("symbol"):
        put(path, f"bars/{name}.csv", part.drop(columns="symbol").to_csv(index=False))


def then(*steps: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what does one thing after the other."""

    def broken(path: Path) -> None:
        for step in steps:
            step(path)

    return broken


def zipped(content: bytes) -> bytes:
    """Return a zip archive of two members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.csv", content)
    return out.getvalue()


def halves(content: bytes) -> bytes:
    """Return a gzip file of two members."""
    cut = content.index(b"\n", len(content) // 2) + 1
    return gzip.compress(content[:cut], mtime=0) + gzip.compress(content[cut:], mtime=0)


def bomb() -> bytes:
    """Return 30 kB that unpack to 30 MB of one letter."""
    return gzip.compress(b"date,symbol\n" + b"a" * 30_000_000, 9, mtime=0)


def runs_of_one(path: Path) -> None:
    """Write a small Parquet file of 20 million cells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    group = pa.table(
        {name: pa.DictionaryArray.from_arrays(pa.array([0]).take(pa.array([0] * 1_000_000)), ["2021-01-04"]) for name in ("date", "symbol")}
    )
    with pq.ParquetWriter(path, group.schema, compression="zstd") as file:
        for _ in range(10):
            file.write_table(group)


# --- the table

NOT_A_SESSION = "XNYS has no session on this day"
NO_NUMBER = "not a finite number"

CASES: dict[str, Case] = {
    # shape of the tables
    "column-missing": Case(
        "a column is missing", table(lambda f: f.drop(columns="volume")), 3, ("bars.csv", "the column 'volume' is missing")
    ),
    "column-misspelt": Case(
        "a column is misspelt", whole(lambda t: t.replace("volume", "volum", 1)), 3, ("'volume' is missing (did you mean 'volum'?)",)
    ),
    "column-twice": Case(
        "a column twice", whole(lambda t: t.replace("high", "low", 1)), 3, ("the column 'low' stands twice in the header",)
    ),
    "date-and-time": Case("both a date and a time", table(lambda f: f.assign(time=f["date"])), 3, ("there are both a date and a time",)),
    "column-near-miss": Case(
        "an optional column is misspelt",
        table(lambda f: f.assign(adjclose=f["close"])),
        0,
        ("columns that are not read: adjclose (did you mean 'adj_close'?) (first: bars.csv)",),
    ),
    "semicolons": Case("semicolons", whole(lambda t: t.replace(",", ";")), 3, ("bars.csv, line 1", "separated by ';'", "write commas")),
    "tabs": Case("tabs", whole(lambda t: t.replace(",", "\t")), 3, ("bars.csv, line 1", "separated by '\\t'")),
    "european": Case("semicolons and decimal commas", whole(lambda t: t.replace(",", ";").replace(".", ",")), 3, ("separated by ';'",)),
    "decimal-commas": Case(
        "decimal commas", whole(lambda t: t.replace(".", ",")), 3, ("line 2: the row is too short or too long", "write decimal points")
    ),
    "decimal-comma": Case(
        "one decimal comma, quoted", cell("close", '"10,5"'), 3, ("bars.csv, line 6, column close", NO_NUMBER, "'10,5'"), 0
    ),
    "thousands": Case("thousands separators", cell("volume", '"1,000"'), 3, ("line 6, column volume", NO_NUMBER, "'1,000'"), 0),
    "currency": Case("a currency sign", cell("open", "$12"), 3, ("line 6, column open", NO_NUMBER, "'$12'", "without currency"), 0),
    "no-number": Case("n/a for a price", cell("close", "n/a"), 3, ("line 6, column close", NO_NUMBER, "'n/a'"), 0),
    "latin-1": Case(
        "Latin-1", whole(lambda t: t.replace(DOVL, "DÖVL").encode("latin-1")), 3, ("bars.csv, line 5", "not UTF-8 (byte 0xd6)")
    ),
    "utf-16": Case("UTF-16", whole(lambda t: t.encode("utf-16")), 3, ("bars.csv: the content is UTF-16, not UTF-8",)),
    "bom-crlf": Case("a byte-order mark and Windows line ends", whole(lambda t: "\ufeff" + t.replace("\n", "\r\n")), 0, ("144 bars",)),
    "mac": Case("line ends of an old Mac", whole(lambda t: t.replace("\n", "\r")), 0, ("144 bars",)),
    "blank-lines": Case("blank lines", whole(lambda t: t.replace("\n", "\n\n")), 0, ("144 bars",)),
    "row-numbers": Case(
        "a column of row numbers without a name",
        whole(lambda t: "".join(f"{i or ''},{x}\n" for i, x in enumerate(t.split()))),
        0,
        ("144 bars",),
    ),
    "nul": Case("a NUL byte", cell("close", "10\0"), 3, ("bars.csv, line 6", "a byte 0")),
    "nul-text": Case("a NUL byte in a text", news("2021-01-06T15:00:00Z,ALDE,a\0b"), 3, ("news.csv, line", "a byte 0")),
    "short-row": Case("a short row", line(lambda t: t.rpartition(",")[0]), 3, ("line 6: the row is too short", "6 cells instead of 7"), 0),
    "long-row": Case("a long row", line(lambda t: t + ",1"), 3, ("line 6: the row is too short or too long", "8 cells instead of 7"), 0),
    "open-quote": Case(
        "a quote that is never closed", line(lambda t: t.replace(BRAM, '"BRAM'), row=7), 3, ("line 7: a quote that opens here",)
    ),
    "swallowing-quote": Case(
        "a quote that swallows rows up to the next one",
        added('2021-01-06T15:00:00Z,ALDE,"one,x,y1\n2021-01-06T15:00:00Z,ALDE,"two",x,y2\n', file="news.csv"),
        3,
        ("a quote that opens here is never closed, or in the middle of a cell", "'\"one,x,y1"),
    ),
    "cut-row": Case("the last line cut short", whole(lambda t: t[:-25]), 3, ("line 145: the row is too short",), 0),
    "cut-cell": Case("the last cell cut short", whole(lambda t: t[:-3]), 0, ("the file may have been cut short",)),
    "header-only": Case("a header alone", whole(lambda t: t.splitlines()[0] + "\n"), 3, ("bars.csv: not a single bar is left",)),
    "empty-file": Case("an empty file", whole(lambda _: ""), 3, ("bars.csv: the file is empty",)),
    "blank-file": Case("nothing but blanks", whole(lambda _: " \n \n"), 3, ("bars.csv: the file is empty",)),
    "no-news-rows": Case("news with a header alone", whole(lambda _: HEADER, file="news.csv"), 0, ("144 bars", "0 documents")),
    "huge-header": Case(
        "a header of 2000 columns", whole(lambda t: ",".join(f"c{i}" for i in range(2000)) + "\n" + t), 3, ("more than 1000 columns",)
    ),
    "long-header": Case(
        "a header of 1 MB", whole(lambda t: "x" * 1_000_000 + "\n" + t), 3, ("bars.csv, line 1: the header cannot be read",)
    ),
    # prices
    "inf": Case("inf", cell("high", "inf"), 3, ("line 6, column high", NO_NUMBER, "'inf'"), 0),
    "overflow": Case("1e400", cell("high", "1e400"), 3, ("line 6, column high", NO_NUMBER, "'1e400'"), 0),
    "zero-price": Case("a price of zero", cell("low", "0"), 3, ("line 6: a price is not positive",), 0),
    "negative-price": Case("a negative price", cell("low", "-3"), 3, ("line 6: a price is not positive",), 0),
    "negative-volume": Case("a negative volume", cell("volume", "-1"), 3, ("line 6: volume is negative",), 0),
    "high-low": Case("high < low", cell("high", "1.5"), 3, ("line 6: high < low",), 0),
    "outside": Case(
        "a close above the high", then(cell("high", "50"), cell("close", "60")), 3, ("line 6: open or close lies outside [low, high]",), 0
    ),
    "part-price": Case("one price missing", cell("close", ""), 3, ("line 6: prices are in part missing", "leave all four empty"), 0),
    "no-price": Case(
        "all prices missing", line(lambda t: t[:16] + ",,,,"), 0, ("1 bars without a price (bars.csv:6 ALDE 2021-01-05)", "143 bars")
    ),
    "no-volume": Case("no volume", cell("volume", ""), 3, ("line 6: the volume is missing", "write 0"), 0),
    "cents": Case(
        "prices in cents from a day on",
        scaled(100, since="2021-02-01"),
        3,
        ("column close: the close is 50 times", "ALDE 2021-02-01", "largest_jump"),
    ),
    "one-bar-in-cents": Case(
        "one bar in cents", scaled(100, since="2021-02-01", until="2021-02-01"), 3, ("the close is 50 times", "ALDE 2021-02-02")
    ),
    "high-in-cents": Case(
        "a high in cents", scaled(100, since="2021-02-01", until="2021-02-01", columns=("high",)), 3, ("high is 50 times low or more",), 0
    ),
    "allowed-jump": Case(
        "the same, with a larger largest_jump",
        then(scaled(100, since="2021-02-01"), toml("largest_jump = 1000\n")),
        0,
        ("144 bars",),
    ),
    "stale": Case(
        "a feed that stands still for ten bars", table(lambda f: still(f, 10)), 0, ("28 bars repeat those before them, volume included",)
    ),
    "constant": Case("prices and volumes that never change", table(lambda f: still(f, 99)), 0, ("132 bars repeat those before them",)),
    "bar-twice": Case(
        "a bar twice, the same", whole(lambda t: t + t.splitlines()[5] + "\n"), 0, ("1 bars that stand twice (bars.csv:146",)
    ),
    "bars-differ": Case(
        "a bar twice, and different",
        added("2021-01-05,ALDE,42,43,41,42,5\n"),
        3,
        ("line 6: another bar of the same time and symbol has other values", "line 146: another bar"),
        0,
    ),
    "widened": Case("a close a little above the high", cell("close", "42.2"), 0, ("1 bars: high or low moved by at most 0.5% to take in",)),
    "no-adjusted": Case(
        "no adj_close in one row",
        then(
            table(lambda f: f.assign(adj_close=f["close"].mask(f.index == 4, ""))),
            whole(lambda t: t.replace('"all"', '"splits"'), file="dataset.toml"),
        ),
        3,
        ("line 6: adj_close is missing or not positive",),
        0,
    ),
    "adjusted-twice": Case(
        "an adj_close beside prices that are said to be adjusted",
        table(lambda f: f.assign(adj_close=(f["close"].astype(float) / 2).astype(str))),
        3,
        ("line 2: adj_close differs from close, although all is said to be adjusted", "say adjusted = 'splits'"),
    ),
    "unadjusted": Case(
        "prices that are adjusted for nothing",
        whole(lambda t: t.replace('"all"', '"none"'), file="dataset.toml"),
        0,
        ("prices are not adjusted for dividends or splits (returns jump where there was one)",),
    ),
    "split": Case(
        "a split of four for one that prices are not adjusted for",
        scaled(4, since="2021-01-01", until="2021-01-29"),
        0,
        ("1 bars open at a whole multiple or fraction of the close before", "as after a split"),
    ),
    "slip": Case(
        "a decimal point in the wrong place for a day",
        scaled(10, since="2021-02-01", until="2021-02-01"),
        0,
        ("2 bars where such a multiple or fraction begins or ends, within 5 bars: a slip",),
    ),
    "frozen": Case(
        "a price that nobody quotes for a month",
        table(lambda f: repeated(f, "2021-01-05", "2021-02-05")),
        0,
        ("22 bars within runs of 20 or more with the same close",),
    ),
    "filled-up": Case(
        "a delisting that was filled up with the last price",
        table(lambda f: repeated(f, "2021-01-20", "2099")),
        0,
        ("bars at the end of their symbol repeat its last close 20 times or more, as where a delisting was filled up",),
    ),
    # days and stamps
    "holiday": Case(
        "a bar on a holiday", added("2021-01-18,ALDE,42,43,41,42,5\n"), 3, ("line 146, column date", NOT_A_SESSION, "'2021-01-18'"), 0
    ),
    "weekend": Case("a bar on a Saturday", added("2021-01-16,ALDE,42,43,41,42,5\n"), 3, ("line 146, column date", NOT_A_SESSION), 0),
    "future-bar": Case(
        "a bar of the year 2087", added("2087-01-16,ALDE,42,43,41,42,5\n"), 3, ("line 146: no bar of any symbol for", "ALDE 2087-01-16")
    ),
    "past-bar": Case(
        "a bar of the year 1921", added("1921-01-07,ALDE,42,43,41,42,5\n"), 3, ("line 146: no bar of any symbol for", "after this one")
    ),
    "far-future-bar": Case(
        "a bar of the year 9999", added("9999-01-04,ALDE,42,43,41,42,5\n"), 3, ("line 146", "the year is not within 1900-2099"), 0
    ),
    "impossible-date": Case("30 February", cell("date", "2021-02-30"), 3, ("line 6, column date: no such day or time", "'2021-02-30'"), 0),
    "us-date": Case("dates such as 01/05/2021", cell("date", "01/05/2021"), 3, ("day and month cannot be told apart", "2024-03-04"), 0),
    "excel-date": Case("a spreadsheet's day number", cell("date", "44201"), 3, ("line 6, column date: a number is no date", "'44201'"), 0),
    "empty-date": Case("no date", cell("date", ""), 3, ("line 6, column date: the stamp is empty",), 0),
    "instant": Case(
        "an instant where a session is named",
        cell("date", "2021-01-05T21:00:00Z"),
        3,
        ("line 6, column date: not the date of a session",),
        0,
    ),
    "unsorted": Case("rows in any order", table(lambda f: f.sample(frac=1, random_state=1)), 0, ("144 bars",)),
    "off-hours": Case(
        "a bar that ends on a Saturday",
        then(
            whole(lambda t: t.replace("date", "time", 1).replace(",ALDE", "T21:00:00Z,ALDE").replace(",BRAM", "T21:00:00Z,BRAM")),
            whole(lambda t: t.replace(",CINW", "T21:00:00Z,CINW").replace(",DOVL", "T21:00:00Z,DOVL")),
            added("2021-01-16T21:00:00Z,ALDE,42,43,41,42,5\n"),
            whole(lambda t: t.replace("session", "close"), file="dataset.toml"),
        ),
        0,
        ("1 bars on a day that is no session of XNYS",),
    ),
    "local-midnights": Case(
        "sessions as local midnights, `2021-01-04 00:00:00-05:00`",
        table(lambda f: f.assign(date=f["date"] + " 00:00:00-05:00")),
        0,
        ("144 bars", "all stamps of 'date' are midnights in America/New_York: read as the dates of those days"),
    ),
    "one-local-midnight": Case(
        "one of them among dates", cell("date", "2021-01-05 00:00:00-05:00"), 3, ("line 6, column date: not the date of a session",), 0
    ),
    "compact-date": Case("dates such as 20210105", cell("date", "20210105"), 3, ("a number is no date", "write YYYY-MM-DD"), 0),
    "opens": Case(
        "hourly bars", with_hours("09:30", 7, 'bar_stamp = "open"\nbar_length = "1h"\ntimezone = "America/New_York"'), 0, ("1008 bars",)
    ),
    "long-hours": Case(
        "bars before the open and after the close as well",
        with_hours("04:00", 16, 'bar_stamp = "open"\nbar_length = "1h"\ntimezone = "America/New_York"'),
        0,
        ("2304 bars",),
    ),
    "closes-as-opens": Case(
        "stamps of the close that are said to be opens",
        with_hours("10:30", 7, 'bar_stamp = "open"\nbar_length = "1h"\ntimezone = "America/New_York"'),
        3,
        ("bars lie outside the hours of XNYS", "2021-01-04: bars 10:30-17:30, session 09:30-16:00", "check `timezone` and `bar_stamp`"),
    ),
    "opens-as-closes": Case(
        "stamps of the open that are said to be closes",
        with_hours("09:30", 7, 'bar_stamp = "close"\ntimezone = "America/New_York"'),
        3,
        ("bars lie outside the hours of XNYS", "2021-01-04: bars 08:30-15:30"),
    ),
    "local-as-utc": Case(
        "local times that are said to be UTC",
        with_hours("09:30", 7, 'bar_stamp = "open"\nbar_length = "1h"\ntimezone = "UTC"'),
        3,
        ("bars lie outside the hours of XNYS", "2021-01-04: bars 04:30-11:30"),
    ),
    "far-zone": Case(
        "local times of the other side of the world",
        with_hours("09:30", 7, 'bar_stamp = "open"\nbar_length = "1h"\ntimezone = "Asia/Tokyo"'),
        3,
        ("bars lie outside the hours of XNYS",),
    ),
    "naive-news": Case(
        "a stamp without a zone", news("2021-01-06T15:00:00,ALDE,a b"), 3, ("column published_at: no time zone", "declare `timezone`"), 0
    ),
    "mixed-news": Case(
        "stamps of several zones",
        news("2021-01-06T15:00:00Z,ALDE,a b", "2021-01-06T10:00:00-05:00,ALDE,c d", "2021-01-06,ALDE,e f"),
        0,
        ("144 bars",),
    ),
    "epoch-news": Case(
        "seconds since 1970", news("1609945200,ALDE,a b"), 3, ("column published_at: a number is no date", "'1609945200'"), 0
    ),
    "epoch-ms-news": Case("milliseconds since 1970", news("1609945200000,ALDE,a b"), 3, ("a number is no date",), 0),
    "impossible-news": Case("25 o'clock", news("2021-01-06T25:00:00Z,ALDE,a b"), 3, ("no such day or time", "2021-01-06T25:00:00Z"), 0),
    "skipped-hour": Case(
        "an hour that the clocks skip",
        then(news("2021-03-14T02:30:00,ALDE,a b"), toml('timezone = "America/New_York"\n')),
        3,
        ("this local time was skipped when the clocks went forward",),
        0,
    ),
    "hour-twice": Case(
        "an hour that comes twice",
        then(news("2021-11-07T01:30:00,ALDE,a b"), toml('timezone = "America/New_York"\n')),
        3,
        ("this local time came twice when the clocks went back",),
        0,
    ),
    "day-for-close": Case(
        "dates where the end of a bar is meant",
        whole(lambda t: t.replace("session", "close"), file="dataset.toml"),
        3,
        ("line 2, column date: a date without a time", "bar_stamp = 'session'"),
    ),
    "midnights": Case(
        "days that were turned into midnights",
        table(lambda f: f.assign(published_at=f["published_at"].str[:10] + "T00:00:00Z"), file="news.csv"),
        0,
        ("news stamps of 'published_at' say midnight: read as days, known when the day has ended",),
    ),
    "some-midnights": Case(
        "some days among the instants",
        table(
            lambda f: f.assign(published_at=f["published_at"].mask(f.index % 10 == 0, f["published_at"].str[:10] + "T00:00:00Z")),
            file="news.csv",
        ),
        0,
        ("news stamps of 'published_at' say exactly midnight: read as instants; if they are days, write the date alone",),
    ),
    "calendar-reach": Case(
        "days before the calendar begins",
        then(added("1985-01-07,ALDE,42,43,41,42,5\n"), whole(lambda t: t.replace("XNYS", "XSHG"), file="dataset.toml")),
        3,
        ("the calendar XSHG cannot be had from 1985-01-07",),
    ),
    "future-news": Case(
        "news of the year 2087",
        news("2087-01-06T15:00:00Z,ALDE,a b"),
        0,
        ("1 news after the last bar: no bar knows them",),
    ),
    "past-news": Case(
        "news of the year 1921", news("1921-01-06T15:00:00Z,ALDE,a b"), 0, ("1 news of more than 31 days before the first bar",)
    ),
    "words-for-a-date": Case("yesterday", news("yesterday,ALDE,a b"), 3, ("column published_at: not a date or time", "'yesterday'"), 0),
    # symbols
    "ticker-NA": Case("a ticker NA", renamed("NA"), 0, ("144 bars", "symbols BRAM CINW DOVL NA")),
    "ticker-TRUE": Case("a ticker TRUE", renamed("TRUE"), 0, ("symbols BRAM CINW DOVL TRUE",)),
    "ticker-000001": Case("a ticker 000001", renamed("000001"), 0, ("symbols 000001 BRAM CINW DOVL",)),
    "ticker-slash": Case("a ticker BRK/B", renamed("BRK/B"), 0, ("symbols BRAM BRK/B CINW DOVL",)),
    "ticker-path": Case("a ticker ../../x", renamed("../../x"), 0, ("symbols ../../x BRAM CINW DOVL",)),
    "ticker-formula": Case("a ticker =1+1", renamed("=1+1"), 0, ("symbols =1+1 BRAM CINW DOVL",)),
    "ticker-empty": Case("no symbol", cell("symbol", ""), 3, ("line 6, column symbol: not the symbol of one name",), 0),
    "ticker-two": Case(
        "two symbols in a bar", cell("symbol", "ALDE|BRAM"), 3, ("column symbol: not the symbol of one name", "'ALDE|BRAM'"), 0
    ),
    "ticker-invisible": Case(
        "an invisible sign in a symbol", cell("symbol", "ALDE\u200b"), 3, ("not the symbol of one name", "ALDE\\\\u200b"), 0
    ),
    "ticker-long": Case(
        "a symbol of 2000 letters", cell("symbol", "A" * 2000), 3, ("not the symbol of one name", "at most 100 characters"), 0
    ),
    "ticker-number": Case(
        "symbols as numbers in Parquet",
        table(lambda f: f.assign(symbol=range(len(f))), to="bars.parquet"),
        3,
        ("column symbol: holds integer, not text", "000001, NA and TRUE are names"),
    ),
    "listed-without-bars": Case(
        "a listed symbol without bars", added("ZZZ,Zed\n", file="symbols.csv"), 0, ("1 symbols of symbols.csv have no bars",)
    ),
    "unlisted": Case(
        "a symbol that is not listed",
        whole(lambda t: t.replace("DOVL", "DOVE"), file="symbols.csv"),
        3,
        ("'DOVL' of the bars is not listed", "'DOVE'"),
    ),
    "listed-twice": Case(
        "a symbol listed twice", added("ALDE,Other\n", file="symbols.csv"), 3, ("symbols.csv, line 6, column symbol", "listed twice")
    ),
    "listing-dates": Case(
        "a listing that ends before it starts",
        whole(lambda _: "symbol,start,end\nALDE,2021-02-01,2021-01-01\nBRAM,,\nCINW,,\nDOVL,,\n", file="symbols.csv"),
        3,
        ("symbols.csv, line 2, column start: start lies after end",),
    ),
    "delisted": Case(
        "bars after the end of a listing",
        whole(lambda _: "symbol,end\nALDE,2021-02-01\nBRAM,\nCINW,\nDOVL,\n", file="symbols.csv"),
        0,
        ("bars outside their symbol's listing (bars.csv:",),
    ),
    "listing-stamp": Case(
        "a listing with a date that is none",
        whole(lambda _: "symbol,start\nALDE,soon\nBRAM,\nCINW,\nDOVL,\n", file="symbols.csv"),
        3,
        ("symbols.csv, line 2, column start: not a date or time (value 'soon')",),
    ),
    "listing-columns": Case(
        "a listing without symbols", whole(lambda _: "ticker,name\nA,b\n", file="symbols.csv"), 3, ("symbols.csv", "'symbol' is missing")
    ),
    "unknown-symbol": Case(
        "news on a symbol without bars", news("2021-01-06T15:00:00Z,ZZZ,a b"), 0, ("1 news on a symbol that has no bars",)
    ),
    "unknown-symbols": Case(
        "news on nothing but symbols without bars", respelt(lambda _: "ZZZ"), 3, ("108 of 108 news on single names are on symbols that",)
    ),
    "news-in-small": Case(
        "news whose symbols are in small letters",
        respelt(str.lower),
        3,
        ("news.csv: 106 of 106 news on single names are on symbols that have no bars ('alde': did you mean 'ALDE'?)",),
    ),
    "news-dollar": Case("news on $ALDE", respelt(lambda name: "$" + name), 3, ("('$ALDE': did you mean 'ALDE'?)",)),
    "bars-suffix": Case(
        "bars of ALDE.N, news on ALDE",
        then(table(lambda f: f.assign(symbol=f["symbol"] + ".N")), replaced("symbols.csv", lambda _: None)),
        3,
        ("106 of 106 news", "('ALDE': did you mean 'ALDE.N'?)"),
    ),
    "news-commas": Case(
        "some news on `ALDE, BRAM` instead of `ALDE\\|BRAM`",
        respelt(lambda _: "ALDE, BRAM", every=4),
        0,
        ("27 news are left out whose symbol the bars spell otherwise ('ALDE, BRAM': did you mean 'ALDE|BRAM'?): several are joined by |",),
    ),
    "no-symbol-news": Case(
        "news without a symbol", news("2021-01-06T15:00:00Z,,a b"), 3, ("column symbol: the symbol is empty", "write *"), 0
    ),
    "ticker-case": Case(
        "a symbol in two spellings",
        then(cell("symbol", "alde"), replaced("symbols.csv", lambda _: None)),
        0,
        ("symbols that differ in nothing but capitals count as several: ALDE, alde",),
    ),
    "ticker-column": Case(
        "symbols in a column ticker",
        whole(lambda t: t.replace("symbol", "ticker", 1)),
        3,
        ("'symbol' is missing (did you mean 'ticker'?)",),
    ),
    "no-symbol-column": Case(
        "one table of bars without symbols", table(lambda f: f.drop(columns="symbol")), 3, ("bars.csv: the column 'symbol' is missing",)
    ),
    "datetime-column": Case(
        "stamps in a column datetime", whole(lambda t: t.replace("date", "datetime", 1)), 3, ("is missing (did you mean 'datetime'?)",)
    ),
    "title-column": Case(
        "texts in a column title", whole(lambda t: t.replace("text", "title", 1), file="news.csv"), 3, ("(did you mean 'title'?)",)
    ),
    "three-headers": Case(
        "three lines of header",
        then(
            per_symbol,
            lambda p: put(p, "bars/ALDE.csv", "Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDate,,,,,\n2021-01-04,1,1,1,1,1\n"),
        ),
        3,
        ("bars/ALDE.csv: there are three lines of header (columns, tickers, date): write one",),
    ),
    # texts
    "empty-text": Case("an empty text", news("2021-01-06T15:00:00Z,ALDE,"), 0, ("1 news without a text",)),
    "huge-text": Case(
        "a text of 2 MB",
        news("2021-01-06T15:00:00Z,ALDE," + "profit rises again " * 110_000),
        0,
        ("1 news of more than 100,000 characters",),
    ),
    "strange-texts": Case(
        "emoji, right-to-left, HTML, formulas, control signs",
        news(
            "2021-01-06T15:00:00Z,ALDE,🚀🚀 to the moon 👩‍🚀",
            "2021-01-06T15:01:00Z,ALDE,\u202eريادة الأرباح\u202c",  # noqa: RUF001 - letters that run from right to left
            "2021-01-06T15:02:00Z,BRAM,<script>alert(1)</script><b>profit</b>",
            '2021-01-06T15:03:00Z,BRAM,"=HYPERLINK(""http://x"",""y"")"',
            "2021-01-06T15:04:00Z,CINW,\x1b[31mred\x07",
        ),
        0,
        ("144 bars",),
    ),
    "same-text": Case(
        "a text twice",
        news("2021-01-06T15:00:00Z,ALDE,Gain one two", "2021-01-06T16:00:00Z,ALDE,gain ONE two!"),
        0,
        ("5 news with the same text as before on that symbol, within 3D",),
    ),
    "near-text": Case(
        "a text twice, nearly",
        news("2021-01-06T15:00:00Z,ALDE,a b c d e f g h i j", "2021-01-06T16:00:00Z,ALDE,a b c d e f g h i j k"),
        0,
        ("8 news with nearly the same text (similarity >= 0.8) as before on that symbol, within 3D",),
    ),
    # JSON Lines
    "json-line": Case(
        "a line that is no JSON",
        replaced("news.csv", lambda p: put(p.parent, "news.jsonl", NEWS * 30 + "{'a': 1}\n")),
        3,
        ("line 31: not JSON",),
        0,
    ),
    "json-list": Case(
        "a line of JSON that is no object",
        replaced("news.csv", lambda p: put(p.parent, "news.jsonl", NEWS * 30 + "[1, 2]\n")),
        3,
        ("line 31: not a JSON object (value '[1, 2]')",),
        0,
    ),
    "json-surrogate": Case(
        "half a character in JSON",
        replaced("news.csv", lambda p: put(p.parent, "news.jsonl", NEWS * 30 + '{"text": "\\ud800"}\n')),
        3,
        ("line 31: not JSON",),
        0,
    ),
    "json-columns": Case(
        "another name in every object",
        replaced("news.csv", lambda p: put(p.parent, "news.jsonl", "".join(f'{{"c{i}": 1}}\n' for i in range(5000)))),
        3,
        ("news.jsonl, line 1001: more than 1000 columns",),
    ),
    "json-array": Case(
        "news as one JSON array", replaced("news.csv", lambda p: put(p.parent, "news.json", "[]")), 3, ("news.json: not a table",)
    ),
    # files
    "gzip-cut": Case("a gzip file cut short", packed("bars.csv.gz", lambda c: gzip.compress(c)[:-20]), 3, ("bars.csv.gz: cannot be read",)),
    "gzip-tail": Case(
        "a gzip file with something behind",
        packed("bars.csv.gz", lambda c: gzip.compress(c) + b"more"),
        3,
        ("bars.csv.gz: cannot be read",),
    ),
    "gzip-two": Case("a gzip file of two members", packed("bars.csv.gz", halves), 0, ("144 bars",)),
    "gzip-bomb": Case("a gzip bomb", packed("bars.csv.gz", lambda _: bomb()), 3, ("bars.csv.gz: unpacks to more than 100 times its size",)),
    "gzip-as-csv": Case(
        "a gzip file called bars.csv", whole(lambda t: gzip.compress(t.encode())), 3, ("bars.csv: the content is a gzip file",)
    ),
    "zip": Case("a zip archive of two members", packed("bars.csv.gz", zipped), 3, ("bars.csv.gz: cannot be read",)),
    "zip-as-csv": Case("a spreadsheet called bars.csv", whole(lambda t: zipped(t.encode())), 3, ("bars.csv: the content is a zip file",)),
    "zeros": Case(
        "3 GB of zeros", replaced("bars.csv", lambda p: (p.touch(), os.truncate(p, 3 << 30))), 3, ("bars.csv, line 1: a byte 0",)
    ),
    "parquet-garbage": Case(
        "damaged Parquet", packed("bars.parquet", lambda c: b"PAR1" + c), 3, ("bars.parquet: cannot be read as Parquet",)
    ),
    "parquet-bomb": Case(
        "a Parquet bomb", replaced("bars.csv", lambda p: runs_of_one(p.with_suffix(".parquet"))), 3, ("bars.parquet: unpacks to more than",)
    ),
    "pipe": Case("a pipe", replaced("bars.csv", os.mkfifo), 3, ("bars.csv: not a file but a pipe",)),
    "pipe-inside": Case(
        "a pipe among the files of bars/",
        then(per_symbol, lambda p: os.mkfifo(p / "bars" / "Z.csv")),
        3,
        ("bars/Z.csv: not a file but a pipe",),
    ),
    "pipe-toml": Case("a pipe for dataset.toml", replaced("dataset.toml", os.mkfifo), 3, ("dataset.toml: not a file but a pipe",)),
    "folder": Case("a folder called bars.csv", replaced("bars.csv", os.mkdir), 3, ("bars.csv: not a file but a folder",)),
    "link-out": Case(
        "a link out of the folder", replaced("news.csv", lambda p: p.symlink_to("/etc/passwd")), 3, ("news.csv: a link that leads out",)
    ),
    "device": Case(
        "a link to a device", replaced("news.csv", lambda p: p.symlink_to("/dev/zero")), 3, ("news.csv: a link that leads out",)
    ),
    "dangling": Case(
        "a link to nothing", replaced("news.csv", lambda p: p.symlink_to("gone.csv")), 3, ("news.csv: not a file but a link to nothing",)
    ),
    "link-loop": Case(
        "a link to itself", replaced("bars.csv", lambda p: p.symlink_to(p.name)), 3, ("bars.csv: not a file but a link to nothing",)
    ),
    "two-tables": Case(
        "bars twice", lambda p: shutil.copy(p / "bars.csv", p / "bars.jsonl"), 3, ("there are bars.csv and bars.jsonl", "keep one")
    ),
    "per-symbol": Case("a file per symbol", per_symbol, 0, ("144 bars",)),
    "other-columns": Case(
        "a file per symbol, one of them with another column",
        then(per_symbol, table(lambda f: f.assign(adj_close=f["close"]), file="bars/DOVL.csv")),
        3,
        ("bars/DOVL.csv: other columns than in bars/ALDE.csv: adj_close",),
    ),
    "empty-bars": Case(
        "an empty folder bars/", replaced("bars.csv", lambda p: (p.parent / "bars").mkdir()), 3, ("the folder bars/ is empty",)
    ),
    "foreign-file": Case(
        "a note among the files of bars/", then(per_symbol, lambda p: put(p, "bars/note.txt", "x")), 3, ("bars/note.txt: not a table",)
    ),
    "empty-folder": Case("an empty folder", lambda p: (shutil.rmtree(p), p.mkdir()), 3, ("has no dataset.toml", "there are no bars")),
    "no-folder": Case("no folder", shutil.rmtree, 3, ("there is no folder",)),
    "file-for-folder": Case("a file where a folder should be", lambda p: (shutil.rmtree(p), p.write_text("x")), 3, ("there is no folder",)),
    "misspelt-file": Case(
        "nwes.csv",
        lambda p: (p / "news.csv").rename(p / "nwes.csv"),
        3,
        ("nwes.csv: this file is not read, and there is no news.csv: rename it, or move it away",),
    ),
    "other-file": Case(
        "another table beside them",
        lambda p: put(p, "weather.csv", "a,b\n1,2\n"),
        0,
        ("this file is not read: bars, news and symbols are",),
    ),
    # dataset.toml
    "no-toml": Case("no dataset.toml", replaced("dataset.toml", lambda _: None), 3, ("has no dataset.toml", 'calendar = "XNYS"')),
    "broken-toml": Case("a broken dataset.toml", toml("benchmark = \n"), 3, ("dataset.toml: cannot be read", "it must be TOML")),
    "latin-toml": Case(
        "dataset.toml in Latin-1",
        whole(lambda t: (t + 'licence = "©"').encode("latin-1"), file="dataset.toml"),
        3,
        ("dataset.toml: cannot",),
    ),
    "misspelt-setting": Case(
        "a misspelt setting", toml('news_dely = "1min"\n'), 3, ("unknown setting 'news_dely' (did you mean 'news_delay'?)",)
    ),
    "wrong-setting": Case("a setting of another kind", toml("similarity = true\n"), 3, ("similarity is not of the right kind",)),
    "unknown-calendar": Case(
        "an unknown calendar",
        whole(lambda t: t.replace("XNYS", "NYSEX"), file="dataset.toml"),
        3,
        ("dataset.toml: there is no calendar 'NYSEX'",),
    ),
    "wrong-calendar": Case(
        "the calendar of another exchange",
        whole(lambda t: t.replace("XNYS", "XHKG"), file="dataset.toml"),
        3,
        ("XHKG has no session on this day (value '2021-02-12')",),
        0,
    ),
    "near-calendar": Case(
        "that of an exchange that was open on all those days",
        whole(lambda t: t.replace("XNYS", "XLON"), file="dataset.toml"),
        0,
        ("2 of 42 sessions have no bar of any symbol (first: 2021-01-18, 2021-02-15)",),
    ),
    "unknown-benchmark": Case("a benchmark without bars", toml('benchmark = "ALD"\n'), 3, ("'ALD' has no bars (did you mean 'ALDE'?)",)),
    # several at once
    "many-bad-rows": Case(
        "one bad row in ten", table(lambda f: f.assign(close=f["close"].mask(f.index % 10 == 3, "?"))), 3, (NO_NUMBER, "line 5"), 3
    ),
    "many-problems": Case(
        "several faults at once",
        then(cell("close", "x"), cell("high", "-1", row=9), news("noon,ALDE,a b"), toml("adjustd = 1\n")),
        3,
        (NO_NUMBER, "not positive", "not a date or time", "did you mean 'adjusted'?"),
    ),
}

RUN = {  # what a run could stumble over: the data of the others are like any
    CASES[name].title
    for name in (
        "no-news-rows",
        "no-price",
        "allowed-jump",
        "constant",
        "off-hours",
        "future-news",
        "ticker-path",
        "huge-text",
        "strange-texts",
    )
}


# --- the answers


def good_folder(path: Path) -> Path:
    """Write the folder that the cases break."""
    return write_dataset(make_market(40, 4, seed=1), path)


def snapshot(path: Path) -> dict[str, str]:
    """Return what is in a folder: kinds of entries, and hashes of files (of a large one, its size)."""
    found = {}
    for entry in sorted(path.rglob("*")) if path.is_dir() else []:
        plain = entry.is_file() and not entry.is_symlink() and entry.stat().st_size < 1 << 27
        status = entry.lstat()
        found[str(entry.relative_to(path))] = (
            hashlib.sha256(entry.read_bytes()).hexdigest() if plain else f"{status.st_mode} {status.st_size}"
        )
    return found


def answered(case: Case, good: Path, strategy: Path, work: Path) -> Answer:
    """Return what quantlab answers to a case, in a folder of its own under `work`."""
    folder = work / "data"
    shutil.copytree(good, folder)
    case.breaks(folder)
    before = snapshot(folder)
    began = time.process_time()
    try:
        dataset, findings = examine(folder)
        aside = 0 if findings.can_be_used("quarantine") else DataError.exit_code
        runs, found = findings.can_be_used(), frozenset(finding.rule.name for finding in findings.all)
    except DataError as error:
        aside, runs, found = error.exit_code, False, frozenset()
    code, words = (0, told(dataset)) if runs and dataset else backtested(folder, strategy, work)
    if runs and dataset and case.title in RUN:
        run(load_strategy(strategy), dataset, Settings(ablation=False, audit=False))
    seconds = time.process_time() - began
    answer = Answer(code, words.replace(str(folder), "DIR"), aside, seconds, untouched=snapshot(folder) == before, rules=found)
    shutil.rmtree(work)
    return answer


def backtested(folder: Path, strategy: Path, work: Path) -> tuple[int, str]:
    """Return the exit code of the command, and what it says on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(
            ["backtest", str(strategy), "--data", str(folder), "--out", str(work / "out"), "--cache", str(work / "cache"), "--quiet"]
        )
    return code, said.getvalue()


def told(dataset: Dataset) -> str:
    """Return what a report would say about the data."""
    left_out = [f"{drop.n_rows} {drop.reason} ({', '.join(drop.examples)})" for drop in dataset.dropped]
    n_bars = int(dataset.bars.listed.to_numpy().sum())
    size = f"{n_bars} bars, {len(dataset.news)} documents, symbols {' '.join(dataset.bars.symbols)}"
    return "\n".join([*dataset.notes, *left_out, size])


def page(answers: dict[str, Answer]) -> str:
    """Return the page that shows all of them."""
    rows = [
        "# Bad input",
        "",
        "What quantlab answers when a data folder is broken. Each row is a test (`tests/test_bad_input.py`); this page is written by it",
        "(`python tests/bad_input.py`) and compared with it, so that it cannot go stale. All rules stand in `quantlab/data/rules.py`.",
        "",
        "- **run**: the backtest runs, and its report says what is shown. **3**: it stops before anything is computed, with exit code 3.",
        "- **aside**: what `--bad-rows quarantine` makes of it. A file or a folder that is wrong as a whole is refused all the same, and",
        "  so is a table of which more than 5 % of the rows are bad.",
        "- `quantlab data check DIR` lists all problems of a folder at once, with `--json` for programs.",
        "- Each takes less than 10 s and 1 GB, leaves the folder as it is, and touches no earlier report.",
        "",
        f"{len(CASES)} inputs, each in a folder of 40 sessions and 4 symbols that is good otherwise:",
        "",
        "| input | answer | aside | what is said first |",
        "|---|---|---|---|",
    ]
    for name, case in CASES.items():
        answer = answers[name]
        first = shown(case, answer)
        rows.append(f"| {case.title} | {answer.code or 'run'} | {answer.aside or 'run'} | {first} |")
    return "\n".join(rows) + "\n"


def shown(case: Case, answer: Answer) -> str:
    """Return the line of an answer that the case is about, as a cell of a Markdown table."""
    said = [text.removeprefix("error: ") for text in answer.words.splitlines()] or [""]
    chosen = next((text for text in said if case.says[-1] in text or case.says[0] in text), said[0])
    return chosen.replace("|", "\\|").replace("<", "&lt;")


def every_answer(work: Path) -> dict[str, Answer]:
    """Return the answers to all cases."""
    good, strategy = good_folder(work / "good"), work / "tiny.py"
    strategy.write_text(STRATEGY)
    return {name: answered(case, good, strategy, work / name) for name, case in CASES.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as kept:
        found = every_answer(Path(kept))
        by_hand = PAGE.read_text(encoding="utf-8").partition(OTHER_HALF)
        PAGE.write_text(page(found) + by_hand[1] + by_hand[2], encoding="utf-8")
    slow = sorted(((answer.seconds, name) for name, answer in found.items()), reverse=True)
    print(json.dumps([(name, round(seconds, 2)) for seconds, name in slow[:8]]))
