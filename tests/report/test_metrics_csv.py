from __future__ import annotations

import csv
import dataclasses
import math

import pytest

from robmednas_tf.evaluation.outcomes import MaskScore
from robmednas_tf.report.evaluation import write_metrics_csv
from robmednas_tf.report.metrics_csv import COLUMNS, read_metrics_csv

from .evaluations import LOOKUP_TABLE, make_evaluation


def _write(folder, report):
    write_metrics_csv(folder / "metrics.csv", report)
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text):
    return float(text) if text else math.nan


def test_rows_hold_what_the_outcomes_hold(tmp_path):
    report = make_evaluation(2, 4, ["fgsm:0.03"], curves=["fgsm"], num_slices=0)
    rows = _write(tmp_path, report)
    found = {(r["subject"], r["model"], r["condition"], r["region"]): r for r in rows}
    assert len(found) == len(rows)
    # Four regions and the mask clean and attacked, and of the look-up table; regions in 10 levels.
    assert len(rows) == 4 * (2 * 2 * 5 + 5 + 2 * 10 * 4)
    assert tuple(rows[0]) == COLUMNS
    for outcome in (*report.outcomes, *report.curves):
        place = (outcome.subject, outcome.model, outcome.condition)
        for region, score in outcome.regions.items():
            row = found[(*place, region)]
            for name in ("dice", "mae"):
                value = getattr(score, name)
                assert _number(row[name]) == value or (math.isnan(value) and row[name] == "")
            assert (row["psnr"], row["ssim"], row["ms_ssim"]) == ("", "", "")
        assert ((*place, "mask") in found) == (outcome.in_mask is not None)
        if outcome.in_mask is not None:
            row = found[(*place, "mask")]
            assert row["dice"] == ""
            for name, value in dataclasses.asdict(outcome.in_mask).items():
                assert float(row[name]) == value
    assert any(row["model"] == LOOKUP_TABLE for row in rows)
    assert any(row["region"] == "bone" and row["dice"] == "" for row in rows)


def test_a_level_that_is_also_a_condition_stands_once(tmp_path):
    report = make_evaluation(1, 1, ["fgsm:0.06"], curves=["fgsm"], num_slices=0)
    rows = [r for r in _write(tmp_path, report) if r["condition"] == "fgsm:0.06"]
    assert [row["region"] for row in rows] == ["brain", "air", "bone", "soft_tissue", "mask"]


def test_infinity_is_inf_and_undefined_is_empty(tmp_path):
    report = make_evaluation(1, 1, [], curves=[], num_slices=0, has_lookup_table=False)
    perfect = MaskScore(0.0, math.inf, math.nan, 1.0)
    outcome = dataclasses.replace(report.outcomes[0], in_mask=perfect)
    rows = _write(tmp_path, dataclasses.replace(report, outcomes=[outcome]))
    row = rows[-1]
    assert [row[name] for name in ("mae", "psnr", "ssim", "ms_ssim")] == ["0.0", "inf", "", "1.0"]


def test_what_was_written_reads_back_to_the_last_digit(tmp_path):
    report = make_evaluation(2, 4, ["fgsm:0.03"], curves=["fgsm"], num_slices=0)
    _write(tmp_path, report)
    found = read_metrics_csv(tmp_path / "metrics.csv")
    places = {(each.subject, each.model, each.condition): each for each in found}
    assert len(places) == len(found)
    for outcome in (*report.curves, *report.outcomes):
        # NaN is not itself.
        other = places[outcome.subject, outcome.model, outcome.condition]
        assert repr(other) == repr(outcome) or (
            # A level that is also a condition stands as the condition.
            repr(other.regions) == repr(outcome.regions)
        )


def test_what_is_no_table_of_metrics_is_refused(tmp_path):
    path = tmp_path / "metrics.csv"
    with pytest.raises(ValueError, match="must be a table of metrics"):
        read_metrics_csv(path)
    for text in ("a,b\n1,2\n", ",".join(COLUMNS) + "\na,b,clean,brain,x,1,,,\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"must be a table of metrics .* Received:"):
            read_metrics_csv(path)
