"""Several objectives on the command line: what is refused, and that a run can be repeated."""

import csv
import json

import pytest

from robmednas_tf.cli import search_flags
from robmednas_tf.cli.command import flag_file
from robmednas_tf.cli.search import main
from robmednas_tf.cli.search_flags import FLAGS
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.objectives import PickRule
from robmednas_tf.search.trials import read_trials

from .conftest import SMOKE

TWO = "--objectives=clean_dice,flops"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--objectives=adverserial_dice,flops"], "Did you mean 'adversarial_dice'?"),
        (["--objectives=clean_dice,num_flops"], "Did you mean 'flops'?"),
        (["--objectives=clean_dice,flops,clean_dice"], "Received twice: clean_dice"),
        (["--objectives=flops"], "The first objective must be a score"),
        (["--objectives=parameters,clean_dice"], "Received: 'parameters'"),
        (["--objectives="], "Received: none"),
        ([TWO, "--objective=adversarial_dice"], "--objective must be the first of --objectives"),
        (["--pick=knee"], "--pick chooses from the Pareto front of several objectives"),
        (["--objectives=clean_dice", "--pick=knee"], "--pick=knee with a single objective"),
        ([TWO, "--pick=best"], "first, knee or within:SIZE, such as within:0.01. Received: 'best'"),
        ([TWO, "--pick=knee:2"], "Received: 'knee:2'"),
        *(([TWO, f"--pick=within{size}"], "SIZE >= 0") for size in ("", ":x", ":-1", ":inf")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_no_search_can_do_is_refused(refusal, arguments, words):
    assert words in refusal(main, FLAGS, "--num_subjects=3", *arguments)


def test_one_objective_is_the_score_and_several_begin_with_it(parsed):
    with parsed(FLAGS, "--objective=clean_mae"):
        assert search_flags.settings_from_flags().search.objectives == ("clean_mae",)
    with parsed(FLAGS, "--objectives=clean_dice,adversarial_dice,flops", "--pick=within:0.02"):
        search = search_flags.settings_from_flags().search
    assert search.objective == "clean_dice"
    assert search.objectives == ("clean_dice", "adversarial_dice", "flops")
    assert search.pick == PickRule("within", 0.02)


def test_the_recorded_flags_of_a_pareto_search_repeat_it(tmp_path, parsed):
    with parsed(FLAGS, TWO, "--pick=knee") as flags:
        first = search_flags.settings_from_flags().search
        # As `SearchRun` records it; the default of --objective would contradict --objectives.
        (tmp_path / "flags.cfg").write_text(flag_file(flags, {"objective": first.objective}))
    with parsed(FLAGS, f"--flagfile={tmp_path / 'flags.cfg'}"):
        assert search_flags.settings_from_flags().search == first
    with parsed(FLAGS, f"--flagfile={tmp_path / 'flags.cfg'}", "--pick=first"):
        assert search_flags.settings_from_flags().search.pick == PickRule()


def pareto_rows(folder):
    with (folder / "pareto.csv").open() as file:
        return list(csv.DictReader(file))


def assert_won(folder, output, record, reached):
    assert f"Picked trial {record.trial_id}: {reached}" in output
    assert [row["id"] for row in pareto_rows(folder) if row["picked"] == "True"] == [
        record.trial_id
    ]
    best = Architecture.from_json((folder / "best_architecture.json").read_text())
    assert best.to_dict() == record.details["architecture"]
    made = json.loads((folder / "best_model" / "training.json").read_text())
    assert made["recipe"]["trial"] == record.trial_id


def test_another_pick_does_the_end_anew(finished, refusal, tmp_path):
    folder = tmp_path / "pareto"
    output = finished(
        *("search", *SMOKE, f"--output_dir={folder}", "--num_trials=3", "--epochs=2"),
        *("--final_epochs=0", "--keep_models=1", "--confirm_top=1", "--max_depth=1"),
        *("--filters=8,16", "--objectives=adversarial_dice,flops", "--pick=within:1"),
    )
    records, _ = read_trials(folder)
    smallest = min(records, key=lambda record: (record.details["flops"], -record.score))
    best = max(records, key=lambda record: record.score)
    # Or another pick shows nothing.
    assert smallest is not best
    assert_won(folder, output, smallest, f"adversarial_dice {smallest.score:.4f}, flops ")
    assert f"Training trial {smallest.trial_id} as before: its weights were not kept." in output
    with (folder / "confirmed.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == [smallest.trial_id]
    assert "pareto_front" in {path.stem for path in (folder / "figures").iterdir()}

    flags = f"--flagfile={folder / 'flags.cfg'}"
    before = {path: path.read_bytes() for path in folder.glob("trials/*/trial.json")}
    output = finished("search", flags, "--pick=first", "--confirm_top=0")
    assert "3 of 3 trials are done" in output
    assert_won(folder, output, best, f"adversarial_dice {best.score:.4f}, flops ")
    assert not (folder / "confirmed.csv").exists()
    assert {path: path.read_bytes() for path in folder.glob("trials/*/trial.json")} == before

    others = ("--objectives=adversarial_dice,parameters", f"--output_dir={folder}")
    line = refusal(main, FLAGS, flags, *others, "--image_size=24")
    assert "further_objectives" in line
    assert '"flops", "direction": "min"}] in the folder' in line
