"""Sentiment: tone by a word list, by a fine-tuned model, by descriptions or by a few examples."""

from quantlab.text.sentiment.feature import WORDS, Sentiment, score

__all__ = ["WORDS", "Sentiment", "score"]
