"""Rows to a Dataset: what an odd row does, and what the result does not depend on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantlab import known_news
from quantlab.data import Settings, from_frames, read_dataset
from quantlab.errors import DataError

STOCKNET = Path(__file__).resolve().parents[2] / "shared" / "data" / "stocknet"


def bars(**columns):
    """Return three sessions of A and B, with columns replaced; 2024-03-29 (Good Friday) lies between them."""
    base = {
        "date": ["2024-03-27", "2024-03-28", "2024-04-01"] * 2,
        "symbol": list("AAABBB"),
        "open": [10.0, 11.0, 12.0, 20.0, 21.0, 22.0],
        "high": [11.0, 12.0, 13.0, 21.0, 22.0, 23.0],
        "low": [9.0, 10.0, 11.0, 19.0, 20.0, 21.0],
        "close": [10.5, 11.5, 12.5, 20.5, 21.5, 22.5],
        "volume": [100.0] * 6,
    }
    return pd.DataFrame(base | columns)


def news(*rows, stamp="published_at"):
    """Return a news frame of (stamp, symbol, text) rows."""
    return pd.DataFrame(rows, columns=[stamp, "symbol", "text"])


def said(frame, documents=None, **settings):
    """Return what is said against these frames."""
    with pytest.raises(DataError) as caught:
        from_frames(frame, documents, settings=Settings(**settings))
    return "\n".join(str(problem) for problem in caught.value.problems)


def changed(column, row, value):
    """Return the bars with one cell changed."""
    frame = bars()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


def test_frames_make_a_data_set():
    """Wide tables of float64, columns sorted, the index in UTC microseconds at the sessions' closes."""
    data = from_frames(bars().iloc[::-1], news(("2024-03-28T15:00:00Z", "B", "x")))
    assert list(data.bars.close["A"]) == [10.5, 11.5, 12.5]
    assert list(data.bars.symbols) == ["A", "B"]
    assert str(data.bars.times.dtype) == "datetime64[us, UTC]"
    assert data.bars.times[1] == pd.Timestamp("2024-03-28 20:00", tz="UTC")
    assert set(data.bars.volume.dtypes) == {np.dtype("float64")}
    assert data.sessions_per_year == 252.0
    assert data.dropped == data.notes == ()


def test_dates_may_be_text_dates_or_midnights_and_levels_of_an_index():
    """All forms of a frame give the same bars; the input is left alone."""
    want = from_frames(bars()).bars.close
    stamped = bars().assign(date=pd.to_datetime(bars()["date"]))
    forms = [
        stamped,
        stamped.assign(date=stamped["date"].dt.date),
        stamped.set_index(["date", "symbol"]),
        bars().astype({"symbol": "category"}),
    ]
    for form in forms:
        before = form.copy()
        pd.testing.assert_frame_equal(from_frames(form).bars.close, want)
        pd.testing.assert_frame_equal(form, before)


def test_prices_are_scaled_to_the_adjusted_close():
    """A dividend of half the price: the first close becomes 5.25, and the range with it; high stays above to the last bit."""
    adjusted = [5.25, 11.5, 12.5, 20.5 / 3, 21.5, 22.5]
    frame = bars(adj_close=adjusted, open=[11.0, 11.0, 12.0, 21.0, 21.0, 22.0])
    data = from_frames(frame, settings=Settings(adjusted="splits"))
    assert list(data.bars.close["A"]) == [5.25, 11.5, 12.5]
    assert list(data.bars.high["A"]) == [5.5, 12.0, 13.0]
    assert (data.bars.high >= data.bars.open).to_numpy().all()
    assert not any("prices are not adjusted" in note for note in data.notes)
    assert "adj_close differs from close" in said(frame, adjusted="all")


def test_prices_that_leave_something_out_are_noted():
    """Without adj_close there is nothing to scale by: the reader is told."""
    assert from_frames(bars(), settings=Settings(adjusted="splits")).notes == ("prices are not adjusted for dividends",)
    assert "splits" in from_frames(bars(), settings=Settings(adjusted="none")).notes[0]


@pytest.mark.parametrize(
    ("column", "row", "value", "expected"),
    [
        ("date", 1, "2024-03-29", "bars row 1, column date: XNYS has no session on this day (value '2024-03-29')"),
        ("date", 1, "28/03/2024", "bars row 1, column date: day and month cannot be told apart"),
        ("date", 1, "2024-03-28 16:00", "not the date of a session"),
        ("symbol", 3, "", "bars row 3, column symbol: not the symbol of one name"),
        ("symbol", 3, "*", "not the symbol of one name"),
        ("open", 2, "$12", "bars row 2, column open: not a finite number (value '$12')"),
        ("volume", 2, "1,000", "column volume: not a finite number (value '1,000')"),
        ("close", 2, True, "not a finite number"),
        ("high", 2, np.inf, "not a finite number"),
        ("close", 2, np.nan, "prices are in part missing"),
        ("volume", 2, np.nan, "the volume is missing"),
        ("volume", 2, -1, "volume is negative"),
        ("low", 2, 0.0, "a price is not positive"),
        ("low", 2, 14.0, "high < low"),
        ("open", 2, 13.1, "open or close lies outside [low, high] (value '2024-04-01 A 13.1 13.0 11.0 12.5 100.0')"),
        ("date", 1, "2024-03-27", "bars row 1: another bar of the same time and symbol has other values"),
    ],
)
def test_a_bad_bar_is_refused_with_its_place(column, row, value, expected):
    """Row, column, value and fix."""
    assert expected in said(changed(column, row, value))


