"""Examining subjects: their figures, every problem at once, and no error where none is refused."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.cohort import open_folder, open_phantom
from robmednas_tf.data.preprocessing import Preprocessing
from robmednas_tf.data.subjects import FolderSubject, ListedSubject
from robmednas_tf.examination.subject import examine

SHAPE = (20, 24, 18)


@pytest.fixture
def subject(tmp_path, write_subject):
    return FolderSubject("1BA012", write_subject(tmp_path / "1BA012", SHAPE))


def change(role, voxels=None, affine=None, header=None):
    """A breakage: a role's file with other voxels, affine or header."""

    def apply(folder):
        path = folder / f"{role}.nii.gz"
        image = nib.load(path)
        old = np.asarray(image.dataobj)
        written = nib.Nifti1Image(
            (old if voxels is None else voxels(old)).astype(np.float32),
            image.affine if affine is None else affine(image.affine.copy()),
        )
        if header is not None:
            header(written)
        nib.save(written, path)

    return apply


def truncate(role):
    def apply(folder):
        path = folder / f"{role}.nii.gz"
        path.write_bytes(path.read_bytes()[:600])

    return apply


def shifted(affine):
    affine[0, 3] += 1
    return affine


def turned(affine):
    c, s = np.cos(0.5), np.sin(0.5)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ affine


def forget(image):
    image.set_sform(None, 0)
    image.set_qform(None, 0)


def flatten(image):
    image.set_sform(np.diag([2.0, 2.5, 0.0, 1.0]), 1)
    image.set_qform(None, 0)


def with_nan(voxels):
    voxels = voxels.astype(np.float32)
    voxels[3, 4, 5] = np.nan
    return voxels


def twice(folder):
    nib.save(nib.load(folder / "ct.nii.gz"), folder / "ct.nii")


# What makes `check` or `read` refuse a subject, and what the one error must name.
BROKEN = {
    "no MR": (lambda folder: (folder / "mr.nii.gz").unlink(), "mr.nii.gz"),
    "no CT": (lambda folder: (folder / "ct.nii.gz").unlink(), "ct.nii.gz"),
    "CT in two forms": (twice, "ct.nii.gz and ct.nii"),
    "MR is text": (lambda folder: (folder / "mr.nii.gz").write_text("hello"), "mr.nii.gz"),
    "MR cut short": (truncate("mr"), "mr.nii.gz"),
    "CT cut short": (truncate("ct"), "ct.nii.gz"),
    "mask cut short": (truncate("mask"), "mask.nii.gz"),
    "NaN in the MR": (change("mr", with_nan), "1 NaN"),
    "NaN in the mask": (change("mask", with_nan), "1 NaN"),
    "constant MR": (change("mr", lambda mr: mr * 0 + 7), "constant"),
    "HU + 1000": (change("ct", lambda ct: ct + 1000), "--ct_bias=-1000"),
    "CT without contrast": (change("ct", lambda ct: ct * 0), "must be in HU"),
    "CT smaller": (change("ct", lambda ct: ct[:-1]), "ct (19, 24, 18)"),
    "CT shifted": (change("ct", affine=shifted), "up to 1 mm apart"),
    "mask smaller": (change("mask", lambda mask: mask[:-1]), "mask (19, 24, 18)"),
    "four axes": (change("ct", lambda ct: np.stack([ct, ct], -1)), "one 3-D volume"),
    "flat affine": (change("mr", header=flatten), "invertible affine"),
}


def refusal(subject):
    try:
        subject.check()
        subject.read()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("breakage", "named"), BROKEN.values(), ids=BROKEN)
def test_an_error_is_found_exactly_where_reading_is_refused(subject, breakage, named):
    assert refusal(subject) is None
    assert examine(subject).errors == ()
    breakage(subject.folder)
    errors = examine(subject).errors
    assert errors == (" ".join(refusal(subject).split()),)
    assert named in errors[0]


STRANGE = {
    "negative MR": (change("mr", lambda mr: mr - 50), "negative values, down to"),
    "MR is a mask": (change("mr", lambda mr: (mr > 300) * 1), "only 2 different values"),
    "MR with a spike": (
        change("mr", lambda mr: np.where(np.arange(mr.size).reshape(mr.shape), mr, 30000)),
        "MR reaches 30000",
    ),
    "MR is the CT": (change("mr", lambda mr: np.where(mr < 30, -1000, mr)), "values like HU"),
    "MR shifted": (change("mr", lambda mr: np.roll(mr, 6, 0)), "bodies of different outlines"),
    "MR ends": (
        change("mr", lambda mr: np.where(np.arange(18) < 3, mr % 20, mr)),
        "in 3 of 18 slices",
    ),
    "no bone": (change("ct", lambda ct: np.minimum(ct, 150)), "never reaches bone"),
    "metal": (change("ct", lambda ct: np.where(ct > 900, 9000, ct)), "CT reaches 9000 HU"),
    "air clipped": (change("ct", lambda ct: np.maximum(ct, -600)), "lowest value is -600 HU"),
    "wrong slope": (change("ct", lambda ct: ct + 400 * (ct > -500)), "where soft tissue has"),
    "empty mask": (change("mask", lambda mask: mask * 0), "Mask is empty"),
    "labels": (change("mask", lambda mask: mask * 255), "other values than 0 and 1: 0, 255"),
    "half a mask": (
        change("mask", lambda mask: mask * (np.arange(20) < 8)[:, None, None]),
        "Mask and CT disagree",
    ),
}
# The same of all three files, whose grids must agree.
STRANGE_GRIDS = {
    "oblique": ({"affine": turned}, "Oblique by 29 degrees"),
    "no orientation": ({"header": forget}, "MR: neither sform nor qform"),
}


