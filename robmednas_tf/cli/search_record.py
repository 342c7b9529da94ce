"""What a search, or the repeats of one, leaves of itself before anything is trained."""

from __future__ import annotations

from dataclasses import replace

from robmednas_tf.cli import search_flags
from robmednas_tf.cli.run_record import write_record
from robmednas_tf.cli.search_data import PreparedCohort
from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split
from robmednas_tf.machine import available_memory_gb
from robmednas_tf.search.executor import Executor
from robmednas_tf.search.identity import read_identity


def with_memory_limit(settings: SearchSettings) -> SearchSettings:
    """Returns settings with the limit that holds: given, the folder's, or 80 % of what is free.

    Raises:
        keras_tuner.errors.FatalValueError: If the folder's search cannot be read.
    """
    if settings.max_memory_gb:
        return settings
    saved = read_identity(settings.output_dir)
    if saved is not None:
        limit = saved["settings"].get("max_memory_gb", 0.0)
    else:
        limit = round(0.8 * available_memory_gb(), 2)
    return replace(settings, max_memory_gb=limit)


def write_search_record(
    settings: SearchSettings,
    cohort: Cohort,
    whole: Split,
    sub: Split,
    subjects: PreparedCohort,
    executor: Executor,
) -> None:
    """Writes `flags.cfg`, `environment.json` and `split.json` into the run's folder.

    Args:
        settings: With the limit of memory that holds.
        cohort: The subjects.
        whole: The cohort's split.
        sub: The search's sub-dataset.
        subjects: The subjects, prepared.
        executor: Where networks are trained.
    """
    write_record(
        settings.output_dir,
        "search",
        search_flags.FLAGS,
        settings.data,
        {
            "max_memory_gb": settings.max_memory_gb,
            "num_phantoms": len(cohort) if settings.data.data == PHANTOM else 0,
            # Also where --objectives alone was given: a repeat must not contradict itself.
            "objective": settings.search.objective,
            # Of one of several repeats they are not what the command was given.
            "seed": settings.search.seed,
            "repeats": settings.repeats,
        },
        {
            "cohort": whole.to_dict(),
            "search": sub.to_dict(),
            "identities": subjects.identities,
        },
        executor.describe(),
    )
