"""From a labelled file to a model folder.

The folder is written aside, in `FOLDER.unfinished`, together with the journal of passes; the last step is a rename. A run that was killed
is taken up by the same command, and ends in the same bytes; a command with other data or settings is told what is in its way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from quantlab.cache import Arrays, Cache, key
from quantlab.errors import DataError, StorageError, UsageError
from quantlab.executor import Progress, silent
from quantlab.finetune.card import data_facts, model_facts, scale_of, training_facts, versions, write_card
from quantlab.finetune.examples import Columns, Examples, read_examples, some
from quantlab.finetune.scores import scores
from quantlab.finetune.split import Split, split
from quantlab.repro import code_hash, described
from quantlab.result import Json
from quantlab.storage import write_atomically
from quantlab.text.encoder import training as loop
from quantlab.text.encoder.finetune import finetune
from quantlab.text.encoder.frozen import FrozenPart, frozen_part
from quantlab.text.encoder.training import Training
from quantlab.text.sentiment.model_folder import TASKS, find_model, write_model

log = logging.getLogger(__name__)

UNFINISHED: Final = ".unfinished"
PLAN: Final = "plan.json"  # in the unfinished folder: what is being made there


def for_labels() -> Training:
    """Return the training that suits labels given by people: few passes to zero, dropout, smaller steps below.

    (For returns, which are mostly noise, `Training()` has other defaults.)
    """
    return Training(epochs=3, learning_rate=1e-4, batch_size=32, schedule="linear", dropout=0.1, layer_decay=0.9)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to make a model folder.

    base: the encoder to begin with (None: the one that comes with quantlab). tune: as of TextEncoder, `full`, `top:2`, `lora:8`, `head`.
    test_share: as a fraction. horizon: how long after its stamp a label is settled. licence: of the data, for the card.
    """

    columns: Columns = field(default_factory=Columns)
    base: str | Path | None = None
    tune: str = "full"
    training: Training = field(default_factory=for_labels)
    max_tokens: int = 128
    test_share: float = 0.2
    horizon: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(0))
    licence: str | None = None
    seed: int = 0


def finetune_file(file: Path, out: Path, settings: Settings, *, progress: Progress = silent) -> dict[str, Json]:
    """Make a model folder of a labelled file, and return its card.

    Raises UsageError if the folder exists or a setting cannot be, DataError for rows that cannot be used, StorageError if the disk fails.
    """
    if out.exists():
        raise UsageError(f"{out} exists already: give another --out, or remove it")
    part = frozen_part(settings.base, tune=_trainable(settings.tune), max_tokens=settings.max_tokens)
    settings.training.checked()
    examples = read_examples(file, settings.columns)
    parts = split(examples, test_share=settings.test_share, horizon=settings.horizon, seed=settings.seed)
    data = hashlib.sha256(file.read_bytes()).hexdigest()
    aside = out.with_name(out.name + UNFINISHED)
    _claim(aside, _plan(settings, part, data))
    try:
        learned = _fitted(part, examples, parts, settings, Cache(aside / "journal"), progress)
    except (UsageError, DataError):
        _unclaim(aside)
        raise
    made = aside / "model"
    shutil.rmtree(made, ignore_errors=True)  # of a run that was killed while writing
    made.mkdir()
    write_model(made, part, learned)
    card = model_facts(made, part, examples, parts) | {
        "data": data_facts(file.name, data, examples, settings.licence),
        "split": parts.facts(),
        "training": training_facts(settings.tune, settings.training, settings.seed, learned),
        "versions": versions(),
    }
    write_card(made, card)
    predicted = find_model(made).predict([examples.texts[row] for row in parts.test])
    card = write_card(made, card | {"metrics": scores(examples.task, examples.labels, examples.target[parts.test], predicted)})
    _publish(made, out, aside)
    return card


def _trainable(tune: str) -> str:
    if tune == "none" or tune.startswith("prefix"):
        raise UsageError(f"--tune {tune} leaves no encoder that others can read: use full, top:2, lora:8 or head")
    return tune


def _plan(settings: Settings, part: FrozenPart, data: str) -> str:
    """Return what tells one training from another."""
    stated = {**{name: getattr(settings, name) for name in settings.__dataclass_fields__}, "base": part.checkpoint.id}
    return key(described(stated), data, part.device, part.dtype, code_hash(), versions())


def _claim(aside: Path, plan: str) -> None:
    """Make the unfinished folder, or find it to be of the same training; UsageError if passes of another are kept there."""
    stated = json.dumps({"plan": plan}) + "\n"
    if not any(aside.glob("journal/*/*")):  # nothing that could be lost
        write_atomically(aside / PLAN, stated.encode())
        return
    try:
        same = (aside / PLAN).read_text(encoding="utf-8") == stated
    except OSError:
        same = False
    if not same:
        raise UsageError(f"{aside} holds an unfinished training of other data, settings or versions: remove it, or give another --out")
    log.info("going on with the training in %s", aside)


def _unclaim(aside: Path) -> None:
    """Remove the unfinished folder of a training that was refused, if there is nothing in it that could be lost."""
    if any(aside.glob("journal/*/*")):
        return
    (aside / PLAN).unlink(missing_ok=True)
    for folder in (aside / "journal", aside):
        with contextlib.suppress(OSError):  # it is not there, or holds something
            folder.rmdir()


def _fitted(part: FrozenPart, examples: Examples, parts: Split, settings: Settings, journal: Cache, progress: Progress) -> Arrays:
    """Return what was learned from the training part; a number is told in standard deviations from its mean.

    What stops training early is a share of the training part, split off as the test was.
    """
    given, share = some(examples, parts.train), settings.training.validation
    held_out = np.zeros(len(given), dtype=bool)
    if share > 0:
        inner = split(given, test_share=share, horizon=settings.horizon, seed=settings.seed)
        held_out[inner.test] = True
        rows = np.sort(np.concatenate([inner.train, inner.test]))
        given, held_out = some(given, rows), held_out[rows]
    mean, deviation = scale_of(examples, parts)
    target = (given.target - mean) / deviation
    learning = loop.Examples.of(given.texts, target, task=TASKS[examples.task], held_out=held_out)
    return finetune(part, learning, settings.training, seed=settings.seed, progress=progress, journal=journal)


def _publish(made: Path, out: Path, aside: Path) -> None:
    """Put the finished folder in its place, and remove what training left behind."""
    try:
        made.rename(out)
    except OSError as error:
        raise StorageError(f"cannot rename {made} to {out}: {error.strerror or error}: the model is complete there") from error
    shutil.rmtree(aside, ignore_errors=True)
