"""The table of scored trainings: what is trained in which order, and what a row holds.

No TensorFlow here: what reads the table starts at once.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.files import write_text

FOLDER = Path(__file__).resolve().parent / "tables"
SCORES, ARCHITECTURES = "scores.csv", "architectures.csv"
# What `scores_accelerated.py` makes, which is never mixed with the other.
ACCELERATED = "accelerated.csv"

EPOCHS = 12
RUNGS = (1, 2, 3, 4, 6, 8, 10)
# The training's own decay of the running average of the weights, and others kept beside it.
AVERAGING = 0.96
OTHER_AVERAGING = {"phantom": (0.0, 0.9, 0.98), "sts": (0.0, 0.9, 0.98, 0.99)}
# The one of them that is scored at rungs too.
AT_RUNGS = 0.9
CONDITIONS = ("clean", "fgsm:0.06", "fgsm:0.2")
MEASURES = ("dice", "bone", "mae")
NUM_SUBJECTS = 4

# The end of training, in the column of epochs.
END = "end"
KEYS = ("cohort", "variant", "architecture", "seed")
COLUMNS = (
    *KEYS,
    *("epoch", "averaging", "subjects", "best_epoch", "val_loss"),
    *(
        f"{measure}_{condition}_{place}"
        for place in range(1, NUM_SUBJECTS + 1)
        for measure in MEASURES
        for condition in CONDITIONS
    ),
)

Row = Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        cohort: `phantom` or `sts`.
        variant: One of `VARIANTS`.
        architecture: Its number among the random ones.
        seed: The search's.
        rungs: Whether it is scored on the way.
        to_end: Whether it goes on after the last epoch of a trial.
    """

    cohort: str
    variant: str
    architecture: int
    seed: int
    rungs: bool = False
    to_end: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The values of `KEYS`, as a row has them."""
        return (self.cohort, self.variant, str(self.architecture), str(self.seed))

    @property
    def epochs(self) -> set[str]:
        """When it is scored, as the rows have it."""
        found = {*(RUNGS if self.rungs else ()), EPOCHS, *((END,) if self.to_end else ())}
        return {str(epoch) for epoch in found}

    @property
    def name(self) -> str:
        """The key as a file's name."""
        return "-".join(self.key)


# What a variant changes of the quick start's training; see `scores_training.py`.
VARIANTS = ("default", "large_steps", "keras_start", "one_order")

NUM_TO_END, NUM_REPEATED, NUM_SEEDS = 60, 30, 3


def rungs_jobs() -> list[Job]:
    """Returns the trainings of the measurement of rungs and of repeats, in balanced order.

    After each architecture that is trained to the end there is one more training of one of the
    first thirty: wherever time ends, both measurements have about the same share of theirs. Last,
    these thirty are trained to the end once more, with another seed.
    """
    jobs = []
    repeats = [
        Job("phantom", "default", number, seed, rungs=True)
        for seed in range(1, NUM_SEEDS)
        for number in range(NUM_REPEATED)
    ]
    for number in range(NUM_TO_END):
        jobs.append(Job("phantom", "default", number, 0, rungs=True, to_end=True))
        jobs += repeats[number : number + 1]
    again = repeats[:NUM_REPEATED]
    return jobs + [dataclasses.replace(job, to_end=True) for job in again]


def variant_jobs(cohort: str, variant: str) -> list[Job]:
    """Returns a variant's trainings: two seeds of each architecture, then the third."""
    seeds = [(number, seed) for number in range(NUM_REPEATED) for seed in range(NUM_SEEDS)]
    seeds.sort(key=lambda each: each[1] >= 2)
    return [Job(cohort, variant, *each) for each in seeds]


def further_jobs(count: int) -> list[Job]:
    """Returns one training each of architectures that are trained for the table alone."""
    return [
        Job("phantom", "default", NUM_TO_END + number, 0, rungs=True) for number in range(count)
    ]


def interleaved(*queues: Sequence[Job]) -> list[Job]:
    """Returns all queues' jobs, taking one of each in turn while they last."""
    longest = max(map(len, queues))
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the table's rows; none where there is no table."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if rows and tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(
            f"The columns of {str(path)!r} must be those of this version. "
            f"Received: {reader.fieldnames}. Move the file away to begin a new one."
        )
    return rows


def key_of(row: Row) -> tuple[str, ...]:
    """Returns which training a row belongs to, as `Job.key` says it."""
    return tuple(row[key] for key in KEYS)


def is_done(job: Job, rows: Iterable[Row]) -> bool:
    """Tells whether the table holds all that a job asks for."""
    own = [row for row in rows if key_of(row) == job.key]
    epochs = {row["epoch"] for row in own if all(row[f"{each}_clean_1"] for each in MEASURES)}
    return job.epochs <= epochs


def add_rows(path: Path, rows: Sequence[Row]) -> None:
    """Adds one training's rows: all of them or, where the process is killed meanwhile, none.

    They take the place of what there was of the same training.
    """
    with _held(path.parent, wait=True):
        kept = [row for row in read_rows(path) if key_of(row) != key_of(rows[0])]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *rows])
        write_text(path, text.getvalue())


def unclaimed(jobs: Iterable[Job], path: Path, claims: Path) -> Iterator[Job]:
    """Yields the jobs that the table lacks and no other process is at, each held while in use.

    Args:
        jobs: In order of importance; looked through anew after each.
        path: The table.
        claims: Folder of the files that processes hold; they are let go when a process ends.
    """
    claims.mkdir(parents=True, exist_ok=True)
    left = list(jobs)
    while True:
        rows = read_rows(path)
        left = [job for job in left if not is_done(job, rows)]
        for job in left:
            with contextlib.suppress(BlockingIOError), _held(claims / job.name):
                # Finished by another process between the look and the claim.
                if not is_done(job, read_rows(path)):
                    left.remove(job)
                    yield job
                break
        else:
            return


@contextlib.contextmanager
def _held(path: Path, wait: bool = False) -> Iterator[None]:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
