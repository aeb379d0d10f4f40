"""What a manifest says of an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantlab.result import Json
from quantlab.text.encoder.checkpoint import find_checkpoint, resolved_device, resolved_dtype

if TYPE_CHECKING:
    from quantlab.text.encoder.feature import TextEncoder


def encoder_facts(estimator: TextEncoder) -> dict[str, Json]:
    """Return what a manifest says of an encoder: where it comes from, what it has read and how it computes.

    knowledge_cutoff: ISO date of the last text that the checkpoint may have been trained on, None if unknown.
    """
    checkpoint, device = find_checkpoint(estimator.checkpoint), resolved_device(estimator.device)
    return {
        "checkpoint": checkpoint.name,
        "checkpoint_id": checkpoint.id,
        "sha256": dict(checkpoint.weights),
        "dtype": resolved_dtype(estimator.dtype, device),
        "device": device,
        "knowledge_cutoff": checkpoint.knowledge_cutoff,
        "tune": estimator.tune,
        "mask_entities": estimator.mask_entities,
    }
