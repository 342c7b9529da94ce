"""Repeats of one search: what they share, how they go on, and where they may not go."""

import csv
import dataclasses
import json
import types

import pytest

from robmednas_tf.cli import search_repeats, search_repeats_report
from robmednas_tf.cli.eval_models import find_model, run_of
from robmednas_tf.cli.run_record import read_flags, read_used
from robmednas_tf.cli.search import main, run_searches
from robmednas_tf.cli.search_flags import FLAGS, settings_from_flags
from robmednas_tf.cli.search_outcome import outcome_recipe
from robmednas_tf.cli.search_repeats_folder import repeat_folder, require_same_kind
from robmednas_tf.cli.search_repeats_place import RepeatPlace
from robmednas_tf.cli.train_architecture import find_architecture
from robmednas_tf.config import WorkersConfig
from robmednas_tf.data.cohort import open_phantom
from robmednas_tf.data.split import Split
from robmednas_tf.folder_lock import locked_folder
from robmednas_tf.search.executor import LocalExecutor
from robmednas_tf.search.outcome import OUTCOME_FILE, write_search_outcome
from robmednas_tf.search.seeding import repeat_seed
from robmednas_tf.search.trials import read_trials

from .conftest import wait_for

SPLIT = Split(("a",), ("b",), ("c",))


class Oracle:
    """An oracle whose folder refuses nothing."""

    def open_folder(self, folder):
        pass


class Searches:
    """Searches that train nothing: they end with the scores that they are given."""

    def __init__(self, scores, make_outcome):
        self.scores, self.make_outcome = scores, make_outcome
        self.begun = []

    def __call__(self, settings, cohort, whole, sub, command, executor, subjects=None, place=None):
        folder, number = settings.output_dir, int(settings.output_dir.name)
        search = types.SimpleNamespace(
            settings=settings,
            folder=folder,
            recipe={"num_trials": settings.search.num_trials},
            limited=types.SimpleNamespace(max_memory_gb=2.5),
            cache=None,
            oracle=Oracle(),
            fault=None,
        )

        def run():
            assert subjects is not None
            assert settings.max_memory_gb == 2.5
            self.begun.append((number, settings.search.seed))
            score = self.scores[number - 1]
            if isinstance(score, BaseException):
                raise score
            if isinstance(score, str):
                search.fault = score
                return
            (folder / "best_model").mkdir(parents=True, exist_ok=True)
            (folder / "best_model" / "model_card.md").write_text(f"# Card of {number}\n")
            outcome = self.make_outcome(score, seed=settings.search.seed)
            write_search_outcome(folder, outcome, search.recipe)

        search.run = run
        return search


@pytest.fixture
def repeat(tmp_path, parsed, monkeypatch, make_outcome):
    """A function that repeats made-up searches; it returns which were begun, with their seeds."""
    names = {"train": ["a"], "validation": ["b"], "test": ["c"]}
    subjects = types.SimpleNamespace(names=names, identities={})
    monkeypatch.setattr(search_repeats, "prepare", lambda *_: subjects)
    # Drawing takes longer than all the rest.
    for name in ("write_repeats_report", "write_repeats_figures"):
        monkeypatch.setattr(search_repeats_report, name, lambda *_: None)

    def run(scores, *arguments):
        searches = Searches(scores, make_outcome)
        monkeypatch.setattr(search_repeats, "SearchRun", searches)
        flags = (f"--repeats={len(scores)}", f"--output_dir={tmp_path / 'run'}", *arguments)
        with parsed(FLAGS, *flags):
            settings = settings_from_flags()
            cohort = open_phantom(3, (16, 16, 8), seed=0)
            splits, command = (SPLIT, SPLIT), "command"
            search_repeats.RepeatedSearch(settings, cohort, *splits, command, LocalExecutor()).run()
        return searches.begun

    return run


def test_the_repeats_differ_in_their_seeds_and_the_first_is_the_plain_search(repeat, tmp_path):
    assert repeat([0.7, 0.9, 0.8], "--seed=4") == [
        (1, 4),
        (2, repeat_seed(4, 2)),
        (3, repeat_seed(4, 3)),
    ]
    flags = read_flags(tmp_path / "run")
    assert (flags["repeats"], flags["seed"], flags["max_memory_gb"]) == ("3", "4", "2.5")


