"""One training from end to end: what it leaves, what it must not look at, and no lost epoch."""

import json
import shutil
import signal

import keras
import numpy as np
import pytest

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.cli.train import find_architecture, main
from robmednas_tf.cli.train_flags import FLAGS
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.evaluation.inference import AttackedValidation
from robmednas_tf.models.architecture import NAMED, Architecture

from .conftest import HEADS, TINY, table_rows, wait_for

LEFT = {
    *("flags.cfg", "environment.json", "split.json", "run.json", "architecture.json"),
    *("model", "tensorboard", "figures", "report.html"),
}


def made(folder):
    return json.loads((folder / "model" / "training.json").read_text())


def test_a_run_leaves_all_that_is_promised(trained):
    folder, said = trained
    for name in ("regular", "adversarial"):
        assert {path.name for path in (folder / name).iterdir()} - {".lock"} == LEFT
        files = {path.name for path in (folder / name / "model").iterdir()}
        assert files == {"model.keras", "model_card.md", "saved_model", "training.json"}
        assert list((folder / name / "tensorboard").glob("events*"))
        assert [line.split(",")[0] for line in said[name].splitlines() if "/4" in line] == [
            f"Training: {epoch}/4" for epoch in range(1, 5)
        ]
    assert "adversarially (50 % of slices under FGSM 0.2)" in said["adversarial"]
    assert set(made(folder / "adversarial")["history"]) - set(
        made(folder / "regular")["history"]
    ) == {"replaced", "perturbation", "val_pgd_over_fgsm", "val_gradient_alignment"}


def test_the_card_tells_the_training_and_names_no_subject(trained):
    for name in ("regular", "adversarial"):
        folder = trained[0] / name
        card = (folder / "model" / "model_card.md").read_text()
        rows = {cells[0]: cells[1:] for cells in table_rows(card)}
        assert rows["Training"] == ["the weights", "5", "40"]
        assert rows["Validation"] == ["choosing the epoch", "1", "8"]
        assert rows["Test"][1:] == ["3", "24"]
        best = made(folder)["best_epoch"] + 1
        assert "4 of at most 4 (5 without" in rows["Epochs"][0]
        assert rows["Epochs"][0].endswith(f"the weights of epoch {best} were kept")
        attacked = "50 % of slices under FGSM 0.2"
        assert (attacked in rows["Adversarial training"][0]) == (name == "adversarial")
        assert rows["Cost of a step"][0].startswith("1.5 " if name == "adversarial" else "1 ")
        assert "learning rate 0.01" in rows["Optimiser"][0]
        assert "run_train.py --flagfile=flags.cfg" in card
        assert str(folder) not in card
        assert "made-up heads" in card
        assert "phantom_0" not in card.replace("\\", "")
        # Its clean Dice is that of the epoch kept, which the training has measured itself.
        dice = next(cells[1] for cells in table_rows(card) if cells[0] == "Trained network")
        clean, _, attacked = dice.partition(" / ")
        history = made(folder)["history"]
        for text, quantity in ((clean, "val_dice_clean"), (attacked, "val_dice_adversarial")):
            assert float(text) == pytest.approx(history[quantity][best - 1], abs=3e-3)


def test_onnx_is_added_to_a_training_that_has_ended(trained, finished, tmp_path):
    pytest.importorskip("tf2onnx", reason="The extra [onnx] is not installed.")
    runtime = pytest.importorskip("onnxruntime", reason="The extra [onnx] is not installed.")
    run = tmp_path / "run"
    shutil.copytree(trained[0] / "regular", run)
    model = (run / "model" / "model.keras").read_bytes()
    flags = (f"--flagfile={run / 'flags.cfg'}", f"--output_dir={run}")
    assert "is trained" in finished("train", *flags, "--onnx")
    assert (run / "model" / "model.keras").read_bytes() == model
    session = runtime.InferenceSession(str(run / "model" / "model.onnx"))
    mr = np.random.default_rng(0).normal(size=(2, 16, 16, 1)).astype("float32")
    expected = keras.saving.load_model(run / "model" / "model.keras")(mr)
    np.testing.assert_allclose(session.run(None, {"mr": mr})[0], expected, atol=1e-5)
    assert "whole volume" in session.get_modelmeta().custom_metadata_map["mr"]
    assert "`model.onnx`" in (run / "model" / "model_card.md").read_text()
    # Written once: the same command finds it done.
    written = (run / "model" / "model.onnx").stat().st_mtime_ns
    finished("train", *flags, "--onnx")
    assert (run / "model" / "model.onnx").stat().st_mtime_ns == written


