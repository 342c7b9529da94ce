"""What an examination of a cohort leaves to read: `cohort.html`, and `cohort.csv` for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robmednas_tf.examination.comparison import Crop, crops
from robmednas_tf.examination.subject import Examination
from robmednas_tf.report import cohort_wording as wording
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.page import write_page
from robmednas_tf.report.strip import CT_COLOUR, MR_COLOUR, strip_uri

COLUMNS = (
    *("subject", "num_errors", "num_warnings", "shape_x", "shape_y", "shape_z", "axes"),
    *("spacing_left_right_mm", "spacing_back_front_mm", "spacing_foot_head_mm"),
    *("oblique_degrees", "num_slices", "rows", "columns", "mr_min", "mr_max"),
    *("ct_min_hu", "ct_max_hu", "ct_body_fraction", "mr_body_fraction", "outline_dice"),
    *("num_differing_slices", "has_mask", "mask_dice", "findings"),
)
_TABLE_HEAD = (
    *("Subject", "Findings", "Dice, MR and CT", "Dice, mask and CT"),
    *(f"Slices {wording.TIMES} rows {wording.TIMES} columns", "Spacing (mm)", "MR", "CT (HU)"),
    *("Body on MR", "Body on CT", "Axes", "Oblique"),
)


@dataclass(frozen=True)
class CohortReport:
    """A cohort's examination.

    Attributes:
        cohort: What the cohort is called.
        examinations: Of all subjects, compared with each other.
        warnings: What is strange about the cohort as a whole.
        command: The command line that repeats it.
        settings: Flags and their values.
        notes: Limits of this very examination, a sentence or two each.
    """

    cohort: str
    examinations: Sequence[Examination]
    warnings: Sequence[str]
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Table:
    """As the templates take it; `tables.Table` comes with TensorFlow."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_cohort_report(path: Path, report: CohortReport) -> None:
    """Writes one self-contained HTML page, thumbnails included, atomically.

    Args:
        path: The file; replaced where it exists.
        report: What to tell. The page is the same, byte for byte, for the same values.
    """
    ranked = wording.worst_first(report.examinations)
    write_page(
        path,
        "cohort.html.j2",
        (),
        kind="check",
        report=report,
        summary=wording.summary(report.examinations),
        has_errors=any(each.errors for each in ranked),
        key_figures=wording.key_figures(report.examinations),
        kinds=_kinds_table(ranked),
        crops=_crops_table(crops(report.examinations), len(report.examinations)),
        sizes=wording.sizes(report.examinations),
        head=_TABLE_HEAD,
        rows=[(each, _cells(each)) for each in ranked],
        subjects=[(each, wording.verdict(each), strip_uri(each.thumbnail)) for each in ranked],
        figures_of=_figures,
        subjects_table=_parts_table(ranked),
        settings_table=_Table(
            ["Setting", "Value"],
            [[name, str(value)] for name, value in sorted(report.settings.items())],
        ),
        ct_colour=CT_COLOUR,
        mr_colour=MR_COLOUR,
    )


def write_cohort_csv(path: Path, examinations: Sequence[Examination]) -> None:
    """Writes one row a subject with `COLUMNS`, atomically; what is unknown is an empty cell.

    Args:
        path: The file; replaced where it exists.
        examinations: In the order of the rows.
    """
    write_csv(path, COLUMNS, [_row(each) for each in examinations])


def _row(each: Examination) -> dict[str, Any]:
    nothing = (None, None, None)
    values = (
        *(each.name, len(each.errors), len(each.warnings), *(each.shape or nothing), each.axes),
        *(each.spacing_mm or nothing),
        *(each.oblique_degrees, each.num_slices, *(each.plane or nothing[:2])),
        *(each.mr_range or nothing[:2]),
        *(each.ct_range_hu or nothing[:2]),
        *(each.body_fraction, each.mr_body_fraction, each.outline_dice),
        *(each.num_differing_slices, int(each.has_mask), each.mask_dice),
        " | ".join(f"{finding.severity}: {finding.text}" for finding in each.findings),
    )
    rounded = [round(value, 6) if isinstance(value, float) else value for value in values]
    return dict(zip(COLUMNS, rounded, strict=True))


def _cells(each: Examination) -> list[str]:
    degrees = each.oblique_degrees
    return [
        wording.verdict(each),
        wording.overlap(each.outline_dice),
        wording.overlap(each.mask_dice) if each.has_mask else "no mask",
        wording.grid(each),
        wording.spacing(each),
        wording.span(each.mr_range),
        wording.span(each.ct_range_hu),
        wording.percent(each.mr_body_fraction),
        wording.percent(each.body_fraction),
        each.axes or wording.UNKNOWN,
        wording.UNKNOWN if degrees is None else f"{degrees:.1f}\N{DEGREE SIGN}",
    ]


def _figures(each: Examination) -> list[tuple[str, str]]:
    return list(zip(_TABLE_HEAD[2:], _cells(each)[1:], strict=True))


def _kinds_table(ranked: Sequence[Examination]) -> _Table:
    rows = [
        [kind, severity, str(len(names)), ", ".join(names)]
        for severity, kind, names in wording.kinds(ranked)
    ]
    return _Table(["Finding", "Severity", "Subjects", "Whose"], rows)


def _crops_table(found: Sequence[Crop], total: int) -> _Table:
    rows = [
        [
            f"{crop.image_size} {wording.TIMES} {crop.image_size}",
            f"{len(crop.names)} of {total}",
            f"{100 * crop.share:.1f} % of its body ({crop.worst})" if crop.worst else "nothing",
        ]
        for crop in found
    ]
    return _Table(["Slices", "Subjects cropped", "Largest loss"], rows)


def _parts_table(ranked: Sequence[Examination]) -> _Table:
    parts: dict[str, list[str]] = {"with errors": [], "with warnings only": [], "sound": []}
    for each in ranked:
        part = "with errors" if each.errors else "with warnings only" if each.warnings else "sound"
        parts[part].append(each.name)
    rows = [[part, str(len(names)), ", ".join(names) or "none"] for part, names in parts.items()]
    return _Table(["Part", "Number", "Subjects"], rows)
