"""What the frozen blocks of an encoder make of each text: the same in every fold, so computed once and kept on disk.

1. Of each text: the states of its tokens below the blocks that are trained, rounded to bfloat16, and its embedding by the whole
   encoder as it came. Rounding comes first: a state from the disk and one just computed are the same bits.
2. They are rows of segments in the cache's folder, one segment per piece of work and per bucket. 80,000 tweets are 2 GB, more than a
   process should hold, and a fold wants some of them in any order: so a row is read by itself, and carries its own digest.
3. A damaged row costs its segment: that is reported, removed and computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from quantlab.cache import DIGEST, SUFFIX, Cache, key
from quantlab.errors import UsageError
from quantlab.repro import code_hash
from quantlab.text.encoder.adapters import Whole, what_is_tuned
from quantlab.text.encoder.checkpoint import Checkpoint, Device, Dtype, find_checkpoint, load_encoder, resolved_device, resolved_dtype
from quantlab.text.encoder.inference import Batch, Encoder, pooled, side_by_side

log = logging.getLogger(__name__)

NAME = 16  # bytes of a text's hash, as in the cache
SLAB = 4096  # texts turned into tokens at a time
PIECE_BYTES = 32 * 1024**2  # of rows held at a time
LONGEST_HEADER = 10_000
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)  # what a damaged header can do to a reader
CODE = tuple(f"text/encoder/{name}.py" for name in ("checkpoint", "inference", "frozen"))  # what its numbers depend on, and the libraries
LIBRARIES = ("torch", "transformers", "tokenizers")

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Chunk:
    """The frozen part of n texts of one bucket.

    position: (n,) among the texts asked for; states: (n, bucket, width), bfloat16 bits as uint16, or token ids (n, bucket), where
    nothing is frozen; embedding: (n, width); n_tokens: (n,), the rest of the bucket is padding.
    """

    position: npt.NDArray[np.int64]
    states: npt.NDArray[np.uint16] | npt.NDArray[np.int64]
    embedding: Float32
    n_tokens: npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrozenPart:
    """An encoder below its `n_top` last blocks. `namespace` must tell apart whatever else changes what it computes: code, versions.

    whole: how the encoder is tuned as a whole (then n_top is 0, and what a text enters with is its token ids), or None.
    """

    checkpoint: Checkpoint
    dtype: Dtype
    n_top: int
    max_tokens: int
    namespace: str
    cache: Cache | None = None
    whole: Whole | None = None
    device: Device = "cpu"

    @property
    def encoder(self) -> Encoder:
        """The encoder itself, verified and loaded."""
        return load_encoder(self.checkpoint, self.dtype, self.device)

    @property
    def tuned(self) -> bool:
        """Whether more than the head is trained."""
        return self.n_top > 0 or self.whole is not None

    @cached_property
    def prefix(self) -> str:
        """What the names of its folders in the cache begin with."""
        return "frozen-" + key(self.checkpoint.id, self.dtype, self.n_top, self.max_tokens, self.namespace, self.device)[:32]

    def embeddings(self, texts: Sequence[str]) -> Float32:
        """Return the embedding of each text, (n_texts, width), by the whole encoder as it came."""
        if not texts:
            return np.zeros((0, self.checkpoint.width), np.float32)
        return self._embed(texts) if self.cache is None else self.cache.rows(self.prefix, texts, self._embed)

    def fill(self, texts: Sequence[str]) -> None:
        """Compute and store what is not on disk yet; torch is loaded only if something is missing."""
        if self.cache is None:
            return
        if self.n_top == 0:
            self.embeddings(texts)
            return
        names = [_name(text) for text in texts]
        stored = {name for _, rows in self._segments() for name in rows}
        missing = np.array([position for position, name in enumerate(names) if name not in stored], dtype=np.int64)
        deque(self._computed(texts, missing), maxlen=0)

    def chunks(self, texts: Sequence[str]) -> Iterator[Chunk]:
        """Yield the frozen part of distinct texts, each once, a few at a time; in which order depends on the disk."""
        if self.whole is not None:
            yield from self._token_ids(texts)
            return
        wanted = {_name(text): position for position, text in enumerate(texts)}
        for path, rows in self._segments():
            found = [(row, name) for row, name in enumerate(rows) if name in wanted]
            chunk = self._read(path, found, [wanted[name] for _, name in found]) if found else None
            if chunk is not None:
                for _, name in found:
                    del wanted[name]
                yield chunk
        yield from self._computed(texts, np.array(sorted(wanted.values()), dtype=np.int64))

    def _token_ids(self, texts: Sequence[str]) -> Iterator[Chunk]:
        """Yield the token ids of the texts; they are computed in no time, and not kept."""
        for start in range(0, len(texts), SLAB):
            for batch in self.encoder.batches(texts[start : start + SLAB], self.max_tokens):
                n = len(batch.position)
                ids, n_tokens = batch.ids[:n].numpy(), batch.mask[:n].sum(1).numpy()
                yield Chunk(batch.position + start, ids, np.zeros((n, 0), np.float32), n_tokens)

    def _embed(self, texts: Sequence[str]) -> Float32:
        """Compute the embeddings."""
        vectors = np.zeros((len(texts), self.checkpoint.width), np.float32)
        for chunk in side_by_side(self._run, self.encoder.batches(texts, self.max_tokens)):
            vectors[chunk.position] = chunk.embedding
        return vectors

    def _computed(self, texts: Sequence[str], positions: npt.NDArray[np.int64]) -> Iterator[Chunk]:
        """Compute the frozen part of some of the texts, and store it if there is a cache."""
        for slab in np.split(positions, range(SLAB, len(positions), SLAB)) if len(positions) else []:
            for piece in self._pieces([texts[position] for position in slab]):
                chunk = replace(piece, position=slab[piece.position])
                if self.cache is not None:
                    self._store(self.cache, chunk, [texts[position] for position in chunk.position])
                yield chunk

    def _pieces(self, texts: Sequence[str]) -> Iterator[Chunk]:
        """Run the encoder over texts, and gather its batches into pieces of one bucket and of bounded size."""
        parts: list[Chunk] = []
        for part in side_by_side(self._run, self.encoder.batches(texts, self.max_tokens)):
            if parts and (parts[0].states.shape[1:] != part.states.shape[1:] or sum(p.states.nbytes for p in parts) >= PIECE_BYTES):
                yield joined(parts)
                parts = []
            parts.append(part)
        if parts:
            yield joined(parts)

    def _run(self, batch: Batch) -> Chunk:
        """Run the encoder over one batch."""
        import torch

        below, hidden = self.encoder.states(batch, self.n_top)
        n = len(batch.position)
        kept = hidden[:, :0] if below is None else below
        states = kept[:n].to(torch.bfloat16).view(torch.uint16).cpu().numpy()
        embedding = pooled(hidden, batch.mask.to(hidden.device))[:n].cpu().numpy()
        return Chunk(batch.position, states, embedding, batch.mask[:n].sum(1).numpy())

    def _store(self, cache: Cache, chunk: Chunk, texts: Sequence[str]) -> None:
        """Write a segment: a folder of its own, so that writing one never reads the others."""
        names = [_name(text) for text in texts]
        packed = _packed(chunk, names)
        segment = f"{self.prefix}-{chunk.states.shape[1]}-{key(b''.join(names))[:16]}"
        cache.rows(segment, texts, lambda _: packed.view(np.float32))

    def _segments(self) -> Iterator[tuple[Path, list[bytes]]]:
        """Yield each segment on disk with the names of its rows."""
        if self.cache is None:
            return
        for path in sorted(self.cache.folder.glob(f"{self.prefix}-*/*{SUFFIX}")):
            try:
                with path.open("rb") as file:
                    start, end = _places(file)["names"]
                    file.seek(start)
                    names = file.read(end - start)
                if not path.parent.name.endswith(f"-{key(names)[:16]}"):
                    raise ValueError("its texts are not those of its name")
            except UNREADABLE as error:
                _give_up(path, error)
                continue
            yield path, [names[at : at + NAME] for at in range(0, len(names), NAME)]

    def _read(self, path: Path, rows: Sequence[tuple[int, bytes]], positions: Sequence[int]) -> Chunk | None:
        """Return some rows of a segment, each verified, or None if one of them is damaged (then the segment is removed)."""
        bucket, width = int(path.parent.name.split("-")[2]), self.checkpoint.width
        length = bucket * width * 2 + width * 4 + 4 + DIGEST
        found = np.empty((len(rows), length), np.uint8)
        try:
            with path.open("rb") as file:
                start, _ = _places(file)["vectors"]
                for place, (row, name) in enumerate(rows):
                    file.seek(start + row * length)
                    if file.readinto(found[place].data) != length or _digest(name, found[place]) != found[place, -DIGEST:].tobytes():
                        raise ValueError(f"row {row} is not what was written")
            os.utime(path)  # recently used
        except UNREADABLE as error:
            _give_up(path, error)
            return None
        states, embedding, n_tokens, _ = np.split(found, np.cumsum([bucket * width * 2, width * 4, 4]), axis=1)
        return Chunk(
            np.array(positions, dtype=np.int64),
            np.ascontiguousarray(states).view("<u2").reshape(len(rows), bucket, width),
            np.ascontiguousarray(embedding).view("<f4"),
            np.ascontiguousarray(n_tokens).view("<u4")[:, 0].astype(np.int64),
        )


def frozen_part(
    checkpoint: str | Path | None = None,
    *,
    tune: str = "top:1",
    max_tokens: int = 128,
    dtype: str = "auto",
    device: str = "auto",
    cache: Cache | None = None,
) -> FrozenPart:
    """Return what `tune` leaves frozen of an encoder ("none", "head", "top:2", "full", "lora:8", ...), ready to read texts.

    Raises UsageError for a word that is not known, and for a checkpoint that cannot be used so.
    """
    found = find_checkpoint(checkpoint)
    if max_tokens > found.max_tokens:
        raise UsageError(f"TextEncoder: max_tokens={max_tokens}, but {found.name} reads {found.max_tokens} at most")
    n_top, whole = what_is_tuned(tune, found)
    namespace = key(code_hash(*CODE), {name: metadata.version(name) for name in LIBRARIES})
    place = resolved_device(device)
    return FrozenPart(found, resolved_dtype(dtype, place), n_top, max_tokens, namespace, cache, whole, place)


def _name(text: str) -> bytes:
    """Return the name of a text's row, as the cache gives it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:NAME]