def test_what_has_ended_is_not_begun_again_and_more_can_follow(repeat, capsys):
    repeat([0.7, 0.9])
    assert [number for number, _ in repeat([0.7, 0.9])] == []
    capsys.readouterr()
    assert [number for number, _ in repeat([0.7, 0.9, 0.8])] == [3]
    said = capsys.readouterr().out
    assert "2 of 3 repeats have ended." in said
    assert f"Repeat 3 of 3: seed {repeat_seed(0, 3)}\n" in said
    assert "Repeat 2 is the best of 3" in said
    # Other settings, under which the searches themselves go on.
    assert [number for number, _ in repeat([0.7, 0.9, 0.8], "--num_trials=20")] == [1, 2, 3]


def test_an_ended_search_follows_from_what_changes_its_result_alone(parsed, tmp_path):
    with parsed(FLAGS, f"--output_dir={tmp_path}"):
        settings = settings_from_flags()

    def recipe(whole=SPLIT, **changes):
        changed = dataclasses.replace(settings, **changes)
        return outcome_recipe(changed, whole, SPLIT, lambda parts: {"files": str(parts)})

    same = {"workers": WorkersConfig(2), "repeats": 5}
    assert recipe(**same) == recipe()
    search = dataclasses.replace(settings.search, num_trials=13)
    for other in ({"search": search}, {"final_training": None}, {"onnx": True}):
        assert recipe(**other) != recipe()
    assert recipe(Split(("a",), ("b",), ("d",))) != recipe()


def test_fewer_repeats_are_a_report_of_the_first(repeat, tmp_path):
    repeat([0.7, 0.9, 0.8, 0.95])
    assert repeat([0.7, 0.9, 0.8]) == []
    assert json.loads((tmp_path / "run" / "best_repeat.json").read_text())["of_repeats"] == 3


def test_the_best_repeat_stands_where_a_searchs_result_does(repeat, tmp_path):
    repeat([0.7, 0.9, 0.8])
    folder = tmp_path / "run"
    best = json.loads((folder / "best_repeat.json").read_text())
    assert (best["repeat"], best["folder"], best["trial"]) == (2, "repeats/02", "0003")
    assert best["score"] == pytest.approx(0.8)
    assert find_architecture(str(folder)).to_dict() == best["architecture"]
    card = (folder / "best_model" / "model_card.md").read_text()
    assert card.startswith("# Card of 2\n")
    assert "Repeat 2 is the best of 3 by its winner's first score" in card
    # Another becomes the best.
    repeat([0.7, 0.9, 0.8, 0.95])
    assert (folder / "best_model" / "model_card.md").read_text().startswith("# Card of 4\n")


