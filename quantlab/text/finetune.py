"""Fine-tuning: the top blocks of an encoder and a linear head, trained to tell a text's label.

1. The head starts as the ridge regression of the labels on the frozen embeddings, its penalty chosen by generalised cross-validation
   (Golub, Heath & Wahba 1979). Labels are mostly noise here: this start is as good as frozen embeddings get, and training adds to it.
2. AdamW (Loshchilov & Hutter 2019) then moves the head and the top blocks together: warm-up, clipped gradients, no dropout. Huber's
   loss for numbers, cross-entropy for classes. One pass, so that no label is met twice, at a constant rate: on planted tones that
   explain 4% of a label, this added 0.02 to 0.05 to the ridge's correlation, while decay to zero added nothing (a second pass: 0.04).
3. One thread, a seeded order of examples: the same examples give the same bits. With two threads the last bits of a gradient vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays
from quantlab.repro import one_thread, random_generator
from quantlab.text.frozen import Chunk, FrozenPart, joined
from quantlab.text.inference import Encoder, attention_penalty, batch_rows, one_torch_thread, pooled, side_by_side, token_mask

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Piece: TypeAlias = tuple[Chunk, int]  # rows from there on

WARM_UP: Final = 0.1  # share of the steps
WEIGHT_DECAY: Final = 0.01
MAX_GRADIENT: Final = 1.0  # norm
RAREST: Final = 1e-6  # base rate of a class that was not sampled
PENALTIES: Final = np.logspace(-4, 1, 21)  # of the ridge, per unit of weight


@dataclass(frozen=True)
class Training:
    """How to train the blocks: what the parameters of TextEncoder say."""

    epochs: int
    learning_rate: float
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Examples:
    """Texts with labels.

    target: (n_texts, 1) a number, or (n_texts, n_classes) the share of each class; weight: (n_texts,); sampled: (n_texts,) whether the
    blocks are trained on it; the head starts from all.
    """

    texts: Sequence[str]
    target: Floats
    weight: Floats
    sampled: npt.NDArray[np.bool_]


def finetune(part: FrozenPart, examples: Examples, training: Training) -> Arrays:
    """Return the weights of the top blocks and the head, float32, and `loss`, the mean training loss of each epoch."""
    if part.n_top == 0:
        return _head(part.embeddings(examples.texts), examples) | {"loss": np.zeros(0)}
    embeddings = np.zeros((len(examples.texts), part.checkpoint.width), np.float32)
    sampled = []
    for chunk in part.chunks(examples.texts):  # a few at a time: all states need not fit into memory, the sampled ones do
        embeddings[chunk.position] = chunk.embedding
        sampled.append(_rows(chunk, np.flatnonzero(examples.sampled[chunk.position])))
    top = _top(part.encoder, part.n_top, _head(embeddings, examples))
    with one_torch_thread():
        losses = _train(top, _by_bucket(sampled), examples, training, bfloat16=part.encoder.bfloat16)
    weights: Arrays = {name: value.detach().numpy().copy() for name, value in top.state_dict().items()}
    return weights | {"loss": np.array(losses)}


def outputs(part: FrozenPart, learned: Arrays, texts: Sequence[str]) -> Floats:
    """Return the head's outputs for each text, (n_texts, n_outputs): standardised labels or log-odds; a pure function of each text."""
    if part.n_top == 0:
        bias = learned["head.bias"].astype(float)
        return np.asarray(projected(part.embeddings(texts), learned["head.weight"].astype(float)) + bias)
    import torch

    top, bfloat16 = _top(part.encoder, part.n_top, learned), part.encoder.bfloat16

    def run(piece: Piece) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
        """Return the positions of one batch of texts and the head's outputs for them."""
        chunk, start = piece
        position = chunk.position[start : start + batch_rows(chunk.states.shape[1])]
        rows = np.arange(start, start + batch_rows(chunk.states.shape[1])) % len(chunk.position)  # always full: shapes are fixed
        with torch.inference_mode():
            return position, _forward(top, *_tensors(chunk, rows), bfloat16=bfloat16)[: len(position)].numpy()

    pieces = ((c, start) for c in part.chunks(texts) for start in range(0, len(c.position), batch_rows(c.states.shape[1])))
    found = np.zeros((len(texts), len(learned["head.bias"])))
    for position, values in side_by_side(run, pieces):
        found[position] = values
    return found


def projected(values: npt.NDArray[np.floating], weights: Floats) -> Floats:
    """Return `values @ weights.T`, (n, k), each row a pure function of its own values, which a BLAS does not promise."""
    parts = [values[start : start + 256, None, :] * weights for start in range(0, len(values), 256)]
    return np.concatenate([part.sum(axis=2, dtype=float) for part in parts]) if parts else np.zeros((0, len(weights)))


def _train(top: torch.nn.ModuleDict, chunks: Sequence[Chunk], examples: Examples, training: Training, *, bfloat16: bool) -> list[float]:
    """Train in place; return the mean loss of each epoch."""
    import torch

    rng = random_generator(training.seed, "encoder: order of examples")
    target = torch.from_numpy(examples.target).float()
    weight = torch.from_numpy(examples.weight / examples.weight[examples.sampled].mean()).float()
    parameters = list(top.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=training.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
    plans = [_plan(chunks, training.batch_size, rng) for _ in range(training.epochs)]
    warm_up, step, losses = WARM_UP * sum(map(len, plans)), 0, []
    for plan in plans:
        total = 0.0
        for chunk, rows in plan:
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = training.learning_rate * min(1.0, step / warm_up)
            full = np.resize(rows, training.batch_size)  # torch keeps its kernels for every shape that it meets: 20 MB a fit
            output = _forward(top, *_tensors(chunk, full), bfloat16=bfloat16)[: len(rows)]
            batch = torch.from_numpy(chunk.position[rows])
            loss = (weight[batch] * _losses(output, target[batch])).sum() / training.batch_size
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT)
            optimizer.step()
            total += float(loss.detach()) * training.batch_size
        losses.append(total / float(examples.sampled.sum()))
    return losses


