"""The search that a soak kills: its settings, its process, and how far it is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, RUNNING, TrialRecord, read_trials

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS, CONFIRM_TOP, CONFIRM_SEEDS = 8, 2, 2
NUM_REPEATS = CONFIRM_TOP * CONFIRM_SEEDS
# Each trial, each repeat, the winner's training, the report.
NUM_UNITS = NUM_TRIALS + NUM_REPEATS + 2
SEARCH = (
    *("--flagfile=configs/smoke.cfg", "--deterministic", "--image_size=16", "--epochs=6"),
    *("--learning_rate=0.01", "--final_epochs=8", f"--num_trials={NUM_TRIALS}"),
    *(f"--confirm_top={CONFIRM_TOP}", f"--confirm_seeds={CONFIRM_SEEDS}", "--max_attempts=1000"),
)


class Search:
    """One search in its folder, started as often as it is killed.

    Args:
        folder: The run's; what it says is kept beside it.
        cache: Prepared slices.
        flags: Besides `SEARCH`.
    """

    def __init__(self, folder: Path, cache: Path, flags: list[str]):
        self.folder, self._log = folder, folder.with_suffix(".log")
        paths = (f"--output_dir={folder}", f"--cache_dir={cache}")
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [sys.executable, "run_search.py", *SEARCH, *flags, *paths]

    def start(self) -> None:
        """Starts the command, or starts it again."""
        self._started = time.time()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last.

        Raises:
            RuntimeError: If none was.
        """
        if self._process is None:
            raise RuntimeError("The search must be started first.")
        return self._process

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def wait_until(self, is_so: Callable[[], bool], seconds: float, every_s: float = 0.001) -> bool:
        """Waits for something, for the process's end or for some seconds, whichever is first."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            if is_so():
                return True
            time.sleep(every_s)
        return False

    def finish(self) -> None:
        """Waits for the end, which must be a good one."""
        if self.process.wait():
            raise SystemExit(f"The search failed:\n{self._log.read_text()[-3000:]}")

    def is_at_work(self) -> bool:
        """Whether the process has checked its settings and prepared its subjects."""
        path = self.folder / "environment.json"
        return path.exists() and path.stat().st_mtime > self._started

    def is_writing(self) -> bool:
        """Whether a file is half written."""
        return any(self.folder.rglob(".partial-*"))

    def has_done(self, num_units: int) -> bool:
        """Whether so many of `NUM_UNITS` are over."""
        return self.num_done() >= num_units

    def num_done(self) -> int:
        """Returns how many of `NUM_UNITS` are over."""
        trials = sum(each.status != RUNNING for each in self.trials())
        repeats = sum(each.is_over for each in self.repeats())
        made = (self.folder / "best_model" / "training.json", self.folder / "report.html")
        return trials + repeats + sum(path.exists() for path in made)

    def phase(self) -> str:
        """Returns what the process is at."""
        if not self.is_at_work():
            return "start"
        if sum(each.status == COMPLETED for each in self.trials()) < NUM_TRIALS:
            return "trial"
        if sum(each.is_over for each in self.repeats()) < NUM_REPEATS:
            return "confirmation"
        if (self.folder / "best_model" / "training.json").exists():
            return "report"
        return "export" if (self.folder / "best_model/model.keras").exists() else "final training"

    def trials(self) -> list[TrialRecord]:
        """Returns the trials so far."""
        return read_trials(self.folder)[0]

    def repeats(self) -> list[RepeatRecord]:
        """Returns the repeats so far."""
        paths = sorted(self.folder.glob("confirmations/*.json"))
        return [RepeatRecord.from_dict(json.loads(path.read_text())) for path in paths]