@pytest.mark.parametrize(("oddity", "text"), STRANGE.values(), ids=STRANGE)
def test_a_warning_is_given_for_what_is_strange_but_read(subject, oddity, text):
    assert examine(subject).findings == ()
    oddity(subject.folder)
    found = examine(subject)
    assert found.errors == ()
    assert sum(text in warning for warning in found.warnings) == 1
    assert refusal(subject) is None


@pytest.mark.parametrize(("oddity", "text"), STRANGE_GRIDS.values(), ids=STRANGE_GRIDS)
def test_a_warning_is_given_for_a_strange_grid(subject, oddity, text):
    for role in ("mr", "ct", "mask"):
        change(role, **oddity)(subject.folder)
    found = examine(subject)
    assert found.errors == ()
    assert sum(text in warning for warning in found.warnings) == 1


def test_few_slices_and_a_body_that_fills_its_volume(tmp_path, write_subject):
    few = examine(FolderSubject("few", write_subject(tmp_path / "few", (20, 24, 6))))
    assert few.warnings[0].startswith("Only 6 axial slices")
    full = FolderSubject("full", write_subject(tmp_path / "full", SHAPE))
    corner = np.arange(np.prod(SHAPE)).reshape(SHAPE) < 5
    change("ct", lambda ct: np.where(corner, -1000, np.maximum(ct, 0)))(full.folder)
    warnings = examine(full).warnings
    assert any("The body fills 99.9 % of the CT" in text for text in warnings)
    assert not any("of the MR" in text for text in warnings)


def test_every_problem_is_found_in_one_go(subject):
    for name in ("constant MR", "HU + 1000", "mask smaller"):
        BROKEN[name][0](subject.folder)
    errors = examine(subject).errors
    assert len(errors) == 3
    for text, named in zip(errors, ("mask (19", "constant", "must be in HU"), strict=True):
        assert named in text
    (subject.folder / "mr.nii.gz").unlink()
    twice(subject.folder)
    assert ["'mr" in text or "mr.nii" in text for text in examine(subject).errors] == [True, False]


@pytest.mark.parametrize("axes", ["RAS", "PSL"])
def test_the_figures_of_a_sound_subject(tmp_path, write_subject, axes):
    found = examine(FolderSubject("a", write_subject(tmp_path / "a", SHAPE, axes)))
    assert found.findings == ()
    assert found.shape == {"RAS": SHAPE, "PSL": (24, 18, 20)}[axes]
    assert (found.axes, found.num_slices, found.plane) == (axes, 18, (24, 20))
    assert found.spacing_mm == pytest.approx((2.0, 2.5, 4.0))
    assert found.oblique_degrees == pytest.approx(0, abs=1e-4)
    pair = FolderSubject("a", tmp_path / "a").read()
    assert found.mr_range == (pair.mr.min(), pair.mr.max())
    assert found.ct_range_hu == (pair.ct.min(), pair.ct.max())
    assert found.body_fraction == pytest.approx(pair.mask.mean(), abs=0.01)
    assert found.mr_body_fraction == pytest.approx(pair.mask.mean(), abs=0.01)
    assert found.outline_dice > 0.98
    assert found.has_mask and found.mask_dice > 0.98
    assert found.cropped[64] == 0
    # The patient's right, where the cavity is not, is on the left; front is up.
    ct = found.thumbnail.ct
    assert ct.shape == (200, round(200 * 40 / 60))
    assert found.thumbnail.on_one_grid


def test_the_thumbnail_shows_front_up_and_right_on_the_left(tmp_path, write_subject):
    folder = write_subject(tmp_path / "a", (24, 24, 18), "LPI")

    def mark(ct):
        # Of L, P, I: to the patient's right, in front.
        ct[5:8, 5:8] = 3000
        return ct

    change("ct", mark)(folder)
    ct = examine(FolderSubject("a", folder)).thumbnail.ct
    rows, columns = np.nonzero(ct == 255)
    assert rows.mean() < ct.shape[0] / 2 and columns.mean() < ct.shape[1] / 2


def test_a_bias_is_applied_before_anything_is_judged(subject):
    BROKEN["HU + 1000"][0](subject.folder)
    found = examine(dataclasses.replace(subject, ct_bias=-1000.0))
    assert found.errors == ()
    assert found.ct_range_hu[0] < -990


def test_settings_that_need_a_mask_are_errors_without_one(subject):
    needs = dataclasses.replace(subject, preprocessing=Preprocessing(zscore="mask"))
    assert examine(needs).errors == ()
    STRANGE["empty mask"][0](subject.folder)
    assert "inside the body mask" in examine(needs).errors[0]
    (subject.folder / "mask.nii.gz").unlink()
    assert examine(subject).errors == ()
    (error,) = examine(needs).errors
    assert "--zscore=mask" in error


def test_listed_files_that_are_missing_are_all_named(tmp_path):
    found = examine(ListedSubject("a", tmp_path / "m.nii.gz", tmp_path / "c.nii.gz"))
    assert ["m.nii.gz" in found.errors[0], "c.nii.gz" in found.errors[1]] == [True, True]
    assert found.shape is None and not found.has_mask


def test_phantoms_are_sound():
    for head in open_phantom(2, (64, 64, 24), seed=0):
        assert examine(head).findings == ()


def test_patients_are_usable(sts):
    for subject in list(open_folder(sts))[::3]:
        found = examine(subject)
        assert found.errors == ()
        assert found.outline_dice > 0.94
