"""Attribution: which words of a headline made the fitted encoder say what it said.

Integrated gradients (Sundararajan, Taly & Yan 2017): the gradient of the score with respect to each token's embedding, averaged on the
straight way from a text of padding to the text itself, times the way. The shares add up to the score less that of the padding, but for
what the sum of steps leaves over, which is returned too. In float32 on the processor, whatever and wherever the encoder computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from quantlab.cache import Arrays
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.result import Json
from quantlab.text.encoder import TextEncoder
from quantlab.text.encoder.finetune import members_of
from quantlab.text.encoder.frozen import FrozenPart
from quantlab.text.encoder.heads import HEAD
from quantlab.text.encoder.inference import attention_penalty, one_torch_thread, pooled
from quantlab.text.encoder.tuned import tuned_part

if TYPE_CHECKING:
    import torch

STEPS = 32  # of the way from padding to the text
BATCH = 16  # steps at a time
MOST_SHARED = 20  # rows looked at for one headline: many rows share one


@dataclass(frozen=True)
class Attribution:
    """What each token added to a text's score.

    tokens: table of token, start and end (characters of `text`, 0 and 0 for what the encoder adds) and share, in units of the score.
    score: of the text; baseline: of a text of padding; left_over: what the shares do not explain.
    """

    text: str
    tokens: pd.DataFrame
    score: float
    baseline: float
    left_over: float

    def words(self) -> pd.Series:
        """Return what each word added, (n_words,), in their order: the pieces of a word together, without what the encoder adds."""
        own = self.tokens[self.tokens["end"] > self.tokens["start"]]
        word = (own["start"] != own["end"].shift(1)).cumsum()
        pieces = own.groupby(word)
        names = [self.text[start:end] for start, end in zip(pieces["start"].min(), pieces["end"].max(), strict=True)]
        return pd.Series(pieces["share"].sum().to_numpy(), index=names, name="share")


def attribute_tokens(encoder: TextEncoder, text: str, *, n_steps: int = STEPS) -> Attribution:
    """Return what each token of a text added to the score that a fitted encoder gives it, as the encoder reads it (links removed, ...).

    The score is the head's output: the label in standard deviations, or the log-odds of the highest class less those of the lowest.
    Raises UsageError for an encoder that gives no score (tune="none"), that has learned nothing, or for a text with nothing to read.
    """
    check_is_fitted(encoder)
    if not encoder.supervised:
        raise UsageError('TextEncoder(tune="none") gives components, no score: there is nothing to attribute')
    if "classes" not in encoder.learned_:
        raise UsageError("the encoder has learned nothing: its labels were all equal, or no training row had a document")
    read = encoder.as_read(text)
    part = replace(encoder.part(), dtype="float32", device="cpu")
    given = part.encoder.tokenizer(read, truncation=True, max_length=part.max_tokens, return_offsets_mapping=True)
    if len(given["input_ids"]) <= part.encoder.tokenizer.num_special_tokens_to_add():
        raise UsageError(f"there is nothing to read in {text!r}: give a text with words")
    with one_torch_thread():
        found = [_integrated(part, member, given["input_ids"], n_steps) for member in members_of(encoder.learned_)]
    shares = np.mean([share for share, _, _ in found], axis=0)
    score, baseline = np.mean([ends for _, *ends in found], axis=0)
    start, end = np.array(given["offset_mapping"]).T
    names = part.encoder.tokenizer.convert_ids_to_tokens(given["input_ids"])
    tokens = pd.DataFrame({"token": names, "start": start, "end": end, "share": shares})
    return Attribution(read, tokens, float(score), float(baseline), float(score - baseline - shares.sum()))


def extremes(encoder: TextEncoder, X: pd.Series, *, n: int = 3) -> list[Json]:
    """Return the youngest document of each of the `n` rows of X with the highest, and with the lowest scores, explained.

    Each is {text, score, words: [[word, share], ...]}, as the encoder reads it; a text that several rows share is told once. Empty for an
    encoder that gives no single score, or has learned nothing.
    """
    if not encoder.supervised or "classes" not in encoder.learned_ or len(encoder.get_feature_names_out()) != 1:
        return []
    documents = Documents.of(X)
    read = np.flatnonzero(documents.n_by_row > 0)
    order = read[np.argsort(np.asarray(encoder.transform(X))[read, 0], kind="stable")]
    newest = np.cumsum(documents.n_by_row) - 1  # a row's documents stand oldest first
    found: dict[str, Json] = {}
    for rows in (order[::-1], order):
        texts = dict.fromkeys(encoder.as_read(documents.texts[documents.text[newest[row]]]) for row in rows[: n * MOST_SHARED])
        for text in [text for text in texts if any(map(str.isalnum, text))][:n]:
            told = attribute_tokens(encoder, text)
            words: list[Json] = [[str(word), float(share)] for word, share in told.words().items()]
            found.setdefault(told.text, {"text": told.text, "score": told.score, "words": words})
    return list(found.values())


def _integrated(part: FrozenPart, learned: Arrays, ids: list[int], n_steps: int) -> tuple[npt.NDArray[np.float64], float, float]:
    """Return the shares of the tokens (n_tokens,), the score of the text and that of the padding."""
    import torch

    embed, score = _model(part, learned, len(ids))
    tokenizer = part.encoder.tokenizer
    special = set(tokenizer.all_special_ids)
    padding = [number if number in special else tokenizer.pad_token_id for number in ids]
    with torch.no_grad():
        text, base = embed(ids), embed(padding)  # (1, n_tokens, width)
        ends = [float(score(states)[0]) for states in (text, base)]
    total = torch.zeros_like(text)
    for weights in _steps(n_steps):
        states = (base + weights[:, None, None] * (text - base)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(states).sum(), states)
        total += gradient.sum(0, keepdim=True)
    shares = ((text - base) * total / n_steps).sum(-1)[0]
    return shares.double().numpy(), ends[0], ends[1]


def _steps(n_steps: int) -> Iterator[torch.Tensor]:
    """Yield the places on the way at which the gradient is taken, the middles of equal steps, a few at a time."""
    import torch

    yield from ((torch.arange(n_steps) + 0.5) / n_steps).split(BATCH)


def _model(
    part: FrozenPart, learned: Arrays, n_tokens: int
) -> tuple[Callable[[list[int]], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]:
    """Return how ids become embeddings (1, n_tokens, width), and how embeddings (n, n_tokens, width) become scores (n,)."""
    import torch

    encoder = part.encoder
    tuned = tuned_part(part, {name: learned[name] for name in HEAD}, weights=learned) if part.tuned else None
    model = encoder.model if tuned is None else tuned.model

    def embed(ids: list[int]) -> torch.Tensor:
        """Return what the first layer receives, (1, n_tokens, width)."""
        given = torch.tensor([ids])
        embedded: torch.Tensor = model.embeddings(input_ids=given) if encoder.layered else model.get_input_embeddings()(given)
        return embedded

    def score(states: torch.Tensor) -> torch.Tensor:
        """Return the score of each row of states, (n,)."""
        mask = torch.ones(len(states), n_tokens, dtype=torch.bool)
        below = encoder.layers[: len(encoder.layers) - part.n_top] if encoder.layered and part.whole is None else []
        for layer in below:
            states = layer(states, attention_penalty(mask))
        if tuned is not None:
            output = tuned.outputs(states, mask)
        else:
            hidden = states if encoder.layered else encoder.model(inputs_embeds=states, attention_mask=mask.long()).last_hidden_state
            output = pooled(hidden, mask) @ torch.from_numpy(learned["head.weight"]).T + torch.from_numpy(learned["head.bias"])
        return output[:, 0] if output.shape[1] == 1 else output[:, -1] - output[:, 0]

    return embed, score
