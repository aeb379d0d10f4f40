"""Sentiment from other sources: a list of the user's own, a fine-tuned model, descriptions, a few examples."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flat_bars, news_of
from encoder_case import tiny_checkpoint, toned_headlines
from finetune_case import quick, toned_file, write
from sklearn.base import clone

from quantlab.cache import Cache
from quantlab.errors import DataError, StorageError, UsageError
from quantlab.finetune import Columns, finetune_file
from quantlab.news import known_news
from quantlab.text import Sentiment
from quantlab.text.sentiment import tones as tones_home
from quantlab.text.sentiment import zero_shot
from quantlab.text.sentiment.lexicon import read_words, score
from quantlab.text.sentiment.tones import Labels, tones_of
from quantlab.text.sentiment.zero_shot import SENTIMENT, ZeroShot

BARS = flat_bars({"A": [1, 1, 1], "B": [2, 2, 2]})  # closes at 21:00 on 1, 2 and 3 January 2024
GOOD, BAD, DULL = "Sales and profit rose sharply", "The company's profit fell and it cut its sales forecast", "The company is based in Oslo"
MASTER = (  # as Loughran and McDonald lay it out: the year a word was listed in, negative once it was removed, 0 never
    "Word,Seq_num,Word Count,Negative,Positive,Uncertainty,Syllables\n"
    "ABANDON,1,10,2009,0,0,3\nACHIEVE,2,10,0,2009,0,2\nACT,3,10,0,0,2009,1\nADMIT,4,10,-2020,0,0,2\n"
)


def column(*rows: tuple[str, str, str]) -> pd.Series:
    """Return the news column of the three bars."""
    return known_news(news_of(*rows), BARS)


def tones(learner: Sentiment, *texts: str) -> np.ndarray:
    """Return tone and confidence of each text, each in a row of its own."""
    bars = flat_bars({f"S{number:02d}": [1] for number in range(len(texts))})
    rows = [("2024-01-01T20:00Z", f"S{number:02d}", text) for number, text in enumerate(texts)]
    return learner.fit_transform(known_news(news_of(*rows), bars))[:, :2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that tells bad from good headlines."""
    folder = tmp_path_factory.mktemp("model")
    settings = quick(tiny_checkpoint(folder / "tiny"), training={"epochs": 5})
    finetune_file(toned_file(folder / "x.csv", 160), folder / "model", settings)
    return folder / "model"


def test_loughran_and_mcdonalds_own_file(tmp_path: Path) -> None:
    """Listed words count 2 and -2, words of other lists and removed ones nothing; our list is not used beside it."""
    path = tmp_path / "master.csv"
    path.write_text(MASTER)
    assert read_words(path) == {"abandon": -2, "achieve": 2, "act": 0, "admit": 0}
    found = tones(Sentiment(lexicon=path), "They achieve it", "They abandon it", "They did not achieve it", "They admit it", "A great win")
    assert found[0, 0] > 0 > found[1, 0] == -found[0, 0]
    assert found[2, 0] < 0
    assert (found[3:] == 0).all()


