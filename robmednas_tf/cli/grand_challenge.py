"""`run_grand_challenge.py`: the entry point of a Grand Challenge algorithm container.

One case a run, no network: `/input/images/mri/X`, `/input/images/body/X` and `/input/region.json`
in, `/output/images/synthetic-ct/X` and `/output/results.json` out.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from robmednas_tf.cli import command, grand_challenge_flags
from robmednas_tf.files import write_json

SUMMARY = """\
Synthesises the CT of one Grand Challenge case, in the layout of SynthRAD's containers.

  python run_grand_challenge.py --model=RUN --input=/input --output=/output"""


def run() -> NoReturn:
    """Runs the command on the process's arguments."""
    command.run(main, SUMMARY, grand_challenge_flags.FLAGS)


def main() -> None:
    """Checks the case, then synthesises and writes the results."""
    with command.refusing_bad_input():
        settings, job = grand_challenge_flags.case_from_flags()
    print(f"Synthesising CT of {job.name}.", flush=True)
    command.start_tensorflow()
    from robmednas_tf.cli.synthesize_run import SynthesizeRun

    SynthesizeRun(settings, [job], folder=None).run()
    write_json(Path(grand_challenge_flags.FLAGS.output) / "results.json", _results(job))


def _results(job: grand_challenge_flags.Job) -> list[dict]:
    def image(path: Path) -> dict[str, str]:
        return {"type": "metaio_image", "filename": path.name}

    return [
        {
            "outputs": [image(job.outputs["ct"])],
            "inputs": [image(path) for path in (job.mr, job.mask) if path],
            "error_messages": [],
        }
    ]
