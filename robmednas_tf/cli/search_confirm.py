"""The step between a search's trials and its winner: the best ones trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import keras_tuner

from robmednas_tf.cli.progress import StepLine
from robmednas_tf.config import SearchConfig
from robmednas_tf.report.confirmation_csv import write_confirmed_csv
from robmednas_tf.report.wording import plural
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.confirming import Confirmer
from robmednas_tf.search.executor import Executor
from robmednas_tf.search.front import candidates
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, TrialRecord

_TABLE = "confirmed.csv"


def confirm(
    folder: Path,
    search: SearchConfig,
    direction: str,
    records: Sequence[TrialRecord],
    hypermodel: UNetHyperModel,
    origin: Mapping[str, Any],
    executor: Executor,
) -> Confirmation | None:
    """Trains the best candidates again and writes `confirmed.csv`; does only what is not done.

    Args:
        folder: The run's.
        search: How many candidates and seeds.
        direction: "max" or "min", as the objective's.
        records: All trials.
        hypermodel: The search's.
        origin: What scores follow from besides architecture, seed and training.
        executor: Where they are trained.

    Returns:
        None where nothing is to be confirmed, or no trial has a score.

    Raises:
        OSError: If the run's folder cannot be written to.
    """
    found = candidates(records, search, search.confirm_top)
    if not found:
        remove_confirmation(folder)
        return None
    objective = keras_tuner.Objective(search.objective, direction)
    progress = ConfirmationLine(len(found), hypermodel.training.epochs, search.objective)
    confirmer = Confirmer(
        folder, hypermodel, objective, origin, progress, search.max_attempts, executor
    )
    confirmation = confirmer.confirm(found, search.confirm_seeds)
    write_confirmed_csv(folder / _TABLE, confirmation)
    return confirmation


def remove_confirmation(folder: Path) -> None:
    """Removes what an earlier call has said of a confirmation; its repeats stay."""
    for name in (_TABLE, "figures/confirmation.png", "figures/confirmation.svg"):
        (folder / name).unlink(missing_ok=True)


class ConfirmationLine:
    """Tells of a confirmation's repeats: which, epoch, score and time left.

    Args:
        num_candidates: How many trials are trained again.
        epochs: Epochs a training.
        objective: Name of the objective.
        stream: Where to write; changing lines only where it is a terminal.
    """

    def __init__(
        self, num_candidates: int, epochs: int, objective: str, stream: TextIO | None = None
    ):
        what = f"the {num_candidates} best trials" if num_candidates > 1 else "the winner"
        self._title = f"Confirming {what} with new seeds"
        self._epochs, self._objective, self._stream = epochs, objective, stream
        self._epoch: dict[str, int] = {}

    def begun(self, num_repeats: int, num_done: int) -> None:
        """Says what is done from here on."""
        self._line = StepLine(self._title, num_repeats, self._stream, True, num_done)

    def epoch_ended(self, record: RepeatRecord, epoch: int, val_loss: float) -> None:
        """Says how far the repeat is, where lines can change."""
        self._epoch[_name(record)] = epoch
        where = (f"{name}, epoch {epoch}/{self._epochs}" for name, epoch in self._epoch.items())
        self._line.within("; ".join(where))

    def repeat_ended(self, record: RepeatRecord) -> None:
        """Says what became of the repeat."""
        self._epoch.pop(_name(record), None)
        if record.status == COMPLETED:
            outcome = f"{self._objective} {record.score:.4f} in {record.seconds or 0:.0f} s"
        else:
            outcome = f"failed: {record.message}"
        self._line.step(f"{_name(record)}: {outcome}")

    def repeat_lost(self, record: RepeatRecord) -> None:
        """Says that the repeat's worker has ended."""
        self._line.note(
            f"{self._title}: the worker of {_name(record)} ended; it goes on from its last epoch"
        )

    def ended(self) -> None:
        """Says that all is done, and how long it took."""
        self._line.close()


def outcome_line(confirmation: Confirmation, objective: str) -> str:
    """Returns in one line what the confirmation says of the winner."""
    winner, first = confirmation.winner, confirmation.candidates[0]
    if confirmation.is_decided_by_first_scores:
        return "No repeat could be scored: the winner was chosen by its first score."
    line = (
        f"Confirmed with {plural(len(winner.scores), 'new seed')}: "
        f"mean {objective} {winner.mean:.4f}, "
        f"first score {winner.first_score:.4f}."
    )
    if confirmation.changed_the_winner:
        line += f" Trial {first.trial.trial_id} had the better first score: "
        mean = f"mean {first.mean:.4f}" if first.scores else "but all its repeats failed"
        line += f"{first.first_score:.4f}, {mean}."
    return line


def _name(record: RepeatRecord) -> str:
    return f"trial {record.trial_id}, repeat {record.repeat}"
