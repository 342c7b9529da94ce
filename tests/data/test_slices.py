"""Slices on disk and as tf.data: exact values, order, repair, and other subjects' absence."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from robmednas_tf.data import prepared as prepared_module
from robmednas_tf.data.cohort import open_folder, open_phantom
from robmednas_tf.data.grid import SliceGrid
from robmednas_tf.data.intensities import AIR_HU, normalize_ct, zscore
from robmednas_tf.data.prepared import SliceCache
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.slices import (
    ShuffledSlices,
    hu_batches,
    masked_batches,
    mean_normalized_ct,
    ordered_batches,
    read_slices,
)
from robmednas_tf.evaluation.regions import REGIONS


@pytest.fixture
def cache(tmp_path):
    return SliceCache(tmp_path / "cache", image_size=22)


@pytest.fixture
def subjects(cohort_folder, cache):
    return [cache.prepare(subject) for subject in open_folder(cohort_folder)]


def test_slices_are_the_volumes(cohort_folder, subjects):
    for subject, prepared in zip(open_folder(cohort_folder), subjects, strict=True):
        pair = subject.read()
        grid = SliceGrid.of(pair.mr.shape, pair.affine, 22)
        mr, ct = (np.stack(part) for part in zip(*read_slices(prepared), strict=True))
        expected = zscore(pair.mr)
        np.testing.assert_array_equal(mr, grid.to_slices(expected, float(expected.min())))
        np.testing.assert_array_equal(ct, grid.to_slices(pair.ct, AIR_HU))
        assert prepared.num_slices == len(ct)
        assert prepared.mean_ct_hu == pytest.approx(ct.mean())
        counts = {name: np.count_nonzero(region.contains(ct)) for name, region in REGIONS.items()}
        assert prepared.voxels == counts


def test_masks_come_with_their_slices(cohort_folder, subjects):
    for subject, prepared in zip(open_folder(cohort_folder), subjects, strict=True):
        pair = subject.read()
        batches = list(masked_batches(prepared, 4).as_numpy_iterator())
        mr, ct, mask = (np.concatenate(part)[..., 0] for part in zip(*batches, strict=True))
        np.testing.assert_array_equal(mask, pair.mask_slices(22))
        whole_mr, whole_ct = (np.stack(part) for part in zip(*read_slices(prepared), strict=True))
        np.testing.assert_array_equal(mr, whole_mr)
        np.testing.assert_array_equal(ct, whole_ct)
        assert prepared.has_mask == (prepared.name != "1BC003")
        assert prepared.plane == SliceGrid.of(pair.ct.shape, pair.affine, 22).plane


def epochs_of(slices, num_epochs, first_epoch=0):
    batches = slices.batches(first_epoch).as_numpy_iterator()
    return [[next(batches) for _ in range(slices.num_steps)] for _ in range(num_epochs)]


def test_every_epoch_holds_every_slice_once(subjects):
    slices = ShuffledSlices(tuple(subjects), batch_size=6, seed=1)
    assert slices.num_steps == -(-sum(subject.num_slices for subject in subjects) // 6)
    expected = Counter(
        (mr.tobytes(), normalize_ct(ct).tobytes())
        for subject in subjects
        for mr, ct in read_slices(subject)
    )
    epochs = epochs_of(slices, 2)
    for epoch in epochs:
        seen = Counter(
            (mr.tobytes(), ct.tobytes())
            for mrs, cts in epoch
            for mr, ct in zip(mrs, cts, strict=True)
        )
        assert seen == expected
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])


def test_batches_mix_subjects(subjects):
    slices = ShuffledSlices(tuple(subjects), batch_size=6, seed=1)
    homes = {mr.tobytes(): one.name for one in subjects for mr, _ in read_slices(one)}
    first = epochs_of(slices, 1)[0][0][0]
    assert len({homes[mr[..., 0].tobytes()] for mr in first}) > 2


def test_an_epochs_order_follows_from_seed_and_number_alone(subjects, monkeypatch):
    slices = ShuffledSlices(tuple(subjects), batch_size=6, seed=1)
    third = epochs_of(slices, 3)[2]
    for (mr, _), (again, _) in zip(third, epochs_of(slices, 1, first_epoch=2)[0], strict=True):
        np.testing.assert_array_equal(mr, again)
    monkeypatch.setattr(context.context(), "_seed", None)
    for program_seed in (0, 5):
        tf.random.set_seed(program_seed)
        again = epochs_of(slices, 1, first_epoch=2)[0]
        np.testing.assert_array_equal(again[0][0], third[0][0])
    other = epochs_of(ShuffledSlices(tuple(subjects), 6, seed=9), 1, first_epoch=2)[0]
    assert not np.array_equal(third[0][0], other[0][0])


def test_seeds_share_no_epoch(subjects):
    orders = [
        [batch[0].tobytes() for batch in epoch]
        for seed in (0, 1, 2)
        for epoch in epochs_of(ShuffledSlices(tuple(subjects), 30, seed), 3)
    ]
    assert len({tuple(order) for order in orders}) == len(orders)


def test_ordered_batches_keep_the_order_and_hu_stays_exact(subjects):
    mr, ct = next(hu_batches(subjects[0], 100).as_numpy_iterator())
    other_mr, normalized = next(ordered_batches(subjects[:1], 100).as_numpy_iterator())
    np.testing.assert_array_equal(mr, other_mr)
    np.testing.assert_array_equal(normalized, normalize_ct(ct))
    assert ct.shape == (subjects[0].num_slices, 22, 22, 1)
    np.testing.assert_array_equal(ct, np.round(ct))


def test_the_mean_is_that_of_all_pixels(subjects):
    pixels = np.concatenate([ct.ravel() for one in subjects for _, ct in read_slices(one)])
    assert mean_normalized_ct(subjects) == pytest.approx((pixels.mean() - 1250) / 2500, abs=1e-6)


def test_fewer_slices_are_spread_evenly(cohort_folder, tmp_path, subjects):
    few = SliceCache(tmp_path / "cache", 22, slices_per_subject=3)
    subject = open_folder(cohort_folder)["1BA001"]
    kept = list(read_slices(few.prepare(subject)))
    every = list(read_slices(subjects[0]))
    assert len(every) == 6
    for (mr, _), place in zip(kept, (1, 3, 5), strict=True):
        np.testing.assert_array_equal(mr, every[place][0])


def test_prepared_files_are_used_again(cohort_folder, cache, subjects, monkeypatch):
    monkeypatch.setattr(SliceCache, "_write", None)
    again = [cache.prepare(subject) for subject in open_folder(cohort_folder)]
    assert again == subjects


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text(json.dumps({"num_slices": 1})),
        lambda path: path.with_suffix(".json").write_text(json.dumps({"plane": 3})),
    ],
)
def test_damaged_caches_are_noticed_and_made_anew(cohort_folder, cache, subjects, damage):
    before = list(read_slices(subjects[0]))
    damage(subjects[0].path)
    again = cache.prepare(open_folder(cohort_folder)["1BA001"])
    assert again == subjects[0]
    np.testing.assert_array_equal(list(read_slices(again)), before)


def test_keys_follow_content_and_settings(cohort_folder, tmp_path):
    cohort = open_folder(cohort_folder)
    caches = [SliceCache(tmp_path, 22), SliceCache(tmp_path, 24), SliceCache(tmp_path, 22, 3)]
    keys = {cache.key(subject) for cache in caches for subject in cohort}
    assert len(keys) == len(caches) * len(cohort)
    before = caches[0].key(cohort["1BA001"])
    flip_a_byte(cohort_folder / "1BA001" / "mr.nii.gz")
    assert SliceCache(tmp_path, 22).key(cohort["1BA001"]) != before


def test_cropping_is_measured(cohort_folder, tmp_path):
    small = SliceCache(tmp_path, 16).prepare(open_folder(cohort_folder)["1BA005"])
    assert 0 < small.cropped < 1
    large = SliceCache(tmp_path, 40).prepare(open_folder(cohort_folder)["1BA005"])
    assert large.cropped == 0


def test_phantoms_are_prepared_too(tmp_path):
    subject = next(iter(open_phantom(1, (16, 16, 8), seed=0)))
    prepared = SliceCache(tmp_path, 16).prepare(subject)
    assert prepared.num_slices == 8
    assert all(prepared.voxels.values())


def test_real_patients_are_prepared(sts, tmp_path):
    cache = SliceCache(tmp_path, 192, slices_per_subject=4)
    prepared = {name: cache.prepare(open_folder(sts)[name]) for name in ("STS_012", "STS_041")}
    assert prepared["STS_012"].voxels["bone"] > 0
    assert prepared["STS_041"].voxels["bone"] == 0
    assert all(subject.cropped == 0 for subject in prepared.values())


def test_slices_lie_on_the_resampled_grid(cohort_folder, tmp_path):
    preprocessing = Preprocessing("mask", (2.0, 2.0, 2.0))
    cache = SliceCache(tmp_path / "cache", image_size=40)
    own = cache.prepare(open_folder(cohort_folder)["1BA005"])
    subject = open_folder(cohort_folder, preprocessing=preprocessing)["1BA005"]
    prepared = SliceCache(tmp_path / "cache", image_size=40).prepare(subject)
    # 23 x 21 x 5 voxels of 2 x 2.5 x 4 mm, in rows, columns and slices.
    assert (own.plane, own.num_slices) == ((21, 23), 5)
    assert (prepared.plane, prepared.num_slices) == ((27, 23), 10)
    assert prepared.path != own.path
    assert prepared.identity == own.identity
    pair = subject.read()
    grid = SliceGrid.of(pair.mr.shape, pair.affine, 40)
    mr, ct = (np.stack(part) for part in zip(*read_slices(prepared), strict=True))
    expected = zscore(pair.mr, pair.mask > 0)
    np.testing.assert_array_equal(mr, grid.to_slices(expected, float(expected.min())))
    np.testing.assert_array_equal(ct, grid.to_slices(pair.ct, AIR_HU))


def _aged(folder):
    """Lets files seem old enough for their digests to be kept."""
    for path in folder.rglob("*.nii.gz"):
        os.utime(path, (1e9, 1e9))


def test_what_is_prepared_is_not_read_through_again(cohort_folder, tmp_path, monkeypatch):
    _aged(cohort_folder)
    first = SliceCache(tmp_path / "cache", 22)
    before = [first.prepare(subject) for subject in open_folder(cohort_folder)]
    first.save_digests()

    def fail(path):
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(prepared_module, "_crc32", fail)
    monkeypatch.setattr(prepared_module, "digest_of_file", fail)
    again = SliceCache(tmp_path / "cache", 22)
    assert [again.prepare(subject) for subject in open_folder(cohort_folder)] == before
    # Without the memo, and with a record that was touched, each is.
    (tmp_path / "cache" / "files.json").unlink()
    with pytest.raises(AssertionError, match=r"nii\.gz is read"):
        SliceCache(tmp_path / "cache", 22).prepare(open_folder(cohort_folder)["1BA001"])
    flip_a_byte(before[0].path)
    with pytest.raises(AssertionError, match="tfrecord is read"):
        again.prepare(open_folder(cohort_folder)["1BA001"])


def test_a_record_that_is_copied_is_read_through_once(cohort_folder, cache, subjects, monkeypatch):
    os.utime(subjects[0].path, (1e9, 1e9))
    read = []
    crc32 = prepared_module._crc32
    monkeypatch.setattr(prepared_module, "_crc32", lambda path: read.append(path) or crc32(path))
    monkeypatch.setattr(SliceCache, "_write", None)
    for _ in range(2):
        assert cache.prepare(open_folder(cohort_folder)["1BA001"]) == subjects[0]
    assert read == [subjects[0].path]


def _prepare_in_processes(cohort_folder, *jobs):
    """Returns how the processes of `prepare_slices.py` ended."""
    script = str(Path(__file__).with_name("prepare_slices.py"))
    command = [sys.executable, script, str(cohort_folder), json.dumps(jobs)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def _contents(folder):
    """Returns a cache's files, but for the times that its notes state."""
    contents = {}
    for path in folder.iterdir():
        contents[path.name] = path.read_bytes()
        if path.suffix == ".json" and path.name != "files.json":
            contents[path.name] = json.loads(contents[path.name]) | {"changed_ns": 0}
    return contents


