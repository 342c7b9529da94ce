"""Where the repeats of a search lie, and which folders they may not go into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_REPEATS = "repeats"


def repeat_folder(folder: Path, number: int) -> Path:
    """Returns the folder of a repeat, a search's like any other.

    Args:
        folder: Of the repeats together.
        number: From 1.
    """
    return folder / _REPEATS / f"{number:02d}"


def folders_of_searches(folder: Path, count: int) -> Iterator[Path]:
    """Yields the folders of the first `count` repeats, and of any further ones that are there."""
    wanted = {repeat_folder(folder, number) for number in range(1, count + 1)}
    there = {path for path in (folder / _REPEATS).glob("*") if path.is_dir()}
    yield from sorted(wanted | there)


def require_same_kind(folder: Path, count: int) -> None:
    """Refuses repeats where a single search lies, and a single search where repeats do.

    Args:
        folder: The run's.
        count: How many searches are asked for.

    Raises:
        ValueError: If it is the other kind.
    """
    there = [path for path in (folder / _REPEATS).glob("*") if path.is_dir()]
    if count == 1 and any(map(_is_begun, there)):
        raise ValueError(
            f"Folder {str(folder)!r} holds repeats of a search ({len(there)}). Give "
            f"--repeats={len(there)} to go on with them, or another --output_dir."
        )
    if count > 1 and _is_begun(folder):
        raise ValueError(
            f"Folder {str(folder)!r} holds a single search. Leave --repeats={count} out to go on "
            "with it, or give another --output_dir."
        )


def _is_begun(folder: Path) -> bool:
    return (folder / "search.json").exists()