def _digest(name: bytes, row: Bytes) -> bytes:
    """Return the digest that binds a row's content to its text."""
    return hashlib.sha256(name + row[:-DIGEST].tobytes()).digest()


def _packed(chunk: Chunk, names: Sequence[bytes]) -> Bytes:
    """Return a chunk as rows of bytes: states, embedding, number of tokens, digest."""
    n = len(names)
    parts = [chunk.states.astype("<u2"), chunk.embedding.astype("<f4"), chunk.n_tokens.astype("<u4")]
    rows = np.concatenate([*(part.reshape(n, -1).view(np.uint8) for part in parts), np.zeros((n, DIGEST), np.uint8)], axis=1)
    for row, name in zip(rows, names, strict=True):
        row[-DIGEST:] = np.frombuffer(_digest(name, row), np.uint8)
    return rows


def joined(parts: Sequence[Chunk]) -> Chunk:
    """Return chunks of one bucket as one."""
    fields = [(part.position, part.states, part.embedding, part.n_tokens) for part in parts]
    return Chunk(*(np.concatenate(columns) for columns in zip(*fields, strict=True)))


def _places(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Return where the arrays of a cache entry start and end: a digest, the length of a header, the header (safetensors), the arrays."""
    file.seek(DIGEST)
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise ValueError("its header is damaged")
    header = json.loads(file.read(length))
    start = DIGEST + 8 + length
    return {
        name: (start + entry["data_offsets"][0], start + entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _give_up(path: Path, error: Exception) -> None:
    """Remove a segment that cannot be trusted; one that another process has just removed is no damage."""
    if isinstance(error, FileNotFoundError):
        return
    log.warning("damaged cache entry %s (%s): removed, computing it again", path, error)
    with contextlib.suppress(OSError):
        path.unlink()
