"""Batches of chunks: which rows are met together, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quantlab.text.encoder.frozen import Chunk, joined
from quantlab.text.encoder.inference import batch_rows

Rows: TypeAlias = "npt.NDArray[np.int64]"
Batch: TypeAlias = "tuple[Chunk, Rows]"  # which rows of a chunk


def by_bucket(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return one chunk per bucket, its texts in their order: whatever the order on disk, training sees the same."""
    buckets: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        buckets.setdefault(chunk.states.shape[1], []).append(chunk)
    whole = [joined(buckets[bucket]) for bucket in sorted(buckets)]
    return [rows_of(chunk, np.argsort(chunk.position, kind="stable")) for chunk in whole if len(chunk.position)]


def shuffled(chunks: Sequence[Chunk], batch_size: int, rng: np.random.Generator) -> list[Batch]:
    """Return the batches of one pass in random order, each of texts of one bucket."""
    batches = []
    for chunk in chunks:
        order = rng.permutation(len(chunk.position))
        batches += [(chunk, order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
    return [batches[number] for number in rng.permutation(len(batches))]


def in_order(chunks: Iterable[Chunk]) -> Iterator[Batch]:
    """Yield the rows of chunks in batches."""
    for chunk in chunks:
        n_rows = batch_rows(chunk.states.shape[1])
        for start in range(0, len(chunk.position), n_rows):
            yield chunk, np.arange(start, min(start + n_rows, len(chunk.position)))


def rows_of(chunk: Chunk, rows: Rows) -> Chunk:
    """Return some rows of a chunk."""
    return Chunk(chunk.position[rows], chunk.states[rows], chunk.embedding[rows], chunk.n_tokens[rows])
