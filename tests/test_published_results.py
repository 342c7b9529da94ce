"""What is published of a study follows from the numbers that are published with it."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.evaluation.statistics import summarize_values
from robmednas_tf.report.study import write_study
from robmednas_tf.report.study_contents import ARM
from robmednas_tf.report.study_results import read_results
from robmednas_tf.study.arms import ARMS, BASELINE, ROBMEDNAS_T

PUBLISHED = sorted((Path(__file__).parents[1] / "docs" / "results").glob("*/results"))


@pytest.fixture(params=PUBLISHED, ids=lambda path: path.parent.name)
def folder(request):
    """The folder of a published study."""
    return request.param.parent


def test_the_phantom_and_the_real_cohort_are_published():
    assert {"phantom", "sts"} <= {path.parent.name for path in PUBLISHED}


def test_published_tables_are_those_of_the_published_numbers(folder, tmp_path):
    write_study(tmp_path, read_results(folder / "results"))
    published = sorted(path for path in (folder / "tables").iterdir())
    assert {path.name for path in published} == {
        path.name for path in (tmp_path / "tables").iterdir()
    }
    for path in published:
        assert path.read_text(encoding="utf-8") == (tmp_path / "tables" / path.name).read_text(
            encoding="utf-8"
        )


def test_the_first_table_is_that_of_the_published_numbers(folder):
    results = read_results(folder / "results")
    text = (
        (folder / "README.md")
        .read_text(encoding="utf-8")
        .replace("with adversarial training", "with AT")
    )
    for arm, label in ARMS.items():
        cells = re.search(rf"^\| {label} \| (.+) \|$", text, re.MULTILINE)[1].split(" | ")
        found = [
            summarize_values(results.values(ARM, arm, condition, "dice"))
            for condition in results.info.conditions
        ]
        expected = [f"{each.mean:.3f} ± {each.sd:.3f}" for each in found]
        assert cells == [*expected, f"{found[1].mean - found[0].mean:.3f}"]


def test_the_longer_trainings_table_is_that_of_their_numbers():
    folder = PUBLISHED[0].parent
    text = (folder / "README.md").read_text(encoding="utf-8")
    conditions = read_results(folder / "results").info.conditions
    with (folder / "longer" / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["region"] in REGIONS]
    for arm in (BASELINE, ROBMEDNAS_T):
        found = []
        for condition in conditions:
            # Of each repeat a mean over subjects, of each subject one over the regions it has.
            means = [
                np.mean(
                    [
                        np.nanmean([float(row["dice"] or "nan") for row in group])
                        for group in _by(_where(repeat, condition=condition), "subject")
                    ]
                )
                for repeat in _by(_where(rows, model=arm), "number")
            ]
            found.append(summarize_values(means))
        expected = [f"{each.mean:.3f} ± {each.sd:.3f}" for each in found]
        change = found[1].mean - found[0].mean
        line = f"| {ARMS[arm]}, 60 epochs | {' | '.join(expected)} | {change:.3f} |"
        assert line in text


def _where(rows, **values):
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def _by(rows, name):
    groups = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return groups.values()


def test_what_is_published_is_small():
    size = sum(path.stat().st_size for path in PUBLISHED[0].parents[1].rglob("*"))
    assert size < 5e6
