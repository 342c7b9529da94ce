"""U-Net architectures as plain values: blocks, whole architectures, and those known by name.

Source: paper section 2.2, Figures 1 and 2, Tables 1 and 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATTERNS = tuple(f"{number:04b}" for number in range(1, 16))

# The figure that draws the branches is not in the paper's text. The paper generalises a U-Net of
# "modified Inception V3 blocks" whose switches choose "different combinations of convolutional
# kernels": so Inception's four branches, the 5x5 factored into two 3x3 as in its third version.
# Each branch is a chain of (layer, kernel size), every layer with stride 1.
BRANCHES: tuple[tuple[tuple[str, int], ...], ...] = (
    (("conv", 1),),
    (("conv", 1), ("conv", 3)),
    (("conv", 1), ("conv", 3), ("conv", 3)),
    (("pool", 3), ("conv", 1)),
)


def active_branches(pattern: str) -> tuple[int, ...]:
    """Returns the places (from 0, A1 first) of the branches that `pattern` switches on."""
    return tuple(place for place, switch in enumerate(pattern) if switch == "1")


def _require_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number > 0. Received: {value!r}.")


def _require_keys(
    subject: str, values: Mapping[str, Any], required: set[str], optional: set[str]
) -> None:
    missing, unknown = required - set(values), set(values) - required - optional
    if missing or unknown:
        raise ValueError(
            f"{subject} must have the keys {sorted(required)}. "
            f"Missing: {sorted(missing)}. Unknown: {sorted(unknown)}."
        )


@dataclass(frozen=True)
class Block:
    """One configurable encoder or decoder block.

    Attributes:
        pattern: Four switches `A1 A2 A3 A4` as bits, A1 leftmost, at least one on.
        filters: Number of filters of every convolution in the block, > 0.
        reduction_ratio: Squeeze-and-excitation's reduction ratio, > 0, or None without it.

    Raises:
        ValueError: If a value is outside its domain.

    Source: paper Figure 2, Table 1.
    """

    pattern: str
    filters: int
    reduction_ratio: int | None = None

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise ValueError(
                "A block's pattern must be four switches with at least one on, such as '0110'. "
                f"Received: {self.pattern!r}."
            )
        _require_count("filters", self.filters)
        if self.reduction_ratio is not None:
            _require_count("reduction_ratio", self.reduction_ratio)

    @property
    def squeeze_units(self) -> int:
        """Units of the squeeze layer; at least one, also where the ratio exceeds the filters."""
        if self.reduction_ratio is None:
            raise ValueError("A block without squeeze-and-excitation has no squeeze units.")
        return max(1, self.filters // self.reduction_ratio)

    def to_dict(self) -> dict[str, Any]:
        """Returns the block as a JSON-ready dictionary."""
        return {
            "pattern": self.pattern,
            "filters": self.filters,
            "reduction_ratio": self.reduction_ratio,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Block:
        """Builds a block from `to_dict`'s form; a missing `reduction_ratio` means none.

        Raises:
            ValueError: If a key is missing or unknown, or a value is outside its domain.
        """
        _require_keys("A block", values, {"pattern", "filters"}, {"reduction_ratio"})
        return cls(values["pattern"], values["filters"], values.get("reduction_ratio"))


@dataclass(frozen=True)
class Architecture:
    """A U-Net: its encoder and decoder blocks, each in the order the data passes them.

    Attributes:
        encoder: Blocks from the full grid down, each of which halves the grid.
        decoder: Blocks from the coarsest grid up, as many as the encoder has.

    Raises:
        ValueError: If there is no block or the two halves differ in length.

    Source: paper Figure 1.
    """

    encoder: tuple[Block, ...]
    decoder: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not self.encoder or len(self.encoder) != len(self.decoder):
            raise ValueError(
                "An architecture needs as many decoder as encoder blocks, and at least one. "
                f"Received: {len(self.encoder)} encoder, {len(self.decoder)} decoder blocks."
            )

    @property
    def depth(self) -> int:
        """Number of encoder blocks."""
        return len(self.encoder)

    def to_dict(self) -> dict[str, Any]:
        """Returns the architecture as a JSON-ready dictionary."""
        return {
            "encoder": [block.to_dict() for block in self.encoder],
            "decoder": [block.to_dict() for block in self.decoder],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """Builds an architecture from `to_dict`'s form.

        Raises:
            ValueError: If a key is missing or unknown, or a block is not valid.
        """
        _require_keys("An architecture", values, {"encoder", "decoder"}, set())
        return cls(
            tuple(Block.from_dict(block) for block in values["encoder"]),
            tuple(Block.from_dict(block) for block in values["decoder"]),
        )

    def to_json(self) -> str:
        """Returns the architecture as one line of JSON, the same for equal architectures."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Builds an architecture from JSON.

        Raises:
            ValueError: If `text` is not JSON or not an architecture.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError(f"An architecture must be a JSON object. Received: {text[:60]!r}.")
        return cls.from_dict(values)


def _table(*columns: tuple[str, int, int | None]) -> tuple[Block, ...]:
    return tuple(Block(*column) for column in columns)


NAMED: Mapping[str, Architecture] = {
    # Hand-crafted. The paper defers to Massa et al. 2020, whose filter counts are not public:
    # these are this project's choice.
    "baseline": Architecture(
        encoder=_table(*(("1111", filters, None) for filters in (16, 32, 64, 128, 256))),
        decoder=_table(*(("1111", filters, None) for filters in (256, 128, 64, 32, 16))),
    ),
    # Paper Table 4, the best architecture of the search with TPE.
    "robmednas_t": Architecture(
        encoder=_table(
            ("1110", 128, 16),
            ("0110", 256, 4),
            ("0111", 64, None),
            ("1110", 128, 8),
            ("0010", 256, None),
        ),
        decoder=_table(
            ("0111", 8, 8),
            ("0001", 128, 8),
            ("1100", 64, 8),
            ("0010", 128, None),
            ("0010", 8, 4),
        ),
    ),
}


def load_architecture(name_or_path: str | Path) -> Architecture:
    """Returns a named architecture, or the one in a JSON file.

    Args:
        name_or_path: A key of `NAMED`, or the path of a file in `Architecture.to_json`'s form.

    Raises:
        ValueError: If it is neither, or the file does not hold an architecture.
    """
    if str(name_or_path) in NAMED:
        return NAMED[str(name_or_path)]
    path = Path(name_or_path)
    if not path.is_file():
        raise ValueError(
            f"An architecture must be one of {sorted(NAMED)} or a JSON file. "
            f"Received: {str(name_or_path)!r}, which is neither."
        )
    try:
        return Architecture.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"File {str(path)!r} does not hold an architecture: {error}") from error
