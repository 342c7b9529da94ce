"""An evaluation from end to end: what it leaves, what it reuses, and whom it refuses to test."""

import csv
import json
import math
import re
import shutil

import keras
import numpy as np
import pytest

from robmednas_tf.attacks.kinds import CORRUPTIONS
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.cli.eval import main
from robmednas_tf.cli.eval_flags import FLAGS
from robmednas_tf.cli.eval_models import parse_models
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.evaluation.inference import AttackedInference

LEFT = {
    *("flags.cfg", "environment.json", "split.json", "results", "metrics.csv"),
    *("tables.md", "tables.csv", "tables.tex", "figures", "report.html"),
}
ATTACKS = "--attacks=fgsm:0.06,gaussian:0.1"


@pytest.fixture(scope="session")
def evaluated(trained, finished, tmp_path_factory):
    """An evaluation of two models, one of them in two forms: its folder and what it said."""
    runs, folder = trained[0], tmp_path_factory.mktemp("evaluation")
    output = finished(
        "eval",
        f"--models=regular={runs / 'regular'},adversarial={runs / 'adversarial'},"
        f"saved={runs / 'regular' / 'model' / 'saved_model'}",
        *(ATTACKS, "--curves", f"--output_dir={folder / 'eval'}"),
    )
    return folder / "eval", output


def rows_of(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_that_is_promised(evaluated):
    folder, output = evaluated
    assert {path.name for path in folder.iterdir()} - {".lock"} == LEFT
    figures = {path.name for path in (folder / "figures").iterdir()}
    for name in ("curves", "accuracy_vs_robustness", "slices_clean", "slices_fgsm_0.06"):
        assert {f"{name}.png", f"{name}.svg"} <= figures
    assert "Evaluating: 3/3" in output


def test_the_cohort_of_the_models_run_is_taken_over(evaluated, trained):
    folder, _ = evaluated
    run = json.loads((trained[0] / "regular" / "split.json").read_text())
    assert json.loads((folder / "split.json").read_text())["test"] == run["cohort"]["test"]
    assert {row["subject"] for row in rows_of(folder)} == set(run["cohort"]["test"])


def test_the_numbers_are_the_models(evaluated, trained, tmp_path):
    folder, _ = evaluated
    table = {
        (row["subject"], row["model"], row["condition"], row["region"]): row
        for row in rows_of(folder)
    }
    cache = SliceCache(tmp_path, 16)
    model = keras.saving.load_model(trained[0] / "adversarial" / "model" / "model.keras")
    inference = AttackedInference(model, Perturbation("fgsm", 0.06))
    for name in json.loads((folder / "split.json").read_text())["test"]:
        scores = inference.score(cache.prepare(open_phantom(9, (16, 16, 8), 0)[name]))
        for condition, theirs in (("clean", "clean"), ("fgsm:0.06", "adversarial")):
            for region, score in scores[theirs].items():
                row = table[name, "adversarial", condition, region]
                if math.isnan(score.dice):
                    assert row["dice"] == ""
                else:
                    assert float(row["dice"]) == pytest.approx(score.dice, abs=5e-3)
                assert float(row["mae"]) == pytest.approx(score.mae, rel=5e-3)


def test_two_forms_of_one_model_score_alike(evaluated):
    values = {name: [] for name in ("regular", "saved")}
    for row in rows_of(evaluated[0]):
        if row["model"] in values:
            values[row["model"]].append([float(row[name] or "nan") for name in ("dice", "mae")])
    np.testing.assert_allclose(values["regular"], values["saved"], rtol=1e-3, atol=2e-3)
    # Clean, two attacks, twenty levels of which three subjects; regions and, thrice, the mask.
    # fgsm:0.06 and gaussian:0.1 are levels of the curves too.
    assert len(values["regular"]) == 3 * (21 * 4 + 3)


def test_again_computes_nothing_and_says_the_same(evaluated, finished):
    folder, _ = evaluated
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/*/*")}
    tables = [(folder / name).read_bytes() for name in ("metrics.csv", "tables.csv", "report.html")]
    finished("eval", f"--flagfile={folder / 'flags.cfg'}")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("results/*/*")} == before
    after = [(folder / name).read_bytes() for name in ("metrics.csv", "tables.csv", "report.html")]
    assert after[:2] == tables[:2]


@pytest.fixture
def refused(refusal):
    """A function that runs the evaluation with flags and returns its one line of refusal."""

    def run(*arguments):
        return refusal(main, FLAGS, *arguments)

    return run


@pytest.fixture
def model_file(tmp_path):
    """A Keras model of 16 x 16 slices that no run made."""
    mr = keras.Input((16, 16, 1))
    path = tmp_path / "other.keras"
    keras.Model(mr, keras.layers.Conv2D(1, 1)(mr)).save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Received: none"),
        (["--models="], "Received: none"),
        (["--models=runs"], "name=PATH"),
        (["--models=a="], "name=PATH"),
        (["--models==runs/a"], "name=PATH"),
        (["--models=a=absent"], "Model 'a' must be the folder of a run"),
        (["--models=a=tests"], "holds no model"),
        (["--models=a=README.md"], "is a file of another kind"),
    ],
)
def test_mistakes_in_models_are_refused(refused, arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attacks=fgms:0.06"], "Did you mean 'fgsm'?"),
        (["--attacks=fgsm"], "name:size"),
        (["--attacks=fgsm:0.06,fgsm:0.06"], "Received twice: fgsm:0.06"),
        (["--attacks=fgsm:-1"], "must be a number >= 0"),
        (["--attacks=pgd:0.1:steps=0"], "must be a whole number >= 1. Received: '0'"),
        (["--attacks=apgd:0.1:steps=9"], "must be a whole number >= 17"),
        (["--attacks=sqare:0.1"], "Did you mean 'square'?"),
        (["--attacks=worst:0.1"], "must have two attacks of its size"),
        (["--attacks=transfer:0.1:from=b"], "one of the models a. Received: 'b'"),
        (["--check_epsilon=0"], "--check_epsilon must be > 0"),
        (["--check_slices=0"], "--check_slices must be at least 1"),
        (["--baseline=b"], "--baseline must be one of the models a. Received: 'b'"),
        (["--split=tset"], "test|validation|train|all"),
        (["--num_slices=-1"], "--num_slices must be at least 0"),
        (["--batch_size=0"], "--batch_size must be at least 1"),
        (["--image_size=32"], "--image_size=32"),
        (["--data=absent"], "No such folder"),
        (["--num_phantoms=2", "--slices_per_subject=8"], "at least 3 subjects"),
        (["--output_dir=README.md"], "README.md' is a file"),
    ],
)
def test_mistakes_in_other_flags_are_refused(refused, model_file, arguments, words):
    assert words in refused("--image_size=0", f"--models=a={model_file}", *arguments)


