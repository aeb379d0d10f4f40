"""What the text added: the same strategy without it, where its signal comes from, and which news the signal can read.

An IC by kind of news takes the rows apart, not the documents: a row is judged by the youngest document it has in view, by the topic
that most of its news is about, and under each source that it has in view.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.evidence.ranks import Floats, Integers, RankIC, ic_by_session, rank_rows
from quantlab.metrics import overlap_lags, sharpe
from quantlab.news import Documents, News, known_news
from quantlab.result import BacktestResult
from quantlab.significance import figures
from quantlab.significance.bootstrap import difference_interval

AGES_HOURS = (6.5, 24.0, 48.0, 72.0)  # 6.5 hours are a session in New York: news that came while the market was open
AGE_NAMES = ("< 6.5 h", "< 1 d", "< 2 d", "< 3 d", "older", "none")
PRICE = "price"  # all features that no text learner made
NONE, OTHER, UNNAMED = "(none)", "(other)", "(unnamed)"


def ablation(result: BacktestResult, *, confidence: float = 0.95, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return one row for the strategy and one for each of its variants, with what the strategy has more than the variant.

    n_sessions, n_rows: on which the IC rests; ic: mean rank IC; sharpe: annualised, net of costs; turnover: mean per session.
    ic_difference, sharpe_difference: strategy less variant; _low and _high: their interval, from a bootstrap that draws the same
    blocks of sessions for both. NaN in the strategy's own row. One row alone if there are no variants. n_compared: sessions in which
    both have an IC. Only these make the ic_difference, so it is not that of the column `ic` where a variant lacks some (the text
    alone says nothing in a session without news).
    """
    own = result.portfolio
    ic = ic_by_session(result)
    strategy = _figures(ic, own.returns, own.turnover, result.dataset.sessions_per_year)
    rows: list[dict[str, object]] = [{"variant": "strategy", **strategy, "n_compared": strategy["n_sessions"]}]
    for variant in result.variants or ():
        other = ic_by_session(result, variant.signal)
        theirs = _figures(other, variant.returns, variant.turnover, result.dataset.sessions_per_year)
        ours = np.where(np.isnan(other.by_session[0]), np.nan, ic.by_session[0])
        same = np.where(np.isnan(ours), np.nan, other.by_session[0])
        more = {
            "n_compared": int((~np.isnan(ours)).sum()),
            "ic_difference": _mean(ours) - _mean(same),
            "sharpe_difference": strategy["sharpe"] - theirs["sharpe"],
        }
        draws = partial(difference_interval, confidence=confidence, n_resamples=n_resamples, seed=seed)
        by_ic = draws(ours, same, figures.mean)
        by_sharpe = draws(own.returns, variant.returns, partial(figures.sharpe, periods=result.dataset.sessions_per_year))
        ends = {"ic_low": by_ic.low, "ic_high": by_ic.high, "sharpe_low": by_sharpe.low, "sharpe_high": by_sharpe.high}
        rows.append({"variant": variant.name, **theirs, **more, **ends})
    return pd.DataFrame(rows, columns=_ABLATION).set_index("variant")


def group_contributions(result: BacktestResult) -> pd.DataFrame:
    """Return how much each group of features moved the predictions: one row for `price` and one for each text learner.

    n_features: at most, over the folds; contribution: mean absolute contribution of its features, summed, in units of the signal;
    share: of the sum over all groups. Both are means over the folds that know them, a fold in which a group is missing counting 0;
    share_low, share_high: the least and the greatest fold; n_folds. Without a row if the model cannot say.
    """
    folds = [
        pd.DataFrame(
            {"value": pd.Series(fit.contribution, dtype=float), "group": [fit.groups.get(name, PRICE) for name in fit.contribution]}
        )
        for fit in result.predicted.fits
        if fit.contribution
    ]
    if not folds:
        return pd.DataFrame(columns=_CONTRIBUTIONS, index=pd.Index([], name="group"), dtype=float)
    by_fold = [fold.groupby("group", sort=True)["value"].agg(["size", "sum"]) for fold in folds]
    n_features, value = (pd.concat([fold[name] for fold in by_fold], axis=1).fillna(0.0) for name in ("size", "sum"))
    share = value / value.sum().where(value.sum() > 0)
    columns = [n_features.max(axis=1).astype(int), value.mean(axis=1), share.mean(axis=1), share.min(axis=1), share.max(axis=1)]
    table = pd.concat(columns, axis=1).set_axis(_CONTRIBUTIONS[:-1], axis=1).assign(n_folds=len(folds))
    return table.rename_axis("group").sort_values("contribution", ascending=False, kind="stable")


