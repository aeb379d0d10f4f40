"""Whether luck alone could have made this."""

from __future__ import annotations

from quantlab.report import wording as say
from quantlab.report.blocks import Block, Fact, Facts, Notes, Section
from quantlab.report.sections.parts import Figures, listed, text, whole

METHODS = {"bonferroni": "Bonferroni", "holm": "Holm", "bhy": "Benjamini, Hochberg, Yekutieli"}
COUNTED = {
    "alone": "Nobody counted how often the strategy was tried: 1 trial is assumed, which flatters it if there were more.",
    "ledger": "The trials are counted in the ledger beside the reports of this strategy; running the same again does not count twice.",
    "given": "The number of trials was stated on the command line (--trials).",
}


def luck_section(figures: Figures) -> Section:
    """Say what the Sharpe ratio is worth, given its length, its shape and the number of trials."""
    sure, trials = figures["significance"], figures["trials"]
    facts = Facts(
        [
            Fact("Probabilistic Sharpe", say.chance(sure["psr"]), "chance that the true ratio is above 0"),
            Fact("Deflated Sharpe", say.chance(sure["dsr"]), f"the same, above the best of {whole(trials['n'])} by luck"),
            Fact("Trials", whole(trials["n"]), "this run included"),
            Fact("Best by luck", say.number(sure["expected_max_sharpe"]), "Sharpe ratio to expect of the best of them without skill"),
            Fact("Track record needed", whole(sure["min_track_record"]), f"sessions; there are {whole(sure['n_returns'])}"),
            Fact("Superior ability", say.probability(sure["spa_p"]), "p-value of a mean above the benchmark's"),
            Fact("p-value", say.probability(sure["haircut"]["p_value"]), "of the Sharpe ratio, had it been the only trial"),
            Fact("Overfitting probability", say.percent(sure["pbo"]), "needs several variants: see quantlab sweep"),
        ]
    )
    rows = [{"method": METHODS[name], **sure["haircut"][name]} for name in METHODS]
    columns = {
        "Allowing for all trials by": ("method", "text", text),
        "p-value": ("p_value", "number", say.probability),
        "Haircut Sharpe": ("sharpe", "number", say.number),
        "Cut off": ("haircut", "number", lambda share: say.percent(share, 0)),
    }
    caption = "What is left of the Sharpe ratio once the trials are allowed for (Harvey and Liu 2015)"
    blocks: list[Block] = [facts, listed(caption, rows, columns), Notes([COUNTED[trials["source"]], *trials["notes"]])]
    return Section("luck", "Could it be luck?", say.luck_sentence(figures), blocks)
