"""Each metric has a broken copy, and the test that stands beside it catches it: no figure is right by luck."""

from __future__ import annotations

import importlib
import inspect
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from quantlab import metrics

PACKAGE = Path(metrics.__file__).parent

# for each file of tests: "metric: what is wrong" -> (right, wrong, the test that sees it)
RETURNS = {
    "total_return: sum for product": ("np.prod(1.0 + floats(returns)) - 1.0", "np.sum(floats(returns))", "returns_compound"),
    "total_return: first day dropped": ("floats(returns)", "floats(returns)[1:]", "published_series"),
    "cagr: 365 days": ("252", "365", "published_series"),
    "cagr: not compounded": ("wealth ** (periods / len(returns)) - 1.0", "(wealth - 1.0) * periods / len(returns)", "returns_compound"),
    "volatility: ddof 0": ("np.std(floats(returns), ddof=1)", "np.std(floats(returns), ddof=0)", "published_series"),
    "volatility: 365 days": ("252", "365", "published_series"),
    "sharpe: ddof 0": ("np.mean(values) / np.std(values, ddof=1)", "np.mean(values) / np.std(values)", "published_series"),
    "sharpe: 365 days": ("252", "365", "published_series"),
    "sharpe: first day dropped": ("floats(returns)", "floats(returns)[1:]", "published_series"),
    "sortino: losses alone in the denominator": ("np.minimum(values, 0.0)", "values[values < 0]", "sortino_counts_all_observations"),
    "sortino: 365 days": ("252", "365", "published_series"),
    "calmar: total for annual": ("cagr(returns, periods=periods)", "total_return(returns)", "published_series"),
    "calmar: 365 days": ("252", "365", "published_series"),
    "omega: threshold ignored": ("floats(returns) - threshold", "floats(returns)", "omega_by_hand"),
    "omega: days counted": ("np.sum(np.maximum(excess, 0.0)) / short", "np.sum(excess > 0) / np.sum(excess < 0)", "omega_by_hand"),
    "tail_ratio: upside down": ("abs(high) / abs(low)", "abs(low) / abs(high)", "tails_by_hand"),
    "tail_ratio: one percent": ("0.05", "0.01", "tails_by_hand"),
    "value_at_risk: a size": ("np.quantile(floats(returns), level)", "-np.quantile(floats(returns), level)", "tails_by_hand"),
    "value_at_risk: not interpolated": (
        "np.quantile(floats(returns), level)",
        'np.quantile(floats(returns), level, method="lower")',
        "tails_by_hand",
    ),
    "expected_shortfall: without the quantile": ("values <= least", "values < least", "tails_by_hand"),
    "best: lowest": ("ascending=False, ", "", "best_and_worst_days_and_months"),
    "worst: smallest": ('kind="stable"', 'key=abs, kind="stable"', "best_and_worst_days_and_months"),
    "win_rate: idle sessions lost": ("values[values != 0]", "values", "win_rate_and_profit_factor_by_hand"),
    "profit_factor: first day dropped": ("omega(returns)", "omega(returns.iloc[1:])", "win_rate_and_profit_factor_by_hand"),
    "monthly_returns: sum for product": (".prod(skipna=False)", ".sum(skipna=False)", "best_and_worst_days_and_months"),
    "monthly_table: unknown returns skipped": (".prod(skipna=False)", ".prod()", "monthly_table"),
    "rolling_sharpe: ddof 0": ("rolling.std(ddof=1)", "rolling.std(ddof=0)", "rolling_sharpe_is_the_sharpe_of_each_window"),
    "rolling_sharpe: 365 days": ("252", "365", "rolling_sharpe_is_the_sharpe_of_each_window"),
    "skewness: small-sample correction": ("_moment(floats(returns), 3)", "float(returns.skew())", "moments_are_those_of_the_population"),
    "kurtosis: in excess of 3": (", 4)", ", 4) - 3.0", "moments_are_those_of_the_population"),
}
DRAWDOWN = {
    "underwater: first day dropped": (
        "np.maximum(np.maximum.accumulate(wealth), 1.0)",
        "np.maximum.accumulate(wealth)",
        "loss_on_the_first_day_is_a_drawdown",
    ),
    "underwater: below the start": ("wealth / peak - 1.0", "wealth - 1.0", "drawdowns_table"),
    "max_drawdown: last for deepest": (
        "np.min(underwater(returns).to_numpy())",
        "underwater(returns).to_numpy()[-1]",
        "loss_on_the_first_day_is_a_drawdown",
    ),
    "drawdowns: recovered while ongoing": (".where(~ongoing)", "", "drawdowns_table"),
    "drawdowns: recovery counted": ('"sessions": end - start', '"sessions": end - start + 1', "drawdowns_table"),
    "drawdowns: sessions for calendar days": (
        "(times[np.minimum(end, len(times) - 1)] - times[start]).days",
        "end - start",
        "a_drawdown_over_a_weekend",
    ),
    "drawdowns: in order of time": ('table.sort_values("depth"', 'table.sort_values("start"', "drawdowns_table"),
    "time_under_water: the peak itself": ("np.mean(depth < 0)", "np.mean(depth <= 0)", "time_under_water_and_ulcer_index_by_hand"),
    "ulcer_index: mean for root mean square": (
        "np.sqrt(np.mean(floats(underwater(returns)) ** 2))",
        "-np.mean(floats(underwater(returns)))",
        "time_under_water_and_ulcer_index_by_hand",
    ),
    "alpha_beta: ddof 0 below ddof 1": ("np.var(other, ddof=1)", "np.var(other)", "alpha_beta"),
    "alpha_beta: alpha not annualised": (" * periods", "", "alpha_beta"),
    "alpha_beta: 365 days": ("252", "365", "a_year_has_252_sessions_unless_told"),
    "active_returns: unknown benchmark is 0": ("other=benchmark)", "other=benchmark.fillna(0.0))", "active_returns_by_hand"),
    "tracking_error: not annualised": ("periods=periods", "periods=1", "active_returns_by_hand"),
    "tracking_error: 365 days": ("252", "365", "a_year_has_252_sessions_unless_told"),
    "information_ratio: 365 days": ("252", "365", "a_year_has_252_sessions_unless_told"),
    "information_ratio: of all returns": ("active_returns(returns, benchmark)", "returns", "active_returns_by_hand"),
    "up_capture: flat sessions too": ('both["other"] > 0', 'both["other"] >= 0', "capture_by_hand"),
    "up_capture: arithmetic means": ("growth ** (1.0 / len(both)) - 1.0", "both.mean()", "capture_by_hand"),
    "down_capture: flat sessions too": ('both["other"] < 0', 'both["other"] <= 0', "capture_by_hand"),
    "gross_exposure: shorts net off": ("exposure.abs()", "exposure", "exposure_by_hand"),
    "net_exposure: gross": ("exposure.sum", "exposure.abs().sum", "exposure_by_hand"),
    "time_in_market: all the time": ("np.mean(gross > 0)", "np.mean(gross >= 0)", "exposure_by_hand"),
    "annual_turnover: 365 days": ("252", "365", "a_year_has_252_sessions_unless_told"),
    "break_even_bps: percent": ("1e4", "1e2", "break_even_cost_by_hand"),
    "break_even_bps: per session": (
        "np.sum(floats(gross_returns)) / traded",
        "np.mean(floats(gross_returns)) / traded",
        "break_even_cost_by_hand",
    ),
}
ACCURACY = {
    "judged: flat targets too": (' & (both["target"] != 0)]', "]", "hit_rate_and_base_rate"),
    "hit_rate: flat rows are misses": ("judged(signal, target)", "paired(signal=signal, target=target)", "hit_rate_and_base_rate"),
    "base_rate: share that rose": ("[1].max()", "[1][-1]", "hit_rate_and_base_rate"),
    "mcc: twice the hit rate less one": (
        "np.corrcoef(called.astype(float), came.astype(float))[0, 1]",
        "2 * np.mean(called == came) - 1",
        "classifier_vector",
    ),
    "auc: ties by order": ('both["signal"].rank()', 'both["signal"].rank(method="first")', "auc_counts_ties_half_and_needs_both_classes"),
    "auc: upside down": ("ranks[rose]", "ranks[~rose]", "classifier_vector"),
    "balanced_accuracy: hit rate": (
        "(np.mean(called[came]) + np.mean(~called[~came])) / 2.0",
        "np.mean(called == came)",
        "balanced_accuracy_by_hand",
    ),
    "session_hits: silent sessions lost": (".reindex(signal.index.get_level_values(0).unique(), fill_value=0)", "", "session_hits_by_hand"),
    "coverage: of the judged rows": ("n / max(n_known, 1)", "n / max(len(rows), 1)", "coverage_by_hand"),
    "coverage: weakest instead of strongest": ("strength >= threshold[:, None]", "strength <= threshold[:, None]", "coverage_by_hand"),
    "brier: absolute error": ("(said - rose) ** 2", "np.abs(said - rose)", "classifier_vector"),
    "brier_skill: against one half": ("float(np.mean(rose) * (1.0 - np.mean(rose)))", "0.25", "brier_skill_by_hand"),
    "log_loss: in bits": ("np.log(came)", "np.log2(came)", "log_loss_by_hand"),
    "log_loss: rises alone": ("np.where(rose, said, 1.0 - said)", "said", "log_loss_by_hand"),
    "calibration: upper edges": (
        'np.searchsorted(edges, said, side="right")',
        'np.searchsorted(edges, said, side="left")',
        "calibration_by_hand",
    ),
    "calibration: middle of the bin": (
        '"probability": mean[0]',
        '"probability": (edges[:width] + edges[-width:]) / 2',
        "calibration_by_hand",
    ),
    "calibration: any number is a probability": ("if odd.any():", "if False:", "a_signal_is_no_probability"),
}
SIGNAL = {
    "information_coefficient: Pearson's": ("ranks = known.groupby(level=0).rank()", "ranks = known", "information_coefficient_by_hand"),
    "information_coefficient: two names": (".where(n_names >= LEAST_NAMES)", "", "information_coefficient_by_hand"),
    "newey_west_t: no overlap": ("centred @ centred + 2.0 * overlap", "centred @ centred", "newey_west_vector"),
    "newey_west_t: lags counted once": ("2.0 * overlap", "overlap", "newey_west_vector"),
    "newey_west_t: flat weights": ("(1.0 - k / (lag + 1.0)) * ", "", "newey_west_vector"),
    "newey_west_t: weights end a lag early": ("k / (lag + 1.0)", "k / lag", "newey_west_vector"),
    "newey_west_t: ddof 1": (
        "values.mean() * n / math.sqrt(variance)",
        "values.mean() * n / math.sqrt(variance * n / (n - 1))",
        "newey_west_vector",
    ),
    "overlap_lags: none": ("2 * horizon", "0", "overlapping_labels_fool_the_naive_test"),
    "ic_summary: plain t-test": ("newey_west_t(per_session, lag)", "newey_west_t(per_session, 0)", "ic_summary_corrects_for_overlap"),
    "ic_summary: ddof 0": ("np.std(values, ddof=1)", "np.std(values)", "ic_summary_by_hand"),
    "ic_summary: unknown sessions are misses": ("np.mean(values > 0)", "np.mean(per_session > 0)", "ic_summary_by_hand"),
    "ic_decay: overlap not corrected": ("overlap_lags(h)", "0", "ic_decay_over_horizons"),
    "ic_decay: as given": ("for h in sorted(targets)", "for h in targets", "ic_decay_over_horizons"),
    "quantile_returns: ties by order": ("by_session.rank()", 'by_session.rank(method="first")', "quantile_returns_by_hand"),
    "quantile_returns: half a rank off": (" - 0.5", "", "quantile_returns_by_hand"),
    "quantile_returns: too few names": ("(n_names >= n_quantiles) & ", "", "quantile_returns_by_hand"),
    "quantile_returns: one signal for all": (
        ' & (by_session.transform("min") < by_session.transform("max"))',
        "",
        "quantile_returns_by_hand",
    ),
    "quantile_spread: bottom less top": (
        "per_session.iloc[:, -1] - per_session.iloc[:, 0]",
        "per_session.iloc[:, 0] - per_session.iloc[:, -1]",
        "quantile_returns_by_hand",
    ),
    "quantile_summary: overlap not corrected": ("newey_west_t(column, lag)", "newey_west_t(column, 0)", "quantile_summary_by_hand"),
    "rank_autocorrelation: always one session": (".shift(lag)", ".shift(1)", "rank_autocorrelation_by_hand"),
    "session_rank_sums: ranks within a session": ("known[name].rank()", "known[name].groupby(level=0).rank()", "pooled_ic_by_hand"),
    "session_rank_sums: silent sessions lost": (".reindex(_sessions(signal), fill_value=0.0)", "", "pooled_ic_by_hand"),
    "pooled_ic: first session dropped": ("sums[SUMS].to_numpy()", "sums[SUMS].to_numpy()[1:]", "pooled_ic_by_hand"),
    "correlation_of_sums: not centred": ("ab / count - (a / count) * (b / count)", "ab / count", "many_resamples_at_once"),
}
MUTANTS = {
    name: (right, wrong, file, f"test_{test}")
    for file, group in {"returns": RETURNS, "drawdown": DRAWDOWN, "accuracy": ACCURACY, "signal": SIGNAL}.items()
    for name, (right, wrong, test) in group.items()
}


