"""What a trial's record notes of its candidate besides the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.search.hypermodel import UNetHyperModel


def details_of(architecture: Architecture, hypermodel: UNetHyperModel) -> dict[str, Any]:
    """Returns what is known of a candidate before it is built, ready for JSON.

    Args:
        architecture: The candidate's.
        hypermodel: Has the slices and says how it is trained.

    Returns:
        Its blocks, depth, parameters, floating-point operations a slice, and memory in 10^9 bytes.
    """
    cost = estimate_cost(architecture, hypermodel.data.input_shape)
    return {
        "architecture": architecture.to_dict(),
        "depth": architecture.depth,
        "parameters": cost.parameters,
        "flops": cost.flops,
        "memory_gb": round(hypermodel.memory_gb(architecture), 3),
    }


def require_details(details: Mapping[str, Any]) -> None:
    """Refuses details of a completed trial that are not what a `SearchTuner` notes.

    Raises:
        ValueError, TypeError, KeyError: If they are not.
    """
    Architecture.from_dict(details["architecture"])
    kinds = {"depth": int, "parameters": int, "flops": int, "memory_gb": float, "best_epoch": int}
    for name, kind in {**kinds, "history": dict}.items():
        if type(details[name]) is not kind:
            raise TypeError(f"its {name} cannot be {details[name]!r}.")
