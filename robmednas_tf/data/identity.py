"""What tells patients apart, however their files are named, turned and packed.

One patient in two parts of a split is a leak. An identity names the decoded MR and the decoded CT:
who shares either with somebody is the same patient, with another contrast or another registration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

_BETWEEN = "+"


def identity_of(mr: np.ndarray, ct: np.ndarray) -> str:
    """Returns a patient's identity.

    Args:
        mr: As axial slices (`SliceGrid.turn`), so that the order of the file's axes has no say;
            float32, before resampling.
        ct: Likewise, in HU.
    """
    return _BETWEEN.join((digest_of_volume(mr), digest_of_volume(ct)))


def digest_of_volume(slices: np.ndarray) -> str:
    """Returns the SHA-256 of a volume's shape and values, as hexadecimal digits.

    Args:
        slices: Three axes; the order of its bytes in memory has no say.
    """
    digest = hashlib.sha256(f"{slices.shape}".encode())
    for plane in slices:
        digest.update(plane.tobytes())
    return digest.hexdigest()


def same_patient(identity: str, others: Mapping[str, str]) -> str | None:
    """Returns the name of a patient among others; None where nobody shares MR or CT.

    Args:
        identity: Of the patient.
        others: Names by identity.
    """
    own = set(identity.split(_BETWEEN))
    for other, name in others.items():
        if not own.isdisjoint(other.split(_BETWEEN)):
            return name
    return None
