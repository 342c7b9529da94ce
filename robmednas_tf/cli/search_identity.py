"""What has to be the same when a search goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.split import Split


def search_identity(
    settings: SearchSettings, sub: Split, files: Mapping[str, str]
) -> dict[str, Any]:
    """Returns what the scores of a search's trials follow from, ready for JSON.

    Args:
        settings: With the limit of memory that holds.
        sub: The search's sub-dataset.
        files: Digests of its subjects' files, as `files_of` gives them.
    """
    return {
        "image_size": settings.data.image_size,
        "slices_per_subject": settings.data.slices_per_subject,
        "subjects": sub.to_dict(),
        **files,
        "attack": str(settings.search.attack),
        "training": asdict(settings.training),
        "deterministic": settings.deterministic,
        "max_memory_gb": settings.max_memory_gb,
    }


def files_of(
    cache: SliceCache, cohort: Cohort, parts: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """Returns digests of subjects' files as they are prepared, for names by part."""
    names = [name for part in parts.values() for name in part]
    return {f"files of {name!r}": cache.key(cohort[name]) for name in names}
