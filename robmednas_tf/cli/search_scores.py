"""The score table of a search's report: the winner beside what it has to be held against."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from robmednas_tf.cli.score_rows import lookup_table_row, network_row
from robmednas_tf.cli.search_data import PreparedCohort
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.evaluation.inference import AttackedInference
from robmednas_tf.report.contents import ScoreGroup, ScoreRow
from robmednas_tf.search.trials import COMPLETED, TrialRecord


def score_groups(
    subjects: PreparedCohort,
    inference: AttackedInference,
    winner: TrialRecord,
    records: Sequence[TrialRecord],
    label: str = "Best trial",
) -> list[ScoreGroup]:
    """Scores the final model and the look-up table on both groups of test subjects.

    Args:
        subjects: The look-up table is fitted on those that the final model is trained on.
        inference: The final model under attack.
        winner: The trial that it comes from.
        records: All trials.
        label: What the winner's trial is called.

    Returns:
        The search's test subjects, with the winner's and the median trial beside; then the
        held-out ones.
    """

    def rows(tested: Sequence[PreparedSubject]) -> list[ScoreRow]:
        network = network_row("Final model", inference, tested)
        return [network, lookup_table_row(subjects.final.train, tested)]

    searched, kept = rows(subjects.search.test), rows(subjects.held_out)
    trials = [
        ScoreRow(label, winner.metrics),
        ScoreRow("Median of all trials", _medians(records)),
    ]
    return [
        ScoreGroup(
            "Search's test subjects",
            "used to choose the winner",
            [subject.name for subject in subjects.search.test],
            [searched[0], *trials, searched[1]],
        ),
        ScoreGroup(
            "Held-out test subjects",
            "used for nothing but this table",
            [subject.name for subject in subjects.held_out],
            kept,
        ),
    ]


def _medians(records: Sequence[TrialRecord]) -> dict[str, float]:
    scored = [record.metrics for record in records if record.status == COMPLETED]
    medians = {}
    for name in scored[0]:
        values = [metrics[name] for metrics in scored if not math.isnan(metrics[name])]
        medians[name] = statistics.median(values) if values else math.nan
    return medians
