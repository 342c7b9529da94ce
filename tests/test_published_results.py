"""What is published of a study follows from the numbers that are published with it."""

from pathlib import Path

import pytest

from robmednas_tf.report.study import write_study
from robmednas_tf.report.study_results import read_results

PUBLISHED = sorted((Path(__file__).parents[1] / "docs" / "results").glob("*/results"))


@pytest.mark.parametrize("results", PUBLISHED, ids=[path.parent.name for path in PUBLISHED])
def test_published_tables_are_those_of_the_published_numbers(results, tmp_path):
    write_study(tmp_path, read_results(results))
    published = sorted(path for path in (results.parent / "tables").iterdir())
    assert {path.name for path in published} == {
        path.name for path in (tmp_path / "tables").iterdir()
    }
    for path in published:
        assert path.read_text(encoding="utf-8") == (tmp_path / "tables" / path.name).read_text(
            encoding="utf-8"
        )


def test_something_is_published():
    assert PUBLISHED
    size = sum(path.stat().st_size for path in PUBLISHED[0].parents[1].rglob("*"))
    assert size < 5e6
