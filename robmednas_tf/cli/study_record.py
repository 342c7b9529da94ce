"""What a study leaves of itself before its first step, and how large its pieces are."""

from __future__ import annotations

from pathlib import Path

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.cli import study_flags
from robmednas_tf.cli.command import flag_file
from robmednas_tf.cli.study_flags import FLAGS, OF_ONE_CALL, baseline_file
from robmednas_tf.cli.study_settings import StudySettings
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.split import Split
from robmednas_tf.files import write_json, write_text
from robmednas_tf.study.cost import Sizes

_PAPERS_SLICES = 182


def write_study_record(settings: StudySettings, cohort: Cohort, whole: Split) -> None:
    """Writes `flags.cfg`, `split.json` and the baseline's architecture into the study's folder.

    Args:
        settings: All settings.
        cohort: The subjects.
        whole: How they are split.

    Raises:
        OSError: If they cannot be written.
    """
    data = settings.data
    effective: dict[str, object] = {
        "output_dir": settings.output_dir,
        "cache_dir": data.cache_dir.resolve(),
    }
    if data.data != PHANTOM:
        effective["data"] = Path(data.data).expanduser().resolve()
    text = flag_file(study_flags.FLAGS, effective)
    lines = [
        line
        for line in text.splitlines()
        if line.lstrip("-").partition("=")[0].removeprefix("no") not in OF_ONE_CALL
    ]
    write_text(settings.output_dir / "flags.cfg", "\n".join(lines) + "\n")
    baseline = settings.output_dir / baseline_file(settings.baseline)
    write_text(baseline, settings.baseline.to_json() + "\n")
    write_json(
        settings.output_dir / "split.json",
        {"command": "study", "name": cohort.name, "study": whole.to_dict()},
    )


def study_sizes(settings: StudySettings, whole: Split, sub: Split) -> Sizes:
    """Returns how large a study's pieces are.

    Args:
        settings: All settings.
        whole: The cohort's split.
        sub: The searches' sub-dataset.
    """
    data, attacks = settings.data, map(Perturbation.parse, settings.attacks)
    share = AdversarialConfig().replacement_probability
    if FLAGS.replacement_probability is not None:
        share = FLAGS.replacement_probability
    return Sizes(
        subjects=len(whole.names),
        # Of volumes whose slices are all taken, as many as the paper's have.
        slices_each=data.slices_per_subject or _PAPERS_SLICES,
        train=len(whole.train),
        validation=len(whole.validation),
        test=len(whole.test),
        search_train=len(sub.train),
        search_validation=len(sub.validation),
        search_test=len(sub.test),
        image_size=data.image_size,
        batch_size=settings.batch_size,
        trials=FLAGS.num_trials,
        confirmed=FLAGS.confirm_top * FLAGS.confirm_seeds,
        trial_epochs=FLAGS.trial_epochs,
        epochs=FLAGS.epochs,
        conditions=len(settings.attacks),
        levels=settings.num_levels,
        trial_gradients=Perturbation.parse(FLAGS.attack).num_gradients,
        adversarial_gradients=share * Perturbation.parse(FLAGS.train_attack).num_gradients,
        # Attacks share the gradient at the clean MR.
        evaluation_gradients=1 + sum(max(0.0, each.num_gradients - 1) for each in attacks),
    )
