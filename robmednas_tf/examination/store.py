"""Examinations on disk: each made once, noticed when damaged, made anew when a file changes."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from robmednas_tf.data.subjects import FileSubject, Subject
from robmednas_tf.examination.subject import EXAMINATION_VERSION, Examination, Finding
from robmednas_tf.examination.thumbnail import Thumbnail
from robmednas_tf.files import make_folder, replaced_atomically

_SUFFIX = ".npz"
_IMAGES = ("mr", "ct", "mr_outline", "ct_outline")
_PAIRS = ("plane", "shape", "spacing_mm", "mr_range", "ct_range_hu")


class ExaminationStore:
    """Examinations in a folder, a file a subject.

    Args:
        folder: Made where it is missing.
        of_file: Gives the SHA-256 of a file's bytes.
    """

    def __init__(self, folder: Path, of_file: Callable[[Path], str]):
        self.folder = Path(folder)
        self._of_file = of_file
        make_folder(self.folder)

    def path(self, subject: Subject) -> Path | None:
        """Returns where a subject's examination is kept.

        Returns:
            A path that changes with the subject's files, or None where those cannot be read.
        """
        try:
            digest = subject.digest(self._of_file)
            files = subject.files() if isinstance(subject, FileSubject) else {}
        except (OSError, ValueError):
            return None
        # Findings name subject and files, so that another name is another examination.
        parts = [EXAMINATION_VERSION, subject.name, digest, *map(str, files.values())]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', subject.name)}-{key}{_SUFFIX}"

    def read(self, path: Path | None) -> Examination | None:
        """Returns the examination kept at `path`; None where there is none, or it is damaged."""
        try:
            return None if path is None else _read(path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def write(self, path: Path | None, examination: Examination) -> None:
        """Keeps an examination that found no error.

        An error may be the machine's, such as a package that is missing, and is soon mended.

        Raises:
            OSError: If it cannot be written.
        """
        if path is None or examination.errors:
            return
        figures = asdict(examination)
        del figures["thumbnail"]
        thumbnail = examination.thumbnail
        images = {name: getattr(thumbnail, name) for name in _IMAGES}
        text = json.dumps({"figures": figures, "on_one_grid": thumbnail.on_one_grid})
        with replaced_atomically(path) as temporary:
            np.savez_compressed(
                temporary,
                text=np.array(text),
                **{name: image for name, image in images.items() if image is not None},
            )

    def keep_only(self, paths: Iterable[Path | None]) -> None:
        """Removes the examinations of subjects that have changed or gone."""
        kept = set(paths)
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if path not in kept:
                path.unlink(missing_ok=True)


def _read(path: Path) -> Examination:
    with np.load(path, allow_pickle=False) as arrays:
        text = json.loads(str(arrays["text"]))
        images = {name: arrays[name] for name in _IMAGES if name in arrays}
    figures = text["figures"]
    if set(figures) != {each.name for each in fields(Examination)} - {"thumbnail"}:
        raise ValueError("another form")
    for name in _PAIRS:
        figures[name] = None if figures[name] is None else tuple(figures[name])
    figures["findings"] = tuple(Finding(**finding) for finding in figures["findings"])
    figures["cropped"] = {int(size): share for size, share in figures["cropped"].items()}
    return Examination(**figures, thumbnail=Thumbnail(**images, on_one_grid=text["on_one_grid"]))
