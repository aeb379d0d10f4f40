"""`quantlab finetune FILE`: a labelled file to a model folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from quantlab.commands import options as opt

if TYPE_CHECKING:
    import pandas as pd

    from quantlab.text.encoder.training import Training

TaskName = Literal["auto", "classes", "multilabel", "number"]
Conflicts = Literal["error", "first", "drop"]


def finetune(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines or Parquet with a column of texts and one of labels.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to make; by default models/<name of FILE>.", show_default=False)
    ] = None,
    task: Annotated[str, typer.Option(help="auto, classes, multilabel or number.")] = "auto",
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Column of texts.")] = "text",
    label: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column of labels; several are flags; by default label.", show_default=False)
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of stamps: the last rows are the test, not random ones.")
    ] = None,
    horizon: Annotated[str, typer.Option(metavar="SPAN", help="How long after its stamp a label is settled: 5D, 12h.")] = "0D",
    test: Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows kept for the test.")] = 0.2,
    conflicts: Annotated[str, typer.Option(help="One text under two labels: error, first (keep it) or drop (all of them).")] = "error",
    base: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoder to begin with: a folder, or a name on the Hugging Face hub.")
    ] = None,
    tune: Annotated[str, typer.Option(help="What is trained: full, top:2, lora:8, adalora:8, ia3, head.")] = "full",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training rows; by default 3.", show_default=False)] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the training: learning_rate=5e-5.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="A longer text is cut.")] = 128,
    licence: Annotated[str | None, typer.Option(metavar="TEXT", help="Licence of the data, for the card.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split and training.")] = 0,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Fine-tune a text model on a labelled file; a killed run goes on where it was."""
    del debug  # entry.answer reads it: it must be known even where parsing fails
    from quantlab.data.files import stem_of
    from quantlab.finetune import Columns, Settings, finetune_file, for_labels
    from quantlab.progress import Timings, log_to_stderr

    columns = Columns(
        text=text,
        labels=tuple(label or ["label"]),
        time=time,
        task=cast(TaskName, _one_of(task, get_args(TaskName), "task")),
        conflicts=cast(Conflicts, _one_of(conflicts, get_args(Conflicts), "conflicts")),
    )
    changes = [*(set_ or []), *([] if epochs is None else [f"epochs={epochs}"])]
    settings = Settings(
        columns=columns,
        base=base,
        tune=tune,
        training=_changed(for_labels(), changes),
        max_tokens=max_tokens,
        test_share=test,
        horizon=_span(horizon),
        licence=licence,
        seed=seed,
    )
    folder = out or Path("models") / stem_of(file)
    with log_to_stderr(quiet=quiet):
        card = finetune_file(file, folder, settings, progress=Timings(shown=sys.stderr.isatty() and not quiet))
    if as_json:
        print(json.dumps(card, indent=2, ensure_ascii=False))
    elif not quiet:
        print(summary(card, folder))


def _one_of(value: str, known: tuple[str, ...], option: str) -> str:
    """Return the value if it is one of the known ones."""
    from quantlab.errors import UsageError, nearest

    if value not in known:
        raise UsageError(f"--{option} takes {', '.join(known)}, not {value!r}{nearest(value, known)}")
    return value


def _changed(training: Training, changes: list[str]) -> Training:
    """Return the training with changes of the form NAME=VALUE."""
    from quantlab.errors import UsageError, nearest

    known = training.get_params()
    for change in changes:
        name, given, value = change.partition("=")
        if not given or name not in known:
            hint = nearest(name, known) or f": the settings are {', '.join(known)}"
            raise UsageError(f"--set {change}: no setting of the training{hint}")
        try:
            parsed = value if isinstance(known[name], str) else json.loads(value.lower())
        except ValueError as error:
            raise UsageError(f"--set {change}: {value!r} is no number") from error
        training.set_params(**{name: parsed})
    return training.checked()


def _span(text: str) -> pd.Timedelta:
    """Return a span of time; UsageError for a bare number, which pandas takes for nanoseconds, and for one that is negative or none."""
    import pandas as pd

    from quantlab.errors import UsageError

    bare = not any(sign.isalpha() or sign == ":" for sign in text)
    span, meant = None if bare else _parsed(text), f"{text.strip(' +-')}{'D' if bare else ''}"
    if span is not None and span >= pd.Timedelta(0):
        return span
    hint = "" if _parsed(meant) is None else f" (did you mean {meant}?)"
    raise UsageError(f"--horizon takes a span such as 5D or 12h, not {text!r}{hint}")


def _parsed(text: str) -> pd.Timedelta | None:
    """Return the span that a text says, None if it says none."""
    import pandas as pd

    try:
        span = pd.Timedelta(text)
    except ValueError:
        return None
    return span if isinstance(span, pd.Timedelta) else None  # `nan` gives NaT


def summary(card: Mapping[str, Any], folder: Path) -> str:
    """Return the few lines that a person reads in the terminal."""
    data, parts, metrics = card["data"], card["split"], card["metrics"]
    left_out = [f"{count} {reason}" for reason, count in data["left_out"].items()]
    left_out += [f"{parts['n_purged']} not settled before the test"] if parts["n_purged"] else []
    figures = {name: value for name, value in metrics.items() if isinstance(value, float)}
    lines = [
        f"{folder}: {card['task']}{': ' if card['labels'] else ''}{', '.join(card['labels'])}",
        f"  rows      {parts['n_train']} to learn from, {parts['n_test']} to test on ({parts['kind']})",
        *([f"  left out  {', '.join(left_out)}"] if left_out else []),
        f"  test      {', '.join(f'{name} {value:.3f}' for name, value in figures.items())}",
    ]
    for row in metrics.get("per_class", metrics.get("per_label", [])):
        cells = ["n/a" if row[name] is None else f"{row[name]:.2f}" for name in ("precision", "recall", "f1")]
        lines.append(f"  {row['label']:<10} precision {cells[0]}, recall {cells[1]}, F1 {cells[2]} ({row['n_test']} rows)")
    return "\n".join(lines)
