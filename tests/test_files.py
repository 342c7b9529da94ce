"""Files that are there whole or not at all."""

import errno
import os
import time

import pytest

from robmednas_tf.files import (
    make_folder,
    remove_leftovers,
    replaced_atomically,
    replaced_folder,
    write_json,
    write_text,
)


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "note.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 2\n}\n'
    assert names(path.parent) == ["note.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "before")
    with pytest.raises(RuntimeError), replaced_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert names(tmp_path) == ["note.txt"]


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / "note.txt"
    with (
        pytest.raises(OSError, match=r"No space left on device.*note\.txt"),
        replaced_atomically(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_temporary_names_end_as_the_file_does(tmp_path):
    with replaced_atomically(tmp_path / "slices.tfrecord.gz") as temporary:
        assert temporary.name.endswith(".slices.tfrecord.gz")


def test_not_a_number_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "note.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    for content in ("one", "two"):
        with replaced_folder(folder) as temporary:
            (temporary / content).write_text(content)
    assert names(folder) == ["two"]
    with pytest.raises(RuntimeError), replaced_folder(folder):
        raise RuntimeError
    assert names(folder) == ["two"]
    assert names(tmp_path) == ["model"]


def test_leftovers_are_removed_by_age_and_nothing_else_is(tmp_path):
    kept = tmp_path / "a" / "trial.json"
    write_text(kept, "{}")
    for name in (".partial-x.trial.json", ".partial-y"):
        (tmp_path / "a" / name).write_text("half")
    (tmp_path / ".partial-z").mkdir()
    (tmp_path / ".partial-z" / "saved_model.pb").write_text("half")
    remove_leftovers(tmp_path, older_than_s=3600)
    assert len(list(tmp_path.rglob(".partial-*"))) == 3
    remove_leftovers(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_a_folder_cannot_have_a_files_name(tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "deeper"):
        with pytest.raises(ValueError, match="taken' is a file"):
            make_folder(folder)


@pytest.mark.parametrize("years", [-10, 10])
def test_no_jump_of_the_clock_takes_a_file_from_who_writes_it(tmp_path, monkeypatch, years):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + years * 365 * 24 * 3600)
    with replaced_atomically(tmp_path / "note.txt") as temporary:
        temporary.write_text("half")
        remove_leftovers(tmp_path, older_than_s=3600)
        remove_leftovers(tmp_path)
    assert (tmp_path / "note.txt").read_text() == "half"
    (tmp_path / ".partial-x").write_text("of a process that was killed")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["note.txt"]
