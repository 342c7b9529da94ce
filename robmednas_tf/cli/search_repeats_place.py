"""Which of several searches is under way, and how long all of them will take."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from robmednas_tf.cli.progress import format_seconds


@dataclass(frozen=True)
class RepeatPlace:
    """Which of several searches is under way, from its making on.

    Attributes:
        number: From 1.
        count: How many there are.
        num_after: How many are to come after it.
        seconds_each: How long one takes; NaN where it is not known.
    """

    number: int
    count: int
    num_after: int
    seconds_each: float = math.nan
    _begun: float = field(default_factory=time.monotonic, repr=False, compare=False)

    @property
    def title(self) -> str:
        """Which it is, in words."""
        return f"Repeat {self.number} of {self.count}"

    def left(self, seconds: float = 0.0, search_seconds: float = math.nan) -> str:
        """Returns in words how long all will take; empty where nothing is known.

        Args:
            seconds: What the trials of this search still need.
            search_seconds: What all trials of a search need: less than a whole search.
        """
        if not math.isnan(self.seconds_each):
            rest = max(seconds, self.seconds_each - (time.monotonic() - self._begun))
            total = format_seconds(rest + self.num_after * self.seconds_each)
            return f", about {total} for all repeats"
        if math.isnan(search_seconds) or not self.num_after:
            return ""
        total = format_seconds(seconds + self.num_after * search_seconds)
        return f", at least {total} for all repeats"
