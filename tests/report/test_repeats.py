"""The report of repeated searches: its words, tables and figures follow the values."""

import csv
import dataclasses
import math

import numpy as np
import pytest

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.report.repeats import (
    Repeat,
    RepeatsReport,
    write_repeats_csv,
    write_repeats_figures,
    write_repeats_report,
)
from robmednas_tf.report.repeats_figures import LEAST_BOXED, draw_best_so_far, draw_winners
from robmednas_tf.report.repeats_wording import best_in_short
from robmednas_tf.report.wording import UNDEFINED

from .pages import check_figures, read_page

FIRST = (0.71, 0.64, 0.69, 0.75, 0.58)
NEW = (0.66, 0.62, 0.67, 0.63, 0.55)


@pytest.fixture(scope="module")
def make_repeats(make_outcome):
    """A function that makes up a report; `firsts` and `news` are the winners' scores under attack.

    A first score that is None is of a repeat that has not ended.
    """

    def make(firsts=FIRST, news=NEW, **changes):
        repeats = []
        for number, (first, new) in enumerate(zip(firsts, news, strict=True), start=1):
            outcome = None
            if first is not None:
                # Clean Dice is 0.1 above that under attack.
                outcome = make_outcome(
                    first + 0.1, None if new is None else new + 0.1, seed=100 + number
                )
            repeats.append(Repeat(number, 100 + number, f"repeats/{number:02d}", outcome))
        values = {
            "cohort": "phantom",
            "subjects": {"train": ["a", "b"], "held out": ["c"]},
            "repeats": repeats,
            "oracle": "bayesian",
            "objective": "adversarial_dice",
            "direction": "max",
            "num_trials": 3,
            "space": SearchSpace(2, ("1000", "0100"), (8,), (4,)),
            "image_size": 64,
            "attack": Perturbation("fgsm", 0.2),
            "command": "python run_search.py --flagfile=runs/many/flags.cfg",
            "settings": {"repeats": "5"},
            "notes": ["Made-up heads."],
        }
        return RepeatsReport(**{**values, **changes})

    return make


def read(folder, report):
    write_repeats_report(folder / "report.html", report)
    beside = [f"{repeat.folder}/report.html" for repeat in report.ended]
    page = read_page(folder / "report.html", beside)
    assert set(beside) <= set(page.links)
    assert "nan" not in page.text.lower()
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory, make_repeats):
    """The page of five repeats."""
    return read(tmp_path_factory.mktemp("repeats"), make_repeats())


def test_the_page_tells_how_the_winners_scatter_and_which_is_best(page):
    assert "5 repeats of one search (TPE, the paper's RobMedNAS-T) on the cohort phantom" in (
        page.text
    )
    # Mean, standard deviation and interval by hand: t(0.975; 4) = 2.776.
    mean, sd = np.mean(NEW), np.std(NEW, ddof=1)
    half = 2.776 * sd / math.sqrt(5)
    interval = f"{mean - half:.3f} to {mean + half:.3f}"
    assert f"{mean:.3f} ± {sd:.3f} ({interval})" in page.text
    table = page.table("Winners' score")
    assert [row[:2] for row in table[1:]] == [
        [name, condition]
        for name in (
            *("First score", "Mean of new scores"),
            *("Final model, search's test subjects", "Final model, held-out subjects"),
        )
        for condition in ("attacked", "clean")
    ]
    assert table[3][2:] == [
        *("5", f"{mean:.3f}", f"{sd:.3f}", "0.630", interval, "0.550 to 0.670"),
    ]
    assert table[1][3:6] == [f"{np.mean(FIRST):.3f}", f"{np.std(FIRST, ddof=1):.3f}", "0.690"]
    # Not the fourth, which was lucky at first.
    best = "Repeat 3 is the best of 5 by the mean of its winner's new scores on the search's test"
    assert best in page.text
    assert "held-out subjects took no part in the choice" in page.text
    repeats = page.table("Repeat")
    assert [row[0] for row in repeats[1:]] == ["3", "1", "4", "2", "5"]
    assert repeats[1][1:5] == ["0.690", "0.670", "0.590", "0.690"]
    assert "All repeats share one split" in page.text
    assert "Made-up heads." in page.text


def test_the_figures_of_regions_are_means_over_repeats(page):
    held_out = np.array(FIRST) - 0.1
    bone = next(row for row in page.table("Region") if row[0] == "Bone")
    assert bone[2] == f"{held_out.mean():.3f} ± {held_out.std(ddof=1):.3f}"
    mae = 500 * (1 - held_out)
    assert bone[4] == f"{mae.mean():.1f} ± {mae.std(ddof=1):.1f}"


def test_choices_stand_beside_chance(page):
    rows = page.table("Choice")[1:]
    assert rows[0] == ["Depth", "1", "5", UNDEFINED, "100 %", "50 %"]
    assert ["Connection pattern", "1000", "5", "5", "50 %", "50 %"] in rows
    assert ["Squeeze-and-excitation", "on", "5", "5", "50 %", "50 %"] in rows


