"""`run_synthesize.py`: synthetic CTs of MRs, on the MRs' own grids.

Nothing here imports TensorFlow before the flags and the files' names are checked.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NoReturn

from robmednas_tf.cli import command, synthesize_flags
from robmednas_tf.cli.synthesize_flags import SynthesizeSettings, settings_from_flags
from robmednas_tf.cli.synthesize_jobs import Job, find_jobs
from robmednas_tf.cli.synthesize_record import held_output
from robmednas_tf.data.volumes import volume_suffix

SUMMARY = """\
Synthesises CT from MR: int16 HU on the MR's exact grid, file for file.

  python run_synthesize.py --model=RUN --input=MR.nii.gz --output=CT.nii.gz
  python run_synthesize.py --model=RUN --input=FOLDER --output=OUT
  python run_synthesize.py --model=RUN --ensemble=RUN2,RUN3 --uncertainty --robustness_map=0.06 ...

A file that cannot be read is said and passed over (exit status 1 at the end). The same command on
the same --output goes on where it was; files of another origin are replaced with --overwrite only.
"""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, synthesize_flags.FLAGS)


def main() -> None:
    """Checks what can be checked, then synthesises."""
    with command.refusing_bad_input():
        settings = settings_from_flags()
        jobs = find_jobs(settings)
        folder = output_folder(settings)
        held = contextlib.ExitStack()
        held.enter_context(held_output(folder, jobs))
    with held:
        greet(settings, jobs)
        command.start_tensorflow()
        from robmednas_tf.cli.synthesize_run import SynthesizeRun

        SynthesizeRun(settings, jobs, folder).run()


def output_folder(settings: SynthesizeSettings) -> Path | None:
    """Returns the folder that the synthetic CTs share; None where --output names a file."""
    if settings.source.is_file() and volume_suffix(settings.output):
        return None
    return settings.output


def greet(settings: SynthesizeSettings, jobs: list[Job]) -> None:
    """Says what is about to be done."""
    volumes = jobs[0].name if len(jobs) == 1 else f"{len(jobs)} volumes"
    models = f", the mean of {len(settings.models)} models" if len(settings.models) > 1 else ""
    extras = {"uncertainty": "uncertainty", "robustness": f"FGSM {settings.epsilon:g}"}
    asked = [extras[kind] for kind in settings.kinds if kind in extras]
    print(f"Synthesising CT of {volumes}{models}{''.join(f', {each}' for each in asked)}.")
