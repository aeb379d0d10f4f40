"""A strategy file is code: it is run, and what it does wrong is said with its line."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from quantlab.blame import MEND, complaint, users_line
from quantlab.errors import QuantlabError, StrategyError, nearest
from quantlab.strategy.definition import Strategy

MODULE_PREFIX = "quantlab_strategy_"


def load_strategy(path: Path) -> Strategy:
    """Return the object named `strategy` in a Python file. The file is code and is run; StrategyError says what is wrong with it."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise StrategyError(f"cannot read the strategy file {path}: it is a folder or a device: give a .py file")
        source = path.read_bytes()
    except (OSError, ValueError) as error:
        raise StrategyError(f"cannot read the strategy file {path}: {getattr(error, 'strerror', error)}: check the path") from error
    module = _executed(path, source)
    strategy = getattr(module, "strategy", None)
    if strategy is None:
        raise StrategyError(f"{path} defines no `strategy`{nearest('strategy', vars(module))}: end the file with strategy = Strategy(...)")
    if not isinstance(strategy, Strategy):
        raise StrategyError(f"`strategy` in {path} is of type {type(strategy).__name__}: it must be a quantlab.Strategy(...)")
    said = inspect.getdoc(module) or ""
    return dataclasses.replace(strategy, description=strategy.description or said, source_hash=hashlib.sha256(source).hexdigest())


class _AsRead(SourceFileLoader):
    """Runs the bytes that were hashed: Python's own loader takes compiled code from __pycache__ if the file's size and second match."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        """Keep the source."""
        super().__init__(name, str(path))
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the source as it was read."""
        del fullname
        return self.source_to_code(self.source, self.path)


def _executed(path: Path, source: bytes) -> ModuleType:
    """Run a strategy file as a module of its own, which worker processes receive by value."""
    import cloudpickle

    if path.suffix != ".py":
        raise StrategyError(f"{path} is not a Python file: a strategy is a .py file that defines `strategy`")
    name = MODULE_PREFIX + path.stem
    loader = _AsRead(name, path.absolute(), source)
    spec = importlib.util.spec_from_file_location(name, path.absolute(), loader=loader)
    assert spec is not None  # noqa: S101 - with a loader there always is one: for the type checker
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes defined in the file look their module up
    try:
        loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except QuantlabError as error:
        raise StrategyError(f"{users_line(error) or path}: {error}") from error
    except BaseException as error:
        raise StrategyError(f"{_place(path, error)} {complaint(error)}: {_fix(error)}") from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _place(path: Path, error: BaseException) -> str:
    """Return `file, line n`: where an error of a file's code, or of its grammar, is."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}, line {error.lineno}" if error.lineno else str(path)
    return users_line(error) or str(path)


def _fix(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "install it; a module of your own must be on PYTHONPATH"
    if isinstance(error, SyntaxError) and any(word in str(error) for word in ("null bytes", "codec", "encod")):
        return "save the file as UTF-8 text"
    return MEND
