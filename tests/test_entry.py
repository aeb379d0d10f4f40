"""How a command ends: one message on stderr, and an exit code that says of what kind it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


def test_a_request_to_terminate_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM ends a command as Ctrl-C does, with 143; afterwards it does what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    app = typer.Typer(add_completion=False)
    app.command()(lambda: signal.raise_signal(signal.SIGTERM))
    assert answer(app, [], "work") == 143
    assert capsys.readouterr().err.count("interrupted; nothing half-written is left") == 1
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "x.csv"), "No space left on device: 'x.csv': free some space"),
        (MemoryError(), "out of memory: use fewer symbols"),
    ],
)
def test_what_the_machine_refuses_is_no_bug(error: BaseException, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A disk or memory that is full where nobody foresaw it: exit code 5."""
    assert answer(command(error), [], "work") == 5
    assert said in capsys.readouterr().err


def test_an_output_that_is_full_is_said() -> None:
    """Printing the result fails only when it is flushed, at the end."""
    code = "import typer; from quantlab.entry import answer; app = typer.Typer(); app.command()(lambda: print('x' * 100)); "
    code += "raise SystemExit(answer(app, [], 'work'))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (5, "error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("n_letters", [10, 10**6])
def test_an_output_that_nobody_reads_is_said(n_letters: int) -> None:
    """A pipe that its reader has closed, noticed while printing or at the end: one answer, and no bug."""
    code = f"import typer; from quantlab.entry import answer; app = typer.Typer(); app.command()(lambda: print('x' * {n_letters})); "
    code += "raise SystemExit(answer(app, [], 'work'))"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (5, "error: cannot write the output: Broken pipe\n")


def test_a_letter_that_the_terminal_lacks_is_shown_by_its_code() -> None:
    """A folder's name may hold what no encoding has."""
    code = "import typer; from quantlab.entry import answer; app = typer.Typer(); app.command()(lambda: print('r\\udcff é')); "
    code += "raise SystemExit(answer(app, [], 'work'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "r\\udcff \\xe9\n")


def test_another_kind_of_system_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its locks, several runs at once would spoil what they share."""
    monkeypatch.setattr("quantlab.entry.POSIX", False)
    assert answer(command(None), [], "work") == 2
    assert "needs a POSIX system" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (UsageError("so"), 2, "error: so\n"),
        (DataError("so", "and so"), 3, "error: so\nand so\n"),
        (LeakError("so"), 4, "error: so\n"),
        (StorageError("so"), 5, "error: so\n"),
        (typer.Exit(7), 7, ""),
        (SystemExit("so"), 1, "error: so\n"),
        (SystemExit(None), 0, ""),
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