def broken(metric: str, right: str, wrong: str) -> tuple[Path, str]:
    """Return the file of a metric, and its text with the only `right` in that function replaced, or else in a helper of its module."""
    function = getattr(metrics, metric)
    path = Path(inspect.getfile(function))
    source, body = path.read_text(encoding="utf-8"), inspect.getsource(function)
    place = body if right in body else source
    assert place.count(right) == 1, f"{metric} no longer holds {right!r} once: mend this mutant"
    return path, source.replace(place, place.replace(right, wrong))


def loaded(folder: Path, file: str = "", text: str = "") -> ModuleType:
    """Return the package loaded from a copy, one file of it with another text; the one in use stays as it is."""
    shutil.copytree(PACKAGE, folder / "metrics", ignore=shutil.ignore_patterns("__pycache__"))
    if file:
        (folder / "metrics" / file).write_text(text, encoding="utf-8")
    in_use = {name: sys.modules.pop(name) for name in list(sys.modules) if f"{name}.".startswith("quantlab.metrics.")}
    try:
        spec = spec_from_file_location("quantlab.metrics", folder / "metrics" / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        package = sys.modules["quantlab.metrics"] = module_from_spec(spec)
        spec.loader.exec_module(package)
        return package
    finally:
        for name in [name for name in sys.modules if f"{name}.".startswith("quantlab.metrics.")]:
            del sys.modules[name]
        sys.modules.update(in_use)


def run_on(package: ModuleType, file: str, test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test of another file on a copy of the package."""
    tests = importlib.import_module(f"test_metrics_{file}")
    monkeypatch.setattr(tests, "metrics", package)
    getattr(tests, test)()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_metric_is_caught(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line exists once, is replaced, and the test beside it fails: an assertion, not an error of its own."""
    right, wrong, file, test = MUTANTS[name]
    path, text = broken(name.partition(":")[0], right, wrong)
    package = loaded(tmp_path, path.name, text)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_on(package, file, test, monkeypatch)


@pytest.mark.parametrize(("file", "test"), sorted({mutant[2:] for mutant in MUTANTS.values()}))
def test_an_unbroken_copy_passes(file: str, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the broken line that fails, not the copying."""
    package = loaded(tmp_path)
    assert Path(str(package.__file__)).is_relative_to(tmp_path)
    run_on(package, file, test, monkeypatch)


def test_each_metric_has_a_mutant() -> None:
    """A new metric is broken here too."""
    functions = {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}
    assert functions == {name.partition(":")[0] for name in MUTANTS}
