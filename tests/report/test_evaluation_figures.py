from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report.evaluation_figures import (
    draw_accuracy_vs_robustness,
    draw_curves,
    levels,
)
from robmednas_tf.report.evaluation_slices import draw_perturbations, draw_slices
from robmednas_tf.report.panels import mean_dice
from robmednas_tf.report.series import series
from robmednas_tf.report.style import INK
from robmednas_tf.report.tiles import CT_WINDOW_HU

from .evaluations import NAMES, make_evaluation

FGSM = "fgsm:0.06"


@pytest.fixture(scope="module")
def report():
    return make_evaluation(3, 4, [FGSM, "gaussian:0.1"], num_slices=2, size=16)


def _bars(container):
    """Ends of a container's vertical error bars."""
    return np.array([segment[:, 1] for segment in container[2][-1].get_segments()])


def _titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.images]


def _images(figure):
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_curves_are_means_over_subjects_with_sds_from_clean_to_the_strongest(report):
    figure = draw_curves(report)
    assert len(figure.axes) == 4
    for row, kind in enumerate(("fgsm", "gaussian")):
        steps = levels(report)[kind]
        assert len(steps) == 10
        for axes, metric in zip(figure.axes[2 * row : 2 * row + 2], ("mae", "dice"), strict=True):
            assert len(axes.containers) == 3
            for name, container in zip(report.model_names, axes.containers, strict=True):
                found = [
                    summarize_values(report.means(name, condition, metric))
                    for condition in ("clean", *map(str, steps))
                ]
                means = np.array([each.mean for each in found])
                sds = np.array([each.sd for each in found])
                np.testing.assert_allclose(container[0].get_ydata(orig=False), means)
                np.testing.assert_allclose(
                    _bars(container), np.stack([means - sds, means + sds], 1)
                )
                # Side by side, by less than half the way to the next level.
                sizes = np.array([0.0, *(step.size for step in steps)])
                shift = container[0].get_xdata(orig=False) - sizes
                assert np.ptp(shift) < 1e-12
                assert abs(shift[0]) <= steps[0].size / 4 + 1e-12


def test_mean_over_regions_is_each_subjects_own(report):
    outcome = report.outcome("STS_000", "Baseline", FGSM)
    by_hand = np.mean([score.dice for score in outcome.regions.values()])
    assert report.means("Baseline", FGSM, "dice")[0] == pytest.approx(by_hand)
    # Of the subject without bone, three regions.
    outcome = report.outcome("STS_003", "Baseline", FGSM)
    by_hand = np.nanmean([score.dice for score in outcome.regions.values()])
    assert report.means("Baseline", FGSM, "dice")[3] == pytest.approx(by_hand)


@pytest.mark.parametrize("kind", ["fgsm", "gaussian"])
def test_only_kinds_that_are_there_are_drawn(kind):
    report = make_evaluation(1, 1, [], curves=[kind], num_slices=0)
    axes = draw_curves(report).axes
    assert len(axes) == 2
    assert [one.get_ylabel().split()[0] for one in axes] == ["MAE", "Dice,"]
    assert ("FGSM" in axes[0].get_xlabel()) == (kind == "fgsm")


def test_reference_line_is_the_look_up_tables_clean_mean(report):
    axes = draw_curves(report).axes[1]
    (line,) = [line for line in axes.lines if len(line.get_xdata()) == 2]
    mean = np.mean(report.means("look-up table", "clean", "dice"))
    assert line.get_ydata()[0] == pytest.approx(mean)


def test_accuracy_vs_robustness_shows_each_model_in_each_attack(report):
    figure = draw_accuracy_vs_robustness(report)
    axes = figure.axes[0]
    assert len(axes.containers) == 6
    expected = [
        (summarize_values(report.means(name, "clean", "dice")), attacked)
        for name in report.model_names
        for condition in report.attacks
        for attacked in [summarize_values(report.means(name, condition, "dice"))]
    ]
    for (clean, attacked), container in zip(expected, axes.containers, strict=True):
        point = container[0]
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (clean.mean, attacked.mean)
        across, up = (bars.get_segments()[0] for bars in container[2])
        assert np.ptp(across[:, 0]) == pytest.approx(2 * clean.sd)
        assert np.ptp(up[:, 1]) == pytest.approx(2 * attacked.sd)
    markers = [container[0].get_marker() for container in axes.containers]
    assert len(set(markers[:2])) == 2
    assert markers[:2] == markers[2:4]
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert labels == [
        "1 Baseline",
        "2 Baseline w/AT",
        "3 RobMedNAS-R",
        "FGSM 0.06",
        "Gaussian noise 0.1",
    ]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "attack costs nothing"]