def test_what_has_not_ended_is_left_out_and_said(tmp_path, make_repeats):
    report = make_repeats((0.7, 0.6, None, None), (None,) * 4)
    stopped = dataclasses.replace(report.repeats[2], fault="Every trial failed: the disk.")
    report = dataclasses.replace(report, repeats=[*report.repeats[:2], stopped, report.repeats[3]])
    page = read(tmp_path, report)
    assert "Repeat 3 has stopped before its end: Every trial failed: the disk." in page.text
    assert "2 of them have ended; the others are left out below." in page.text
    assert "by its winner's first score" in page.text
    assert "Mean of new scores" not in page.text
    open_rows = next(table for table in page.tables if table[0][1:2] == ["Status"])
    assert open_rows[1:] == [
        ["3", "stopped", "Every trial failed: the disk.", "103"],
        ["4", "not ended", UNDEFINED, "104"],
    ]
    write_repeats_csv(tmp_path / "repeats.csv", report)
    with (tmp_path / "repeats.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ended", "ended", "stopped", "not ended"]
    assert rows[2]["message"] == "Every trial failed: the disk."
    assert rows[3]["score"] == ""


@pytest.mark.parametrize(
    ("first", "sentence"),
    [(None, "nothing to compare"), (0.7, "Repeat 1 is the only one that has ended.")],
)
def test_with_none_or_one_there_is_nothing_to_compare(tmp_path, make_repeats, first, sentence):
    page = read(tmp_path, make_repeats((first, None), (None, None)))
    assert sentence in page.text
    assert "is the best of" not in page.text


def test_figures_are_written_as_png_and_svg(tmp_path, make_repeats):
    write_repeats_figures(tmp_path, make_repeats((None,), (None,)))
    check_figures(tmp_path, ["best_so_far", "winners"])


def test_the_csv_holds_every_repeat_and_metric(tmp_path, make_repeats):
    report = make_repeats()
    write_repeats_csv(tmp_path / "repeats.csv", report)
    with (tmp_path / "repeats.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["place"]) for row in rows] == [2, 4, 1, 3, 5]
    for row, first, new, outcome in zip(rows, FIRST, NEW, report.outcomes, strict=True):
        assert float(row["score"]) == pytest.approx(first)
        assert float(row["confirmed_score"]) == pytest.approx(new)
        assert float(row["held_out_clean_mae_bone"]) == outcome.held_out["clean_mae_bone"]
        assert Architecture.from_json(row["architecture"]) == outcome.architecture
        assert (row["num_trials"], row["num_stopped"], row["num_failed"]) == ("3", "0", "1")


def test_errors_in_hu_are_best_when_small(tmp_path, make_repeats):
    report = make_repeats(objective="adversarial_mae_bone", direction="min")
    page = read(tmp_path, report)
    assert "lower is better" in page.text
    assert report.ranked[0].number == 3
    assert page.table("Winners' score")[3][3] == f"{500 * (1 - np.mean(NEW)):.1f}"


def test_equal_scores_are_said(make_repeats):
    report = make_repeats((0.6, 0.7, 0.7), (None,) * 3)
    assert best_in_short(report).startswith(
        "Repeat 2 is the best of 3 by its winner's first score on the search's test subjects, the "
        "first of 2 that are equal; held-out"
    )


def test_an_objective_has_its_own_direction(make_repeats):
    with pytest.raises(ValueError, match="its own direction"):
        make_repeats(direction="min")


def test_the_curves_are_those_of_the_scores(make_repeats, make_outcome):
    scores = ([0.2, 0.1, 0.6], [0.3, 0.5, 0.4], [0.1, 0.2, 0.3])
    repeats = [
        Repeat(number, number, f"repeats/{number:02d}", make_outcome(scores=each))
        for number, each in enumerate(scores, start=1)
    ]
    figure = draw_best_so_far(make_repeats(repeats=repeats))
    (axes,) = figure.axes
    drawn = [line.get_ydata()[:3].tolist() for line in axes.lines]
    curves = [[0.2, 0.2, 0.6], [0.3, 0.5, 0.5], [0.1, 0.2, 0.3]]
    median, best = [0.2, 0.2, 0.5], curves[0]
    assert drawn == [*curves, median, best]
    (band,) = axes.collections
    drawn = {round(float(y), 6) for y in band.get_paths()[0].vertices[:, 1]}
    # Quartiles of 0.1, 0.2, 0.3, then of 0.2, 0.2, 0.5, then of 0.3, 0.5, 0.6.
    assert drawn == {0.15, 0.25, 0.2, 0.35, 0.4, 0.55}


def test_winners_are_points_and_from_five_on_boxes(make_repeats):
    assert len(FIRST) == LEAST_BOXED
    for count in (LEAST_BOXED - 1, LEAST_BOXED):
        dice, _ = draw_winners(make_repeats(FIRST[:count], NEW[:count])).axes
        # Five places, clean and attacked, in each of which every repeat is a point.
        points = [each.get_offsets()[:, 1] for each in dice.collections]
        assert [len(each) for each in points] == [count] * 10
        np.testing.assert_allclose(points[0], np.array(FIRST[:count]))
        np.testing.assert_allclose(points[5], np.array(FIRST[:count]) - 0.1)
        assert len(dice.patches) == (10 if count == LEAST_BOXED else 0)
