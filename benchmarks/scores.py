"""Trains random networks as a quick start's trials are trained, and keeps their scores in a table.

    python benchmarks/scores.py                     # the phantom: about 4 hours of one free core
    python benchmarks/scores.py --minutes=60
    python benchmarks/scores.py --sts=FOLDER        # real patients besides: another hour
    python benchmarks/scores.py --sts=FOLDER --only_sts

Start it again to go on, or a second time to use a second core: processes share the plan, each
uses one thread, and one that is killed loses the training that it is at.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import itertools
import math
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import keras_tuner
import scores_table as tables
import tensorflow as tf
from scores_table import Job
from scores_training import Subjects, train

from robmednas_tf.cli.subjects import open_cohort, split_subjects
from robmednas_tf.config import DataConfig
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import PreparedSubject, SliceCache
from robmednas_tf.data.split import Split, split_cohort, split_search
from robmednas_tf.files import write_text
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hypermodel import SearchData
from robmednas_tf.search.hyperparameters import architecture_of, declare_space
from robmednas_tf.search.sampling import Values, key_of, random_values, untried

SPACE = SearchSpace(max_depth=3, filters=(8, 16, 32))
IMAGE_SIZE = 64
NUM_FURTHER = 240
# The quick start's cohort, and heads that it does not know: 3 that score, 4 for the end alone.
NUM_QUICK_START, NUM_PHANTOMS = 8, 15


def random_architectures(count: int) -> list[tuple[Values, Architecture]]:
    """Draws architectures as a random search of seed 0 does; none comes twice."""
    space = keras_tuner.HyperParameters()
    declare_space(space, SPACE)
    tried: dict[str, Values] = {}
    drawn = []

    def propose(number: int, salt: int) -> tuple[Values, str]:
        return random_values(space, 0, number, salt), "random"

    for number in range(count):
        found = untried(space, tried, functools.partial(propose, number), 0, number)
        if found is None:
            raise SystemExit(f"The space has only {number} architectures.")
        values = tried[key_of(found[0])] = found[0]
        hp = space.copy()
        hp.values = values
        drawn.append((values, architecture_of(hp)))
    return drawn


def write_architectures(path: Path, drawn: Sequence[tuple[Values, Architecture]]) -> None:
    """Writes each architecture's values, as KerasTuner has them, and what it costs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["architecture", "num_parameters", "num_flops", "values"])
    for number, (values, architecture) in enumerate(drawn):
        cost = estimate_cost(architecture, (IMAGE_SIZE, IMAGE_SIZE, 1))
        writer.writerow([number, cost.parameters, cost.flops, key_of(values)])
    write_text(path, text.getvalue())


def phantom(cache: Path) -> Subjects:
    """Prepares the quick start's subjects, and further heads that score."""
    data = DataConfig("phantom", IMAGE_SIZE, 24, 0.0, cache, num_phantoms=NUM_PHANTOMS)
    cohort = open_cohort(data)
    # A smaller cohort is the beginning of a larger one.
    whole = split_cohort(cohort.names[:NUM_QUICK_START], data.split_seed)
    sub = split_search(whole.train, 6, data.split_seed)
    further = cohort.names[NUM_QUICK_START:]
    num_scoring = tables.NUM_SUBJECTS - len(sub.test)
    return _prepared(data, cohort, sub, (*sub.test, *further[:num_scoring]), further[num_scoring:])


def patients(folder: str, cache: Path) -> Subjects:
    """Prepares the subjects of `configs/sts.cfg`, but 64 x 64 pixels of them."""
    data = DataConfig(folder, IMAGE_SIZE, 32, 0.0, cache)
    cohort = open_cohort(data)
    whole = split_subjects(cohort, data)
    sub = split_search(whole.train, 8, data.split_seed)
    return _prepared(data, cohort, sub, (*sub.test, *whole.validation, *whole.test), ())


def _prepared(
    data: DataConfig, cohort: Cohort, sub: Split, scoring: Sequence[str], apart: Sequence[str]
) -> Subjects:
    cache = SliceCache(data.cache_dir, data.image_size, data.slices_per_subject)
    wanted = {*sub.names, *scoring, *apart}
    prepared = {each.name: cache.prepare(each) for each in cohort.subjects if each.name in wanted}

    def part(names: Iterable[str]) -> tuple[PreparedSubject, ...]:
        return tuple(prepared[name] for name in names)

    search = SearchData(part(sub.train), part(sub.validation), part(sub.test))
    return Subjects(search, part(scoring), part(apart))


def plan(cohorts: Collection[str], further_first: bool) -> list[Job]:
    """Returns the trainings of the cohorts in order."""
    variants = [tables.variant_jobs("phantom", variant) for variant in tables.VARIANTS[1:]]
    if "sts" in cohorts:
        variants.append(tables.variant_jobs("sts", "default"))
    others = [*variants, tables.further_jobs(NUM_FURTHER)]
    parts = [tables.rungs_jobs(), tables.interleaved(*others)]
    jobs = itertools.chain(*(reversed(parts) if further_first else parts))
    return [job for job in jobs if job.cohort in cohorts]


def main() -> None:
    """Trains what the table lacks, until time is over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="No training is begun after this long."
    )
    parser.add_argument("--sts", help="Folder of the real patients; without it they are left out.")
    parser.add_argument(
        "--further_first",
        action="store_true",
        help="Begin with variants, patients and further architectures: for a second process.",
    )
    parser.add_argument(
        "--only_sts", action="store_true", help="Train on the real patients alone, --sts."
    )
    parser.add_argument("--tables", type=Path, default=tables.FOLDER, help="Folder of the table.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/scores"), help="Folder of caches and claims."
    )
    given = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if given.only_sts and not given.sts:
        parser.error("--only_sts trains on the folder that --sts names. Give --sts=FOLDER.")
    ends = time.monotonic() + 60 * given.minutes
    path = given.tables / tables.SCORES
    try:
        tables.read_rows(path)
        subjects = {}
        if not given.only_sts:
            subjects["phantom"] = phantom(given.work / "cache")
        if given.sts:
            subjects["sts"] = patients(given.sts, given.work / "cache")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    drawn = random_architectures(tables.NUM_TO_END + NUM_FURTHER)
    write_architectures(given.tables / tables.ARCHITECTURES, drawn)
    for job in tables.unclaimed(plan(subjects, given.further_first), path, given.work / "claims"):
        if time.monotonic() > ends:
            break
        began = time.monotonic()
        rows = train(job, drawn[job.architecture][1], subjects[job.cohort], given.work)
        tables.add_rows(path, rows)
        print(f"{job.name}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
