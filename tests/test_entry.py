"""How a command ends: one message on stderr, and an exit code that says of what kind it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import typer

from quantlab.entry import answer
from quantlab.errors import DataError, LeakError, StorageError, UsageError


def command(error: BaseException | None) -> typer.Typer:
    """Return a command that raises something, if anything."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def work() -> None:
        if error is not None:
            raise error

    return app


@pytest.fixture
def listens() -> Iterator[None]:
    """Let SIGINT interrupt, also where a shell has started the tests in the background and so has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens")
@pytest.mark.parametrize("debug", [False, True])
def test_an_interrupt_is_answered(debug: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C says what is left and what to do, once, and gives 130; the traceback comes only where it was asked for."""
    app = typer.Typer(add_completion=False)
    app.command()(lambda: signal.raise_signal(signal.SIGINT))
    assert answer(app, ["--debug"] if debug else [], "work") == 130
    said = capsys.readouterr().err
    assert said.count("interrupted; nothing half-written is left; the same command goes on from what is finished") == 1
    assert ("Traceback" in said) == debug


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (UsageError("so"), 2, "error: so\n"),
        (DataError("so", "and so"), 3, "error: so\nand so\n"),
        (LeakError("so"), 4, "error: so\n"),
        (StorageError("so"), 5, "error: so\n"),
        (typer.Exit(7), 7, ""),
    ],
)
def test_each_kind_of_error_has_its_code(error: BaseException | None, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And its message, with nothing round it."""
    assert answer(command(error), [], "work") == code
    assert capsys.readouterr().err == said


def test_what_nobody_foresaw_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """With its type and how to report it."""
    assert answer(command(ZeroDivisionError("seven")), [], "work") == 1
    assert "unexpected ZeroDivisionError: seven (a bug of quantlab" in capsys.readouterr().err
