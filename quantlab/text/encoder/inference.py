"""An encoder at work, in fixed shapes: what it makes of a text is a pure function of that text.

1. A text is cut at `max_tokens` and padded to the next bucket, of which `max_tokens` is the last; a batch always holds the same number
   of tokens, with empty rows if need be. Kernels round differently for different shapes, so a text padded to its companions would change
   with them (6e-8 in float32, 2e-2 in bfloat16 where a batch is small), and the texts of the future would alter the features of the past.
2. A batch runs on one thread; several run side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Task = TypeVar("Task")
Done = TypeVar("Done")

BUCKETS: Final = (16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096)  # tokens; none beyond what an encoder is asked to read
TOKENS_PER_BATCH: Final = 2048  # about


@dataclass(frozen=True)
class Batch:
    """Texts of one bucket in a fixed shape: position (n,) of each among the texts, ids and mask (n_rows, n_tokens); n <= n_rows."""

    position: npt.NDArray[np.int64]
    ids: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class Encoder:
    """A loaded checkpoint: all that we use of Hugging Face."""

    model: Any
    tokenizer: Any
    layered: bool
    bfloat16: bool
    device: str = "cpu"

    @property
    def layers(self) -> torch.nn.ModuleList:
        """The transformer blocks, the lowest first. They are shared: copy one before training it."""
        layers: torch.nn.ModuleList = self.model.encoder.layer
        return layers

    def batches(self, texts: Sequence[str], max_tokens: int) -> Iterator[Batch]:
        """Yield the texts bucket by bucket, padded in both directions."""
        import torch

        encoded = self.tokenizer(list(texts), truncation=True, max_length=max_tokens, padding=False)["input_ids"] if texts else []
        lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
        sizes = np.array([size for size in BUCKETS if size < max_tokens] + [max_tokens])
        buckets = sizes[np.searchsorted(sizes, lengths)]
        for bucket in np.unique(buckets):
            members = np.flatnonzero(buckets == bucket)
            n_rows = batch_rows(int(bucket))
            for start in range(0, len(members), n_rows):
                position = members[start : start + n_rows]
                ids = np.full((n_rows, bucket), self.tokenizer.pad_token_id, dtype=np.int64)
                for row, member in enumerate(position):
                    ids[row, : lengths[member]] = encoded[member]
                n_tokens = np.ones(n_rows, dtype=np.int64)  # an empty row attends to its first token: a softmax over none is NaN
                n_tokens[: len(position)] = lengths[position]
                yield Batch(position, torch.from_numpy(ids), token_mask(n_tokens, int(bucket)))

    def states(self, batch: Batch, n_top: int) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return the token states (n_rows, n_tokens, width) below the `n_top` last blocks (None if it is 0), and above them all."""
        import torch

        below, ids, mask = None, batch.ids.to(self.device), batch.mask.to(self.device)
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            if not self.layered:
                return None, self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            hidden = self.model.embeddings(input_ids=ids)  # (n_rows, n_tokens, width)
            penalty = attention_penalty(mask)
            for number, layer in enumerate(self.layers):
                if number == len(self.layers) - n_top:
                    below = hidden
                hidden = layer(hidden, penalty)
        return below, hidden


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Keep torch to one thread for a while; the value is how many it had."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(n_threads)


def side_by_side(function: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
    """Yield `function(task)` in the order of the tasks, as many at a time as torch has threads, each on one of them.

    Two batches side by side never wait for each other. One batch on two threads does at every product, and takes ten times as long
    where another process wants the processor.
    """
    with one_torch_thread() as n_threads:
        if n_threads == 1:
            yield from map(function, tasks)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            running: deque[Future[Done]] = deque()
            for task in tasks:
                running.append(pool.submit(function, task))
                if len(running) > n_threads:
                    yield running.popleft().result()
            yield from (future.result() for future in running)


def batch_rows(bucket: int) -> int:
    """Return how many texts of a bucket make a batch: a multiple of 8 if it can be, so that kernels meet no ragged end."""
    n_rows = max(1, TOKENS_PER_BATCH // bucket)
    return n_rows - n_rows % 8 if n_rows > 8 else n_rows


def token_mask(n_tokens: npt.NDArray[np.int64], bucket: int) -> torch.Tensor:
    """Return which tokens of each row are text and not padding, (n_rows, bucket)."""
    import torch

    return torch.from_numpy(np.arange(bucket) < n_tokens[:, None])


def attention_penalty(mask: torch.Tensor) -> torch.Tensor:
    """Return what is added to the attention paid to each token, (n_rows, 1, 1, n_tokens): nothing for text, minus infinity for padding."""
    import torch

    return torch.where(mask, 0.0, -torch.inf)[:, None, None, :]


def pooled(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over each text's tokens at length one, (n_rows, width): what all-MiniLM calls the embedding."""
    import torch

    weights = mask[..., None].float()
    return torch.nn.functional.normalize((hidden.float() * weights).sum(1) / weights.sum(1), dim=1)
