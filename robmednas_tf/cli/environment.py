"""The machine and the software a run uses, for its record and its limits."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from typing import Any

from robmednas_tf.machine import available_memory_gb

_PACKAGES = (
    "robmednas-tf",
    "tensorflow",
    "keras",
    "keras-tuner",
    "optuna",
    "ray",
    "numpy",
    "nibabel",
    "scipy",
    "scikit-image",
)


def describe_environment() -> dict[str, Any]:
    """Returns what may matter when a run is to be repeated, ready for JSON."""
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "available_memory_gb": round(available_memory_gb(), 1),
        "gpus": [
            tf.config.experimental.get_device_details(device).get("device_name", device.name)
            for device in tf.config.list_physical_devices("GPU")
        ],
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def software_versions() -> dict[str, str | None]:
    """Returns the versions of Python and of the packages a run uses; None where one is absent."""
    packages = {name: _version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages}


def _version(package: str) -> str | None:
    # TensorFlow, for one, is distributed under several names.
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None
