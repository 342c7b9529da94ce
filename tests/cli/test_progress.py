"""What is told of long work."""

import pytest

from robmednas_tf.cli.progress import format_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (71.9 * 3600, "71 h 54 min"),
        (72 * 3600, "3 days"),
        (70322 * 3600, "2930 days"),
    ],
)
def test_durations_are_told_in_units_that_a_person_reads(seconds, words):
    assert format_seconds(seconds) == words
