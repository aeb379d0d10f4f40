"""The machine: processor, threads, cache."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quantlab.doctor.finding import Finding

if TYPE_CHECKING:
    from quantlab.result import Json

FEATURES: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # instructions that decide which kernels BLAS and torch choose
MOST_READ: Final = 256 * 1024**2  # bytes of the cache that are verified
LEAST_FREE: Final = 1024**3  # bytes


def processor() -> Iterator[Finding]:
    """Yield the class of the processor: within it results are the same to the last bit."""
    facts, cpus = _cpuinfo(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    known: list[Json] = [name for name in FEATURES if name in flags]
    said = f"{platform.machine()}, {facts.get('model name', 'model not told')}, {cpus} of {os.cpu_count()} CPUs usable, "
    said += " ".join(map(str, known)) or ("none of " + " ".join(FEATURES) if flags else "features not told by this system")
    yield Finding("processor", "ok", said, facts={"machine": platform.machine(), "cpus": cpus, "features": known})


def threads() -> Iterator[Finding]:
    """Yield how many threads each numerical library would use; a fit is held to one, whatever stands here."""
    from threadpoolctl import threadpool_info

    pools = [(Path(pool["filepath"]), pool) for pool in threadpool_info()]
    facts = {f"{path.parent.parent.name if path.parent.name == 'lib' else path.parent.name}/{path.name}": pool for path, pool in pools}
    said = ", ".join(f"{name.partition('/')[0]} {pool['internal_api']} {pool['num_threads']}" for name, pool in sorted(facts.items()))
    yield Finding("threads", "ok", f"{said}; each fit is held to 1", facts={name: pool["num_threads"] for name, pool in facts.items()})


def cache(folder: Path | None = None) -> Iterator[Finding]:
    """Yield whether the cache can be written, what it holds, and whether its newest entries are what was written."""
    from quantlab.cache import default_folder

    folder = folder or default_folder()
    if not folder.exists():
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        yield _writable(folder, parent, "does not exist yet, and will be made")
        return
    if not folder.is_dir():
        yield Finding("cache", "problem", f"{folder} is not a folder", "remove it, or give --cache DIR", on_disk=True)
        return
    yield _writable(folder, folder, _content(folder))
    yield from _damage(folder)


def _content(folder: Path) -> str:
    from quantlab.cache import Cache

    store = Cache(folder)
    sizes = [path.stat().st_size for path in store.entries()]
    return f"{len(sizes)} entries, {sum(sizes) / 1e6:,.1f} MB of at most {store.limit_bytes / 1e9:,.1f} GB"


def _writable(folder: Path, existing: Path, said: str) -> Finding:
    """Return whether a file can be written there, and whether there is room for many."""
    free = shutil.disk_usage(existing).free
    facts: Mapping[str, Json] = {"folder": str(folder), "free_bytes": free}
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        fix = "make it writable, or give --cache DIR"
        return Finding("cache", "problem", f"{folder} cannot be written: {error.strerror or error}", fix, on_disk=True, facts=facts)
    if free < LEAST_FREE:
        return Finding("cache", "warning", f"{folder}: only {free / 1e6:,.0f} MB are free on its disk", "free some space", facts=facts)
    return Finding("cache", "ok", f"{folder}: {said}", facts=facts)


def _damage(folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with the newest entries; nothing is removed or touched."""
    from quantlab.cache import Cache, is_whole

    newest, n_read, n_bytes, damaged = Cache(folder).entries()[::-1], 0, 0, []
    for path in newest:
        if n_bytes > MOST_READ:
            break
        try:
            n_bytes += path.stat().st_size
            damaged += [] if is_whole(path) else [str(path)]
        except FileNotFoundError:
            continue  # another process has just removed it
        except OSError as error:
            damaged.append(f"{path} ({error.strerror})")
        n_read += 1
    facts: Mapping[str, Json] = {"n_entries": len(newest), "n_verified": n_read, "damaged": list(damaged)}
    if damaged:
        said = f"{len(damaged)} of the {n_read} entries verified are damaged, first {damaged[0]}"
        yield Finding("cache", "warning", said, "none needed: they are computed again; `quantlab cache clear` removes all", facts=facts)
    elif newest:
        yield Finding("cache", "ok", f"the {n_read} newest of {len(newest)} entries are what was written", facts=facts)


def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of its first processor; nothing on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    parts = [line.partition(":") for line in first.splitlines()]
    return {name.strip(): value.strip() for name, _, value in parts}
