"""Progress on the terminal: one line that changes, or plain lines where the output is a pipe."""

from __future__ import annotations

import sys
import time
from typing import TextIO

# Minutes from which hours say too much: three days.
_DAYS_FROM = 3 * 24 * 60


class Line:
    """One line of output: it changes in place on a terminal, and is plain in a pipe."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream or sys.stdout
        self.is_live = self._stream.isatty()

    def show(self, text: str) -> None:
        """Shows what the next text replaces; says nothing in a pipe."""
        if self.is_live:
            self._write(text)

    def say(self, text: str) -> None:
        """Says what stays."""
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\033[K{text}" if self.is_live else text)
        self._stream.flush()


class StepLine:
    """Tells of one piece of work in steps of about the same length.

    Args:
        title: What is being done.
        num_steps: Steps at most.
        stream: Where to write; changing lines only where it is a terminal.
        steps_stay: Whether each step is said in a pipe too: for steps of minutes.
        num_done: Steps that an earlier run has done.
    """

    def __init__(
        self,
        title: str,
        num_steps: int,
        stream: TextIO | None = None,
        steps_stay: bool = False,
        num_done: int = 0,
    ):
        self._line = Line(stream)
        self._title, self._num_steps = title, num_steps
        self._done = self._earlier = num_done
        self._steps_stay = steps_stay
        self._started = time.monotonic()
        if not self._line.is_live:
            self._line.say(title)

    def step(self, what: str, place: int | None = None) -> None:
        """Says that one more step is done, and which.

        Args:
            what: The step.
            place: Its number from 1, where the work goes on from an earlier run.
        """
        if place is not None and not self._done:
            self._earlier = self._done = place - 1
        self._done += 1
        each = (time.monotonic() - self._started) / (self._done - self._earlier)
        left = format_seconds(each * (self._num_steps - self._done))
        text = f"{self._title}: {self._done}/{self._num_steps}, {what}, about {left} left"
        if self._steps_stay and not self._line.is_live:
            self._line.say(text)
        else:
            self._line.show(text)

    def note(self, text: str) -> None:
        """Says what must stay to be read, on a terminal too."""
        self._line.say(text)

    def within(self, where: str) -> None:
        """Shows where in a step the work is, on a terminal alone."""
        self._line.show(f"{self._title}: {self._done}/{self._num_steps}, {where}")

    def close(self) -> None:
        """Says that the work is done, and how long it took."""
        spent = format_seconds(self.seconds)
        self._line.say(f"{self._title}: {self._done} done in {spent}")

    @property
    def seconds(self) -> float:
        """Time since the work began."""
        return time.monotonic() - self._started


def format_seconds(seconds: float) -> str:
    """Returns a duration in words a person reads: `45 s`, `3 min`, `2 h 10 min`, `5 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes >= _DAYS_FROM:
        return f"{minutes / 60 / 24:.0f} days"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
