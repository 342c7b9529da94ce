"""The main job from end to end: what it leaves, and that no interruption changes it."""

import csv
import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from robmednas_tf.models.architecture import Architecture
from robmednas_tf.search.trials import COMPLETED, read_trials

from .conftest import SMOKE, table_rows, wait_for

LEFT = {
    "flags.cfg",
    "environment.json",
    "split.json",
    "search.json",
    "trials",
    "trials.csv",
    "confirmations",
    "confirmed.csv",
    "best_architecture.json",
    "best_model",
    "outcome.json",
    "tensorboard",
    "report.html",
    "figures",
}


def outcomes(folder):
    records, damaged = read_trials(folder)
    assert not damaged
    return [(record.values, record.source, record.status) for record in records], [
        record.metrics for record in records
    ]


def assert_same_trials(first, second):
    (values, metrics), (other_values, other_metrics) = outcomes(first), outcomes(second)
    assert values == other_values
    for one, other in zip(metrics, other_metrics, strict=True):
        assert one == pytest.approx(other, abs=1e-6, rel=1e-6, nan_ok=True)


def test_a_run_leaves_all_that_is_promised(smoke_run):
    folder, _, _ = smoke_run
    assert {path.name for path in folder.iterdir()} >= LEFT
    assert {path.name for path in folder.iterdir()} - LEFT == {".lock"}
    model_files = {path.name for path in (folder / "best_model").iterdir()}
    assert model_files == {"model.keras", "model_card.md", "saved_model", "training.json"}


def test_the_card_tells_the_winner_and_names_no_subject(smoke_run):
    folder, output, _ = smoke_run
    card = (folder / "best_model" / "model_card.md").read_text()
    rows = {cells[0]: cells[1:] for cells in table_rows(card)}
    made = json.loads((folder / "best_model" / "training.json").read_text())
    losses = made["history"]["val_loss"]
    winner = re.search(r"Best trial (\d+)", output)[1]
    assert rows["Architecture"] == [f"found by a search (trial {winner})"]
    assert "won a search over 6 scored architectures" in card
    assert "trained anew" in card
    assert rows["Epochs"][0].startswith(f"{len(losses)} of at most ")
    kept = losses.index(min(losses)) + 1
    assert rows["Epochs"][0].endswith(f"the weights of epoch {kept} were kept")
    split = json.loads((folder / "split.json").read_text())
    final, search = made["recipe"]["final"], split["search"]
    for part, names in (
        ("Training", final["train"]),
        ("Validation", final["validation"]),
        ("Search's test", search["test"]),
        ("Held-out test", split["cohort"]["test"]),
    ):
        assert rows[part][1] == str(len(names))
    both = str(len(search["train"] + search["validation"]))
    assert rows["Search's training and validation"][1] == both
    assert "Final model" in rows
    assert "chose the architecture, so figures on them are optimistic" in card
    assert "phantom_0" not in card.replace("\\", "")


def test_the_trials_table_agrees_with_the_records(smoke_run):
    folder, _, _ = smoke_run
    records, _ = read_trials(folder)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"{number:04d}" for number in range(6)]
    for row, record in zip(rows, records, strict=True):
        assert row["status"] == COMPLETED
        assert float(row["score"]) == float(row["adversarial_dice"]) == record.score
        assert json.loads(row["architecture"]) == record.details["architecture"]
        assert int(row["parameters"]) == record.details["parameters"]


def test_the_best_architecture_is_that_of_the_best_mean_of_new_scores(smoke_run):
    folder, output, _ = smoke_run
    records, _ = read_trials(folder)
    # Or the ranking shows nothing.
    assert len({record.score for record in records}) > 2
    assert {record.source for record in records} == {"startup", "model"}
    candidates = sorted(records, key=lambda record: (-record.score, record.number))[:2]
    repeats = {
        record.trial_id: json.loads(
            (folder / "confirmations" / f"{record.trial_id}-1.json").read_text()
        )
        for record in candidates
    }
    winner = max(candidates, key=lambda record: repeats[record.trial_id]["score"])
    assert not {each["score"] for each in repeats.values()} & {each.score for each in records}
    with (folder / "confirmed.csv").open() as file:
        first = next(csv.DictReader(file))
    assert (first["id"], float(first["mean"])) == (
        winner.trial_id,
        repeats[winner.trial_id]["score"],
    )
    assert "Confirming the 2 best trials with new seeds: 2/2, trial" in output
    best = Architecture.from_json((folder / "best_architecture.json").read_text())
    assert best.to_dict() == winner.details["architecture"]
    assert f"Best trial {winner.trial_id}" in output


def test_test_subjects_take_no_part_in_training(smoke_run):
    folder, _, _ = smoke_run
    split = json.loads((folder / "split.json").read_text())
    search, cohort = split["search"], split["cohort"]
    used = search["train"] + search["validation"]
    assert not set(used) & set(search["test"])
    made = json.loads((folder / "best_model" / "training.json").read_text())["recipe"]["final"]
    final = made["train"] + made["validation"]
    assert set(final) == set(cohort["train"] + cohort["validation"]) - set(search["test"])
    assert not set(used + search["test"]) & set(cohort["test"])
    assert set(used + search["test"]) <= set(cohort["train"])


