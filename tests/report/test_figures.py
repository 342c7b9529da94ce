from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.report.drawing import draw_architecture
from robmednas_tf.report.figures import clean_vs_adversarial, score_vs_parameters, search_curve
from robmednas_tf.report.wording import square


def _points(figure, label):
    (points,) = [c for c in figure.axes[0].collections if c.get_label() == label]
    return np.asarray(points.get_offsets())


def _line(figure, label):
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == label]
    return np.asarray(line.get_ydata())


def _texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("objective", ["adversarial_dice", "adversarial_mae"])
def test_search_curve_shows_each_trial_by_source_and_the_best_so_far(make_report, objective):
    report = make_report(30, objective=objective)
    figure = search_curve(report)
    for source, label in (("startup", "start-up (random)"), ("model", "proposed by the model")):
        expected = [(r.number, r.score) for r in report.scored if r.source == source]
        np.testing.assert_allclose(_points(figure, label), expected)
    assert _points(figure, "failed")[:, 0].tolist() == [r.number for r in report.failed]
    scores = [record.score for record in report.scored]
    better = max if objective == "adversarial_dice" else min
    expected = [better(scores[: place + 1]) for place in range(len(scores))]
    np.testing.assert_allclose(_line(figure, "best so far"), expected)
    assert f"best: trial {report.best_trial_id}" in _texts(figure)


def test_clean_against_attacked_follows_the_objectives_region(make_report):
    report = make_report(10, objective="adversarial_mae_bone")
    axes = clean_vs_adversarial(report).axes[0]
    points = np.asarray(axes.collections[1].get_offsets())
    expected = [
        (r.metrics["clean_dice_bone"], r.metrics["adversarial_dice_bone"]) for r in report.scored
    ]
    np.testing.assert_allclose(points, expected)
    diagonal = axes.lines[0]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize(
    ("objective", "better"), [("adversarial_dice", np.maximum), ("adversarial_mae", np.minimum)]
)
def test_frontier_is_the_best_up_to_each_size(make_report, objective, better):
    report = make_report(25, objective=objective)
    pairs = sorted((r.details["parameters"], r.score) for r in report.scored)
    expected = better.accumulate([score for _, score in pairs])
    frontier = _line(score_vs_parameters(report), "best up to this size")
    np.testing.assert_allclose(frontier, [*expected, expected[-1]])


def test_unfinished_trials_are_left_out(make_report):
    report = make_report(10)
    running = dataclasses.replace(report.records[0], status="RUNNING", score=None)
    curve = search_curve(dataclasses.replace(make_report(10, records=[running])))
    assert "No trial was scored." in _texts(curve)


def test_drawing_names_blocks_grids_and_channels():
    architecture = Architecture(
        (Block("1000", 8), Block("0110", 32, 4)), (Block("0001", 16), Block("1111", 64, 2))
    )
    texts = _texts(draw_architecture(architecture, 50))
    assert [text for text in texts if text.startswith(("Enc", "Dec"))] == [
        "Enc1",
        "Dec2",
        "Enc2",
        "Dec1",
    ]
    # Padded from 50 to 52, which two halvings divide.
    assert f"{square(52)}, 1 channel" in texts
    assert f"{square(26)}, 8 channels" in texts
    assert f"{square(13)}, 32 channels" in texts
    assert "64 + 1" in texts
    assert "16 + 8" in texts
    assert texts.count("no SE") == 2
    assert "SE, ratio 4" in texts