def sources_in_view(result: BacktestResult, *, lookback: int = 5) -> Documents:
    """Return the documents that were in view of each row of the signal, with their *source* in the place of the text.

    lookback: in bars. The result does not tell how far back the strategy itself looked.
    """
    news, bars = result.dataset.news, result.dataset.bars
    sources = News(news.table.assign(text=news.table["source"].where(news.table["source"] != "", UNNAMED)))
    seen = Documents.of(known_news(sources, bars, lookback=lookback))
    index = result.predicted.signal.index
    row = np.full(seen.n_rows, -1, dtype=np.int64)
    row[bars.times.get_indexer(index.get_level_values(0)) * len(bars.symbols) + bars.symbols.get_indexer(index.get_level_values(1))] = (
        np.arange(len(index))
    )
    kept = row[seen.row] >= 0
    return Documents(seen.texts, seen.text[kept], row[seen.row][kept], seen.age_hours[kept], len(index))


def ic_by_age(result: BacktestResult, documents: Documents) -> pd.DataFrame:
    """Return the IC of the rows by the age of their youngest document at the close of the bar: see `RankIC.table` for the columns.

    Ages are in hours, a lower edge included; `none`: no document in view. documents: from `sources_in_view`.
    """
    youngest = np.full(documents.n_rows, np.inf)
    some = documents.n_by_row > 0
    youngest[some] = documents.age_hours[np.cumsum(documents.n_by_row)[some] - 1]  # the documents of a row are sorted, the oldest first
    age = np.where(some, np.searchsorted(AGES_HOURS, youngest, side="right"), len(AGE_NAMES) - 1)
    return _ic_by(result, np.arange(documents.n_rows), age, pd.Index(AGE_NAMES, name="age"))


def ic_by_source(result: BacktestResult, documents: Documents, *, most: int = 20) -> pd.DataFrame:
    """Return the IC of the rows by the sources that they have in view: see `RankIC.table` for the columns.

    A row with documents of two sources counts under both. The `most` frequent sources, by documents, have a row of their own, the
    rest share `(other)`; `(none)`: no document in view. documents: from `sources_in_view`.
    """
    n_documents = np.bincount(documents.text, minlength=len(documents.texts))
    order = sorted(range(len(documents.texts)), key=lambda code: (-n_documents[code], documents.texts[code]))
    shown = [*(documents.texts[code] for code in order[:most]), *([OTHER] if len(order) > most else []), NONE]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.minimum(np.arange(len(order)), most)
    under = np.zeros((documents.n_rows, len(shown)), dtype=bool)  # a row with two documents of a source counts once
    under[documents.row, place[documents.text]] = True
    under[documents.n_by_row == 0, -1] = True
    row, source = np.nonzero(under)
    return _ic_by(result, row, source, pd.Index(shown, name="source"))


def ic_by_topic(result: BacktestResult) -> pd.DataFrame:
    """Return the IC of the rows by their dominant topic: see `RankIC.table` for the columns; without a row if there are no topics.

    A topic is known by its column; what it is about is learned anew in each fold.
    """
    names = topic_names(result)
    table = _ic_by(result, np.arange(len(result.predicted.signal)), dominant_topic(result), pd.Index([*names, NONE], name="topic"))
    return table if names else table.iloc[:0]


def topic_names(result: BacktestResult) -> list[str]:
    """Return the columns of the text features that are shares of topics."""
    return [name for name in map(str, result.predicted.text.columns) if name.startswith("topic_")]


def dominant_topic(result: BacktestResult) -> Integers:
    """Return the position in `topic_names` of the greatest share of each row of the signal, (n_rows,).

    The first of equal ones; one past the last name where the row's news is about no topic.
    """
    names, n_rows = topic_names(result), len(result.predicted.signal)
    if not names:
        return np.zeros(n_rows, dtype=np.int64)
    share = np.nan_to_num(result.predicted.text[names].to_numpy(dtype=float))
    return np.where(share.max(axis=1, initial=0.0) > 0, share.argmax(axis=1), len(names)).astype(np.int64)


_ABLATION = (
    "variant", "n_sessions", "n_rows", "ic", "n_compared", "ic_difference", "ic_low", "ic_high",
    "sharpe", "sharpe_difference", "sharpe_low", "sharpe_high", "turnover",
)  # fmt: skip
_CONTRIBUTIONS = ["n_features", "contribution", "share", "share_low", "share_high", "n_folds"]


def _figures(ic: RankIC, returns: pd.Series, turnover: pd.Series, periods: float) -> dict[str, float]:
    """Return the figures of one signal and what it earned."""
    return {
        "n_sessions": int((~np.isnan(ic.by_session[0])).sum()),
        "n_rows": int(ic.n_rows[0]),
        "ic": _mean(ic.by_session[0]),
        "sharpe": sharpe(returns, periods=periods),
        "turnover": float(turnover.mean()),
    }


def _mean(by_session: Floats) -> float:
    """Return the mean of the sessions that say something, NaN if none does."""
    told = by_session[~np.isnan(by_session)]
    return float(told.mean()) if len(told) else math.nan


def _ic_by(result: BacktestResult, row: npt.NDArray[np.int64], group: Integers, names: pd.Index) -> pd.DataFrame:
    """Return the IC of (row, group) pairs as a table, (n_groups, 5)."""
    signal = result.predicted.signal.to_numpy(dtype=float)
    return rank_rows(result, signal, row, group, n_groups=len(names)).table(names, overlap_lags(result.horizon))
