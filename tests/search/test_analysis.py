from __future__ import annotations

import dataclasses
import math
from statistics import fmean

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.search import importance
from robmednas_tf.search.analysis import MIN_TRIALS, analyse
from robmednas_tf.search.descriptors import describe
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord, id_of

OBJECTIVE = "adversarial_dice_bone"


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(importance, "NUM_RESAMPLES", 10)


def _architecture(rng):
    def block():
        ratio = int(rng.choice([0, 4]))
        return Block(f"{rng.integers(1, 16):04b}", int(rng.choice([8, 16, 64])), ratio or None)

    depth = int(rng.integers(1, 4))
    return Architecture(tuple(block() for _ in range(depth)), tuple(block() for _ in range(depth)))


def _records(num_trials, seed=0):
    rng = np.random.default_rng(seed)
    records = []
    for number in range(num_trials):
        architecture = _architecture(rng)
        attacked = 0.1 * describe(architecture)["log2_filters"] + rng.normal(0, 0.01)
        details = {
            "architecture": architecture.to_dict(),
            "parameters": int(rng.integers(10**3, 10**6)),
            "flops": int(rng.integers(10**6, 10**9)),
        }
        metrics = {"clean_dice_bone": attacked + 0.1, OBJECTIVE: attacked}
        records.append(
            TrialRecord(
                id_of(number),
                number,
                COMPLETED,
                1,
                "model",
                {},
                score=attacked,
                metrics=metrics,
                details=details,
            )
        )
    return records


def test_blocks_are_summed_up_by_hand():
    architecture = Architecture(
        (Block("1000", 8, 2), Block("0110", 32)), (Block("1111", 16), Block("0001", 256))
    )
    assert describe(architecture) == {
        "depth": 2,
        "log2_filters": (3 + 5 + 4 + 8) / 4,
        "se_share": 0.25,
        "a1_share": 0.5,
        "a2_share": 0.5,
        "a3_share": 0.5,
        "a4_share": 0.5,
    }


def test_levels_are_means_of_a_naive_loop():
    records = _records(40)
    analysis = analyse(records, OBJECTIVE, "max")
    found = {(each.factor, each.name): each for each in analysis.levels}
    described = [
        (describe(Architecture.from_dict(each.details["architecture"])), each.metrics)
        for each in records
    ]
    for factor in ("se_share", "a1_share", "a4_share"):
        here = [metrics for values, metrics in described if values[factor] >= 0.5]
        level = found[factor, "at least half"]
        assert level.num_trials == len(here)
        assert level.num_trials + found[factor, "fewer than half"].num_trials == 40
        assert level.attacked.value == pytest.approx(fmean(m[OBJECTIVE] for m in here))
        assert level.clean.value == pytest.approx(fmean(m["clean_dice_bone"] for m in here))
    assert [each.name for each in analysis.levels if each.factor == "depth"] == ["1", "2", "3"]


def test_thirds_of_filters_hold_every_trial_once_in_order():
    analysis = analyse(_records(40), OBJECTIVE, "max")
    thirds = [each for each in analysis.levels if each.factor == "log2_filters"]
    assert len(thirds) == 3
    assert sum(each.num_trials for each in thirds) == 40
    assert thirds[0].attacked.high < thirds[2].attacked.low
    ends = [float(end) for each in thirds for end in each.name.split(" to ")]
    assert ends == sorted(ends)
    assert next(iter(analysis.importances.explained)) == "log2_filters"


def test_associations_are_scipys_and_leave_unknown_sizes_out():
    records = _records(30)
    unknown = {name: value for name, value in records[0].details.items() if name != "flops"}
    records[0] = dataclasses.replace(records[0], details=unknown)
    found = {each.x: each for each in analyse(records, OBJECTIVE, "max").associations}
    assert [each.num_trials for each in found.values()] == [30, 29, 30]
    rho = scipy.stats.spearmanr(
        [r.details["flops"] for r in records[1:]], [r.metrics[OBJECTIVE] for r in records[1:]]
    ).statistic
    assert found["flops"].rho.value == pytest.approx(rho)
    assert found["clean_dice_bone"].rho.value == pytest.approx(1)


def test_failed_and_unknown_trials_do_not_count():
    records = _records(MIN_TRIALS)
    assert len(analyse(records, OBJECTIVE, "max").trials) == MIN_TRIALS
    for spoilt in (
        dataclasses.replace(records[0], status=FAILED, score=None),
        dataclasses.replace(records[0], details={}),
        dataclasses.replace(records[0], metrics={**records[0].metrics, OBJECTIVE: math.nan}),
    ):
        assert analyse([spoilt, *records[1:]], OBJECTIVE, "max") is None


def test_equal_scores_teach_nothing():
    records = [dataclasses.replace(each, score=0.5) for each in _records(30)]
    assert analyse(records, OBJECTIVE, "max") is None


def test_a_factor_on_one_level_is_named_and_not_judged():
    records = []
    for each in _records(30):
        blocks = (Block("1000", 8 if each.number % 2 else 16),)
        architecture = Architecture(blocks, blocks).to_dict()
        records.append(
            dataclasses.replace(each, details={**each.details, "architecture": architecture})
        )
    analysis = analyse(records, OBJECTIVE, "max")
    assert set(analysis.importances.explained) == {"log2_filters"}
    assert analysis.unvaried == [
        "depth",
        "se_share",
        "a1_share",
        "a2_share",
        "a3_share",
        "a4_share",
    ]


def test_whether_tpe_has_chosen_is_known():
    records = _records(20)
    assert not analyse(records, OBJECTIVE, "max").is_random
    drawn = [dataclasses.replace(each, source="random") for each in records]
    assert analyse(drawn, OBJECTIVE, "max").is_random