def test_a_name_used_twice_is_refused(refused, model_file):
    assert "Received twice: a" in refused(f"--models=a={model_file},b={model_file},a={model_file}")


def test_a_model_of_other_channels_is_refused(refused, tmp_path):
    mr = keras.Input((16, 16, 2))
    path = tmp_path / "two.keras"
    keras.Model(mr, keras.layers.Conv2D(1, 1)(mr)).save(path)
    line = refused(f"--models=a={path}")
    assert "one channel" in line
    assert str(path) in line


def test_models_of_two_sizes_are_refused(refused, model_file, tmp_path):
    mr = keras.Input((20, 20, 1))
    path = tmp_path / "larger.keras"
    keras.Model(mr, keras.layers.Conv2D(1, 1)(mr)).save(path)
    line = refused("--image_size=0", f"--models=a={model_file},b={path}")
    assert "a 16 x 16, b 20 x 20" in line


def test_subjects_that_a_model_has_seen_are_not_tested(refused, trained):
    model = f"--models=regular={trained[0] / 'regular'}"
    for argument in ("--split=all", "--num_test=5", "--num_phantoms=20"):
        line = refused("--image_size=0", model, argument)
        assert "Model 'regular' has seen 'phantom_00" in line
        assert "--split_seed" in line


def test_a_runs_folder_is_not_evaluated_into(refused, trained):
    folder = trained[0] / "regular"
    before = (folder / "split.json").read_bytes()
    line = refused(f"--models=a={folder}", f"--output_dir={folder}")
    assert "holds a run of another kind (training)" in line
    assert (folder / "split.json").read_bytes() == before


def test_a_model_without_a_record_is_said_to_be_unchecked(trained, tmp_path):
    shutil.copytree(trained[0] / "regular", tmp_path / "run")
    (source,) = parse_models([f"a={tmp_path / 'run'}"])
    cohort = record_of(tmp_path / "run")
    assert set(source.used.values()) == {*cohort["train"], *cohort["validation"]}
    (tmp_path / "run" / "split.json").write_text("{}")
    (source,) = parse_models([f"a={tmp_path / 'run'}"])
    assert source.used is None


def record_of(folder):
    return json.loads((folder / "split.json").read_text())["cohort"]


def test_a_damaged_record_is_refused(refused, trained, tmp_path):
    shutil.copytree(trained[0] / "regular", tmp_path / "broken")
    (tmp_path / "broken" / "split.json").write_text("{")
    line = refused("--image_size=0", f"--models=a={tmp_path / 'broken'}")
    assert "split.json', which says whom the run has seen, is damaged" in line


