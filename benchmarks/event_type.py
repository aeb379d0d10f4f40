"""A second task for the same command: what kind of event a headline is about, on wordings that training has not seen.

Headlines of invented companies, nine kinds of events and chatter, over two hundred days. A third of the phrases of each kind come up in
the last fifth of the days only, which are the test: it asks what was understood of a kind, not which phrases were remembered.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from quantlab.finetune import Columns, Settings, finetune_file, for_labels, read_examples, scores, split
from quantlab.repro import random_generator
from quantlab.synthetic import wording
from quantlab.text.sentiment.zero_shot import ZeroShot

KINDS = {
    "analysts": [phrase.text for phrase in wording.ANALYSTS],
    "earnings": [phrase.text for phrase in wording.EARNINGS],
    "guidance": [phrase.text for phrase in wording.GUIDANCE],
    "lawsuits": [phrase.text for phrase in wording.LAWSUITS],
    "management": [phrase.text for phrase in wording.MANAGEMENT],
    "mergers": [phrase.text for phrase in wording.MERGERS],
    "money": [phrase.text for phrase in wording.MONEY],
    "none": list(wording.CHATTER),
    "products": [phrase.text for phrase in wording.PRODUCTS],
    "trade": [phrase.text for phrase in wording.TRADE],
}
DESCRIPTIONS = {
    "analysts": "an analyst changes a rating or a price target",
    "earnings": "quarterly results, revenue and profit",
    "guidance": "the company's outlook and guidance",
    "lawsuits": "a lawsuit, a probe or a fine",
    "management": "an executive resigns or is appointed",
    "mergers": "an acquisition, a merger or a bid",
    "money": "debt, dividends, buybacks and new shares",
    "none": "a small matter of no importance to investors",
    "products": "a product, an approval, a contract or a recall",
    "trade": "tariffs, exports, orders and costs",
}
LATE = 1 / 3  # share of the phrases that come up in the test alone
DAYS, PER_DAY, TEST = 200, 8, 0.2


def headlines(seed: int) -> pd.DataFrame:
    """Return the headlines with their kind and day."""
    rng = random_generator(seed, "event types")
    names = np.concatenate([wording.names_of(company) for company in wording.companies(48)])
    tails = wording.tails()
    rows = []
    pools = {kind: rng.permutation(phrases).tolist() for kind, phrases in KINDS.items()}
    for day in pd.date_range("2024-01-01", periods=DAYS, freq="D"):
        late = day.day_of_year > DAYS * (1 - TEST)
        for kind in rng.choice(list(KINDS), PER_DAY):
            n_late = max(1, round(len(pools[kind]) * LATE))
            pool = pools[kind][:n_late] if late else pools[kind][n_late:]
            text = f"{rng.choice(names)} {rng.choice(pool)}{rng.choice(tails[day.month - 1])}"
            rows.append({"published_at": f"{day:%Y-%m-%d}T12:00:00Z", "text": text, "event": kind})
    return pd.DataFrame(rows)


def main() -> None:
    """Print accuracy, macro-F1 and MCC of the fine-tuned model, of words counted, and of descriptions alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the training: epochs=3")
    given = parser.parse_args()
    training = for_labels().set_params(**{change.split("=")[0]: json.loads(change.split("=")[1]) for change in given.set})
    columns = Columns(labels=("event",), time="published_at")
    found = []
    for seed in range(given.seeds):
        with TemporaryDirectory(prefix="quantlab-") as name:
            file = Path(name) / "events.csv"
            headlines(seed).to_csv(file, index=False)
            examples = read_examples(file, columns)
            parts = split(examples, test_share=TEST, horizon=pd.Timedelta(0), seed=seed)
            learn, test = ([examples.texts[row] for row in rows] for rows in (parts.train, parts.test))
            told = examples.target.argmax(axis=1)
            counted = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000)).fit(
                learn, told[parts.train]
            )
            ways = {
                "words counted, logistic": np.eye(len(examples.labels))[counted.predict(test)],
                "descriptions alone": ZeroShot(DESCRIPTIONS).predict(test),
            }
            metrics = {way: scores("classes", examples.labels, examples.target[parts.test], value) for way, value in ways.items()}
            card = finetune_file(file, Path(name) / "model", Settings(columns=columns, training=training, seed=seed))
            metrics["fine-tuned"] = card["metrics"]
            found += [{"way": way, **figures} for way, figures in metrics.items()]
            print(f"seed {seed}: " + ", ".join(f"{way} {figures['accuracy']:.3f}" for way, figures in metrics.items()), flush=True)
    frame = pd.DataFrame(found)
    print("\n| | accuracy | macro-F1 | MCC |\n|---|---|---|---|")
    for way, rows in frame.groupby("way", sort=False):
        cells = [f"{rows[name].mean():.3f} ± {rows[name].std(ddof=1):.3f}" for name in ("accuracy", "macro_f1", "mcc")]
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
