"""Where the architecture of a training comes from: a name, a JSON file, a search's folder."""

from __future__ import annotations

from pathlib import Path

from robmednas_tf.models.architecture import Architecture, load_architecture


def find_architecture(text: str) -> Architecture:
    """Returns a named architecture, that in a JSON file, or the one that a search's folder holds.

    Raises:
        ValueError: If it is none of these.
    """
    folder = Path(text).expanduser()
    if not folder.is_dir():
        return load_architecture(Path(text).expanduser() if folder.is_file() else text)
    for name in ("best_architecture.json", "architecture.json"):
        if (folder / name).is_file():
            return load_architecture(folder / name)
    raise ValueError(
        f"A folder given as --architecture must be a search's. Received: {text!r}, which holds no "
        "best_architecture.json. Wait until its search has ended, or give another."
    )


def architecture_folder(text: str) -> Path | None:
    """Returns the folder of the run that an architecture comes from, if it comes from one.

    Args:
        text: As `find_architecture`'s.
    """
    path = Path(text).expanduser()
    folder = path if path.is_dir() else path.parent
    is_runs = path.is_dir() or (path.is_file() and (folder / "split.json").is_file())
    return folder if is_runs else None
