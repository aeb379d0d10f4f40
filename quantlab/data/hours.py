"""Hours: bars stamped by the clock, against the hours of their exchange. A wrong zone or kind of stamp shifts a whole day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quantlab.data import rules
from quantlab.data.findings import Findings
from quantlab.data.settings import Settings
from quantlab.errors import DataError
from quantlab.sessions import sessions, time_zone

MOST = 0.5  # of the days
FEWEST_DAYS = 5  # with fewer of them nothing is usual
INSTANT = pd.Timedelta(1, "us")


def refuse_hours(complete: pd.DatetimeIndex, file: str, settings: Settings, findings: Findings) -> None:
    """Refuse bars that are shifted against the sessions on most of five days or more: `complete`, when they end, distinct and sorted.

    Shifted is a day with bars on one side of the session and none at its other end, for half a bar or more, or with none inside at all.
    Bars before the open and after the close together are extended hours, a single bar a day is a daily one, and both are lawful.
    """
    zone = time_zone(settings.calendar)
    length = settings.duration("bar_length") if settings.bar_length else _usual_length(complete)
    bars = pd.DataFrame({"start": complete - length, "end": complete, "day": _days(complete - INSTANT, zone)})
    bars = bars[bars["day"].duplicated(keep=False)]
    if bars.empty:
        return
    try:
        hours = sessions(settings.calendar, bars["day"].min(), bars["day"].max())
    except DataError:  # the calendar does not reach so far, which is said elsewhere
        return
    if not len(hours) or (_days(pd.DatetimeIndex(hours["open"]), zone) != hours.index).any():
        return  # a session that opens on the evening before: a bar's local day does not tell it
    bars = bars.join(hours, on="day", how="inner")
    before, after = bars["end"] <= bars["open"], bars["start"] >= bars["close"]
    late = bars["start"].where(~(before | after)) - bars["open"]
    early = bars["close"] - bars["end"].where(~(before | after))
    by_day = pd.DataFrame({"before": before, "after": after, "late": late, "early": early}).groupby(bars["day"])
    outside, gap = by_day[["before", "after"]].any(), by_day[["late", "early"]].min()
    forward = outside["after"] & ~outside["before"] & (gap["late"] >= length / 2)
    backward = outside["before"] & ~outside["after"] & (gap["early"] >= length / 2)
    shifted = (forward | backward | gap["late"].isna()).to_numpy()
    if len(shifted) >= FEWEST_DAYS and shifted.sum() > MOST * len(shifted):
        _refuse(bars[bars["day"] == gap.index[shifted][0]], zone, file, settings, findings)


def _refuse(day: pd.DataFrame, zone: str, file: str, settings: Settings, findings: Findings) -> None:
    """Refuse, with the first such day as an example."""
    clock = {name: day[name].dt.tz_convert(zone).dt.strftime("%H:%M") for name in ("start", "end", "open", "close")}
    bars, hours = f"{clock['start'].iloc[0]}-{clock['end'].iloc[-1]}", f"{clock['open'].iloc[0]}-{clock['close'].iloc[0]}"
    value = f"{day['day'].iloc[0]:%Y-%m-%d}: bars {bars}, session {hours}"
    findings.add(rules.HOURS.of(calendar=settings.calendar), file, value=value)


def _usual_length(complete: pd.DatetimeIndex) -> pd.Timedelta:
    """Return the median distance of bars; half of all bars of a day stand that far behind another."""
    steps = np.diff(complete.as_unit("us").asi8)
    return pd.Timedelta(int(np.median(steps)) if len(steps) else 0, "us")


def _days(at: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    """Return the local days of instants, naive midnights."""
    return at.tz_convert(zone).tz_localize(None).normalize()
