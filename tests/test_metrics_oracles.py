"""Where other libraries follow the same conventions they must agree; where they do not, the difference is named here."""

from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
from metrics_case import market, published
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from quantlab import metrics

RETURNS = [published(), -published(), published().iloc[100:160]]


@pytest.fixture(scope="module")
def empyrical() -> ModuleType:
    """Return empyrical, or skip."""
    found: ModuleType = pytest.importorskip("empyrical", reason="empyrical-reloaded is an oracle, not a dependency")
    return found


@pytest.fixture(scope="module")
def quantstats() -> ModuleType:
    """Return the figures of quantstats, or skip; what it imports for plots and downloads is stood in for if it is not there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("seaborn", "tabulate", "yfinance"):
            if find_spec(name) is None:
                patch.setitem(sys.modules, name, MagicMock())
        found: ModuleType = pytest.importorskip("quantstats.stats", reason="quantstats is an oracle, not a dependency")
    return found


def naive(returns: pd.Series) -> pd.Series:
    """Return the same without a time zone, which quantstats cannot read."""
    return returns.set_axis(pd.DatetimeIndex(returns.index).tz_localize(None))


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("total_return", "cum_returns_final"),
        ("cagr", "cagr"),
        ("volatility", "annual_volatility"),
        ("sharpe", "sharpe_ratio"),
        ("sortino", "sortino_ratio"),
        ("calmar", "calmar_ratio"),
        ("max_drawdown", "max_drawdown"),
        ("omega", "omega_ratio"),
        ("tail_ratio", "tail_ratio"),
        ("value_at_risk", "value_at_risk"),
    ],
)
def test_empyrical_agrees(empyrical: ModuleType, ours: str, theirs: str, returns: pd.Series) -> None:
    """On returns alone. Not compared: its expected shortfall rounds the number of days in the tail down, ours uses the quantile."""
    assert getattr(metrics, ours)(returns) == pytest.approx(getattr(empyrical, theirs)(returns))


@pytest.mark.parametrize("returns", RETURNS)
def test_empyrical_agrees_against_a_benchmark(empyrical: ModuleType, returns: pd.Series) -> None:
    """Its information ratio is per session; captures are geometric means as ours where it is told that a period is a year."""
    benchmark = market().reindex(returns.index)
    assert metrics.alpha_beta(returns, benchmark)[1] == pytest.approx(empyrical.beta(returns, benchmark))
    ratio = empyrical.excess_sharpe(returns, benchmark)
    assert metrics.information_ratio(returns, benchmark) == pytest.approx(ratio * math.sqrt(252))
    assert metrics.up_capture(returns, benchmark) == pytest.approx(empyrical.up_capture(returns, benchmark, period="yearly"))
    assert metrics.down_capture(returns, benchmark) == pytest.approx(empyrical.down_capture(returns, benchmark, period="yearly"))


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("total_return", "comp"),
        ("cagr", "cagr"),
        ("volatility", "volatility"),
        ("sharpe", "sharpe"),
        ("sortino", "sortino"),
        ("calmar", "calmar"),
        ("max_drawdown", "max_drawdown"),
        ("omega", "omega"),
        ("tail_ratio", "tail_ratio"),
        ("win_rate", "win_rate"),
        ("profit_factor", "profit_factor"),
    ],
)
def test_quantstats_agrees(quantstats: ModuleType, ours: str, theirs: str, returns: pd.Series) -> None:
    """On returns alone. Not compared: its value at risk fits a normal distribution, its moments correct for small samples."""
    assert getattr(metrics, ours)(returns) == pytest.approx(getattr(quantstats, theirs)(naive(returns)))


@pytest.mark.parametrize("returns", RETURNS)
def test_quantstats_agrees_up_to_a_convention(quantstats: ModuleType, returns: pd.Series) -> None:
    """Its historical shortfall, alpha and beta are ours; its ulcer index divides by n - 1, its information ratio is per session."""
    own, other, n = naive(returns), naive(market().reindex(returns.index)), len(returns)
    shortfall = quantstats.conditional_value_at_risk(own, method="historical")
    assert metrics.expected_shortfall(returns) == pytest.approx(shortfall)
    assert metrics.ulcer_index(returns) == pytest.approx(quantstats.ulcer_index(own) * math.sqrt((n - 1) / n))
    greeks = quantstats.greeks(own, other)
    assert metrics.alpha_beta(own, other) == pytest.approx((greeks["alpha"], greeks["beta"]))
    assert metrics.information_ratio(own, other) == pytest.approx(quantstats.information_ratio(own, other) * math.sqrt(252))


def test_scikit_learn_agrees() -> None:
    """Every figure of accuracy that it has, on a probability that knows a little."""
    random = np.random.default_rng(3)
    probability = pd.Series(random.uniform(size=500))
    target = pd.Series(np.where(random.uniform(size=500) < 0.3 + 0.4 * probability, 1.0, -1.0))
    rose, signal, called = target > 0, 2 * probability - 1, probability > 0.5
    assert metrics.hit_rate(signal, target) == pytest.approx(sklearn_metrics.accuracy_score(rose, called))
    assert metrics.balanced_accuracy(signal, target) == pytest.approx(sklearn_metrics.balanced_accuracy_score(rose, called))
    assert metrics.mcc(signal, target) == pytest.approx(sklearn_metrics.matthews_corrcoef(rose, called))
    assert metrics.auc(signal, target) == pytest.approx(sklearn_metrics.roc_auc_score(rose, probability))
    assert metrics.brier(probability, target) == pytest.approx(sklearn_metrics.brier_score_loss(rose, probability))
    assert metrics.brier_skill(probability, target) == pytest.approx(1 - sklearn_metrics.brier_score_loss(rose, probability) / np.var(rose))
    assert metrics.log_loss(probability, target) == pytest.approx(sklearn_metrics.log_loss(rose, probability))
    for strategy in ("uniform", "quantile"):
        table = metrics.calibration(probability, target, n_bins=7, strategy=strategy)
        share_up, mean = calibration_curve(rose, probability, n_bins=7, strategy=strategy)
        assert table["share_up"].tolist() == pytest.approx(share_up)
        assert table["probability"].tolist() == pytest.approx(mean)


@pytest.mark.parametrize("lag", [0, 3, 10])
def test_statsmodels_agrees(lag: int) -> None:
    """Newey and West's t is that of a regression on a constant with HAC errors, without its small-sample correction."""
    api = pytest.importorskip("statsmodels.api", reason="statsmodels is an oracle, not a dependency")
    values = published()
    fit = api.OLS(values.to_numpy(), np.ones(len(values))).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    assert metrics.newey_west_t(values, lag) == pytest.approx(float(fit.tvalues[0]))
