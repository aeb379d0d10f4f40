"""Canaries: documents that tell the next return, put around the close. After it none may sing; before it one must, or we are deaf.

At a cut, the data ends with the bar; then every name gets a document that says which way its price will go next. Stamped one second after
the close, at the very instant of it, or with the date alone (which the readers take for the end of that day), it must not change a
single feature. Stamped two minutes before the close it must, else a strategy could read the future and this check would not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from quantlab.audit.causes import cell
from quantlab.audit.cuts import Cut
from quantlab.audit.differences import Difference, panels
from quantlab.audit.outcome import judged
from quantlab.audit.stages import Stages, Subject
from quantlab.bars import TIME_UNIT
from quantlab.data.stamps import instants
from quantlab.dataset import Dataset
from quantlab.errors import QuantlabError
from quantlab.executor import Progress
from quantlab.news import MARKET, News
from quantlab.result import Check, Finding
from quantlab.sessions import time_zone
from quantlab.steps import samples

GOOD: Final = "shares surge after record profit, strong growth beats expectations, upgrade"
BAD: Final = "shares plunge after huge loss, fraud probe and bankruptcy warning, downgrade"
BEFORE: Final = (pd.Timedelta(minutes=2), pd.Timedelta(hours=1), pd.Timedelta(days=1))
SECOND: Final = pd.Timedelta(seconds=1)
MINUTE: Final = pd.Timedelta(minutes=1)


def canary_check(subject: Subject, whole: Stages, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether a document from the close or later has any effect, and whether one from before it has."""
    try:
        if not _reads_news(subject, whole):
            return Check("canary", "not applicable", "the strategy reads no news")
        return _sung(subject, cuts, progress)
    except QuantlabError as error:  # that it cannot run with these documents is no leak, and proves nothing
        return Check("canary", "blind", f"the strategy cannot run with other documents: {error}")


def _sung(subject: Subject, cuts: Sequence[Cut], progress: Progress) -> Check:
    """Return whether canaries around the close of each cut were heard when they must not be, and when they must."""
    times = list(dict.fromkeys(cut.time for cut in cuts))
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
    deaf = [time for time, early in zip(times, heard, strict=True) if early is None]
    detail = f"at {len(times)} bars, documents from the close, a second later, and with the date alone"
    if deaf and not findings:
        return Check("canary", "blind", f"{detail}; but none from before the close of {deaf[0].date()} was picked up either")
    latest = max((early for early in heard if early is not None), default=BEFORE[0])
    minutes = int(latest / MINUTE)
    return judged("canary", f"{detail}; one from {minutes} minutes before the close is picked up", tuple(findings.values()))


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
    symbols = [*listed, MARKET]
    said = [GOOD if up.get(symbol, True) else BAD for symbol in symbols]
    return pd.DataFrame(
        {
            "available_at": pd.DatetimeIndex([stamp] * len(symbols)).as_unit(TIME_UNIT),
            "symbol": symbols,
            "text": [f"{symbol.replace(MARKET, 'all')} {text}" for symbol, text in zip(symbols, said, strict=True)],
            "source": "canary",
            "id": [f"canary {number} {stamp.isoformat()}" for number in range(len(symbols))],
        }
    )


def _end_of_day(subject: Subject, time: pd.Timestamp) -> pd.Timestamp:
    """Return what the readers make of the local date of a bar without a time."""
    zone = time_zone(subject.dataset.calendar) if subject.dataset.calendar else "UTC"
    day = time.tz_convert(zone).date().isoformat()
    return instants(pd.Series([day]), zone=zone, day_zone=zone).at[0]


def _reads_news(subject: Subject, whole: Stages) -> bool:
    """Return True if the panel depends on the news at all: the later half of it is taken away, not all, which not every learner bears."""
    table = subject.dataset.news.table
    fewer = replace(subject.dataset, news=News(table.iloc[: len(table) // 2]))
    less, _ = samples(subject.strategy, fewer, subject.settings.start)
    return any(True for _ in panels(whole.features, less))
