"""A figure of the benchmark: what was measured in pairs, its median and its spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """One figure.

    Args:
        name: What was measured.
        values: One a round.
        limit: The greatest median that is good enough; ``None`` where none was set.
        unit: Of the values; empty for a ratio.
    """

    name: str
    values: Sequence[float]
    limit: float | None
    unit: str = ""

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    @property
    def holds(self) -> bool:
        """Whether the median is good enough."""
        return self.limit is None or self.median <= self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"≤ {self._shown(self.limit)}"
        spread = f"{self._shown(min(self.values))} to {self._shown(max(self.values))}"
        verdict = "" if self.holds else "  above"
        return f"{self.name:<44}{self._shown(self.median):>10}  {limit:<10}  {spread}{verdict}"

    def _shown(self, value: float) -> str:
        if not self.unit:
            return f"{value:.3f} ×"
        return f"{value:.{2 if value < 100 else 0}f} {self.unit}"


def ratios(with_it: Sequence[float], without_it: Sequence[float]) -> list[float]:
    """Divide what was measured round by round."""
    return [numerator / base for numerator, base in zip(with_it, without_it, strict=True)]
