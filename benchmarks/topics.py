"""LDA topics: how many documents a second on one core, and whether topic 3 stays topic 3 from fold to fold.

Speed: from text to proportions (tokens, phrases, bags, E-step), and the E-step alone beside gensim's own. First asserts that a text
has the same proportions alone and in the batch, and that gensim, started at the same constant, finds them too.
Folds: rolling windows over the texts in their order of time; for neighbours, how many topics are most like the one of the same number
(best one-to-one assignment), their cosine by number, the cosine of the best assignment, and the likelihood of held-out words.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from timing import interleaved, table

from quantlab.data import read_dataset
from quantlab.repro import one_thread
from quantlab.synthetic import make_market
from quantlab.text.tokens import runs
from quantlab.text.topics.bags import Bags, Corpus, Counted, Counting, Floats, bags_of, counted
from quantlab.text.topics.fitting import fresh_topics
from quantlab.text.topics.inference import CHUNK, exp_expected_log, posterior, proportions
from quantlab.text.topics.quality import held_out_likelihood

COUNTING = Counting(phrases=True, size=5000, min_documents=5)
N_PASSES = 10


def texts_of(path: Path | None, n: int) -> list[str]:
    """Return the first `n` texts of a data set, or of an invented market, in their order of time."""
    dataset = read_dataset(path) if path else make_market(252 * 10, 40, seed=0).dataset
    return dataset.news.table["text"].tolist()[:n]


def inferred(texts: list[str], learned: Counted, topic_word: Floats) -> Floats:
    """Return the proportions of texts: all that `LdaTopics.transform` does for a text."""
    return proportions(bags_of(learned.read([runs(text) for text in texts]), learned.vocabulary), topic_word)


def gensim_model(learned: Counted, n_topics: int, seed: int, *, n_passes: int, topic_word: Floats | None = None) -> object:
    """Return gensim's LdaModel, fitted in its own way, or holding the given topics."""
    from gensim.models import LdaModel

    names = dict(enumerate(learned.vocabulary))
    corpus = as_corpus(learned.bags) if topic_word is None else None
    model = LdaModel(
        corpus, n_topics, names, passes=n_passes, chunksize=CHUNK, random_state=seed, eval_every=None, dtype=np.float64, iterations=100
    )  # fmt: skip
    if topic_word is not None:
        model.state.sstats = topic_word - model.eta
        model.sync_state()
    return model


def as_corpus(bags: Bags) -> list[list[tuple[int, float]]]:
    """Return bags as gensim reads them."""
    ends = np.cumsum(bags.length)
    entries = list(zip(bags.word.tolist(), bags.count.tolist(), strict=True))
    return [entries[end - n : end] for end, n in zip(ends.tolist(), bags.length.tolist(), strict=True)]


def speed(texts: list[str], n_topics: int, rounds: int) -> None:
    """Check that all ways agree, time them, print documents a second."""
    learned = counted(Corpus.of(texts), COUNTING)
    topic_word = fresh_topics(learned.bags, learned.vocabulary, n_topics, N_PASSES, 0)
    whole = inferred(texts, learned, topic_word)
    for place in range(0, len(texts), max(1, len(texts) // 50)):
        assert np.array_equal(inferred([texts[place]], learned, topic_word)[0], whole[place]), texts[place]
    bags, beta = bags_of(learned.read([runs(text) for text in texts]), learned.vocabulary), exp_expected_log(topic_word)
    corpus, model = as_corpus(bags), gensim_model(learned, n_topics, 0, n_passes=1, topic_word=topic_word)
    ways = {
        "from text to proportions": partial(inferred, texts, learned, topic_word),
        "E-step alone": partial(posterior, bags, beta, 1 / n_topics),
        "gensim's E-step": lambda: [model.inference(corpus[at : at + CHUNK]) for at in range(0, len(corpus), CHUNK)],
    }
    seconds = interleaved(ways, rounds=rounds)
    print(table(seconds, reference="E-step alone"))
    for name, own in seconds.items():
        rates = sorted(len(texts) / one for one in own)
        print(f"{name}: {rates[len(rates) // 2]:,.0f} documents/s (from {rates[0]:,.0f} to {rates[-1]:,.0f})")


def likeness(now: tuple[Counted, Floats], before: tuple[Counted, Floats]) -> tuple[float, float, int]:
    """Return the mean cosine of topics of the same number, that of the best assignment, and how many topics it leaves in place."""
    common = sorted(set(now[0].vocabulary) & set(before[0].vocabulary))
    matrices = []
    for learned, topic_word in (before, now):
        at = {word: place for place, word in enumerate(learned.vocabulary)}
        part = topic_word[:, [at[word] for word in common]]
        matrices.append(part / np.linalg.norm(part, axis=1, keepdims=True))
    cosine = matrices[0] @ matrices[1].T
    row, column = linear_sum_assignment(-cosine)
    return float(np.diag(cosine).mean()), float(cosine[row, column].mean()), int((row == column).sum())


def folds(texts: list[str], n_topics: int, n_folds: int) -> None:
    """Print how topics of neighbouring windows compare, with our start and with gensim's."""
    step = len(texts) // (n_folds + 5)
    for name in ("our start and order", "gensim's start, texts by alphabet"):
        found, likelihoods = [], []
        before = None
        for seed in range(2):
            for fold in range(n_folds):
                window, later = texts[fold * step : (fold + 5) * step], texts[(fold + 5) * step : (fold + 6) * step]
                corpus = Corpus.of(window)
                if name.startswith("gensim"):
                    order = np.argsort(np.array([" ".join(word for run in text for word in run) for text in corpus.texts]), kind="stable")
                    corpus = Corpus(*([part[at] for at in order] for part in (corpus.texts, corpus.raw)), corpus.fingerprint, corpus.place)
                learned = counted(corpus, COUNTING)
                if name.startswith("gensim"):
                    topic_word = gensim_model(learned, n_topics, seed, n_passes=N_PASSES).state.get_lambda()
                else:
                    topic_word = fresh_topics(learned.bags, learned.vocabulary, n_topics, N_PASSES, seed)
                new = sorted(set(later) - set(window))
                likelihoods.append(held_out_likelihood(learned.read([runs(text) for text in new]), learned.vocabulary, topic_word))
                if fold:
                    found.append(likeness((learned, topic_word), before))
                before = (learned, topic_word)
        same, best, kept = np.mean(found, axis=0)
        print(
            f"{name}: {kept:.1f} of {n_topics} topics keep their number, cosine {same:.2f} by number, {best:.2f} by the best assignment; "
            f"held-out likelihood {np.mean(likelihoods):.3f} nats a word ({len(found)} pairs of folds, 2 seeds)"
        )


def main() -> None:
    """Time inference on one thread, then compare neighbouring folds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path, help="folder of a data set; an invented market without it")
    parser.add_argument("--documents", type=int, default=20_000, help="for the timings")
    parser.add_argument("--window-documents", type=int, default=40_000, help="for the comparison of folds, in all")
    parser.add_argument("--topics", type=int, default=12)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()

    with one_thread():
        texts = texts_of(given.dataset, given.documents)
        print(f"{len(texts):,} documents ({len(set(texts)):,} distinct), {given.topics} topics, one thread")
        speed(texts, given.topics, given.rounds)
        folds(texts_of(given.dataset, given.window_documents), given.topics, given.folds)


if __name__ == "__main__":
    main()
