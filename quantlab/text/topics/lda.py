"""LdaTopics: the share of each topic in each row's news.

1. The distinct texts of the training rows become bags of words and phrases (a text and its retweet are one); phrases and
   vocabulary are theirs alone.
2. Topics are learned by online variational Bayes (Hoffman, Blei & Bach, 2010): gensim's `LdaModel` with our E-step.
3. Topic 3 stays topic 3 from fold to fold because every fold starts each word at the same weights and reads the texts that
   folds share in the same order. Folds stay independent, and may run at the same time. (Measured on 40,000 tweets in rolling
   windows that share four fifths: of 12 topics 11 to 12 are most like the one of the same number in the fold before, cosine 0.7;
   with gensim's start 1 to 2 are, cosine 0.2, and the best re-numbering reaches 0.4.) Where that is not enough, `align=True`
   re-numbers each fold's topics after those of the fold before, and `warm_start=True` goes on from them: then folds run in order.
   The option not taken is a reference learned on the earliest window: with rolling windows a later fold does not have it.
4. Each row gets the mean over its documents, a document of age `half_life_hours` counting half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from quantlab.cache import Arrays, Cache, strings, unpacked
from quantlab.errors import UsageError
from quantlab.news import Documents
from quantlab.result import Json
from quantlab.text import checks
from quantlab.text.base import Floats, Start, TextFeature
from quantlab.text.tokens import runs
from quantlab.text.topics.bags import JOINT, Corpus, Counted, Counting, bags_of, counted, joined
from quantlab.text.topics.choice import CHOICES, scores
from quantlab.text.topics.fitting import aligned, continued_topics, fresh_topics
from quantlab.text.topics.inference import proportions
from quantlab.text.topics.quality import coherence, top_words, typical

N_TOP, N_TYPICAL = 8, 3  # words and texts that describe a topic
MAX_SHOWN = 200  # characters of a text in the description


class LdaTopics(TextFeature):
    """One column per topic: the share of the row's news that is about it, in [0, 1].

    A row sums to 1, or is all 0 if no document of it has a word of the vocabulary: such documents say nothing and are
    left out. The vocabulary is the `vocabulary_size` most frequent words and phrases that occur in at least `min_documents`
    training texts and at most half of them. `phrases=False` counts single words only. `random_state` None means 0.

    n_topics="auto": the best of `candidates`, chosen inside the fold by the likelihood of the texts that are new in the last
    fifth of the training window (choose_by="likelihood"), or by the mean NPMI of the topics' words (choose_by="coherence").
    align=True: numbered after the topics of the fold before. warm_start=True: the topics of the fold before, brought up to date
    by the texts that are new since; the vocabulary is that of the window now, a new word starts with no weight in any topic.

    Training rows without usable words give no topics: all features are 0 and `describe_learned()` says so.
    Raises UsageError for parameters out of range.
    """

    libraries: ClassVar[tuple[str, ...]] = ("gensim", "scipy")
    cacheable: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (
        "text/tokens.py", *(f"text/topics/{name}.py" for name in ("bags", "choice", "fitting", "inference", "quality"))
    )  # fmt: skip

    def __init__(
        self,
        n_topics: int | Literal["auto"] = 10,
        *,
        n_passes: int = 10,
        vocabulary_size: int = 5000,
        min_documents: int = 5,
        phrases: bool = True,
        candidates: Sequence[int] = (5, 10, 20, 40),
        choose_by: str = "likelihood",
        half_life_hours: float = 24.0,
        align: bool = False,
        warm_start: bool = False,
        start: Start | None = None,
        random_state: int | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Keep the parameters."""
        self.n_topics = n_topics
        self.n_passes = n_passes
        self.vocabulary_size = vocabulary_size
        self.min_documents = min_documents
        self.phrases = phrases
        self.candidates = candidates
        self.choose_by = choose_by
        self.half_life_hours = half_life_hours
        self.align = align
        self.warm_start = warm_start
        self.start = start
        self.random_state = random_state
        self.cache = cache

    @property
    def continues(self) -> bool:
        """Whether it needs the topics of the fold before: to be numbered after them, or to go on from them."""
        return bool(self.align or self.warm_start)

    def top_words(self, n: int = N_TOP) -> list[list[str]]:
        """Return the `n` words that tell each topic best, (n_topics, n); empty lists if nothing was learned."""
        vocabulary = unpacked(self.learned_["vocabulary"])
        best = top_words(np.asarray(self.learned_["topic_word"], float), n)
        return [[vocabulary[word].replace(JOINT, " ") for word in row] for row in best]

    def describe_learned(self) -> dict[str, Json]:
        """Return top words, coherence and typical texts of each topic, what they were learned from, and how many topics were tried."""
        learned = self.learned_
        n_texts, n_words = int(learned["n_texts"][0]), int(learned["topic_word"].shape[1])
        if n_words == 0:
            note = f"no topics: {n_texts} training texts, and no word occurs in {self.min_documents} of them"
            return {"topics": [], "n_texts": n_texts, "n_words": 0, "note": note}
        topics: list[Json] = [list[Json](row) for row in self.top_words()]
        shown = unpacked(learned["typical"])
        texts: list[Json] = [[text for text in shown[at : at + N_TYPICAL] if text] for at in range(0, len(shown), N_TYPICAL)]
        tried: list[Json] = [{"n_topics": int(n), self.choose_by: _number(score)} for n, score in learned["tried"]]
        return {
            "topics": topics,
            "typical_texts": texts,
            "coherence_npmi": [_number(value) for value in learned["npmi"]],
            "coherence_umass": [_number(value) for value in learned["umass"]],
            "n_texts": n_texts,
            "n_new_texts": int(learned["n_new"][0]),
            "n_words": n_words,
            "n_phrases": len(unpacked(learned["phrases"])),
            "tried": tried,
            "note": None,
        }

    def _identity(self) -> str:
        self._check()
        return super()._identity()

    def _learn(self, documents: Documents, y: Floats | None) -> Arrays:
        corpus = Corpus.of(documents.texts)
        words = counted(corpus, self._counting())
        before = self.start.learned if self.start is not None and self.start.learned["topic_word"].shape[1] else None
        tried, n_topics = self._chosen(corpus, before)
        n_new = len(corpus.texts)
        if not words.vocabulary:
            topic_word = np.zeros((n_topics, 0))
        elif before is not None and self.warm_start:
            new = ~np.isin(corpus.fingerprint, before["seen"])
            n_new = int(new.sum())
            topic_word = self._continued(words, new, before)
        else:
            topic_word = fresh_topics(words.bags, words.vocabulary, n_topics, self.n_passes, self.random_state or 0)
            if before is not None:
                topic_word = topic_word[aligned(topic_word, _columns(before, words.vocabulary))]
        return {
            "topic_word": topic_word,
            "vocabulary": strings(words.vocabulary),
            "phrases": strings(words.phrases),
            "seen": np.sort(corpus.fingerprint),
            "n_texts": np.array([len(corpus.texts)]),
            "n_new": np.array([n_new]),
            "tried": tried,
            **_described(corpus, words, topic_word),
        }

    def _apply(self, learned: Arrays, documents: Documents) -> Floats:
        phrases = frozenset(unpacked(learned["phrases"]))
        texts = [joined(runs(text), phrases) for text in documents.texts]
        bags = bags_of(texts, unpacked(learned["vocabulary"]))
        weights = documents.decay(self.half_life_hours) * (bags.length > 0)[documents.text]
        return documents.mean_by_row(proportions(bags, np.asarray(learned["topic_word"], dtype=float)), weights)

    def _names(self, learned: Arrays) -> list[str]:
        return [f"topic_{topic}" for topic in range(len(learned["topic_word"]))]

    def _chosen(self, corpus: Corpus, before: Arrays | None) -> tuple[Floats, int]:
        """Return (candidate, score) of all that were tried, and the number of topics to learn."""
        untried = np.zeros((0, 2))
        if before is not None and self.warm_start:
            return untried, len(before["topic_word"])
        if self.n_topics != "auto":
            return untried, self.n_topics
        candidates, seed = sorted(set(self.candidates)), self.random_state or 0
        tried = scores(corpus, candidates, self._counting(), by=self.choose_by, n_passes=self.n_passes, seed=seed)
        return tried, int(tried[np.argmax(np.nan_to_num(tried[:, 1], nan=-np.inf)), 0])

    def _continued(self, words: Counted, new: np.ndarray, before: Arrays) -> Floats:
        """Bring the topics of the fold before up to date with the new texts."""
        n_before, n_now = int(before["n_texts"][0]), len(new)
        bags = bags_of([text for text, is_new in zip(words.texts, new, strict=True) if is_new], words.vocabulary)
        kept = _columns(before, words.vocabulary)
        return continued_topics(kept, bags, share_new=new.sum() / n_now, growth=n_now / n_before, n_passes=self.n_passes)

    def _counting(self) -> Counting:
        return Counting(self.phrases, self.vocabulary_size, self.min_documents)

    def _check(self) -> None:
        for name in ("n_passes", "vocabulary_size", "min_documents", *(["n_topics"] if self.n_topics != "auto" else [])):
            checks.whole(self, name, 1, also='"auto"' if name == "n_topics" else "")
        if self.n_topics != "auto" and self.n_topics > self.vocabulary_size:
            raise UsageError(f"LdaTopics: n_topics={self.n_topics} is more than the {self.vocabulary_size} words of vocabulary_size")
        for name in ("phrases", "align", "warm_start"):
            checks.switch(self, name)
        checks.whole_numbers(self, "candidates", 1)
        checks.choice(self, "choose_by", CHOICES)
        checks.half_life(self)
        checks.seed(self)
        checks.optional(self, "start", Start)
        checks.optional(self, "cache", Cache)


