"""The HyperModel by itself and under KerasTuner's own RandomSearch."""

import dataclasses
import math

import keras_tuner
import numpy as np
import pytest

from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.hypermodel import UNetHyperModel
from robmednas_tf.search.hyperparameters import architecture_of

SMALL = Architecture((Block("1000", 8),), (Block("1000", 8),))


def test_it_runs_under_a_stock_random_search(hypermodel, tmp_path):
    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective=keras_tuner.Objective("adversarial_dice", "max"),
        max_trials=2,
        seed=1,
        directory=tmp_path,
        project_name="stock",
    )
    tuner.search(verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert all(0 < trial.score < 1 for trial in trials)
    architectures = {architecture_of(trial.hyperparameters) for trial in trials}
    assert len(architectures) == 2
    assert all(each in hypermodel.space for each in architectures)


def test_a_trial_is_scored_clean_and_attacked(hypermodel):
    model = hypermodel.build_architecture(SMALL)
    outcome = hypermodel.train_and_score(model, SMALL)
    metrics = outcome.metrics
    assert list(outcome.scores) == [subject.name for subject in hypermodel.data.test]
    assert metrics["adversarial_dice"] <= metrics["clean_dice"]
    assert metrics["adversarial_mae"] > metrics["clean_mae"]
    assert metrics["val_loss"] == min(outcome.fit.history["val_loss"])


def test_the_same_candidate_scores_the_same_wherever_it_comes_up(hypermodel):
    other = Architecture((Block("0001", 8),), (Block("1000", 8),))
    scores = []
    for architecture in (SMALL, other, SMALL):
        model = hypermodel.build_architecture(architecture)
        scores.append(hypermodel.train_and_score(model, architecture).metrics["adversarial_mae"])
    assert scores[0] == pytest.approx(scores[2], rel=1e-6)
    assert scores[0] != pytest.approx(scores[1], rel=1e-6)


def test_the_first_prediction_is_the_training_mean(hypermodel):
    model = hypermodel.build_architecture(SMALL)
    first = float(np.mean(model(np.zeros((1, 16, 16, 1), "float32"))))
    subjects = hypermodel.data.train
    mean_hu = np.average(
        [subject.mean_ct_hu for subject in subjects],
        weights=[subject.num_slices for subject in subjects],
    )
    assert first == pytest.approx((mean_hu - 1250) / 2500, abs=1e-6)


def test_paper_training_starts_at_random(hypermodel):
    training = dataclasses.replace(
        hypermodel.training, start_at_mean=False, kernel_initializer="glorot_uniform"
    )
    paper = UNetHyperModel(hypermodel.space, hypermodel.data, training, 0.2)
    prediction = paper.build_architecture(SMALL)(np.ones((1, 16, 16, 1), "float32"))
    assert np.std(prediction) > 0


def test_candidates_over_the_memory_limit_are_not_built(hypermodel):
    limited = UNetHyperModel(
        hypermodel.space, hypermodel.data, hypermodel.training, 0.2, max_memory_gb=0.05
    )
    limited.build_architecture(SMALL)
    with pytest.raises(InfeasibleTrialError, match=r"about 0\.\d+ GB, more than .* 0\.05 GB"):
        limited.build_architecture(NAMED["robmednas_t"])


def test_running_out_of_memory_is_the_candidates_own_fault(hypermodel, monkeypatch):
    def exhausted(*_args, **_kwargs):
        raise MemoryError("no room")

    monkeypatch.setattr("robmednas_tf.search.hypermodel.fit", exhausted)
    model = hypermodel.build_architecture(SMALL)
    with pytest.raises(InfeasibleTrialError, match="Memory ran out while training: no room"):
        hypermodel.train_and_score(model, SMALL)


def test_seeds_of_candidates_follow_the_search(hypermodel):
    other = UNetHyperModel(hypermodel.space, hypermodel.data, hypermodel.training, 0.2, seed=1)
    assert hypermodel.seed_of(SMALL) != other.seed_of(SMALL)
    assert hypermodel.seed_of(SMALL) != hypermodel.seed_of(NAMED["baseline"])
    assert math.log2(hypermodel.seed_of(SMALL)) < 31
