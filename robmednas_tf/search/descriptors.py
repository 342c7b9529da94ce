"""What describes an architecture whatever its depth: the factors that an analysis looks at.

A search's own hyperparameters are conditional: `enc4_filters` exists only from depth 4 on, a
reduction ratio only where squeeze-and-excitation is on. There are up to 41 of them, most of them
seen in a part of the trials only, and an importance of each could not be told from noise. Here the
blocks of an architecture are summed up instead, so that every trial has every factor. The price:
which place in the U-Net a choice belongs to is lost; shares over few blocks vary more than over
many, so that extreme ones go with a small depth; and the reduction ratio is left out, for it is
undefined in an architecture without squeeze-and-excitation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from robmednas_tf.models.architecture import BRANCHES, Architecture


def _mean_over_blocks(
    value: Callable[[str, int, int | None], float],
) -> Callable[[Architecture], float]:
    def mean(architecture: Architecture) -> float:
        blocks = architecture.encoder + architecture.decoder
        values = [value(each.pattern, each.filters, each.reduction_ratio) for each in blocks]
        return math.fsum(values) / len(values)

    return mean


def _share_with_branch(place: int) -> Callable[[Architecture], float]:
    return _mean_over_blocks(lambda pattern, *_: float(pattern[place] == "1"))


DEPTH, LOG2_FILTERS, SE_SHARE = "depth", "log2_filters", "se_share"
BRANCH_SHARES = tuple(f"a{place + 1}_share" for place in range(len(BRANCHES)))

# name -> what it is of an architecture
DESCRIPTORS: Mapping[str, Callable[[Architecture], float]] = {
    DEPTH: lambda architecture: float(architecture.depth),
    LOG2_FILTERS: _mean_over_blocks(lambda _, filters, __: math.log2(filters)),
    SE_SHARE: _mean_over_blocks(lambda _, __, ratio: float(ratio is not None)),
    **{name: _share_with_branch(place) for place, name in enumerate(BRANCH_SHARES)},
}


def describe(architecture: Architecture) -> dict[str, float]:
    """Returns every descriptor of an architecture.

    Args:
        architecture: Of any depth.

    Returns:
        By name: the depth, the mean over blocks of log2 of the filters, and the shares of blocks
        (0 to 1) with squeeze-and-excitation and with each of the four branches on.
    """
    return {name: descriptor(architecture) for name, descriptor in DESCRIPTORS.items()}
