"""Prepares slices on a disk that is full but for some pages, then on one with room again.

Takes the subjects' folder and the disk's; prints as JSON, for each number of free pages, what an
attempt said, what it left, and what the same call made of it when there was room.
"""

import json
import os
import sys
from pathlib import Path

from robmednas_tf.data import prepared
from robmednas_tf.data.cohort import open_folder

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def fill(path: Path, pages_left: int) -> None:
    """Writes a file that leaves so many pages free."""
    free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
    path.write_bytes(bytes(free - pages_left * PAGE_BYTES))


def left(folder: Path) -> list[str]:
    """Lists a cache's files, the path of those that are in part written included."""
    return sorted(path.name for path in folder.iterdir())


def attempt(subjects: str, disk: Path, pages_left: int) -> dict[str, object]:
    """Prepares one subject twice: on the full disk, and when the space is free again."""
    folder, filler = disk / "cache", disk / "filler"
    cache = prepared.SliceCache(folder, 22)
    subject = next(iter(open_folder(subjects)))
    fill(filler, pages_left)
    result: dict[str, object] = {"error": None}
    try:
        cache.prepare(subject)
        cache.save_digests()
    except BaseException as error:
        result |= {"error": type(error).__name__, "message": str(error)}
    result["left"] = left(folder)
    filler.unlink()
    again = cache.prepare(subject)
    cache.save_digests()
    result |= {"intact": again.is_intact, "then": left(folder), "record": again.path.name}
    for path in folder.iterdir():
        path.unlink()
    return result


def main(subjects: str, folder: str) -> None:
    """Leaves no page, then one more each time, until an attempt succeeds."""
    results = []
    while not results or results[-1]["error"]:
        results.append(attempt(subjects, Path(folder), len(results)))
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
