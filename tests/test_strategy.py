"""Strategy files: what is wrong with one is said in a sentence, and settings reach every part."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from sklearn.linear_model import Ridge

from quantlab.costs import Costs
from quantlab.errors import StrategyError, UsageError
from quantlab.folds import WalkForward
from quantlab.models import ridge_regressor, with_text
from quantlab.strategy import Strategy, load_strategy, with_settings
from quantlab.target import ForwardReturn
from quantlab.text import LdaTopics, Sentiment
from quantlab.weights import long_short

GOOD = '''"""Buy what rose."""
from quantlab import Bars, ForwardReturn, News, Strategy
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor
from quantlab.weights import long_short

def features(bars, news):
    return panel(momentum=momentum(bars.close, 5))

strategy = Strategy(name="good", features=features, target=ForwardReturn(horizon=2), model=ridge_regressor(), weights=long_short)
'''


def made(**parts: object) -> Strategy:
    """Return a strategy with some parts replaced."""
    whole = {
        "name": "s",
        "features": lambda bars, news: None,
        "target": ForwardReturn(horizon=5),
        "model": Ridge(),
        "weights": partial(long_short, quantile=0.2),
        **parts,
    }
    return Strategy(**whole)  # type: ignore[arg-type]  # parts are wrong on purpose


def written(folder: Path, text: str) -> Path:
    """Write a strategy file."""
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_loaded_with_its_description_and_hash(tmp_path: Path) -> None:
    """The first words of the file describe it; its bytes are hashed."""
    strategy = load_strategy(written(tmp_path, GOOD))
    assert (strategy.name, strategy.description) == ("good", "Buy what rose.")
    assert len(strategy.source_hash) == 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stratgy = 1", r"defines no `strategy` \(did you mean 'stratgy'\?\)"),
        ("strategy = 1", "of type int"),
        ("def f(:", r"mine.py, line 1 raises SyntaxError"),
        ("\n\n1 / 0", r"mine.py, line 3 raises ZeroDivisionError"),
        ("import sys\nsys.exit(3)", r"mine.py, line 2 leaves the process \(SystemExit: 3\)"),
        ("from quantlab import WalkForward\nWalkForward(train=1)", r"mine.py, line 2: WalkForward.train"),
        ("from quantlab import WalkForward\nWalkForward(trian=1)", r"line 2 raises TypeError: .*trian"),
        ("from quantlab import Strategy\nstrategy = Strategy(name='x')", r"line 2 raises TypeError: .*missing"),
        ("import no_such_module", r"line 1 raises ModuleNotFoundError: .*no_such_module"),
        (GOOD.replace("horizon=2", "horizon=0"), "horizon"),
    ],
)
def test_a_bad_file_is_an_error_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    """The message names the file, the line and what is wrong; the exit code is 2."""
    with pytest.raises(StrategyError, match=said) as caught:
        load_strategy(written(tmp_path, text))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_file_that_cannot_be_read_is_an_error(name: str, tmp_path: Path) -> None:
    """No such file, and a folder."""
    with pytest.raises(StrategyError, match="cannot read the strategy file"):
        load_strategy(tmp_path / name)


def test_a_file_that_is_not_python_is_an_error(tmp_path: Path) -> None:
    """A data file given in the place of the strategy."""
    path = tmp_path / "bars.csv"
    path.write_text("a,b\n")
    with pytest.raises(StrategyError, match="not a Python file"):
        load_strategy(path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": "../up"}, "name"),
        ({"features": 3}, "features must be callable"),
        ({"target": lambda bars: None}, "horizon"),
        ({"model": object()}, "scikit-learn"),
        ({"folds": 5}, "folds must be WalkForward"),
        ({"costs": 5.0}, "costs must be Costs"),
    ],
)
def test_parts_that_cannot_do_their_work_are_refused(parts: dict[str, object], said: str) -> None:
    """Each by its name."""
    with pytest.raises(StrategyError, match=said):
        made(**parts)


def test_settings_reach_every_part() -> None:
    """Dataclasses, functions, plain fields and learners, written out or short where that is unique."""
    strategy = made(model=with_text(ridge_regressor(), LdaTopics(), Sentiment()))
    settings = ["folds.train=300", "target.horizon=10", "weights.quantile=0.1", "costs.fee_bps=3", "fill=close", "max_gross=2"]
    changed = with_settings(strategy, [*settings, "model.n_topics=12", "model.features.sentiment.half_life_hours=6", "model.alpha=7"])
    assert (changed.folds.train, changed.target.horizon, changed.costs.fee_bps, changed.fill, changed.max_gross) == (300, 10, 3, "close", 2)
    assert isinstance(changed.weights, partial)
    assert changed.weights.keywords == {"quantile": 0.1}
    parameters = changed.model.get_params()
    assert parameters["features__lda_topics__n_topics"] == 12
    assert parameters["features__sentiment__half_life_hours"] == 6
    assert parameters["model__model__alpha"] == 7
    assert strategy.folds == WalkForward()
    assert strategy.costs == Costs()


def test_a_plain_function_takes_settings_too() -> None:
    """It becomes a partial."""
    changed = with_settings(made(weights=long_short), ["weights.hold=5"])
    assert isinstance(changed.weights, partial)
    assert changed.weights.keywords == {"hold": 5}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("folds.trian=5", "did you mean 'train'"),
        ("fold.train=5", "did you mean 'folds'"),
        ("weights.quantil=0.1", "did you mean 'quantile'"),
        ("model.alpah=1", "did you mean 'alpha'"),
        ("weights.signal=1", "unknown name 'signal'"),
        ("folds", "NAME=VALUE"),
        ("=5", "NAME=VALUE"),
        ("folds.train=0", "WalkForward.train"),
        ("cash.more=1", "not a setting"),
        ("source_hash=x", "unknown name"),
    ],
)
def test_a_wrong_setting_is_answered_with_the_nearest_name(setting: str, said: str) -> None:
    """Nothing is ignored."""
    with pytest.raises(UsageError, match=said):
        with_settings(made(), [setting])


def test_settings_of_one_part_are_applied_together() -> None:
    """A shorter window than the minimum is no mistake if the minimum is set as well, in either order."""
    strategy = made(folds=WalkForward(train=504, min_train=252))
    for settings in (["folds.train=90", "folds.min_train=80"], ["folds.min_train=80", "folds.train=90"]):
        assert with_settings(strategy, settings).folds == WalkForward(train=90, min_train=80)


def test_an_ambiguous_setting_must_be_written_out() -> None:
    """Two learners have a half-life."""
    strategy = made(model=with_text(ridge_regressor(), LdaTopics(), Sentiment()))
    with pytest.raises(UsageError, match=r"model.features.lda_topics.half_life_hours, model.features.sentiment.half_life_hours"):
        with_settings(strategy, ["model.half_life_hours=5"])
