"""Labelled files: read strictly, one of each text, every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finetune_case import write

from quantlab.errors import DataError, UsageError
from quantlab.finetune import Columns, read_examples

PLAIN = [(f"headline number {row}", ("up", "down", "flat")[row % 3]) for row in range(30)]


def read(path: Path, rows: list[tuple[object, ...]], header: tuple[str, ...] = ("text", "label"), **columns: object):
    """Write rows and read them as examples."""
    return read_examples(write(path / "x.csv", header, rows), Columns(**columns))


def test_classes_are_the_distinct_labels_in_order(tmp_path: Path) -> None:
    """Three labels, one column each, a single 1 in each row."""
    found = read(tmp_path, PLAIN)
    assert (found.task, found.labels, len(found), found.n_read) == ("classes", ("down", "flat", "up"), 30, 30)
    assert found.target.sum(axis=1).tolist() == [1.0] * 30
    assert [found.labels[place] for place in found.target[:3].argmax(axis=1)] == ["up", "down", "flat"]
    assert found.left_out == {}


def test_whole_numbers_are_classes_in_order_of_number_and_others_are_numbers(tmp_path: Path) -> None:
    """2 before 10; a fraction, or more than twenty values, makes it a number; the user can say otherwise."""
    texts = [f"headline {row}" for row in range(30)]
    assert read(tmp_path, [(text, (10, 2, -1)[row % 3]) for row, text in enumerate(texts)]).labels == ("-1", "2", "10")
    fractions = [(text, row / 4) for row, text in enumerate(texts)]
    found = read(tmp_path, fractions)
    assert (found.task, found.labels, found.target[:3, 0].tolist()) == ("number", (), [0.0, 0.25, 0.5])
    assert read(tmp_path, [(text, row) for row, text in enumerate(texts)]).task == "number"
    assert read(tmp_path, [(text, (1, 2, 3)[row % 3]) for row, text in enumerate(texts)], task="number").target[2, 0] == 3.0


def test_several_columns_are_flags_and_one_can_list_them(tmp_path: Path) -> None:
    """`yes` and 1 are flags; `merger|debt` names two labels, an empty cell none."""
    rows = [(f"headline {row}", ("yes", "no")[row % 2], (1, 0, 0)[row % 3]) for row in range(30)]
    flags = read(tmp_path, rows, ("text", "Merger", "debt"), labels=("merger", "debt"))
    assert (flags.task, flags.labels) == ("multilabel", ("merger", "debt"))
    assert flags.target[:4].tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
    listed = [(text, "|".join(name for name, flag in zip(("merger", "debt"), row, strict=True) if flag)) for (text, *_), row in
              zip(rows, flags.target, strict=True)]  # fmt: skip
    one = read(tmp_path, listed, task="multilabel")
    assert one.labels == ("debt", "merger")
    assert (one.target[:, ::-1] == flags.target).all()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_says_the_same(tmp_path: Path, kind: str) -> None:
    """CSV, JSON Lines and Parquet, with a time."""
    days = pd.date_range("2024-01-01", periods=30, freq="D", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"text": [text for text, _ in PLAIN], "label": [label for _, label in PLAIN], "at": days})
    path = tmp_path / f"x.{kind}"
    text = frame.assign(at=days.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if kind == "csv":
        text.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in text.to_dict("records")))
    else:
        frame.to_parquet(path)
    found = read_examples(path, Columns(time="at"))
    assert found.texts == tuple(frame["text"])
    assert found.times is not None
    assert found.times.tolist() == days.tolist()


def test_one_of_each_text_stays_the_earliest_and_the_others_are_counted(tmp_path: Path) -> None:
    """The same words in other case and punctuation, with a link: a copy. With times the earliest stays, wherever it stands."""
    copies = [("Headline, NUMBER 0!", "up"), ("headline number 1 https://t.co/x", "down")]
    found = read(tmp_path, PLAIN + copies)
    assert (len(found), found.left_out) == (30, {"copies of a text": 2})
    timed = [(*row, f"2024-01-{31 - number:02d}T00:00:00Z") for number, row in enumerate(PLAIN)]
    early = ("HEADLINE number 7", "down", "2023-12-01T00:00:00Z")
    found = read(tmp_path, [*timed, early], ("text", "label", "at"), time="at")
    assert found.texts[0] == "HEADLINE number 7"
    assert found.times is not None
    assert found.times.is_monotonic_increasing
    assert "headline number 7" not in found.texts


def test_one_text_under_two_labels_is_refused_or_settled_as_told(tmp_path: Path) -> None:
    """Both lines are named; `first` keeps the first, `drop` neither."""
    rows = [*PLAIN, ("headline number 0", "down"), ("headline number 1", "down")]
    with pytest.raises(DataError) as raised:
        read(tmp_path, rows)
    assert [problem.line for problem in raised.value.problems] == [2, 32]
    assert "--conflicts" in str(raised.value)
    first = read(tmp_path, rows, conflicts="first")
    assert (len(first), first.labels[first.target[0].argmax()]) == (30, "up")
    assert first.left_out == {"copies of a text": 1, "copies under another label": 1}
    drop = read(tmp_path, rows, conflicts="drop")
    assert (len(drop), drop.texts[0], drop.left_out["copies under another label"]) == (29, "headline number 1", 2)


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        ([(text, "up") for text, _ in PLAIN], {}, "one class only, 'up'"),
        (PLAIN[:12], {}, "12 usable rows are too few"),
        ([*PLAIN, ("another one", "odd")], {}, r"too few rows of 'odd' \(1 of 31\)"),
        ([*PLAIN, ("  ", "up")], {}, r"line 32, column text: there is no text"),
        ([*PLAIN, ("https://t.co/x @you $AAPL", "up")], {}, r"line 32, column text: there is no text"),
        ([*PLAIN, ("another one", "")], {}, r"line 32, column label: the label is empty"),
        ([(text, 0.5) for text, _ in PLAIN], {}, "every label is 0.5"),
        ([(text, "x" if row == 3 else row) for row, (text, _) in enumerate(PLAIN)], {"task": "number"}, r"line 5, column label: not a fin"),
        (PLAIN, {"labels": ("labels",)}, r"the column 'labels' is missing \(did you mean 'label'\?\)"),
        (PLAIN, {"text": "texts"}, r"the column 'texts' is missing \(did you mean 'text'\?\)"),
        (PLAIN, {"time": "at"}, "the column 'at' is missing"),
        (PLAIN, {"labels": ("text", "label")}, "asked for twice"),
        (PLAIN, {"labels": ("label", "label")}, "asked for twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_with_its_place(tmp_path: Path, rows: list, columns: dict, said: str) -> None:
    """One class, too few rows, empty texts and labels, missing columns with the near miss."""
    with pytest.raises((DataError, UsageError), match=said):
        read(tmp_path, rows, **columns)


def test_flags_and_stamps_that_are_none_are_refused(tmp_path: Path) -> None:
    """`maybe` is no flag, 03/04/2024 no date."""
    rows = [(f"headline {row}", row % 2, row % 2) for row in range(30)]
    with pytest.raises(DataError, match=r"line 32, column b: not a flag \(value 'maybe'\)"):
        read(tmp_path, [*rows, ("another", 1, "maybe")], ("text", "a", "b"), labels=("a", "b"))
    with pytest.raises(DataError, match="day and month cannot be told apart"):
        read(tmp_path, [(*row, "03/04/2024") for row in PLAIN], ("text", "label", "at"), time="at")


def test_a_file_that_is_not_there_or_no_table_is_refused(tmp_path: Path) -> None:
    """A wrong path and a wrong kind."""
    with pytest.raises(UsageError, match="there is no file"):
        read_examples(tmp_path / "none.csv", Columns())
    (tmp_path / "x.txt").write_text("text,label\n")
    with pytest.raises(UsageError, match=r"x.txt is none of .csv"):
        read_examples(tmp_path / "x.txt", Columns())


def test_the_texts_are_what_the_encoder_reads(tmp_path: Path) -> None:
    """Links, handles and cashtags are gone; case and marks stay."""
    found = read(tmp_path, [*PLAIN, ("RT @x: $AAPL Beats, again! https://t.co/x", "up")])
    assert found.texts[-1] == "Beats, again!"
    assert np.isfinite(found.target).all()
