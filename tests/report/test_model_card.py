"""A model's card: its content follows from its values, and no subject is named."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

from robmednas_tf.adversarial import AdversarialConfig
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.report.contents import ScoreGroup, ScoreRow
from robmednas_tf.report.markdown import markdown_table
from robmednas_tf.report.model_card import Making, Part, mr_in_words, write_model_card
from robmednas_tf.report.wording import UNDEFINED, UNMEASURED, square

from .conftest import metrics_at
from .trainings import make_training


def make_making(**changes: Any) -> Making:
    """Makes up how a model was made; keywords replace what it would hold."""
    values: dict[str, Any] = {
        "training": TrainingConfig(epochs=40, patience=5),
        "adversarial": None,
        "preprocessing": Preprocessing(),
        "seed": 3,
        "num_epochs": 20,
        "best_epoch": 12,
        "parts": [
            Part("Training", "the weights", 4, 96),
            Part("Validation", "choosing the epoch", 2, 48),
        ],
        "versions": {"python": "3.11.2", "tensorflow": "2.21.0", "absent": None},
    }
    return Making(**{**values, **changes})


@pytest.fixture
def write(tmp_path):
    """A function that writes a card and returns its text."""

    def write(report=None, **changes):
        making = make_making(**changes)
        write_model_card(tmp_path, make_training() if report is None else report, making)
        assert [path.name for path in tmp_path.glob("*.md")] == ["model_card.md"]
        return (tmp_path / "model_card.md").read_text(encoding="utf-8")

    return write


def rows_of(card):
    """The tables' rows by their first cell, unescaped; the last one of a name."""
    rows = {}
    for line in card.splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows[cells[0]] = [re.sub(r"\\(.)", r"\1", cell) for cell in cells[1:]]
    return rows


def test_the_card_has_the_sections_of_a_model_card(write):
    assert re.findall(r"^## (.+)$", write(), re.MULTILINE) == [
        *("Network", "Intended use", "Training", "Scores", "Files and signatures"),
        *("Limits", "Reproduction"),
    ]


def test_the_network_is_told(write):
    rows = rows_of(write())
    assert rows["Architecture"] == ["robmednas_t"]
    assert rows["Depth"] == ["5"]
    assert rows["Parameters"] == ["9.48 M"]
    first, last = NAMED["robmednas_t"].encoder[0], NAMED["robmednas_t"].decoder[-1]
    for name, block in (("Enc1", first), ("Dec5", last)):
        assert rows[name] == [
            *(block.pattern, str(block.filters), "True", str(block.reduction_ratio))
        ]


def test_the_training_is_told(write):
    rows = rows_of(write())
    assert rows["Cohort"] == ["phantom"]
    assert rows["Loss"] == ["mean squared error of CT as (HU - 1250) / 2500"]
    assert rows["Optimiser"] == ["Adam with AMSGrad, learning rate 0.001"]
    assert rows["Epochs"] == [
        "20 of at most 40 (5 without a lower validation loss end it); "
        "the weights of epoch 13 were kept"
    ]
    assert rows["Training"] == ["the weights", "4", "96"]
    assert rows["Validation"] == ["choosing the epoch", "2", "48"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": TrainingConfig(epochs=9, learning_rate=2e-4)}, "learning rate 0.0002"),
        ({"training": TrainingConfig(epochs=77)}, "20 of at most 77; the weights"),
        ({"training": TrainingConfig(epochs=9, batch_size=11)}, "11 slices"),
        ({"training": TrainingConfig(epochs=9, start_at_mean=False)}, "last layer at random"),
        ({"training": TrainingConfig(epochs=9, weight_averaging=0)}, "as trained"),
        ({"training": TrainingConfig(epochs=9, kernel_initializer="orthogonal")}, "orthogonal"),
        (
            {"adversarial": AdversarialConfig(0.3, Perturbation("fgsm", 0.15))},
            "30 % of slices under FGSM 0.15: its attacked version takes its place (paper section",
        ),
        (
            {"adversarial": AdversarialConfig(0.3, Perturbation("fgsm", 0.15))},
            "1.3 passes forward and back, on average",
        ),
        (
            {"adversarial": AdversarialConfig(0.5, Perturbation.parse("pgd:0.1:steps=7"))},
            "50 % of slices under PGD 0.1, steps 7: its attacked version takes its place",
        ),
        (
            {"adversarial": AdversarialConfig(0.5, Perturbation.parse("pgd:0.1:steps=7"))},
            "4.5 passes forward and back, on average",
        ),
        ({"preprocessing": Preprocessing("mask")}, "deviation inside the body mask"),
        ({"preprocessing": Preprocessing("mask")}, "`serve(mr, mask)`"),
        (
            {"preprocessing": Preprocessing(spacing_mm=(1, 1.5, 0))},
            "resampled to 1 mm (left to right), 1.5 mm (back to front), unchanged (foot to head)",
        ),
        (
            {"preprocessing": Preprocessing(spacing_mm=(1, 1, 1))},
            "Resample the MR as under Training before `serve`; `run_synthesize.py` does it",
        ),
        ({"seed": 41}, "41"),
        ({"best_epoch": 6}, "the weights of epoch 7 were kept"),
        ({"mixed_precision": True}, "bfloat16, exported in float32"),
        ({"versions": {"tensorflow": "9.8.7"}}, "tensorflow 9.8.7."),
        ({"parts": [Part("Held-out test", "the scores", 7, 511)]}, "511"),
        ({"remarks": ["It went on after a stop."]}, "- It went on after a stop."),
    ],
)
def test_a_value_that_changes_changes_the_card(write, changes, words):
    assert words not in write()
    assert words in write(**changes)


