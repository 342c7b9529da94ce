"""MetaImage: the same volume as SimpleITK reads, and as the same patient's NIfTI file holds."""

import sys
import zlib

import nibabel as nib
import numpy as np
import pytest

from robmednas_tf.data.volumes import read_header, read_volume, write_like

sitk = pytest.importorskip("SimpleITK")

SHAPE = (6, 7, 5)
SPACING = (0.9, 1.25, 3.0)
ORIGIN = (-12.5, 40.125, -7.0)


def _direction(kind):
    if kind == "own":
        return np.eye(3)
    if kind == "flipped":
        return np.diag([-1.0, -1.0, 1.0])
    if kind == "permuted":
        return np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    # Not symmetric, so that a transposed matrix cannot hide.
    return nib.eulerangles.euler2mat(0.4, -0.2, 0.3)


def _save(path, kind="turned", dtype=np.int16, packed=True, shape=SHAPE):
    voxels = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(_direction(kind).ravel().tolist())
    sitk.WriteImage(image, str(path), useCompression=packed)
    return voxels


KINDS = ("own", "flipped", "permuted", "turned")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_voxels_and_places_are_those_of_simpleitk(tmp_path, kind, packed):
    path = tmp_path / "mr.mha"
    voxels = _save(path, kind, packed=packed)
    volume, affine = read_volume(path, "a")
    np.testing.assert_array_equal(volume, voxels)
    assert volume.dtype == np.float32
    image = sitk.ReadImage(str(path))
    for place in ([0, 0, 0], [5, 0, 0], [0, 6, 0], [0, 0, 4], [2, 3, 1]):
        left, posterior, superior = image.TransformIndexToPhysicalPoint(place)
        expected = (-left, -posterior, superior)
        np.testing.assert_allclose(nib.affines.apply_affine(affine, place), expected, atol=1e-9)
    assert read_header(path, "a")[0] == SHAPE


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_volume_as_nifti_is_the_same(tmp_path, kind):
    _save(tmp_path / "mr.mha", kind)
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "mr.mha")), str(tmp_path / "mr.nii.gz"))
    (volume, affine), (same_volume, same_affine) = (
        read_volume(tmp_path / f"mr.{suffix}", "a") for suffix in ("mha", "nii.gz")
    )
    np.testing.assert_array_equal(volume, same_volume)
    # NIfTI's own numbers are of single precision.
    np.testing.assert_allclose(affine, same_affine, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_type_is_read(tmp_path, dtype, packed):
    voxels = _save(tmp_path / "mr.mha", dtype=np.dtype(dtype), packed=packed)
    np.testing.assert_array_equal(read_volume(tmp_path / "mr.mha", "a")[0], voxels)


def _text(data, **changes):
    """A file's bytes, its header's fields changed; None leaves a field out."""
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "1 1 2.5",
        "DimSize": "6 7 5",
        "ElementType": "MET_SHORT",
    }
    fields = fields | changes | {"ElementDataFile": changes.get("ElementDataFile", "LOCAL")}
    lines = (f"{name} = {value}\n" for name, value in fields.items() if value is not None)
    return "".join(lines).encode() + data


VOXELS = np.random.default_rng(3).integers(-1000, 1000, SHAPE).astype("<i2")
DATA = VOXELS.tobytes(order="F")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_big_endian_files_are_read(tmp_path, packed, name):
    data = VOXELS.astype(">i2").tobytes(order="F")
    data = zlib.compress(data) if packed else data
    order = {"BinaryDataByteOrderMSB": None, name: "True"}
    size = str(len(data)) if packed else None
    path = tmp_path / "mr.mha"
    path.write_bytes(_text(data, CompressedData=str(packed), CompressedDataSize=size, **order))
    np.testing.assert_array_equal(read_volume(path, "a")[0], VOXELS)


def test_spacing_is_not_the_extent_of_an_element(tmp_path):
    path = tmp_path / "mr.mha"
    path.write_bytes(_text(DATA, ElementSize="9 9 9"))
    np.testing.assert_array_equal(np.diag(read_volume(path, "a")[1]), [-1, -1, 2.5, 1])
    path.write_bytes(_text(DATA, ElementSize="3 4 5", ElementSpacing=None))
    np.testing.assert_array_equal(np.diag(read_volume(path, "a")[1]), [-3, -4, 5, 1])


def _refused(path, says):
    with pytest.raises(ValueError, match=says) as refusal:
        read_volume(path, "1BA012")
    message = str(refusal.value)
    assert "'1BA012'" in message
    assert str(path) in message
    assert "\n" not in message