def test_a_damaged_saved_model_is_refused(refused, trained, tmp_path):
    shutil.copytree(trained[0] / "regular", tmp_path / "broken")
    folder = tmp_path / "broken" / "model" / "saved_model"
    (variables,) = folder.glob("variables/variables.data*")
    variables.write_bytes(variables.read_bytes()[:100])
    assert "cannot be loaded" in refused("--image_size=0", f"--models=a={folder}")


def test_other_subjects_in_the_same_folder_are_refused(refused, evaluated):
    folder, _ = evaluated
    flags = (f"--flagfile={folder / 'flags.cfg'}", f"--output_dir={folder}")
    line = refused(*flags, "--image_size=0", "--split=validation")
    assert "--split was 'test'. Received: 'validation'" in line


def test_names_that_differ_by_case_alone_are_refused(model_file):
    with pytest.raises(ValueError, match="Received twice: A, a"):
        parse_models([f"A={model_file}", f"a={model_file}"])


def test_runs_without_a_model_say_so(tmp_path):
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(ValueError, match="is a run that has no model yet"):
        parse_models([f"a={tmp_path}"])


def test_one_subject_gives_tables_without_significance(trained, finished, tmp_path):
    runs = trained[0]
    shutil.copytree(runs / "regular", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "split.json").read_text())
    # Another cohort, of which the paper's proportion of nine is one.
    arguments = ("--num_test=1", "--split_seed=7", "--num_phantoms=9")
    models = f"--models=a={tmp_path / 'run'},b={runs / 'adversarial'}"
    folder = tmp_path / "eval"
    output = finished("eval", models, *arguments, f"--output_dir={folder}", "--attacks=")
    assert "Evaluating: 1/1" in output
    assert len(json.loads((folder / "split.json").read_text())["test"]) == 1
    assert record["cohort"]["test"] != json.loads((folder / "split.json").read_text())["test"]
    text = (folder / "tables.md").read_text(encoding="utf-8")
    assert "1 subject" in text
    assert "±" not in text.split("|", 1)[1]
    with (folder / "tables.csv").open(encoding="utf-8") as file:
        assert not any(row["significant"] == "true" for row in csv.DictReader(file))


def test_stronger_attacks_corruptions_and_checks(trained, finished, tmp_path):
    runs, folder = trained[0], tmp_path / "eval"
    models = f"--models=a={runs / 'regular'},b={runs / 'adversarial'}"
    attacks = [
        *("fgsm:0.1", "pgd:0.1:steps=3", "worst:0.1", "transfer:0.1:from=a:steps=3"),
        *("pgd:0.1:steps=2:target=no_bone:mask=body", "motion:0.1"),
    ]
    arguments = (models, "--corruptions", "--checks", "--check_slices=2", f"--output_dir={folder}")
    output = finished("eval", *arguments, f"--attacks={','.join(attacks)}")
    assert "Checking: 2/2" in output
    rows = rows_of(folder)
    corruptions = {f"{kind}:{0.04 * n:.12g}" for kind in CORRUPTIONS for n in range(1, 6)}
    assert {row["condition"] for row in rows} == {"clean", *attacks, *corruptions}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "can these figures be believed" in page
    results = sorted(folder.glob("results/*/*.json"))
    before = {path: path.read_bytes() for path in results}
    # One attack more: it alone is made, and the worst, which it is a rival of.
    again = finished("eval", *arguments, f"--attacks={','.join([*attacks, 'mifgsm:0.1:steps=2'])}")
    assert "Checking: 2/2" in again
    for path in results:
        saved, old = json.loads(path.read_bytes()), json.loads(before[path])
        if "outcomes" not in saved or path.stem not in ("a", "b"):
            assert saved == old
            continue
        same = {*attacks, *corruptions} - {"worst:0.1"}
        for condition in same:
            assert saved["outcomes"][condition] == old["outcomes"][condition]
        assert "mifgsm:0.1:steps=2" in saved["outcomes"]
        assert saved["bases"]["worst:0.1"].endswith("mifgsm:0.1:steps=2")


def test_real_patients_are_trained_on_and_evaluated(sts, trained, finished, tmp_path):
    data = (f"--data={sts}", "--image_size=32", "--slices_per_subject=8", "--num_test=4")
    # Under this seed the patient without bone is tested.
    arguments = (*data, "--split_seed=1", "--epochs=2", f"--output_dir={tmp_path / 'run'}")
    finished("train", f"--architecture={trained[0] / 'tiny.json'}", *arguments)
    folder = tmp_path / "eval"
    finished("eval", f"--models=tiny={tmp_path / 'run'}", f"--output_dir={folder}")
    bone = {row["subject"]: row["mae"] for row in rows_of(folder) if row["region"] == "bone"}
    assert bone["STS_041"] == ""
    assert len(bone) == 4
    assert any(bone.values())
    text = (folder / "tables.md").read_text(encoding="utf-8")
    assert re.search(r"Bone leaves out .*STS\\_041.*: empty in the truth\.", text)