def _columns(before: Arrays, vocabulary: Sequence[str]) -> Floats:
    """Return lambda of the fold before, its words in the order of `vocabulary`, 0 for words it did not have."""
    topic_word = np.asarray(before["topic_word"], dtype=float)
    position = {word: place for place, word in enumerate(unpacked(before["vocabulary"]))}
    shared = [(now, position[word]) for now, word in enumerate(vocabulary) if word in position]
    found = np.zeros((len(topic_word), len(vocabulary)))
    if shared:
        now, then = np.array(shared).T
        found[:, now] = topic_word[:, then]
    return found


def _described(corpus: Corpus, words: Counted, topic_word: Floats) -> Arrays:
    """Return coherence and typical texts of each topic, for the report."""
    if not words.vocabulary:
        nothing = np.zeros(0)
        return {"npmi": nothing, "umass": nothing, "typical": strings([])}
    npmi, umass = coherence(words.bags, top_words(topic_word, N_TOP), len(words.vocabulary))
    n_words = np.array([len(set(text)) for text in words.texts])
    chosen = [[corpus.raw[text][:MAX_SHOWN] for text in texts] for texts in typical(words.bags, n_words, topic_word, N_TYPICAL)]
    return {"npmi": npmi, "umass": umass, "typical": strings([text for row in chosen for text in (*row, *[""] * (N_TYPICAL - len(row)))])}


def _number(value: object) -> float | None:
    """Return a number as JSON has it: None for NaN."""
    number = float(value)  # type: ignore[arg-type]  # a numpy scalar
    return None if np.isnan(number) else number