def test_the_exported_models_agree(smoke_run):
    folder, _, _ = smoke_run
    model = keras.saving.load_model(folder / "best_model" / "model.keras", safe_mode=True)
    saved = tf.saved_model.load(str(folder / "best_model" / "saved_model"))
    mr = np.random.default_rng(0).gamma(2.0, 100.0, (5, 24, 24)).astype("float32")
    expected = model((mr[..., None] - mr.mean()) / mr.std())[..., 0] * 2500 + 1250
    np.testing.assert_allclose(saved.serve(mr), expected, atol=0.05)


def test_a_pipe_gets_plain_lines_with_progress(smoke_run):
    _, output, errors = smoke_run
    assert errors == ""
    assert "\r" not in output
    lines = [line for line in output.splitlines() if line.startswith("Trial ")]
    assert [line.split(":")[0] for line in lines] == [f"Trial {n}/6" for n in range(1, 7)]
    assert all("best so far" in line and "left" in line for line in lines)
    assert "On made-up heads." in output
    assert "configs/paper.cfg" in output


def test_the_flag_file_repeats_the_run_and_finds_it_done(smoke_run, start_search):
    folder, _, _ = smoke_run
    before = {path: path.read_bytes() for path in folder.glob("trials/*/trial.json")}
    process = start_search(f"--flagfile={folder / 'flags.cfg'}")
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    assert "6 of 6 trials are done" in output
    assert "Trial 1/6" not in output
    assert "Confirming" not in output
    assert "Training the winner" not in output
    assert {path: path.read_bytes() for path in folder.glob("trials/*/trial.json")} == before


def test_other_settings_in_the_same_folder_are_refused(smoke_run, start_search):
    folder, _, _ = smoke_run
    process = start_search(*SMOKE, "--epochs=4", "--attack=fgsm:0.1", f"--output_dir={folder}")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1
    assert "epochs: 3 in the folder, 4 now" in errors
    assert 'attack: "fgsm:0.2" in the folder, "fgsm:0.1" now' in errors
    assert "--output_dir" in errors


@pytest.fixture
def half_done(smoke_run, tmp_path):
    """A copy of the uninterrupted search as it was after its third trial."""
    folder = tmp_path / "half_done"
    shutil.copytree(smoke_run[0], folder)
    for path in folder.iterdir():
        if path.name not in ("search.json", "trials", "tensorboard"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for number in range(3, 6):
        shutil.rmtree(folder / "trials" / f"{number:04d}")
    return folder


def test_a_killed_search_ends_with_the_same_trials(smoke_run, half_done, start_search):
    arguments = (*SMOKE, f"--output_dir={half_done}")
    process = start_search(*arguments)
    # Written at its first epoch's end.
    wait_for(half_done / "trials" / "0003" / "checkpoint.npz", process)
    process.kill()
    process.communicate()

    process = start_search(*arguments)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    assert "3 of 6 trials are done" in output
    assert_same_trials(smoke_run[0], half_done)
    assert [record.attempts for record in read_trials(half_done)[0]] == [1, 1, 1, 2, 1, 1]
    assert not list(half_done.rglob(".partial-*"))
    assert not list(half_done.rglob("checkpoint*"))


def test_files_damaged_by_hand_cost_what_they_held_and_are_said(smoke_run, start_search, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(smoke_run[0], folder)
    best = json.loads((folder / "best_architecture.json").read_text())
    trials = [folder / "trials" / f"{number:04d}" / "trial.json" for number in range(6)]
    won = [json.loads(path.read_text())["details"]["architecture"] for path in trials].index(best)
    cut, died = (number for number in (1, 2, 3) if number != won) if won in (1, 2, 3) else (1, 2)
    trials[cut].write_text(trials[cut].read_text()[:200])
    # As it would be left by a process that has ended twice in it.
    record = json.loads(trials[died].read_text())
    record.update(status="RUNNING", attempts=2, score=None, metrics={})
    trials[died].write_text(json.dumps(record))
    for name in ("best_architecture.json", "best_model/training.json", "confirmed.csv"):
        (folder / name).write_text("{")

    process = start_search(*SMOKE, "--max_attempts=2", f"--output_dir={folder}")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    said = errors.splitlines()
    assert len(said) == 2
    assert f"{cut:04d}/trial.json' is damaged, and its trial is left out" in said[0]
    assert f"Trial {died:04d} is given up: the process ended 2 times" in said[1]
    records = {each.number: each.status for each in read_trials(folder)[0]}
    assert records.pop(died) == "FAILED"
    assert set(records.values()) == {COMPLETED}
    assert set(records) == {*range(8)} - {cut, died}
    assert Architecture.from_json((folder / "best_architecture.json").read_text())
    assert json.loads((folder / "best_model" / "training.json").read_text())["history"]
    assert (folder / "confirmed.csv").read_text().startswith("id,")


def test_real_patients_are_searched(sts, start_search, tmp_path):
    process = start_search(
        *("--flagfile=configs/sts.cfg", f"--data={sts}", f"--output_dir={tmp_path / 'sts'}"),
        *("--num_trials=1", "--epochs=1", "--final_epochs=0", "--image_size=96"),
        *("--slices_per_subject=4", "--max_depth=1", "--filters=8", "--patterns=1000"),
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "are cropped" in output
    assert (tmp_path / "sts" / "report.html").is_file()
