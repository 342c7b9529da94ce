"""Checking models on a few slices; only what is not on disk yet is computed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robmednas_tf.attacks.attack import Slices
from robmednas_tf.attacks.victim import Victim
from robmednas_tf.checks.examine import examine
from robmednas_tf.checks.probe import Probe
from robmednas_tf.checks.sample import places_to_check, read_sample
from robmednas_tf.checks.table import CHECKS, Finding
from robmednas_tf.cli.eval_flags import EvalSettings
from robmednas_tf.cli.eval_results import file_name
from robmednas_tf.cli.progress import StepLine
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.evaluation.models import TrainedModel
from robmednas_tf.files import write_json

# Raise it when a check measures something else: findings made before are then made anew.
_FORMAT = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError)


class ModelChecks:
    """Checks of models, kept in the evaluation's folder.

    Args:
        settings: All settings.
        models: By name.
        keys: Of the subjects' prepared slices, by name.
    """

    def __init__(
        self,
        settings: EvalSettings,
        models: Mapping[str, TrainedModel],
        keys: Mapping[str, str],
    ):
        self.settings, self.models, self.keys = settings, models, keys
        self._victims: dict[str, Victim] = {}

    def run(self, subjects: Sequence[PreparedSubject]) -> list[Finding]:
        """Checks all models on some slices of all subjects, with progress.

        Returns:
            The findings, model by model.
        """
        self.places = places_to_check(subjects, self.settings.check_slices)
        line = StepLine("Checking", len(self.models), steps_stay=True)
        batches: list[Slices] = []
        found: list[Finding] = []
        for name in self.models:
            findings = self._read(name)
            if findings is None:
                batches = batches or self._batches()
                findings = self._examine(name, batches, line)
            found += findings
            line.step(f"{name}: {_flags_in_words(findings)}")
        line.close()
        return found

    def _batches(self) -> list[Slices]:
        return read_sample(self.places, self.settings.batch_size, self.settings.seed)

    def _examine(self, name: str, batches: Sequence[Slices], line: StepLine) -> list[Finding]:
        others = {other: self._victim(other) for other in self.models if other != name}
        probe = Probe(self._victim(name), batches, self.settings.check_epsilon, others)
        findings = examine(name, probe, lambda title: line.within(f"{name}: {title.lower()}"))
        values = {each.check: [_sayable(each.figure), each.note] for each in findings}
        write_json(self._path(name), {"recipe": self._recipe(name), "findings": values})
        return findings

    def _read(self, name: str) -> list[Finding] | None:
        try:
            saved = json.loads(self._path(name).read_text(encoding="utf-8"))
            if saved["recipe"] != self._recipe(name):
                return None
            values = saved["findings"]
            return [Finding(name, each, float(values[each][0]), values[each][1]) for each in CHECKS]
        except _DAMAGE:
            return None

    def _path(self, name: str) -> Path:
        return self.settings.output_dir / "results" / "checks" / f"{file_name(name)}.json"

    def _recipe(self, name: str) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "model": self.models[name].digest,
            "others": {
                other: model.digest for other, model in self.models.items() if other != name
            },
            "slices": [[self.keys[subject.name], place] for subject, place in self.places],
            "batch_size": self.settings.batch_size,
            "epsilon": self.settings.check_epsilon,
            "seed": self.settings.seed,
        }

    def _victim(self, name: str) -> Victim:
        if name not in self._victims:
            self._victims[name] = Victim.traced(self.models[name])
        return self._victims[name]


def _flags_in_words(findings: Sequence[Finding]) -> str:
    flagged = [each.check for each in findings if each.is_flagged]
    return f"flagged by {', '.join(flagged)}" if flagged else "no flag"


def _sayable(value: float) -> float | str:
    # JSON has no words for NaN and infinity; `float` reads their text back.
    return value if math.isfinite(value) else str(value)
