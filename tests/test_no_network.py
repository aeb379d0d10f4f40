"""No network at run time: sockets are blocked, and a whole back-test with a text encoder runs, its report included."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from encoder_case import tiny_checkpoint

from quantlab.cli import main
from quantlab.synthetic import make_market, write_dataset

ROOT = Path(__file__).resolve().parents[1]
STRATEGY = '''"""The encoder on the news, in a ridge regression."""
from quantlab import ForwardReturn, Strategy, WalkForward, known_news
from quantlab.features import momentum, panel
from quantlab.models import ridge_regressor, with_text
from quantlab.text import Sentiment, TextEncoder
from quantlab.weights import long_short

def features(bars, news):
    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars))

strategy = Strategy(
    name="encoded",
    features=features,
    target=ForwardReturn(horizon=2),
    model=with_text(ridge_regressor(), Sentiment(), TextEncoder({checkpoint!r}, tune="none", max_tokens=64)),
    weights=long_short,
    folds=WalkForward(train=40, test=20, min_train=40),
)
'''
WAYS_OUT = ("connect", "connect_ex", "sendto")  # urllib3 binds a socket to ::1 when it is imported, to see whether there is IPv6
BLOCK = """
import sys
def refuse(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "urllib.Request")):
        with open({log!r}, "a") as file:
            file.write(f"{{event}} {{arguments[1:]!r}}\\n")
        raise OSError(f"blocked: {{event}}")
sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small market, a tiny encoder and a strategy that reads with it."""
    folder = tmp_path_factory.mktemp("offline")
    write_dataset(make_market(80, 4, seed=3).dataset, folder / "data")
    checkpoint = tiny_checkpoint(folder / "tiny")
    (folder / "mine.py").write_text(STRATEGY.replace("{checkpoint!r}", repr(str(checkpoint))), encoding="utf-8")
    return folder


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse, and note, every way from Python's sockets to another machine."""
    tried: list[str] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(repr(arguments[1:]))
        raise OSError("blocked")

    for name in WAYS_OUT:
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # it asks once, when it is imported
    return tried


def command(case: Path, out: Path) -> list[str]:
    """Return the arguments of a whole back-test, from reading to report."""
    return ["backtest", *(str(case / "mine.py"), "--data", str(case / "data"), "--out", str(out), "--cache", str(out / "cache"), "--quiet")]


def test_a_whole_back_test_opens_no_connection(case: Path, blocked: list[str], tmp_path: Path) -> None:
    """In this process: data, encoder, folds, audit, report; not one attempt."""
    assert main(command(case, tmp_path)) == 0
    assert blocked == []
    (report,) = tmp_path.glob("*/*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["strategy"] == "encoded"


def test_the_block_blocks(blocked: list[str]) -> None:
    """And notes what was tried."""
    with pytest.raises(OSError, match="blocked"):
        socket.create_connection(("127.0.0.1", 9))
    with socket.socket() as one, pytest.raises(OSError, match="blocked"):
        one.connect(("127.0.0.1", 9))
    assert len(blocked) == 2


def test_a_checkpoint_of_the_hub_is_the_one_thing_that_is_fetched(case: Path, blocked: list[str], tmp_path: Path, capsys) -> None:
    """It is asked for by name; without a network that is said, and nothing else happens."""
    text = STRATEGY.replace("{checkpoint!r}", "'no-such-owner/no-such-model'")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    arguments = ["backtest", str(tmp_path / "mine.py"), "--data", str(case / "data"), "--out", str(tmp_path / "out"), "--no-cache"]
    assert main(arguments) == 2
    assert "neither a folder nor to be had from the Hugging Face hub" in capsys.readouterr().err
    assert blocked


def test_a_process_of_its_own_opens_no_connection(case: Path, tmp_path: Path) -> None:
    """Libraries may phone home when they are imported: in a fresh process, with no variable that keeps them offline."""
    log = tmp_path / "tried.txt"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCK.format(log=str(log)), encoding="utf-8")
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in offline}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    check = "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError as error: print(error)"
    tried = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=False)
    assert "blocked: socket." in tried.stdout, tried.stderr
    log.unlink()
    started = [sys.executable, "-m", "quantlab", *command(case, tmp_path / "out")]
    done = subprocess.run(started, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not log.exists(), log.read_text(encoding="utf-8")
    assert list((tmp_path / "out").glob("*/*/report.html"))
