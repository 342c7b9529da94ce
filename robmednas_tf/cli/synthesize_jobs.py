"""What a synthesis reads and writes: one job an MR, found and checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.cli.synthesize_flags import SynthesizeSettings
from robmednas_tf.data.cohort import subject_folders
from robmednas_tf.data.subjects import find_file
from robmednas_tf.data.volumes import FORMATS, is_volume, volume_suffix

_SYNTHETIC_CT = "synthetic_ct"
_ROLES = ("ct", "mask")


@dataclass(frozen=True)
class Job:
    """One MR and what is made of it.

    Attributes:
        name: What the user calls it: the file's name, or the subject's.
        mr: The MR's file.
        mask: The body mask's; None where there is none.
        outputs: Files by kind: `ct`, `uncertainty`, `robustness`.
        problem: Why it cannot be done; empty where it can.
    """

    name: str
    mr: Path
    mask: Path | None
    outputs: dict[str, Path]
    problem: str = ""


def find_jobs(settings: SynthesizeSettings) -> list[Job]:
    """Finds the MRs, in the order of their names.

    Raises:
        ValueError: If there is none, two would be written to one file, an output is an input, or
            the output's format is not the MR's. What is wrong with one subject alone is in its job.
    """
    jobs = list(_jobs(settings))
    if not jobs:
        raise ValueError(
            f"Folder {str(settings.source)!r} must hold MRs ({', '.join(FORMATS)}), or subjects' "
            "folders with an mr file. Received: none."
        )
    written = [path.resolve() for job in jobs for path in job.outputs.values()]
    twice = sorted({str(path) for path in written if written.count(path) > 1})
    if twice:
        raise ValueError(
            f"Each MR must have an output of its own. Two would be written to: {twice[0]!r}. "
            "Rename one of the inputs."
        )
    for job in jobs:
        for path in job.outputs.values():
            _require_not_of_cohort(path, jobs)
    return jobs


def _require_not_of_cohort(output: Path, jobs: list[Job]) -> None:
    if not output.exists():
        return
    inputs = (path for job in jobs for path in (job.mr, job.mask) if path is not None)
    is_input = any(path.exists() and output.samefile(path) for path in inputs)
    # Not even with --overwrite: these may be what a network was trained on.
    stem = output.name.removesuffix(volume_suffix(output) or "").casefold()
    is_truth = stem in _ROLES and find_file(output.parent, "mr") is not None
    if is_input or is_truth:
        raise ValueError(
            "A synthetic CT must not replace an input, nor the ct or mask beside an MR. "
            f"Received: {str(output)!r}. Give another --output."
        )


def _jobs(settings: SynthesizeSettings) -> Iterator[Job]:
    source, output = settings.source, settings.output
    if settings.mask is not None and not settings.mask.exists():
        raise ValueError(
            f"--mask must be a file or a folder. No such file: {str(settings.mask)!r}."
        )
    if not source.exists():
        raise ValueError(f"--input must be an MR or a folder. Nothing is at {str(source)!r}.")
    if source.is_file():
        yield _single(settings)
        return
    if volume_suffix(output):
        raise ValueError(
            "The synthetic CTs of a folder must go into a folder. "
            f"Received: --output={str(output)!r}. Leave the ending out."
        )
    if _holds(source, "mr"):
        yield _of_subject(source.resolve().name, source, output, settings)
        return
    files = [path for path in sorted(source.iterdir()) if path.is_file() and is_volume(path)]
    folders = sorted(subject_folders(source, ("mr",)), key=lambda path: path.name)
    _require_one_kind(source, files, folders)
    for path in files:
        yield _of_file(path, output / path.name, settings)
    for folder in folders:
        yield _of_subject(folder.name, folder, output / folder.name, settings)


def _require_one_kind(source: Path, files: list[Path], folders: list[Path]) -> None:
    no_mrs = [path.name for path in files if path.name.partition(".")[0] in _ROLES]
    if no_mrs:
        raise ValueError(
            f"Folder {str(source)!r} must hold MRs alone. Received: {', '.join(no_mrs)}. "
            "Give the MR itself as --input, or call it mr."
        )
    if files and folders:
        raise ValueError(
            f"Folder {str(source)!r} must hold MRs, or subjects' folders, but not both. "
            f"Received: {files[0].name!r} and the folder {folders[0].name!r}."
        )


def _single(settings: SynthesizeSettings) -> Job:
    path, output = settings.source, settings.output
    suffix = volume_suffix(path)
    if suffix is None:
        raise ValueError(
            f"An MR must end in {' or '.join(FORMATS)}. Received: {str(path)!r}. Convert it."
        )
    wanted = volume_suffix(output)
    if wanted is None and output.suffix and not output.is_dir():
        raise ValueError(
            f"--output must be a folder, or end in {suffix}. Received: {str(output)!r}."
        )
    if wanted is None:
        return _of_file(path, output / path.name, settings)
    if FORMATS[wanted] is not FORMATS[suffix]:
        raise ValueError(
            f"A synthetic CT must have its MR's format. Received: {path.name!r} and "
            f"{output.name!r}. Give --output the ending {suffix}, or a folder."
        )
    return _of_file(path, output, settings)


def _of_file(path: Path, output: Path, settings: SynthesizeSettings) -> Job:
    return Job(path.name, path, _mask_of_file(path, settings), _outputs(output, settings.kinds))


def _of_subject(name: str, folder: Path, output: Path, settings: SynthesizeSettings) -> Job:
    if settings.mask is not None:
        raise ValueError(
            "Subjects' folders hold their own masks. "
            f"Received: --mask={str(settings.mask)!r}. Leave it out."
        )
    try:
        mr, mask = find_file(folder, "mr"), find_file(folder, "mask")
    except ValueError as error:
        return Job(name, folder, None, {}, str(error))
    if mr is None:
        return Job(name, folder, None, {}, f"Folder {str(folder)!r} must hold an mr file.")
    path = output / f"{_SYNTHETIC_CT}{volume_suffix(mr)}"
    return Job(name, mr, mask, _outputs(path, settings.kinds))


def _mask_of_file(path: Path, settings: SynthesizeSettings) -> Path | None:
    mask = settings.mask
    if mask is None:
        # Given alone, a subject's MR keeps the mask that lies beside it.
        return find_file(path.parent, "mask") if path.name.startswith("mr.") else None
    if mask.is_file():
        if settings.source.is_dir():
            raise ValueError(
                "The masks of a folder of MRs must be a folder, too. "
                f"Received: --mask={str(mask)!r}."
            )
        return mask
    stem = path.name.removesuffix(volume_suffix(path) or "")
    return find_file(mask, stem)


def _outputs(path: Path, kinds: Iterable[str]) -> dict[str, Path]:
    suffix = volume_suffix(path) or ""
    stem = path.name.removesuffix(suffix)
    names = {kind: "" if kind == "ct" else f"_{kind}" for kind in kinds}
    return {kind: path.with_name(f"{stem}{name}{suffix}") for kind, name in names.items()}


def _holds(folder: Path, role: str) -> bool:
    return any((folder / f"{role}{suffix}").is_file() for suffix in FORMATS)