def test_a_brief_training_leaves_the_network_alone_and_the_rest_can_follow(
    trained, finished, tmp_path
):
    folder, runs = tmp_path / "brief", trained[0]
    arguments = (f"--flagfile={runs / 'regular' / 'flags.cfg'}", f"--output_dir={folder}")
    said = finished("train", *arguments, "--brief")
    assert "Report:" not in said
    assert {path.name for path in folder.iterdir()} - {".lock"} == LEFT - {"figures", "report.html"}
    model = (folder / "model" / "model.keras").read_bytes()
    assert {path.name for path in (folder / "model").iterdir()} == {"model.keras", "training.json"}
    for name in ("history", "best_epoch", "recipe"):
        assert made(folder)[name] == made(runs / "regular")[name]
    finished("train", *arguments)
    assert {path.name for path in folder.iterdir()} - {".lock"} == LEFT
    assert (folder / "model" / "saved_model" / "saved_model.pb").is_file()
    assert (folder / "model" / "model.keras").read_bytes() == model


def test_onnx_without_its_package_is_refused_at_the_door(refused, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "no onnx and no tf2onnx. Install the extra [onnx]" in refused("--onnx")


def test_test_subjects_take_no_part(trained):
    folder, _ = trained
    split = json.loads((folder / "regular" / "split.json").read_text())
    parts = [split["cohort"][part] for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [5, 1, 3]
    assert len({name for part in parts for name in part}) == 9
    assert set(split["identities"]) == {name for part in parts for name in part}


@pytest.mark.parametrize("name", ["regular", "adversarial"])
def test_the_exported_model_scores_what_its_best_epoch_did(trained, tmp_path, name):
    folder = trained[0] / name
    model = keras.saving.load_model(folder / "model" / "model.keras")
    split = json.loads((folder / "split.json").read_text())["cohort"]
    cohort, cache = open_phantom(9, (16, 16, 8), seed=0), SliceCache(tmp_path, 16)
    heads = [cache.prepare(cohort[each]) for each in split["validation"]]
    best, history = made(folder)["best_epoch"], made(folder)["history"]
    assert history["val_loss"][best] == min(history["val_loss"])
    for quantity, value in AttackedValidation(model, heads, Perturbation("fgsm", 0.2), 6)().items():
        assert value == pytest.approx(history[quantity][best], abs=2e-3, rel=1e-3)


def test_a_killed_training_ends_as_if_it_had_never_stopped(trained, start, finished, tmp_path):
    folder, _ = trained
    flags = (FLAG for FLAG in (folder / "adversarial" / "flags.cfg").read_text().splitlines())
    flags = [flag for flag in flags if not flag.startswith(("--output_dir", "--cache_dir"))]
    arguments = (*flags, f"--output_dir={tmp_path / 'killed'}")
    for stop in (signal.SIGKILL, signal.SIGTERM):
        (tmp_path / "killed" / "checkpoint.npz").unlink(missing_ok=True)
        process = start("train", *arguments)
        wait_for(tmp_path / "killed" / "checkpoint.npz", process)
        process.send_signal(stop)
        process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGKILL, 130)
    assert "Going on in" in finished("train", *arguments)
    whole, resumed = made(folder / "adversarial"), made(tmp_path / "killed")
    assert resumed["best_epoch"] == whole["best_epoch"]
    assert resumed["history"].keys() == whole["history"].keys()
    for quantity, values in whole["history"].items():
        np.testing.assert_allclose(
            resumed["history"][quantity], values, rtol=1e-4, err_msg=quantity
        )
    models = [
        keras.saving.load_model(run / "model" / "model.keras")
        for run in (folder / "adversarial", tmp_path / "killed")
    ]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_network_is_trained_on_a_stronger_attack(trained, finished, tmp_path):
    output = finished(
        "train",
        f"--architecture={trained[0] / 'tiny.json'}",
        *("--adversarial", "--attack=pgd:0.2:steps=2", "--epochs=2", "--image_size=16"),
        *("--num_phantoms=9", "--slices_per_subject=8", f"--output_dir={tmp_path / 'run'}"),
    )
    assert "adversarially (50 % of slices under PGD 0.2, steps 2)" in output
    card = (tmp_path / "run" / "model" / "model_card.md").read_text(encoding="utf-8")
    assert "2 passes forward and back, on average" in card
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "PGD with 10 steps did" in page


def test_the_flag_file_repeats_the_run_and_finds_it_done(trained, finished):
    folder = trained[0] / "regular"
    before = (folder / "model" / "model.keras").read_bytes()
    output = finished("train", f"--flagfile={folder / 'flags.cfg'}")
    assert "is trained" in output
    assert "Training: 1" not in output
    assert (folder / "model" / "model.keras").read_bytes() == before


@pytest.fixture
def refused(refusal):
    """A function that runs the training with flags and returns its one line of refusal."""

    def run(*arguments):
        return refusal(main, FLAGS, *arguments)

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--architecture=unet"], "must be one of ['baseline', 'robmednas_t'] or a JSON file"),
        (["--architecture=configs"], "holds no best_architecture.json"),
        (["--architecture=README.md"], "does not hold an architecture"),
        (["--epochs=0"], "epochs must be at least 1"),
        (["--patience=-1"], "patience must be at least 0"),
        (["--seed=-1"], "--seed must be at least 0"),
        (["--attack=fgsm:-1"], "must be a number >= 0"),
        (["--adversarial", "--attack=fgsm:0"], "epsilon of adversarial training must be > 0"),
        (["--adversarial", "--replacement_probability=2"], "replacement_probability must be in"),
        (["--replacement_probability=0.3"], "add --adversarial"),
        (["--adversarial=trade"], "must be one of none, bernoulli_fgsm, nfgsm, trades, finetune"),
        (["--adversarial=trade"], "Did you mean 'trades'?"),
        (["--adversarial", "nfgsm"], "nfgsm"),
        (["--adversarial=trades", "--trades_beta=0"], "beta of adversarial training must be > 0"),
        (["--adversarial=finetune", "--clean_share=1"], "clean_share must be in (0, 1)"),
        (["--adversarial", "--trades_beta=2"], "--trades_beta is for --adversarial=trades"),
        (["--clean_share=0.5"], "--clean_share is for --adversarial=finetune"),
        (["--mirrored", "--jit_compile"], "do not go together"),
        (["--num_phantoms=2"], "at least 3 subjects"),
        (["--num_phantoms=5", "--num_test=4"], "--num_test"),
        (["--data=absent"], "No such folder"),
        (["--batch_size=0"], "batch_size"),
        (["--output_dir=README.md"], "README.md' is a file"),
        (["left", "over"], "Every setting is a flag"),
    ],
)
def test_mistakes_are_refused(refused, arguments, words):
    assert words in refused(*arguments)


