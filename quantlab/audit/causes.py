"""The likely cause of a difference, in words, with what to do about it. Each is told by a further experiment, not by a name."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from quantlab.audit.differences import Difference, panels, unequal
from quantlab.audit.poison import SOURCES, other_signal, poisoned
from quantlab.audit.stages import Stages, Subject, fold_at, ready_model
from quantlab.news import Documents
from quantlab.steps import decided, samples
from quantlab.walkforward.fold import Task, fit_and_predict

LOCAL = 0.2  # a leak that changes less than this share of the rows reaches a few bars ahead; one that changes more knows the whole sample
SAME_SCALE = 1e-9
MOST_CAUSES = 3  # columns of the panel whose cause is looked for
CALENDAR = (
    "depend on which bars follow, as a test for the last bar of a month does: the data ends at each bar when it is"
    " traded, so act on the first bar of the next month, or ask quantlab.sessions for the calendar"
)
FAR = 60  # bars: what reaches further is no window, but knows the whole sample


@dataclass
class Experiments:
    """Panels made again for the sake of causes: of the same data, and of each kind of poison at a cut; each is made once."""

    subject: Subject
    whole: Stages
    _unsteady: set[str] | None = None
    _moved: dict[pd.Timestamp, dict[str, set[str]]] = field(default_factory=dict)
    _sought: set[str] = field(default_factory=set)

    def tired(self, column: str) -> bool:
        """Return True if enough columns were looked into before this one: many that leak mostly leak alike."""
        self._sought.add(column)
        return len(self._sought) > MOST_CAUSES

    def repeats(self, column: str) -> bool:
        """Return True if a column is the same when it is made again from the same data."""
        if self._unsteady is None:
            X, _ = samples(self.subject.fresh(), self.subject.dataset, self.subject.settings.start)
            self._unsteady = {found.column for found in panels(self.whole.features, X)}
        return column not in self._unsteady

    def sources(self, column: str, cut: pd.Timestamp) -> list[str]:
        """Return what of the future moves a column (or the rows) up to the cut: each kind of poison alone."""
        if cut not in self._moved:
            self._moved[cut] = {source: self._moved_by(source, cut) for source in SOURCES}
        return [source for source, names in self._moved[cut].items() if column in names]

    def _moved_by(self, source: str, cut: pd.Timestamp) -> set[str]:
        X, _ = samples(self.subject.fresh(), poisoned(self.subject.dataset, cut, sources=[source]), self.subject.settings.start)
        return {found.column for found in panels(self.whole.features.loc[:cut], X.loc[:cut])}


def of_feature(difference: Difference, experiments: Experiments, cut: pd.Timestamp) -> str:
    """Return why a column of the panel, or its rows, depend on what comes after the cut."""
    name, whole = difference.column, experiments.whole
    if experiments.tired(name):
        return "it depends on later data, as the columns before it do; its own cause was not sought"
    if not experiments.repeats(name):
        return f"`{name}` has other values each time that it is made, cut or not: seed what is random in it"
    moved = experiments.sources(name, cut)
    from_what = " and ".join(moved) or "the length of the data"
    if difference.pair is None:
        return f"which names are in the panel depends on later {from_what}: choose the universe by what was known at each bar"
    one, two = difference.pair
    apart = unequal(one, two)
    if not moved and _at_the_end(one, apart, cut):
        return f"the last values of `{name}` {CALENDAR}"
    reach = _reach(one, apart, cut)
    if _of_other_names(one, two, apart, reach):
        return f"which names `{name}` is kept for depends on later {from_what}: choose them by what was known at each bar"
    if _filled_backwards(name, difference.pair, apart, reach, whole, cut):
        return f"`{name}` is filled backwards (bfill): a gap holds the next value, of up to {reach} bars later: fill forwards"
    if apart.mean() < LOCAL and reach <= FAR:
        return (
            f"`{name}` looks up to {reach} bars ahead (of {from_what}), as shift(-{reach}) or a centred window does:"
            " use windows that end at the bar"
        )
    return _of_the_whole(name, _same_scale(one, two), moved)


def _of_the_whole(name: str, same_scale: bool, moved: list[str]) -> str:
    """Return what of the whole sample a column knows, told by what moves it."""
    from_what = " and ".join(moved) or "the length of the data"
    if same_scale:
        return (
            f"`{name}` is centred or scaled with a mean and spread of the whole sample (of {from_what}):"
            " use an expanding window, or a scaler in the model, which is fitted inside the fold"
        )
    if moved == ["news"]:
        return (
            f"`{name}` comes from a vocabulary, IDF weights or topics learned from all documents: put the text learner into the model,"
            " which is fitted inside the fold"
        )
    if "news" in moved:
        return (
            f"`{name}` comes from a learner trained on all rows, later texts and returns ({from_what}) included:"
            " put it into the model, which is fitted inside the fold"
        )
    if set(moved) & {"volumes", "listings"} and "prices" not in moved:
        return f"`{name}` depends on later {from_what}, as a universe picked with hindsight does: use what was known at each bar"
    return f"`{name}` uses a statistic or a fit of the whole sample (of {from_what}): fit it inside the fold, or use an expanding window"


def of_documents(difference: Difference, subject: Subject) -> str:
    """Return why a news cell holds other documents."""
    if difference.pair is None or difference.time is None:
        return "the news column depends on later documents"
    whole, other = (cell(column, difference.time, difference.symbol) for column in difference.pair)
    gained, lost = whole - other, other - whole
    if {age for _, age in gained} & {age for _, age in lost}:
        return (
            "a document shows words that it got later (a restated text under its first stamp):"
            " a revision is a new document from its own time on"
        )
    table = subject.dataset.news.table
    known = set(table.loc[table["available_at"] < difference.time, "text"])
    if all(text in known for text, _ in [*gained, *lost]):
        return "a known document is gone because a later copy of it came (duplicates kept last): drop copies looking backwards only"
    return "a document from after the close of the bar is used in it: join with known_news, whose cut-off is strict"


def of_labels(difference: Difference, subject: Subject, cut: pd.Timestamp) -> str:
    """Return why a label that should be known at the cut is not, or changes."""
    if difference.time is None:
        return "the labels depend on later bars than their horizon says"
    reach = subject.place(cut) - subject.place(difference.time)
    return (
        f"the label of {difference.time.date()} is not settled {reach} bars later, but the target states horizon = {subject.horizon}:"
        " the purge is too short; state the horizon that the label has (labels overlap the test window)"
    )


def of_signal(subject: Subject, whole: Stages, cut: pd.Timestamp, *, warm_agrees: bool) -> str:
    """Return why the same rows give another signal when what came after the cut is gone."""
    fold = fold_at(whole, cut)
    if subject.place(fold.train_end) + 1 + subject.horizon > subject.place(fold.test_start):
        return (
            f"the last training label (of {fold.train_end.date()}, {subject.horizon} bars ahead) ends after the first test decision"
            f" ({fold.test_start.date()}), labels overlap: purge horizon + 1 bars, as WalkForward does"
        )
    if warm_agrees:
        return "what was kept in a cache outlives the rows that it was learned from (a stale cache): put the rows into its key"
    full, again, part = (_fitted_once(subject, whole, cut, to_the_end=end) for end in (True, True, False))
    if unequal(full, again).any():
        return "the same rows give another signal at each fit: seed the learner (random_state=None takes the run's seed)"
    if unequal(full, part).any():
        return "the learner's prediction of a row uses later rows of the test window: predict each row from itself"
    return (
        "something was learned before the folds, from rows to come (in prepare(), a global or a cache), and is used by the learner:"
        " learn in fit() only"
    )


def of_weights(difference: Difference, subject: Subject, whole: Stages, cut: pd.Timestamp) -> str:
    """Return why the weights of known signals change with what comes after."""
    moved = []
    signal, bars = whole.signals.signal, subject.dataset.bars
    worlds = {"signals": (other_signal(signal, cut, seed=subject.settings.seed), bars)}
    for source in SOURCES[:3]:
        worlds[source] = (signal, poisoned(subject.dataset, cut, sources=[source]).bars)
    for name, (given, market) in worlds.items():
        weights = decided(subject.strategy, given, market).reindex(whole.weights.index)
        if not np.allclose(weights.loc[:cut], whole.weights.loc[:cut], rtol=1e-9, atol=1e-12):
            moved.append(name)
    if not moved and difference.pair is not None and _at_the_end(difference.pair[0], unequal(*difference.pair), cut):
        return f"the last weights {CALENDAR}"
    if moved == ["signals"]:
        return "a threshold or scale of the weights is chosen on signals of the whole test span: use those known at each bar"
    if "volumes" in moved or "listings" in moved:
        return (
            f"the weights depend on later {' and '.join(moved)}, as a universe picked with hindsight does: use what was known at each bar"
        )
    return f"the weights depend on later {' and '.join(moved) or 'bars'}: read signal and bars up to each bar only"


def _at_the_end(column: pd.Series, apart: npt.NDArray[np.bool_], cut: pd.Timestamp) -> bool:
    """Return True if only the last bar before the cut differs."""
    times = pd.DatetimeIndex(column.index.get_level_values(0))
    return bool((times[apart] == times[times <= cut].max()).all())


def _reach(column: pd.Series, apart: npt.NDArray[np.bool_], cut: pd.Timestamp) -> int:
    """Return how many bars ahead the first row that differs must have looked."""
    times = pd.DatetimeIndex(column.index.get_level_values(0).unique())
    first = column.index.get_level_values(0)[apart].min()
    return int(((times > first) & (times <= cut)).sum()) + 1


def _of_other_names(one: pd.Series, two: pd.Series, apart: npt.NDArray[np.bool_], reach: int) -> bool:
    """Return True if the columns agree wherever both have a value, and have them elsewhere: more than a window's last rows."""
    gone, new = (column.isna().to_numpy()[apart] for column in (one, two))
    return bool((gone != new).all() and (gone.any() or reach > FAR))


