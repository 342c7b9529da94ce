"""Results on disk: there and back, and never another model's or damaged ones."""

import math

import numpy as np
import pytest

from robmednas_tf.cli.eval_results import ResultFolder, Results
from robmednas_tf.evaluation.metrics import RegionScore
from robmednas_tf.evaluation.outcomes import MaskScore, Outcome, PredictedSlice

RECIPE = {"format": 1, "model": "abc", "subject": "def", "seed": 0}


@pytest.fixture
def results():
    regions = {"brain": RegionScore(0.9, 40.5), "bone": RegionScore(math.nan, math.nan)}
    clean = Outcome("s 1", "m/ö", "clean", regions, MaskScore(30.0, math.inf, 0.9, math.nan))
    attacked = Outcome("s 1", "m/ö", "fgsm:0.06", regions)
    arrays = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")
    shown = PredictedSlice("s 1", 3, "m/ö", "clean", *arrays)
    return Results({"clean": clean, "fgsm:0.06": attacked}, {("clean", 3): shown})


def test_there_and_back(tmp_path, results):
    folder = ResultFolder(tmp_path)
    folder.write("s 1", "m/ö", RECIPE, results)
    again = folder.read("s 1", "m/ö", RECIPE)
    assert repr(again.outcomes) == repr(results.outcomes)
    shown, expected = again.slices["clean", 3], results.slices["clean", 3]
    for name in ("mr", "perturbed_mr", "ct", "synthetic_ct"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(expected, name))
    assert not list(tmp_path.rglob(".partial*"))


def test_what_is_known(results):
    assert results.has("clean", True, [3])
    assert not results.has("clean", True, [3, 4])
    assert results.has("fgsm:0.06", False, [])
    assert not results.has("fgsm:0.06", True, [])
    assert not results.has("gaussian:0.1", False, [])


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_damaged_results_are_not_known(tmp_path, results, suffix, kept):
    folder = ResultFolder(tmp_path)
    folder.write("s 1", "m/ö", RECIPE, results)
    (path,) = tmp_path.rglob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert not folder.read("s 1", "m/ö", RECIPE).outcomes


def test_slices_of_another_recipe_are_not_known(tmp_path, results):
    # As a kill between the two files leaves them.
    folder = ResultFolder(tmp_path)
    folder.write("s 1", "m/ö", RECIPE, results)
    (json_file,) = tmp_path.rglob("*.json")
    mine = json_file.read_bytes()
    folder.write("s 1", "m/ö", {**RECIPE, "model": "other"}, results)
    json_file.write_bytes(mine)
    again = folder.read("s 1", "m/ö", RECIPE)
    assert again.outcomes
    assert not again.slices


def test_names_that_differ_have_files_that_differ(tmp_path, results):
    folder = ResultFolder(tmp_path)
    for name in ("a b", "a_b", "a/b"):
        folder.write("s 1", name, RECIPE, results)
    assert all(folder.read("s 1", name, RECIPE).outcomes for name in ("a b", "a_b", "a/b"))
    assert len(list(tmp_path.rglob("*.json"))) == 3


@pytest.mark.parametrize("key", ["model", "subject", "seed"])
def test_results_of_another_recipe_are_not_known(tmp_path, results, key):
    folder = ResultFolder(tmp_path)
    folder.write("s 1", "m/ö", RECIPE, results)
    assert not folder.read("s 1", "m/ö", {**RECIPE, key: "other"}).outcomes


def test_what_follows_from_more_than_the_recipe_is_known_only_with_it(tmp_path, results):
    folder, bases = ResultFolder(tmp_path), {"fgsm:0.06": "another model"}
    folder.write("s 1", "m/ö", RECIPE, results, bases)
    assert set(folder.read("s 1", "m/ö", RECIPE, bases).outcomes) == {"clean", "fgsm:0.06"}
    changed = folder.read("s 1", "m/ö", RECIPE, {"fgsm:0.06": "a third one"})
    assert set(changed.outcomes) == {"clean"}
    assert list(changed.slices) == [("clean", 3)]
