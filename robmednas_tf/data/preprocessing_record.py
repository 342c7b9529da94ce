"""How a model's volumes are to be prepared, kept inside the model's own files.

A model is moved without its run, and on volumes prepared in another way its HU would be wrong
without a sign of it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

from robmednas_tf.data.preprocessing import Preprocessing

_NAME = "preprocessing.json"
# TensorFlow's own place for files that travel with a SavedModel.
_EXTRA = "assets.extra"


def record_preprocessing(path: Path, preprocessing: Preprocessing) -> None:
    """Writes how volumes are prepared into a model's file.

    Args:
        path: A `.keras` file, or a SavedModel's folder, that has no such record yet.
        preprocessing: What is recorded.
    """
    text = json.dumps(preprocessing.to_dict(), indent=2) + "\n"
    if path.is_dir():
        (path / _EXTRA).mkdir(exist_ok=True)
        (path / _EXTRA / _NAME).write_text(text, encoding="utf-8")
        return
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_NAME, text)


def recorded_preprocessing(path: Path) -> Preprocessing | None:
    """Returns how a model's volumes are to be prepared.

    Args:
        path: A `.keras` file, or a SavedModel's folder.

    Returns:
        What the record says; None where there is none, as in models of other programs.

    Raises:
        ValueError: If the record, or the file that it is in, is damaged.
    """
    try:
        text = _read(path)
        return None if text is None else Preprocessing.from_dict(json.loads(text))
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"Model {str(path)!r} has a damaged record of how its volumes are prepared: {error} "
            "Copy the model again, or train it anew."
        ) from error


def _read(path: Path) -> str | None:
    if path.is_dir():
        file = path / _EXTRA / _NAME
        return file.read_text(encoding="utf-8") if file.is_file() else None
    with zipfile.ZipFile(path) as archive:
        return archive.read(_NAME).decode() if _NAME in archive.namelist() else None
