"""How every command ends: errors become one message and an exit code here, and nowhere else."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Final

import typer

from quantlab.errors import QuantlabError

INTERRUPTED: Final = 130  # 128 and the number of SIGINT, as shells have it
INTERRUPTION: Final = "interrupted; nothing half-written is left; the same command goes on from what is finished"


def answer(command: typer.Typer, arguments: Sequence[str], program: str) -> int:
    """Run a command line and return its exit code: 0 done, 1 a bug, 2 usage, 3 data, 4 a leak, 5 storage, 130 Ctrl-C."""
    debug = "--debug" in arguments
    try:
        typer.main.get_command(command).main([part for part in arguments if part != "--debug"], prog_name=program)
    except SystemExit as finished:
        if finished.code == INTERRUPTED:  # typer has made it of a KeyboardInterrupt, without a word
            return _fail(INTERRUPTION, INTERRUPTED, debug)
        return finished.code if isinstance(finished.code, int) else 0
    except QuantlabError as error:
        return _fail(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return _fail(INTERRUPTION, INTERRUPTED, debug)
    except Exception as error:
        return _fail(f"unexpected {type(error).__name__}: {error} (a bug of quantlab: run again with --debug and report it)", 1, debug)
    return 0


def _fail(message: str, exit_code: int, debug: bool) -> int:
    """Print an error to stderr, with its traceback if asked for."""
    if debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return exit_code
