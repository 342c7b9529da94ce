"""Examinations on disk: the same when read again, and none where files have changed."""

import dataclasses
import shutil

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.file_digests import digest_of_file
from robmednas_tf.data.subjects import FolderSubject
from robmednas_tf.examination.store import ExaminationStore
from robmednas_tf.examination.subject import Finding, examine


@pytest.fixture
def subject(tmp_path, write_subject):
    return FolderSubject("1BA012", write_subject(tmp_path / "1BA012", (20, 24, 18)))


def change(subject, role, voxels):
    path = subject.folder / f"{role}.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(voxels(np.asarray(image.dataobj)), image.affine), path)


def equal(first, second):
    values = [
        {**dataclasses.asdict(each), "thumbnail": None, "images": None} for each in (first, second)
    ]
    images = [dataclasses.asdict(each.thumbnail) for each in (first, second)]
    return values[0] == values[1] and all(
        np.array_equal(images[0][name], images[1][name]) for name in images[0]
    )


def test_an_examination_is_kept_until_its_files_change(tmp_path, subject):
    change(subject, "mask", lambda mask: mask * 255)
    store, made = ExaminationStore(tmp_path / "kept", digest_of_file), examine(subject)
    path = store.path(subject)
    assert store.read(path) is None
    store.write(path, made)
    kept = store.read(path)
    assert kept.findings == (Finding("warning", made.warnings[0]),)
    assert equal(kept, made)
    # Its errors name the folder, so that a copy elsewhere is another examination.
    shutil.copytree(subject.folder, tmp_path / "copy")
    assert store.path(dataclasses.replace(subject, folder=tmp_path / "copy")) != path
    change(subject, "ct", lambda ct: ct - 1)
    changed = store.path(subject)
    assert changed != path and store.read(changed) is None
    store.write(changed, made)
    store.keep_only([changed, None])
    assert list((tmp_path / "kept").iterdir()) == [changed]


@pytest.mark.parametrize("damage", [lambda data: data[:500], lambda data: b"", lambda data: b"x"])
def test_a_damaged_record_counts_as_none(tmp_path, subject, damage):
    store = ExaminationStore(tmp_path / "kept", digest_of_file)
    path = store.path(subject)
    store.write(path, examine(subject))
    path.write_bytes(damage(path.read_bytes()))
    assert store.read(path) is None


def test_what_cannot_be_read_is_not_kept(tmp_path, subject):
    (subject.folder / "mr.nii.gz").unlink()
    store = ExaminationStore(tmp_path / "kept", digest_of_file)
    assert store.path(subject) is None
    store.write(None, examine(subject))
    assert store.read(None) is None
    # Nor what has errors: the next run may have the package or the permission that was missing.
    (subject.folder / "ct.nii.gz").write_bytes(b"cut short")
    store.write(tmp_path / "kept" / "a.npz", examine(subject))
    assert list((tmp_path / "kept").iterdir()) == []
