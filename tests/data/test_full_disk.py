"""A cache on a full disk: one clear line, nothing broken left behind, and it goes on from there."""

import json
import os
import re
import sys
from pathlib import Path


def test_a_full_disk_is_named_and_leaves_nothing_broken(cohort_folder, on_small_disk):
    for path in cohort_folder.rglob("*.nii.gz"):
        # Old enough for its digest to be kept, so that a file of digests is written too.
        os.utime(path, (1e9, 1e9))
    script = str(Path(__file__).with_name("prepare_on_full_disk.py"))
    run = on_small_disk([sys.executable, script, str(cohort_folder), "{disk}"])
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    steps = set()
    for pages_left, result in enumerate(results):
        notes = {name for name in result["left"] if name.endswith(".json")} - {"files.json"}
        records = {name for name in result["left"] if name.endswith(".tfrecord")}
        assert records | notes | {"files.json"} >= set(result["left"]), pages_left
        assert {name.replace(".json", ".tfrecord") for name in notes} <= records
        steps.add((len(records), len(notes), "files.json" in result["left"]))
        if result["error"]:
            assert result["error"] == "OSError"
            assert re.fullmatch(
                r"Slices cannot be written into '\S+/cache': .*No space left on device.*\. "
                r"Free space there, or give another --cache_dir",
                result["message"],
            ), result["message"]
        assert result["intact"]
        note = result["record"].replace(".tfrecord", ".json")
        assert result["then"] == sorted([result["record"], note, "files.json"])
    # It has failed at the records, at the note and at the digests, and then succeeded.
    assert steps == {(0, 0, False), (1, 0, False), (1, 1, False), (1, 1, True)}
    assert [bool(result["error"]) for result in results] == [True] * (len(results) - 1) + [False]
