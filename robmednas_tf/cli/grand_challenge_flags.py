"""The flags of `run_grand_challenge.py`, and what they name."""

from __future__ import annotations

import json
from pathlib import Path

from absl import flags

from robmednas_tf.cli.eval_models import find_model, what_is_wrong
from robmednas_tf.cli.synthesize_flags import SynthesizeSettings
from robmednas_tf.cli.synthesize_jobs import Job
from robmednas_tf.data.volumes import FORMATS, is_volume

FLAGS = flags.FlagValues()

flags.DEFINE_string("input", "/input", "Folder of the case.", flag_values=FLAGS)
flags.DEFINE_string("output", "/output", "Folder of the results.", flag_values=FLAGS)
flags.DEFINE_string(
    "model",
    "/opt/algorithm/model",
    "The model: the folder of a run, a .keras file or a SavedModel's folder; or a folder with one "
    "of these for each region that region.json names.",
    flag_values=FLAGS,
)

_MR, _MASK, _CT, _REGION = "images/mri", "images/body", "images/synthetic-ct", "region.json"


def case_from_flags() -> tuple[SynthesizeSettings, Job]:
    """Finds the case's MR, its body mask and the model of its region.

    Raises:
        ValueError: If there is not exactly one MR, there is more than one mask, `region.json` is
            damaged, or there is no model.
    """
    source, output = Path(FLAGS.input), Path(FLAGS.output)
    mr, mask = _volume(source / _MR, needed=True), _volume(source / _MASK, needed=False)
    if mr is None:
        raise ValueError(f"Folder {str(source / _MR)!r} must hold the case's MR.")
    job = Job(mr.name, mr, mask, {"ct": output / _CT / mr.name})
    settings = SynthesizeSettings(
        models=(_model(Path(FLAGS.model), _region(source / _REGION)),),
        source=mr,
        output=job.outputs["ct"],
        mask=mask,
        # A case is computed anew, whatever an earlier attempt has left.
        overwrite=True,
        uncertainty=False,
        epsilon=0.0,
        batch_size=0,
    )
    return settings, job


def _volume(folder: Path, needed: bool) -> Path | None:
    found = sorted(path for path in folder.glob("*") if is_volume(path))
    if len(found) > 1 or (needed and not found):
        raise ValueError(
            f"Folder {str(folder)!r} must hold one volume ({', '.join(FORMATS)}). "
            f"Received: {', '.join(path.name for path in found) or 'none'}."
        )
    return found[0] if found else None


def _region(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        region = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"File {str(path)!r} must be JSON: {error}.") from error
    if not isinstance(region, str) or "/" in region or region in ("", ".", ".."):
        raise ValueError(f"File {str(path)!r} must hold a region's name. Received: {region!r}.")
    return region


def _model(folder: Path, region: str | None) -> Path:
    candidates = [folder / region, folder] if region else [folder]
    found = next(filter(None, map(find_model, candidates)), None)
    if found is None:
        regions = sorted(path.name for path in folder.glob("*") if find_model(path))
        raise ValueError(
            f"--model must name a model, or hold one for region {region!r}. Received: "
            f"{str(folder)!r}, which {what_is_wrong(folder)} (regions: "
            f"{', '.join(regions) or 'none'})."
        )
    return found
