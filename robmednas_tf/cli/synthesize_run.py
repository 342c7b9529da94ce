"""Synthesising job after job; a bad file is said and passed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from robmednas_tf.cli import command as commands
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.cli.synthesize_flags import SynthesizeSettings
from robmednas_tf.cli.synthesize_jobs import Job
from robmednas_tf.cli.synthesize_record import SynthesisRecord
from robmednas_tf.data.intensities import FLOOR_HU
from robmednas_tf.data.pair import require_contrast, require_grid_of_mr
from robmednas_tf.data.slice_view import MRVolume
from robmednas_tf.data.volumes import read_volume, write_like
from robmednas_tf.files import replaced_atomically
from robmednas_tf.synthesis import Synthesizer, SyntheticCT
from robmednas_tf.volume_model import VolumeModel, load_volume_model

_INT16_MAX = 32767
_HU_OF_AIR = -900


class SynthesizeRun:
    """Synthetic CTs of a list of MRs.

    Args:
        settings: All settings, checked.
        jobs: What to read and write.
        folder: Where the record is kept; None for none.
    """

    def __init__(self, settings: SynthesizeSettings, jobs: Sequence[Job], folder: Path | None):
        self.settings, self.jobs, self._folder = settings, jobs, folder
        self.refused: dict[str, str] = {}

    def run(self) -> None:
        """Makes every synthetic CT that is not there yet."""
        with commands.refusing_bad_input():
            models = [self._load(path) for path in self.settings.models]
            self._tell_of_unknown(models)
            self._needs_mask = any(model.preprocessing.needs_mask for model in models)
            self._record = SynthesisRecord(self._folder, self._recipe(models))
            jobs = self._jobs_left()
        self._synthesizer = Synthesizer(
            models, self.settings.uncertainty, self.settings.epsilon > 0
        )
        line = StepLine("Synthesising", len(jobs), steps_stay=True)
        for job in jobs:
            if self._try(job, line):
                line.step(job.name)
        line.close()
        self._end()

    def _load(self, path: Path) -> VolumeModel:
        return load_volume_model(path, self.settings.batch_size, self.settings.epsilon)

    def _tell_of_unknown(self, models: Sequence[VolumeModel]) -> None:
        for path, model in zip(self.settings.models, models, strict=True):
            if not model.says_preprocessing:
                print(
                    f"Note: nothing in {path} says how its volumes were prepared; taken as "
                    f"{model.preprocessing}.",
                    flush=True,
                )

    def _recipe(self, models: Sequence[VolumeModel]) -> dict[str, Any]:
        return {
            "models": [model.digest for model in models],
            "robustness_epsilon": self.settings.epsilon,
            "uncertainty": self.settings.uncertainty,
        }

    def _jobs_left(self) -> list[Job]:
        left = [job for job in self.jobs if not self._record.is_made(job)]
        others = [job for job in left if not self._record.is_begun(job)]
        there = [path for job in others for path in job.outputs.values() if path.exists()]
        if there and not self.settings.overwrite:
            raise ValueError(
                f"Files that are there are not replaced: {str(there[0])!r}"
                + (f" and {len(there) - 1} more" if len(there) > 1 else "")
                + ". Pass --overwrite to replace them, or give another --output."
            )
        if len(left) < len(self.jobs):
            print(f"{len(self.jobs) - len(left)} of {len(self.jobs)} are there already.")
        return left

    def _try(self, job: Job, line: StepLine) -> bool:
        """Does one job, or says why not; returns whether it is done."""
        try:
            if job.problem:
                raise ValueError(job.problem)
            found = self._synthesize(self._read(job, line), line)
            self._write(job, found)
        except ValueError as error:
            if len(self.jobs) == 1:
                commands.fail(f"ERROR: {error}", commands.BAD_INPUT)
            self.refused[job.name] = " ".join(str(error).split())
            line.note(f"Refused {job.name!r}: {self.refused[job.name]}")
            return False
        except (tf.errors.ResourceExhaustedError, MemoryError):
            commands.fail("ERROR: Memory ran out. Lower --batch_size; what is done stays.", 1)
        if found.unseen:
            line.note(
                f"Note: {100 * found.unseen:.0f} % of {job.name!r} lies outside the slices; there "
                "the synthetic CT is air, and no map says anything."
            )
        return True

    def _read(self, job: Job, line: StepLine) -> MRVolume:
        mr, affine = read_volume(job.mr, job.name)
        require_contrast(mr, job.mr, job.name)
        for doubt in doubts_of_mr(mr):
            line.note(f"Note: {job.name!r} {doubt}")
        if not self._needs_mask:
            return MRVolume(job.name, mr, affine)
        if job.mask is None:
            raise ValueError(
                f"MR {str(job.mr)!r} must have a body mask: the model was trained with "
                "--zscore=mask. Give it as --mask, or beside the MR in the subject's folder."
            )
        mask, mask_affine = read_volume(job.mask, job.name)
        grids = (mr.shape, affine), (mask.shape, mask_affine)
        require_grid_of_mr(job.name, "mask", job.mask, *grids)
        require_contrast(mr[mask > 0], job.mr, job.name, "inside the body mask")
        return MRVolume(job.name, mr, affine, mask > 0)

    def _synthesize(self, volume: MRVolume, line: StepLine) -> SyntheticCT:
        done = 0

        def tell(num_slices: int) -> None:
            nonlocal done
            done += num_slices
            line.within(f"{volume.subject}, {done} slices")

        return self._synthesizer(volume, tell)

    def _write(self, job: Job, found: SyntheticCT) -> None:
        self._record.begin(job)
        volumes = {
            "uncertainty": found.uncertainty_hu,
            "robustness": found.robustness_hu,
            # Last, so that where it is there, all is.
            "ct": found.ct_hu,
        }
        for kind, volume in volumes.items():
            if volume is not None:
                with replaced_atomically(job.outputs[kind]) as temporary:
                    write_like(temporary, to_int16_hu(volume), job.mr, job.name)
        models = [str(path) for path in self.settings.models]
        self._record.finish(job, {"models": models, "unseen_share": round(found.unseen, 4)})

    def _end(self) -> None:
        where = self._folder or self.settings.output
        if not self.refused:
            print(f"Synthetic CT: {where}", flush=True)
            return
        others = f" The others are in {where}." if len(self.refused) < len(self.jobs) else ""
        commands.fail(
            f"ERROR: {len(self.refused)} of {len(self.jobs)} volumes refused: "
            f"{', '.join(self.refused)} (the reasons stand above).{others}",
            1,
        )


def doubts_of_mr(mr: np.ndarray) -> list[str]:
    """Returns why a volume may be no MR at all, to be said after its name.

    Args:
        mr: Arbitrary units.
    """
    doubts = []
    if mr.min() <= _HU_OF_AIR and mr.max() > 0:
        doubts.append(f"has values like a CT's, from {mr.min():g}. Is it the MR?")
    if mr.size > 1 and np.isin(mr, (mr.min(), mr.max())).all():
        doubts.append(f"holds {mr.min():g} and {mr.max():g} alone, as a mask does. Is it the MR?")
    return doubts


def to_int16_hu(volume_hu: np.ndarray) -> np.ndarray:
    """Rounds HU to int16; no lower than -1024, the least that a CT can measure.

    Args:
        volume_hu: Finite, any shape.
    """
    return np.rint(np.clip(volume_hu, FLOOR_HU, _INT16_MAX)).astype(np.int16)