def test_an_infinite_price_in_a_column_of_floats_is_refused():
    """Also where no cell is text."""
    assert "bars row 1, column high: not a finite number (value 'inf')" in said(bars(high=[11.0, np.inf, 13.0, 21.0, 22.0, 23.0]))


def test_every_problem_is_found_at_once():
    """Bars and news, of several kinds, in one error."""
    frame = changed("high", 0, "x")
    frame.loc[5, "low"] = -1.0
    text = said(frame, news(("noon", "A", "x"), ("2024-03-28T15:00:00", "A", "y"), ("2024-03-28T15:00:00Z", "", "z")))
    for part in ("not a finite number", "not positive", "not a date or time", "no time zone", "the symbol is empty"):
        assert part in text


def test_rows_that_say_nothing_new_are_dropped_and_counted():
    """A bar without prices, a bar that stands twice, an empty text, a symbol without bars."""
    frame = pd.concat([bars(), bars().iloc[[4]]], ignore_index=True)
    frame.loc[1, ["open", "high", "low", "close", "volume"]] = np.nan
    documents = news(("2024-03-28T15:00:00Z", "A", "  "), ("2024-03-28T15:00:00Z", "A|C", "x"), ("2024-03-28T16:00:00Z", "A", "X!"))
    data = from_frames(frame, documents)
    assert [(d.reason.split(" as ")[0], d.n_rows, d.examples[0]) for d in data.dropped] == [
        ("bars without a price", 1, "bars row 1 A 2024-03-28"),
        ("bars that stand twice", 1, "bars row 6 B 2024-03-28"),
        ("news without a text", 1, "news row 0 A"),
        ("news on a symbol that has no bars", 1, "news row 1 C"),
        ("news with the same text", 1, "news row 2 A X!"),
    ]
    assert np.isnan(data.bars.close["A"].iloc[1])
    assert list(data.news.table["text"]) == ["x"]


def test_a_print_just_outside_the_range_widens_it_with_a_note():
    """Half a percent at most; the bar stays possible."""
    data = from_frames(bars(open=[10.0, 11.0, 13.05, 20.0, 21.0, 22.0]))
    assert data.bars.high["A"].iloc[2] == data.bars.open["A"].iloc[2] == 13.05
    assert data.notes == ("1 bars: high or low moved by at most 0.5% to take in open and close",)


def test_sessions_without_any_bar_are_noted():
    """They are no row of the bars: weekly data has four in five."""
    data = from_frames(bars().query("date != '2024-03-28'"))
    assert len(data.bars.times) == 2
    assert data.notes == ("1 of 3 sessions have no bar of any symbol (first: 2024-03-28)",)


def test_bars_stamped_at_their_open_are_complete_one_length_later():
    """Two half-hours from 13:30 UTC; 252 sessions of two bars make 504 a year."""
    stamps = ["2024-03-28T09:30", "2024-03-28T10:00"]
    frame = bars().iloc[:2].drop(columns="date").assign(time=stamps)
    data = from_frames(frame, settings=Settings(bar_stamp="open", bar_length="30min", timezone="America/New_York"))
    assert [f"{t:%H:%M}" for t in data.bars.times] == ["14:00", "14:30"]
    assert data.sessions_per_year == 504.0
    closed = from_frames(frame, settings=Settings(bar_stamp="close", timezone="America/New_York"))
    assert [f"{t:%H:%M}" for t in closed.bars.times] == ["13:30", "14:00"]
    assert "no time zone" in said(frame, bar_stamp="close")
    assert "a date without a time" in said(bars(), bar_stamp="close")


def test_a_document_is_usable_from_its_latest_stamp_and_the_delay():
    """Published 10:00, seen 12:00, a minute's delay: 12:01. Without a first sight, 10:01. A date alone: the end of the day."""
    documents = news(("2024-03-28T10:00Z", "A", "x"), ("2024-03-28T10:00Z", "B", "y"), ("2024-03-28", "*", "z"))
    data = from_frames(bars(), documents.assign(first_seen_at=["2024-03-28T12:00Z", "", ""]), settings=Settings(news_delay="1min"))
    assert [f"{t:%d %H:%M}" for t in data.news.table["available_at"]] == ["28 10:01", "28 12:01", "29 04:01"]


def test_date_only_news_is_not_known_at_that_days_close():
    """It is, at the close of the next session."""
    data = from_frames(bars(), news(("2024-03-27", "A", "x")))
    known = known_news(data.news, data.bars).array.__arrow_array__().to_pylist()
    assert [len(cell) for cell in known] == [0, 0, 1, 0, 0, 0]


