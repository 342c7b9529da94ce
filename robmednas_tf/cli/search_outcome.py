"""From a search's settings and report to what is noted of its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from robmednas_tf.cli.search_flags import SearchSettings
from robmednas_tf.data.split import Split
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report.contents import SearchReport, score_of
from robmednas_tf.search.confirmation import Confirmation
from robmednas_tf.search.outcome import SearchOutcome
from robmednas_tf.search.trials import COMPLETED, PRUNED


def outcome_recipe(
    settings: SearchSettings,
    whole: Split,
    sub: Split,
    files: Callable[[Mapping[str, Iterable[str]]], Mapping[str, str]],
) -> dict[str, Any]:
    """Returns all that a search's outcome follows from, as it reads back from JSON.

    Args:
        settings: Of the one search.
        whole: The cohort's split.
        sub: The search's sub-dataset.
        files: Gives digests of subjects' files as they are prepared, for names by part.
    """
    values = asdict(settings)
    # The digests say which slices; neither repeats beside this one nor who trains changes it.
    del values["data"], values["repeats"], values["workers"]
    parts = {"cohort": whole.to_dict(), "sub_dataset": sub.to_dict()}
    recipe = {**values, **parts, "files": files(whole.to_dict())}
    return json.loads(json.dumps(recipe, default=str))


def outcome_of(report: SearchReport, seed: int, note: str | None) -> SearchOutcome:
    """Returns what a search has ended with.

    Args:
        report: Of a search with a winner.
        seed: The search's.
        note: Of the final model.

    Raises:
        ValueError: If no trial has won.
    """
    if report.best is None or report.architecture is None:
        raise ValueError("An outcome needs a winner. Received: a search without one.")
    confirmed = _confirmed(report.confirmation)
    searched, held_out = report.scores[0], report.scores[-1]
    return SearchOutcome(
        seed=seed,
        trial_id=report.best.trial_id,
        architecture=report.architecture,
        parameters=report.best.details["parameters"],
        scores=[score_of(each) for each in report.records if each.status in (COMPLETED, PRUNED)],
        num_failed=len(report.failed),
        first=report.best.metrics,
        confirmed={
            name: summarize_values([metrics[name] for metrics in confirmed]).mean
            for name in (confirmed[0] if confirmed else ())
        },
        num_confirmed=len(confirmed),
        search_test=searched.rows[0].metrics,
        held_out=held_out.rows[0].metrics,
        seconds=report.seconds,
        note=note,
    )


def _confirmed(confirmation: Confirmation | None) -> list[Mapping[str, float]]:
    if confirmation is None:
        return []
    repeats = confirmation.winner.repeats
    return [record.metrics for record in repeats if record.status == COMPLETED]
