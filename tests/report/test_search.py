from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.models.architecture import NAMED
from robmednas_tf.report.search import ScoreGroup, write_figures, write_search_report
from robmednas_tf.report.wording import UNDEFINED
from robmednas_tf.search.trials import FAILED

from .conftest import make_groups, make_panel, make_record, metrics_at, random_architecture
from .pages import Page, check_figures, read_page

FIGURES = [
    "search_curve",
    "clean_vs_adversarial",
    "score_vs_parameters",
    "importance",
    "scores_by_level",
    "robustness_vs_size",
    "architecture",
    "panels",
]


def _write(folder, report) -> Page:
    write_search_report(folder / "report.html", report)
    return read_page(folder / "report.html")


@pytest.fixture(scope="module")
def full(tmp_path_factory, make_report):
    """A report with all its parts: its values, its folder and its page."""
    folder = tmp_path_factory.mktemp("full")
    report = make_report(40, panels=[make_panel(32)])
    write_figures(folder / "figures", report)
    return report, folder, _write(folder, report)


def test_page_tells_the_search(full):
    report, _, page = full
    assert len(page.images) == 8
    assert (
        "40 U-Net architectures for MR-to-CT synthesis were each trained on 4 subjects" in page.text
    )
    assert "20 % of the MR's standard deviation" in page.text
    assert f"trial {report.best.trial_id}, reached {report.best.score:.3f}" in page.text
    assert "Not a medical device." in page.text
    assert report.command in page.text
    assert report.notes[0] in page.text
    final = report.scores[-1].rows[0].metrics
    change = f"from {final['clean_dice_bone']:.3f} to {final['adversarial_dice_bone']:.3f} in bone"
    assert change in page.text


def test_sections_come_in_their_order(full):
    page = full[2]
    ids = [name for name in page.ids if "-" not in name or name == "trade-offs"]
    assert ids == [
        "scores",
        "curve",
        "trade-offs",
        "analysis",
        "slices",
        "best",
        "trials",
        "settings",
        "limits",
    ]


def test_trials_stand_by_score_and_failures_with_their_reason(full):
    report, _, page = full
    scored, failed = (table for table in page.tables if table[0][0] == "Trial")
    scores = [float(row[1]) for row in scored[1:]]
    assert scores == sorted(scores, reverse=True)
    assert len(scored) == 1 + len(report.scored)
    assert [row[0] for row in failed[1:]] == [record.trial_id for record in report.failed]
    assert {row[2] for row in failed[1:]} == {report.failed[0].message}


def test_score_table_holds_every_group_clean_and_attacked(full):
    report, _, page = full
    dice, mae = (table for table in page.tables if table[1][0] == "Network")
    assert dice[1][1:] == ["clean", "attacked"] * 5
    metrics = report.scores[0].rows[0].metrics
    assert dice[3][:3] == [
        "Final model",
        f"{metrics['clean_dice']:.3f}",
        f"{metrics['adversarial_dice']:.3f}",
    ]
    assert mae[3][-1] == f"{metrics['adversarial_mae_soft_tissue']:.1f}"
    look_up = dice[6]
    assert look_up[0] == "Intensity look-up table"
    assert look_up[2::2] == ["n/a"] * 5
    assert dice[7][0] == "Held-out test subject, used for nothing but this table: phantom_007"


def test_architecture_table_is_the_papers_table_4(tmp_path, make_report):
    page = _write(tmp_path, make_report(1, architecture=NAMED["robmednas_t"]))
    table = page.table("Hyperparameters")
    assert table[0][1:] == [f"{half}{place}" for half in ("Enc", "Dec") for place in range(1, 6)]
    assert [" ".join(row[1:]) for row in table[1:]] == [
        "1110 0110 0111 1110 0010 0111 0001 1100 0010 0010",
        "128 256 64 128 256 8 128 64 128 8",
        "True True False True False True True True False True",
        "16 4 — 8 — 8 8 8 — 4",
    ]


def test_all_trials_failed(tmp_path, make_report):
    records = [
        dataclasses.replace(record, message=f"needs {record.number}.5 GB")
        for record in make_report(40).records
        if record.status == FAILED
    ]
    page = _write(tmp_path, make_report(records=records))
    assert "No trial gave a score, so that there is no best architecture." in page.text
    assert f"in 4 of 4 failed trials: needs {records[0].number}.5 GB" in page.text
    (failed,) = (table for table in page.tables if table[0][0] == "Trial")
    assert len(failed) == 5
    assert len(page.images) == 1