def test_other_settings_in_the_same_folder_are_refused(trained, refused):
    folder, _ = trained
    line = refused(
        f"--flagfile={folder / 'regular' / 'flags.cfg'}",
        # In this process, whose other tests are not to become deterministic.
        *(f"--output_dir={folder / 'regular'}", "--epochs=7", "--seed=3", "--nodeterministic"),
    )
    assert "seed: 0 in the folder, 3 now" in line
    assert "training.epochs: 4 in the folder, 7 now" in line
    assert "--output_dir" in line


def test_subjects_of_the_search_are_not_tested(refused, tmp_path):
    cohort = open_phantom(20, (16, 16, 8), seed=0)
    search = tmp_path / "search"
    search.mkdir()
    (search / "best_architecture.json").write_text(TINY)
    parts = {"train": ["phantom_002"], "validation": ["phantom_001"], "test": ["phantom_013"]}
    names = [name for part in parts.values() for name in part]
    identities = {name: cohort[name].read().identity for name in names}
    record = {"cohort": parts, "identities": identities}
    (search / "split.json").write_text(json.dumps(record))
    for architecture in (search, search / "best_architecture.json"):
        line = refused(*HEADS, f"--architecture={architecture}", "--num_phantoms=20")
        assert f"The search in '{search}' has seen 'phantom_002' in" in line
        assert "--split_seed" in line


def test_a_training_that_goes_wrong_says_so_or_keeps_its_best_epoch(
    trained, start, finished, tmp_path
):
    tiny = f"--architecture={trained[0] / 'tiny.json'}"
    arguments = (*HEADS, tiny, "--epochs=3", f"--output_dir={tmp_path / 'run'}")
    process = start("train", *arguments, "--learning_rate=1e20")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "Lower the learning rate" in errors


def test_mixed_precision_on_all_devices_is_exported_in_float32(trained, finished, tmp_path):
    tiny = f"--architecture={trained[0] / 'tiny.json'}"
    flags = ("--mixed_precision", "--mirrored", "--adversarial", "--epochs=1")
    finished("train", *HEADS, tiny, *flags, f"--output_dir={tmp_path / 'run'}")
    model = keras.saving.load_model(tmp_path / "run" / "model" / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert (tmp_path / "run" / "report.html").is_file()


def test_architectures_are_found(tmp_path):
    assert find_architecture("robmednas_t") == NAMED["robmednas_t"]
    (tmp_path / "best_architecture.json").write_text(TINY)
    assert find_architecture(str(tmp_path)) == Architecture.from_json(TINY)
    assert find_architecture(str(tmp_path / "best_architecture.json")) == Architecture.from_json(
        TINY
    )
