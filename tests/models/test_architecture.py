"""Architectures as values: domains, JSON there and back, the two known by name."""

import json

import pytest

from robmednas_tf.models.architecture import (
    NAMED,
    PATTERNS,
    Architecture,
    Block,
    active_branches,
    load_architecture,
)


def test_there_are_fifteen_patterns_from_0001_to_1111():
    assert len(PATTERNS) == 15
    assert (PATTERNS[0], PATTERNS[-1]) == ("0001", "1111")


def test_branches_are_counted_from_the_left():
    assert active_branches("1001") == (0, 3)
    assert active_branches("0110") == (1, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("0000", 8, None), "four switches"),
        (("111", 8, None), "four switches"),
        ((7, 8, None), "four switches"),
        (("1111", 0, None), "filters must be a whole number > 0"),
        (("1111", 8.0, None), "filters must be a whole number > 0"),
        (("1111", 8, 0), "reduction_ratio must be a whole number > 0"),
        (("1111", 8, True), "reduction_ratio must be a whole number > 0"),
    ],
)
def test_blocks_outside_their_domain_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Block(*values)


def test_squeeze_keeps_at_least_one_unit():
    assert Block("1111", 8, 16).squeeze_units == 1
    assert Block("1111", 64, 16).squeeze_units == 4


@pytest.mark.parametrize("name", NAMED)
def test_json_there_and_back_is_the_identity(name):
    assert Architecture.from_json(NAMED[name].to_json()) == NAMED[name]


def test_json_has_the_documented_form():
    first = json.loads(NAMED["robmednas_t"].to_json())["encoder"][0]
    assert first == {"pattern": "1110", "filters": 128, "reduction_ratio": 16}


def test_robmednas_t_is_the_papers_table_4():
    table = NAMED["robmednas_t"]
    blocks = table.encoder + table.decoder
    assert [block.pattern for block in blocks] == [
        *("1110", "0110", "0111", "1110", "0010"),
        *("0111", "0001", "1100", "0010", "0010"),
    ]
    assert [block.filters for block in blocks] == [128, 256, 64, 128, 256, 8, 128, 64, 128, 8]
    ratios = [block.reduction_ratio for block in blocks]
    assert ratios == [16, 4, None, 8, None, 8, 8, 8, None, 4]


def test_baseline_mirrors_its_filters():
    baseline = NAMED["baseline"]
    assert [block.filters for block in baseline.encoder] == [16, 32, 64, 128, 256]
    assert [block.filters for block in baseline.decoder] == [256, 128, 64, 32, 16]
    assert {block.pattern for block in baseline.encoder + baseline.decoder} == {"1111"}


def test_halves_of_different_length_are_refused():
    with pytest.raises(ValueError, match="as many decoder as encoder"):
        Architecture((Block("1111", 8),), ())


def test_architectures_are_loaded_by_name_and_from_files(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(NAMED["baseline"].to_json())
    assert load_architecture("baseline") == load_architecture(path) == NAMED["baseline"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"encoder": 1, "decoder": 2}', '{"encoder": [{}], "decoder": [{}]}']
)
def test_files_that_hold_no_architecture_are_named(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.json"):
        load_architecture(path)


def test_unknown_names_are_refused_with_those_known():
    with pytest.raises(ValueError, match=r"baseline.*robmednas_t.*'resnet'"):
        load_architecture("resnet")
