"""How the trained part of an encoder is trained, and on what: parameters and examples, without torch.

Training is a value that scikit-learn can clone and set (`--set model.epochs=3`); one set of parameters serves every way of tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from quantlab.text import checks

Floats: TypeAlias = "npt.NDArray[np.float64]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"
Task: TypeAlias = Literal["regression", "classes", "labels"]  # a number; one of several classes; any number of labels at once
Schedule: TypeAlias = Literal["constant", "linear"]

WHOLE: Final = {"epochs": 1, "batch_size": 1, "accumulation": 1, "patience": 1, "n_seeds": 1, "replay": 0}  # parameter: least value
SHARES: Final = ("warm_up", "dropout", "label_smoothing", "validation", "token_dropout", "synonyms")  # in [0, 1)
NOT_NEGATIVE: Final = ("weight_decay", "adversarial", "pull")
POSITIVE: Final = ("learning_rate", "max_gradient")


class Training(BaseEstimator):
    """How to train: AdamW (Loshchilov & Hutter 2019) on what the encoder and its head have to learn. The defaults are for returns.

    A head alone (tune="head") is solved, not trained: none of this concerns it.

    epochs: passes over the examples. further_epochs: of a fit that goes on from an earlier one; None is a third of `epochs`, at least 1.
    learning_rate, batch_size, weight_decay. schedule: "constant" or "linear" (decay to zero). warm_up: share of the steps.
    max_gradient: norm at which a gradient is clipped. accumulation: batches per step. dropout: share of states, also before the head.
    label_smoothing: share of a class's target that is spread over all. layer_decay: the learning rate of a block is this times that of the
    block above (Howard & Ruder 2018). gradual_unfreezing: in the first epoch the head alone, in each further one a block more (the same).
    validation: share of the tail of the training window that is held out, purged against the rest; after each epoch the loss on it is
    taken, training stops after `patience` epochs without a better one, and the best weights are restored. 0: none.
    adversarial: length, in shares of the norm of a text's states, of the step that worsens the loss most; the loss there is added
    (fast gradient method, Miyato et al. 2017). 0: none.
    token_dropout: share of tokens hidden from each text. synonyms: share of words that have near-synonyms that are swapped in a second
    copy of each text. n_seeds: fits whose outputs are averaged.
    replay: texts of earlier windows that a continual fit remembers. pull: strength of its pull towards the earlier weights (L2-SP, Li et
    al. 2018): pull times their squared distance is added to the loss.
    """

    def __init__(
        self,
        *,
        epochs: int = 1,
        further_epochs: int | None = None,
        learning_rate: float = 2e-4,
        batch_size: int = 64,
        weight_decay: float = 0.01,
        schedule: str = "constant",
        warm_up: float = 0.1,
        max_gradient: float = 1.0,
        accumulation: int = 1,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        layer_decay: float = 1.0,
        gradual_unfreezing: bool = False,
        validation: float = 0.0,
        patience: int = 2,
        adversarial: float = 0.0,
        token_dropout: float = 0.0,
        synonyms: float = 0.0,
        n_seeds: int = 1,
        replay: int = 500,
        pull: float = 0.01,
    ) -> None:
        """Keep the parameters."""
        self.epochs = epochs
        self.further_epochs = further_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warm_up = warm_up
        self.max_gradient = max_gradient
        self.accumulation = accumulation
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.layer_decay = layer_decay
        self.gradual_unfreezing = gradual_unfreezing
        self.validation = validation
        self.patience = patience
        self.adversarial = adversarial
        self.token_dropout = token_dropout
        self.synonyms = synonyms
        self.n_seeds = n_seeds
        self.replay = replay
        self.pull = pull

    def checked(self) -> Self:
        """Return itself. Raises UsageError for a value out of range."""
        for name, least in (WHOLE | ({} if self.further_epochs is None else {"further_epochs": 1})).items():
            checks.whole(self, name, least)
        for name in SHARES:
            checks.number(self, name, least=0, below=1)
        for name in NOT_NEGATIVE:
            checks.number(self, name, least=0)
        for name in POSITIVE:
            checks.number(self, name, above=0)
        checks.number(self, "layer_decay", above=0)
        checks.choice(self, "schedule", get_args(Schedule))
        checks.switch(self, "gradual_unfreezing")
        return self


def rate_at(step: int, n_steps: int, training: Training) -> float:
    """Return the learning rate of a step (from 1): it rises in equal steps while warming up, then stays or falls to zero in equal steps."""
    warm_up = training.warm_up * n_steps
    if step < warm_up:
        return training.learning_rate * step / warm_up
    left = (n_steps + 1 - step) / (n_steps + 1 - warm_up) if training.schedule == "linear" and step > warm_up else 1.0
    return training.learning_rate * left


@dataclass(frozen=True)
class Examples:
    """Distinct texts with what is to be said of them.

    target: (n_texts, k): numbers ("regression"), the share of each class ("classes", rows sum to 1) or whether each label applies
    ("labels"). weight: (n_texts,). sampled: (n_texts,) whether the blocks are trained on it; the head starts from all that are not held
    out. held_out: (n_texts,) whether it serves to stop early, and nothing else.
    """

    texts: Sequence[str]
    target: Floats
    weight: Floats
    sampled: Flags
    held_out: Flags
    task: Task = "regression"

    @classmethod
    def of(cls, texts: Sequence[str], target: Floats, *, task: Task, weight: Floats | None = None, held_out: Flags | None = None) -> Self:
        """Return examples that are all trained on, but for those held out."""
        n = len(texts)
        held_out = np.zeros(n, dtype=bool) if held_out is None else held_out
        return cls(texts, target, np.ones(n) if weight is None else weight, ~held_out, held_out, task)

    def only(self, rows: npt.NDArray[np.int64]) -> Self:
        """Return some of the examples."""
        texts = [self.texts[row] for row in rows]
        parts = {name: getattr(self, name)[rows] for name in ("target", "weight", "sampled", "held_out")}
        return replace(self, texts=texts, **parts)
