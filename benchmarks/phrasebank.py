"""Sentiment on the Financial PhraseBank (Malo et al. 2014): fine-tuned, word list, zero-shot and few-shot, on the same splits.

Sentences that stand twice are removed first, the first of them stays; then 80% to learn from and 20% to test on, stratified, by five
seeds. Each seed draws another split, another order of training and other examples for few-shot. The settings of the training and the
descriptions for zero-shot were chosen within the training part of one split, before any of these was scored.
The corpus is not part of the project (CC BY-NC-SA 3.0): give the path of a CSV with the columns sentence, label and agree_all.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from quantlab.cache import Cache
from quantlab.finetune import Columns, Examples, Settings, Split, finetune_file, for_labels, read_examples, scores, split
from quantlab.repro import random_generator
from quantlab.text.sentiment.lexicon import score
from quantlab.text.sentiment.zero_shot import SENTIMENT, ZeroShot

COLUMNS = Columns(text="sentence", labels=("label",))
PER_CLASS = (8, 32)  # few-shot examples
NEUTRAL = 0.05  # tones up to this are neutral: the convention of VADER
LICENCE = "CC BY-NC-SA 3.0 (Malo et al. 2014): research only"
FIGURES = ("accuracy", "macro_f1", "mcc")


def sentences(path: Path, folder: Path) -> dict[str, Path]:
    """Write all sentences, and those of full agreement, without those that stand twice; return the two files."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    once = table[~table["sentence"].duplicated()]
    print(f"{len(table)} sentences, {len(table) - len(once)} of them twice")
    sets = {"all": once, "full agreement": once[once["agree_all"] == "True"]}
    files = {name: folder / f"{name.replace(' ', '_')}.csv" for name in sets}
    for name, rows in sets.items():
        rows[["sentence", "label"]].to_csv(files[name], index=False)
    return files


def one_hot(chosen: np.ndarray, n: int) -> np.ndarray:
    """Return a 1 at the chosen class of each row."""
    return np.eye(n)[chosen]


def by_lexicon(texts: list[str], labels: tuple[str, ...]) -> np.ndarray:
    """Return the class of each text by the sign of its tone."""
    tone = score(texts)[:, 0]
    names = np.select([tone > NEUTRAL, tone < -NEUTRAL], ["positive", "negative"], "neutral")
    return one_hot(np.array([labels.index(name) for name in names]), len(labels))


def few(examples: Examples, parts: Split, n: int, seed: int) -> tuple[tuple[str, str], ...]:
    """Return n examples of each class, drawn from the training part."""
    rng = random_generator(seed, f"phrasebank: {n} examples")
    label = examples.target.argmax(axis=1)
    rows = [rng.choice(parts.train[label[parts.train] == number], n, replace=False) for number in range(len(examples.labels))]
    return tuple((examples.texts[row], examples.labels[label[row]]) for row in np.concatenate(rows))


def untrained(examples: Examples, parts: Split, seed: int, cache: Cache) -> dict[str, dict[str, object]]:
    """Return the scores of all that is not fine-tuned."""
    texts = [examples.texts[row] for row in parts.test]
    target, labels = examples.target[parts.test], examples.labels
    ways = {"word list": by_lexicon(texts, labels), "zero-shot": ZeroShot(SENTIMENT).predict(texts, cache)}
    for n in PER_CLASS:
        drawn = few(examples, parts, n, seed)
        ways[f"few-shot, {n} a class"] = ZeroShot({}, examples=drawn).predict(texts, cache)
        ways[f"few-shot, {n} a class, with descriptions"] = ZeroShot(SENTIMENT, examples=drawn).predict(texts, cache)
    always = one_hot(np.full(len(texts), examples.target[parts.train].sum(axis=0).argmax()), len(labels))
    return {name: scores("classes", labels, target, predicted) for name, predicted in {"most frequent class": always, **ways}.items()}


def fine_tuned(file: Path, folder: Path, settings: Settings) -> dict[str, object]:
    """Return the scores that the card of a fine-tuned model gives."""
    start = time.perf_counter()
    card = finetune_file(file, folder, settings)
    return dict(card["metrics"]) | {"seconds": time.perf_counter() - start}


def table(results: list[dict[str, object]]) -> str:
    """Return a table per set: mean and standard deviation over the seeds of each figure."""
    frame = pd.DataFrame(results)
    lines = []
    for name, own in frame.groupby("set", sort=False):
        n_seeds = own["seed"].nunique()
        lines += [f"\n{name} ({n_seeds} seeds)\n", "| | accuracy | macro-F1 | MCC |", "|---|---|---|---|"]
        for way, rows in own.groupby("way", sort=False):
            cells = [f"{rows[figure].mean():.3f} ± {rows[figure].std(ddof=1):.3f}" for figure in FIGURES]
            lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Score every way on every split, and print the tables; what stands in --results already is not done again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phrasebank", type=Path, metavar="CSV")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the training: epochs=3")
    parser.add_argument("--results", type=Path, help="JSON Lines file to add to, and to go on from")
    parser.add_argument("--without-training", action="store_true", help="leave fine-tuning out: it takes hours on a slow machine")
    given = parser.parse_args()
    training = for_labels().set_params(**{change.split("=")[0]: json.loads(change.split("=")[1]) for change in given.set})
    kept = given.results.read_text(encoding="utf-8").splitlines() if given.results and given.results.exists() else []
    results = [json.loads(line) for line in kept]
    with TemporaryDirectory(prefix="quantlab-") as name:
        folder = Path(name)
        files = sentences(given.phrasebank, folder)
        for seed in range(given.seeds):
            for which, file in files.items():
                examples = read_examples(file, COLUMNS)
                parts = split(examples, test_share=0.2, horizon=pd.Timedelta(0), seed=seed)
                done = {row["way"] for row in results if (row["set"], row["seed"]) == (which, seed)}
                found = untrained(examples, parts, seed, Cache(folder / "cache"))
                if not given.without_training and "fine-tuned" not in done:
                    settings = Settings(columns=COLUMNS, training=training, licence=LICENCE, seed=seed)
                    found["fine-tuned"] = fine_tuned(file, folder / f"{file.stem}-{seed}", settings)
                fresh = [{"set": which, "seed": seed, "way": way, **figures} for way, figures in found.items() if way not in done]
                results += fresh
                if given.results:
                    with given.results.open("a", encoding="utf-8") as log:
                        log.writelines(json.dumps(row) + "\n" for row in fresh)
                for row in fresh:
                    print(
                        f"{which}, seed {seed}, {row['way']}: " + ", ".join(f"{figure} {row[figure]:.4f}" for figure in FIGURES), flush=True
                    )
    print(table(results))


if __name__ == "__main__":
    main()
