"""What a reader must know of this very evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.cli.eval_flags import EvalSettings
from robmednas_tf.config import PHANTOM, DataConfig
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.preprocessing import OWN_SPACING_MM
from robmednas_tf.report.wording import listed


def notes(
    settings: EvalSettings, data: DataConfig, subjects: Sequence[PreparedSubject]
) -> list[str]:
    """Returns the limits of an evaluation, a sentence or two each."""
    found = []
    if settings.split in ("train", "validation"):
        found.append(
            f"These are {settings.split} subjects: models were trained or chosen on them, and do "
            "better here than on new ones."
        )
    unknown = [repr(model.name) for model in settings.models if model.used is None]
    if unknown and settings.split not in ("train", "validation"):
        found.append(
            f"Nothing says what {listed(unknown)} was trained on, so that whether these subjects "
            "are new to it could not be checked."
        )
    drawn = [subject.name for subject in subjects if not subject.has_mask]
    if drawn:
        found.append(
            f"Without a mask file the body of {listed(drawn)} is what is not air on its CT, with "
            "the cavities that this encloses."
        )
    if data.slices_per_subject and data.data != PHANTOM:
        found.append(
            f"At most {data.slices_per_subject} slices a subject were evaluated, evenly spread. "
            "SSIM and MS-SSIM take them for neighbours: they do not compare with those of whole "
            "volumes."
        )
    cropped = [subject.name for subject in subjects if subject.cropped > 0]
    if cropped:
        found.append(
            f"Slices of {listed(cropped)} were cropped to {data.image_size} pixels a side; what "
            "was cut is not scored."
        )
    if data.preprocessing.spacing_mm != OWN_SPACING_MM:
        found.append(
            f"Volumes were {data.preprocessing}, and are scored on that grid, against the CT "
            "resampled likewise: what resampling blurs is not counted. The figures compare neither "
            "with those of another spacing nor with SynthRAD's."
        )
    if data.data == PHANTOM:
        found.append("The subjects are made-up heads: the figures say nothing of patients.")
    return found
