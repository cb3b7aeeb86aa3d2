"""How much of everything: the figures of docs/reliability.md, or a share of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A share in (0, 1] of the whole, and the seed of everything that is drawn."""

    share: float
    seed: int

    def of(self, whole: int, *, least: int = 1) -> int:
        return max(least, round(whole * self.share))

    def draw(self, what: str) -> random.Random:
        """A generator of its own for each thing that is drawn, so that one more draw here moves nothing there."""
        return random.Random(f"{self.seed}:{what}")


@dataclass(slots=True, kw_only=True)
class Shown:
    """A promise, what was done to it, and what came of it. `wrong` names what broke it; empty is kept."""

    promise: str
    did: str
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def expect(self, *, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    @property
    def kept(self) -> bool:
        return not self.wrong


Fault = Callable[..., Shown]