def test_a_headline_and_a_text_are_one_document():
    """One below the other; either may be empty."""
    documents = news(("2024-03-28T10:00Z", "A", "body"), ("2024-03-28T11:00Z", "A", "")).assign(headline=["Head", "Alone"])
    assert list(from_frames(bars(), documents).news.table["text"]) == ["Head\nbody", "Alone"]


def test_bars_outside_a_dated_listing_are_dropped(tmp_path):
    """An unknown symbol is an error that names the nearest; so is one that is listed twice."""
    bars().to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "dataset.toml").write_text('name = "x"\ncalendar = "XNYS"\n')
    (tmp_path / "symbols.csv").write_text("symbol,start,end,name\nA,,2024-03-27,First\nB,,,\nZ,,,\n")
    data = read_dataset(tmp_path)
    assert list(data.bars.listed["A"]) == [True, False, False]
    assert [(d.reason, d.n_rows, d.examples) for d in data.dropped] == [
        ("bars outside their symbol's listing", 2, ("bars.csv:3 A 2024-03-28", "bars.csv:4 A 2024-04-01"))
    ]
    assert data.notes == ("1 symbols of symbols.csv have no bars",)
    (tmp_path / "symbols.csv").write_text("symbol,start,end\nA,,2024-03-27\nA,2024-04-01,\nB,,\n")
    with pytest.raises(DataError, match="line 3, column symbol: the symbol is listed twice"):
        read_dataset(tmp_path)
    (tmp_path / "symbols.csv").write_text("symbol,start,end\nA,2024-04-01,2024-03-27\nBB,,\n")
    with pytest.raises(
        DataError, match=r"(?s)line 2, column start: start lies after end.*'B' of the bars is not listed \(did you mean 'BB'"
    ):
        read_dataset(tmp_path)


def test_the_order_of_the_rows_does_not_matter():
    """Shuffled bars and news, and shuffled columns, give the same data set, hashes included."""
    rng = np.random.default_rng(3)
    rows = [(f"2024-03-28T{10 + i % 3}:00:00Z", "AB"[i % 2], " ".join(rng.choice(list("abc"), 4))) for i in range(40)]
    frame, documents = bars(), news(*rows).assign(id=[str(i) for i in range(40)])
    want = from_frames(frame, documents)
    got = from_frames(frame.sample(frac=1, random_state=1)[frame.columns[::-1]], documents.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(got.bars.close, want.bars.close)
    pd.testing.assert_frame_equal(got.news.table, want.news.table)
    assert got.hashes == want.hashes
    assert from_frames(frame.assign(close=frame["close"] + 0.1), documents).hashes["bars"] != want.hashes["bars"]
    assert 0 < len(want.news) < 40


def test_later_news_changes_no_earlier_document():
    """Cut at any instant, the documents before it are those of the whole."""
    rng = np.random.default_rng(4)
    rows = [(f"2024-03-{10 + i // 3}T10:00:00Z", "A", " ".join(rng.choice(list("ab"), 4))) for i in range(45)]
    documents = news(*rows).assign(id=[f"{i:02}" for i in range(45)])
    whole = from_frames(bars(), documents).news
    for n in (3, 12, 24, 36):
        cut = from_frames(bars(), documents.iloc[:n]).news.table
        pd.testing.assert_frame_equal(cut, whole.table.iloc[: len(cut)])
    assert 0 < len(whole) < 45


def test_the_environment_does_not_matter(tmp_path):
    """Another time zone and another hash seed give the same documents, drops and hashes."""
    bars().to_csv(tmp_path / "bars.csv", index=False)
    rows = [(f"2024-03-28 1{i % 3}:00", "AB"[i % 2], f"t {i % 5}") for i in range(20)]
    news(*rows).to_csv(tmp_path / "news.csv", index=False)
    (tmp_path / "dataset.toml").write_text('name = "x"\ncalendar = "XNYS"\ntimezone = "Europe/Paris"\n')
    code = "import sys; from quantlab.data import read_dataset as r; d = r(sys.argv[1]); print(d.news.table.to_csv(), d.dropped, d.hashes)"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env=os.environ | {"TZ": zone, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone, seed in (("Asia/Tokyo", "1"), ("America/New_York", "2"))
    }
    assert len(outputs) == 1
    assert "2024-03-28 09:00:00+00:00" in outputs.pop()  # ten in Paris


@pytest.mark.skipif(not STOCKNET.is_dir(), reason="the stocknet data set is not beside the repository")
def test_stocknet_reads_as_it_is_known_to_be():
    """108,592 bars, three without prices; 119,641 tweets, each kept or counted."""
    data = read_dataset(STOCKNET)
    dropped = {d.reason.split(" as ")[0]: d.n_rows for d in data.dropped}
    assert data.bars.listed.to_numpy().sum() == 108_592 - 3
    assert dropped.pop("bars without a price") == 3
    assert len(data.bars.symbols) == 88
    assert len(data.news) + sum(dropped.values()) == 119_641
    assert 0.15 < sum(dropped.values()) / 119_641 < 0.35
    assert data.notes == ()
