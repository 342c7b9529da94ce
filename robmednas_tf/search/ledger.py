"""The trials of one search in memory, always as they are on disk."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

from robmednas_tf.search.trials import (
    COMPLETED,
    PRUNED,
    TrialRecord,
    read_trials,
    trial_path,
    write_trial,
)


class Ledger:
    """Trials of the search in a folder; every change is on disk before it is in memory.

    Args:
        folder: The search's folder. Each damaged file in it is said in a `RuntimeWarning` and
            costs its trial alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        records, damaged = read_trials(folder)
        self._records = {record.trial_id: record for record in records}
        names = [path.parent.name for path, _ in damaged]
        numbers = [int(name) for name in names if name.isdecimal()]
        self._next_number = 1 + max([record.number for record in records] + numbers, default=-1)
        for path, reason in damaged:
            _warn(path, reason)

    def __getitem__(self, trial_id: str) -> TrialRecord:
        return self._records[trial_id]

    @property
    def records(self) -> list[TrialRecord]:
        """The readable trials by number."""
        return sorted(self._records.values(), key=lambda record: record.number)

    @property
    def next_number(self) -> int:
        """Number of the trial after the last; those of damaged trials are not given again."""
        return self._next_number

    @property
    def num_scored(self) -> int:
        """How many trials are completed, or were stopped at a rung; failed ones have no score."""
        return sum(record.status in (COMPLETED, PRUNED) for record in self._records.values())

    def leave_out(self, trial_id: str, reason: Exception) -> None:
        """Leaves a trial out that cannot have been this search's, and says so."""
        del self._records[trial_id]
        _warn(trial_path(self.folder, trial_id), str(reason))

    def put(self, record: TrialRecord) -> None:
        """Writes a record that is new or has changed."""
        write_trial(self.folder, record)
        self._records[record.trial_id] = record
        self._next_number = max(self._next_number, record.number + 1)

    def change(self, trial_id: str, **changes: Any) -> None:
        """Changes some of a record's fields."""
        self.put(dataclasses.replace(self._records[trial_id], **changes))


def _warn(path: Path, reason: str) -> None:
    warnings.warn(
        f"File {str(path)!r} is damaged, and its trial is left out: {reason}",
        RuntimeWarning,
        stacklevel=3,
    )