PACKED = zlib.compress(DATA)
IS_PACKED = {"CompressedData": "True", "CompressedDataSize": str(len(PACKED))}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (_text(DATA[:-1]), "419 bytes of voxels instead of 420"),
        (_text(DATA + b"\0"), "421 bytes of voxels instead of 420"),
        (_text(DATA, DimSize="6 7 4"), "420 bytes of voxels instead of 336"),
        (_text(PACKED[:-1], **IS_PACKED), "say how long its compressed voxels are"),
        (_text(PACKED, CompressedData="True"), "say how long its compressed voxels are"),
        (_text(PACKED, **IS_PACKED | {"DimSize": "6 7 6"}), "420 bytes of voxels instead of 504"),
        (_text(PACKED, **IS_PACKED | {"DimSize": "6 7 4"}), "bytes of voxels instead of 336"),
        (_text(b"x" * len(PACKED), **IS_PACKED), "whole MetaImage"),
        (_text(PACKED[:-4] + b"abcd", **IS_PACKED), "whole MetaImage"),
        (_text(b"", ElementDataFile="mr.raw"), "hold its voxels itself"),
        (_text(DATA, BinaryData="False"), "hold its voxels itself"),
        (_text(DATA, CompressedData="yes"), "True or False"),
        (_text(DATA, ElementNumberOfChannels="2"), "one channel"),
        (_text(DATA, HeaderSize="12"), "right after its header"),
        (_text(DATA, ElementType="MET_UCHAR_ARRAY"), "real numbers"),
        (_text(DATA, NDims="2", DimSize="42 5"), "one 3-D volume"),
        (_text(DATA, DimSize="6 7 5 1"), "size and geometry"),
        (_text(DATA, DimSize="6 7 -5"), "size and geometry"),
        (_text(DATA, DimSize="6 7 0"), "one 3-D volume"),
        (_text(DATA, DimSize="6000 7000 5000"), "whole MetaImage"),
        (_text(DATA, ElementSpacing="1 1 0"), "must be positive"),
        (_text(DATA, ElementSpacing="1 1 nan"), "must be positive"),
        (_text(DATA, Offset="1 inf 0"), "must be finite"),
        (_text(DATA, Offset="1_0 0 0"), "size and geometry"),
        (_text(DATA, TransformMatrix="1 0 0 0 1 0 0 0 0"), "right angles"),
        (_text(DATA, TransformMatrix="1 0.2 0 0 1 0 0 0 1"), "right angles"),
        (_text(DATA, Origin="4 5 6"), "say each thing once"),
        (_text(DATA, ElementType=None), "real numbers"),
        (b"\n".join([_text(b"").rstrip(), DATA]).replace(b"LOCAL", b"LOC"), "voxels itself"),
        (b"ObjectType = Image\nNDims = 3\n", "be a MetaImage file"),
        (b"", "be a MetaImage file"),
    ],
)
def test_damage_is_refused(tmp_path, content, says):
    (tmp_path / "mr.mha").write_bytes(content)
    _refused(tmp_path / "mr.mha", says)


def test_a_file_like_those_that_are_damaged_is_read(tmp_path):
    path = tmp_path / "mr.mha"
    for content in (_text(DATA), _text(PACKED, **IS_PACKED)):
        path.write_bytes(content)
        np.testing.assert_array_equal(read_volume(path, "a")[0], VOXELS)


def test_without_simpleitk_the_remedy_is_named(tmp_path, monkeypatch):
    path = tmp_path / "mr.mha"
    _save(path)
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    # A header needs no library.
    assert read_header(path, "a")[0] == SHAPE
    _refused(path, r"pip install -e '\.\[itk\]'")
    with pytest.raises(ValueError, match=r"\[itk\]"):
        write_like(tmp_path / "ct.mha", np.zeros(SHAPE, np.int16), path, "a")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_written_volume_lies_where_its_reference_does(tmp_path, kind, packed):
    reference, path = tmp_path / "mr.mha", tmp_path / "ct.mha"
    _save(reference, kind, np.float32, packed)
    voxels = np.random.default_rng(1).integers(-1024, 3072, SHAPE).astype(np.int16)
    write_like(path, voxels, reference, "a")
    before, after = sitk.ReadImage(str(reference)), sitk.ReadImage(str(path))
    for geometry in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(after, geometry)() == getattr(before, geometry)()
    assert after.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayFromImage(after).T, voxels)
    np.testing.assert_array_equal(read_header(path, "a")[1], read_header(reference, "a")[1])
    again = tmp_path / "again.mha"
    write_like(again, voxels, reference, "a")
    assert again.read_bytes() == path.read_bytes()


def test_spacing_of_many_digits_is_kept_to_the_last(tmp_path):
    path = tmp_path / "mr.mha"
    spacing = "0.1 0.30000000000000004 0.97656249999999989"
    path.write_bytes(_text(DATA, ElementSpacing=spacing, Offset="-249.51171875 0.1 1e-07"))
    write_like(tmp_path / "ct.mha", np.zeros(SHAPE, np.int16), path, "a")
    before, after = (sitk.ReadImage(str(tmp_path / name)) for name in ("mr.mha", "ct.mha"))
    assert after.GetSpacing() == before.GetSpacing() == tuple(map(float, spacing.split()))
    assert after.GetOrigin() == before.GetOrigin()


def test_volumes_of_another_shape_or_folder_are_not_written(tmp_path):
    _save(tmp_path / "mr.mha")
    with pytest.raises(ValueError, match=r"shape of.*\(6, 7, 5\).*\(5, 7, 6\)"):
        write_like(tmp_path / "ct.mha", np.zeros((5, 7, 6), np.int16), tmp_path / "mr.mha", "a")
    with pytest.raises(OSError, match="cannot be written"):
        missing = tmp_path / "nowhere" / "ct.mha"
        write_like(missing, np.zeros(SHAPE, np.int16), tmp_path / "mr.mha", "a")
