"""Reading a folder: no cell is bent or lost, and what cannot be read is found with its file and line."""

import gzip
import json

import pandas as pd
import pytest

from quantlab.data import csv_files, read_dataset
from quantlab.errors import DataError

BARS = """date,symbol,open,high,low,close,volume
2024-03-04,NA,10,11,9,10.5,100
2024-03-05,NA,10.5,11,10,11,100
2024-03-04,TRUE,20,21,19,20,50
2024-03-05,TRUE,20,22,20,21,0
"""
NEWS = """published_at,symbol,text
2024-03-04T15:00:00Z,NA,"Profit rises,
they say"
2024-03-04T16:00:00Z,TRUE,NA
"""
TOML = 'name = "two"\ncalendar = "XNYS"\n'


def folder(path, files):
    """Write files (text or bytes) into a folder, over a small good data set, and return it."""
    for name, content in ({"dataset.toml": TOML} | files).items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def problems(path, **files):
    """Return what is said about a folder with these files; `__` stands for the dot."""
    with pytest.raises(DataError) as caught:
        read_dataset(folder(path, {name.replace("__", "."): content for name, content in files.items()}))
    return [str(problem) for problem in caught.value.problems]


def test_a_folder_is_read_as_it_stands(tmp_path):
    """Two symbols, two sessions; tickers and texts called NA and TRUE survive, and so does a line break in a text."""
    data = read_dataset(folder(tmp_path, {"bars.csv": BARS, "news.csv": NEWS}))
    assert list(data.bars.symbols) == ["NA", "TRUE"]
    assert list(data.bars.close["NA"]) == [10.5, 11.0]
    assert list(data.bars.times) == [pd.Timestamp("2024-03-04 21:00", tz="UTC"), pd.Timestamp("2024-03-05 21:00", tz="UTC")]
    assert list(data.news.table["text"]) == ["Profit rises,\nthey say", "NA"]
    assert list(data.news.table["symbol"]) == ["NA", "TRUE"]
    assert (data.name, data.calendar, data.sessions_per_year, data.dropped) == ("two", "XNYS", 252.0, ())
    assert sorted(data.hashes) == ["bars.csv", "dataset.toml", "news.csv"]


@pytest.mark.parametrize("ticker", ["000001", "1E5", "nan", "null", "BRK.B", "Ä"])
def test_tickers_survive_every_kind_of_file(tmp_path, ticker):
    """CSV, packed CSV, Parquet and one file per symbol give the same bars."""
    frame = pd.DataFrame(
        {"date": ["2024-03-04"], "symbol": [ticker], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1]}
    )
    text = frame.to_csv(index=False)
    plain = read_dataset(folder(tmp_path / "a", {"bars.csv": text}))
    packed = read_dataset(folder(tmp_path / "b", {"bars.csv.gz": gzip.compress(text.encode())}))
    single = read_dataset(
        folder(tmp_path / "c", {f"bars/{ticker}.csv": frame.drop(columns="symbol").to_csv(index=False), "bars/.hidden": "x"})
    )
    frame.assign(date=pd.to_datetime(frame["date"])).to_parquet(folder(tmp_path / "d", {}) / "bars.parquet")
    columnar = read_dataset(tmp_path / "d")
    for data in (plain, packed, single, columnar):
        assert list(data.bars.symbols) == [ticker]
        pd.testing.assert_frame_equal(data.bars.close, plain.bars.close)


def test_the_ways_of_writing_a_csv_file_do_not_matter(tmp_path):
    """Windows line ends, a byte-order mark, blank lines, a column of row numbers without a name, capitals in the header."""
    want = read_dataset(folder(tmp_path / "a", {"bars.csv": BARS}))
    lines = [f"{i if i else ''},{line}" for i, line in enumerate(BARS.splitlines())]
    odd = "\ufeff" + "\r\n".join(lines).replace("date,symbol,open", "Date, Symbol ,Open") + "\r\n\r\n"
    got = read_dataset(folder(tmp_path / "b", {"bars.csv": odd}))
    pd.testing.assert_frame_equal(got.bars.open, want.bars.open)


