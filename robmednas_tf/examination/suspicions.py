"""What is strange about volumes that break no rule: each function yields one line a suspicion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# Registered pairs reach 0.944 to 0.993 on ten patients (limbs) and 0.97 to 0.99 on phantoms; a flip
# leaves 0.61 to 0.96 and a shift by 20 pixels 0.28 to 0.97, most where a body fills its volume.
LEAST_OUTLINE_DICE = 0.92
# Of a slice. Its outlines differ this much where the other volume's field of view has ended; at
# the ends of sound volumes that is so in up to one slice in twenty.
_LEAST_SLICE_DICE, _MOST_DIFFERING = 0.8, 0.05
# Masks drawn with a margin of 10 mm reach 0.9 around a head.
_LEAST_MASK_DICE = 0.8
_LEAST_SLICES, _MOST_OBLIQUE_DEGREES = 16, 20.0
# Of no registered pair measured does a mirror image fit better at all.
_BETTER_MIRRORED = 0.01
_BODY_FRACTIONS = (0.05, 0.98)
_LEAST_BONE_HU, _MOST_BITS_HU, _LEAST_AIR_HU = 300.0, 4096.0, -900.0
_TISSUE_MEDIAN_HU = (-300.0, 200.0)
_FEW_LEVELS, _FAR_OUTLIER = 32, 10.0
_SAMPLE = 1_000_000


def of_geometry(num_slices: int, oblique_degrees: float) -> Iterator[str]:
    """Yields what is strange about a grid."""
    if num_slices < _LEAST_SLICES:
        yield (
            f"Only {num_slices} axial slices: check that the volume is whole, and that its header "
            "names the right axis as foot to head."
        )
    if oblique_degrees > _MOST_OBLIQUE_DEGREES:
        yield (
            f"Oblique by {oblique_degrees:.0f} degrees: its slices are taken along the nearest "
            "axes, and are not axial. Resample it onto an upright grid if the others are upright."
        )


def of_mr(slices: np.ndarray, outline: np.ndarray) -> Iterator[str]:
    """Yields what is strange about an MR.

    Args:
        slices: `(slices, rows, columns)`, arbitrary units, not constant.
        outline: bool like `slices`, the body.
    """
    low, high = float(slices.min()), float(slices.max())
    if -1100 <= low <= -900 and high > 300:
        yield (f"MR has values like HU, {low:g} to {high:g}: is it the CT, or are the two swapped?")
    elif low < 0:
        yield (
            f"MR has negative values, down to {low:g}: it was normalised before, or resampling "
            "overshot. Both work; clip it at 0 if it should be as it was scanned."
        )
    levels = len(np.unique(slices[len(slices) // 2]))
    if levels < _FEW_LEVELS:
        yield f"MR has only {levels} different values in its middle slice: is it an image at all?"
    usual = float(np.percentile(_sample(slices), 99.9))
    if usual > 0 and high > _FAR_OUTLIER * usual:
        yield (
            f"MR reaches {high:g}, where 99.9 % of it lies below {usual:g}: single voxels stretch "
            "its standard deviation. Clip them."
        )
    yield from _of_fraction("MR", float(outline.mean()))


def of_ct(slices: np.ndarray, outline: np.ndarray) -> Iterator[str]:
    """Yields what is strange about a CT.

    Args:
        slices: `(slices, rows, columns)`, HU.
        outline: bool like `slices`, the body.
    """
    low, high = float(slices.min()), float(slices.max())
    if high < _LEAST_BONE_HU:
        yield (
            f"CT never reaches bone: its highest value is {high:g} HU. Either no bone was scanned, "
            "or a display window has cut it off."
        )
    if high > _MOST_BITS_HU:
        yield (
            f"CT reaches {high:g} HU, beyond what 12 bits hold: metal, or a wrong slope in its "
            "header. Errors there outweigh all others; clip it, or check the slope."
        )
    if low > _LEAST_AIR_HU:
        yield (
            f"CT's lowest value is {low:g} HU, where air has -1000: was it clipped, or is "
            "--ct_bias wrong?"
        )
    tissue = _sample(slices)[_sample(outline)]
    median = float(np.median(tissue)) if tissue.size else 0.0
    if not _TISSUE_MEDIAN_HU[0] <= median <= _TISSUE_MEDIAN_HU[1]:
        yield (
            f"Half of the body on CT lies above {median:.0f} HU, where soft tissue has -120 to 80: "
            "check the file's slope and --ct_bias."
        )
    yield from _of_fraction("CT", float(outline.mean()))


def of_outlines(
    overlap: float, by_slice: Sequence[float], mirrored: Mapping[str, float]
) -> Iterator[str]:
    """Yields what is strange about MR and CT side by side.

    Args:
        overlap: Dice of the body on MR and on CT; NaN where there is none on either.
        by_slice: The same by slice, from foot to head.
        mirrored: The same with the MR mirrored, by the way it is.
    """
    way = max(mirrored, key=lambda each: mirrored[each], default="")
    if way and mirrored[way] > overlap + _BETTER_MIRRORED:
        yield (
            f"MR fits the CT better when it is mirrored {way}, Dice {mirrored[way]:.3f} instead of "
            f"{overlap:.3f}: one of the two lies the wrong way round. Mend its orientation."
        )
        return
    if overlap < LEAST_OUTLINE_DICE:
        yield (
            f"MR and CT show bodies of different outlines, Dice {overlap:.3f}, where registered "
            "pairs have 0.94 to 0.99: are they registered, of one patient, and neither mirrored?"
        )
        return
    differing = differing_slices(by_slice)
    if len(differing) > _MOST_DIFFERING * len(by_slice):
        worst = min(differing, key=lambda place: by_slice[place])
        yield (
            f"MR and CT show different parts of the body in {len(differing)} of {len(by_slice)} "
            f"slices (Dice below {_LEAST_SLICE_DICE:g}; {by_slice[worst]:.2f} in slice {worst + 1} "
            "from the feet): one field of view ends there. Cut these slices off, or mask them."
        )


def differing_slices(by_slice: Sequence[float]) -> list[int]:
    """Returns the slices, from 0, whose outlines overlap badly."""
    return [place for place, overlap in enumerate(by_slice) if overlap < _LEAST_SLICE_DICE]


def of_mask(slices: np.ndarray, overlap: float) -> Iterator[str]:
    """Yields what is strange about a body mask.

    Args:
        slices: Its values, `(slices, rows, columns)`; what is above 0 is the body.
        overlap: Dice of the mask and of the body on CT; NaN where that is unknown.
    """
    values = np.unique(slices)
    if not np.isin(values, (0, 1)).all():
        shown = ", ".join(f"{value:g}" for value in values[:5]) + ", ..." * (len(values) > 5)
        yield f"Mask has other values than 0 and 1: {shown}. All that is above 0 counts as body."
    if values.max() <= 0:
        yield "Mask is empty: no score inside it is defined. Draw it anew, or take it away."
    elif overlap < _LEAST_MASK_DICE:
        yield (
            f"Mask and CT disagree about the body, Dice {overlap:.3f}: is the mask of this "
            "patient, of the whole body, and not mirrored?"
        )


def _of_fraction(label: str, fraction: float) -> Iterator[str]:
    least, most = _BODY_FRACTIONS
    if fraction < least:
        yield (
            f"The body fills {100 * fraction:.1f} % of the {label}: check that one is there, or "
            "crop the volume around it."
        )
    elif fraction > most:
        yield (
            f"The body fills {100 * fraction:.1f} % of the {label}: air is hardly seen, so that "
            "the z-score differs from that of other subjects. Keep a margin of air, or pass "
            "--zscore=mask."
        )


def _sample(values: np.ndarray) -> np.ndarray:
    return values.ravel()[:: max(1, values.size // _SAMPLE)]
