"""One run at a time in a folder: who is refused, and what is said of who holds it."""

import errno
import json
import os
import socket
import sys
import warnings

import pytest

from robmednas_tf.folder_lock import locked_folder


def stale(folder, **changes):
    """Leaves what a run that was killed would have left."""
    with locked_folder(folder):
        holder = json.loads((folder / ".lock").read_text())
    (folder / ".lock").write_text(json.dumps({**holder, **changes}))


def test_whoever_comes_second_is_told_who_holds_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run_search.py", "--output_dir=my run"])
    with locked_folder(tmp_path):
        for _ in range(2):
            with pytest.raises(ValueError, match="in use by another run") as refused:
                locked_folder(tmp_path, "--output").__enter__()
    message = str(refused.value)
    assert f"process {os.getpid()} on {socket.gethostname()} since 2" in message
    assert "run_search.py '--output_dir=my run'" in message
    assert "Wait for it, or give another --output." in message


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, SystemExit, ValueError])
def test_a_run_that_ends_leaves_nothing(tmp_path, error):
    try:
        with locked_folder(tmp_path):
            if error is not None:
                raise error
    except (KeyboardInterrupt, SystemExit, ValueError):
        pass
    assert (tmp_path / ".lock").read_bytes() == b""


def test_what_a_killed_run_has_left_holds_nothing(tmp_path):
    stale(tmp_path, process=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            locked_folder(tmp_path),
            pytest.raises(ValueError, match=f"process {os.getpid()} on"),
        ):
            locked_folder(tmp_path).__enter__()
        for damage in (b"\xff", b"[1]", b'{"host": 1}', b"null"):
            (tmp_path / ".lock").write_bytes(damage)
            with locked_folder(tmp_path):
                pass


def test_another_host_whose_run_has_not_ended_is_said(tmp_path):
    stale(tmp_path, host="elsewhere", process=12)
    with (
        pytest.warns(RuntimeWarning, match=r"process 12 on elsewhere .* stop this one"),
        locked_folder(tmp_path),
    ):
        pass


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def flock(*_args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(ValueError, match=r"No locks available.*on a file system with locks"):
        locked_folder(tmp_path).__enter__()


def test_a_folder_that_cannot_be_written_to_is_refused(on_small_disk):
    # Mounted, since root may write whatever a folder's mode says.
    script = (
        "from pathlib import Path; from robmednas_tf.folder_lock import locked_folder\n"
        "for folder in ('{disk}', '{disk}/deeper'):\n"
        "    try:\n        locked_folder(Path(folder)).__enter__()\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    inside = 'mount -o remount,ro "$1" && exec "$0" -c "$2"'
    done = on_small_disk(["sh", "-c", inside, sys.executable, "{disk}", script])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("Files cannot be written into '/")
        assert line.endswith(
            "Read-only file system. Make it writable, or give another --output_dir."
        )
