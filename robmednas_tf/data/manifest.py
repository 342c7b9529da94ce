"""Cohorts listed in a CSV file: for whatever lies in no layout that is known."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.data.preprocessing import AS_IN_PAPER, Preprocessing
from robmednas_tf.data.subjects import ListedSubject

SPLITS = ("train", "validation", "test")
_LONGEST_NAME = 150
_NEEDED, _OPTIONAL = ("subject", "mr", "ct"), ("mask", "split")


@dataclass(frozen=True)
class Manifest:
    """What a manifest lists.

    Attributes:
        subjects: In its order.
        split: Part of `SPLITS` by subject; empty where the manifest leaves that to the program.
    """

    subjects: tuple[ListedSubject, ...]
    split: Mapping[str, str]


def read_manifest(
    path: Path, ct_bias: float = 0.0, preprocessing: Preprocessing = AS_IN_PAPER
) -> Manifest:
    """Reads a CSV file with the columns `subject,mr,ct` and, optionally, `mask` and `split`.

    Args:
        path: UTF-8, one line a subject. Files' paths are relative to its folder, or absolute; an
            empty `mask` is none.
        ct_bias: Added to the CT files' values to make them HU; 0 where they hold HU already.
        preprocessing: How the volumes are resampled and the MRs are z-scored.

    Raises:
        ValueError: If the file cannot be read, a column is missing or unknown, a value is missing,
            a name stands twice, or a split is not one of `SPLITS`.
    """
    rows = list(_rows(path))
    if not rows:
        raise ValueError(f"Manifest {str(path)!r} must list subjects. Received: none.")
    names = [row["subject"] for _, row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Manifest {str(path)!r} must list each subject once. "
            f"Received twice: {', '.join(twice)}."
        )
    subjects = [_subject(path.parent, row, ct_bias, preprocessing) for _, row in rows]
    return Manifest(tuple(subjects), _split(path, rows))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields each line's number and its values, stripped, by column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            _require_columns(path, [name.strip().lower() for name in reader.fieldnames or ()])
            for row in reader:
                if "" in row:
                    raise ValueError(
                        f"Line {reader.line_num} of manifest {str(path)!r} must have as many "
                        "values as there are columns. Received: more. Quote values with commas."
                    )
                values = {name.strip().lower(): value.strip() for name, value in row.items()}
                if any(values.values()):
                    _require_values(path, reader.line_num, values)
                    yield reader.line_num, values
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Manifest {str(path)!r} must be UTF-8 text. Received: {error}. Save it as such."
        ) from error
    except (OSError, csv.Error) as error:
        raise ValueError(f"Manifest {str(path)!r} cannot be read: {error}.") from error


def _require_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in _NEEDED + _OPTIONAL]
    if missing or unknown or len(set(names)) < len(names):
        raise ValueError(
            f"Manifest {str(path)!r} must have the columns subject,mr,ct and, optionally, mask and "
            f"split, each once and between commas, in its first line. Received: "
            f"{','.join(names) or 'none'}."
        )


def _require_values(path: Path, line: int, values: Mapping[str, str]) -> None:
    missing = [name for name in _NEEDED if not values[name]]
    if missing:
        raise ValueError(
            f"Line {line} of manifest {str(path)!r} must give {' and '.join(_NEEDED)}. "
            f"Missing: {', '.join(missing)}."
        )
    name = values["subject"]
    # It becomes part of files' names.
    is_path = "/" in name or "\\" in name or name.startswith(".")
    if is_path or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"Line {line} of manifest {str(path)!r} must name a subject in at most "
            f"{_LONGEST_NAME} printable letters, without slashes and without a point at the "
            f"beginning. Received: {name[:80]!r}."
        )


def _subject(
    folder: Path, row: Mapping[str, str], ct_bias: float, preprocessing: Preprocessing
) -> ListedSubject:
    mask = folder / row["mask"] if row.get("mask") else None
    return ListedSubject(
        row["subject"],
        folder / row["mr"],
        folder / row["ct"],
        mask,
        ct_bias=ct_bias,
        preprocessing=preprocessing,
    )


def _split(path: Path, rows: list[tuple[int, dict[str, str]]]) -> dict[str, str]:
    split = {row["subject"]: row.get("split", "") for _, row in rows}
    if not any(split.values()):
        return {}
    for (line, _), (name, part) in zip(rows, split.items(), strict=True):
        if part not in SPLITS:
            raise ValueError(
                f"Line {line} of manifest {str(path)!r} must put subject {name!r} into one of "
                f"{', '.join(SPLITS)}. Received: {part!r}. Fill the column split for all subjects, "
                "or for none."
            )
    return split