def _losses(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the loss of each example, (n,)."""
    from torch.nn import functional

    if target.shape[1] == 1:
        return functional.huber_loss(output[:, 0], target[:, 0], reduction="none")
    return functional.cross_entropy(output, target, reduction="none")


def _plan(chunks: Sequence[Chunk], batch_size: int, rng: np.random.Generator) -> list[tuple[Chunk, npt.NDArray[np.int64]]]:
    """Return the batches of one epoch in random order, each of texts of one bucket: (chunk, rows in it)."""
    batches = []
    for chunk in chunks:
        order = rng.permutation(len(chunk.position))
        batches += [(chunk, order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
    return [batches[number] for number in rng.permutation(len(batches))]


def _forward(top: torch.nn.ModuleDict, states: torch.Tensor, mask: torch.Tensor, *, bfloat16: bool) -> torch.Tensor:
    """Return the head's outputs, (n, n_outputs)."""
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        hidden = states if bfloat16 else states.float()  # (n, n_tokens, width)
        penalty = attention_penalty(mask)
        for layer in top["layers"]:
            hidden = layer(hidden, penalty)
    output: torch.Tensor = top["head"](pooled(hidden, mask))
    return output


def _tensors(chunk: Chunk, rows: npt.NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return states (n, n_tokens, width), bfloat16, and mask (n, n_tokens) of some rows."""
    import torch

    states = torch.from_numpy(chunk.states[rows]).view(torch.bfloat16)
    return states, token_mask(chunk.n_tokens[rows], states.shape[1])


def _top(encoder: Encoder, n_top: int, weights: Arrays) -> torch.nn.ModuleDict:
    """Return a copy of the encoder's top blocks with a head, with such weights as are given (at least the head's)."""
    import torch

    n_outputs, width = weights["head.weight"].shape
    layers = torch.nn.ModuleList(deepcopy(layer) for layer in encoder.layers[-n_top:])
    top = torch.nn.ModuleDict({"layers": layers, "head": torch.nn.Linear(width, n_outputs)})
    names = top.state_dict().keys()
    top.load_state_dict({name: torch.from_numpy(np.array(weights[name])) for name in names if name in weights}, strict=False)
    return top.requires_grad_(True).eval()


def _by_bucket(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return one chunk per bucket, its texts in their order: whatever the order on disk, training sees the same."""
    buckets: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        buckets.setdefault(chunk.states.shape[1], []).append(chunk)
    whole = [joined(buckets[bucket]) for bucket in sorted(buckets)]
    return [_rows(chunk, np.argsort(chunk.position, kind="stable")) for chunk in whole if len(chunk.position)]


def _rows(chunk: Chunk, rows: npt.NDArray[np.int64]) -> Chunk:
    """Return some rows of a chunk."""
    return Chunk(chunk.position[rows], chunk.states[rows], chunk.embedding[rows], chunk.n_tokens[rows])


def _head(embeddings: npt.NDArray[np.floating], examples: Examples) -> Arrays:
    """Return the head that the ridge regression gives.

    For classes it gives shares, and the head log-odds around the base rates p: log p + (share - p) / p, whose softmax is the share
    to first order.
    """
    with one_thread():
        coefficients, intercept = ridge(embeddings.astype(float), examples.target, examples.weight)
    if examples.target.shape[1] > 1:
        rates = np.maximum(examples.weight @ examples.target / examples.weight.sum(), RAREST)
        coefficients, intercept = coefficients / rates[:, None], np.log(rates) + (intercept - rates) / rates
    return {"head.weight": coefficients.astype(np.float32), "head.bias": intercept.astype(np.float32)}


def ridge(X: Floats, targets: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (n_targets, n_features) and intercepts (n_targets,) of the ridge with the least GCV error."""
    mean, centre = weight @ X / weight.sum(), weight @ targets / weight.sum()
    root = np.sqrt(weight)[:, None]
    A, B = X - mean, root * (targets - centre)
    A *= root
    values, vectors = np.linalg.eigh(A.T @ A)
    values, moments = np.clip(values, 0.0, None)[:, None], vectors.T @ (A.T @ B)
    n = weight.sum() ** 2 / (weight**2).sum()  # as many examples of equal weight
    best, solution = np.inf, np.zeros_like(moments)
    for penalty in PENALTIES[::-1] * weight.sum():  # the strongest first: it stays where nothing is better
        shrunk = moments / (values + penalty)
        residual = (B**2).sum() - 2 * (shrunk * moments).sum() + (shrunk**2 * values).sum()
        freedom = 1 - (1 + (values / (values + penalty)).sum()) / n
        if freedom > 0 and residual / freedom**2 < best:
            best, solution = residual / freedom**2, shrunk
    coefficients = (vectors @ solution).T
    return coefficients, centre - coefficients @ mean
