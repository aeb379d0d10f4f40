"""Data sets: a folder, or frames in memory, to a checked `Dataset`.

    dataset = read_dataset("data/sample")
    dataset = from_frames(bars, news, settings=Settings(calendar="XLON"))

Every problem is found before anything is computed, and each names its place and its fix. What happens to odd rows:

| row | what happens |
|---|---|
| bar on a day without a session; a stamp that cannot be read; a cell that is no number | error |
| bar with prices or volume missing in part, not positive, high < low | error |
| bar with open or close outside [low, high] | by at most 0.5 %: the range is widened, with a note; else error |
| two bars of one time and symbol | the same: the later row is dropped and counted; different: error |
| bar without any price; bar outside its symbol's dated listing | dropped and counted |
| session without a bar of any symbol | note; it is no row of the bars |
| adj_close that differs from close with `adjusted = "all"` | error |
| document without a text; on a symbol without bars; a copy of an earlier one | dropped and counted |
| document before the first or after the last bar | kept: no bar knows it, or every one could |
| document without symbol or stamp | error |
| short or long row, column twice in the header, another delimiter, not UTF-8 | error |
| column that is not known | passed over |
"""

from quantlab.data.assemble import from_frames, read_dataset
from quantlab.data.settings import Settings

__all__ = ["Settings", "from_frames", "read_dataset"]
