"""`python -m quantlab` is the `quantlab` command."""

import sys

from quantlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