def test_a_single_subject_has_no_error_bars_to_draw():
    report = make_evaluation(2, 1, boneless=(), num_slices=0)
    for container in draw_curves(report).axes[0].containers:
        assert all(np.size(bar) == 0 for bar in container[2][-1].get_segments())
        assert np.isfinite(container[0].get_ydata(orig=False)).all()
    draw_accuracy_vs_robustness(report)


def test_nothing_defined_is_said():
    report = make_evaluation(2, 2, [FGSM], curves=[], num_slices=0)
    empty = [dataclasses.replace(one, regions={}) for one in report.outcomes]
    axes = draw_accuracy_vs_robustness(dataclasses.replace(report, outcomes=empty)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["There is no Dice to show."]


@pytest.mark.parametrize("num_models", [1, 5, 8])
def test_models_differ_in_colour_and_marker(num_models):
    report = make_evaluation(num_models, 1, [], curves=[], num_slices=0, baseline="Baseline")
    looks = series(report)
    assert list(looks) == list(NAMES[:num_models])
    assert len({look.colour for look in looks.values()}) == num_models
    assert len({look.marker for look in looks.values()}) == num_models
    assert looks["Baseline"].colour == INK


def test_more_models_than_colours_still_differ():
    names = [f"model {number}" for number in range(20)]
    report = make_evaluation(names=names, num_subjects=1, attacks=[], curves=[], num_slices=0)
    assert len({(look.colour, look.dashes) for look in series(report).values()}) == 20


def test_slices_are_mr_ct_and_a_row_a_model_in_one_window(report):
    figure = draw_slices(report, FGSM)
    images = _images(figure)
    assert len(images) == 2 * (2 + 3)
    shown = {tuple(image.get_array().ravel()): image for image in images}
    for one in report.slices:
        if one.condition == FGSM:
            for values in (one.ct, one.synthetic_ct):
                assert shown[tuple(values.ravel())].get_clim() == CT_WINDOW_HU
            assert tuple(one.mr.ravel()) in shown
    expected = [
        f"mean Dice {mean_dice(one.ct, one.synthetic_ct):.3f}"
        for one in report.slices
        if one.condition == FGSM
    ]
    expected += ["STS_000, slice 9", "STS_001, slice 12", "", ""]
    assert sorted(_titles(figure)) == sorted(expected)
    labels = [text.get_text() for text in figure.texts]
    assert labels == ["MR, unperturbed", "CT", *report.model_names]
    assert [a.get_xlabel() for a in figure.axes if a.get_xlabel()] == [
        "MR, z-score",
        "CT and synthetic CT, HU",
    ]


@pytest.mark.parametrize("condition", [FGSM, "gaussian:0.1"])
def test_perturbation_is_shown_below_what_each_model_saw(report, condition):
    figure = draw_perturbations(report, condition)
    images = _images(figure)
    assert len(images) == 1 + 2 * 3
    windows = {images[0].get_clim()} | {image.get_clim() for image in images[1::2]}
    assert len(windows) == 1
    (low, high), *others = {image.get_clim() for image in images[2::2]}
    assert not others
    assert low == -high
    seen = [one for one in report.slices if one.condition == condition and one.slice_index == 12]
    np.testing.assert_array_equal(images[0].get_array(), seen[0].mr)
    for place, one in enumerate(seen):
        np.testing.assert_array_equal(images[1 + 2 * place].get_array(), one.perturbed_mr)
        delta = one.perturbed_mr - one.mr
        np.testing.assert_array_equal(images[2 + 2 * place].get_array(), delta)
        assert np.quantile(np.abs(delta), 0.99) <= high
    assert _titles(figure)[1] == "seen by Baseline"


def test_missing_slices_leave_a_gap(report):
    slices = [one for one in report.slices if (one.model, one.slice_index) != ("Baseline", 12)]
    fewer = dataclasses.replace(report, slices=slices)
    assert len(_images(draw_slices(fewer, FGSM))) == 9
    assert len(_images(draw_perturbations(fewer, FGSM))) == 5
