"""What a synthesis reads and writes: one job an MR, found and checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from robmednas_tf.cli.synthesize_flags import SynthesizeSettings
from robmednas_tf.data.cohort import subject_folders
from robmednas_tf.data.subjects import find_file
from robmednas_tf.data.volumes import FORMATS, volume_suffix

_SYNTHETIC_CT = "synthetic_ct"


@dataclass(frozen=True)
class Job:
    """One MR and what is made of it.

    Attributes:
        name: What the user calls it: the file's name, or the subject's.
        mr: The MR's file.
        mask: The body mask's; None where there is none.
        outputs: Files by kind: `ct`, `uncertainty`, `robustness`.
    """

    name: str
    mr: Path
    mask: Path | None
    outputs: dict[str, Path]


def find_jobs(settings: SynthesizeSettings) -> list[Job]:
    """Finds the MRs, in the order of their names.

    Raises:
        ValueError: If there is none, two would be written to one file, an output is an input, or
            the output's format is not the MR's.
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
    read = {path.resolve() for job in jobs for path in (job.mr, job.mask) if path is not None}
    own = sorted(str(path) for path in read.intersection(written))
    if own:
        raise ValueError(
            f"A synthetic CT must not replace an input. Received: {own[0]!r} for both. "
            "Give another --output."
        )
    return jobs


def _jobs(settings: SynthesizeSettings) -> Iterator[Job]:
    source = settings.source
    if not source.exists():
        raise ValueError(f"--input must be an MR or a folder. No such file: {str(source)!r}.")
    if source.is_file():
        yield _single(settings)
        return
    files = [path for path in sorted(source.iterdir()) if path.is_file() and _is_volume(path)]
    if find_file(source, "mr"):
        yield _of_subject(source.resolve().name, source, settings.output, settings)
    elif files:
        for path in files:
            yield _of_file(path, settings.output / path.name, settings)
    else:
        for folder in sorted(subject_folders(source, ("mr",)), key=lambda path: path.name):
            yield _of_subject(folder.name, folder, settings.output / folder.name, settings)


def _single(settings: SynthesizeSettings) -> Job:
    path, output = settings.source, settings.output
    suffix = volume_suffix(path)
    if suffix is None:
        raise ValueError(
            f"An MR must end in {' or '.join(FORMATS)}. Received: {str(path)!r}. Convert it."
        )
    wanted = volume_suffix(output)
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
    mr = find_file(folder, "mr")
    if mr is None:
        raise ValueError(f"Folder {str(folder)!r} must hold an mr file. Received: none.")
    path = output / f"{_SYNTHETIC_CT}{volume_suffix(mr)}"
    return Job(name, mr, find_file(folder, "mask"), _outputs(path, settings.kinds))


def _mask_of_file(path: Path, settings: SynthesizeSettings) -> Path | None:
    mask = settings.mask
    if mask is None or mask.is_file():
        if mask is not None and settings.source.is_dir():
            raise ValueError(
                "The masks of a folder of MRs must be a folder, too. "
                f"Received: --mask={str(mask)!r}."
            )
        return mask
    if not mask.is_dir():
        raise ValueError(f"--mask must be a file or a folder. No such file: {str(mask)!r}.")
    stem = path.name.removesuffix(volume_suffix(path) or "")
    return find_file(mask, stem)


def _outputs(path: Path, kinds: Iterable[str]) -> dict[str, Path]:
    suffix = volume_suffix(path) or ""
    stem = path.name.removesuffix(suffix)
    names = {kind: "" if kind == "ct" else f"_{kind}" for kind in kinds}
    return {kind: path.with_name(f"{stem}{name}{suffix}") for kind, name in names.items()}


def _is_volume(path: Path) -> bool:
    return volume_suffix(path) is not None and not path.name.startswith(".")
