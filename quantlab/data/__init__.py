"""Data sets: a folder, or frames in memory, to a checked `Dataset`.

    dataset = read_dataset("data/sample")
    dataset = from_frames(bars, news, settings=Settings(calendar="XLON"))

Every problem is found before anything is computed, and each names its place and its fix. What an odd row or file leads to is listed
in `quantlab.data.rules`; docs/bad_input.md shows what is answered.
"""

from quantlab.data.assemble import examine, from_frames, read_dataset
from quantlab.data.settings import Settings

__all__ = ["Settings", "examine", "from_frames", "read_dataset"]
