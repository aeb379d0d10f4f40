"""A data set as the folder that `quantlab.data.read_dataset` reads: dataset.toml, bars, news; the same bytes each time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

from quantlab.bars import PRICES, Bars
from quantlab.dataset import Dataset
from quantlab.errors import StorageError, UsageError
from quantlab.news import News
from quantlab.sessions import sessions
from quantlab.storage import write_folder
from quantlab.synthetic.market import Market
from quantlab.synthetic.wording import Strings

OURS = ("dataset.toml", "bars*", "news*", "symbols.csv")  # what a reader of the folder would take for part of the data set


def write_dataset(market: Market | Dataset, folder: Path | str, *, compress: bool = False) -> Path:
    """Write a data set into a folder, made if need be, and return the folder.

    Bars are stamped with the session's date where the calendar knows them all, else with the instant of the close. Bars without
    prices are left out. `compress` writes .csv.gz. Nothing that is there already is changed: raises StorageError if the folder
    holds another data set, or cannot be written; UsageError if the data set names no calendar.
    """
    dataset = market.dataset if isinstance(market, Market) else market
    folder = Path(folder)
    if dataset.calendar is None:
        raise UsageError(f"the data set {dataset.name!r} names no calendar, which dataset.toml must: give it one, such as '24/7'")
    dates = _session_dates(dataset)
    tables = {"bars.csv": _bars_table(dataset.bars, dates), "news.csv": _news_table(dataset.news)}
    if dataset.names:
        tables["symbols.csv"] = pd.DataFrame({"symbol": list(dataset.names), "name": list(dataset.names.values())})
    files = {"dataset.toml": _toml(dataset, by_session=dates is not None)}
    for name, table in tables.items():
        content = table.to_csv(index=False, lineterminator="\n").encode()
        zipped = compress and name != "symbols.csv"
        files[f"{name}.gz" if zipped else name] = gzip.compress(content, 6, mtime=0) if zipped else content
    present = sorted({path for pattern in OURS for path in folder.glob(pattern)})
    other = [path.name for path in present if not path.is_file() or path.read_bytes() != files.get(path.name)]
    if other:
        raise StorageError(f"{folder} already holds another data set ({', '.join(other)}): choose an empty folder, or remove these")
    write_folder(folder, files)
    return folder


def _session_dates(dataset: Dataset) -> pd.DatetimeIndex | None:
    """Return the session of each bar, (n_times,), or None unless every bar ends with a session of the calendar."""
    times = dataset.bars.times
    if dataset.calendar is None or len(times) == 0:
        return None
    clock = sessions(dataset.calendar, times[0] - pd.Timedelta(days=2), times[-1])
    row = pd.DatetimeIndex(clock["close"]).get_indexer(times)
    return None if (row < 0).any() else pd.DatetimeIndex(clock.index[row])


def _bars_table(bars: Bars, dates: pd.DatetimeIndex | None) -> pd.DataFrame:
    """Return the bars with prices, a row each, in the order of (time, symbol)."""
    row, column = np.nonzero(bars.listed.to_numpy())
    stamp = {"time": _iso(bars.times)} if dates is None else {"date": np.datetime_as_string(dates.to_numpy(), unit="D")}
    table = pd.DataFrame({name: text[row] for name, text in stamp.items()} | {"symbol": bars.symbols.to_numpy()[column]})
    for name in (*PRICES, "volume"):
        table[name] = getattr(bars, name).to_numpy()[row, column]
    whole = bool((table["volume"] % 1 == 0).all())
    return table.astype({"volume": "int64"}) if whole else table


def _news_table(news: News) -> pd.DataFrame:
    """Return the documents, a row each, with their symbols joined by `|`."""
    keys = ["available_at", "id", "text", "source"]
    several = news.table.duplicated(keys, keep=False)
    joined = news.table[several].groupby(keys, as_index=False)["symbol"].agg("|".join)
    table = News(pd.concat([news.table[~several], joined])).table
    at = _iso(pd.DatetimeIndex(table["available_at"].array))
    return table.assign(published_at=at)[["published_at", "symbol", "text", "source", "id"]]


def _iso(times: pd.DatetimeIndex) -> Strings:
    """Return the instants as ISO 8601 in UTC with a Z, to the second if they are whole."""
    whole = bool((times.asi8 % 1_000_000 == 0).all())
    naive = times.asi8.astype("M8[us]")
    return np.strings.add(np.datetime_as_string(naive, unit="s" if whole else "us"), "Z")


def _toml(dataset: Dataset, *, by_session: bool) -> bytes:
    """Return dataset.toml; what JSON writes for strings and lists of them, TOML reads."""
    facts: dict[str, object] = {
        "name": dataset.name,
        "calendar": dataset.calendar,
        "bar_stamp": "session" if by_session else "close",
        "adjusted": "all",
        "news_delay": "0s",
        "benchmark": dataset.benchmark,
        "notes": list(dataset.notes),
    }
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in facts.items() if value).encode()