def test_two_processes_at_once_leave_one_whole_cache(cohort_folder, tmp_path, monkeypatch):
    _aged(cohort_folder)
    sizes = [16, 18, 20, 22, 24, 26]
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    assert _prepare_in_processes(cohort_folder, *[[str(shared), sizes, ""]] * 2) == [0, 0]
    for size in sizes:
        cache = SliceCache(alone, size)
        for subject in open_folder(cohort_folder):
            cache.prepare(subject)
        cache.save_digests()
    assert _contents(shared) == _contents(alone)
    assert len(list(shared.glob("*.tfrecord"))) == 5 * len(sizes)
    monkeypatch.setattr(SliceCache, "_write", None)
    for size in sizes:
        cache = SliceCache(shared, size)
        assert all(cache.prepare(subject).is_intact for subject in open_folder(cohort_folder))


def test_a_killed_preparation_leaves_nothing_that_passes_for_whole(
    cohort_folder, tmp_path, monkeypatch
):
    # While the records are checked, before they have their name; and before the note is written.
    places = ("_crc32", "_write_note")
    folders = [tmp_path / place for place in places]
    jobs = [[str(folder), [22], place] for folder, place in zip(folders, places, strict=True)]
    assert _prepare_in_processes(cohort_folder, *jobs) == [-signal.SIGKILL, -signal.SIGKILL]
    left = [sorted(path.suffix for path in folder.iterdir()) for folder in folders]
    assert left == [[".tfrecord"], [".tfrecord"]]
    assert [bool(list(folder.glob(".partial-*"))) for folder in folders] == [True, False]
    written = []
    write = SliceCache._write
    monkeypatch.setattr(
        SliceCache, "_write", lambda *arguments: written.append(1) or write(*arguments)
    )
    whole = SliceCache(tmp_path / "whole", 22).prepare(open_folder(cohort_folder)["1BA001"])
    for folder in folders:
        again = SliceCache(folder, 22).prepare(open_folder(cohort_folder)["1BA001"])
        assert again.path.read_bytes() == whole.path.read_bytes()
        assert dataclasses.replace(again, path=whole.path) == whole
    assert len(written) == 3
