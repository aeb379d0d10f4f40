"""Assemble: tables to a Dataset. Files and frames in memory take the same way from here on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quantlab.bars import TIME_UNIT, Bars
from quantlab.data.checks import VALUES, BarRows, bar_rows, listed_rows, names_of
from quantlab.data.documents import Documents, documents, of_known_symbols
from quantlab.data.duplicates import copies
from quantlab.data.files import files_of, sha256_of
from quantlab.data.readers import read_table
from quantlab.data.settings import FILE, Settings, read_settings
from quantlab.data.tables import Findings, Table
from quantlab.dataset import Dataset
from quantlab.errors import DataError, nearest
from quantlab.news import News
from quantlab.sessions import sessions, sessions_per_year, time_zone

LISTING = "symbols.csv"


@dataclass(frozen=True)
class Tables:
    """What was read: bars, and perhaps news and a dated listing."""

    bars: Table
    news: Table | None = None
    listing: Table | None = None


def read_dataset(folder: str | Path) -> Dataset:
    """Return the data set in a folder: dataset.toml, bars, and perhaps news and symbols.csv.

    Raises DataError with every problem found: each names its file, line, column and value, and what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: point at one that holds {FILE} and bars.csv or bars.parquet")
    settings = read_settings(folder)
    findings = Findings()
    paths = {stem: files_of(folder, stem, findings) for stem in ("bars", "news")}
    paths["symbols"] = [path for path in [folder / LISTING] if path.is_file()]
    if not paths["bars"]:
        findings.refuse(f"there are no bars in {folder}", "add bars.csv, bars.csv.gz, bars.parquet or a folder bars/")
    read = [folder / FILE, *paths["bars"], *paths["news"], *paths["symbols"]]
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in read}
    bars, news, listing = (read_table(folder, paths[stem], findings, symbol_from_name=stem == "bars") for stem in paths)
    if bars is None:
        findings.raise_if_any()
        raise DataError(f"there are no bars in {folder}: the files are empty")
    return assemble(Tables(bars, news, listing), settings, hashes, findings)


def from_frames(bars: pd.DataFrame, news: pd.DataFrame | None = None, *, settings: Settings | None = None) -> Dataset:
    """Return the data set of frames in memory, with the columns that the files would have; they are not modified.

    Named levels of an index count as columns. Without settings: XNYS, `date` names sessions, prices adjusted for all.
    Raises DataError as `read_dataset` does, with rows (counted from 0) instead of lines.
    """
    settings = settings or Settings()
    findings = Findings()
    frames = {"bars": bars} | ({} if news is None else {"news": news})
    tables = {name: Table.of_frame(frame, name, findings) for name, frame in frames.items()}
    hashes = {name: _fingerprint(table.frame) for name, table in tables.items()}
    hashes["settings"] = hashlib.sha256(repr(settings).encode()).hexdigest()
    return assemble(Tables(tables["bars"], tables.get("news")), settings, hashes, findings)


def assemble(tables: Tables, settings: Settings, hashes: Mapping[str, str], findings: Findings) -> Dataset:
    """Return the data set of the tables read; every problem is found before anything is put together."""
    day_zone = settings.timezone or time_zone(settings.calendar)
    rows = bar_rows(tables.bars, settings, findings)
    found = None if tables.news is None else documents(tables.news, settings, findings, day_zone=day_zone)
    if rows is not None and tables.listing is not None:
        rows = listed_rows(rows, tables.bars, tables.listing, findings)
    if rows is not None and not findings.problems:
        _check_symbols(rows, settings, findings)
    findings.raise_if_any()
    if rows is None:  # a table without its columns has said so
        raise DataError("there are no bars")
    bars = _wide(rows.frame)
    news = News.none() if found is None or tables.news is None else _news(found, bars.symbols, tables.news, settings, findings)
    return Dataset(
        name=settings.name,
        bars=bars,
        news=news,
        calendar=settings.calendar,
        benchmark=settings.benchmark,
        sessions_per_year=_bars_per_year(rows.frame, settings, findings),
        dropped=tuple(findings.dropped),
        notes=(*settings.notes, *([f"licence: {settings.licence}"] if settings.licence else []), *findings.notes),
        hashes=dict(hashes),
        names={} if tables.listing is None else names_of(tables.listing, findings),
    )


