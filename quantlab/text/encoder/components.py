"""Principal components of embeddings: fewer columns that hold most of what sets the rows apart."""

from __future__ import annotations

import numpy as np

from quantlab.cache import Arrays
from quantlab.repro import one_thread
from quantlab.text.encoder.finetune import projected
from quantlab.text.encoder.training import Floats


def principal_components(rows: Floats, n_components: int) -> Arrays:
    """Return `mean` and `scale` (width,) of the rows, and their first `components` (n, width), the largest entry of each positive.

    Without rows there is nothing to tell apart: all components are 0, as many as asked for.
    """
    width = rows.shape[1]
    if len(rows) == 0:
        return {"mean": np.zeros(width), "scale": np.ones(width), "components": np.zeros((min(n_components, width), width))}
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    with one_thread():
        _, lengths, components = np.linalg.svd((rows - mean) / scale, full_matrices=False)
    rank = int((lengths > lengths[0] * max(rows.shape) * np.finfo(float).eps).sum())
    components = components[: min(n_components, rank)]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return {"mean": mean, "scale": scale, "components": components * np.sign(largest)}


def scores(rows: Floats, learned: Arrays) -> Floats:
    """Return the scores of rows on what `principal_components` found, (n_rows, n): each a pure function of its row."""
    mean, scale, components = (learned[name].astype(float) for name in ("mean", "scale", "components"))
    return projected((rows - mean) / scale, components)
