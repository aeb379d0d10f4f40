"""What is installed, against what quantlab asks for."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Final

from quantlab.doctor.finding import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

COMPILED: Final = ("lightgbm", "gensim.models.ldamodel")  # the trial loads the others: a wheel that does not fit fails when it is loaded


def packages() -> Iterator[Finding]:
    """Yield the versions of Python and of the packages that quantlab cannot do without."""
    about = metadata.metadata("quantlab")
    yield _python(str(about["Requires-Python"] or ""))
    asked = [requirement for requirement in _requirements() if requirement.marker is None]
    fits: dict[str, str] = {}
    for requirement in asked:
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            yield _unfit(requirement, version, "problem")
        else:
            fits[requirement.name] = version
    said = ", ".join(f"{name} {version}" for name, version in sorted(fits.items(), key=lambda item: item[0].casefold()))
    yield Finding("packages", "ok", f"{len(fits)} of {len(asked)} as asked for: {said}", facts=dict(fits))
    for name in COMPILED:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a broken wheel raises
            package = name.partition(".")[0]
            said, fix = f"{name} cannot be imported: {type(error).__name__}: {error}", f"pip install --force-reinstall {package}"
            yield Finding("packages", "problem", said, fix, facts={"name": package})


def extras() -> Iterator[Finding]:
    """Yield which optional packages are there; without them a few commands say what to install."""
    found: dict[str, str | None] = {}
    for extra in ("peft", "search", "cpcv"):
        for requirement in _requirements():
            if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}) or requirement.name == "quantlab":
                continue
            found[requirement.name] = version = _version(requirement.name)
            if version is not None and not requirement.specifier.contains(version, prereleases=True):
                yield _unfit(requirement, version, "warning")
    said = ", ".join(f"{name} {version or '(not installed)'}" for name, version in found.items())
    said = said or "none are named by this installation"
    fix = "" if all(found.values()) else "pip install 'quantlab[all]', if you need them"
    yield Finding("extras", "ok", said, fix, facts=dict(found))


def identity() -> Iterator[Finding]:
    """Yield what a run id depends on besides strategy and data: equal on two machines, they name equal runs alike."""
    from quantlab.cache import key
    from quantlab.repro import code_hash, platform_facts, versions

    facts = {"code": code_hash(), "versions": key(versions()), "platform": key(platform_facts())}
    said = ", ".join(f"{name} {digest[:12]}" for name, digest in facts.items())
    yield Finding("identity", "ok", said, facts={**facts, "each": versions()})


def _python(asked: str) -> Finding:
    from packaging.specifiers import SpecifierSet

    version, own = platform.python_version(), _version("quantlab")
    facts: Mapping[str, str | None] = {"python": version, "quantlab": own}
    if not SpecifierSet(asked).contains(version, prereleases=True):
        return Finding("python", "problem", f"{version} does not fit {asked}", "make an environment with a newer Python", facts=facts)
    return Finding("python", "ok", f"{version} ({asked}), quantlab {own}", facts=facts)


def _requirements() -> list[Requirement]:
    from packaging.requirements import Requirement

    return [Requirement(text) for text in metadata.requires("quantlab") or []]


def _unfit(requirement: Requirement, version: str | None, level: str) -> Finding:
    """Return what is wrong with the version of a package, or that there is none."""
    found = "is missing" if version is None else f"{version} is not {requirement.specifier}"
    said, fix = f"{requirement.name} {found}", f'pip install "{requirement.name}{requirement.specifier}"'
    facts: Mapping[str, str | None] = {"name": requirement.name, "version": version, "asked": str(requirement.specifier)}
    return Finding("packages", "warning" if level == "warning" else "problem", said, fix, facts=facts)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
