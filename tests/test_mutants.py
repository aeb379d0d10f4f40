"""The guards can fail: each of these broken copies of the package is caught by the test that stands beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = {
    "purge removed": ("folds.py", "return horizon + 1 + self.embargo", "return 1", "test_folds.py"),
    "purge one bar short": ("folds.py", "return horizon + 1 + self.embargo", "return horizon + self.embargo", "test_folds.py"),
    "purge one bar short, seen by the sweep": (
        "folds.py",
        "return horizon + 1 + self.embargo",
        "return horizon + self.embargo",
        "test_no_lookahead.py::test_a_shipped_strategy_passes_its_audit[price_momentum]",
    ),
    "known at the very close": ("news.py", 'side="right"', 'side="left"', "test_news.py"),
    "execution delay removed": ("portfolio.py", "weights.shift(1)", "weights.shift(0)", "test_portfolio.py"),
    "columns paired by position": ("portfolio.py", "and weights.columns.equals(bars.symbols)", "", "test_portfolio.py"),
    "NaN weights hold": ("portfolio.py", "if not np.isfinite(values).all():", "if False:", "test_portfolio.py"),
    "delisted positions kept": ("portfolio.py", ".where(~market.delisted, 0.0)", "", "test_portfolio.py"),
    "no gap in cross-fitting": ("text/base.py", "gap = horizon + 1", "gap = -1", "test_text_base.py"),
    "cross-fitting skipped": (
        "text/base.py",
        "supervised:\n            return self.transform",
        "cache:\n            return self.transform",
        "test_text_base.py",
    ),
    "cache key without documents": ("text/base.py", "self._identity(), documents.fingerprint(),", "self._identity(),", "test_text_base.py"),
    "cache not verified": ("cache.py", "if _seal(path, payload) != digest:", "if False:", "test_cache.py"),
    "model not cloned": ("walkforward/fold.py", "split(clone(task.model))", "split(task.model)", "test_walkforward.py"),
    "training rows after the purge": (
        "walkforward/__init__.py",
        "fold.train_start, fold.train_end)",
        "fold.train_start, fold.test_end)",
        "test_walkforward.py",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "guard"), MUTANTS.values(), ids=list(MUTANTS))
def test_a_broken_copy_is_caught(file: str, right: str, wrong: str, guard: str, tmp_path: Path) -> None:
    """The line exists once, is replaced, and the guard fails with a failed test (not with an error of its own)."""
    shutil.copytree(ROOT / "quantlab", tmp_path / "quantlab", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("tests", "strategies"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / "quantlab" / file
    source = broken.read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{file} no longer holds {right!r} once: mend this mutant"
    broken.write_text(source.replace(right, wrong), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"tests/{guard}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 1, answer.stdout[-2000:]
    assert "1 failed" in answer.stdout, answer.stdout[-2000:]
