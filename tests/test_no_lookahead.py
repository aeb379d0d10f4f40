"""Nothing at time t depends on what came after t: the four strategies that come with the package, audited on a small market."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab.audit.full import audit
from quantlab.strategy import Strategy, load_strategy, with_settings
from quantlab.synthetic import make_market

STRATEGIES = Path(__file__).resolve().parents[1] / "strategies"
WINDOWS = ["folds.train=70", "folds.test=30", "folds.min_train=60"]
SMALL = {
    "news_momentum": [*(f"model.text_encoder.{part}" for part in ("max_documents=60", "epochs=1", "n_blocks=2")), "model.n_topics=4"],
    "topic_regimes": ["model.n_topics=4", "model.n_clusters=4"],
}
READS_NO_NEWS = {"price_momentum"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["news_momentum", "price_momentum", "sentiment_ridge", "topic_regimes"])
def test_a_shipped_strategy_passes_its_audit(name: str) -> None:
    """Time cut at fold edges and elsewhere, warm and cold; the future poisoned; canaries, flipped weights, placebos."""

    def fresh() -> Strategy:
        return with_settings(load_strategy(STRATEGIES / f"{name}.py"), [*WINDOWS, *SMALL.get(name, [])])

    report = audit(fresh(), make_market(136, 6, seed=3).dataset, quick=True, fresh=fresh)
    assert report.findings == ()
    assert report.verdict == "held"
    assert len(report.cuts) >= 8
    silent = {check.name for check in report.checks if check.verdict == "not applicable"}
    assert silent == ({"canary", "placebo headlines"} if name in READS_NO_NEWS else set())
