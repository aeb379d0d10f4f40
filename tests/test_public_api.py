"""The public surface: sorted, complete, and found in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import quantlab
import quantlab.text

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("package", [quantlab, quantlab.text])
def test_every_public_name_exists_and_is_documented(package: object) -> None:
    """`__all__` is sorted, each name resolves to something with a docstring, and dir() shows just these."""
    names = package.__all__  # type: ignore[attr-defined]  # a module
    assert names == sorted(names)
    assert dir(package) == names
    for name in names:
        assert getattr(package, name).__doc__


@pytest.mark.parametrize("package", [quantlab, quantlab.text])
def test_type_checkers_see_the_same_names(package: object) -> None:
    """The imports for the type checker and the lazy ones agree."""
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]  # a module
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("quantlab.")
        for alias in node.names
    }
    assert seen == set(package.__all__)  # type: ignore[attr-defined]  # a module


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Not None, and not an import error of something else."""
    with pytest.raises(AttributeError, match="nothing"):
        _ = quantlab.nothing


@pytest.mark.parametrize("path", sorted((ROOT / "strategies").glob("*.py")), ids=lambda path: path.stem)
def test_strategies_use_public_names_only(path: Path) -> None:
    """About 35 lines, and no underscore from inside the house."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 45
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("quantlab"):
            assert not any(alias.name.startswith("_") for alias in node.names)
            assert not any(part.startswith("_") for part in str(node.module).split("."))