def test_no_trials_at_all(tmp_path, make_report):
    page = _write(tmp_path, make_report(records=[]))
    assert "No trial has a score yet" in page.text


def test_single_trial(tmp_path, make_report):
    page = _write(tmp_path, make_report(1))
    assert "1 U-Net architecture for MR-to-CT synthesis was trained" in page.text
    assert "The one that gave a score, trial 0000" in page.text


def test_empty_region_is_a_dash_with_a_footnote(tmp_path, make_report):
    architecture = random_architecture(np.random.default_rng(0), 2)
    records = [make_record(0, architecture, metrics_at(0.5, "bone"))]
    page = _write(tmp_path, make_report(records=records, scores=make_groups("bone")))
    dice = next(table for table in page.tables if table[1][0] == "Network")
    assert dice[3][7:9] == [UNDEFINED, UNDEFINED]
    assert f"“{UNDEFINED}”: undefined" in page.text
    assert "in bone" not in page.text
    assert "nan" not in page.text.lower()


@pytest.mark.parametrize(
    "objective", ["adversarial_mae", "clean_dice", "adversarial_dice_soft_tissue", "clean_mae_bone"]
)
def test_any_objective(tmp_path, make_report, objective):
    report = make_report(12, objective=objective)
    page = _write(tmp_path, report)
    scored = next(table for table in page.tables if table[0][0] == "Trial")
    scores = [float(row[1]) for row in scored[1:]]
    assert scores == sorted(scores, reverse="dice" in objective)
    assert scored[1][0] == report.best_trial_id


@pytest.mark.parametrize("depth", [1, 5])
def test_any_depth(tmp_path, make_report, depth):
    architecture = random_architecture(np.random.default_rng(depth), depth)
    records = [make_record(0, architecture, metrics_at(0.5))]
    page = _write(tmp_path, make_report(records=records))
    assert len(page.table("Hyperparameters")[0]) == 1 + 2 * depth
    assert all(f"Dec{place}" in page.text for place in range(1, depth + 1))


def test_records_without_details(tmp_path, make_report):
    records = [dataclasses.replace(record, details={}) for record in make_report(6).records]
    report = make_report(6)
    page = _write(tmp_path, dataclasses.replace(report, records=records))
    assert report.best_trial_id in page.text


def test_names_are_escaped(tmp_path, make_report):
    name = "<b>\"Tom\" & 'Jerry' $x$</b>"
    report = make_report(
        3,
        cohort=name,
        panels=[make_panel(32, name)],
        scores=[ScoreGroup(name, name, [name], make_groups()[0].rows)],
        subjects={"train": [name], "test": [name]},
        notes=[name],
        command=name,
        settings={name: name},
    )
    page = _write(tmp_path, report)
    assert page.text.count(name) >= 8
    assert any(name in alt for alt in page.images)


def test_without_attack_nothing_is_said_to_change(tmp_path, make_report):
    page = _write(tmp_path, make_report(3, attack=Perturbation("fgsm", 0.0)))
    assert "switched off" in page.text
    assert "the attack takes" not in page.text


def test_200_trials_and_64_pixel_slices_stay_small(tmp_path, make_report):
    panels = [make_panel(64, slice_index=place) for place in (8, 14)]
    write_search_report(tmp_path / "report.html", make_report(200, panels=panels))
    assert (tmp_path / "report.html").stat().st_size < 2 * 2**20


def test_same_values_same_bytes(tmp_path, make_report, full):
    folder = full[1]
    again = make_report(40, panels=[make_panel(32)])
    write_search_report(tmp_path / "report.html", again)
    write_figures(tmp_path / "figures", again)
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 17
    for path in written:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_figures_are_written_as_png_and_svg(full):
    check_figures(full[1] / "figures", FIGURES)


def test_figures_of_nothing(tmp_path, make_report):
    files = write_figures(tmp_path, make_report(records=[]))
    assert {path.stem for path in files} == {
        "search_curve",
        "clean_vs_adversarial",
        "score_vs_parameters",
    }


def test_objective_and_direction_must_agree(make_report):
    with pytest.raises(ValueError, match="direction 'min'"):
        dataclasses.replace(make_report(3), direction="min")


def test_best_trial_must_be_a_scored_one(make_report):
    report = make_report(6)
    with pytest.raises(ValueError, match=report.failed[0].trial_id):
        dataclasses.replace(report, best_trial_id=report.failed[0].trial_id)
