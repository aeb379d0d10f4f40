"""How every command ends: errors become one message and an exit code here, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final, TextIO

import typer

from quantlab.errors import QuantlabError, StorageError

POSIX: Final = os.name == "posix"
INTERRUPTED: Final = 130  # 128 and the number of SIGINT, as shells have it
INTERRUPTION: Final = "interrupted; nothing half-written is left; the same command goes on from what is finished"
TERMINATED: Final = 143  # 128 and the number of SIGTERM


def answer(command: typer.Typer, arguments: Sequence[str], program: str) -> int:
    """Run a command line and return its exit code.

    0 done, 1 a bug, 2 usage, 3 data, 4 a leak, 5 the machine (disk, memory, a lost worker), 130 Ctrl-C, 143 asked to terminate.
    """
    debug = "--debug" in arguments
    if not POSIX:
        return _fail("quantlab needs a POSIX system (Linux, macOS, or Windows with WSL): its files are locked as those do it", 2, debug)
    for stream in (sys.stdout, sys.stderr):
        _show_any_text(stream)
    asked: list[int] = []  # SIGTERM, if it came
    with _terminated_like_interrupted(asked):
        try:
            typer.main.get_command(command).main([part for part in arguments if part != "--debug"], prog_name=program)
        except SystemExit as finished:
            if isinstance(finished.__context__, BrokenPipeError):  # typer has made it of that, without a word
                return _unsaid(finished.__context__, debug)
            code = finished.code or 0
            if not isinstance(code, int):  # SystemExit("text") is a failure
                return _fail(str(code), 1, debug)
            if code == INTERRUPTED:  # typer has made it of a KeyboardInterrupt, without a word
                return _fail(INTERRUPTION, TERMINATED if asked else INTERRUPTED, debug)
            return _said(code, debug)
        except QuantlabError as error:
            return _fail(str(error), error.exit_code, debug)
        except KeyboardInterrupt:
            return _fail(INTERRUPTION, TERMINATED if asked else INTERRUPTED, debug)
        except MemoryError:
            return _fail("out of memory: use fewer symbols, a shorter span or fewer --jobs", StorageError.exit_code, debug)
        except OSError as error:  # a disk or a pipe that fails where nobody thought of it
            return _fail(f"{error}: free some space, or see the whole traceback with --debug", StorageError.exit_code, debug)
        except Exception as error:
            return _fail(f"unexpected {type(error).__name__}: {error} (a bug of quantlab: run again with --debug and report it)", 1, debug)
    return _said(0, debug)


@contextlib.contextmanager
def _terminated_like_interrupted(asked: list[int]) -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that it tidies up; note in `asked` that it came."""

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _show_any_text(stream: TextIO) -> None:
    """Let a terminal that lacks a letter, such as one of a folder's name, show its code instead of ending the run."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _said(code: int, debug: bool) -> int:
    """Return the exit code, once all output has gone where it should; 5 if that is full or closed."""
    try:
        if sys.stdout is not None:  # Python gives none where it is closed
            sys.stdout.flush()
    except OSError as error:
        return _unsaid(error, debug)
    return code


def _unsaid(error: OSError, debug: bool) -> int:
    """Say why the output did not get where it should; 5."""
    with contextlib.suppress(OSError, ValueError):  # nothing more can be said there, also not when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _fail(f"cannot write the output: {error.strerror or error}", StorageError.exit_code, debug)


def _fail(message: str, exit_code: int, debug: bool) -> int:
    """Print an error to stderr, with its traceback if asked for."""
    with contextlib.suppress(OSError):
        if debug:
            traceback.print_exc()
        print(f"error: {message}", file=sys.stderr)
    return exit_code
