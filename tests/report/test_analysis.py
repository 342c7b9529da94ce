from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.report.analysis import COLUMNS
from robmednas_tf.report.analysis_figures import importance, robustness_vs_size, scores_by_level
from robmednas_tf.report.search import write_analysis_csv, write_figures, write_search_report
from robmednas_tf.search.descriptors import DESCRIPTORS

from .pages import read_page

FIGURES = {"importance", "scores_by_level", "robustness_vs_size"}


@pytest.fixture(scope="module")
def report(make_report):
    return make_report(40)


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_search_report(path, report)
    return read_page(path)


def _points(axes):
    return [
        (x, y) for line in axes.lines if line.get_marker() in "os" for x, y in line.get_xydata()
    ]


def test_page_tells_what_was_learnt_and_how_far_to_believe_it(page, report):
    num_failed = len(report.failed)
    assert "Associations, not effects" in page.text
    assert f"The {num_failed} failed trials are left out." in page.text
    assert "cannot be told from chance" in page.text
    assert "#analysis" in page.links


def test_tables_say_the_same_as_the_figures(page, report):
    analysis = report.analysis
    importances, levels = (table for table in page.tables if table[0][0] == "Factor")
    assert len(importances) == 1 + len(analysis.importances.explained)
    assert [row[2] for row in levels[1:]] == [str(each.num_trials) for each in analysis.levels]
    assert levels[1][3] == f"{analysis.levels[0].attacked.value:.3f}"
    assert page.table("Between")[1][2] == f"{analysis.associations[0].rho.value:.2f}"


def test_random_trials_are_not_cautioned_against(tmp_path, make_report):
    records = [dataclasses.replace(each, source="random") for each in make_report(30).records]
    write_search_report(tmp_path / "report.html", make_report(records=records))
    text = read_page(tmp_path / "report.html").text
    assert "Associations, not effects" not in text
    assert "drawn at random" in text


def test_too_few_trials_show_no_figure_and_no_number(tmp_path, make_report):
    few = make_report(21)
    assert len(few.scored) == 19
    write_search_report(tmp_path / "report.html", few)
    write_analysis_csv(tmp_path / "analysis.csv", few)
    figures = {path.stem for path in write_figures(tmp_path / "figures", few)}
    page = read_page(tmp_path / "report.html")
    assert "19 trials with a score and an architecture: too few" in page.text
    assert not any(table[0][0] in ("Factor", "Between") for table in page.tables)
    assert not figures & FIGURES
    assert not (tmp_path / "analysis.csv").exists()


def test_equal_scores_are_said_to_be_equal(tmp_path, make_report):
    records = [
        each if each.score is None else dataclasses.replace(each, score=0.25)
        for each in make_report(30).records
    ]
    write_search_report(tmp_path / "report.html", make_report(records=records))
    assert "have the same score" in read_page(tmp_path / "report.html").text


def test_one_architecture_over_and_over_can_be_drawn(tmp_path, make_report):
    block = Block("1000", 8)
    architecture = Architecture((block,), (block,)).to_dict()
    records = [
        dataclasses.replace(each, details={"architecture": architecture})
        for each in make_report(30).records
    ]
    write_search_report(tmp_path / "report.html", make_report(records=records))
    assert "On one level in all trials" in read_page(tmp_path / "report.html").text


@pytest.mark.parametrize("objective", ["adversarial_dice", "clean_mae_bone"])
def test_csv_holds_every_figure(tmp_path, make_report, objective):
    report = make_report(40, objective=objective)
    write_analysis_csv(tmp_path / "analysis.csv", report)
    with (tmp_path / "analysis.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    analysis = report.analysis
    parts = [row["part"] for row in rows]
    assert parts.count("importance") == len(DESCRIPTORS)
    assert parts.count("level") == 2 * len(analysis.levels)
    assert parts.count("correlation") == 3
    for row in rows[: len(DESCRIPTORS)]:
        assert float(row["value"]) == analysis.importances.explained[row["name"]].value
        assert float(row["chance"]) == analysis.importances.chance
    kind = objective.split("_", 1)[1]
    assert {row["metric"] for row in rows if row["part"] == "level"} == {
        f"clean_{kind}",
        f"adversarial_{kind}",
    }


def test_importance_is_drawn_in_order_with_chance(report):
    axes = importance(report.analysis).axes[0]
    explained = [100 * each.value for each in report.analysis.importances.explained.values()]
    np.testing.assert_allclose([x for x, _ in _points(axes)], explained)
    chance = 100 * report.analysis.importances.chance
    assert any(np.allclose(line.get_xdata(), chance) for line in axes.lines)


def test_levels_are_drawn_attacked_and_clean(report):
    attacked, clean = scores_by_level(report.analysis).axes
    levels = report.analysis.levels
    np.testing.assert_allclose(
        [x for x, _ in _points(attacked)], [e.attacked.value for e in levels]
    )
    np.testing.assert_allclose([x for x, _ in _points(clean)], [e.clean.value for e in levels])
    names = [label.get_text() for label in attacked.get_yticklabels()]
    for place, level in zip([y for _, y in _points(attacked)], levels, strict=True):
        assert names[int(place)].startswith(level.name)


def test_robustness_is_drawn_over_both_sizes(report):
    for axes, name in zip(
        robustness_vs_size(report.analysis).axes, ("parameters", "flops"), strict=True
    ):
        drawn = np.concatenate([each.get_offsets() for each in axes.collections])
        expected = [(r.details[name], r.metrics["adversarial_dice"]) for r in report.scored]
        np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(expected))
        assert axes.get_title(loc="left").startswith("Spearman's rho ")
