"""TextEncoder: a pretrained transformer reads the news, frozen or fine-tuned inside each fold.

1. Each distinct text is read once (`plain`, fixed shapes, see `inference`), whatever the folds: what is frozen cannot leak.
2. tune="none": embeddings, averaged over each row's documents by age, standardised and rotated to their principal components; mean,
   scale and components come from the training rows that have documents.
3. Otherwise a linear head, and with it what `tune` names, is fitted to the labels of the training rows (`finetune`). tune="head": the
   head alone, a ridge regression on the frozen embeddings.
4. One distinct text is one example, whatever the number of rows in which it stands (`examples`).
5. The score of a row is the mean of its documents' scores, by age; 0 without documents.
6. A fit may go on from the fold before (`continual`). Its features of the test rows come from weights that have learned from earlier
   windows too, all of them past. Those of its own training rows may not: see `_cross_fitted`.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from quantlab import cache as store
from quantlab.cache import Arrays, Cache
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.result import Json
from quantlab.text import checks
from quantlab.text.base import Floats, Start, TextFeature
from quantlab.text.encoder import examples as make
from quantlab.text.encoder.adapters import require_peft
from quantlab.text.encoder.checkpoint import checkpoint_facts
from quantlab.text.encoder.components import principal_components, scores
from quantlab.text.encoder.continual import remembered, with_replay
from quantlab.text.encoder.finetune import finetune, outputs
from quantlab.text.encoder.frozen import LIBRARIES, FrozenPart, frozen_part
from quantlab.text.encoder.heads import shares
from quantlab.text.encoder.training import Examples, Task, Training
from quantlab.text.masking import masked
from quantlab.text.tokens import plain

MODULES: Final = (
    "adapters", "augment", "batches", "checkpoint", "components", "continual", "examples", "finetune", "frozen", "heads", "inference",
    "loop", "training", "tuned",
)  # fmt: skip
CODE: Final = (*(f"text/encoder/{name}.py" for name in MODULES), "text/encoder/near_synonyms.txt", "text/masking.py", "text/tokens.py")
RECORD: Final = ("n_texts", "n_trained_on", "n_held_out", "n_purged", "n_replayed", "n_fits_before", "loss", "validation_loss", "classes")


class TextEncoder(TextFeature):
    """What a pretrained encoder makes of each row's documents.

    Columns: `encoder_score`, the fitted head's (label in standard deviations; for two or three classes the probability of the highest
    less that of the lowest; for more a column `encoder_p_<class>` each); with tune="none" `encoder_0`, ... (principal components). All are
    0 for a row without documents.

    checkpoint: folder or name of a Hugging Face encoder with safetensors weights; None is all-MiniLM-L6-v2, which comes with quantlab.
    tune: "none", "head"; "top:1", "top:2", ...: the last blocks of a BERT or RoBERTa, all below them computed once for all folds; "full":
    every weight, which costs: of the default, a headline takes 5.5 ms in each pass of each fit (on one core), with "top:2" 1.5, with
    "top:1" 0.8; "lora:8", "adalora:8" (rank), "ia3", "prefix:16" (tokens): adapters in an encoder that stays as it is, 3.6 to 4.6 ms (they
    need peft; a hundredth of the weights). training: how (`Training`; None is its defaults).
    task: "auto", "regression" or "classes"; dead_zone: numbers become classes (`examples.target_of`).
    warm_start: go on from the weights of the fold before; continual: that, with replay of earlier texts and a pull to the old weights.
    mask_entities: hide tickers, numbers and the companies in `entity_names` (set by the run
    from the data set), so that the encoder cannot know what it has read of them.
    max_documents: distinct texts that blocks are trained on, at most, sampled evenly over time (the head starts from all).
    n_blocks: of time, for cross-fitting. max_tokens: a longer text is cut. dtype: "bfloat16", "float32" or "auto", the first where it is
    fast. device: "cpu", "cuda" or "auto", a GPU where there is one; its bits are not a processor's, and training on it repeats to rounding
    only. horizon (in bars) and random_state (None counts as 0) are set by the run, start by the fold before.
    Raises UsageError for a value out of range, StorageError if the weights are damaged.
    """

    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = CODE
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        *,
        tune: str = "top:1",
        training: Training | None = None,
        task: str = "auto",
        dead_zone: float | None = None,
        warm_start: bool = False,
        continual: bool = False,
        mask_entities: bool = False,
        entity_names: tuple[str, ...] | None = None,
        n_components: int = 16,
        half_life_hours: float = 24.0,
        max_documents: int = 2500,
        n_blocks: int = 2,
        max_tokens: int = 128,
        dtype: str = "auto",
        device: str = "auto",
        horizon: int | None = None,
        random_state: int | None = None,
        start: Start | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.checkpoint = checkpoint
        self.tune = tune
        self.training = training
        self.task = task
        self.dead_zone = dead_zone
        self.warm_start = warm_start
        self.continual = continual
        self.mask_entities = mask_entities
        self.entity_names = entity_names
        self.n_components = n_components
        self.half_life_hours = half_life_hours
        self.max_documents = max_documents
        self.n_blocks = n_blocks
        self.max_tokens = max_tokens
        self.dtype = dtype
        self.device = device
        self.horizon = horizon
        self.random_state = random_state
        self.start = start
        self.cache = cache

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; those of a training that is left to its defaults are among them, so that they can be set."""
        found: dict[str, Any] = super().get_params(deep)
        if deep and self.training is None:
            found |= {f"training__{name}": value for name, value in Training().get_params().items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `training__epochs` and the like set those of the training."""
        if self.training is None and any(name.startswith("training__") for name in params):
            self.training = Training()
        super().set_params(**params)
        return self

    @property
    def supervised(self) -> bool:  # type: ignore[override]  # the base says it of a class, here a parameter decides
        """Whether it learns from labels: unless tune="none"."""
        return self.tune != "none"

    @property
    def continues(self) -> bool:
        """Whether it goes on from what it learned in the fold before."""
        return bool(self.warm_start or self.continual)

    def prepare(self, X: pd.Series) -> None:
        """Run the frozen part over every distinct text once, ahead of the folds."""
        self.part().fill(self._readings(Documents.of(X))[0])

    def fit(self, X: pd.Series, y: pd.Series | None = None) -> Self:
        """Learn from the news column X, and unless tune="none" from the labels y, of the training rows."""
        self.part()
        times = X.index.get_level_values(0) if isinstance(X, pd.Series) else pd.Index([])
        end = None if self.start is None else self.start.fit_end
        if end is not None and len(times) and end > times.max():
            raise ValueError(f"TextEncoder: start has learned up to {end}, after the last training row, {times.max()}: fit folds in order")
        return super().fit(X, y)

    def describe_learned(self) -> dict[str, Json]:
        """Return what the report says of a fit: the encoder's facts, counts of texts, losses by pass, and what it started from."""
        found: dict[str, Json] = {
            name: self.learned_[name].item() if name.startswith("n_") else self.learned_[name].tolist()  # (a count from the disk is a list)
            for name in RECORD
            if name in self.learned_
        }
        if self.start is not None and self.continues:
            end = self.start.fit_end
            found |= {"started_from": self.start.key, "start_fit_end": None if end is None else end.isoformat()}
        told = checkpoint_facts(self.checkpoint, dtype=self.dtype, device=self.device)
        return {**told, "tune": self.tune, "mask_entities": self.mask_entities, **found}

    def explain(self, X: pd.Series) -> list[Json]:
        """Return the headlines of the rows with the highest and the lowest scores, with what each of their words added (`attribution`)."""
        from quantlab.text.encoder.attribution import extremes

        return extremes(self, X)

    def _cross_fitted(self, X: pd.Series, y: Floats, times: pd.DatetimeIndex) -> Floats:
        """Score each block of time with what was learned from the others, `horizon + 1` bars away from it, from a fresh start.

        Never from `start`: the fold before has learned from most rows of this window, those of the block among them, and its weights would
        be scored on their own training rows, which is what cross-fitting is there to prevent. (A fit that ended `horizon + 1` bars
        before the block would do; but windows overlap by far more than a block, so there is none.)
        """
        checks.blocks(self, times.nunique())
        fresh = clone(self).set_params(start=None)
        fresh.learned_ = self.learned_  # for the names of the columns
        fresh.told_apart_ = self.learned_.get("classes")  # the same classes, whether a block has rows of them all or not
        return super(TextEncoder, fresh)._cross_fitted(X, y, times)

    def part(self) -> FrozenPart:
        """Return the frozen part that the parameters ask for, once all of them are found to be in range."""
        checks.text_encoder(self)
        checks.optional(self, "training", Training)
        checks.optional(self, "start", Start)
        (self.training or Training()).checked()
        options: dict[str, Any] = {"max_tokens": self.max_tokens, "dtype": self.dtype, "device": self.device, "cache": self.cache}
        part = frozen_part(self.checkpoint, tune=self.tune, **options)
        if part.whole is not None and part.whole.kind != "full":
            require_peft()
        if self.continues and not part.tuned:
            raise UsageError(f"TextEncoder: tune={self.tune!r} has nothing to go on from: warm_start and continual need trained blocks")
        return part

    def _identity(self) -> str:
        part = self.part()
        adapter = metadata.version("peft") if part.whole is not None and part.whole.kind != "full" else None
        return store.key(super()._identity(), part.checkpoint.id, part.dtype, part.device, adapter)

    def as_read(self, text: str) -> str:
        """Return what the encoder reads of a text: without links and the like, and masked if it is to be."""
        read = plain(text)
        return masked(read, tuple(self.entity_names or ())) if self.mask_entities else read

    def _readings(self, documents: Documents) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        return make.readings(documents, tuple(self.entity_names or ()) if self.mask_entities else None)

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        if y is None:
            return principal_components(self._row_means(documents)[documents.n_by_row > 0], self.n_components)
        texts, reading = self._readings(documents)
        classes = getattr(self, "told_apart_", None)
        classes = None if classes is None or len(classes) == 0 else classes.astype(float)
        target = make.target_of(y, self.task, dead_zone=self.dead_zone, classes=classes)
        learned: Arrays = {"n_texts": np.array(len(texts)), "n_trained_on": np.array(0), "loss": np.zeros(0)}
        if target is None or not texts:
            return self._known() | learned
        weight, means = make.by_reading(documents, reading, target.values, self.half_life_hours, len(texts))
        examples = Examples.of(texts, means, task=target.task, weight=weight)
        validation = (self.training or Training()).validation
        if validation > 0 and self.tune != "head":  # a head is solved, it has no passes to stop
            examples = make.with_tail_held_out(examples, documents, reading, bar=documents.bar, share=validation, gap=self._gap())
        learned["n_purged"] = np.array(len(texts) - len(examples.texts))
        examples = make.sampled(examples, self.max_documents, self.random_state or 0)
        return learned | self._trained(examples, target.classes) if examples.sampled.any() else self._known() | learned

    def _trained(self, examples: Examples, classes: Floats) -> Arrays:
        """Return what the examples teach: a head, blocks, the classes, and what the next fold needs to go on."""
        seed, own = self.random_state or 0, self.training or Training()
        before = self._known()
        if not np.array_equal(before.get("classes", np.full(1, np.nan)), classes):
            before = {}  # it told other things apart
        memory = remembered(before, examples, own.replay, seed) if self.continual else {}
        replayed = with_replay(examples, before) if self.continual else examples
        counts = {
            "n_trained_on": int(replayed.sampled.sum()),
            "n_held_out": int(examples.held_out.sum()),
            "n_replayed": len(replayed.texts) - len(examples.texts),
            "n_fits_before": int(before["n_fits_before"].item()) + 1 if before else 0,
        }
        # a sample must not undo what the head has from all texts: the smaller its share, the smaller the steps
        share = float(replayed.sampled.sum() / (~replayed.held_out).sum())
        steps = clone(own).set_params(learning_rate=own.learning_rate * share, pull=own.pull if self.continual else 0.0)
        weights = finetune(self.part(), replayed, steps, seed=seed, start=before or None)
        return {name: np.array(count) for name, count in counts.items()} | {"classes": classes} | memory | weights

    def _known(self) -> Arrays:
        """Return what the fold before has learned, if this one goes on from it."""
        return dict(self.start.learned) if self.start is not None and self.continues else {}

    def _gap(self) -> int:
        """Return how many bars must lie between rows that are learned from and rows that are scored."""
        if self.horizon is None:
            raise ValueError("TextEncoder needs the label's horizon to purge what it scores: pass horizon= (a run does so itself)")
        return self.horizon + 1

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        if not self.supervised:
            return np.where(documents.n_by_row[:, None] > 0, scores(self._row_means(documents), learned), 0.0)
        texts, reading = self._readings(documents)
        if "classes" not in learned or not texts:
            return np.zeros((documents.n_rows, len(self._names(learned))))
        task: Task = "classes" if len(learned["classes"]) else "regression"
        found = shares(outputs(self.part(), learned, texts, task), task)
        if len(learned["classes"]) in (2, make.MAX_CLASSES):
            found = found[:, -1:] - found[:, :1]
        return documents.mean_by_row(found[reading], documents.decay(self.half_life_hours))

    def _names(self, learned: Arrays) -> list[str]:
        if not self.supervised:
            return [f"encoder_{number}" for number in range(len(learned["components"]))]
        classes = np.asarray(learned.get("classes", np.zeros(0)), dtype=float)
        return ["encoder_score"] if len(classes) <= make.MAX_CLASSES else [f"encoder_p_{value:g}" for value in classes]

    def _row_means(self, documents: Documents) -> Floats:
        """Return the mean embedding of each row's documents, by age, (n_rows, width)."""
        texts, reading = self._readings(documents)
        embeddings = self.part().embeddings(texts).astype(float)
        return documents.mean_by_row(embeddings[reading], documents.decay(self.half_life_hours))
