"""The encoder: a pretrained transformer, what of it is frozen, what is trained, and why it said what it said."""

from quantlab.text.encoder.feature import TextEncoder

__all__ = ["TextEncoder"]
