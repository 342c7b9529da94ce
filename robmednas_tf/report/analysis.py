"""What a search has learnt: its section of the page, its figures, and `analysis.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robmednas_tf.report import analysis_figures, analysis_wording, wording
from robmednas_tf.report.contents import SearchReport
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.page import Drawn
from robmednas_tf.report.tables import Table
from robmednas_tf.search.analysis import Analysis
from robmednas_tf.search.bootstrap import Estimate

COLUMNS = ("part", "name", "level", "metric", "num_trials", "value", "low", "high", "chance")


@dataclass(frozen=True)
class AnalysisSection:
    """The section's words and tables; without tables where there was too little to analyse.

    Attributes:
        text: The findings, or why there are none.
        cautions: What must not be read into them.
        tables: By caption.
    """

    text: str
    cautions: list[str] = field(default_factory=list)
    tables: Mapping[str, Table] = field(default_factory=dict)


def analysis_section(report: SearchReport) -> AnalysisSection:
    """Returns what the page says of what the search has learnt."""
    analysis = report.analysis
    if analysis is None:
        return AnalysisSection(analysis_wording.nothing_to_learn(report))
    attacked, clean = map(wording.metric_label, (analysis.attacked_metric, analysis.clean_metric))
    return AnalysisSection(
        analysis_wording.findings(analysis),
        analysis_wording.cautions(analysis, len(report.failed), len(report.stopped)),
        {
            "Rank correlations over trials": _associations_table(analysis),
            "Explained variance of being among the best quarter": _importance_table(analysis),
            f"Mean scores by level: {attacked}; {clean}": _levels_table(analysis),
        },
    )


def drawn_analysis(report: SearchReport) -> Iterator[Drawn]:
    """Yields the figures `importance`, `scores_by_level` and `robustness_vs_size`, if any."""
    analysis = report.analysis
    if analysis is None:
        return
    trials = wording.plural(len(analysis.trials), "trial")
    yield Drawn(
        "importance",
        analysis_figures.importance(analysis),
        f"Dot plot: importance of each factor. {analysis_wording.findings(analysis)}",
        analysis_wording.importance_caption(analysis),
    )
    yield Drawn(
        "scores_by_level",
        analysis_figures.scores_by_level(analysis),
        f"Dot plot: mean attacked and clean scores of {trials} by level of each factor; the "
        "numbers stand in a table of the same section.",
        analysis_wording.levels_caption(report),
    )
    correlations = "; ".join(
        f"{wording.metric_label(each.x)}: {analysis_wording.rho(each)}"
        for each in analysis.associations[:2]
    )
    yield Drawn(
        "robustness_vs_size",
        analysis_figures.robustness_vs_size(analysis),
        f"Scatter plots: attacked score of {trials} against size. {correlations}.",
        analysis_wording.size_caption(report),
    )


def write_analysis_csv(path: Path, report: SearchReport) -> None:
    """Writes every figure of the analysis as a row, atomically; nothing where there is none.

    Args:
        path: The file; replaced where it exists.
        report: What was searched.

    The columns are `COLUMNS`: `part` is "importance" (a share, 0 to 1), "level" (a mean score) or
    "correlation" (Spearman's rho); `low` and `high` are the ends of the 95 % interval, empty where
    there is none; `chance` belongs to importance.
    """
    if report.analysis is not None:
        write_csv(path, COLUMNS, _rows(report.analysis))


def _rows(analysis: Analysis) -> Iterator[Mapping[str, Any]]:
    for name, estimate in analysis.importances.explained.items():
        yield {
            **_row("importance", name, analysis.objective, len(analysis.trials), estimate),
            "chance": analysis.importances.chance,
        }
    for level in analysis.levels:
        for metric, estimate in (
            (analysis.clean_metric, level.clean),
            (analysis.attacked_metric, level.attacked),
        ):
            row = _row("level", level.factor, metric, level.num_trials, estimate)
            yield {**row, "level": level.name}
    for each in analysis.associations:
        yield _row("correlation", each.x, each.y, each.num_trials, each.rho)


def _row(
    part: str, name: str, metric: str, num_trials: int, estimate: Estimate
) -> Mapping[str, Any]:
    return {
        "part": part,
        "name": name,
        "metric": metric,
        "num_trials": num_trials,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
    }


def _importance_table(analysis: Analysis) -> Table:
    percent = analysis_wording.percent
    rows = [
        [
            analysis_wording.factor(name),
            percent(each.value),
            f"{percent(each.low)} to {percent(each.high)}",
            percent(analysis.importances.chance),
        ]
        for name, each in analysis.importances.explained.items()
    ]
    return Table(["Factor", "Explained (%)", "95 % interval", "Chance, 95 % of shuffles"], rows)


def _levels_table(analysis: Analysis) -> Table:
    digits = 1 if "mae" in analysis.clean_metric else 3
    head = ["Factor", "Level", "Trials", "Attacked", "95 % interval", "Clean", "95 % interval"]
    rows = []
    for level in analysis.levels:
        cells = [analysis_wording.factor(level.factor), level.name, str(level.num_trials)]
        for estimate in (level.attacked, level.clean):
            cells += [
                wording.number(estimate.value, digits),
                analysis_wording.interval(estimate, digits),
            ]
        rows.append(cells)
    return Table(head, rows)


def _associations_table(analysis: Analysis) -> Table:
    rows = [
        [
            f"{wording.metric_label(each.x)}; {wording.metric_label(each.y)}",
            str(each.num_trials),
            wording.number(each.rho.value, 2),
            analysis_wording.interval(each.rho, 2),
        ]
        for each in analysis.associations
    ]
    return Table(["Between", "Trials", "Spearman's rho", "95 % interval"], rows)
