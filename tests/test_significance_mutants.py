"""The tests of significance, trials and paths can fail: each broken copy of a module is caught by the test that stands beside it.

A copy is compiled in this process and put in the module's place: fifty of them take seconds, where `test_mutants.py` starts a Python
for each.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from quantlab import significance

PACKAGE = Path(__file__).resolve().parents[1] / "quantlab"
FIGURES_TEST = "test_significance_bootstrap.test_figures_are_those_of_the_metrics"
VECTOR = "test_significance_selection.test_the_published_vector"
SIX_TESTS = "test_significance_haircut.test_the_six_tests_of_the_paper"
BY_HAND = "test_combinatorial.test_what_a_split_leaves_out_by_hand"

MUTANTS = {
    "significance/sharpe.py": [
        ("math.sqrt(n - 1)", "math.sqrt(n)", "test_significance.test_probabilistic_sharpe_of_the_published_series"),
        ("(kurtosis - 1.0) / 4.0", "(kurtosis + 2.0) / 4.0", "test_significance.test_probabilistic_sharpe_of_the_paper"),
        ("1.0 - skew * sharpe", "1.0 + skew * sharpe", "test_significance.test_probabilistic_sharpe_of_the_paper"),
        ("(n_trials * math.e)", "n_trials", "test_significance.test_expected_maximum"),
        ("math.sqrt(variance) * best", "variance * best", "test_significance.test_deflated_sharpe_of_the_paper"),
        ("return 0.0", "return 0.1", "test_significance.test_one_trial_deflates_nothing"),
        ("1.0 + (_spread", "(_spread", "test_significance.test_min_track_record_is_where_the_probability_reaches_the_confidence"),
        ("1.0 + 0.5 * sharpe**2", "1.0 + sharpe**2", "test_significance.test_lo_2002"),
        ("(periods - lags) * ", "", "test_significance.test_lo_2002"),
        ("np.var(known, ddof=1)", "np.var(known)", "test_significance.test_variance_of_the_trials"),
        ("len(known) > 1", "len(known) > 2", "test_significance.test_variance_of_the_trials"),
    ],
    "significance/haircut.py": [
        ("math.sqrt(n / 2.0)", "math.sqrt(n)", "test_significance_haircut.test_a_ratio_of_three_quarters_over_twenty_years"),
        ("single * len(single)", "single", SIX_TESTS),
        ("np.arange(len(single), 0, -1)", "len(single)", SIX_TESTS),
        ("np.sum(1.0 / rank)", "1.0", SIX_TESTS),
        ("raised[-1] = single[order][-1]", "pass", SIX_TESTS),
        ("back[order] = values", "back[:] = values", "test_significance_haircut.test_raised_p_values_are_those_of_the_definitions"),
        ("np.ones(n_trials)", "np.zeros(n_trials)", "test_significance_haircut.test_trials_without_a_known_ratio_count"),
        ("if sharpe <= 0:", "if False:", "test_significance_haircut.test_no_method_makes_a_ratio_better"),
    ],
    "significance/selection.py": [
        ("np.mean(logits <= 0)", "np.mean(logits < 0)", VECTOR),
        ("np.argmax(earlier", "np.argmin(earlier", VECTOR),
        ("(inside, 1.0 - inside)", "(inside, inside)", VECTOR),
        ("values.shape[1] + 1 - rank", "values.shape[1] - rank", VECTOR),
        ("sums / n + centre", "sums / n", "test_significance_selection.test_logits_are_those_of_the_loop"),
        ("np.where(varies, variance, 1.0)), 0.0)", "variance), 0.0)", "test_significance_selection.test_a_variant_that_never_trades"),
        ("<= TIE", "< 0", "test_significance_selection.test_variants_that_do_the_same_share_their_rank"),
        ("-excess, block_size", "excess, block_size", "test_significance_selection.test_a_variant_that_beats_the_benchmark_is_found"),
        ("default_rng([seed,", "default_rng([0,", "test_significance_selection.test_superior_ability_is_seeded"),
    ],
    "significance/figures.py": [
        ("known.sum(axis=1, dtype=float)", "drawn.shape[1]", "test_significance_bootstrap.test_the_mean_leaves_out"),
        ("np.prod(1.0 + drawn, axis=1) - 1.0", "drawn.sum(axis=1)", FIGURES_TEST),
        ("(periods / drawn.shape[1])", "(252 / drawn.shape[1])", FIGURES_TEST),
        ("np.std(drawn, axis=1, ddof=1) * math.sqrt(periods)", "np.std(drawn, axis=1) * math.sqrt(periods)", FIGURES_TEST),
        ("spread = np.std(drawn, axis=1, ddof=1)", "spread = np.std(drawn, axis=1)", FIGURES_TEST),
        ("np.mean(drawn, axis=1) * math.sqrt(periods)", "np.mean(drawn, axis=1) * math.sqrt(252)", FIGURES_TEST),
        ("np.maximum.accumulate(wealth, axis=1), 1.0)", "np.maximum.accumulate(wealth, axis=1), 0.0)", FIGURES_TEST),
        ("_ratio(hits, judged)", "_ratio(judged - hits, judged)", "test_significance_bootstrap.test_hit_rate_and_pooled_ic"),
        ("n * ab - a * b", "n * ab", "test_significance_bootstrap.test_hit_rate_and_pooled_ic"),
    ],
    "significance/bootstrap.py": [
        ("rows, rows - n)", "rows, n - 1)", "test_significance_bootstrap.test_every_session_is_drawn_equally_often"),
        ("rows, rows - n)", "rows, rows - n + 1)", "test_significance_bootstrap.test_blocks_run_on_and_round_the_end"),
        ("block_length(values) if block is", "1 if block is", "test_significance_bootstrap.test_blocks_keep_runs_together"),
        ("(known, (known - known.mean()) ** 2)", "(known,)", "test_significance_bootstrap.test_the_block_spans_calm_and_storm"),
        ('["circular"]', '["stationary"]', "test_significance_bootstrap.test_the_block_is_the_one_that_the_series_asks_for"),
        ("(1.0 - confidence) / 2.0", "1.0 - confidence", "test_significance_bootstrap.test_an_interval_is_that_of_the_loop"),
        ("statistic(drawn[:, :, 1])", "statistic(drawn[::-1, :, 1])", "test_significance_bootstrap.test_a_difference_of_the_same_runs"),
        ("LEAST_DEFINED * n_resamples", "1", "test_significance_bootstrap.test_what_has_no_interval_gives_nan"),
    ],
    "trials.py": [
        ("sha256(before + ", "sha256(", "test_trials.test_a_removed_line_shows"),
        ("or n < 1:", "or n < 0:", "test_trials.test_a_count_that_is_given"),
        ("if trial_id not in _parsed(content).sharpes:", "if True:", "test_trials.test_a_repeated_trial_is_entered_once"),
        ("if trial != trial_id and ratio", "if ratio", "test_trials.test_the_others_are_counted_with_their_ratios"),
        ("*ledger.sharpes, *unknown", "*ledger.sharpes", "test_trials.test_deleting_the_ledger_hides_nothing"),
        ("others = sorted(", "others = list(", "test_trials.test_the_ratios_do_not_tell_the_order"),
        ("file.truncate(len(content))\n        raise", "raise", "test_trials.test_a_full_disk_leaves_the_ledger_as_it_was"),
        ('else b"\\n"  #', 'else b""  #', "test_trials.test_a_line_cut_short_loses_nothing_else"),
    ],
    "combinatorial.py": [
        ("(1 + horizon) * day", "horizon * day", BY_HAND),
        ("purge_horizon=embargo * day", "purge_horizon=0 * day", BY_HAND),
        ("np.isin(bar, split.train) &", "", "test_combinatorial.test_a_row_is_predicted_by_a_model_that_never_saw_its_group"),
    ],
}


def broken_copy(file: str, right: str, wrong: str) -> ModuleType:
    """Return the module with one place of its source replaced; it has the name of the real one."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{file} no longer holds {right!r} once: mend this mutant"
    copy = ModuleType("quantlab." + file.removesuffix(".py").replace("/", "."))
    exec(compile(source.replace(right, wrong), file, "exec"), vars(copy))  # noqa: S102  (our own source)
    return copy


