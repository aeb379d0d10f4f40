"""Canaries: documents that tell the next return, put around the close. After it none may sing; before it one must, or we are deaf.

At a cut, the data ends with the bar; then every name gets a document that says which way its price will go next. Stamped one second after
the close, at the very instant of it, or with the date alone (which the readers take for the end of that day), it must not change a
single feature. Stamped well before the close it must at some cut, else a strategy could read the future and this check would not know.
They have the sources of real documents, and a real text after what they tell: a strategy that reads some of the news only reads them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from quantlab.audit.causes import cell
from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference, panels
from quantlab.audit.outcome import judged, told
from quantlab.audit.stages import Stages, Subject
from quantlab.bars import TIME_UNIT
from quantlab.data.stamps import instants
from quantlab.dataset import Dataset
from quantlab.errors import QuantlabError, StorageError
from quantlab.executor import Progress
from quantlab.news import MARKET, News
from quantlab.result import Check, Finding
from quantlab.sessions import time_zone
from quantlab.steps import samples

GOOD: Final = "shares surge after record profit, strong growth beats expectations, upgrade"
BAD: Final = "shares plunge after huge loss, fraud probe and bankruptcy warning, downgrade"
BEFORE: Final = tuple(pd.Timedelta(span) for span in ("2min", "1h", "1D", "3D", "7D"))  # the last for a delay of days, or rows of weeks
N_SOURCES: Final = 8  # the commonest, of which each name gets a document
SECOND: Final = pd.Timedelta(seconds=1)
MINUTE: Final = pd.Timedelta(minutes=1)


def canary_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether a document from the close or later has any effect, and whether one from before it has."""
    try:
        if not _reads_news(subject, whole):
            return Check("canary", "not applicable", "the strategy reads no news")
        return _sung(subject, whole, cuts, progress)
    except StorageError:  # a disk that is full says nothing about a strategy
        raise
    except QuantlabError as error:  # that it cannot run with these documents is no leak, and proves nothing
        return Check("canary", "blind", f"the strategy cannot run with other documents: {told(error)}")


