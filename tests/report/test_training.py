from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.report.training import write_training_figures, write_training_report
from robmednas_tf.report.training_contents import ALIGNMENT, PGD_OVER_FGSM
from robmednas_tf.report.training_figures import draw_learning_curve, draw_validation_dice

from .pages import check_figures, read_page
from .trainings import make_training

FIGURES = {"architecture", "learning_curve", "panels", "validation_dice"}


def _write(folder, report):
    write_training_report(folder / "report.html", report)
    return read_page(folder / "report.html")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    report = make_training()
    write_training_figures(folder / "figures", report)
    return report, folder, _write(folder, report)


def test_page_tells_the_training(full):
    report, _, page = full
    dice = report.history["val_dice_clean"][report.best_epoch]
    final = report.scores[0].rows[0].metrics
    for words in (
        "A U-Net for MR-to-CT synthesis (robmednas_t) was trained on 4 subjects of the cohort",
        f"Training: {report.training}.",
        "After each of 20 epochs it was tried on 2 other subjects",
        f"The weights of epoch {report.best_epoch + 1} were kept",
        f"the mean Dice of validation was {dice:.3f}, and {dice - 0.05:.3f} under attack",
        "20 % of the MR's standard deviation",
        f"from {final['clean_dice_bone']:.3f} to {final['adversarial_dice_bone']:.3f} in bone",
        "moved a pixel by 97 % of epsilon",
        "Not a medical device.",
        report.command,
        report.notes[0],
    ):
        assert words in page.text
    assert len(page.images) == len(FIGURES)
    assert page.table("Hyperparameters")[1][1] == report.architecture.encoder[0].pattern
    assert [row[0] for row in page.table("Part")[1:]] == list(report.subjects)


def test_sections_come_in_their_order(full):
    ids = [name for name in full[2].ids if "-" not in name]
    assert ids == ["scores", "epochs", "slices", "network", "settings", "limits"]


def test_figures_are_written_as_png_and_svg(full):
    check_figures(full[1] / "figures", FIGURES)


def test_figures_are_the_same_again(tmp_path, full):
    again = make_training()
    paths = write_training_figures(tmp_path / "figures", again)
    write_training_report(tmp_path / "report.html", again)
    assert {path.stem for path in paths} == FIGURES
    assert len(paths) == 2 * len(FIGURES)
    for path in (*paths, tmp_path / "report.html"):
        assert path.read_bytes() == (full[1] / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize(
    ("draw", "names", "scale"),
    [
        (draw_learning_curve, ("loss", "val_loss"), "log"),
        (draw_validation_dice, ("val_dice_clean", "val_dice_adversarial"), "linear"),
    ],
)
def test_curves_are_the_history_with_the_best_epoch_marked(draw, names, scale):
    report = make_training(12, best_epoch=4)
    axes = draw(report).axes[0]
    assert axes.get_yscale() == scale
    for name, container in zip(names, axes.containers, strict=True):
        np.testing.assert_allclose(container[0].get_ydata(orig=False), report.history[name])
        np.testing.assert_array_equal(container[0].get_xdata(orig=False), np.arange(1, 13))
    assert [text.get_text() for text in axes.texts] == ["best: epoch 5"]
    assert 5 in [line.get_xdata()[0] for line in axes.lines]


def test_what_was_not_measured_is_left_out(tmp_path):
    history = {"loss": [0.2, 0.1], "val_loss": [0.3, 0.2]}
    report = make_training(
        history=history, best_epoch=1, scores=[], panels=[], attack=Perturbation("fgsm", 0.0)
    )
    page = _write(tmp_path, report)
    assert len(page.images) == 2
    assert "Dice of validation" not in page.text
    assert "of epsilon on average" not in page.text
    assert "switched off" in page.text


@pytest.mark.parametrize("num_epochs", [1, 150])
def test_any_number_of_epochs(tmp_path, num_epochs):
    page = _write(tmp_path, make_training(num_epochs, panels=[]))
    assert f"of {num_epochs}" in page.text


@pytest.mark.parametrize(("num_epochs", "best_epoch", "warned"), [(9, 0, 1), (9, 1, 0), (1, 0, 0)])
def test_a_network_kept_from_its_first_epoch_is_warned_of(tmp_path, num_epochs, best_epoch, warned):
    page = _write(tmp_path, make_training(num_epochs, best_epoch=best_epoch, panels=[]))
    assert page.text.count("the network is hardly trained") == warned


def test_undefined_values_break_nothing(tmp_path):
    history = {
        "loss": [math.nan, 0.0],
        "val_loss": [math.nan] * 2,
        "val_dice_clean": [math.nan] * 2,
    }
    page = _write(tmp_path, make_training(history=history, best_epoch=0, panels=[], scores=[]))
    assert "nan" not in page.text.lower()


def test_names_are_escaped(tmp_path):
    name = "<b>\"Tom\" & 'Jerry' $x$</b>"
    report = make_training(
        panels=[], cohort=name, architecture_name=name, training=name, notes=[name], command=name
    )
    assert _write(tmp_path, report).text.count(name) >= 6


@pytest.mark.parametrize("best_epoch", [-1, 20])
def test_best_epoch_must_be_one_of_the_history(best_epoch):
    with pytest.raises(ValueError, match=f"epoch {best_epoch} "):
        dataclasses.replace(make_training(), best_epoch=best_epoch)


@pytest.mark.parametrize(
    ("harm", "cosine", "words"),
    [
        (1.8, 0.7, "PGD with 10 steps did 1.8 times the harm of FGSM"),
        (1.8, 0.7, "a network that only hides from FGSM shows far more harm"),
        (40.0, 0.7, "this is what a network shows that only hides from FGSM"),
        (1.8, 0.02, "this is what a network shows that only hides from FGSM"),
    ],
)
def test_gradients_of_an_adversarial_training_are_told(tmp_path, harm, cosine, words):
    report = make_training()
    logged = {PGD_OVER_FGSM: harm, ALIGNMENT: cosine}
    epochs = report.num_epochs
    history = {**report.history, **{name: [value] * epochs for name, value in logged.items()}}
    write_training_report(tmp_path / "report.html", dataclasses.replace(report, history=history))
    assert words in read_page(tmp_path / "report.html").text
