"""Going on from an earlier fold: what is remembered of its texts, and what the next fit may take from it.

1. A fit that goes on starts from the weights of the fold before, with fewer passes (`warm_start`).
2. A continual one also trains on a sample of texts that earlier windows have seen (replay), and is pulled towards the old weights
   (L2-SP, Li, Grandvalet & Davoine 2018), so that what has gone out of the window is not forgotten.
3. The sample is uniform over all texts ever seen, whatever the windows: each text has a number, drawn from itself and the seed, and the
   texts of the lowest numbers stay (a bottom-k sketch). It is bounded, and does not depend on the order in which texts came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quantlab.cache import Arrays, strings, unpacked
from quantlab.text.encoder.training import Examples

PREFIX = "memory."


def remembered(learned: Arrays, examples: Examples, size: int, seed: int) -> Arrays:
    """Return the memory after these examples: at most `size` texts with target and weight, of those that `learned` knows and these."""
    rows = np.flatnonzero(~examples.held_out)
    texts, target, weight = [examples.texts[row] for row in rows.tolist()], examples.target[rows], examples.weight[rows]
    if f"{PREFIX}texts" in learned:
        known = set(texts)
        old = unpacked(learned[f"{PREFIX}texts"])
        gone = np.array([number for number, text in enumerate(old) if text not in known], dtype=np.int64)
        texts = [*texts, *(old[number] for number in gone)]
        target = np.concatenate([target, learned[f"{PREFIX}target"][gone].astype(float)])
        weight = np.concatenate([weight, learned[f"{PREFIX}weight"][gone].astype(float)])
    kept = np.argsort(_numbers(texts, seed), kind="stable")[:size]
    return {f"{PREFIX}texts": strings([texts[row] for row in kept]), f"{PREFIX}target": target[kept], f"{PREFIX}weight": weight[kept]}


def with_replay(examples: Examples, learned: Arrays) -> Examples:
    """Return the examples with those texts of earlier windows that are remembered and not among them; all of them are trained on."""
    if f"{PREFIX}texts" not in learned or learned[f"{PREFIX}target"].shape[1:] != examples.target.shape[1:]:
        return examples
    known = set(examples.texts)
    old = unpacked(learned[f"{PREFIX}texts"])
    gone = np.array([number for number, text in enumerate(old) if text not in known], dtype=np.int64)
    return Examples(
        [*examples.texts, *(old[number] for number in gone)],
        np.concatenate([examples.target, learned[f"{PREFIX}target"][gone].astype(float)]),
        np.concatenate([examples.weight, learned[f"{PREFIX}weight"][gone].astype(float)]),
        np.concatenate([examples.sampled, np.ones(len(gone), dtype=bool)]),
        np.concatenate([examples.held_out, np.zeros(len(gone), dtype=bool)]),
        examples.task,
    )


def _numbers(texts: Sequence[str], seed: int) -> npt.NDArray[np.uint64]:
    """Return the number of each text: uniform, and its own."""
    own = [hashlib.sha256(f"{seed} {text}".encode("utf-8", "surrogatepass")).digest()[:8] for text in texts]
    return np.frombuffer(b"".join(own), dtype=">u8").astype(np.uint64)
