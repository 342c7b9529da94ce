"""The four regions the metrics are reported for, as rules on a CT in HU.

Source: paper section 2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Region:
    """A region of the body on CT.

    Attributes:
        label: What tables and figures call it.
        contains: Maps an array in HU to the boolean mask of the region, same shape.
    """

    label: str
    contains: Callable[[np.ndarray], np.ndarray]


REGIONS: Mapping[str, Region] = {
    # The whole head: the paper gives no rule, but in every row of its Table 2 brain and air miss
    # the truth in proportion to their volumes, as only a region and its complement do.
    "brain": Region("Whole brain", lambda hu: hu >= -500),
    # The paper's text lost the minus sign.
    "air": Region("Air", lambda hu: hu < -500),
    "bone": Region("Bone", lambda hu: hu > 500),
    "soft_tissue": Region("Soft tissue", lambda hu: (hu > -500) & (hu < 300)),
}
