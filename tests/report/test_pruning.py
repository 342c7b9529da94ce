"""Stopped trials in the report: counted, drawn, and out of everything that chooses."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest

from robmednas_tf.report.search import write_figures, write_search_report, write_trials_csv
from robmednas_tf.report.tables import key_figures
from robmednas_tf.search.pruning import Pruner, stopped_at
from robmednas_tf.search.trials import COMPLETED, PRUNED

from .pages import read_page

PRUNER = Pruner("halving", (1, 4))
EPOCHS = 12


def pruned(records, objective):
    """The records as a pruner would have left them; each learns the same way."""
    passed = []
    for record in records:
        if record.status != COMPLETED:
            passed.append(record)
            continue
        rungs, epochs = [], EPOCHS
        for epoch in PRUNER.rungs:
            metrics = {name: value * (0.7 + 0.02 * epoch) for name, value in record.metrics.items()}
            rung = PRUNER.judge(passed, record, epoch, metrics, objective)
            rungs.append(rung.to_dict())
            if not rung.goes_on:
                epochs = epoch
                break
        history = {"loss": [0.1] * epochs, "val_loss": [0.1] * epochs}
        changes = {"details": {**record.details, "rungs": rungs, "history": history}}
        if epochs < EPOCHS:
            changes |= {"status": PRUNED, "score": None, "metrics": metrics}
        passed.append(dataclasses.replace(record, **changes))
    return passed


@pytest.fixture(scope="module")
def report(make_report):
    whole = make_report(40)

    class Objective:
        name, direction = whole.objective, whole.direction

    return make_report(records=pruned(whole.records, Objective))


def test_the_page_tells_who_was_stopped_and_what_it_saved(report, tmp_path):
    write_search_report(tmp_path / "report.html", report)
    page = read_page(tmp_path / "report.html")
    at = [stopped_at(record).epoch for record in report.stopped]
    assert min(at.count(1), at.count(4)) > 0
    trials = len(report.scored) + len(at)
    assert len(report.scored) > 1
    said = f"Of {trials} trials {len(at)} were stopped: {at.count(1)} after epoch 1 and "
    assert f"{said}{at.count(4)} after epoch 4." in page.text
    spent = at.count(1) + 4 * at.count(4) + EPOCHS * len(report.scored)
    assert f"All took {spent} epochs together; trained to the end" in page.text
    assert f"have taken {EPOCHS * trials}" in page.text
    assert (
        f"40 U-Net architectures for MR-to-CT synthesis were each trained ({len(at)}" in page.text
    )
    assert "rungs" in page.ids
    scored, unscored = (table for table in page.tables if table[0][0] == "Trial")
    assert len(scored) == 1 + len(report.scored)
    stopped = {row[0]: row[1:3] for row in unscored[1:] if row[1].startswith("stopped")}
    assert set(stopped) == {record.trial_id for record in report.stopped}
    rung = stopped_at(report.stopped[0])
    assert stopped[report.stopped[0].trial_id] == [
        f"stopped at epoch {rung.epoch}",
        f"{rung.score:.3f}, not the best of {rung.num_seen}"
        if rung.num_best == 1
        else f"{rung.score:.3f}, not among the best {rung.num_best} of {rung.num_seen}",
    ]
    label, value, remark = key_figures(report)[-2]
    assert (label, value) == ("Trials scored", str(len(report.scored)))
    assert remark == f"{len(at)} stopped early, {len(report.failed)} failed"


def test_figures_and_table_hold_the_rungs(report, tmp_path):
    names = {path.name for path in write_figures(tmp_path, report)}
    assert {"rungs.png", "rungs.svg"} <= names
    write_trials_csv(tmp_path / "trials.csv", report.records)
    with (tmp_path / "trials.csv").open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    for record in report.stopped:
        row, rung = rows[record.trial_id], stopped_at(record)
        assert (row["status"], row["score"], row["epochs"]) == (PRUNED, "", str(rung.epoch))
        assert json.loads(row["rungs"])[str(rung.epoch)] == rung.score
        assert float(row[report.objective]) == rung.score


def test_nothing_is_learnt_or_claimed_from_stopped_trials(report):
    assert {record.status for record in report.scored} == {COMPLETED}
    assert report.best.status == COMPLETED
    assert report.analysis is None or all(
        record.status == COMPLETED for record in report.analysis.trials
    )


def test_a_search_without_rungs_has_no_such_section(make_report, tmp_path):
    plain = make_report(6)
    write_search_report(tmp_path / "report.html", plain)
    page = read_page(tmp_path / "report.html")
    assert "rungs" not in page.ids
    assert "stopped" not in page.text.lower().replace("never stopped", "")