def test_a_fault_of_the_setup_stops_them_all_and_those_that_ended_are_reported(
    repeat, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stop:
        repeat([0.7, "The search has stopped: every trial failed.", 0.9])
    assert stop.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith(
        "ERROR: Repeat 2 of 3: The search has stopped: every trial failed. The others would"
    )
    assert len(line.splitlines()) == 1
    with (tmp_path / "run" / "repeats.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ended", "stopped", "not ended"]
    assert rows[1]["message"] == "The search has stopped: every trial failed."
    # Mended, they go on.
    assert [number for number, _ in repeat([0.7, 0.8, 0.9])] == [2, 3]


def test_a_single_search_that_stops_ends_with_its_reason(monkeypatch, tmp_path, capsys):
    stopped = types.SimpleNamespace(run=lambda: None, fault="The search has stopped: all alike")
    monkeypatch.setattr("robmednas_tf.cli.search_run.SearchRun", lambda *_: stopped)
    settings = types.SimpleNamespace(repeats=1, output_dir=tmp_path)
    with pytest.raises(SystemExit) as stop:
        run_searches(settings, None, SPLIT, SPLIT, None)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "ERROR: The search has stopped: all alike\n"


def test_an_interruption_leaves_the_report_of_those_that_ended(repeat, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        repeat([0.7, KeyboardInterrupt(), 0.9])
    with (tmp_path / "run" / "repeats.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ended", "not ended", "not ended"]


def test_a_single_search_and_repeats_do_not_go_into_one_folder(tmp_path):
    single, repeats = tmp_path / "single", tmp_path / "repeats"
    single.mkdir()
    (single / "search.json").write_text("{}")
    for number in (1, 2, 3):
        repeat_folder(repeats, number).mkdir(parents=True)
    # Refused before they began, they are in nobody's way.
    require_same_kind(repeats, 1)
    (repeat_folder(repeats, 1) / "search.json").write_text("{}")
    require_same_kind(single, 1)
    require_same_kind(repeats, 2)
    with pytest.raises(ValueError, match=r"holds a single search\. Leave --repeats=5 out"):
        require_same_kind(single, 5)
    with pytest.raises(ValueError, match=r"repeats of a search \(3\)\. Give --repeats=3"):
        require_same_kind(repeats, 1)
    # Each repeat is a search like any other.
    require_same_kind(repeat_folder(repeats, 1), 1)


def test_neither_the_folder_nor_a_repeat_in_use_is_taken(tmp_path, refusal):
    for folder in (tmp_path / "run", repeat_folder(tmp_path / "run", 2)):
        with locked_folder(folder):
            line = refusal(main, FLAGS, "--num_subjects=3", "--repeats=2")
            assert f"{str(folder)!r} is in use by another run" in line
    assert "--repeats must be at least 1" in refusal(main, FLAGS, "--repeats=0")


def test_the_time_left_counts_the_repeats_to_come():
    first = RepeatPlace(1, 3, num_after=2)
    assert first.left() == ""
    assert first.left(30, 60) == ", at least 2 min for all repeats"
    # Its own trials nearly done, but not yet what follows them.
    second = RepeatPlace(2, 3, num_after=1, seconds_each=600)
    assert second.left() == second.left(5, 300) == ", about 20 min for all repeats"
    assert second.left(1200, 1200) == ", about 30 min for all repeats"


TINY = (
    *("--image_size=16", "--slices_per_subject=8", "--num_subjects=3", "--max_depth=1"),
    *("--filters=8", "--patterns=1000,0100", "--num_trials=1", "--epochs=2", "--final_epochs=1"),
    *("--confirm_top=1", "--confirm_seeds=1", "--learning_rate=0.01", "--repeats=2"),
)


@pytest.fixture(scope="module")
def gone_on(start_search, tmp_path_factory):
    """Repeats that were killed in the second and gone on with.

    Their folder, what the first one held at the kill, and what was said afterwards.
    """
    folder = tmp_path_factory.mktemp("repeats") / "run"
    arguments = (*TINY, f"--output_dir={folder}")
    process = start_search(*arguments)
    wait_for(repeat_folder(folder, 2) / "trials" / "0000" / "trial.json", process)
    process.kill()
    process.communicate()
    # The lock says who holds the folder.
    found = repeat_folder(folder, 1).rglob("*")
    files = [path for path in found if path.is_file() and path.name != ".lock"]
    before = {path: path.read_bytes() for path in files}
    process = start_search(*arguments)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    return folder, before, output


def test_killed_repeats_go_on_with_the_one_that_was_running(gone_on):
    folder, before, output = gone_on
    assert "1 of 2 repeats have ended." in output
    assert "Repeat 1 of 2" not in output
    assert f"Repeat 2 of 2: seed {repeat_seed(0, 2)}" in output
    assert "Repeat 2/2, trial 1/1: adversarial_dice" in output
    assert output.count("Preparing slices:") == 1
    # The repeat that had ended was not opened, nor its model loaded.
    assert repeat_folder(folder, 1) / OUTCOME_FILE in before
    assert {path: path.read_bytes() for path in before} == before
    (trial,), _ = read_trials(repeat_folder(folder, 2))
    assert trial.attempts == 2
    assert not list(folder.rglob(".partial-*"))


def test_repeats_differ_in_seed_and_folder_alone(gone_on):
    folder, _, _ = gone_on
    flags = [read_flags(repeat_folder(folder, number)) for number in (1, 2)]
    differing = {name for name in flags[0] if flags[0][name] != flags[1][name]}
    assert differing == {"seed", "output_dir"}
    assert [each["seed"] for each in flags] == ["0", str(repeat_seed(0, 2))]
    folders = (folder, repeat_folder(folder, 1), repeat_folder(folder, 2))
    assert len({(each / "split.json").read_bytes() for each in folders}) == 1


def test_other_commands_know_repeats_as_a_search(gone_on):
    folder, _, output = gone_on
    with (folder / "repeats.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ended", "ended"]
    (trial,), _ = read_trials(repeat_folder(folder, 2))
    assert float(rows[1]["score"]) == trial.score
    best = json.loads((folder / "best_repeat.json").read_text())
    assert best["score"] == max(float(row["confirmed_score"]) for row in rows)
    model = find_model(folder)
    assert model == folder / "best_model" / "model.keras"
    assert model.read_bytes() == (folder / best["folder"] / "best_model/model.keras").read_bytes()
    assert run_of(model) == folder
    assert read_used(folder) == read_used(repeat_folder(folder, 1))
    assert f"run_eval.py --models=best={folder}" in output