def _filled_backwards(
    name: str, pair: tuple[pd.Series, pd.Series], apart: npt.NDArray[np.bool_], reach: int, whole: Stages, cut: pd.Timestamp
) -> bool:
    """Return True if rows that have no value without the future hold that of the bar after the cut."""
    one, two = (column[apart] for column in pair)
    times = pd.DatetimeIndex(whole.features.index.get_level_values(0).unique())
    if reach < 2 or apart.mean() >= LOCAL or not (times > cut).any() or not pd.api.types.is_numeric_dtype(one.dtype):
        return False
    next_known = whole.features[name].loc[times[times > cut][:1]].droplevel(0)
    ahead = pd.Series(one.index.get_level_values(1)).map(next_known).to_numpy(dtype=float)
    filled = np.isclose(one.to_numpy(dtype=float), ahead, rtol=1e-9, equal_nan=False) & two.isna().to_numpy()
    return bool(filled.mean() > 0.5)


def _same_scale(one: pd.Series, two: pd.Series) -> bool:
    """Return True if one column is a constant times the other plus a constant, over all names or within each."""
    if not (pd.api.types.is_numeric_dtype(one.dtype) and pd.api.types.is_numeric_dtype(two.dtype)):
        return False
    both = pd.DataFrame({"one": one.astype(float), "two": two.astype(float)}).dropna()
    if len(both) < 3 or both.std().min() == 0:
        return False
    if both["one"].corr(both["two"]) > 1 - SAME_SCALE:
        return True
    parts = [part for _, part in both.groupby(level=1) if len(part) > 2]
    if any((part.std() == 0).sum() == 1 for part in parts):  # a name that moves in one of them alone
        return False
    within = [part["one"].corr(part["two"]) for part in parts if part.std().min() > 0]
    return bool(within) and min(within) > 1 - SAME_SCALE


def _fitted_once(subject: Subject, whole: Stages, cut: pd.Timestamp, *, to_the_end: bool) -> pd.Series:
    """Return the signal up to the cut of its fold, fitted on the whole run's rows, asked about all test rows or those up to the cut."""
    fold = fold_at(whole, cut)
    full = next(known for known in whole.folds if known.test_start == fold.test_start)
    train = whole.labels.loc[full.train_start : full.train_end].dropna()
    asked = whole.features.loc[full.test_start : full.test_end if to_the_end else cut]
    task = Task(ready_model(subject, subject.strategy, None), full, whole.features.loc[train.index], train, asked, False)
    return fit_and_predict(task).signal.loc[:cut]


def cell(column: pd.Series, time: pd.Timestamp, symbol: str) -> set[tuple[str, float]]:
    """Return the (text, age in hours) of one cell's documents."""
    found = Documents.of(column.loc[[(time, symbol)]])
    return {(found.texts[text], float(age)) for text, age in zip(found.text, found.age_hours, strict=True)}
