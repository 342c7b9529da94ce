"""Search for U-Nets that keep synthesising CT from MR when the input is attacked, or just bad.

Names are imported when they are first used, so that importing the package costs nothing and
TensorFlow starts only where a network is needed.
"""

from __future__ import annotations

import importlib
from typing import Any

from robmednas_tf.version import __version__

_HOMES = {
    "Architecture": "robmednas_tf.models.architecture",
    "Block": "robmednas_tf.models.architecture",
    "Cohort": "robmednas_tf.data.cohort",
    "LookupTable": "robmednas_tf.evaluation.lookup",
    "NAMED": "robmednas_tf.models.architecture",
    "Perturbation": "robmednas_tf.attacks.notation",
    "PerturbedInference": "robmednas_tf.attacks.perturbations",
    "REGIONS": "robmednas_tf.evaluation.regions",
    "SearchSpace": "robmednas_tf.models.space",
    "SliceCache": "robmednas_tf.data.prepared",
    "VolumeMetrics": "robmednas_tf.evaluation.metrics",
    "attack": "robmednas_tf.attacks.attack",
    "build_unet": "robmednas_tf.models.unet",
    "denormalize_ct": "robmednas_tf.data.intensities",
    "estimate_cost": "robmednas_tf.models.cost",
    "evaluate_subject": "robmednas_tf.evaluation.volumes",
    "export_model": "robmednas_tf.export",
    "fgsm": "robmednas_tf.attacks.fgsm",
    "load_architecture": "robmednas_tf.models.architecture",
    "load_model": "robmednas_tf.evaluation.models",
    "make_head": "robmednas_tf.data.phantom",
    "mask_scores": "robmednas_tf.evaluation.synthrad",
    "normalize_ct": "robmednas_tf.data.intensities",
    "open_folder": "robmednas_tf.data.cohort",
    "open_phantom": "robmednas_tf.data.cohort",
    "volume_scores": "robmednas_tf.evaluation.metrics",
    "zscore": "robmednas_tf.data.intensities",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
