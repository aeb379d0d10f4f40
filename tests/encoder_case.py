"""What the tests of the encoder share: a checkpoint small enough to build on the spot, and headlines with a planted tone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import closes, flat_bars

from quantlab.news import News, known_news
from quantlab.text.encoder.checkpoint import find_checkpoint

GOOD = ("beats estimates", "raises guidance", "wins contract", "posts record profit", "surges on demand", "is upgraded")
BAD = ("misses estimates", "cuts guidance", "loses contract", "posts surprise loss", "slides on weak demand", "is downgraded")
FIRMS = ("Acme", "Globex", "Initech", "Hooli", "Vandelay", "Wonka", "Oscorp", "Tyrell", "Soylent", "Aperture")
TAILS = ("in early trading", "for the quarter", "analysts say", "on Monday", "after review", "in Europe", "sources report", "this week")


def tiny_checkpoint(folder: Path, kind: str = "bert", n_positions: int = 64) -> Path:
    """Write an encoder of two blocks and width 32 with seeded random weights, and the default's tokenizer; return its folder."""
    import torch
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

    torch.manual_seed(0)
    if kind == "bert":
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        model = BertModel(BertConfig(max_position_embeddings=n_positions, **sizes))
    else:
        model = DistilBertModel(DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=n_positions))
    for parameter in model.parameters():
        parameter.data.mul_(5.0)  # fresh weights are small: blocks of width 32 would pass their input through
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(find_checkpoint(None).folder / name, folder)
    return folder


def toned_headlines(n: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return n distinct headlines and the tone of each, +1 or -1."""
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {}
    while len(found) < n:
        tone = float(rng.choice([-1, 1]))
        phrase = rng.choice(GOOD if tone > 0 else BAD)
        found[f"{rng.choice(FIRMS)} {rng.integers(1, 500)} {phrase} {rng.choice(TAILS)}"] = tone
    return list(found), np.array(list(found.values()))


def one_a_row(texts: list[str], n_symbols: int = 2, lookback: int = 1) -> pd.Series:
    """Return a news column of len(texts) / n_symbols bars in which each row has one new document, in the order of the texts."""
    symbols = [f"S{number}" for number in range(n_symbols)]
    n_times = len(texts) // n_symbols
    stamps = closes(n_times) - pd.Timedelta(hours=1)
    table = pd.DataFrame({"available_at": stamps.repeat(n_symbols), "symbol": symbols * n_times, "text": texts[: n_times * n_symbols]})
    return known_news(News(table), flat_bars({symbol: [1.0] * n_times for symbol in symbols}), lookback=lookback)
