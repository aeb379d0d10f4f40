"""What is written is read back: in every kind of file, in any order of rows and columns, with any type of column."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.data import Settings, from_frames, read_dataset
from quantlab.dataset import Dataset

TICKERS = ("000001", "BRK.B", "NA", "TRUE")
DAYS = ("2024-03-27", "2024-03-28", "2024-04-01", "2024-04-02")
VALUES = ("open", "high", "low", "close", "volume")
TOML = 'name = "drawn"\ncalendar = "XNYS"\nduplicate_window = "0D"\n'
KEEP_COPIES = Settings(duplicate_window="0D")
KINDS = ("csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")

texts = st.text(st.sampled_from("aZ09 ,;|\"'\\\n\t=<&{}é漢🚀أ-"), min_size=1, max_size=12).filter(lambda text: text.strip() == text)
prices = st.floats(10.0, 19.0)  # no more apart than prices of one name are
stamps = st.integers(0, 10**12).map(lambda micros: pd.Timestamp("2024-03-20 00:00:01", tz="UTC") + pd.Timedelta(microseconds=micros))


@st.composite
def bar_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw bars of some symbols on some days, in long form: text, floats and whole volumes."""
    rows = []
    for symbol in draw(st.lists(st.sampled_from(TICKERS), min_size=1, max_size=3, unique=True)):
        for day in draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True)):
            low, middle, other, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
            rows.append((day, symbol, middle, high, low, other, draw(st.integers(0, 10**12))))
    return pd.DataFrame(rows, columns=["date", "symbol", *VALUES])


@st.composite
def news_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw documents with ids of their own, on symbols that have bars or not, or on the whole market."""
    symbol = st.one_of(st.sampled_from([*TICKERS, "*"]), st.just("NA|TRUE"))
    rows = draw(st.lists(st.tuples(stamps, symbol, texts, st.sampled_from(["", "wire"])), min_size=1, max_size=6))
    frame = pd.DataFrame(rows, columns=["published_at", "symbol", "text", "source"])
    written = [stamp.isoformat().replace("+00:00", "Z") for stamp in frame["published_at"]]
    return frame.assign(published_at=written, id=[f"d{place}" for place in range(len(rows))])


def written(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the way that the name of the file says."""
    if path.name.endswith(".parquet"):
        frame.to_parquet(path, index=False)
        return
    lines = "".join(json.dumps(row) + "\n" for row in frame.to_dict("records"))
    text = frame.to_csv(index=False) if ".csv" in path.name else lines
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())


def dealt(frame: pd.DataFrame, dealer: random.Random) -> pd.DataFrame:
    """Return the same table with its rows and columns in another order."""
    rows, columns = list(range(len(frame))), list(frame.columns)
    dealer.shuffle(rows)
    dealer.shuffle(columns)
    return frame.iloc[rows][columns]


def assert_same(found: Dataset, wanted: Dataset) -> None:
    """Fail unless bars, documents and what was dropped are the same, to the last bit."""
    for name in VALUES:
        pd.testing.assert_frame_equal(getattr(found.bars, name), getattr(wanted.bars, name), check_exact=True)
    pd.testing.assert_frame_equal(found.news.table, wanted.news.table)
    assert [(one.reason, one.n_rows) for one in found.dropped] == [(one.reason, one.n_rows) for one in wanted.dropped]


def of_names_with_bars(news: pd.DataFrame, bars: pd.DataFrame) -> pd.DataFrame:
    """Return the news with names that have bars in the place of others: of nothing but those, a data set is refused."""
    return news.assign(symbol=news["symbol"].where(news["symbol"].isin([*bars["symbol"], "*"]), bars["symbol"].iloc[0]))