def test_scores_are_the_reports(write):
    report = make_training()
    card = write(report)
    metrics = report.scores[0].rows[0].metrics
    assert "### Validation subjects (2), used to choose the epoch" in card
    dice, mae = (
        f"{metrics[f'clean_{metric}_bone']:.{digits}f} / "
        f"{metrics[f'adversarial_{metric}_bone']:.{digits}f}"
        for metric, digits in (("dice", 3), ("mae", 1))
    )
    lines = [line for line in card.splitlines() if line.startswith("| Network  ")]
    heads, values = lines[::2], lines[1::2]
    assert [line.count("|") for line in lines] == [7] * 4
    assert all("Bone" in line for line in heads)
    assert [text in line for line, text in zip(values, (dice, mae), strict=True)] == [True, True]
    assert "chose the epoch, so figures on them are optimistic" in card


def test_undefined_and_unmeasured_scores_are_not_numbers(write):
    metrics = {**metrics_at(0.5), "clean_dice_bone": math.nan}
    metrics = {name: value for name, value in metrics.items() if name != "adversarial_dice_bone"}
    group = ScoreGroup("Validation subjects", "used", ["a"], [ScoreRow("Only", metrics)])
    card = write(make_training(scores=[group]))
    assert f"{UNDEFINED} / {UNMEASURED}" in card
    assert not re.search(r"\b(nan|None|inf)\b", card)


def test_a_run_without_scores_has_a_card(write):
    card = write(make_training(scores=[]))
    assert "It has not been scored." in card
    assert "###" not in card
    assert "optimistic" not in card


def test_no_subject_is_named(write):
    report = make_training(subjects={"train": ["1BA001", "1BA00"], "validation": ["Doe"]})
    group = dataclasses.replace(report.scores[0], subjects=["Doe"])
    report = dataclasses.replace(report, scores=[group])
    card = write(report, remarks=["Slices of '1BA001' in /data/Doe/mr are gone.", "1BA0012 stays."])
    assert "1BA001'" not in card
    assert "Doe" not in card
    assert "Slices of '…' in /data/…/mr are gone." in card
    assert "1BA0012 stays." in card


def test_names_are_escaped(write):
    name = "a|b_*c*[d](e)`f`<g>#"
    report = make_training(cohort=name, architecture_name=name)
    group = dataclasses.replace(
        report.scores[0], title=name, use=name, rows=[ScoreRow(name, metrics_at(0.5))]
    )
    report = dataclasses.replace(report, scores=[group])
    card = write(
        report,
        parts=[Part(name, name, 1, 2)],
        remarks=[name],
        versions={name: name},
    )
    escaped = r"a\|b\_\*c\*\[d\](e)\`f\`\<g\>\#"
    assert name not in card
    assert card.count(escaped) == 12
    rows = rows_of(card)
    assert rows["Architecture"] == rows["Cohort"] == [name]


def test_onnx_is_told_where_it_lies(write, tmp_path):
    assert "onnx" not in write()
    (tmp_path / "model.onnx").write_bytes(b"")
    assert "**`model.onnx`**: input `mr`, output `synthetic_ct`" in write()


def test_signatures_are_told(write):
    card = write(make_training(image_size=96))
    for words in (
        "`serve(mr)`",
        "`serve_int16(mr)`",
        "`predict_slices(mr)`",
        "float32 `(batch, 96, 96, 1)`",
        f"cropped about its centre to {square(96)} pixels",
        "air (-1000 HU)",
        "rounded half to even, int16, no lower than -1024 HU",
        "`(HU - 1250) / 2500`",
        "**Not a medical device.**",
    ):
        assert words in card


def test_the_command_names_no_folder_of_the_machine(write):
    command = "python run_train.py '--flagfile=/home/mueller/my runs/flags.cfg'"
    card = write(dataclasses.replace(make_training(), command=command))
    assert "python run_train.py --flagfile=flags.cfg" in card
    assert "mueller" not in card


def test_a_searchs_winner_is_told(write, make_report):
    report = make_report()
    card = write(report)
    assert rows_of(card)["Architecture"] == [f"found by a search (trial {report.best_trial_id})"]
    assert f"won a search over {len(report.scored)} scored architectures" in card
    assert "Dice overlap averaged over four regions, under attack" in card
    assert "then trained anew, from scratch." in card
    assert "### Held-out test subject (1), used for nothing but this table" in card
    assert "chose the architecture, so figures on them are optimistic" in card
    assert "has the weights with which its trial was scored." in write(report, is_anew=False)


def test_a_search_without_a_winner_has_no_card(write, make_report):
    with pytest.raises(ValueError, match="without a winner"):
        write(make_report(records=[]))


def test_the_raw_text_reads_well(write, make_report):
    block = Block("0100", 8)
    for report in (
        make_training(architecture=Architecture((block,), (block,))),
        make_training(scores=[]),
        make_report(),
    ):
        card = write(report, remarks=["One.", "Two."])
        assert "\n\n\n" not in card
        assert not re.search(r"[ \t]$", card, re.MULTILINE)
        assert card.endswith(".\n")
        assert not card.endswith("\n\n")
        # A table begins after an empty line, and its lines are equally long.
        for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
            assert f"\n\n{table}" in card
            assert len({len(line) for line in table.splitlines()}) == 1


def test_tables_are_lined_up():
    assert markdown_table(["A", "Number"], [["long name", "7"], ["x|", "12"]], num_words=1) == (
        "| A         | Number |\n"
        "| --------- | -----: |\n"
        "| long name |      7 |\n"
        "| x\\|       |     12 |"
    )


def test_preprocessing_is_put_into_words():
    assert mr_in_words(Preprocessing()) == "not resampled, z-scored over the whole volume"