def _check_symbols(rows: BarRows, settings: Settings, findings: Findings) -> None:
    """Refuse a market without a bar, and a benchmark that is not in it."""
    known = sorted(set(rows.frame["symbol"]))
    if not known:
        findings.refuse("not a single bar is left", "add rows with prices")
    elif settings.benchmark is not None and settings.benchmark not in known:
        fix = "name one of the symbols, or leave it out"
        findings.refuse(f"the benchmark {settings.benchmark!r} has no bars{nearest(settings.benchmark, known)}", fix, file=FILE)


def _wide(frame: pd.DataFrame) -> Bars:
    """Return the five tables (n_times, n_symbols) of bars in long form."""
    times = pd.DatetimeIndex(np.sort(frame["at"].unique()), name="time").as_unit(TIME_UNIT)
    symbols = pd.Index(sorted(set(frame["symbol"])), name="symbol", dtype="str")
    cell = (times.get_indexer(pd.DatetimeIndex(frame["at"])), symbols.get_indexer(pd.Index(frame["symbol"])))

    def table(name: str) -> pd.DataFrame:
        values = np.full((len(times), len(symbols)), np.nan)
        values[cell] = frame[name].to_numpy()
        return pd.DataFrame(values, index=times, columns=symbols)

    return Bars(*(table(name) for name in VALUES))


def _news(found: Documents, known: pd.Index, table: Table, settings: Settings, findings: Findings) -> News:
    """Return the documents on known symbols, without copies."""
    found = of_known_symbols(found, known, table, findings)
    window, similarity = settings.duration("duplicate_window"), float(settings.similarity)
    copy = copies(found.frame, window=window, similarity=similarity)
    for mask, what in ((copy.same, "the same text"), (copy.near, f"nearly the same text (similarity >= {similarity:g})")):
        shown = found.frame.loc[mask, "symbol"].str.cat(found.frame.loc[mask, "text"], sep=" ")
        findings.drop(table, found.row[mask], f"news with {what} as before on that symbol, within {settings.duplicate_window}", shown)
    return News(found.keep(~(copy.same | copy.near)).frame)


def _bars_per_year(frame: pd.DataFrame, settings: Settings, findings: Findings) -> float:
    """Return how many bars make a year, for annualisation, and note sessions without a bar.

    One bar per session gives the calendar's number, gaps or not; several per session (hours) or one for several (weeks)
    multiply or divide it.
    """
    first, last = frame["session"].min(), frame["session"].max()
    calendar = sessions(settings.calendar, first, last)
    missing = calendar.index.difference(pd.DatetimeIndex(frame["session"]))
    if len(missing):
        days = ", ".join(f"{day:%Y-%m-%d}" for day in missing[:3])
        findings.notes.append(f"{len(missing)} of {len(calendar)} sessions have no bar of any symbol (first: {days})")
    per_session = frame["at"].nunique() / max(len(calendar), 1)
    per_session = 1.0 if 2 / 3 < per_session < 3 / 2 else per_session
    return float(round(sessions_per_year(settings.calendar, first, last) * per_session))


def _fingerprint(frame: pd.DataFrame) -> str:
    """Return a sha256 of the columns and rows of a plain table, whatever the order of either."""
    ordered = frame[sorted(frame.columns)]
    rows = np.sort(pd.util.hash_pandas_object(ordered.astype("str"), index=False).to_numpy())
    return hashlib.sha256("\n".join(ordered.columns).encode() + b"\n" + rows.tobytes()).hexdigest()
