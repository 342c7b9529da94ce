"""What a search has ended with goes to disk and comes back, or counts as not there."""

import json
import math

import pytest

from robmednas_tf.search.outcome import (
    OUTCOME_FILE,
    read_search_outcome,
    write_search_outcome,
)

RECIPE = {"search": {"num_trials": 3}, "files": {"files of 'a'": "1f"}}


def test_an_outcome_comes_back_as_it_was(tmp_path, make_outcome):
    outcome = make_outcome(0.8, 0.7, held_out={"clean_dice": 0.5, "clean_mae": math.inf}, note="!")
    write_search_outcome(tmp_path, outcome, RECIPE)
    assert read_search_outcome(tmp_path, RECIPE) == outcome


def test_what_is_undefined_stays_undefined(tmp_path, make_outcome):
    stopped = [0.4, math.nan, 0.6]
    outcome = make_outcome(held_out={"clean_dice_bone": math.nan}, scores=stopped)
    write_search_outcome(tmp_path, outcome, RECIPE)
    found = read_search_outcome(tmp_path, RECIPE)
    assert math.isnan(found.held_out["clean_dice_bone"])
    assert (found.scores[0], math.isnan(found.scores[1])) == (0.4, True)
    assert (found.num_stopped, found.num_failed) == (1, 1)


def test_an_outcome_of_another_recipe_does_not_count(tmp_path, make_outcome):
    write_search_outcome(tmp_path, make_outcome(), RECIPE)
    assert read_search_outcome(tmp_path, {**RECIPE, "search": {"num_trials": 4}}) is None
    assert read_search_outcome(tmp_path / "absent", RECIPE) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"recipe": null}', '{"recipe": RECIPE, "seed": 0}'], ids=str
)
def test_a_damaged_outcome_does_not_count(tmp_path, text):
    (tmp_path / OUTCOME_FILE).write_text(text.replace("RECIPE", json.dumps(RECIPE)))
    assert read_search_outcome(tmp_path, RECIPE) is None
