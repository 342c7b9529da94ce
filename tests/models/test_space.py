"""The search space: its exact size, against counting, and what it refuses."""

import itertools

import pytest

from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.models.space import SearchSpace


def test_the_papers_space_has_its_size_exactly():
    space = SearchSpace()
    assert space.num_blocks == 450
    assert space.size == 450**2 + 450**4 + 450**6 + 450**8 + 450**10
    assert f"{space.size:.2g}" == "3.4e+26"


def test_size_is_what_counting_gives():
    space = SearchSpace(2, ("0001", "1111"), (8,), (2,))
    blocks = [Block(pattern, 8, ratio) for pattern in ("0001", "1111") for ratio in (None, 2)]
    every = {
        Architecture(chosen[:depth], chosen[depth:])
        for depth in (1, 2)
        for chosen in itertools.product(blocks, repeat=2 * depth)
    }
    assert space.size == len(every)
    assert all(architecture in space for architecture in every)


def test_membership_follows_the_limits():
    assert NAMED["robmednas_t"] in SearchSpace()
    assert NAMED["robmednas_t"] not in SearchSpace(max_depth=4)
    assert NAMED["robmednas_t"] not in SearchSpace(reduction_ratios=())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_depth": 0}, "max_depth"),
        ({"patterns": ()}, "at least one value of patterns"),
        ({"filters": (8, 8)}, "must differ"),
        ({"filters": (0,)}, "filters"),
        ({"patterns": ("0000",)}, "four switches"),
    ],
)
def test_impossible_spaces_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SearchSpace(**values)
