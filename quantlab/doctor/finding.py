"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from quantlab.result import Json

Level: TypeAlias = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: a sentence, what to do about it, and the same as data.

    on_disk: whether a problem is one of files (a cache that cannot be written, a damaged encoder), and not of the installation.
    """

    subject: str
    level: Level
    said: str
    fix: str = ""
    on_disk: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """`warning  cache: 2 entries are damaged`, with the fix on a line of its own."""
        shown = f"{self.level:<8} {self.subject}: {self.said}"
        return f"{shown}\n{'':<8} fix: {self.fix}" if self.fix else shown
