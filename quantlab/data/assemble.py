"""Assemble: tables to a Dataset. Files and frames in memory take the same way from here on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from quantlab.bars import TIME_UNIT, Bars
from quantlab.data import rules
from quantlab.data.checks import VALUES, BarRows, bar_rows
from quantlab.data.documents import Documents, around_all, documents, of_known_symbols
from quantlab.data.duplicates import copies
from quantlab.data.files import files_of, kind_of, sha256_of
from quantlab.data.findings import Findings
from quantlab.data.listing import listed_rows, names_of
from quantlab.data.readers import read_table
from quantlab.data.rules import BadRows
from quantlab.data.settings import FILE, Settings, read_settings
from quantlab.data.suspicious import suspect
from quantlab.data.tables import Table, shortened, table_of
from quantlab.dataset import Dataset
from quantlab.errors import DataError, nearest
from quantlab.news import News
from quantlab.sessions import sessions, sessions_per_year, time_zone

STEMS = ("bars", "news", "symbols")


@dataclass(frozen=True)
class Tables:
    """What was read: bars, and perhaps news and a dated listing."""

    bars: Table | None
    news: Table | None = None
    listing: Table | None = None


def read_dataset(folder: str | Path, *, bad_rows: BadRows = "error") -> Dataset:
    """Return the data set in a folder: dataset.toml, bars, and perhaps news and symbols.csv.

    bad_rows: what becomes of rows that cannot be right, see `quantlab.data.rules`: an error, or set aside and counted.
    Raises DataError with every problem found: each names its file, line, column and value, and what to do.
    """
    dataset, findings = examine(folder)
    return _answered(dataset, findings, bad_rows)


def from_frames(
    bars: pd.DataFrame, news: pd.DataFrame | None = None, *, settings: Settings | None = None, bad_rows: BadRows = "error"
) -> Dataset:
    """Return the data set of frames in memory, with the columns that the files would have; they are not modified.

    Named levels of an index count as columns. Without settings: XNYS, `date` names sessions, prices adjusted for all.
    Raises DataError as `read_dataset` does, with rows (counted from 0) instead of lines.
    """
    settings = settings or Settings()
    time_zone(settings.calendar)  # an unknown calendar is an error
    findings = Findings()
    frames = {"bars": bars} | ({} if news is None else {"news": news})
    tables = {name: Table.of_frame(frame, name, findings) for name, frame in frames.items()}
    for name, table in tables.items():
        findings.read(name, len(table.frame))
    hashes = {name: _fingerprint(table.frame) for name, table in tables.items()}
    hashes["settings"] = hashlib.sha256(repr(settings).encode()).hexdigest()
    dataset = assemble(Tables(tables["bars"], tables.get("news")), settings, lambda: hashes, findings)
    return _answered(dataset, findings, bad_rows)


def examine(folder: str | Path) -> tuple[Dataset | None, Findings]:
    """Return the data set in a folder without its bad rows, and all that is wrong or odd; None if there is more to it than bad rows.

    Raises DataError if there is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: point at one that holds {FILE} and bars.csv or bars.parquet")
    findings = Findings()
    try:
        settings = read_settings(folder, findings)
        paths = {stem: files_of(folder, stem, findings) for stem in STEMS}
        _others(folder, paths, findings)
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}: check that you may") from error
    tables = Tables(*(read_table(folder, paths[stem], findings, symbol_from_name=stem == "bars") for stem in STEMS))
    if tables.bars is None and not any(table_of(str(finding.problems[0].file)) == "bars" for finding in findings.all):
        findings.add(rules.NO_BARS.of(folder=folder))

    def hashes() -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): sha256_of(path)
            for path in [folder / FILE, *(path for stem in STEMS for path in paths[stem])]
        }

    return assemble(tables, settings, hashes, findings), findings


