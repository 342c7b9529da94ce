import json
import os
import time

import pytest

from robmednas_tf.data.file_digests import FileDigests, digest_of_file


@pytest.fixture
def counted():
    """Reads files, and remembers which as its `paths`."""

    def digest(path):
        digest.paths.append(path.name)
        return digest_of_file(path)

    digest.paths = []
    return digest


@pytest.fixture
def memo(tmp_path):
    return tmp_path / "files.json"


def _file(tmp_path, name="mr.nii", content=b"abc", age_s=100.0):
    path = tmp_path / name
    path.write_bytes(content)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_a_file_is_read_once_in_all_runs(tmp_path, memo, counted):
    path = _file(tmp_path)
    for _ in range(3):
        digests = FileDigests(memo, counted)
        assert digests(path) == digests(path) == digest_of_file(path)
        digests.save()
    assert counted.paths == ["mr.nii"]


def test_one_file_by_two_paths_is_one(tmp_path, memo, monkeypatch, counted):
    path = _file(tmp_path)
    (tmp_path / "linked").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    digests = FileDigests(memo, counted)
    assert (
        len({digests(each) for each in (path, tmp_path / "linked", path.relative_to(tmp_path))})
        == 1
    )
    assert len(counted.paths) == 1


@pytest.mark.parametrize("kept", ["time", "size"])
def test_a_changed_file_is_read_again(tmp_path, memo, kept, counted):
    path = _file(tmp_path)
    digests = FileDigests(memo, counted)
    digests(path)
    digests.save()
    then = path.stat().st_mtime_ns
    path.write_bytes(b"abd" if kept == "size" else b"abcd")
    os.utime(path, ns=(then, then if kept == "time" else then + 1))
    for fresh in (digests, FileDigests(memo, counted)):
        assert fresh(path) == digest_of_file(path)
    assert len(counted.paths) > 1


@pytest.mark.parametrize("age_s", [0, 1, -100])
def test_a_file_that_is_still_being_written_is_not_remembered(tmp_path, memo, age_s, counted):
    path = _file(tmp_path, age_s=age_s)
    digests = FileDigests(memo, counted)
    digests(path)
    digests.save()
    digests(path)
    assert len(counted.paths) == 2
    assert not memo.exists()


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, memo):
    path = _file(tmp_path)

    def digest(path):
        found = digest_of_file(path)
        _file(tmp_path, content=b"longer", age_s=50)
        return found

    digests = FileDigests(memo, digest)
    before = digests(path)
    assert digests(path) != before
    assert digests(path) == digest_of_file(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 1}', '{"a": [1]}', "\x00"])
def test_a_damaged_memo_is_as_none(tmp_path, memo, content, counted):
    path = _file(tmp_path)
    memo.write_text(content.replace('"a"', json.dumps(str(path))))
    digests = FileDigests(memo, counted)
    assert digests(path) == digest_of_file(path)
    digests.save()
    assert FileDigests(memo, counted)(path) == digest_of_file(path)
    assert len(counted.paths) == 1


def test_what_other_runs_have_written_is_kept(tmp_path, memo, counted):
    paths = [_file(tmp_path, name) for name in ("a", "b")]
    runs = [FileDigests(memo, counted) for _ in paths]
    for run, path in zip(runs, paths, strict=True):
        run(path)
    for run in runs:
        run.save()
    again = FileDigests(memo, counted)
    for path in paths:
        again(path)
    assert counted.paths == ["a", "b"]


def test_nothing_new_writes_nothing(tmp_path, memo):
    digests = FileDigests(memo, digest_of_file)
    digests(_file(tmp_path))
    digests.save()
    memo.unlink()
    digests.save()
    assert not memo.exists()
    with pytest.raises(OSError, match="missing"):
        digests(tmp_path / "missing")
