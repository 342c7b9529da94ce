import json
import math

import pytest

from robmednas_tf.search.failures import InfeasibleTrialError, reason_of, setup_fault
from robmednas_tf.search.ledger import Ledger
from robmednas_tf.search.trials import TrialRecord, best, id_of, read_trials, write_trial


def record(number, status="COMPLETED", score=0.5, **fields):
    score = score if status == "COMPLETED" else None
    return TrialRecord(id_of(number), number, status, 1, "random", {"x": number}, score, **fields)


def failures(*messages):
    return [record(number, "FAILED", message=message) for number, message in enumerate(messages)]


def test_record_goes_to_disk_and_back(tmp_path):
    full = TrialRecord(
        trial_id="0012",
        number=12,
        status="COMPLETED",
        attempts=2,
        source="model",
        values={"depth": 2, "se": True, "rate": 0.1, "pattern": "0110"},
        score=0.7,
        metrics={"score": 0.7, "mae": 31.0, "worst": math.inf},
        best_step=3,
        message=None,
        traceback="a\nb",
        started_at="2024-01-01T00:00:00+00:00",
        seconds=1.5,
        retries=1,
        details={"parameters": 1234, "history": {"loss": [2.0, 1.0]}},
        found=[{"class_name": "Boolean", "config": {"name": "se"}}],
    )
    write_trial(tmp_path, full)
    assert read_trials(tmp_path) == ([full], [])


def test_nan_metric_is_null_on_disk_and_nan_in_memory(tmp_path):
    write_trial(tmp_path, record(0, metrics={"dice": math.nan}, details={"loss": [math.nan, 1.0]}))
    path = tmp_path / "trials" / "0000" / "trial.json"
    assert json.loads(path.read_text())["metrics"] == {"dice": None}
    (read,), _ = read_trials(tmp_path)
    assert math.isnan(read.metrics["dice"])
    assert read.details == {"loss": [None, 1.0]}


def test_trials_come_by_number_beyond_four_digits(tmp_path):
    for number in (10000, 9999, 2):
        write_trial(tmp_path, record(number))
    assert [each.number for each in read_trials(tmp_path)[0]] == [2, 9999, 10000]


def truncate(path):
    path.write_text(path.read_text()[:40])


def set_field(name, value):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        truncate,
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        set_field("trial_id", "0007"),
        set_field("status", "DONE"),
        set_field("score", None),
        set_field("values", None),
        set_field("attempts", "1"),
        set_field("unheard_of", 1),
    ],
    ids=["empty", "half", "list", "bytes", "id", "status", "score", "values", "type", "key"],
)
def test_damaged_file_costs_its_trial_alone(tmp_path, damage):
    for number in range(3):
        write_trial(tmp_path, record(number))
    path = tmp_path / "trials" / "0002" / "trial.json"
    damage(path)
    records, damaged = read_trials(tmp_path)
    assert [each.number for each in records] == [0, 1]
    assert [where for where, _ in damaged] == [path]
    assert damaged[0][1]
    with pytest.warns(RuntimeWarning, match=r"0002.*damaged") as said:
        ledger = Ledger(tmp_path)
    assert len(said) == 1
    assert (ledger.next_number, ledger.num_scored) == (3, 2)


def test_copied_trial_is_damaged_in_the_copy_only(tmp_path):
    write_trial(tmp_path, record(0))
    copy = tmp_path / "trials" / "0001"
    copy.mkdir()
    (copy / "trial.json").write_text((tmp_path / "trials/0000/trial.json").read_text())
    records, damaged = read_trials(tmp_path)
    assert [each.number for each in records] == [0]
    assert "0000" in damaged[0][1]


def test_folder_without_a_file_is_a_trial_that_never_started(tmp_path):
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    assert read_trials(tmp_path) == ([], [])
    assert Ledger(tmp_path).next_number == 0


@pytest.mark.parametrize(("direction", "expected"), [("max", [3, 0, 4]), ("min", [1, 0, 4])])
def test_best_follows_the_direction_and_the_earlier_of_equals(direction, expected):
    scores = {0: 0.5, 1: 0.1, 3: 0.9, 4: 0.5}
    records = [record(4, score=0.5), record(2, "FAILED"), record(5, "RUNNING")]
    records += [record(number, score=scores[number]) for number in (0, 1, 3)]
    assert [each.number for each in best(records, direction, 3)] == expected


def test_reason_is_the_last_exception_of_a_traceback():
    text = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in f\n    g()\n'
        "KeyError: 'x'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in f\n    h()\n    ~~^^\n'
        "some.module.GraphError: no such kernel\n"
        "\t [[{{node conv}}]] [Op:train]\n"
        "tail\n"
    )
    assert reason_of(text) == "GraphError: no such kernel"
    assert reason_of("stopped by hand\n") == "stopped by hand"
    assert reason_of(None) == reason_of("\n") == "no reason was given"


def test_five_failures_alike_up_to_digits_are_a_fault_of_the_setup():
    alike = [f"ValueError: shape ({n}, 3)" for n in range(5)]
    assert "shape (4, 3)" in setup_fault(failures(*alike))
    assert setup_fault(failures(*alike[:4])) is None
    assert setup_fault(failures(*alike[:4], "KeyError: 'x'")) is None
    between = [*failures(*alike[:3]), record(3), *failures(*alike[:4])[:2]]
    assert setup_fault(between) is None


def test_infeasible_candidates_stop_a_search_late():
    infeasible = f"{InfeasibleTrialError.__name__}: needs 9 GB"
    assert setup_fault(failures(*[infeasible] * 199)) is None
    assert "200" in setup_fault(failures(*[infeasible] * 200))
    mixed = [infeasible, "ValueError: 1"] * 5
    assert "ValueError" in setup_fault(failures(*mixed))


def test_failures_that_all_differ_stop_a_search_too():
    words = [f"ValueError: layer {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    assert setup_fault(failures(*words[:199])) is None
    assert setup_fault(failures(*words)) is not None
