"""Stamps: text to instants, in UTC, or a reason why not.

1. ISO 8601 with a zone (`2024-03-04T15:30:00Z`, `... 10:30-05:00`) is an instant.
2. ISO 8601 without a zone is one only if the data set declares its time zone; a local time that daylight saving skips or
   repeats is refused.
3. A date alone means the end of that local day, which is when all of it has been published.
4. Numbers (seconds? milliseconds?), `03/04/2024` (March or April?) and days that do not exist are refused.

Each stamp is read by itself: what it means never depends on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.bars import TIME_UNIT
from quantlab.data import rules

MIDNIGHTS = 0.2  # of the stamps: more of them at midnight than this, and midnight means that the hour is not known
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
ZONE = r" ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
YEARS = (1900, 2100)  # years outside are slips of the pen, and calendars of thousands of years take for ever


@dataclass(frozen=True)
class Stamps:
    """Instants (n,), UTC, NaT where `wrong` (n,), the name of one of `rules.STAMPS`, says why; else it is empty."""

    at: pd.DatetimeIndex
    wrong: pd.Series


def instants(stamps: pd.Series, *, zone: str | None, day_zone: str | None) -> Stamps:
    """Return the instants of text stamps; `zone` is that of stamps without one, `day_zone` that of dates without a time.

    None means that there are none such.
    """
    codes, distinct = pd.factorize(stamps)
    text = pd.Series(distinct, dtype="str").str.strip()
    wrong = _shape(text)
    at = pd.Series(pd.NaT, index=text.index, dtype=pd.DatetimeTZDtype(TIME_UNIT, "UTC"))
    zoned, naive, day = (wrong == kind for kind in ("zoned", "naive", "day"))
    at[zoned] = pd.to_datetime(text[zoned].str.replace(",", "."), format="ISO8601", utc=True, errors="coerce").dt.as_unit(TIME_UNIT)
    wrong[zoned] = np.where(at[zoned].isna(), rules.IMPOSSIBLE.name, "")
    at[naive], wrong[naive] = _localised(text[naive], zone)
    at[day], wrong[day] = _end_of_day(text[day], day_zone)
    odd = at.notna() & ~at.dt.year.between(YEARS[0], YEARS[1] - 1)
    wrong[odd] = rules.YEAR.name
    at[odd] = pd.NaT
    return Stamps(pd.DatetimeIndex(at)[codes], wrong.iloc[codes].set_axis(stamps.index))


def midnights_as_days(stamps: pd.Series) -> tuple[pd.Series, int]:
    """Return text stamps in which those at exactly midnight are dates without a time, and how many; none if they are rare.

    A source that knows the day alone, or a table that turned dates into instants, stamps midnight: read as an instant, the whole day
    would be known before it began. Where more than a fifth of the stamps say midnight, they mean the day.
    """
    midnight = are_midnight(stamps)
    if midnight.sum() <= MIDNIGHTS * (stamps != "").sum():
        return stamps, 0
    return stamps.mask(midnight, stamps.str.strip().str[:10]), int(midnight.sum())


def are_midnight(stamps: pd.Series) -> npt.NDArray[np.bool_]:
    """Return where text stamps say exactly midnight, in whatever zone, (n,)."""
    return stamps.str.fullmatch(rf"\s*{DATE}[T ]00:00(?::00(?:[.,]0+)?)?(?:{ZONE})?\s*").to_numpy(dtype=bool)


def local_midnights_as_dates(stamps: pd.Series, zone: str) -> pd.Series | None:
    """Return the local dates of text stamps with a zone, of which every one is midnight in `zone`; else None.

    So do some sources name their sessions (`2021-01-04 00:00:00-05:00`); one stamp that is no midnight, and none of them is a day.
    """
    codes, distinct = pd.factorize(stamps)
    text = pd.Series(distinct, dtype="str").str.strip()
    if not len(text) or not (_shape(text) == "zoned").all():
        return None
    at = pd.to_datetime(text.str.replace(",", "."), format="ISO8601", utc=True, errors="coerce").dt.tz_convert(zone)
    if at.isna().any() or not (at == at.dt.normalize()).all():
        return None
    return pd.Series(at.dt.strftime("%Y-%m-%d").astype("str").to_numpy()[codes], index=stamps.index, dtype="str")


def session_dates(stamps: pd.Series) -> Stamps:
    """Return the naive midnights of stamps that name sessions: dates, or instants without a zone at midnight."""
    codes, distinct = pd.factorize(stamps)
    text = pd.Series(distinct, dtype="str").str.strip().str.replace(r"[T ]00:00(?::00(?:\.0+)?)?$", "", regex=True)
    wrong = _shape(text)
    day = wrong == "day"
    at = pd.to_datetime(text.where(day, None), format="%Y-%m-%d", errors="coerce").dt.as_unit(TIME_UNIT)
    wrong[wrong.isin(["zoned", "naive"])] = rules.NO_SESSION_DATE.name
    wrong[day] = np.where(
        at[day].isna(), rules.IMPOSSIBLE.name, np.where(at[day].dt.year.between(YEARS[0], YEARS[1] - 1), "", rules.YEAR.name)
    )
    return Stamps(pd.DatetimeIndex(at.where(wrong == "", pd.NaT))[codes], wrong.iloc[codes].set_axis(stamps.index))


def _shape(text: pd.Series) -> pd.Series:
    """Return `zoned`, `naive` or `day`, or the reason why a text is none of them."""
    shapes = {
        "zoned": DATE + TIME + ZONE,
        "naive": DATE + TIME,
        "day": DATE,
        rules.NUMBER.name: r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?",
        rules.SLASHES.name: r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}.*",
        rules.EMPTY.name: "",
    }
    shape = pd.Series(rules.OTHER.name, index=text.index, dtype="object")
    for name, pattern in shapes.items():
        shape[text.str.fullmatch(pattern).to_numpy(dtype=bool)] = name
    return shape


def _localised(text: pd.Series, zone: str | None) -> tuple[pd.Series, pd.Series]:
    """Return the instants of local times, and what is wrong with each."""
    local = pd.to_datetime(text.str.replace(",", "."), format="ISO8601", errors="coerce").dt.as_unit(TIME_UNIT)
    if zone is None:
        return _never(text), pd.Series(rules.NAIVE.name, index=text.index)
    safe = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    real = local.dt.tz_localize(zone, ambiguous=np.zeros(len(local), dtype=bool), nonexistent="NaT")
    wrong = np.select([local.isna(), real.isna(), safe.isna()], [rules.IMPOSSIBLE.name, rules.SKIPPED.name, rules.TWICE.name], "")
    return safe.dt.tz_convert("UTC"), pd.Series(wrong, index=text.index)


def _end_of_day(text: pd.Series, zone: str | None) -> tuple[pd.Series, pd.Series]:
    """Return the midnight at which each local day ends; the later one where the clocks make two or none of it."""
    day = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce").dt.as_unit(TIME_UNIT)
    if zone is None:
        return _never(text), pd.Series(rules.DAY_ONLY.name, index=text.index)
    midnight = day + pd.Timedelta(days=1)
    end = midnight.dt.tz_localize(zone, ambiguous=np.zeros(len(day), dtype=bool), nonexistent="shift_forward")
    return end.dt.tz_convert("UTC"), pd.Series(np.where(day.isna(), rules.IMPOSSIBLE.name, ""), index=text.index)


def _never(text: pd.Series) -> pd.Series:
    """Return as many missing instants."""
    return pd.Series(pd.NaT, index=text.index, dtype=pd.DatetimeTZDtype(TIME_UNIT, "UTC"))