def test_json_lines_are_read(tmp_path):
    """Several symbols as a list or joined by |, whole numbers as ids to the last digit, null for nothing."""
    rows = [
        {"published_at": "2024-03-04T15:00:00Z", "symbol": ["NA", "TRUE"], "headline": "Merger", "id": 418157151946035201},
        {"published_at": "2024-03-04T16:00:00Z", "symbol": "*", "headline": "Rates", "id": None},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    data = read_dataset(folder(tmp_path, {"bars.csv": BARS, "news.jsonl.gz": gzip.compress(lines.encode())}))
    assert list(data.news.table["symbol"]) == ["NA", "TRUE", "*"]
    assert list(data.news.table["id"]) == ["418157151946035201", "418157151946035201", ""]


def test_rows_that_are_too_short_or_too_long_are_found_with_their_line(tmp_path):
    """Also behind a text with a line break, and when it is the first row that has an unquoted comma."""
    news = (
        'published_at,symbol,text\n2024-03-04T15:00:00Z,NA,one, two\n2024-03-04T15:00:00Z,NA,"a\nb"\n\n"a\nb",NA\n2024-03-04T16:00:00Z,NA\n'
    )
    found = problems(tmp_path, bars__csv=BARS, news__csv=news)
    assert [text.split(":")[0] for text in found] == ["news.csv, line 2", "news.csv, line 6", "news.csv, line 8"]
    assert "4 cells instead of 3" in found[0]
    assert "2 cells instead of 3" in found[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        (BARS.replace(",", ";"), "separated by ';'"),
        (BARS.replace(",", "\t"), "separated by '\\t'"),
        (BARS.replace("volume", "close"), "'close' stands twice"),
        (BARS.replace("volume", "volum"), "'volume' is missing (did you mean 'volum'?)"),
        (BARS.encode().replace(b"TRUE", b"\xc4"), "line 4: not UTF-8 (byte 0xc4)"),
        (BARS.encode("utf-16"), "not UTF-8"),
        (BARS.splitlines()[0], "not a single bar is left"),
        (BARS + '2024-03-05,"A,1,1,1,1,1\n', "line 6: the row is too short or too long"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, said):
    """Each with what is wrong, and where."""
    found = problems(tmp_path, bars__csv=content)
    assert any(said in text for text in found), found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{'a': 1}", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"symbol": "A", "symbol": "B"}', "stands twice"),
        ('{"Symbol": "A", "symbol": "B"}', "stands twice"),
        ('{"symbol": NaN}', "NaN is not JSON"),
        ('{"symbol": "\\ud800"}', "not JSON"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused(tmp_path, line, said):
    """With its number; the other lines are still checked."""
    good = '{"published_at": "2024-03-04T15:00:00Z", "symbol": "NA", "text": "x"}'
    found = problems(tmp_path, bars__csv=BARS, news__jsonl=f"{good}\n\n{line}\n" + good.replace("2024-03-04", "soon"))
    assert len(found) == 2
    assert found[0].startswith("news.jsonl, line 3: ")
    assert said in found[0]
    assert "line 4" in found[1]


def test_damaged_files_are_refused(tmp_path):
    """A packed file cut short, and a Parquet file that is none."""
    assert "cannot be read" in problems(tmp_path / "a", bars__csv__gz=gzip.compress(BARS.encode())[:-20])[0]
    assert "cannot be read as Parquet" in problems(tmp_path / "b", bars__parquet=b"PAR1 and no more")[0]


def test_it_must_be_plain_which_file_counts(tmp_path):
    """Two kinds of one table, a folder beside a file, other things in the folder, other columns in one of its files."""
    assert "keep one" in problems(tmp_path / "a", bars__csv=BARS, bars__csv__gz=gzip.compress(BARS.encode()))[0]
    with pytest.raises(DataError, match=r"(?s)there are bars\.csv and the folder bars/.*bars/notes\.txt: not a table"):
        read_dataset(folder(tmp_path / "b", {"bars.csv": BARS, "bars/A.csv": BARS, "bars/notes.txt": "x"}))
    with pytest.raises(DataError, match=r"bars/B\.csv: other columns than in bars/A\.csv: adj_close"):
        read_dataset(
            folder(tmp_path / "c", {"bars/A.csv": BARS, "bars/B.csv": BARS.replace("volume", "volume,adj_close").replace("0\n", "0,1\n")})
        )


def test_identifiers_must_be_text(tmp_path):
    """A Parquet file in which a ticker has become a number has lost its zeros: refused, not guessed."""
    frame = pd.DataFrame({"date": ["2024-03-04"], "symbol": [1], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1]})
    frame.to_parquet(folder(tmp_path, {}) / "bars.parquet")
    with pytest.raises(DataError, match="column symbol: holds integer, not text"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('name = "x"', "'calendar' is missing"),
        ("name = ", "cannot be read"),
        (TOML + 'adjustd = "all"', "unknown setting 'adjustd' (did you mean 'adjusted'?)"),
        (TOML + 'adjusted = "yes"', "adjusted is none of all, splits, none"),
        (TOML + 'news_delay = "1"', "no duration with a unit"),
        (TOML + "news_delay = 60", "not of the right kind"),
        (TOML + 'news_delay = "-1min"', "no duration with a unit"),
        (TOML + "similarity = 0", "not in (0, 1]"),
        (TOML + "similarity = true", "not of the right kind"),
        (TOML + 'bar_stamp = "open"', "bar_length is missing"),
        (TOML + 'timezone = "America/NewYork"', "did you mean 'America/New_York'"),
        (TOML.replace("XNYS", "NYES"), "did you mean 'XNYS'"),
        (TOML + 'benchmark = "SPY"', "the benchmark 'SPY' has no bars"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, toml, said):
    """Unknown names with the nearest one; values with what they may be."""
    found = problems(tmp_path, dataset__toml=toml, bars__csv=BARS)
    assert any(said in text for text in found), found


def test_what_is_not_there_is_named(tmp_path):
    """The folder, dataset.toml, the bars."""
    with pytest.raises(DataError, match="there is no folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no dataset\.toml"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="there are no bars in"):
        read_dataset(folder(tmp_path, {}))


def test_problems_of_one_kind_are_counted_after_twenty(tmp_path):
    """Fifty bad stamps are twenty lines and a count; the kinds in bars and news are all there."""
    news = "published_at,symbol,text\n" + "".join(f"03/04/2024,NA,text {i}\n" for i in range(50))
    found = problems(tmp_path, bars__csv=BARS.replace("10.5,100", '"10,5",100'), news__csv=news)
    assert len(found) == 1 + 20 + 1
    assert found[0] == (
        "bars.csv, line 2, column close: not a finite number (value '10,5'): "
        "write digits with a decimal point, without currency, thousands or percent signs"
    )
    assert found[1].startswith("news.csv, line 2, column published_at: day and month cannot be told apart (value '03/04/2024')")
    assert found[-1].startswith("and 30 more of this kind")


def test_what_is_no_table_at_all_is_given_up(tmp_path, monkeypatch):
    """Rows that hardly ever fit the header are not all kept, and a row must fit into a block."""
    rows = "".join(f"2024-03-04,NA,{i}\n" for i in range(9))
    with monkeypatch.context() as few:
        few.setattr(csv_files, "MOST_BROKEN", 3)
        assert "hardly any row has as many cells as the header" in problems(tmp_path / "a", bars__csv=BARS + rows)[0]
    monkeypatch.setattr(csv_files, "BLOCK", 1 << 10)
    assert "not a CSV table" in problems(tmp_path / "b", bars__csv=BARS + '2024-03-06,"' + "N" * 5000 + "\n")[0]
