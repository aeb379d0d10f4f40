"""How long it takes to begin: the command's help and the imports, each in a fresh process, next to `import pandas` alone.

Wherever the command is started from it must print the same help, and no public name may load a heavy library.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
from functools import partial
from pathlib import Path

from timing import fresh, interleaved, table

HEAVY = {"gensim", "jinja2", "lightgbm", "plotly", "torch", "transformers", "vectorbt"}
IMPORTS = ("pass", "import pandas", "import quantlab", "import pandas, quantlab", "from quantlab import *")


def main() -> None:
    """Check the help and the imports, time each start, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()

    command = Path(sysconfig.get_path("scripts")) / "quantlab"
    assert fresh(command, "--help").stdout == fresh(sys.executable, "-m", "quantlab", "--help").stdout, "two doors, two texts"
    loaded = set(fresh(sys.executable, "-c", "from quantlab import *; import sys; print(*sys.modules)").stdout.split())
    assert not loaded & HEAVY, f"the public names load {sorted(loaded & HEAVY)}"

    imports = {code: partial(fresh, sys.executable, "-c", code) for code in IMPORTS}
    seconds = interleaved({"quantlab --help": partial(fresh, command, "--help"), **imports}, rounds=given.rounds)
    print(table(seconds, reference="import pandas"))


if __name__ == "__main__":
    main()
