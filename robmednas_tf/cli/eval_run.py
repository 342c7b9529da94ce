"""The steps of an evaluation, in order; only what is not on disk yet is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.checks.table import Finding
from robmednas_tf.cli import command as commands
from robmednas_tf.cli import data_flags, eval_flags
from robmednas_tf.cli.eval_checks import ModelChecks
from robmednas_tf.cli.eval_flags import EvalSettings
from robmednas_tf.cli.eval_models import ModelSource
from robmednas_tf.cli.eval_notes import notes
from robmednas_tf.cli.eval_subjects import SubjectEvaluation
from robmednas_tf.cli.run_record import read_flags, require_unused, write_record
from robmednas_tf.cli.subjects import identities, open_cohort, prepare_subjects, subjects_of
from robmednas_tf.config import PHANTOM
from robmednas_tf.data.cohort import Cohort
from robmednas_tf.data.prepared import PreparedSubject, SliceCache, evenly_spread
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.evaluation.models import TrainedModel, load_model
from robmednas_tf.report.evaluation import (
    EvaluatedModel,
    EvaluationReport,
    write_evaluation_figures,
    write_evaluation_report,
    write_metrics_csv,
    write_tables,
)
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE


class EvalRun:
    """One evaluation in its folder, from models and prepared slices to the report.

    Args:
        settings: All settings, checked.
        command: The command line that repeats it.
    """

    def __init__(self, settings: EvalSettings, command: str):
        self.settings, self.command = settings, command
        self.folder = settings.output_dir

    def run(self) -> None:
        """Does every step that is not done yet."""
        with commands.refusing_bad_input():
            self.models = {each.name: load_model(each.path) for each in self.settings.models}
            self.data = data_flags.data_config(
                eval_flags.FLAGS, self._image_size(), self._preprocessing()
            )
            cohort = open_cohort(self.data)
            names = self._names(cohort)
            cohort.check()
            cache = SliceCache(
                self.data.cache_dir, self.data.image_size, self.data.slices_per_subject
            )
            self.subjects = list(prepare_subjects(cohort, cache, names).values())
            self.keys = {name: cache.key(cohort[name]) for name in names}
            self._require_unseen()
            self._require_same_subjects()
            self._write_record()
        self.shown = _slices_to_show(self.subjects, self.settings.num_slices)
        evaluation = SubjectEvaluation(self.settings, self.models, self.keys, self.shown)
        try:
            self.found = evaluation.run(self.subjects)
            self.findings = self._checked()
        except ValueError as error:
            # A model that is broken on some subject, which the error names.
            commands.fail(f"ERROR: {error}", commands.BAD_INPUT)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            commands.fail(
                "ERROR: Memory ran out. Lower --batch_size; the subjects that are done stay.", 1
            )
        self._report(cohort)

    def _checked(self) -> list[Finding]:
        if not self.settings.checks:
            return []
        return ModelChecks(self.settings, self.models, self.keys).run(self.subjects)

    def _image_size(self) -> int:
        sizes = {name: model.image_size for name, model in self.models.items()}
        asked = eval_flags.FLAGS.image_size
        if len({*sizes.values(), asked or next(iter(sizes.values()))}) > 1:
            listed = ", ".join(f"{name} {size} x {size}" for name, size in sizes.items())
            raise ValueError(
                "Models that are compared must take slices of one size, that of --image_size where "
                f"it is given. Received: {listed}"
                + (f"; --image_size={asked}" if asked else "")
                + ". Evaluate those of each size by themselves."
            )
        return next(iter(sizes.values()))

    def _preprocessing(self) -> Preprocessing:
        given = eval_flags.FLAGS
        known = {
            name: model.preprocessing
            for name, model in self.models.items()
            if model.says_preprocessing
        }
        asked = data_flags.preprocessing(given)
        first = next(iter(known.values()), asked)
        asked = Preprocessing(
            asked.zscore if given["zscore"].present else first.zscore,
            asked.spacing_mm if given["spacing_mm"].present else first.spacing_mm,
        )
        if {*known.values(), asked} != {first}:
            listed = ", ".join(f"{name} ({how})" for name, how in known.items())
            raise ValueError(
                "Models that are compared must see volumes prepared in one way, that of "
                f"--spacing_mm and --zscore where they are given. Received: {listed}. Evaluate "
                "those of each way by themselves, without these flags."
            )
        for name in self.models.keys() - known.keys():
            print(f"Note: nothing says how model {name!r} wants volumes prepared; {first}.")
        return first

    def _names(self, cohort: Cohort) -> list[str]:
        if self.settings.split == "all":
            return list(cohort.names)
        return list(subjects_of(self.settings.split, cohort, self.data))

    def _require_unseen(self) -> None:
        if self.settings.split not in ("test", "all"):
            return
        for source in self.settings.models:
            used = source.used
            if used is None:
                print(f"Note: nothing says what model {source.name!r} was trained on.", flush=True)
            require_unused(
                identities(self.subjects),
                used or {},
                f"Model {source.name!r}",
                "Give the cohort and the split that it was trained with (--data, --num_test, "
                "--split_seed, --num_phantoms), or say --split=train.",
            )

    def _require_same_subjects(self) -> None:
        before = read_flags(self.folder)
        now = "phantom" if self.data.data == PHANTOM else str(Path(self.data.data).resolve())
        for name, value in {"data": now, "split": self.settings.split}.items():
            if before.get(name, value) != value:
                raise ValueError(
                    f"Folder {str(self.folder)!r} holds an evaluation of other subjects: --{name} "
                    f"was {before[name]!r}. Received: {value!r}. Give another --output_dir."
                )

    def _write_record(self) -> None:
        write_record(
            self.folder,
            "evaluation",
            eval_flags.FLAGS,
            self.data,
            {
                "models": ",".join(f"{each.name}={each.path}" for each in self.settings.models),
                "baseline": self.settings.baseline,
                "image_size": self.data.image_size,
            },
            {
                self.settings.split: [subject.name for subject in self.subjects],
                "identities": identities(self.subjects),
            },
        )

    def _report(self, cohort: Cohort) -> None:
        known = self.found.items()
        report = EvaluationReport(
            cohort=cohort.name,
            split=self.settings.split,
            subjects=[subject.name for subject in self.subjects],
            models=[_evaluated(each, self.models[each.name]) for each in self.settings.models],
            baseline=self.settings.baseline,
            conditions=self.settings.conditions,
            outcomes=[
                results.outcomes[condition]
                for (_, model), results in known
                for condition in (self.settings.conditions if model != LOOKUP_TABLE else [CLEAN])
            ],
            curves=[
                results.outcomes[level]
                for (_, model), results in known
                for level in (self.settings.levels if model != LOOKUP_TABLE else [])
            ],
            slices=[
                results.slices[condition, place]
                for (subject, model), results in known
                for condition in (self.settings.conditions if model != LOOKUP_TABLE else [])
                for place in self.shown.get(subject, ())
            ],
            image_size=self.data.image_size,
            slices_per_subject=self.data.slices_per_subject if self.data.data != PHANTOM else 0,
            command=self.command,
            settings=read_flags(self.folder),
            findings=self.findings,
            notes=notes(self.settings, self.data, self.subjects),
        )
        self._write_report(report)

    def _write_report(self, report: EvaluationReport) -> None:
        write_metrics_csv(self.folder / "metrics.csv", report)
        write_tables(self.folder, report)
        write_evaluation_figures(self.folder / "figures", report)
        write_evaluation_report(self.folder / "report.html", report)
        print(
            f"Report:  {self.folder / 'report.html'}\n"
            f"Tables:  {self.folder / 'tables.md'} (.csv, .tex)\n"
            f"Figures: {self.folder / 'figures'}\n"
            f"Numbers: {self.folder / 'metrics.csv'}",
            flush=True,
        )


def _evaluated(source: ModelSource, model: TrainedModel) -> EvaluatedModel:
    return EvaluatedModel(source.name, str(source.path), source.training, model.parameters)


def _slices_to_show(subjects: Sequence[PreparedSubject], count: int) -> Mapping[str, list[int]]:
    """Spreads slices over the subjects, and over their heights."""
    chosen: dict[str, list[int]] = {}
    for number in range(count):
        subject = subjects[number * len(subjects) // count]
        place = evenly_spread(subject.num_slices, count).tolist()
        if number < len(place):
            chosen.setdefault(subject.name, []).append(place[number])
    return chosen
