"""The list of runs: figures, verdict and a small picture of each, sorted and filtered by a script that it does not need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from test_report_page import HOSTILE, Tags

from quantlab.report import index, look

FIRST = {
    "strategy": "momentum",
    "run_id": "ab12",
    "returns": {"total_return": 0.21, "sharpe": 1.5, "monthly": [{"month": "2020-01", "return": 0.1}, {"month": "2020-02", "return": 0.1}]},
    "drawdown": {"max_drawdown": -0.05},
    "accuracy": {"hit_rate": 0.53, "ic_mean": 0.021},
    "walk_forward": [{"test_start": "2020-01-01T21:00:00+00:00", "test_end": "2020-02-28T21:00:00+00:00"}],
    "audit": {"verdict": "passed"},
    "verdict": {"level": "weak", "sentence": "Better than luck, but not by much."},
}


def put(root: Path, run: str, **changed: Any) -> None:
    """Lay a report.json into the folder of a run."""
    folder = root / "strategy" / run
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(FIRST | changed))


def page(root: Path) -> tuple[str, Tags]:
    """Write the list and return it, as text and as tags."""
    text = index.write_index(root).read_text(encoding="utf-8")
    return text, Tags(text)


def cells(found: Tags) -> list[str]:
    """Return the text of each cell."""
    return found.texts("td")


def test_a_run_shows_its_figures_and_its_verdict(tmp_path: Path) -> None:
    """One row: the strategy, the verdict in words, its figures, the audit, the span."""
    put(tmp_path, "ab12")
    _, found = page(tmp_path)
    shown = cells(found)
    assert shown[0] == "momentumab12"
    assert shown[1] == "Weak evidenceBetter than luck, but not by much."
    assert shown[3:] == ["+21.0%", "1.50", "\u22125.0%", "53.0%", "0.021", "passed", "2020-01-01 to 2020-02-28"]


def test_an_older_report_without_a_verdict_is_listed(tmp_path: Path) -> None:
    """It shows a dash, and sorts after those that have one."""
    older = {name: value for name, value in FIRST.items() if name != "verdict"}
    (tmp_path / "strategy" / "old").mkdir(parents=True)
    (tmp_path / "strategy" / "old" / "report.json").write_text(json.dumps(older))
    _, found = page(tmp_path)
    assert cells(found)[1] == "–"  # noqa: RUF001  (an en dash)
    verdicts = [attrs for tag, attrs in found.tags if tag == "td" and attrs.get("class") == "verdicts"]
    assert "data-key" not in verdicts[0]


def test_an_unknown_level_is_named_and_not_guessed(tmp_path: Path) -> None:
    """A verdict that nobody can read is no verdict: the run is set aside with its reason."""
    put(tmp_path, "ab12", verdict={"level": "splendid", "sentence": ""})
    _, found = page(tmp_path)
    assert cells(found) == []
    assert "splendid" in found.texts("li")[0]


def test_columns_sort_by_value_and_not_by_text(tmp_path: Path) -> None:
    """Each figure carries its number; what is unknown carries none."""
    put(tmp_path, "ab12", accuracy={"hit_rate": None, "ic_mean": 0.021})
    _, found = page(tmp_path)
    keys = [attrs.get("data-key") for tag, attrs in found.tags if tag == "td"]
    assert keys == ["momentum", "5", None, "0.21", "1.5", "-0.05", None, "0.021", "passed", "2020-01-01 to 2020-02-28"]


def test_the_list_is_whole_without_its_script(tmp_path: Path) -> None:
    """Every row is in the page and none is hidden; what only the script can serve is hidden until it runs."""
    for run in ("a", "b", "c"):
        put(tmp_path, run)
    _, found = page(tmp_path)
    rows = [attrs for tag, attrs in found.tags if tag == "tr"]
    assert len(rows) == 1 + 3
    assert not any("hidden" in attrs for attrs in rows)
    assert next(attrs for tag, attrs in found.tags if attrs.get("class") == "controls") == {"class": "controls", "hidden": None}
    assert "button" not in {tag for tag, _ in found.tags}  # the script makes the heads into buttons


def test_the_policy_names_the_one_script(tmp_path: Path) -> None:
    """Its hash and that of the style are in the policy, and nothing else may load or run, not even a picture."""
    put(tmp_path, "ab12")
    _, found = page(tmp_path)
    policy = next(str(attrs["content"]) for _, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    for text in (*raw(found, "script"), *raw(found, "style")):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not re.search("unsafe|http|data:|img-src", policy)


def raw(found: Tags, tag: str) -> list[str]:
    """Return the exact text of each such element."""
    return ["".join(text) for name, _, text in found.inside if name == tag]


def test_the_equity_is_drawn_month_by_month() -> None:
    """1, 1.1, 1.21 over 120 x 32 with a margin of 3: from the lower left to the upper right."""
    assert index.sparkline([{"return": 0.1}, {"return": 0.1}]) == "3.0,29.0 60.0,16.6 117.0,3.0"
    assert index.sparkline([{"return": 0.0}, {"return": None}]) == "3.0,29.0 60.0,29.0 117.0,29.0"
    assert index.sparkline([]) == ""


def test_a_long_history_is_a_short_line() -> None:
    """Forty years have at most sixty points, and the line still ends where the equity does."""
    line = index.sparkline([*[{"return": 0.01}] * 479, {"return": -0.9999}]).split()
    assert 50 <= len(line) <= 60
    assert line[-1] == "117.0,29.0"


def test_a_run_that_lost_everything_or_overflowed_is_listed(tmp_path: Path) -> None:
    """A line that cannot be drawn is left out, and the row stays."""
    monthly = [{"month": "2020-01", "return": 1e308}, {"month": "2020-02", "return": 1e308}]
    put(tmp_path, "ab12", returns={"total_return": None, "sharpe": None, "monthly": monthly})
    _, found = page(tmp_path)
    assert "polyline" not in {tag for tag, _ in found.tags}
    assert len(cells(found)) == 10


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_inert(text: str, tmp_path: Path) -> None:
    """In the name, the id, the verdict, the audit or an error: no tag, no attribute, no direction override."""
    put(tmp_path, "hostile", strategy=text, run_id=text, audit={"verdict": text}, verdict={"level": "luck", "sentence": text})
    put(tmp_path, "plain")
    put(tmp_path, "broken", verdict={"level": text})
    shown, found = page(tmp_path)
    rest = {"svg", "polyline", "bdi", "span", "div", "ul", "li", "dl", "dt", "dd", "label", "select", "option", "output"}
    rest |= {"html", "head", "meta", "title", "style", "body", "main", "section", "p", "h1", "details", "summary", "script"}
    assert {tag for tag, _ in found.tags} <= rest | {"table", "thead", "tbody", "tr", "th", "td", "a"}
    assert not any(key.startswith("on") or key in ("style", "src") for _, attrs in found.tags for key in attrs)
    assert [attrs["href"] for tag, attrs in found.tags if tag == "a"] == ["strategy/hostile/report.html", "strategy/plain/report.html"]
    assert len(raw(found, "script")) == 1
    assert not look.UNSEEN.search(shown.replace("\n", ""))


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    """Written twice, the list is the same."""
    for run in ("b", "a"):
        put(tmp_path, run)
    assert page(tmp_path)[0] == page(tmp_path)[0]


def test_five_hundred_runs_are_listed_at_once(tmp_path: Path) -> None:
    """With ten years of months each, in far less time than any of them took, and in about a kilobyte a run."""
    monthly = [{"month": f"{2010 + n // 12}-{n % 12 + 1:02d}", "return": 0.001 * (n % 7 - 3)} for n in range(120)]
    for run in range(500):
        put(tmp_path, f"{run:03d}", returns=FIRST["returns"] | {"monthly": monthly})
    start = time.perf_counter()
    size = index.write_index(tmp_path).stat().st_size
    assert time.perf_counter() - start < 5.0
    assert size < 1.2e6
