"""What a synthesis leaves of itself: how each file was made, so that none is made twice."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robmednas_tf.cli.synthesize_jobs import Job
from robmednas_tf.data.file_digests import digest_of_file
from robmednas_tf.files import make_folder, remove_leftovers_of, write_json
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.version import __version__

_NAME = "synthesis.json"


class SynthesisRecord:
    """The record in a folder of synthetic CTs; of a single output file there is none.

    Args:
        folder: Where it is; None for no record.
        recipe: All that the files follow from but for the MRs, ready for JSON.
    """

    def __init__(self, folder: Path | None, recipe: Mapping[str, Any]):
        self._folder, self._recipe = folder, dict(recipe)
        self._files = _read(folder / _NAME) if folder else {}

    def is_made(self, job: Job) -> bool:
        """Whether all of a job's outputs are there, unaltered, made in this way from this MR."""
        there = all(path.is_file() for path in job.outputs.values())
        return (
            there
            and self._is_same(job, done=True)
            and self._files[job.name].get("outputs") == _outputs(job)
        )

    def is_begun(self, job: Job) -> bool:
        """Whether a run that was stopped was making these outputs in this way."""
        return self._is_same(job, done=False)

    def begin(self, job: Job) -> None:
        """Records that a job's outputs are about to be written.

        Raises:
            OSError: If the record cannot be written.
        """
        self._write(job, {"done": False})

    def finish(self, job: Job, details: Mapping[str, Any]) -> None:
        """Records a job that is done.

        Args:
            job: The job.
            details: What is worth knowing of it, ready for JSON.

        Raises:
            OSError: If the record cannot be written.
        """
        self._write(job, {"done": True, "outputs": _outputs(job), **details})

    def _is_same(self, job: Job, done: bool) -> bool:
        entry = self._files.get(job.name)
        expected = {"done": done, "recipe": self._recipe}
        return (
            isinstance(entry, dict)
            and all(entry.get(name) == value for name, value in expected.items())
            and entry.get("inputs") == _inputs(job)
        )

    def _write(self, job: Job, details: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        entry = {"inputs": _inputs(job), "recipe": self._recipe}
        self._files[job.name] = {**entry, **details}
        value = {"robmednas_tf": __version__, "files": self._files}
        write_json(self._folder / _NAME, value)


@contextlib.contextmanager
def held_output(folder: Path | None, jobs: Sequence[Job]) -> Iterator[None]:
    """Holds a folder of outputs for this process alone, and clears what a killed one left.

    Args:
        folder: None where the only output is a file.
        jobs: What is written.

    Raises:
        ValueError: If another process holds it, or it cannot be written into.
    """
    outputs = [path for job in jobs for path in job.outputs.values()]
    for parent in {path.parent for path in outputs}:
        make_folder(parent)
        if not os.access(parent, os.W_OK):
            raise ValueError(
                f"Folder {str(parent)!r} must be writable. Received: no permission. "
                "Give another --output."
            )
    with contextlib.ExitStack() as stack:
        if folder is not None:
            stack.enter_context(locked_folder(folder, "--output"))
            outputs.append(folder / _NAME)
        # Of these files alone: the folder may be one in which other runs are at work.
        for path in outputs:
            remove_leftovers_of(path)
        yield


def _inputs(job: Job) -> dict[str, str]:
    files = {"mr": job.mr, "mask": job.mask}
    return {role: digest_of_file(path) for role, path in files.items() if path is not None}


def _outputs(job: Job) -> dict[str, dict[str, str]]:
    return {
        kind: {"file": path.name, "sha256": digest_of_file(path)}
        for kind, path in job.outputs.items()
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        # Missing or damaged: all the same, what is there counts as not made by this program.
        return {}
    return files if isinstance(files, dict) else {}
