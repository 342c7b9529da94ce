"""Examining a subject: its figures, and everything that is wrong or strange about it at once.

Where `Subject.read` stops at the first broken rule, this collects them all, and goes on with
whatever can still be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import nibabel as nib
import numpy as np

from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.identity import digest_of_volume
from robmednas_tf.data.intensities import to_hu
from robmednas_tf.data.pair import require_contrast
from robmednas_tf.data.subjects import FileSubject, Subject
from robmednas_tf.examination import suspicions
from robmednas_tf.examination.outline import cropped_share, ct_outline, dice, mr_outline
from robmednas_tf.examination.thumbnail import Thumbnail, draw_thumbnail
from robmednas_tf.examination.volumes import Findings, Volumes, files_of, pair_of

# Raise it when `examine` measures or judges differently: records made before are then made anew.
EXAMINATION_VERSION = 2
# Sides of slices, in pixels, that networks are trained on.
IMAGE_SIZES = (64, 96, 128, 160, 192, 256, 320, 384, 512)

ERROR, WARNING = "error", "warning"
_MIRRORS = ("foot to head", "front to back", "left to right")


@dataclass(frozen=True)
class Finding:
    """Something wrong or strange.

    Attributes:
        severity: `ERROR` where commands refuse the subject, else `WARNING`.
        text: One line: what was found, and what to do.
    """

    severity: str
    text: str


@dataclass(frozen=True, eq=False)
class Examination:
    """What was found out about one subject; None is what could not be.

    Attributes:
        name: The subject's name.
        findings: Errors first.
        shape: Of the MR (else of the CT), in the file's axes.
        axes: Where its file axes lead, such as "LPS".
        spacing_mm: From left to right, from back to front and from foot to head.
        oblique_degrees: Largest angle between a file axis and the body's nearest one.
        num_slices: Number of axial slices.
        plane: Rows and columns of an axial slice.
        mr_range: Lowest and highest value of the MR.
        ct_range_hu: Lowest and highest value of the CT, after the bias.
        body_fraction: Share of the CT's voxels inside its outline; 0 to 1.
        mr_body_fraction: The same of the MR.
        outline_dice: Overlap of the two outlines.
        num_differing_slices: Slices in which these overlap badly.
        has_mask: Whether there is a file of a body mask.
        mask_dice: Overlap of mask and outline of the CT.
        cropped: Share of the CT's outline that slices of `IMAGE_SIZES` pixels a side would lose.
        mr_digest: Tells the MR apart from others.
        ct_digest: Tells the CT apart from others.
        thumbnail: A slice from the middle of the body.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    shape: tuple[int, ...] | None = None
    axes: str | None = None
    spacing_mm: tuple[float, float, float] | None = None
    oblique_degrees: float | None = None
    num_slices: int | None = None
    plane: tuple[int, int] | None = None
    mr_range: tuple[float, float] | None = None
    ct_range_hu: tuple[float, float] | None = None
    body_fraction: float | None = None
    mr_body_fraction: float | None = None
    outline_dice: float | None = None
    num_differing_slices: int | None = None
    has_mask: bool = False
    mask_dice: float | None = None
    cropped: dict[int, float] = field(default_factory=dict)
    mr_digest: str | None = None
    ct_digest: str | None = None
    thumbnail: Thumbnail = field(default_factory=Thumbnail)

    @property
    def errors(self) -> tuple[str, ...]:
        """Texts of the findings that make commands refuse the subject."""
        return tuple(each.text for each in self.findings if each.severity == ERROR)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts of the others."""
        return tuple(each.text for each in self.findings if each.severity == WARNING)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A volume as axial slices, in its own grid, and the body on it."""

    grid: SliceGrid
    slices: np.ndarray
    outline: np.ndarray


def examine(subject: Subject) -> Examination:
    """Examines one subject, however broken.

    Args:
        subject: Its files, if it has any, are read whole, one at a time.

    Returns:
        All that could be measured, and all findings. There is an error among them exactly where
        `subject.check()` or `subject.read()` would raise ValueError.
    """
    found = Findings()
    volumes = (
        files_of(subject, found) if isinstance(subject, FileSubject) else pair_of(subject.read())
    )
    figures: dict = {"has_mask": "mask" in volumes.named}
    figures |= _geometry(volumes, found)
    mr, mr_figures = _examine_mr(volumes, found)
    ct, ct_figures = _examine_ct(volumes, found)
    figures |= mr_figures | ct_figures
    if mr and ct and volumes.share_grid("ct"):
        figures |= _compare(mr, ct, found)
    figures |= _examine_mask(volumes, mr, ct, found)
    if not found.errors:
        # Rules that settings add, such as a mask that --zscore=mask needs.
        with found.collecting():
            subject.check()
    return Examination(
        name=subject.name,
        findings=(
            *(Finding(ERROR, text) for text in found.errors),
            *(Finding(WARNING, text) for text in found.warnings),
        ),
        thumbnail=_thumbnail(volumes, mr, ct),
        **figures,
    )