def test_a_list_of_words_and_scores(tmp_path: Path) -> None:
    """Phrases count as a whole; the content tells two lists of one name apart."""
    path = tmp_path / "words.csv"
    path.write_text("Word,Score\nsoars,3\nshort interest,-1\ninterest,2\n")
    found = tones(Sentiment(lexicon=str(path)), "It soars", "Short interest", "Interest", "Apple beats")
    assert (np.sign(found[:, 0]) == [1, -1, 1, 0]).all()
    cache = Cache(tmp_path / "cache")
    assert tones(Sentiment(lexicon=path, cache=cache), "It soars")[0, 0] > 0
    path.write_text("word,score\nsoars,-3\n")
    assert tones(Sentiment(lexicon=path, cache=cache), "It soars")[0, 0] < 0
    assert score(["It soars"], {"soars": 0.0, "it": 0.0}).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("word,scores\nup,1\n", r"line 1: no word list.*did you mean 'scores'"),
        ("up,1\n", "no word list"),
        ("word,score\nup,1\ndown,bad\n", r"line 3: the score of 'down'.*\(value 'bad'\)"),
        ("word,score\nup,9\n", r"line 2: the score of 'up' is no number from -4 to 4"),
        ("word,score\nup,1\nUp,2\n", r"line 3: 'up' stands twice"),
        ("word,score\n,1\n", r"line 2: the word is empty"),
        ("word,score\nup,0\n", "no word of it is good or bad"),
        ("", "no word list"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    """File, line and fix."""
    path = tmp_path / "words.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=f"(?s){said}"):
        Sentiment(lexicon=path).fit(column())
    with pytest.raises(UsageError, match="cannot be read"):
        Sentiment(lexicon=tmp_path / "none.csv").fit(column())


def test_a_fine_tuned_model_tells_the_tone(model: Path) -> None:
    """Good headlines that it has not seen are good; tone and confidence are within their bounds; its dates are told."""
    texts, tone = toned_headlines(40, seed=7)
    learner = Sentiment(model=model)
    found = tones(learner, *texts)
    assert found[tone > 0, 0].mean() > 0.2 > -0.2 > found[tone < 0, 0].mean()
    assert (np.abs(found[:, 0]) <= 1).all()
    assert ((found[:, 1] >= 0) & (found[:, 1] <= 1)).all()
    learned = learner.describe_learned()
    assert (learned["source"], learned["fit_end"], learned["tones"]) == ("model", None, {"bad": -1.0, "good": 1.0})


def test_a_damaged_model_is_refused(model: Path, tmp_path: Path) -> None:
    """Its hashes are checked before it is used."""
    copy = Path(shutil.copytree(model, tmp_path / "copy"))
    with (copy / "head.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(StorageError, match=r"head\.safetensors"):
        Sentiment(model=copy).fit(column())
    with pytest.raises(UsageError, match="holds no fine-tuned model"):
        Sentiment(model=tmp_path).fit(column())


def test_a_model_of_numbers_and_one_of_flags(tmp_path: Path) -> None:
    """A number over the largest learned from is a tone; any number of labels at once is none."""
    base = tiny_checkpoint(tmp_path / "tiny")
    texts, tone = toned_headlines(100)
    numbers = write(tmp_path / "n.csv", ("text", "label"), [(text, value * 5 + 0.25) for text, value in zip(texts, tone, strict=True)])
    finetune_file(numbers, tmp_path / "numbers", quick(base))
    found = tones(Sentiment(model=tmp_path / "numbers"), *texts[:40])
    assert found[tone[:40] > 0, 0].mean() > found[tone[:40] < 0, 0].mean() + 0.2
    assert (np.abs(found[:, 0]) == found[:, 1]).all()
    flags = write(tmp_path / "f.csv", ("text", "a", "b"), [(text, int(value > 0), int(value < 0)) for text, value in
                                                         zip(texts, tone, strict=True)])  # fmt: skip
    finetune_file(flags, tmp_path / "flags", quick(base, columns=Columns(labels=("a", "b")), training={"epochs": 1}))
    with pytest.raises(UsageError, match="no tone"):
        Sentiment(model=tmp_path / "flags").fit(column())


def test_descriptions_tell_the_tone_without_training() -> None:
    """The default ones, our own, and in a template; the encoder's knowledge is told."""
    found = tones(Sentiment(zero_shot=True), GOOD, DULL, BAD)
    assert found[0, 0] > 0.3 > found[1, 0] > -0.3 > found[2, 0]
    own = {"bullish": "prices go up", "bearish": "prices go down"}
    found = tones(Sentiment(zero_shot=own, template="This is about {}."), "Oil prices climb", "Oil prices slide")
    assert found[0, 0] > found[1, 0]
    assert Sentiment(zero_shot=True).describe_learned()["knowledge_cutoff"] == "2021-12-31"


def test_another_device_is_another_source(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits of a GPU are not a processor's: what one computed must not be read from the cache as the other's."""
    learners = [Sentiment(zero_shot=True), Sentiment(model=model)]
    for place in (zero_shot, tones_home):
        monkeypatch.setattr(place, "resolved_dtype", lambda dtype, device: "bfloat16")
    on = []
    for device in ("cpu", "cuda"):
        for place in (zero_shot, tones_home):
            monkeypatch.setattr(place, "resolved_device", lambda _, device=device: device)
        on.append([learner._identity() for learner in learners])
    assert all(one != other for one, other in zip(*on, strict=True))


def test_a_few_examples_tell_the_tone() -> None:
    """Alone, and on top of descriptions, which they bend their way."""
    examples = [(GOOD, "positive"), (BAD, "negative"), ("Earnings climbed", "positive"), ("Earnings dropped", "negative")]
    found = tones(Sentiment(examples=examples), "Operating profit rose from last year", "Operating profit fell from last year")
    assert found[0, 0] > found[1, 0]
    few = ZeroShot({}, examples=(*examples, (DULL, "positive"), ("It is based in Turku", "positive")))
    shares = few.predict([text for text, _ in few.examples]).mean(axis=0)
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3], atol=0.02)  # a regression's residuals have no mean
    odd = [
        ("The company is based in Oslo", "positive"),
        ("The company is based in Turku", "positive"),
        (BAD, "negative"),
        (GOOD, "neutral"),
    ]
    plain, bent = (tones(Sentiment(zero_shot=True, examples=given), "The company is based in Espoo")[0, 0] for given in (None, odd))
    assert bent > plain + 0.2
    assert Sentiment(examples=examples).describe_learned()["n_examples"] == 4


def test_scores_are_the_same_bits_alone_in_a_batch_and_in_another_order(model: Path, tmp_path: Path) -> None:
    """For every source, with and without a cache."""
    texts, _ = toned_headlines(30, seed=3)
    words = tmp_path / "words.csv"
    words.write_text("word,score\nprofit,2\nloss,-2\n")
    examples = [(GOOD, "good"), (BAD, "bad"), ("Earnings climbed", "good")]
    for number, source in enumerate(({"lexicon": words}, {"model": model}, {"zero_shot": True}, {"examples": examples})):
        whole = tones(Sentiment(**source), *texts)
        assert (tones(Sentiment(**source), *texts[::-1])[::-1] == whole).all()
        assert (tones(Sentiment(**source), texts[4])[0] == whole[4]).all()
        cache = Cache(tmp_path / f"cache{number}")
        assert (tones(Sentiment(**source, cache=cache), *texts[:7]) == whole[:7]).all()
        assert (tones(Sentiment(**source, cache=cache), *texts[5:]) == whole[5:]).all()


def test_a_text_of_which_nothing_is_left_has_no_tone(model: Path) -> None:
    """Links and handles alone: an encoder would make something of nothing."""
    for source in ({"model": model}, {"zero_shot": True}):
        assert (tones(Sentiment(**source), "https://t.co/x @you $AAPL") == 0).all()


def test_disagreement_and_decay_are_those_of_the_word_list(model: Path) -> None:
    """An older document counts less; two of one mind do not disagree."""
    texts, tone = toned_headlines(40, seed=7)
    good, bad = texts[int(np.argmax(tone))], texts[int(np.argmin(tone))]
    news = column(("2024-01-01T20:00Z", "A", good), ("2024-01-01T20:00Z", "B", good), ("2024-01-01T20:01Z", "B", bad))
    found = Sentiment(model=model).fit_transform(news)
    assert found[0, 2] == 0 < found[1, 2]
    assert (found[2:] == 0).all()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"lexicon": "x.csv", "zero_shot": True}, "lexicon and zero_shot are given"),
        ({"model": "x", "examples": [("a", "good")]}, "model and examples are given"),
        ({"template": "About {}."}, "template= is for"),
        ({"tones": {"good": 1.0}}, "tones= is for labels"),
        ({"zero_shot": True, "template": "about"}, "must hold {} once"),
        ({"zero_shot": True, "template": "{} {x}"}, "must hold {} once"),
        ({"zero_shot": True, "template": 5}, "template=5"),
        ({"zero_shot": "yes"}, "zero_shot='yes' must be a Mapping or a bool, or None"),
        ({"zero_shot": {"good": 1, "bad": "down"}}, "must give each label a description"),
        ({"examples": ["abc"]}, r"examples=\['abc'\] must be pairs"),
        ({"examples": ["ab"]}, r"examples=\['ab'\] must be pairs"),
        ({"examples": 5}, "examples=5 must be pairs"),
        ({"zero_shot": True, "tones": {"good": "x"}}, "tones has 'good': 'x'"),
        ({"tones": 5}, "tones=5 must be a Mapping, or None"),
        ({"lexicon": 5}, "lexicon=5 must be a str or a Path, or None"),
        ({"cache": "a/folder"}, "cache='a/folder' must be a Cache, or None"),
        ({"half_life_hours": "abc"}, "half_life_hours='abc' must be a number > 0"),
        ({"zero_shot": {"good": "up"}}, "two labels are needed"),
        ({"zero_shot": {"merger": "a merger", "debt": "a new loan"}}, r"what tone is debt, merger\? Say so"),
        ({"zero_shot": {"0": "down", "1": "up"}}, r"what tone is 0, 1\?"),
        ({"zero_shot": True, "tones": {"positiv": 1.0}}, "did you mean 'positive'"),
        ({"zero_shot": True, "tones": {"positive": 2.0, "neutral": 0.0, "negative": -1.0}}, r"within \[-1, 1\]"),
        ({"zero_shot": True, "examples": [("a", "positve")]}, "did you mean 'positive'"),
        ({"examples": [("a", "good"), ("a ", "bad")]}, "both 'good' and 'bad'"),
        ({"examples": []}, "two labels are needed"),
    ],
)
def test_what_cannot_be_a_source_is_refused(source: dict, said: str) -> None:
    """One source at a time, labels whose tone is known, near misses named."""
    with pytest.raises(UsageError, match=said):
        Sentiment(**source).fit(column())


def test_the_tone_of_labels_is_their_mean_and_confidence_one_less_the_entropy() -> None:
    """Hand-worked: .5, .25, .25 is 1.5 bits of log2(3)."""
    labels = Labels(tones_of(("bad", "good", "neutral"), None), lambda texts, cache: np.array([[0.5, 0.25, 0.25], [0, 1, 0]]), {})
    found = labels.score(["a", "b"], None)
    np.testing.assert_allclose(found, [[-0.25, 1 - 1.5 / np.log2(3)], [1, 1]], rtol=1e-6)
    assert tones_of(("-1", "0", "1"), None) == {"-1": -1.0, "0": 0.0, "1": 1.0}
    assert tones_of(("up", "Down"), {"up": 0.5, "Down": -1.0}) == {"up": 0.5, "Down": -1.0}


def test_zero_shot_tells_any_labels() -> None:
    """Not only sentiment: what a headline is about."""
    events = ZeroShot({"merger": "a company buys another", "rate": "the central bank sets interest rates"}, "{}")
    found = events.predict(["Acme to acquire Globex for $2 billion", "Fed leaves rates unchanged"])
    assert events.labels == ("merger", "rate")
    assert found.argmax(axis=1).tolist() == [0, 1]
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_every_source_can_be_cloned_and_named(model: Path) -> None:
    """Clones keep the parameters; the default descriptions cover the labels."""
    for source in ({"model": model}, {"zero_shot": dict(SENTIMENT)}, {"examples": [(GOOD, "good"), (BAD, "bad")]}):
        learner = clone(Sentiment(**source))
        assert {name: value for name, value in learner.get_params().items() if name in source} == source
        assert len(learner.fit(column()).get_feature_names_out()) == 3


@pytest.mark.slow
def test_another_process_finds_the_scores_and_needs_no_torch(model: Path, tmp_path: Path) -> None:
    """The same bits as here; with every score in the cache, neither torch nor transformers is imported."""
    own = {"model": str(model)}
    expected = tones(Sentiment(**own, cache=Cache(tmp_path)), GOOD, BAD)
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import flat_bars, news_of
from quantlab.cache import Cache
from quantlab.news import known_news
from quantlab.text import Sentiment
stamp = "2024-01-01T20:00Z"
news = known_news(news_of((stamp, "S00", {GOOD!r}), (stamp, "S01", {BAD!r})), flat_bars({{"S00": [1], "S01": [1]}}))
print(Sentiment(**{own!r}, cache=Cache(Path({str(tmp_path)!r}))).fit_transform(news)[:, :2].tolist())
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert said == [str(expected.tolist()), "[]"]
