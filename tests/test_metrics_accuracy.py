"""Direction and probabilities against hand-worked cases."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from metrics_case import rows, series

from quantlab import metrics
from quantlab.errors import DataError, UsageError

PROBABILITY = series(0.9, 0.8, 0.7, 0.6, 0.55, 0.4, 0.35, 0.3, 0.2, 0.1)
ROSE = series(1, 1, 0, 1, 0, 1, 0, 0, 0, 0)


def test_hit_rate_and_base_rate() -> None:
    """A zero signal, and a target that is unknown or 0, are not judged."""
    signal = rows([1, -1, 1, 0, 1, 1])
    target = rows([0.1, -0.2, -0.1, 0.3, math.nan, 0.0])
    assert metrics.hit_rate(signal, target) == pytest.approx(2 / 3)
    assert metrics.base_rate(metrics.judged(signal, target)["target"]) == pytest.approx(2 / 3)
    assert metrics.base_rate(series(1, 2, 3, -1)) == 0.75
    assert math.isnan(metrics.hit_rate(rows([0.0]), rows([1.0])))
    assert math.isnan(metrics.base_rate(series()))


def test_classifier_vector() -> None:
    """Ten probabilities: Brier .1625, AUC .875, MCC .408248."""
    probability = series(0.9, 0.8, 0.7, 0.6, 0.55, 0.4, 0.35, 0.3, 0.2, 0.1)
    rose = series(1, 1, 0, 1, 0, 1, 0, 0, 0, 0)
    assert metrics.brier(probability, rose) == pytest.approx(0.1625)
    assert metrics.auc(probability, rose) == pytest.approx(0.875)
    assert metrics.mcc(2 * probability - 1, 2 * rose - 1) == pytest.approx(0.408248, abs=1e-6)


def test_auc_counts_ties_half_and_needs_both_classes() -> None:
    """A constant signal ranks nothing: .5. With one class alone there is nothing to rank."""
    assert metrics.auc(series(1, 1, 1, 1), series(1, -1, 1, -1)) == 0.5
    assert math.isnan(metrics.auc(series(1, 2), series(1, 1)))
    for signal, target in (((1, 2), (1, -1)), ((-1, -2), (1, -1)), ((1, -1), (-1, -2)), ((1, -1), (1, 2))):
        assert math.isnan(metrics.mcc(series(*signal), series(*target)))


def test_balanced_accuracy_by_hand() -> None:
    """Two of three rises and the only fall were called: (2/3 + 1) / 2; always naming the rise earns a half."""
    target = rows([1, 1, 1, -1])
    assert metrics.balanced_accuracy(rows([1, 1, -1, -1]), target) == pytest.approx(5 / 6)
    assert metrics.balanced_accuracy(rows([1, 1, 1, 1]), target) == 0.5
    assert metrics.balanced_accuracy(2 * PROBABILITY - 1, 2 * ROSE - 1) == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert math.isnan(metrics.balanced_accuracy(rows([1, -1]), rows([1, 1])))


def test_session_hits_by_hand() -> None:
    """Hits, rises and judged rows of each session; one without a judged row is there with zeros; the sums give the rates."""
    signal = rows([1, -1, 1], [0, 0, 0], [-1, 1, 1])
    target = rows([1, -1, -1], [1, 1, 1], [1, 1, math.nan])
    table = metrics.session_hits(signal, target)
    assert table.to_numpy().tolist() == [[2, 1, 3], [0, 0, 0], [1, 2, 2]]
    assert list(table.columns) == ["hits", "up", "n"]
    assert table.index.equals(signal.index.get_level_values(0).unique())
    total = table.sum()
    assert total["hits"] / total["n"] == metrics.hit_rate(signal, target)
    assert max(total["up"], total["n"] - total["up"]) / total["n"] == metrics.base_rate(metrics.judged(signal, target)["target"])
    assert metrics.session_hits(rows([0.0]), rows([1.0])).to_numpy().tolist() == [[0, 0, 0]]


def test_coverage_by_hand() -> None:
    """The weakest of four signals is wrong: judged on all 4 of 5 rows 3/4 are right, on the stronger half all are."""
    signal, target = rows([0.1, -0.2, 0.3, -0.4, 0.0, 0.9]), rows([-1, -1, 1, -1, 1, math.nan])
    table = metrics.coverage(signal, target, n_levels=2)
    assert table["threshold"].tolist() == [0.1, 0.3]
    assert table["coverage"].tolist() == pytest.approx([0.8, 0.4])
    assert table["hit_rate"].tolist() == pytest.approx([0.75, 1.0])
    assert table["n"].tolist() == [4, 2]
    assert metrics.coverage(signal, target, n_levels=4)["n"].tolist() == [4, 3, 2, 1]


def test_coverage_counts_only_what_signal_and_target_know() -> None:
    """A row without a signal is no abstention: nobody asked. One row judged is all of them; ten levels are the default."""
    assert metrics.coverage(rows([1, math.nan, 0]), rows([1, 1, 1]))["coverage"].tolist() == [0.5]
    assert metrics.coverage(rows([1.0]), rows([1.0]))["coverage"].tolist() == [1.0]
    levels = rows([float(k) for k in range(1, 11)], [float(k) for k in range(11, 21)])
    assert metrics.coverage(levels, levels)["n"].tolist() == list(range(20, 0, -2))


def test_coverage_of_ties_and_of_nothing() -> None:
    """Signals of one strength have one level; without a judged row there is none."""
    assert metrics.coverage(rows([1, -1, 1, -1]), rows([1, 1, 1, 1]))[["coverage", "hit_rate"]].to_numpy().tolist() == [[1.0, 0.5]]
    assert metrics.coverage(rows([0.0]), rows([1.0])).empty
    with pytest.raises(UsageError, match="n_levels must be a whole number >= 1, not 0"):
        metrics.coverage(rows([1.0]), rows([1.0]), n_levels=0)


def test_brier_skill_by_hand() -> None:
    """Four of ten rose, so that always saying .4 earns .24; .1625 is better by 32%, saying .4 by nothing."""
    assert metrics.brier_skill(PROBABILITY, ROSE) == pytest.approx(1 - 0.1625 / 0.24)
    assert metrics.brier_skill(0 * PROBABILITY + 0.4, ROSE) == pytest.approx(0.0)
    assert math.isnan(metrics.brier_skill(PROBABILITY, 0 * ROSE))


def test_log_loss_by_hand() -> None:
    """.8 for what rose and .4 for what fell cost -(ln .8 + ln .6) / 2; certain and wrong is finite."""
    assert metrics.log_loss(series(0.8, 0.4), series(1, -1)) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert metrics.log_loss(series(0.5, 0.5), series(1, -1)) == pytest.approx(math.log(2))
    assert metrics.log_loss(series(0.0), series(1)) == pytest.approx(36.04, abs=0.01)
    assert 0.0 < metrics.log_loss(series(1.0), series(1)) < 1e-15


def test_calibration_by_hand() -> None:
    """Ten bins of equal width: a bin holds its lower edge, the last one both; an empty one is shown as such."""
    table = metrics.calibration(series(0.05, 0.1, 0.15, 0.95, 1.0, 0.5), series(-1, 1, -1, 1, 1, math.nan))
    assert table["n"].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert table["low"].tolist() == [k / 10 for k in range(10)]
    assert table["high"].tolist() == [k / 10 for k in range(1, 11)]
    known = table.dropna()
    assert known["probability"].tolist() == pytest.approx([0.05, 0.125, 0.975])
    assert known["share_up"].tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert len(known) == 3


def test_calibration_by_quantiles() -> None:
    """Edges at the quantiles: two bins of two rows; one probability for all is one bin."""
    table = metrics.calibration(series(0.1, 0.2, 0.3, 0.4), series(-1, -1, 1, 1), n_bins=2, strategy="quantile")
    assert table[["low", "high", "probability", "share_up", "n"]].to_numpy().tolist() == [
        pytest.approx([0.1, 0.25, 0.15, 0.0, 2]),
        pytest.approx([0.25, 0.4, 0.35, 1.0, 2]),
    ]
    assert metrics.calibration(series(0.5, 0.5), series(1, -1), strategy="quantile")["n"].tolist() == [2]
    assert metrics.calibration(series(), series(), n_bins=2)["n"].tolist() == [0, 0]
    assert metrics.calibration(series(1.0, 0.2), series(1, -1), n_bins=1)["n"].tolist() == [2]
    with pytest.raises(UsageError, match=r"^calibration: n_bins must be a whole number >= 1, not 0$"):
        metrics.calibration(series(0.5), series(1), n_bins=0)
    assert metrics.calibration(series(), series(), n_bins=2, strategy="quantile")["n"].tolist() == [0, 0]
    with pytest.raises(UsageError, match=r"strategy must be one of uniform, quantile, not 'quantiles' \(did you mean 'quantile'\?\)"):
        metrics.calibration(series(0.5), series(1), strategy="quantiles")  # type: ignore[arg-type]  # the mistake under test


def test_a_signal_is_no_probability() -> None:
    """A signal between -1 and 1 is refused with its place and the way to turn it into one; the last bits of a sum are not."""
    for name in ("brier", "brier_skill", "log_loss", "calibration"):
        with pytest.raises(
            DataError, match=r"it is .*-0.5.* at .*2020-01-02.*: pass \(1 \+ signal\) / 2 for a signal that is P\(up\) - P\(down\)$"
        ):
            getattr(metrics, name)(series(0.5, -0.5), series(1, -1))
        with pytest.raises(DataError, match=r"it is .*1\.5"):
            getattr(metrics, name)(series(0.5, 1.5), series(1, -1))
    assert metrics.brier(series(1.0 + 1e-12, -1e-12), series(1, -1)) == 0.0


def test_nothing_to_judge() -> None:
    """Without a row that is known on both sides every figure is NaN."""
    for name in ("hit_rate", "balanced_accuracy", "mcc", "auc", "brier", "brier_skill", "log_loss"):
        assert math.isnan(getattr(metrics, name)(rows([math.nan, 1.0]), rows([1.0, math.nan]))), name


def test_rows_are_joined_by_time_and_symbol() -> None:
    """The order of the target's rows does not matter, and what it does not have is not judged."""
    signal, target = rows([1, -1, 1], [1, -1, -1]), rows([1, -1, -1], [-1, -1, 1])
    shuffled = target.iloc[[5, 2, 0, 3, 1]]
    kept = target.drop(target.index[4])
    assert metrics.hit_rate(signal, shuffled) == metrics.hit_rate(signal, kept)
    pd.testing.assert_frame_equal(metrics.session_hits(signal, shuffled), metrics.session_hits(signal, kept))
