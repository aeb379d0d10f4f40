"""What differs between nested settings, by dotted name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from quantlab.result import Json


def differing(settings: Sequence[Mapping[str, Json]]) -> dict[str, tuple[Json, ...]]:
    """Return the dotted names whose values are not the same in all, sorted, with one value each; None where there is no such name."""
    flat = [dict(leaves(one)) for one in settings]
    names = sorted({name for one in flat for name in one})
    values = {name: tuple(one.get(name) for one in flat) for name in names}
    present = {name: [name in one for one in flat] for name in names}
    return {name: found for name, found in values.items() if not all(present[name]) or any(_other(found[0], value) for value in found[1:])}


def leaves(value: Json | Mapping[str, Json], name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield (dotted name, value) of each leaf; an empty list or mapping is a leaf, as is a list of plain values."""
    if isinstance(value, Mapping) and (value or not name):
        for part, item in value.items():
            yield from leaves(item, f"{name}.{part}" if name else str(part))
    elif isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        for position, item in enumerate(value):
            yield from leaves(item, f"{name}[{position}]")
    else:
        yield name, value if not isinstance(value, Mapping) else dict(value)


def _other(one: Json, other: Json) -> bool:
    """Return True if two values differ; 1 and True do, 1 and 1.0 do not."""
    return one != other or isinstance(one, bool) != isinstance(other, bool)
