"""What the text added: the part `text_ablation`."""

from __future__ import annotations

import pandas as pd

from quantlab import evidence
from quantlab.report.contract.encode import rows
from quantlab.result import BacktestResult

MOST_TOPICS = 8  # curves of the event study, the topics with the most events; more could not be told apart
PRETRAINED = ("checkpoint", "checkpoint_id", "knowledge_cutoff")  # what a learner says of itself whose weights others have made


def by_text(result: BacktestResult) -> dict[str, object] | None:
    """Return ablation, contributions and kinds of news, or None for a strategy whose model reads no text."""
    if not len(result.predicted.text.columns) and not result.variants:
        return None
    seen = evidence.sources_in_view(result)
    by_source = evidence.ic_by_source(result, seen)
    return {
        "variants": rows(evidence.ablation(result)) if result.variants else None,
        "groups": rows(evidence.group_contributions(result)),
        "by_age": rows(evidence.ic_by_age(result, seen)),
        "by_topic": rows(evidence.ic_by_topic(result)),
        "by_source": rows(by_source),
        "events": _events(result),
        "knowledge": _knowledge(result),
    }


def _events(result: BacktestResult) -> dict[str, object]:
    """Return the mean cumulative abnormal returns around news, by the sign of the signal and by topic."""
    events = evidence.find_events(result)
    topics = evidence.event_curves(events, "topic")
    sizes = topics["n_events"].groupby(level=0, sort=False).first().sort_values(ascending=False, kind="stable")
    return {
        "n_events": len(events.table),
        "left_out": dict(events.left_out),
        "days": events.days.tolist(),
        "by_sign": _curves(evidence.event_curves(events, "sign")),
        "by_topic": _curves(topics.loc[list(sizes.index[:MOST_TOPICS])]) if len(sizes) > 1 else [],
        "n_topics": len(sizes),
    }


def _curves(table: pd.DataFrame) -> list[dict[str, object]]:
    """Return a row per class: its name, n_events, n_sessions, and mean, low and high per day."""
    return [
        {
            "class": str(name),
            "n_events": int(curve["n_events"].iloc[0]),
            "n_sessions": int(curve["n_sessions"].iloc[0]),
            **{column: curve[column].tolist() for column in ("mean", "low", "high")},
        }
        for name, curve in table.groupby(level=0, sort=False)
    ]


def _knowledge(result: BacktestResult) -> dict[str, object] | None:
    """Return up to when pretrained parts have read; None without such a part.

    cutoff: the last day that one of them is known to have read of, None if that is known of none. share_of_sessions: of those that are
    known to lie before it, so 0 without a cutoff. unknown: the parts of which it is not known.
    No fold can mend that: their weights were made from texts up to then.
    """
    learned = [item for fit in result.predicted.fits[-1:] for item in fit.learned.items()]
    facts = {name: told for name, told in learned if isinstance(told, dict) and any(sign in told for sign in PRETRAINED)}
    if not facts:
        return None
    read = {name: told.get("knowledge_cutoff") for name, told in facts.items()}
    cutoff = max((str(day) for day in read.values() if day), default=None)
    before = 0.0
    if cutoff is not None:
        before = float((result.portfolio.returns.index <= pd.Timestamp(cutoff, tz="UTC") + pd.Timedelta(days=1)).mean())
    return {"cutoff": cutoff, "share_of_sessions": before, "unknown": sorted(name for name, day in read.items() if not day)}
