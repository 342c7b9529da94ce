"""The Pareto front's part of a search's report: its words, table, figure and file."""

import csv
import dataclasses
import json

import pytest

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import DIRECTIONS, PickRule
from robmednas_tf.report.model_card import _won_by
from robmednas_tf.report.pareto_csv import write_pareto_csv
from robmednas_tf.report.search import write_figures, write_search_report
from robmednas_tf.search.front import Front, values_of

from .pages import check_figures, read_page


@pytest.fixture(scope="module")
def searched(make_report):
    """A function that gives the report of a search with these objectives and this pick."""

    def make(*names, pick="first"):
        report = make_report(16, objective=names[0])
        directions = {name: DIRECTIONS[name] for name in names}
        front = Front.of(report.records, directions, PickRule.parse(pick))
        return dataclasses.replace(
            report,
            front=front,
            best_trial_id=front.picked.trial_id,
            architecture=Architecture.from_dict(front.picked.details["architecture"]),
        )

    return make


def read(folder, report):
    write_search_report(folder / "report.html", report)
    return read_page(folder / "report.html")


def front_table(page):
    (table,) = [each for each in page.tables if "Depth" in each[0]]
    return table


def test_the_page_shows_the_front_and_who_was_picked(tmp_path, searched):
    report = searched("adversarial_dice", "clean_mae", "flops", pick="knee")
    page = read(tmp_path, report)
    members = report.front.members
    assert len(members) > 1
    assert f"{len(members)} of {len(report.scored)} scored trials lie on the Pareto front" in (
        page.text
    )
    assert "The rule --pick=knee takes the smallest Manhattan distance" in page.text
    assert f"picked ({report.front.rule})" in page.text
    assert "one training with one seed" in page.text
    assert "biased upward" in page.text
    assert "FLOPs of a slice are exact." in page.text
    table = front_table(page)
    assert table[0][1:5] == [
        *(
            "Dice under attack, mean of four regions",
            "MAE (HU) on clean input, mean of four regions",
        ),
        *("FLOPs of a slice", "Trainable parameters"),
    ]
    mark = {report.best_trial_id: ", picked"}
    assert [row[0] for row in table[1:]] == [
        record.trial_id + mark.get(record.trial_id, "") for record in members
    ]
    dice, mae, _ = values_of(members[0], report.front.directions)
    assert table[1][1:3] == [f"{dice:.3f}", f"{mae:.1f}"]
    assert "Picked trial" in page.text
    write_figures(tmp_path / "figures", report)
    drawn = ["search_curve", "clean_vs_adversarial", "score_vs_parameters", "pareto_front"]
    check_figures(tmp_path / "figures", [*drawn, "architecture"])
    shown = next(alt for alt in page.images if "Pareto front" in alt)
    assert f"The pick is trial {report.best_trial_id}" in shown


@pytest.mark.parametrize(
    ("pick", "said"),
    [
        ("first", "takes the best Dice under attack, mean of four regions (of equal ones the best"),
        ("within:0.02", "among the trials at most 0.02 worse than the best in Dice under attack"),
    ],
)
def test_the_page_says_the_rule(tmp_path, searched, pick, said):
    page = read(tmp_path, searched("adversarial_dice", "parameters", pick=pick))
    assert said in page.text
    assert f"--pick={pick}" in page.text


def test_the_card_says_that_the_front_was_picked_from(searched):
    said = _won_by(searched("adversarial_dice", "flops", pick="knee"))
    assert said.endswith("; the FLOPs of a slice), picked from their Pareto front (knee)")


def test_the_table_holds_the_front(tmp_path, searched):
    report = searched("adversarial_dice", "flops")
    write_pareto_csv(tmp_path / "pareto.csv", report.front, report.best)
    with (tmp_path / "pareto.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("id", "picked", "adversarial_dice", "flops", "parameters", "depth", "architecture")
    ]
    for row, record in zip(rows, report.front.members, strict=True):
        assert row["id"] == record.trial_id
        assert row["picked"] == str(record.trial_id == report.best_trial_id)
        assert float(row["adversarial_dice"]) == record.score
        assert int(row["flops"]) == record.details["flops"]
        assert json.loads(row["architecture"]) == record.details["architecture"]


def test_one_objective_has_no_front(tmp_path, make_report):
    page = read(tmp_path, make_report(12))
    assert "Pareto" not in page.text
    assert "pareto" not in page.ids
