import json

import pytest

from robmednas_tf.data.split import (
    Fold,
    Split,
    num_subjects_for_search,
    split_cohort,
    split_search,
)

NAMES = ("1BA001", "1BA005", "1BB012", "1BC003", "1BC044")


def _names(count):
    return [f"subject_{number:03d}" for number in range(count)]


def _sizes(split):
    return len(split.train), len(split.validation), len(split.test)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(79, (63, 9, 7)), (3, (1, 1, 1)), (8, (6, 1, 1)), (10, (8, 1, 1)), (180, (143, 21, 16))],
)
def test_cohort_splits_in_the_papers_proportions(count, sizes):
    split = split_cohort(_names(count), seed=0)
    assert _sizes(split) == sizes
    assert sorted(split.train + split.validation + split.test) == _names(count)


@pytest.mark.parametrize(
    ("count", "sizes"), [(6, (4, 1, 1)), (3, (1, 1, 1)), (12, (8, 2, 2)), (5, (3, 1, 1))]
)
def test_search_draws_and_splits(count, sizes):
    split = split_search(_names(63), count, seed=0)
    assert _sizes(split) == sizes
    assert len(set(split.train + split.validation + split.test) & set(_names(63))) == count


def test_parts_of_a_chosen_size():
    assert _sizes(split_cohort(_names(10), 0, num_validation=2, num_test=3)) == (5, 2, 3)
    assert _sizes(split_cohort(_names(10), 0, num_test=3)) == (6, 1, 3)
    assert num_subjects_for_search(6, num_validation=2, num_test=3) == 11
    with pytest.raises(ValueError, match=r"at least one to train on.*--num_validation.*--num_test"):
        split_cohort(_names(5), 0, num_validation=2, num_test=3)


@pytest.mark.parametrize("split", [split_cohort, lambda names, seed: split_search(names, 6, seed)])
def test_splits_follow_the_seed_and_not_the_order(split):
    names = _names(40)
    assert split(names, 3) == split(names[::-1], 3) == split(iter(names), 3)
    assert len({split(names, seed) for seed in range(10)}) == 10


def test_a_split_never_changes():
    # A cached run is only as good as this.
    assert split_cohort(_names(8), 0).test == ("subject_006",)
    assert split_search(_names(8), 6, 0).test == ("subject_000",)


def test_too_few_subjects_say_how_many_are_needed():
    with pytest.raises(ValueError, match=r"at least 3 subjects.*Received: 2.*--num_phantoms"):
        split_cohort(_names(2), 0)
    with pytest.raises(ValueError, match=r"Received: 5.*at least 8 subjects.*--num_subjects"):
        split_search(_names(5), 6, 0)
    with pytest.raises(ValueError, match=r"at least 3 subjects.*Received: --num_subjects=2"):
        split_search(_names(5), 2, 0)


@pytest.mark.parametrize("wanted", range(1, 100))
def test_smallest_cohort_for_a_search(wanted):
    def num_train(size):
        return len(split_cohort(_names(size), 0).train)

    size = num_subjects_for_search(wanted)
    assert num_train(size) >= wanted
    assert size == 3 or num_train(size - 1) < wanted


def test_the_papers_search_needs_eight():
    assert num_subjects_for_search(6) == 8


def test_split_to_json_and_back():
    split = split_cohort(_names(9), 0)
    assert Split.from_dict(json.loads(json.dumps(split.to_dict()))) == split


@pytest.mark.parametrize(
    "parts",
    [
        (("a",), ("b",), ()),
        ((), ("b",), ("c",)),
        (("a",), ("a",), ("c",)),
        (("a", "b"), ("c",), ("b",)),
        (("a", "a"), ("b",), ("c",)),
    ],
)
def test_empty_and_overlapping_parts_are_refused(parts):
    with pytest.raises(ValueError, match=r"empty|twice"):
        Split(*parts)


@pytest.mark.parametrize(
    "values",
    [
        {"train": ["a"], "validation": ["b"]},
        {"train": ["a"], "validation": ["b"], "test": ["c"], "extra": []},
        {"train": "abc", "validation": ["d"], "test": ["e"]},
        {"train": [1], "validation": ["d"], "test": ["e"]},
        {"train": None, "validation": ["d"], "test": ["e"]},
    ],
)
def test_other_dictionaries_are_no_split(values):
    with pytest.raises(ValueError, match="A split"):
        Split.from_dict(values)


def test_every_subject_but_the_tests_validates_in_one_fold_of_the_papers_sizes():
    split = split_cohort(_names(79), seed=0)
    folds = [Fold(number, 8).of(split, seed=0) for number in range(1, 9)]
    assert {_sizes(fold) for fold in folds} == {(63, 9, 7)}
    assert {fold.test for fold in folds} == {split.test}
    validation = [name for fold in folds for name in fold.validation]
    assert sorted(validation) == sorted(split.train + split.validation)
    # Dealt anew: none is the split's own.
    assert split.validation not in {fold.validation for fold in folds}
    assert Fold(3, 8).of(split, seed=0) == folds[2] != Fold(3, 8).of(split, seed=1)


def test_folds_are_as_even_as_can_be():
    split = split_cohort(_names(10), seed=3)
    assert sorted(len(Fold(number, 4).of(split, 3).validation) for number in range(1, 5)) == [
        *(2, 2, 2, 3)
    ]


@pytest.mark.parametrize("text", ["3", "a/b", "0/8", "9/8", "1/1", "1/2/3", "-1/2"])
def test_what_is_no_fold_is_refused(text):
    with pytest.raises(ValueError, match="fold must be"):
        Fold.parse(text)
    assert str(Fold.parse("3/8")) == "3/8"


def test_more_folds_than_subjects_are_refused():
    with pytest.raises(ValueError, match=r"Each of 5 folds .* Received: 4\."):
        Fold(1, 5).of(split_cohort(_names(5), seed=0), seed=0)
