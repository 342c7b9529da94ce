from __future__ import annotations

import csv
import dataclasses
import json
import math

import pytest

from robmednas_tf.report.search import write_trials_csv
from robmednas_tf.report.trials_csv import COLUMNS
from robmednas_tf.search.trials import RUNNING, TrialRecord


def _read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_hold_what_the_records_hold(tmp_path, make_report):
    records = make_report(12).records
    write_trials_csv(tmp_path / "trials.csv", records)
    rows = _read(tmp_path / "trials.csv")
    assert [row["id"] for row in rows] == [record.trial_id for record in records]
    for row, record in zip(rows, records, strict=True):
        assert tuple(row) == COLUMNS
        assert row["status"] == record.status
        assert row["source"] == record.source
        assert row["message"] == (record.message or "")
        assert json.loads(row["architecture"]) == record.details["architecture"]
        for name in ("parameters", "flops", "depth"):
            assert int(row[name]) == record.details[name]
        for name, value in record.metrics.items():
            assert float(row[name]) == value
    assert [row["score"] == "" for row in rows] == [r.score is None for r in records]


def test_columns_are_the_metrics_of_a_trial_and_more(make_report):
    metrics = make_report(1).records[0].metrics
    assert set(metrics) <= set(COLUMNS)
    assert COLUMNS[:3] == ("id", "status", "score")
    assert COLUMNS[-2:] == ("architecture", "message")


def test_unknown_and_undefined_values_are_empty_cells(tmp_path):
    record = TrialRecord("0000", 0, RUNNING, 1, "random", {}, metrics={"clean_dice_bone": math.nan})
    write_trials_csv(tmp_path / "trials.csv", [record])
    (row,) = _read(tmp_path / "trials.csv")
    filled = {name: value for name, value in row.items() if value}
    assert filled == {"id": "0000", "status": "RUNNING", "source": "random"}


@pytest.mark.parametrize("message", ['needs "12", not 61 GB', "two\nlines", "=1+1; ünïcode ≥"])
def test_any_message_survives(tmp_path, make_report, message):
    record = dataclasses.replace(make_report(6).failed[0], message=message)
    write_trials_csv(tmp_path / "trials.csv", [record])
    assert _read(tmp_path / "trials.csv")[0]["message"] == message


def test_no_trials_leave_a_header(tmp_path):
    write_trials_csv(tmp_path / "trials.csv", [])
    assert (tmp_path / "trials.csv").read_text() == ",".join(COLUMNS) + "\n"
