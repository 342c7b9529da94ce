"""Evaluating models subject by subject; only what is not on disk yet is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robmednas_tf.attacks.kinds import TRANSFER, WORST
from robmednas_tf.attacks.notation import CLEAN, Perturbation, rivals
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.cli.eval_flags import EvalSettings
from robmednas_tf.cli.eval_results import ResultFolder, Results
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.evaluation.models import TrainedModel
from robmednas_tf.evaluation.volumes import Wanted, evaluate_lookup_table, evaluate_subject
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE


class SubjectEvaluation:
    """Models on subjects, in every condition that the settings name.

    Args:
        settings: All settings.
        models: By name.
        keys: Of the subjects' prepared slices, by name.
        shown: Places of the slices that figures show, by subject.
    """

    def __init__(
        self,
        settings: EvalSettings,
        models: Mapping[str, TrainedModel],
        keys: Mapping[str, str],
        shown: Mapping[str, Sequence[int]],
    ):
        self.settings, self.models, self.keys, self.shown = settings, models, keys, shown
        self.results = ResultFolder(settings.output_dir)
        self.found: dict[tuple[str, str], Results] = {}
        self.inference: dict[str, PerturbedInference] = {}

    def run(self, subjects: Sequence[PreparedSubject]) -> dict[tuple[str, str], Results]:
        """Evaluates all models on all subjects, with progress.

        Returns:
            The results by subject and model, those of the look-up table among them.

        Raises:
            ValueError: If a model breaks on a subject; names both.
        """
        line = StepLine("Evaluating", len(subjects), steps_stay=True)
        for subject in subjects:
            self._evaluate_subject(subject, line)
            line.step(subject.name)
        line.close()
        return self.found

    def _evaluate_subject(self, subject: PreparedSubject, line: StepLine) -> None:
        places = self.shown.get(subject.name, ())
        missing: dict[str, list[str]] = {}
        for name in self.models:
            recipe, bases = self._recipe(subject, name), self._bases()
            results = self.results.read(subject.name, name, recipe, bases)
            self.found[subject.name, name] = results
            conditions = self._missing(results, places)
            if conditions:
                missing[name] = conditions
        if missing:
            self._evaluate_models(subject, missing, line)
        self._evaluate_lookup_table(subject)

    def _missing(self, results: Results, places: Sequence[int]) -> list[str]:
        shown = [each for each in self.settings.conditions if not results.has(each, True, places)]
        levels = [each for each in self.settings.levels if not results.has(each, False, ())]
        return list(dict.fromkeys(shown + levels))

    def _evaluate_models(
        self, subject: PreparedSubject, missing: Mapping[str, Sequence[str]], line: StepLine
    ) -> None:
        done = 0

        def tell(num_slices: int) -> None:
            nonlocal done
            done += num_slices
            line.within(f"{subject.name}, slice {done}/{subject.num_slices}")

        outcomes, slices = evaluate_subject(
            {name: self._inference(name) for name in missing},
            subject,
            Wanted(
                self.settings.conditions,
                self.shown.get(subject.name, ()),
                self.settings.seed,
                missing,
            ),
            self.settings.batch_size,
            tell,
            {name: self._inference(name) for name in self.settings.sources},
        )
        for outcome in outcomes:
            self.found[subject.name, outcome.model].outcomes[outcome.condition] = outcome
        for each in slices:
            key = (each.condition, each.slice_index)
            self.found[subject.name, each.model].slices[key] = each
        for name in missing:
            self._write(subject, name)

    def _evaluate_lookup_table(self, subject: PreparedSubject) -> None:
        recipe = self._recipe(subject, LOOKUP_TABLE)
        results = self.results.read(subject.name, LOOKUP_TABLE, recipe)
        self.found[subject.name, LOOKUP_TABLE] = results
        if not results.has(CLEAN, True, ()):
            outcome = evaluate_lookup_table(subject, LOOKUP_TABLE, self.settings.batch_size)
            results.outcomes[CLEAN] = outcome
            self._write(subject, LOOKUP_TABLE)

    def _write(self, subject: PreparedSubject, name: str) -> None:
        results = self.found[subject.name, name]
        recipe = self._recipe(subject, name)
        self.results.write(subject.name, name, recipe, results, self._bases())

    def _recipe(self, subject: PreparedSubject, name: str) -> dict[str, Any]:
        model = self.models[name].digest if name in self.models else name
        return {
            "format": 1,
            "model": model,
            "subject": self.keys[subject.name],
            "seed": self.settings.seed,
        }

    def _bases(self) -> dict[str, str]:
        """Returns what some conditions follow from besides: other attacks, or another model."""
        found = {}
        for each in self.settings.attacks:
            if each.table.made_by == WORST:
                found[str(each)] = " ".join(map(str, rivals(each, self.settings.attacks)))
            if each.table.made_by == TRANSFER:
                found[str(each)] = self.models[str(each["from"])].digest
        return found

    def _inference(self, name: str) -> PerturbedInference:
        if name not in self.inference:
            wanted: tuple[Perturbation, ...] = (*self.settings.attacks, *self.settings.curves)
            self.inference[name] = PerturbedInference(
                self.models[name], tuple(dict.fromkeys(wanted))
            )
        return self.inference[name]
