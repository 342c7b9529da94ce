import gzip
import struct

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.volumes import read_header, read_volume

AFFINE = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 20], [0, 0, 2.5, -30], [0, 0, 0, 1]])


def _voxels(shape=(6, 7, 5), dtype=np.int16):
    return np.random.default_rng(0).integers(-1000, 1000, shape).astype(dtype)


def _save(path, voxels, affine=AFFINE, kind=nib.Nifti1Image):
    nib.save(kind(voxels, affine), path)
    return path


@pytest.mark.parametrize("name", ["mr.nii.gz", "mr.nii"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_reads_voxels_and_affine(tmp_path, name, kind):
    path = _save(tmp_path / name, _voxels(), kind=kind)
    volume, affine = read_volume(path, "a")
    np.testing.assert_array_equal(volume, _voxels())
    np.testing.assert_array_equal(affine, AFFINE)
    assert volume.dtype == np.float32
    shape, header_affine = read_header(path, "a")
    assert shape == (6, 7, 5)
    np.testing.assert_array_equal(header_affine, AFFINE)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_reads_every_real_type(tmp_path, dtype):
    voxels = np.abs(_voxels()) % 200
    path = _save(tmp_path / "mr.nii.gz", voxels.astype(dtype))
    np.testing.assert_array_equal(read_volume(path, "a")[0], voxels)


def test_applies_the_files_own_scaling(tmp_path):
    image = nib.Nifti1Image(_voxels(), AFFINE)
    image.header.set_slope_inter(1, 0)
    path = tmp_path / "ct.nii"
    nib.save(image, path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<ff", 0.5, -1024)
    path.write_bytes(raw)
    np.testing.assert_array_equal(read_volume(path, "a")[0], _voxels() * 0.5 - 1024)


@pytest.mark.parametrize("shape", [(6, 7, 5, 1), (6, 7, 5, 1, 1)])
def test_drops_trailing_axes_of_length_one(tmp_path, shape):
    path = _save(tmp_path / "mr.nii.gz", _voxels(shape))
    assert read_header(path, "a")[0] == (6, 7, 5)
    np.testing.assert_array_equal(read_volume(path, "a")[0], _voxels(shape).reshape(6, 7, 5))


def _refused(path, says):
    with pytest.raises(ValueError, match=says) as refusal:
        read_volume(path, "1BA012")
    message = str(refusal.value)
    assert "'1BA012'" in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 5, 2), (6, 7, 1, 5)])
def test_other_shapes_are_refused(tmp_path, shape):
    _refused(_save(tmp_path / "mr.nii.gz", _voxels(shape)), "one 3-D volume")


@pytest.mark.parametrize("dtype", [np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_complex_and_colour_are_refused(tmp_path, dtype):
    _refused(_save(tmp_path / "mr.nii.gz", np.zeros((4, 4, 4), dtype)), "real numbers")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_voxels_not_finite_in_float32_are_refused(tmp_path, bad):
    voxels = _voxels(dtype=np.float64)
    voxels[1, 2, 3] = bad
    _refused(_save(tmp_path / "mr.nii.gz", voxels), "finite in every voxel.*: 1 NaN")


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_affine_that_does_not_span_space_is_refused(tmp_path, value):
    path = _save(tmp_path / "mr.nii", _voxels())
    raw = bytearray(path.read_bytes())
    # The first row of the sform.
    raw[280:296] = struct.pack("<ffff", value, 0, 0, 10)
    path.write_bytes(raw)
    _refused(path, "invertible affine")


def test_missing_file_is_refused(tmp_path):
    _refused(tmp_path / "mr.nii.gz", "missing")
    (tmp_path / "ct.nii.gz").mkdir()
    _refused(tmp_path / "ct.nii.gz", "missing")


@pytest.mark.parametrize("name", ["mr.nii.gz", "mr.nii"])
@pytest.mark.parametrize("content", [b"", b"not a volume", b"\x1f\x8b", bytes(400)])
def test_other_content_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    _refused(path, "whole NIfTI file")


def test_names_that_belie_the_compression_are_refused(tmp_path):
    plain = _save(tmp_path / "a.nii", _voxels())
    packed = _save(tmp_path / "b.nii.gz", _voxels())
    plain.rename(tmp_path / "mr.nii.gz")
    packed.rename(tmp_path / "ct.nii")
    _refused(tmp_path / "mr.nii.gz", "whole NIfTI file")
    _refused(tmp_path / "ct.nii", "whole NIfTI file")


@pytest.mark.parametrize("name", ["mr.nii.gz", "mr.nii"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.999])
def test_file_cut_short_is_refused(tmp_path, name, share):
    path = _save(tmp_path / name, _voxels((16, 16, 8)))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    _refused(path, "whole NIfTI file")


def test_damage_that_only_the_checksum_shows_is_refused(tmp_path):
    path = tmp_path / "mr.nii.gz"
    raw = _save(tmp_path / "plain.nii", _voxels((16, 16, 8))).read_bytes()
    # Stored, not deflated: a changed voxel leaves a stream that still unpacks.
    packed = bytearray(gzip.compress(raw, compresslevel=0))
    packed[len(packed) // 2] ^= 0x10
    path.write_bytes(packed)
    _refused(path, "whole NIfTI file.*CRC")


@pytest.mark.parametrize(
    ("offset", "packed"),
    [
        (40, struct.pack("<8h", 3, 30_000, 30_000, 30_000, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 3, -5, 7, 5, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 99, 6, 7, 5, 1, 1, 1, 1)),
        (70, struct.pack("<h", 12_345)),
        (108, struct.pack("<f", 1e9)),
        (108, struct.pack("<f", np.inf)),
        (108, struct.pack("<f", np.nan)),
        (112, struct.pack("<ff", 1, np.inf)),
    ],
    ids=[
        "huge",
        "negative",
        "99 axes",
        "type",
        "offset",
        "infinite offset",
        "no offset",
        "intercept",
    ],
)
@pytest.mark.parametrize("name", ["mr.nii.gz", "mr.nii"])
def test_damaged_header_is_refused(tmp_path, name, offset, packed):
    raw = bytearray(_save(tmp_path / "plain.nii", _voxels()).read_bytes())
    raw[offset : offset + len(packed)] = packed
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    _refused(path, "must ")


def test_random_damage_never_escapes_as_another_error(tmp_path):
    rng = np.random.default_rng(1)
    whole = _save(tmp_path / "whole.nii.gz", _voxels((8, 8, 4))).read_bytes()
    path = tmp_path / "mr.nii.gz"
    for _ in range(60):
        damaged = bytearray(whole)
        # Past gzip's own header, whose time stamp and flags carry no voxel.
        damaged[rng.integers(20, len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        _refused(path, "must ")


def test_reads_real_patients(sts):
    for path in sorted(sts.glob("*/*.nii.gz")):
        volume, affine = read_volume(path, path.parent.name)
        image = nib.load(path)
        np.testing.assert_array_equal(volume, np.asarray(image.dataobj))
        np.testing.assert_array_equal(affine, image.affine)
