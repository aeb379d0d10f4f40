"""Fine-tuning as a command: a labelled file in, a model folder out, with a card that says how good it is and how that is known.

    read_examples -> split -> fit (journal) -> model folder -> scores on the test part -> card

1. `examples`: rows are read strictly; one of each text stays, so no text stands on both sides of the split.
2. `split`: random and stratified, or, with a time column, the last part; what was not settled before it began is purged.
3. `tuning`: the loop of `text.finetune`, each pass kept aside in `FOLDER.unfinished`, so that the same command goes on after a kill.
4. `scores`: of the folder as it was written, on rows that training never saw. The folder is renamed into place when it is complete.
"""

from __future__ import annotations

from quantlab.finetune.examples import Columns, Examples, read_examples
from quantlab.finetune.scores import scores
from quantlab.finetune.split import Split, split
from quantlab.finetune.tuning import Settings, finetune_file, for_labels

__all__ = ["Columns", "Examples", "Settings", "Split", "finetune_file", "for_labels", "read_examples", "scores", "split"]
