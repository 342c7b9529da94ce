"""How volumes become what a network sees, apart from the size of its slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robmednas_tf.data.intensities import zscore
from robmednas_tf.data.resample import Resampling

ZSCORES = ("volume", "mask")
OWN_SPACING_MM = (0.0, 0.0, 0.0)
# Outside lie mistakes, such as metres: grids that fill the memory, or a voxel for a head.
_LEAST_SPACING_MM, _MOST_SPACING_MM = 0.1, 50.0


@dataclass(frozen=True)
class Preprocessing:
    """How a volume is resampled, and over which voxels its MR is z-scored.

    Attributes:
        zscore: "volume" takes mean and deviation over all voxels, "mask" over those inside the
            body mask.
        spacing_mm: Of the grid that is cut into slices: from left to right, from posterior to
            anterior and from inferior to superior. 0 leaves an axis as it is.

    Raises:
        ValueError: If a value is outside its domain.

    Source: paper section 2 (over the volume, not resampled).
    """

    zscore: str = "volume"
    spacing_mm: tuple[float, float, float] = OWN_SPACING_MM

    def __post_init__(self) -> None:
        if self.zscore not in ZSCORES:
            raise ValueError(f"zscore must be one of {ZSCORES}. Received: {self.zscore!r}.")
        if len(self.spacing_mm) != 3 or not all(map(_can_be_spacing, self.spacing_mm)):
            raise ValueError(
                "spacing_mm must be three lengths in mm, each 0 or between "
                f"{_LEAST_SPACING_MM:g} and {_MOST_SPACING_MM:g}. Received: {self.spacing_mm}."
            )

    def __str__(self) -> str:
        where = {"volume": "over the volume", "mask": "inside the body mask"}[self.zscore]
        if self.spacing_mm == OWN_SPACING_MM:
            return f"z-scored {where}, not resampled"
        spacing = " x ".join(f"{each:g}" if each else "own" for each in self.spacing_mm)
        return f"z-scored {where}, resampled to {spacing} mm"

    @property
    def needs_mask(self) -> bool:
        """Whether a volume without a body mask cannot be prepared."""
        return self.zscore == "mask"

    def resampling(self, shape: tuple[int, ...], affine: np.ndarray) -> Resampling:
        """Returns the way between a volume's own grid and the one that is cut into slices."""
        return Resampling.of(shape, affine, self.spacing_mm)

    def zscored(self, mr: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """Z-scores an MR volume.

        Args:
            mr: Any shape, arbitrary units.
            mask: Like `mr`, true inside the body; used only where `needs_mask`.

        Returns:
            float32 like `mr`.

        Raises:
            ValueError: If a mask is needed and there is none, or the MR is constant where it
                counts.
        """
        if not self.needs_mask:
            return zscore(mr)
        if mask is None or not mask.any():
            raise ValueError(
                "An MR volume that is z-scored inside the body needs a body mask that is not "
                f"empty. Received: {'none' if mask is None else 'an empty one'}."
            )
        return zscore(mr, mask > 0)

    def to_dict(self) -> dict[str, Any]:
        """Returns the values, ready for JSON."""
        return asdict(self) | {"spacing_mm": list(self.spacing_mm)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Builds what `to_dict` has given.

        Raises:
            ValueError: If a value is missing, surplus or outside its domain.
        """
        try:
            left, anterior, superior = map(float, values["spacing_mm"])
            found = cls(zscore=values["zscore"], spacing_mm=(left, anterior, superior))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Not a record of preprocessing: {values!r}.") from error
        # One value more, and volumes are prepared in a way that is not known here.
        if found.to_dict() != values:
            raise ValueError(f"Not a record of preprocessing: {values!r}.")
        return found


def _can_be_spacing(length_mm: float) -> bool:
    return length_mm == 0 or _LEAST_SPACING_MM <= length_mm <= _MOST_SPACING_MM


# Over the volume, not resampled.
AS_IN_PAPER = Preprocessing()
