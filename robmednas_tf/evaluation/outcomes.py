"""What an evaluation finds: one subject's scores under one model in one condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robmednas_tf.evaluation.metrics import RegionScore


@dataclass(frozen=True)
class MaskScore:
    """SynthRAD's figures inside a subject's body mask; see `synthrad.py`.

    Attributes:
        mae: Mean absolute error in HU.
        psnr: Peak signal-to-noise ratio in dB; infinite for a perfect prediction.
        ssim: Structural similarity, as in the challenge of 2023; NaN for volumes thinner than
            its window.
        ms_ssim: Multi-scale structural similarity, as in the challenge of 2025; NaN where the mask
            leaves nothing to compare at its coarsest scale.
    """

    mae: float
    psnr: float
    ssim: float
    ms_ssim: float


@dataclass(frozen=True)
class Outcome:
    """How one model did on one subject in one condition.

    Attributes:
        subject: The subject's name.
        model: The model's name.
        condition: `clean`, or a perturbation such as `fgsm:0.06`.
        regions: Scores by region, in `REGIONS`' order.
        in_mask: Figures inside the body mask; None where they were not asked for.
    """

    subject: str
    model: str
    condition: str
    regions: Mapping[str, RegionScore]
    in_mask: MaskScore | None = None


@dataclass(frozen=True, eq=False)
class PredictedSlice:
    """One slice and what a model makes of it, each array float32 `(height, width)`.

    Attributes:
        subject: The subject's name.
        slice_index: The slice's place among the subject's slices.
        model: The model's name.
        condition: `clean`, or a perturbation.
        mr: z-scored MR, unperturbed.
        perturbed_mr: The MR that the model saw.
        ct: CT in HU.
        synthetic_ct: Prediction in HU.
    """

    subject: str
    slice_index: int
    model: str
    condition: str
    mr: np.ndarray
    perturbed_mr: np.ndarray
    ct: np.ndarray
    synthetic_ct: np.ndarray
