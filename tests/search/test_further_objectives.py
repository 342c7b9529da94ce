"""What oracles do with several objectives: none is added to another, none may be missing."""

import json
import math
import statistics

import keras_tuner
import pytest

from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hyperparameters import architecture_of, declare_space
from robmednas_tf.search.oracles import ORACLES
from robmednas_tf.search.pruning import Pruner
from robmednas_tf.search.sampling import random_values
from robmednas_tf.search.tpe import tpe_values
from robmednas_tf.search.trials import (
    COMPLETED,
    FAILED,
    RUNNING,
    TrialRecord,
    id_of,
    read_trials,
)

from .test_oracles import Search, plain_space

FLOPS = keras_tuner.Objective("flops", "min")
OBJECTIVES = [keras_tuner.Objective("score", "max"), keras_tuner.Objective("mae", "min"), FLOPS]

every_oracle = pytest.mark.parametrize("name", sorted(ORACLES))


class Noting(Search):
    """A stock tuner that notes a cost of each candidate before its score is known."""

    def run_trial(self, trial):
        self.oracle.annotate(trial.trial_id, {"flops": 100 - trial.hyperparameters.values["a"]})
        return super().run_trial(trial)


def metrics_of(values):
    return {"score": float(values["a"]), "mae": 1000.0 * values["b"]}


def run(folder, name, objectives=OBJECTIVES, score=metrics_of, tuner=Noting, max_trials=8):
    oracle = ORACLES[name](objectives, max_trials, plain_space(a=range(8), b=range(8)))
    tuner(oracle, folder, score).search()
    return oracle


@every_oracle
def test_the_first_objective_alone_is_the_score(tmp_path, name):
    oracle = run(tmp_path / "search", name)
    records = oracle.records()
    assert [record.score for record in records] == [record.values["a"] for record in records]
    best = oracle.get_best_trials(1)[0]
    assert best.score == max(record.score for record in records)


@every_oracle
@pytest.mark.parametrize(
    ("score", "tuner", "reason"),
    [
        (lambda values: {"score": 1.0, "mae": math.nan}, Noting, "mae is nan"),
        (lambda values: {"score": 1.0}, Noting, "mae is nan"),
        (metrics_of, Search, "flops is nan"),
    ],
    ids=["undefined", "missing", "not noted"],
)
def test_a_trial_without_every_objective_fails(tmp_path, name, score, tuner, reason):
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=reason):
        run(tmp_path / "search", name, score=score, tuner=tuner)
    records, _ = read_trials(tmp_path / "search")
    assert {record.status for record in records} == {FAILED}
    assert {record.score for record in records} == {None}


@every_oracle
@pytest.mark.parametrize(
    ("now", "said"),
    [
        (OBJECTIVES[:2], '{"name": "flops", "direction": "min"}] in the folder'),
        (OBJECTIVES[:1], "[] now"),
        (OBJECTIVES[::-1], 'objective: {"name": "score", "direction": "max"} in the folder'),
    ],
    ids=["fewer", "one", "another order"],
)
def test_going_on_with_other_objectives_is_refused(tmp_path, name, now, said):
    run(tmp_path / "search", name, max_trials=1)
    with pytest.raises(keras_tuner.errors.FatalValueError) as refusal:
        run(tmp_path / "search", name, now, max_trials=1)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@every_oracle
def test_a_folder_from_before_there_were_several_is_gone_on_with(tmp_path, name):
    path = tmp_path / "search" / "search.json"
    run(tmp_path / "search", name, OBJECTIVES[0], max_trials=2)
    identity = json.loads(path.read_text())
    assert identity.pop("further_objectives") == []
    path.write_text(json.dumps(identity))
    assert len(run(tmp_path / "search", name, OBJECTIVES[0], max_trials=4).records()) == 4
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"\[\] in the folder"):
        run(tmp_path / "search", name, max_trials=5)


@every_oracle
def test_no_pruner_judges_by_the_first_alone(name):
    with pytest.raises(ValueError, match="With several objectives there can be no pruner"):
        ORACLES[name](OBJECTIVES, 8, plain_space(a=range(8)), pruner=Pruner("halving", (1, 3)))


@pytest.fixture(scope="module")
def space():
    hp = keras_tuner.HyperParameters()
    declare_space(hp, SearchSpace(max_depth=2, filters=(8, 16, 32)))
    return hp


def evaluated(number, values):
    """A made-up trial: branches A2 and A3 and many filters are good, A4 is bad; FLOPs are true."""
    hp = keras_tuner.HyperParameters()
    hp.values = values
    architecture = architecture_of(hp)
    blocks = [*architecture.encoder, *architecture.decoder]
    score = statistics.mean(
        int(each.pattern[1]) + int(each.pattern[2]) - int(each.pattern[3]) + each.filters / 32
        for each in blocks
    )
    flops = estimate_cost(architecture, (64, 64, 1)).flops
    return TrialRecord(
        *(id_of(number), number, COMPLETED, 1, "model", values),
        score=score,
        details={"flops": flops},
    )


def hypervolume(history):
    """What is dominated of scores above -1 and FLOPs from 1e6 to 1e9, FLOPs on a log scale."""
    area, reached = 0.0, 9.0
    for record in sorted(history, key=lambda each: -each.score):
        log_flops = math.log10(record.details["flops"])
        if log_flops < reached:
            area += (record.score + 1) * (reached - log_flops)
            reached = log_flops
    return area


def simulated(space, rule, seed, num_trials=45, startup=12):
    history = []
    for number in range(num_trials):
        if rule == "tpe" and number >= startup:
            values = tpe_values(space, history, "max", startup, seed, number, 0, [FLOPS])
        else:
            values = random_values(space, seed, number)
        history.append(evaluated(number, values))
    return hypervolume(history)


def test_model_finds_a_better_front_than_chance(space):
    model = [simulated(space, "tpe", seed) for seed in range(4)]
    chance = [simulated(space, "random", seed) for seed in range(4)]
    assert statistics.mean(model) > statistics.mean(chance) + 0.1


def test_model_is_a_function_of_its_arguments_and_minds_every_objective(space):
    history = [evaluated(n, random_values(space, 0, n)) for n in range(20)]
    for number, status in ((3, FAILED), (4, RUNNING)):
        values = history[number].values
        history[number] = TrialRecord(id_of(number), number, status, 1, "startup", values)

    def propose(further, seed=0):
        return tpe_values(space, history, "max", 5, seed, 20, 0, further)

    assert propose([FLOPS]) == propose([FLOPS])
    assert propose([FLOPS]) != propose([FLOPS], seed=1)
    proposals = [propose(further, seed) for further in ([FLOPS], []) for seed in range(8)]
    flops = [evaluated(0, values).details["flops"] for values in proposals]
    assert statistics.median(flops[:8]) < statistics.median(flops[8:])