def put_in_place(copy: ModuleType, owner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the owner use what the copy defines, by whatever of its names the owner knows."""
    for name, value in list(vars(owner).items()):
        if getattr(value, "__module__", None) == copy.__name__ and hasattr(copy, name):
            monkeypatch.setattr(owner, name, getattr(copy, name))
        elif isinstance(value, ModuleType) and value.__name__ == copy.__name__:
            monkeypatch.setattr(owner, name, copy)


def guard_called(name: str, fixtures: dict[str, object]) -> None:
    """Run the tests whose name starts so, with each of their parameters."""
    module, _, start = name.partition(".")
    guards: list[Callable[..., None]] = [test for key, test in vars(importlib.import_module(module)).items() if key.startswith(start)]
    assert guards, f"there is no test {name}: mend this mutant"
    for guard in guards:
        wanted = {key: value for key, value in fixtures.items() if key in inspect.signature(guard).parameters}
        marks = [mark for mark in getattr(guard, "pytestmark", []) if mark.name == "parametrize"]
        for value in marks[0].args[1] if marks else [None]:
            guard(**wanted, **({marks[0].args[0]: value} if marks else {}))


CASES = [(file, *mutant) for file, mutants in MUTANTS.items() for mutant in mutants]


@pytest.mark.parametrize(("file", "right", "wrong", "guard"), CASES, ids=[f"{file} {right}" for file, right, *_ in CASES])
def test_a_broken_copy_is_caught(file: str, right: str, wrong: str, guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard passes as things are (its own module shows it), and fails with the copy."""
    owners = (significance, importlib.import_module(guard.partition(".")[0]))
    copy = broken_copy(file, right, wrong)
    for owner in owners:
        put_in_place(copy, owner, monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup, RuntimeWarning, pytest.fail.Exception)):
        guard_called(guard, {"tmp_path": tmp_path, "monkeypatch": monkeypatch})