def assemble(tables: Tables, settings: Settings, hashes: Callable[[], Mapping[str, str]], findings: Findings) -> Dataset | None:
    """Return the data set of the tables read, without their bad rows; None if anything was refused. What came up is in the findings.

    `hashes` gives the fingerprints of what was read; it is asked once there is a data set.
    """
    rows = None if tables.bars is None else bar_rows(tables.bars, settings, findings)
    zone = settings.timezone or time_zone(settings.calendar)
    found = None if tables.news is None else documents(tables.news, settings, findings, day_zone=zone)
    names = {} if tables.listing is None else names_of(tables.listing, findings)
    if rows is not None and tables.bars is not None:
        if tables.listing is not None:
            rows = listed_rows(rows, tables.bars, tables.listing, findings)
        suspect(rows, tables.bars, settings, findings)
        _check_symbols(rows, tables.bars.files[0], settings, findings)
    if found is not None and tables.news is not None and rows is not None:
        if not rows.frame.empty:  # else every symbol would seem unknown
            found = of_known_symbols(found, rows, tables.news, findings)
        found = _without_copies(found, tables.news, settings, findings)
        around_all(found, rows, tables.news, findings)
    if rows is None or rows.frame.empty or any(finding.blocks("quarantine") for finding in findings.all):
        return None
    per_year = _bars_per_year(rows.frame, settings, findings)
    return Dataset(
        name=settings.name,
        bars=_wide(rows.frame),
        news=News.none() if found is None else News(found.frame),
        calendar=settings.calendar,
        benchmark=settings.benchmark,
        sessions_per_year=per_year,
        dropped=findings.dropped(),
        notes=(*settings.notes, *([f"licence: {settings.licence}"] if settings.licence else []), *findings.notes()),
        hashes=dict(hashes()),
        names=names,
    )


def _answered(dataset: Dataset | None, findings: Findings, bad_rows: BadRows) -> Dataset:
    """Return the data set, with what was set aside. Raises DataError with all that stands against it."""
    findings.raise_if_any(bad_rows)
    if dataset is None:  # what was refused has said so
        raise DataError("there are no bars")
    if bad_rows == "error":
        return dataset
    return replace(dataset, quarantined=findings.quarantine(), bad_rows=findings.set_aside())


def _others(folder: Path, paths: Mapping[str, list[Path]], findings: Findings) -> None:
    """Refuse tables in the folder whose name is nearly that of one that is missing, and note the others that are not read."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        stem = path.name.lower().partition(".")[0]
        if kind_of(path) and stem not in STEMS and stem:
            missing = [name for name in STEMS if not paths[name] and nearest(stem, [name])]
            rule = rules.MISNAMED.of(stem=missing[0]) if missing else rules.NOT_READ.of(others="bars, news and symbols are")
            findings.add(rule, path.name)


def _check_symbols(rows: BarRows, file: str, settings: Settings, findings: Findings) -> None:
    """Refuse a market without a bar, and a benchmark that is not in it."""
    known = sorted(set(rows.frame["symbol"]))
    if not known:
        if not any(finding.rule.answer in ("refused", "bad row") for finding in findings.all):
            findings.add(rules.NO_BAR_LEFT, file)
    elif settings.benchmark is not None and settings.benchmark not in known:
        findings.add(rules.BENCHMARK.of(name=repr(shortened(settings.benchmark)), near=nearest(settings.benchmark, known)), FILE)
    alike = [name for _, group in groupby(sorted(known, key=str.casefold), str.casefold) if len(same := list(group)) > 1 for name in same]
    if alike:
        findings.add(rules.CASE.of(names=shortened(", ".join(alike))), file)


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


def _without_copies(found: Documents, table: Table, settings: Settings, findings: Findings) -> Documents:
    """Return the documents that are no copies of an earlier one."""
    window, similarity = settings.duration("duplicate_window"), float(settings.similarity)
    copy = copies(found.frame, window=window, similarity=similarity)
    said = {"window": settings.duplicate_window, "similarity": similarity}
    for mask, rule in ((copy.same, rules.COPY), (copy.near, rules.NEAR_COPY)):
        shown = found.frame.loc[mask, "symbol"].str.cat(found.frame.loc[mask, "text"], sep=" ")
        findings.at(rule.of(**said), table, found.row[mask], shown=shown)
    return found.keep(~(copy.same | copy.near))


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
        findings.add(rules.MISSING_SESSIONS.of(missing=len(missing), total=len(calendar)), value=days)
    per_session = frame["at"].nunique() / max(len(calendar), 1)
    per_session = 1.0 if 2 / 3 < per_session < 3 / 2 else per_session
    return float(round(sessions_per_year(settings.calendar, first, last) * per_session))


def _fingerprint(frame: pd.DataFrame) -> str:
    """Return a sha256 of the columns and rows of a plain table, whatever the order of either."""
    ordered = frame[sorted(frame.columns)]
    rows = np.sort(pd.util.hash_pandas_object(ordered.astype("str"), index=False).to_numpy())
    return hashlib.sha256("\n".join(ordered.columns).encode() + b"\n" + rows.tobytes()).hexdigest()
