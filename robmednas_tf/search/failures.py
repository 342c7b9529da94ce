"""Why candidates fail, and when failures mean that the search itself is set up wrongly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import keras_tuner

from robmednas_tf.search.trials import COMPLETED, FAILED, PRUNED, TrialRecord
from robmednas_tf.training.checkpoints import read_history

# Failures of one kind in a row that are taken for a fault of the set-up, not of the candidates.
MAX_ALIKE = 5
# Failures of any kind in a row, candidates over the memory limit included.
MAX_IN_A_ROW = 200

# How many times a process may end during one piece of work before that has failed.
MAX_ATTEMPTS = 3

_MAX_MESSAGE = 500


class InfeasibleTrialError(keras_tuner.errors.FailedTrialError):
    """Raise this for a candidate that cannot be trained here, such as one that needs more memory.

    The candidate is recorded as failed, uses no budget, and says nothing about the set-up.
    """


def reason_of(text: str | None) -> str:
    """Returns, in one line, what a traceback or a message says went wrong.

    Args:
        text: A traceback in Python's form, any other message, or None.

    Returns:
        Type and first line of the exception, the last one of a chain; of a plain message its
        last line.
    """
    lines = [line for line in (text or "").split("\n") if line.strip()]
    if not lines:
        return "no reason was given"
    starts = [place for place, line in enumerate(lines) if line.startswith("Traceback (most")]
    if not starts:
        return lines[-1].strip()[:_MAX_MESSAGE]
    # Frames are indented; the exception that they lead to is not. Its own text may have several
    # lines, of which the last is often only a place in the graph.
    exception = [line for line in lines[starts[-1] + 1 :] if not line[0].isspace()]
    return _without_module((exception or lines[-1:])[0].strip())[:_MAX_MESSAGE]


def reason_of_deaths(deaths: int, work: str, checkpoint: Path) -> str:
    """Returns, in one line, what is known where processes ended without a word.

    Args:
        deaths: How many did.
        work: What they were at, such as `"this trial"`.
        checkpoint: Where the training's state was kept, if any was.
    """
    num_epochs = len(read_history(checkpoint).get("val_loss", ()))
    times = "once" if deaths == 1 else f"{deaths} times"
    last = f", the last time after epoch {num_epochs}" if num_epochs else ""
    return (
        f"the process ended {times} during {work}{last}; where nobody has killed it, the system "
        "ran out of memory (a smaller --max_memory_gb passes such candidates over)"
    )


def is_infeasible(record: TrialRecord) -> bool:
    """Tells whether a trial failed with `InfeasibleTrialError`."""
    return (record.message or "").startswith(InfeasibleTrialError.__name__)


def setup_fault(records: Sequence[TrialRecord]) -> str | None:
    """Returns why a search should stop, or None while failures may be the candidates' own.

    Args:
        records: Trials of one search by number.
    """
    failed: list[TrialRecord] = []
    for record in reversed(records):
        if record.status in (COMPLETED, PRUNED):
            break
        if record.status == FAILED:
            failed.append(record)
    own = [record.message or "" for record in failed if not is_infeasible(record)][:MAX_ALIKE]
    if len(own) == MAX_ALIKE and len({_kind(message) for message in own}) == 1:
        return (
            f"The last {MAX_ALIKE} trials failed the same way: {own[0]} "
            "This is a fault of the set-up, not of the candidates; the trials' files hold the "
            "tracebacks."
        )
    if len(failed) >= MAX_IN_A_ROW:
        return (
            f"The last {len(failed)} trials all failed, the last with: {failed[0].message} "
            "Give a smaller search space or a higher limit, in another --output_dir."
        )
    return None


def _kind(message: str) -> str:
    # Sizes and names of tensors differ between candidates that fail for one reason.
    return re.sub(r"\d+", "#", message)


def _without_module(line: str) -> str:
    return re.sub(r"^(?:\w+\.)+(\w+(?::|$))", r"\1", line)
