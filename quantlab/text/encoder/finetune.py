"""Fine-tuning: what `tune` names of an encoder and a linear head, trained to tell what a text's label is. One loop for all.

1. The head starts as a ridge regression on the frozen embeddings (`heads`), or, like all else, where an earlier fit stopped.
2. AdamW then moves head and blocks together: warm-up, clipped gradients. Huber's loss for numbers, cross-entropy for classes. For returns
   the default is one pass, so that no label is met twice, at a constant rate: on planted tones that explain 4% of a label, this added
   0.02 to 0.05 to the ridge's correlation, while decay to zero added nothing (a second pass: 0.04).
3. With examples held out, the loss on them is taken before the first and after each pass, and the best weights are restored.
4. One thread, seeded order, dropout and first weights, anew for each pass: the same examples give the same bits, and a pass is a pure
   function of the state before it. So a journal of passes (a Cache) lets training that was killed go on from the last one.

On a GPU training is seeded too, but its kernels add in no fixed order: two fits agree to rounding, not to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays, Cache
from quantlab.errors import UsageError
from quantlab.executor import Progress, silent
from quantlab.repro import random_generator
from quantlab.text.encoder.augment import with_swapped
from quantlab.text.encoder.batches import Batch, Rows, by_bucket, in_order, rows_of
from quantlab.text.encoder.frozen import Chunk, FrozenPart
from quantlab.text.encoder.heads import HEAD, averaged, first_head
from quantlab.text.encoder.inference import batch_rows, side_by_side
from quantlab.text.encoder.loop import Loop
from quantlab.text.encoder.training import Examples, Floats, Task, Training
from quantlab.text.encoder.tuned import tuned_part

RECORD: Final = ("loss", "validation_loss")  # what a fit says of itself, beside weights


def finetune(
    part: FrozenPart,
    examples: Examples,
    training: Training,
    *,
    seed: int = 0,
    start: Arrays | None = None,
    progress: Progress = silent,
    journal: Cache | None = None,
) -> Arrays:
    """Return the trained weights and the head, float32; `loss` (n_epochs,), the mean training loss of each pass; `validation_loss`.

    start: what an earlier fit of the same kind returned, to go on from (`training.pull` ties the weights to it). journal: where passes are
    kept. `validation_loss` is (n_epochs + 1,), the first before training; empty if nothing is held out.
    Raises UsageError for parameters out of range.
    """
    training.checked()
    if training.label_smoothing > 0 and examples.task == "regression":
        raise UsageError(f"Training: label_smoothing={training.label_smoothing!r} needs classes or labels: a number has no share to spread")
    if training.gradual_unfreezing and part.whole is not None and part.whole.kind == "adalora":
        raise UsageError(
            "Training: gradual_unfreezing=True leaves AdaLoRA nothing to weigh ranks by: use tune='lora', or all blocks at once"
        )
    start = start if start is not None and _fits(start, part, examples) else None
    embeddings = np.zeros((len(examples.texts), part.checkpoint.width), np.float32)
    if not part.tuned:
        return first_head(part.embeddings(examples.texts), examples) | {name: np.zeros(0) for name in RECORD}
    if training.synonyms > 0:
        examples = with_swapped(examples, training.synonyms, seed)
        embeddings = np.zeros((len(examples.texts), part.checkpoint.width), np.float32)
    chunks = by_bucket(_entering(part, examples, embeddings))
    head = first_head(embeddings, examples)
    seeds = [seed, *random_generator(seed, "encoder: seeds of the ensemble").integers(2**31, size=training.n_seeds - 1).tolist()]
    members = [] if start is None else members_of(start)
    fits = []
    for number, own in enumerate(seeds):
        before = members[number % len(members)] if members else None
        loop = Loop(part, examples, training, chunks, own, before, journal)
        fits.append(loop.run(head, progress))
    return fits[0] if len(fits) == 1 else _together(fits)


def outputs(part: FrozenPart, learned: Arrays, texts: Sequence[str], task: Task = "regression") -> Floats:
    """Return the head's outputs for each text, (n_texts, n_outputs): numbers or log-odds; a pure function of each text.

    Of an ensemble: the mean, of numbers or (by `task`) of probabilities.
    """
    members = members_of(learned)
    if not part.tuned:
        embeddings = part.embeddings(texts)
        return averaged(
            [projected(embeddings, member["head.weight"].astype(float)) + member["head.bias"].astype(float) for member in members], task
        )
    import torch

    heads = [tuned_part(part, {name: member[name] for name in HEAD}, weights=member) for member in members]

    def run(batch: Batch) -> tuple[Rows, list[Floats]]:
        """Return the positions of one batch of texts and each head's outputs for them."""
        chunk, rows = batch
        n_rows = batch_rows(chunk.states.shape[1])
        full = (rows[0] + np.arange(n_rows)) % len(chunk.position)  # always as many: shapes are fixed
        with torch.inference_mode():
            found = [head.outputs(head.enter(chunk, full), head.mask(chunk, full))[: len(rows)].cpu().numpy() for head in heads]
        return chunk.position[rows], found

    found = np.zeros((len(members), len(texts), len(members[0]["head.bias"])))
    for position, values in side_by_side(run, in_order(part.chunks(texts))):
        found[:, position] = values
    return averaged(list(found), task)


def projected(values: npt.NDArray[np.floating], weights: Floats) -> Floats:
    """Return `values @ weights.T`, (n, k), each row a pure function of its own values, which a BLAS does not promise."""
    parts = [values[start : start + 256, None, :] * weights for start in range(0, len(values), 256)]
    return np.concatenate([part.sum(axis=2, dtype=float) for part in parts]) if parts else np.zeros((0, len(weights)))


def members_of(learned: Arrays) -> list[Arrays]:
    """Return the fits of an ensemble, each with plain names; of a single fit, itself."""
    if HEAD[0] in learned:
        return [learned]
    numbers = sorted({int(name.partition(".")[0].removeprefix("seed")) for name in learned if name.startswith("seed")})
    return [
        {name.removeprefix(f"seed{number}."): value for name, value in learned.items() if name.startswith(f"seed{number}.")}
        for number in numbers
    ]


def _fits(start: Arrays, part: FrozenPart, examples: Examples) -> bool:
    """Return whether an earlier fit is of the same kind: heads of as many outputs."""
    members = members_of(start)
    return bool(members) and members[0]["head.weight"].shape == (examples.target.shape[1], part.checkpoint.width)


def _together(fits: list[Arrays]) -> Arrays:
    """Return the fits of an ensemble as one; the losses are their mean, as far as all of them went."""
    found = {f"seed{number}.{name}": value for number, fit in enumerate(fits) for name, value in fit.items() if name not in RECORD}
    for name in RECORD:
        n = min(len(fit[name]) for fit in fits)
        found[name] = np.mean([fit[name][:n].astype(float) for fit in fits], axis=0)
    return found


def _entering(part: FrozenPart, examples: Examples, embeddings: npt.NDArray[np.float32]) -> Iterator[Chunk]:
    """Yield what is trained on or held out, a few texts at a time (all states need not fit into memory), and fill in all embeddings."""
    wanted = examples.sampled | examples.held_out
    if part.whole is not None:
        embeddings[:] = part.embeddings(examples.texts)
    for chunk in part.chunks(examples.texts):
        if part.whole is None:
            embeddings[chunk.position] = chunk.embedding
        yield rows_of(chunk, np.flatnonzero(wanted[chunk.position]))