@given(bar_tables(), news_tables(), st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_every_kind_of_file_gives_the_table_that_was_written(
    bars: pd.DataFrame, news: pd.DataFrame, kinds: tuple[str, str], dealer: random.Random
) -> None:
    """Each price to the last bit and each text to the last character, whatever the order of rows and columns in the file."""
    news = of_names_with_bars(news, bars)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dataset.toml").write_text(TOML)
        written(dealt(bars, dealer), folder / f"bars.{kinds[0]}")
        written(dealt(news, dealer), folder / f"news.{kinds[1]}")
        assert_same(read_dataset(folder), from_frames(bars, news, settings=KEEP_COPIES))


@given(bar_tables(), st.sampled_from(["csv", "csv.gz", "parquet"]), st.booleans())
@settings(max_examples=15)
def test_one_file_or_many_are_the_same_bars(bars: pd.DataFrame, kind: str, named: bool) -> None:
    """A file per symbol, named after it or with a column that says so."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dataset.toml").write_text(TOML)
        (folder / "bars").mkdir()
        for symbol, own in bars.groupby("symbol"):
            written(own.drop(columns="symbol") if named else own, folder / "bars" / f"{symbol}.{kind}")
        assert_same(read_dataset(folder), from_frames(bars, settings=KEEP_COPIES))


FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "Python objects": lambda bars: bars.astype(object),
    "categories": lambda bars: bars.astype({"symbol": "category", "date": "category"}),
    "Arrow": lambda bars: bars.convert_dtypes(dtype_backend="pyarrow"),
    "nullable": lambda bars: bars.convert_dtypes(dtype_backend="numpy_nullable"),
    "numbers as text": lambda bars: bars.assign(**{name: bars[name].map(repr) for name in VALUES}),
    "days as instants": lambda bars: bars.assign(date=pd.to_datetime(bars["date"])),
    "days as instants in ns": lambda bars: bars.assign(date=pd.to_datetime(bars["date"]).dt.as_unit("ns")),
    "days as dates": lambda bars: bars.assign(date=pd.to_datetime(bars["date"]).dt.date),
    "an index of two levels": lambda bars: bars.set_index(["date", "symbol"]),
    "capitals": lambda bars: bars.rename(columns=str.title),
    "other numbers of rows": lambda bars: bars.set_axis(range(7, 7 + len(bars))),
}


@given(bar_tables(), st.sampled_from(sorted(FORMS)), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_types_of_the_columns_do_not_matter(bars: pd.DataFrame, form: str, dealer: random.Random) -> None:
    """The same bars as text, objects, categories, Arrow or instants, in any order; and the frame is left as it was."""
    given_ = FORMS[form](dealt(bars, dealer))
    before = given_.copy(deep=True)
    assert_same(from_frames(given_, settings=KEEP_COPIES), from_frames(bars, settings=KEEP_COPIES))
    pd.testing.assert_frame_equal(given_, before)


@given(news_tables(), st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]), st.sampled_from(["us", "ns"]))
@settings(max_examples=15)
def test_an_instant_is_the_same_in_every_zone_and_unit(news: pd.DataFrame, zone: str, unit: str) -> None:
    """As text with an offset, and as a column of instants."""
    bars = pd.DataFrame([(DAYS[0], symbol, 1.0, 1.0, 1.0, 1.0, 1) for symbol in TICKERS], columns=["date", "symbol", *VALUES])
    local = pd.to_datetime(news["published_at"], format="ISO8601").dt.tz_convert(zone).dt.as_unit(unit)
    wanted = from_frames(bars, news, settings=KEEP_COPIES)
    forms: Sequence[pd.Series] = (local, local.map(pd.Timestamp.isoformat))
    for form in forms:
        assert_same(from_frames(bars, news.assign(published_at=form), settings=KEEP_COPIES), wanted)


@given(bar_tables(), news_tables(), st.randoms(use_true_random=False), st.sampled_from(["bars", "news"]))
@settings(max_examples=15)
def test_a_fingerprint_is_of_the_rows_and_not_of_their_order(
    bars: pd.DataFrame, news: pd.DataFrame, dealer: random.Random, which: str
) -> None:
    """Shuffled, the hashes stay; with one cell changed, that table's hash is another and the other's is not."""
    news = of_names_with_bars(news, bars)
    wanted = from_frames(bars, news, settings=KEEP_COPIES).hashes
    assert from_frames(dealt(bars, dealer), dealt(news, dealer), settings=KEEP_COPIES).hashes == wanted
    tables = {"bars": bars.copy(), "news": news.copy()}
    row = dealer.randrange(len(tables[which]))
    column = "volume" if which == "bars" else "text"
    tables[which].loc[row, column] = tables[which].loc[row, column] + (1 if which == "bars" else "!")
    other = from_frames(tables["bars"], tables["news"], settings=KEEP_COPIES).hashes
    assert {name for name in wanted if other[name] != wanted[name]} == {which}