def _geometry(volumes: Volumes, found: Findings) -> dict:
    role = next((role for role in ("mr", "ct") if role in volumes.grids), None)
    if role is None:
        return {}
    shape, affine = volumes.grids[role]
    grid = _own_grid(shape, affine)
    # Columns, rows and slices lie from left to right, back to front and foot to head.
    spacing = nib.affines.voxel_sizes(affine)[list(reversed(grid.axes))]
    degrees = float(np.degrees(nib.affines.obliquity(affine)).max())
    found.warnings += suspicions.of_geometry(grid.num_slices, degrees)
    return {
        "shape": tuple(shape),
        "axes": "".join(nib.aff2axcodes(affine)),
        "spacing_mm": tuple(float(length) for length in spacing),
        "oblique_degrees": degrees,
        "num_slices": grid.num_slices,
        "plane": grid.plane,
    }


def _examine_mr(volumes: Volumes, found: Findings) -> tuple[_Seen | None, dict]:
    mr = volumes.load("mr", found)
    if mr is None:
        return None, {}
    figures: dict = {"mr_range": (float(mr.min()), float(mr.max()))}
    with found.collecting():
        require_contrast(mr, volumes.named["mr"], volumes.subject)
        grid = _own_grid(*volumes.grids["mr"])
        slices = grid.turn(mr)
        figures["mr_digest"] = digest_of_volume(slices)
        seen = _Seen(grid, slices, mr_outline(slices, axial_axis=0))
        figures["mr_body_fraction"] = float(seen.outline.mean())
        found.warnings += suspicions.of_mr(slices, seen.outline)
        return seen, figures
    return None, figures


def _examine_ct(volumes: Volumes, found: Findings) -> tuple[_Seen | None, dict]:
    values = volumes.load("ct", found)
    if values is None:
        return None, {}
    with found.collecting():
        source = f"CT of subject {volumes.subject!r} ({volumes.named['ct']})"
        low, high = float(values.min()), float(values.max())
        grid = _own_grid(*volumes.grids["ct"])
        slices = grid.turn(to_hu(values, volumes.ct_bias, source))
        seen = _Seen(grid, slices, ct_outline(slices, axial_axis=0))
        found.warnings += suspicions.of_ct(slices, seen.outline)
        return seen, {
            "ct_digest": digest_of_volume(slices),
            "ct_range_hu": (low + volumes.ct_bias, high + volumes.ct_bias),
            "body_fraction": float(seen.outline.mean()),
            "cropped": {size: cropped_share(seen.outline, size) for size in IMAGE_SIZES},
        }
    return None, {}


def _compare(mr: _Seen, ct: _Seen, found: Findings) -> dict:
    overlap = dice(mr.outline, ct.outline)
    by_slice = [dice(*planes) for planes in zip(mr.outline, ct.outline, strict=True)]
    mirrored = {
        way: dice(np.flip(mr.outline, axis), ct.outline) for axis, way in enumerate(_MIRRORS)
    }
    found.warnings += suspicions.of_outlines(overlap, by_slice, mirrored)
    return {
        "outline_dice": None if np.isnan(overlap) else overlap,
        "num_differing_slices": len(suspicions.differing_slices(by_slice)),
    }


def _examine_mask(volumes: Volumes, mr: _Seen | None, ct: _Seen | None, found: Findings) -> dict:
    values = volumes.load("mask", found)
    if values is None:
        return {}
    slices = _own_grid(*volumes.grids["mask"]).turn(values)
    inside = slices > 0
    if volumes.needs_mask and mr and volumes.share_grid("mask"):
        with found.collecting():
            contrast = mr.slices[inside]
            require_contrast(contrast, volumes.named["mr"], volumes.subject, "inside the body mask")
    same = ct is not None and volumes.share_grid("ct") and volumes.share_grid("mask")
    overlap = dice(inside, ct.outline) if ct is not None and same else float("nan")
    found.warnings += suspicions.of_mask(slices, overlap)
    return {"mask_dice": None if np.isnan(overlap) else overlap}


def _thumbnail(volumes: Volumes, mr: _Seen | None, ct: _Seen | None) -> Thumbnail:
    views = {}
    for role, seen in (("mr", mr), ("ct", ct)):
        if seen is not None:
            sizes = nib.affines.voxel_sizes(volumes.grids[role][1])
            spacing = (float(sizes[seen.grid.axes[1]]), float(sizes[seen.grid.axes[2]]))
            views[role] = (seen.slices, seen.outline, spacing)
    return draw_thumbnail(views.get("mr"), views.get("ct"), volumes.share_grid("ct"))


def _own_grid(shape: tuple[int, ...], affine: np.ndarray) -> SliceGrid:
    return SliceGrid.of(shape, affine, max(shape))
