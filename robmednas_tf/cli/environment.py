"""The machine and the software a run uses, for its record and its limits."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

_PACKAGES = (
    "robmednas-tf",
    "tensorflow",
    "keras",
    "keras-tuner",
    "optuna",
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


def available_memory_gb() -> float:
    """Returns the memory this process may still take, in 10^9 bytes: the machine's or its group's.

    Reads Linux's own accounts; elsewhere half of the machine's memory is taken for free.
    """
    limits = []
    with contextlib.suppress(OSError, ValueError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        limits.append(1024 * int(re.search(r"MemAvailable:\s+(\d+)", text)[1]))  # type: ignore[index]
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limits.append(
            int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        )
    if not limits:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return min(limits) / 1e9
