"""The set of architectures a search may propose, and its exact size.

Source: paper section 2.2, Table 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from robmednas_tf.models.architecture import PATTERNS, Architecture, Block

FILTERS = (8, 16, 32, 64, 128, 256)
REDUCTION_RATIOS = (2, 4, 8, 16)
MAX_DEPTH = 5


@dataclass(frozen=True)
class SearchSpace:
    """The architectures a search may propose.

    Attributes:
        max_depth: Largest depth; every depth from 1 on is in the space.
        patterns: Allowed connection patterns.
        filters: Allowed numbers of filters.
        reduction_ratios: Allowed reduction ratios where squeeze-and-excitation is on; empty
            where it is never on.

    Raises:
        ValueError: If a set is empty, has repeats, or holds a value outside its domain.

    Source: paper Table 1.
    """

    max_depth: int = MAX_DEPTH
    patterns: tuple[str, ...] = PATTERNS
    filters: tuple[int, ...] = FILTERS
    reduction_ratios: tuple[int, ...] = REDUCTION_RATIOS

    def __post_init__(self) -> None:
        if self.max_depth < 1:
            raise ValueError(f"max_depth must be at least 1. Received: {self.max_depth}.")
        for name in ("patterns", "filters"):
            if not getattr(self, name):
                raise ValueError(f"A search space needs at least one value of {name}.")
        for name in ("patterns", "filters", "reduction_ratios"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"A search space's {name} must differ. Received: {values}.")
        for block in self._blocks():
            Block(*block)

    @property
    def num_blocks(self) -> int:
        """Number of configurations of one block (450 in the paper)."""
        return len(self._blocks())

    @property
    def size(self) -> int:
        """Exact number of architectures: the sum over depths d of `num_blocks ** (2 d)`."""
        return sum(self.num_blocks ** (2 * depth) for depth in range(1, self.max_depth + 1))

    def __contains__(self, architecture: Architecture) -> bool:
        blocks = set(self._blocks())
        return architecture.depth <= self.max_depth and all(
            (block.pattern, block.filters, block.reduction_ratio) in blocks
            for block in architecture.encoder + architecture.decoder
        )

    def _blocks(self) -> list[tuple[str, int, int | None]]:
        return [
            (pattern, filters, ratio)
            for pattern in self.patterns
            for filters in self.filters
            for ratio in (None, *self.reduction_ratios)
        ]
