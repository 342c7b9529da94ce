"""The space as hyperparameters: all that is active, nothing that is not."""

import keras_tuner
import numpy as np

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hyperparameters import architecture_of, declare_space
from robmednas_tf.search.sampling import random_values


def declared(space):
    hp = keras_tuner.HyperParameters()
    declare_space(hp, space)
    return hp


def test_the_papers_space_has_41_hyperparameters():
    assert len(declared(SearchSpace()).space) == 1 + 10 * 4


def test_values_name_an_architecture():
    hp = declared(SearchSpace(max_depth=2))
    hp.values = {
        "depth": 1,
        "enc1_pattern": "0110",
        "enc1_filters": 16,
        "enc1_se": True,
        "enc1_reduction_ratio": 4,
        "dec1_pattern": "0001",
        "dec1_filters": 8,
        "dec1_se": False,
    }
    assert architecture_of(hp) == Architecture((Block("0110", 16, 4),), (Block("0001", 8),))


def test_a_ratio_left_over_from_another_trial_does_not_count():
    hp = declared(SearchSpace(max_depth=1))
    hp.values["enc1_se"] = False
    hp.values["enc1_reduction_ratio"] = 4
    assert architecture_of(hp).encoder[0].reduction_ratio is None


def test_without_ratios_there_is_no_squeeze_and_excitation():
    hp = declared(SearchSpace(max_depth=1, reduction_ratios=()))
    assert [each.name for each in hp.space] == [
        "depth",
        "enc1_pattern",
        "enc1_filters",
        "dec1_pattern",
        "dec1_filters",
    ]


def test_random_values_give_every_architecture_of_a_small_space():
    space = SearchSpace(1, ("0001", "1000"), (8,), (2,))
    hp, seen = declared(space), set()
    for number in range(300):
        hp.values = random_values(hp, 0, number, 0)
        seen.add(architecture_of(hp))
    assert len(seen) == space.size == 16
    assert all(architecture in space for architecture in seen)


def test_seeds_1_and_11_share_no_architecture():
    hp, drawn = declared(SearchSpace()), {1: set(), 11: set()}
    for seed, seen in drawn.items():
        for number in range(200):
            hp.values = random_values(hp, seed, number, 0)
            seen.add(architecture_of(hp))
    assert len(drawn[1]) == len(drawn[11]) == 200
    assert not drawn[1] & drawn[11]


def test_random_depths_are_even():
    hp = declared(SearchSpace())
    depths = [random_values(hp, 0, number, 0)["depth"] for number in range(500)]
    counts = np.bincount(depths, minlength=6)[1:]
    assert counts.min() > 70