def _sung(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether canaries around the close of each cut were heard when they must not be, and when they must."""
    times = _decided(whole, cuts)
    findings: dict[tuple[str, str], Finding] = {}
    heard: list[pd.Timedelta | None] = []
    for time in progress(times, "canary", len(times)):
        known = subject.dataset.until(time)
        base, _ = samples(subject.strategy, known, subject.settings.start)
        for said, difference in _late(subject, known, base, time):
            if (difference.stage, difference.column) not in findings:
                cause = _cause(subject, known, base, time)
                findings[difference.stage, difference.column] = _finding(difference, f"a document stamped {said} of {time.date()}", cause)
        heard.append(next((early for early in BEFORE if any(_effect(subject, known, base, time - early))), None))
    if not times:
        return Check("canary", "blind", "there is no bar with a decision before it and one after it")
    detail = f"at {len(times)} bars, documents from the close, a second later, and with the date alone"
    restless = _restless(subject, whole) if findings else set()
    found = tuple(finding for (_, column), finding in findings.items() if column not in restless)
    if restless and not found:
        return Check("canary", "blind", f"{detail}; but `{min(restless)}` has other values each time that it is made")
    audible = [early for early in heard if early is not None]
    if not audible and not found:
        return Check("canary", "blind", f"{detail}; but none from up to {BEFORE[-1].days} days before the close was picked up either")
    minutes = int(max(audible, default=BEFORE[0]) / MINUTE)
    n_deaf = f" (at {len(audible)} of the bars)" if len(audible) < len(times) else ""
    return judged("canary", f"{detail}; one from {minutes} minutes before the close is picked up{n_deaf}", found)


def _decided(whole: Stages, cuts: Sequence[Cut]) -> list[pd.Timestamp]:
    """Return the last time of the panel at or before each cut: it may have rows on some bars only, on Wednesdays say."""
    times = pd.DatetimeIndex(whole.features.index.get_level_values(0).unique())
    places = times.searchsorted(pd.DatetimeIndex([cut.time for cut in cuts], tz="UTC"), side="right") - 1
    return [times[place] for place in dict.fromkeys(places.tolist()) if place >= 0]


def _late(subject: Subject, known: Dataset, base: pd.DataFrame, time: pd.Timestamp) -> Iterator[tuple[str, Difference]]:
    """Yield what documents from the close or later change, with their stamp in words."""
    stamps = {"one second after the close": time + SECOND, "exactly at the close": time, "on the date alone": _end_of_day(subject, time)}
    if _effect(subject, known, base, *stamps.values()):
        for said, stamp in stamps.items():
            yield from ((said, difference) for difference in _effect(subject, known, base, stamp))


def _finding(difference: Difference, cut: str, cause: str) -> Finding:
    """Return a difference as a finding: here the other panel is the one that knows too much."""
    where = (difference.stage, difference.column, difference.time, difference.symbol)
    return Finding(*where, difference.other, difference.value, difference.n_rows, cut, cause)


def _cause(subject: Subject, known: Dataset, base: pd.DataFrame, time: pd.Timestamp) -> str:
    """Return how far beyond the close the strategy reads, and what kind of slip does that."""
    zone = subject.dataset.calendar and time_zone(subject.dataset.calendar)
    day_ends = [time.normalize() + pd.Timedelta(days=1) - time]
    offset = pd.Timedelta(0)
    if zone:
        local = time.tz_convert(zone)
        offset = abs(pd.Timedelta(local.utcoffset() or pd.Timedelta(0)))
        day_ends.append((local.normalize() + pd.DateOffset(days=1)) - local)

    def sings(after: pd.Timedelta) -> bool:
        return any(_effect(subject, known, base, time + after))

    if not sings(SECOND):
        return "a document stamped exactly at the close is used: known means strictly before it, as known_news joins"
    if not sings(pd.Timedelta(minutes=30)):
        late = next(step for step in (5, 15, 30) if not sings(pd.Timedelta(minutes=step)))
        return f"the cut-off is too late, by up to {late} minutes after the close: join with known_news, which is strict"
    ends = [end for end in day_ends if sings(end - MINUTE) and not sings(end + MINUTE)]
    shifted = offset > pd.Timedelta(0) and sings(offset - MINUTE) and not sings(offset + MINUTE)
    ages = [_ages(_effect(subject, known, base, time + after)) for after in (SECOND, 2 * SECOND)]
    if shifted and (not ends or ages[0] != ages[1]):  # joined by date, both would be as old
        hours = offset / pd.Timedelta(hours=1)
        return (
            f"stamps are read in the wrong time zone (naive local times taken for UTC): documents up to {hours:g} h after the close"
            " are used: localise before converting"
        )
    if ends:
        return "after-close documents are credited to the same day (joined by date): use the instant of publication, with known_news"
    return "documents from after the close are used: join with known_news, which uses those strictly before it"


def _ages(differences: list[Difference]) -> list[float]:
    """Return the ages in hours that the canaries have where they stand in a news column."""
    found = []
    for difference in differences:
        if difference.stage == "documents" and difference.pair is not None and difference.time is not None:
            without, added = (cell(column, difference.time, difference.symbol) for column in difference.pair)
            found += sorted(age for _, age in added - without)
    return found


def _effect(subject: Subject, known: Dataset, base: pd.DataFrame, *stamps: pd.Timestamp) -> list[Difference]:
    """Return what changes in the panel when documents with these stamps are added."""
    table = known.news.table
    added = [_canaries(subject, known, stamp) for stamp in stamps]
    news = News(pd.concat([table, *added], ignore_index=True))
    X, _ = samples(subject.strategy, replace(known, news=news), subject.settings.start)
    return list(panels(base, X))


def _canaries(subject: Subject, known: Dataset, stamp: pd.Timestamp) -> pd.DataFrame:
    """Return one document per listed name that tells its next return, and one for the whole market."""
    bars, now = subject.dataset.bars, known.bars.times[-1]
    place = subject.place(now)
    ahead = bars.open.iloc[place + 1 : place + 3]
    up = ahead.pct_change(fill_method=None).iloc[-1] > 0 if len(ahead) == 2 else pd.Series(True, index=bars.symbols)
    listed = bars.symbols[bars.listed.loc[now].to_numpy()]
    said = {symbol: f"{symbol.replace(MARKET, 'all')} {GOOD if up.get(symbol, True) else BAD}" for symbol in [*listed, MARKET]}
    rows = [(symbol, f"{text}. {real}", source) for source, real in _real(known.news.table).items() for symbol, text in said.items()]
    table = pd.DataFrame(rows, columns=["symbol", "text", "source"])
    ids = [f"canary {number} {stamp.isoformat()}" for number in range(len(table))]
    return table.assign(available_at=pd.DatetimeIndex([stamp] * len(table)).as_unit(TIME_UNIT), id=ids)


def _real(table: pd.DataFrame) -> dict[str, str]:
    """Return the newest text of each of the commonest sources."""
    if not len(table):
        return {"canary": "says a bird"}
    sources = table["source"].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable").index[:N_SOURCES]
    newest = table.drop_duplicates("source", keep="last").set_index("source")["text"]
    return {source: newest[source] for source in sources}


def _end_of_day(subject: Subject, time: pd.Timestamp) -> pd.Timestamp:
    """Return what the readers make of the local date of a bar without a time."""
    zone = time_zone(subject.dataset.calendar) if subject.dataset.calendar else "UTC"
    day = time.tz_convert(zone).date().isoformat()
    return instants(pd.Series([day]), zone=zone, day_zone=zone).at[0]


def _reads_news(subject: Subject, whole: Stages) -> bool:
    """Return True if the panel depends on the news at all: one half of it is taken away, not all, which not every learner bears."""
    table = subject.dataset.news.table
    middle = len(table) // 2
    for fewer in (table.iloc[:middle], table.iloc[middle:]):
        less, _ = samples(subject.strategy, replace(subject.dataset, news=News(fewer)), subject.settings.start)
        moved = {difference.column: difference.stage for difference in panels(whole.features, less)}
        if "documents" in moved.values() or (moved and moved.keys() - _restless(subject, whole)):
            return True
    return False


def _restless(subject: Subject, whole: Stages) -> set[str]:
    """Return the columns that differ when they are made again from the same data, as unseeded ones do."""
    again, _ = samples(subject.strategy, subject.dataset, subject.settings.start)
    return {difference.column for difference in panels(whole.features, again)}
