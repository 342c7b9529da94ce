"""The rows of a report's score table: a network, and the look-up table it has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import read_slices
from robmednas_tf.evaluation.inference import AttackedInference, Scores, summarize
from robmednas_tf.evaluation.lookup import LookupTable
from robmednas_tf.evaluation.metrics import VolumeMetrics
from robmednas_tf.report.contents import ScoreRow


def network_row(
    label: str, inference: AttackedInference, subjects: Sequence[PreparedSubject]
) -> ScoreRow:
    """Scores a network on subjects, clean and under attack."""
    return ScoreRow(label, summarize([inference.score(subject) for subject in subjects]))


def lookup_table_row(
    known: Sequence[PreparedSubject], subjects: Sequence[PreparedSubject]
) -> ScoreRow:
    """Scores the look-up table fitted on the `known` subjects on others, clean alone."""
    table = LookupTable.fit(pair for subject in known for pair in read_slices(subject))
    scores = [_table_scores(table, subject) for subject in subjects]
    return ScoreRow("Intensity look-up table", summarize(scores))


def _table_scores(table: LookupTable, subject: PreparedSubject) -> Scores:
    metrics = VolumeMetrics()
    for mr, ct_hu in read_slices(subject):
        metrics.update(ct_hu, table.predict(mr))
    return {"clean": metrics.result()}
