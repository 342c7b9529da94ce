"""NIfTI in all its forms: read as nibabel reads it, and written with the reference's header."""

import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data import nifti
from robmednas_tf.data.volumes import header_doubts, read_header, read_volume, write_like

FORMS = list(itertools.product((1, 2), "<>"))
KINDS = {1: nib.Nifti1Image, 2: nib.Nifti2Image}
AFFINE = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 20], [0, 0, 2.5, -30], [0, 0, 0, 1]])
# What a file that is written anew says of its own voxels.
OWN_FIELDS = (
    *("datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "vox_offset"),
    "magic",
)


def _turned(degrees=20.0):
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(np.deg2rad(degrees), 0.1, -0.2))
    return turn @ AFFINE


def _sheared():
    shear = np.eye(4)
    shear[0, 1], shear[1, 2] = 0.3, -0.2
    return shear @ AFFINE


def _image(version=1, order="<", dtype=np.int16, shape=(6, 7, 5), affine=AFFINE):
    header = KINDS[version].header_class(endianness=order)
    header.set_data_dtype(dtype)
    voxels = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    return KINDS[version](voxels, affine, header)


def _save(path, image):
    raw = image.to_bytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def _fields(path):
    """Returns a file's header as it stands there, without nibabel's mending."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    kind = next(
        kind for kind in (nib.Nifti1Header, nib.Nifti2Header) if kind.may_contain_header(raw)
    )
    return kind(raw[: kind.template_dtype.itemsize], check=False)


@pytest.mark.parametrize("name", ["mr.nii", "mr.nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize(("version", "order"), FORMS)
def test_every_type_order_and_version_is_read(tmp_path, name, dtype, version, order):
    image = _image(version, order, np.dtype(dtype))
    path = _save(tmp_path / name, image)
    assert _fields(path).endianness == order
    volume, affine = read_volume(path, "a")
    np.testing.assert_array_equal(volume, np.asarray(image.dataobj))
    np.testing.assert_array_equal(affine, AFFINE)
    assert volume.dtype == np.dtype("=f4")


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize(("slope", "inter"), [(0.5, -1024), (2.5, 0), (-1, 3), (0, 7), (np.nan, 7)])
def test_the_files_own_scaling_is_applied(tmp_path, dtype, slope, inter):
    image = _image(dtype=np.dtype(dtype))
    raw = bytearray(image.to_bytes())
    raw[112:120] = np.array([slope, inter], "<f4").tobytes()
    path = tmp_path / "ct.nii"
    path.write_bytes(raw)
    stored = np.asarray(image.dataobj).astype(np.float64)
    # A slope of zero, or none, says that nothing is scaled.
    expected = stored * slope + inter if slope and np.isfinite(slope) else stored
    np.testing.assert_allclose(read_volume(path, "a")[0], expected, rtol=1e-7, atol=1e-4)


def test_values_beyond_16_bits_are_not_cut(tmp_path):
    image = _image(dtype=np.uint16)
    np.asanyarray(image.dataobj)[0, 0, 0] = 65_535
    assert read_volume(_save(tmp_path / "mr.nii", image), "a")[0][0, 0, 0] == 65_535


@pytest.mark.parametrize("affine", [_turned(), _sheared()], ids=["oblique", "sheared"])
def test_the_sform_is_taken_as_it_is(tmp_path, affine):
    image = _image(affine=affine)
    image.set_qform(None, 0)
    path = _save(tmp_path / "mr.nii.gz", image)
    np.testing.assert_array_equal(read_header(path, "a")[1], nib.load(path).affine)
    np.testing.assert_allclose(read_header(path, "a")[1], affine, atol=1e-5)
    assert header_doubts(path, "a") == ()


def test_a_qform_alone_is_taken(tmp_path):
    image = _image(affine=_turned())
    image.set_qform(_turned(), 1)
    image.set_sform(None, 0)
    path = _save(tmp_path / "mr.nii.gz", image)
    np.testing.assert_allclose(read_header(path, "a")[1], _turned(), atol=1e-5)
    assert header_doubts(path, "a") == ()


def test_a_volume_that_does_not_say_how_it_lies_is_doubtful(tmp_path):
    raw = bytearray(_image().to_bytes())
    # Both codes.
    raw[252:256] = bytes(4)
    path = tmp_path / "mr.nii"
    path.write_bytes(raw)
    np.testing.assert_array_equal(read_header(path, "a")[1], nib.load(path).affine)
    (doubt,) = header_doubts(path, "a")
    assert "neither sform nor qform" in doubt
    axes = "".join(nib.aff2axcodes(read_header(path, "a")[1]))
    assert doubt.endswith(f"taken as {axes}")


@pytest.mark.parametrize(("shift_mm", "doubtful"), [(0.5, False), (3.0, True)])
def test_forms_that_disagree_a_little_are_doubtful(tmp_path, shift_mm, doubtful):
    image = _image()
    image.set_qform(AFFINE, 1)
    moved = AFFINE.copy()
    moved[1, 3] += shift_mm
    image.set_sform(moved, 1)
    path = _save(tmp_path / "mr.nii", image)
    np.testing.assert_array_equal(read_header(path, "a")[1], moved)
    doubts = header_doubts(path, "a")
    assert len(doubts) == doubtful
    if doubtful:
        assert "disagree by up to 3 mm; the sform is taken" in doubts[0]


def test_forms_that_differ_far_from_the_first_voxel_alone_are_doubtful(tmp_path):
    image = _image(shape=(60, 60, 10))
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE @ np.diag([1.05, 1, 1, 1]), 1)
    (doubt,) = header_doubts(_save(tmp_path / "mr.nii", image), "a")
    # 59 voxels of 1 mm, a twentieth longer.
    assert "up to 2.95 mm" in doubt


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, 1, -1)])
def test_forms_that_name_other_axes_are_refused(tmp_path, signs):
    image = _image()
    image.set_qform(AFFINE, 1)
    image.set_sform(np.diag([*signs, 1.0]) @ AFFINE, 1)
    path = _save(tmp_path / "mr.nii", image)
    with pytest.raises(ValueError, match=r"lie one way.*by the sform and LPS by the qform"):
        read_volume(path, "a")


@pytest.mark.parametrize(("unit", "said"), [("mm", ""), ("meter", "metres"), ("micron", "microm")])
def test_lengths_in_another_unit_are_doubtful(tmp_path, unit, said):
    image = _image()
    image.header.set_xyzt_units(unit, "sec")
    doubts = header_doubts(_save(tmp_path / "mr.nii", image), "a")
    assert len(doubts) == bool(said)
    assert said in "".join(doubts)


@pytest.mark.parametrize("offset", [0, 16, 348])
def test_voxels_inside_the_header_are_refused(tmp_path, offset):
    raw = bytearray(_image().to_bytes())
    # With another magic, which nibabel holds to no least offset.
    raw[108:112], raw[344:348] = np.float32(offset).tobytes(), b"ni1\0"
    path = tmp_path / "mr.nii"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"at byte {offset}, inside its header"):
        read_volume(path, "a")


def _reference(path, version, order, shape):
    image = _image(version, order, np.float32, shape, _turned())
    image.set_qform(_turned(21), 2)
    image.set_sform(_sheared(), 4)
    header = image.header
    header.set_xyzt_units("mm", "sec")
    header.set_dim_info(freq=1, phase=0, slice=2)
    header.set_intent("t test", (10,), name="an intent")
    header["slice_start"], header["slice_end"] = 1, 3
    header["slice_code"], header["slice_duration"], header["toffset"] = 1, 0.25, 1.5
    header["pixdim"][4:] = (2, 3, 4, 5)
    header["descrip"], header["aux_file"] = b"a scanner", b"a file"
    header["cal_min"], header["cal_max"] = 3, 77
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    return _save(path, image)


@pytest.mark.parametrize(("version", "order"), FORMS)
@pytest.mark.parametrize(
    ("shape", "name", "written_name"),
    [
        ((6, 7, 5), "mr.nii", "ct.nii"),
        ((6, 7, 5, 1), "mr.nii", "ct.nii.gz"),
        ((6, 7, 5), "mr.nii.gz", "ct.nii.gz"),
        ((6, 7, 5, 1, 1), "mr.nii.gz", "ct.nii"),
    ],
)
def test_a_written_header_is_the_references(tmp_path, version, order, shape, name, written_name):
    reference = _reference(tmp_path / name, version, order, shape)
    voxels = np.random.default_rng(1).integers(-1024, 3072, (6, 7, 5)).astype(np.int16)
    path = tmp_path / written_name
    write_like(path, voxels, reference, "a")
    before, after = _fields(reference), _fields(path)
    assert (type(after), after.endianness) == (type(before), order)
    for field in before.template_dtype.names:
        if field not in OWN_FIELDS:
            assert after[field].tobytes() == before[field].tobytes(), field
    assert after.get_data_dtype() == np.dtype(np.int16).newbyteorder(order)
    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj).reshape(6, 7, 5), voxels)
    assert image.shape == shape
    assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    assert len(image.header.extensions) == 0
    np.testing.assert_array_equal(read_volume(path, "a")[0], voxels)
    np.testing.assert_array_equal(read_header(path, "a")[1], read_header(reference, "a")[1])


@pytest.mark.parametrize("name", ["mr.nii", "mr.nii.gz"])
def test_the_patients_name_in_an_extension_is_not_carried_over(tmp_path, name):
    reference = _reference(tmp_path / name, 1, "<", (6, 7, 5))
    path = tmp_path / "ct.nii"
    write_like(path, np.zeros((6, 7, 5), np.int16), reference, "a")
    assert b"Jane Doe" not in path.read_bytes()


def test_the_same_volume_is_the_same_file(tmp_path, monkeypatch):
    reference = _reference(tmp_path / "mr.nii.gz", 1, "<", (6, 7, 5))
    voxels = np.arange(210, dtype=np.int16).reshape(6, 7, 5)
    (tmp_path / "elsewhere").mkdir()
    paths = [tmp_path / "ct.nii.gz", tmp_path / "elsewhere" / "other.nii.gz"]
    for path, now in zip(paths, (1e9, 1.5e9), strict=True):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_like(path, voxels, reference, "a")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_volumes_of_another_shape_or_format_are_not_written(tmp_path):
    reference = _save(tmp_path / "mr.nii", _image())
    with pytest.raises(ValueError, match=r"shape of.*\(6, 7, 5\).*\(6, 5, 7\)"):
        write_like(tmp_path / "ct.nii", np.zeros((6, 5, 7), np.int16), reference, "a")
    with pytest.raises(ValueError, match="same ending"):
        write_like(tmp_path / "ct.mha", np.zeros((6, 7, 5), np.int16), reference, "a")
    assert not list(tmp_path.glob("ct.*"))


def test_a_header_is_read_without_its_voxels(tmp_path, monkeypatch):
    path = _save(tmp_path / "mr.nii.gz", _image())
    monkeypatch.setattr(nifti, "ArrayProxy", None)
    assert read_header(path, "a")[0] == (6, 7, 5)


def test_reading_leaves_nibabels_logger_alone(tmp_path):
    path = _save(tmp_path / "mr.nii", _image())
    before = list(nib.imageglobals.logger.handlers)
    read_volume(path, "a")
    assert before
    assert nib.imageglobals.logger.handlers == before
