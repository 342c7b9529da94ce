"""Files damaged in every way that a seed thinks of: read as their libraries do, or refused."""

import gzip
import json
import struct
import subprocess
import sys
import zlib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

SHAPE = (7, 6, 5)
DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)
NUM_FILES = {"NIfTI": 200, "MetaImage": 100}
# Of each, lest the damage be so great, or so slight, that nothing is tested.
LEAST_READ = {"NIfTI": 40, "MetaImage": 15}
LEAST_REFUSED = {"NIfTI": 90, "MetaImage": 60}

ABSURD_LENGTHS = (0, -1, 1, 2, 100, 32_767, -32_768)
ABSURD_NUMBERS = (0.0, -0.0, -1.0, np.nan, np.inf, -np.inf, 1e-40, 3e38, -3e38, 1.0)


def _voxels(rng, dtype):
    return rng.integers(0, 200, SHAPE).astype(dtype)


def _sound_nifti(rng):
    """Returns one sound file: its kind, byte order, bytes and the form of its header."""
    kind, order = rng.choice([nib.Nifti1Image, nib.Nifti2Image]), rng.choice(["<", ">"])
    header = kind.header_class(endianness=order)
    dtype = rng.choice(DTYPES)
    header.set_data_dtype(dtype)
    affine = np.diag([-1.5, 1.0, 2.5, 1.0])
    affine[:3, 3] = (10, -20, 30)
    if rng.integers(2):
        turn = nib.eulerangles.euler2mat(np.deg2rad(20))
        affine = nib.affines.from_matvec(turn) @ affine
    image = kind(_voxels(rng, dtype), affine, header)
    image.set_qform(affine, int(rng.integers(3)))
    image.set_sform(affine, int(rng.integers(3)))
    if rng.integers(3) == 0:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"a comment of a scanner"))
    raw = bytearray(image.to_bytes())
    dtype = kind.header_class.template_dtype.newbyteorder(order)
    return SimpleNamespace(kind=kind, order=order, raw=raw, dtype=dtype)


def _set(file, name, value, place=...):
    fields = np.frombuffer(file.raw, file.dtype, 1).copy()
    with np.errstate(all="ignore"):
        fields[name][0, ...][place] = value
    file.raw[: file.dtype.itemsize] = fields.tobytes()


def _get(file, name):
    return np.frombuffer(file.raw, file.dtype, 1)[name][0]


def _flip(rng, raw, start, stop, most=8):
    for _ in range(rng.integers(1, most + 1)):
        raw[rng.integers(start, stop)] ^= 1 << rng.integers(8)


def _flipped_header(rng, file):
    _flip(rng, file.raw, 0, file.dtype.itemsize + 4)


def _flipped_voxels(rng, file):
    _flip(rng, file.raw, int(_get(file, "vox_offset")), len(file.raw))


def _cut(rng, file):
    del file.raw[int(len(file.raw) * rng.choice([0, 0.1, 0.5, 0.9, 0.999])) :]


def _grown(rng, file):
    file.raw += rng.bytes(int(rng.integers(1, 50)))


def _dims(rng, file):
    place = rng.integers(0, 8)
    if place == 0:
        _set(file, "dim", rng.choice([0, 1, 2, 4, 5, 7, 8, -3, 1000]), 0)
    else:
        _set(file, "dim", rng.choice(ABSURD_LENGTHS), place)


def _huge(rng, file):
    big = [2**31 - 1, 2**40, 2**62] if file.kind is nib.Nifti2Image else [32_767, 1000, 200]
    _set(file, "dim", rng.choice(big), slice(1, 1 + rng.integers(1, 4)))


def _spacing(rng, file):
    _set(file, "pixdim", rng.choice(ABSURD_NUMBERS), rng.integers(0, 4))


def _rows(rng, file):
    name = rng.choice(["srow_x", "srow_y", "srow_z"])
    _set(file, name, rng.choice(ABSURD_NUMBERS), rng.integers(0, 4))
    _set(file, "sform_code", rng.integers(0, 3))


def _quaternion(rng, file):
    name = rng.choice(["quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_z"])
    _set(file, name, rng.choice([*ABSURD_NUMBERS, 5.0, 0.9]))
    _set(file, "qform_code", rng.integers(0, 3))
    _set(file, "sform_code", rng.integers(0, 2))


def _codes(rng, file):
    _set(file, rng.choice(["qform_code", "sform_code"]), rng.choice([-1, 0, 4, 5, 6, 32_767]))


def _type(rng, file):
    code = rng.choice([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1792, 12_345])
    _set(file, "datatype", code)
    if rng.integers(2):
        _set(file, "bitpix", rng.choice([0, 1, 8, 16, 32, 64, -8]))


def _offset(rng, file):
    values = [0, 1, 100, 348, 351, 352, 353, 368, 540, 544, 560, 1e6, -16, -1]
    _set(file, "vox_offset", rng.choice(values))


def _infinite_offset(rng, file):
    value = 2**62 if file.kind is nib.Nifti2Image else rng.choice([np.nan, np.inf, -np.inf, 3e38])
    _set(file, "vox_offset", value)


def _scaling(rng, file):
    _set(file, "scl_slope", rng.choice([*ABSURD_NUMBERS, 0.5]))
    _set(file, "scl_inter", rng.choice([0.0, 0.0, -1024.0, np.nan, np.inf, 3e38]))


def _magic(rng, file):
    choice = rng.integers(3)
    if choice == 0:
        _set(file, "magic", rng.choice([b"ni1", b"n+2", b"ni2", b"n+1", b"", b"\xff\xff\xff"]))
    elif choice == 1:
        _set(file, "sizeof_hdr", rng.choice([0, 348, 540, -1, 1_543_569_408, 469_893_120]))
    else:
        file.raw[:] = rng.bytes(len(file.raw))


def _extensions(rng, file):
    """Puts something that passes for an extension between header and voxels."""
    start = file.dtype.itemsize
    stop = int(_get(file, "vox_offset"))
    voxels = bytes(file.raw[stop:])
    size = rng.choice([0, 1, 8, 15, 16, 17, 32, 48, 1000, 2**31 - 1, 2**31 - 16, -1, -16, -(2**31)])
    code = rng.choice([0, 2, 4, 6, 32, 999, -1])
    extension = struct.pack(file.order + "2i", size, code) + rng.bytes(int(rng.integers(8, 60)))
    room = -(-len(extension) // 16) * 16
    flag = rng.choice([1, 1, 1, 2, 255])
    file.raw[start:] = bytes([flag, 0, 0, 0]) + extension.ljust(room, b"\0") + voxels
    _set(file, "vox_offset", start + 4 + room + rng.choice([0, 0, 0, 16, -16]))


def _kept(rng, file):
    """Leaves a sound file, so that the comparison has work to do."""


NIFTI_DAMAGE = (
    *(_flipped_header, _flipped_header, _flipped_voxels, _cut, _grown, _dims, _huge, _spacing),
    *(_rows, _quaternion, _codes, _type, _offset, _infinite_offset, _scaling, _magic, _extensions),
    *(_extensions, _kept),
)


def _packed(rng, raw):
    return gzip.compress(bytes(raw), int(rng.integers(0, 10)), mtime=0)


def _gz_flipped(rng, raw):
    packed = bytearray(_packed(rng, raw))
    _flip(rng, packed, 0, len(packed), 2)
    return packed


def _gz_head_flipped(rng, raw):
    packed = bytearray(_packed(rng, raw))
    _flip(rng, packed, 0, 10, 2)
    return packed


def _gz_stored_flipped(rng, raw):
    packed = bytearray(gzip.compress(bytes(raw), 0))
    _flip(rng, packed, 15, len(packed), 1)
    return packed


def _gz_cut(rng, raw):
    packed = _packed(rng, raw)
    return packed[: len(packed) - int(rng.choice([1, 4, 8, 20, len(packed) // 2, len(packed) - 3]))]


def _gz_followed(rng, raw):
    return _packed(rng, raw) + rng.choice([bytes(100), b"garbage", b"\x1f\x8b", b"\x1f\x8b\x08\0"])


def _gz_twice(rng, raw):
    return _packed(rng, raw) + _packed(rng, rng.bytes(50))


def _gz_in_parts(rng, raw):
    middle = int(rng.integers(1, len(raw)))
    return _packed(rng, raw[:middle]) + _packed(rng, raw[middle:])


GZ_DAMAGE = (
    *(_gz_flipped, _gz_flipped, _gz_head_flipped, _gz_stored_flipped, _gz_cut, _gz_followed),
    *(_gz_twice, _gz_in_parts),
)


def _nifti(rng):
    """Returns a damaged file's recipe, ending and bytes."""
    file = _sound_nifti(rng)
    recipe = f"{file.kind.__name__}{file.order}"
    if rng.integers(4):
        damage = NIFTI_DAMAGE[rng.integers(len(NIFTI_DAMAGE))]
        damage(rng, file)
        recipe += damage.__name__
        if rng.integers(2):
            return recipe, ".nii", bytes(file.raw)
        return recipe, ".nii.gz", _packed(rng, file.raw)
    damage = GZ_DAMAGE[rng.integers(len(GZ_DAMAGE))]
    return recipe + damage.__name__, ".nii.gz", bytes(damage(rng, file.raw))


TURNS = ("1 0 0 0 1 0 0 0 1", "0 1 0 -1 0 0 0 0 1", "0.8 0.6 0 -0.6 0.8 0 0 0 1")
TEXTS = (
    *("", "0", "-1", "nan", "inf", "1e400", "1_0", "0x10", "True", "true", "1", "False", "LOCAL"),
    *("local", "a.raw", "LIST", "1 1", "1 1 1 1", "1,1,1", "9" * 30, "7.5 6 5", "\x85\x1b[31m"),
    *(
        "1 1 0",
        "1 1 -1",
        "3e38 3e38 3e38",
        "7 6 5",
        "5 6 7",
        "7 6 100000",
        "MET_UCHAR",
        "x" * 70_000,
    ),
)
META_TYPES = {
    np.uint8: "MET_UCHAR",
    np.int16: "MET_SHORT",
    np.uint16: "MET_USHORT",
    np.int32: "MET_INT",
    np.float32: "MET_FLOAT",
    np.float64: "MET_DOUBLE",
}


def _metaimage(rng):
    """Returns a damaged file's recipe, ending and bytes."""
    dtype = rng.choice(DTYPES)
    big = bool(rng.integers(2))
    voxels = _voxels(rng, dtype).astype(np.dtype(dtype).newbyteorder(">" if big else "<"))
    data = voxels.tobytes(order="F")
    packed = bool(rng.integers(2))
    data = zlib.compress(data, int(rng.integers(0, 10))) if packed else data
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(big),
        "CompressedData": str(packed),
        **({"CompressedDataSize": str(len(data))} if packed else {}),
        "TransformMatrix": str(rng.choice(TURNS)),
        "Offset": "-10.5 20.25 1e1",
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "1.5 1 2.5",
        "DimSize": "7 6 5",
        "ElementType": META_TYPES[dtype],
        "ElementDataFile": "LOCAL",
    }
    damage = rng.choice(META_DAMAGE)
    return f"mha{'z' * packed}{damage.__name__}", ".mha", bytes(damage(rng, fields, data))


def _mha(fields, data, mark=" = ", end="\n"):
    lines = [f"{name}{mark}{value}{end}" for name, value in fields.items()]
    return bytearray("".join(lines).encode("latin-1") + data)


def _mha_kept(rng, fields, data):
    return _mha(fields, data)


def _mha_text(rng, fields, data):
    name = rng.choice(list(fields))
    return _mha(fields | {str(name): str(rng.choice(TEXTS))}, data)


def _mha_number(rng, fields, data):
    name = str(rng.choice(["TransformMatrix", "Offset", "ElementSpacing", "DimSize"]))
    words = fields[name].split()
    words[rng.integers(len(words))] = str(rng.choice(["0", "-1", "nan", "inf", "1e300", "8", "x"]))
    return _mha(fields | {name: " ".join(words)}, data)


def _mha_missing(rng, fields, data):
    del fields[str(rng.choice(list(fields)))]
    return _mha(fields, data)


def _mha_besides(rng, fields, data):
    """Adds a field, which may say again, or otherwise, what another says."""
    more = [
        ("ElementSize", "9 9 9"),
        ("Position", "1 2 3"),
        ("Origin", "1 2 3"),
        ("Orientation", TURNS[1]),
        ("Rotation", TURNS[1]),
        ("HeaderSize", "4"),
        ("HeaderSize", "-1"),
        ("ElementNumberOfChannels", "2"),
        ("ElementByteOrderMSB", "True"),
        ("ElementToIntensityFunctionSlope", "2"),
        ("Comment", "Offset = 1 2 3"),
    ]
    name, value = more[rng.integers(len(more))]
    place = rng.integers(1, len(fields))
    items = list(fields.items())
    return _mha(dict([*items[:place], (name, value), *items[place:]]), data)


def _mha_twice(rng, fields, data):
    name = str(rng.choice(["Offset", "ElementSpacing", "DimSize", "CompressedData"]))
    again = {"Offset": "1 2 3", "ElementSpacing": "1 2 3", "DimSize": "6 7 5"}.get(name, "False")
    lines = _mha(fields, b"").decode("latin-1").splitlines(keepends=True)
    lines.insert(rng.integers(1, len(lines)), f"{name} = {again}\n")
    return "".join(lines).encode("latin-1") + data


def _mha_form(rng, fields, data):
    return _mha(
        fields, data, str(rng.choice([" = ", "=", ": ", " =  "])), str(rng.choice(["\n", "\r\n"]))
    )


def _mha_head_flipped(rng, fields, data):
    raw = _mha(fields, data)
    _flip(rng, raw, 0, len(raw) - len(data), 3)
    return raw


def _mha_flipped(rng, fields, data):
    raw = _mha(fields, data)
    _flip(rng, raw, len(raw) - len(data), len(raw), 1)
    return raw


def _mha_cut(rng, fields, data):
    raw = _mha(fields, data)
    return raw[: len(raw) - int(rng.choice([1, 4, 30, len(data), len(raw) // 2, len(raw)]))]


def _mha_followed(rng, fields, data):
    return _mha(fields, data + rng.bytes(10))


def _mha_size(rng, fields, data):
    return _mha(
        fields | {"CompressedDataSize": str(len(data) + rng.choice([-20, -1, 1, 20]))}, data
    )


META_DAMAGE = (
    *(_mha_kept, _mha_text, _mha_text, _mha_text, _mha_number, _mha_number, _mha_missing),
    *(_mha_besides, _mha_twice, _mha_form, _mha_head_flipped, _mha_head_flipped, _mha_flipped),
    *(_mha_cut, _mha_followed, _mha_size),
)


def _read_all(paths):
    """Reads the files in processes; a process's death is the outcome of the file it was at."""
    outcomes = {}
    while left := [path for path in paths if path not in outcomes]:
        listed = Path(left[0]).with_name("paths.json")
        listed.write_text(json.dumps(left))
        worker = [sys.executable, str(Path(__file__).with_name("read_within_limits.py"))]
        run = subprocess.run([*worker, str(listed)], capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        begun = [line["begun"] for line in lines if "begun" in line]
        ended = [line for line in lines if "begun" not in line]
        outcomes |= dict(zip(begun, ended, strict=False))
        if run.returncode:
            assert begun, run.stderr
            outcomes[begun[-1]] = {"error": f"process ended with {run.returncode}", "noise": []}
    return outcomes


def _faults(path, outcome):
    """Yields what is wrong with how one file was read or refused."""
    yield from (f"it said {text!r}" for text in outcome["noise"])
    if "error" not in outcome:
        yield from (
            f"{what} differ from the library's"
            for what in ("voxels", "affine")
            if not outcome.get(f"same_{what}")
        )
    elif outcome["error"] != "ValueError":
        yield f"{outcome['error']}: {outcome.get('message')}"
    else:
        message = outcome["message"]
        if len(message.splitlines()) != 1 or not message.isprintable() or len(message) > 1000:
            yield f"not one line: {message[:2000]!r}"
        if path not in message or "'1BA012'" not in message:
            yield f"file or subject is not named: {message!r}"
        if "MemoryError" in message:
            yield f"it asked for more memory than there is: {message!r}"


@pytest.mark.parametrize("kind", ["NIfTI", "MetaImage"])
def test_damaged_files_are_read_as_their_library_does_or_refused(tmp_path, kind):
    if kind == "MetaImage" and find_spec("SimpleITK") is None:
        pytest.skip("SimpleITK is not installed.")
    make = {"NIfTI": _nifti, "MetaImage": _metaimage}[kind]
    recipes = {}
    for number in range(NUM_FILES[kind]):
        recipe, suffix, content = make(np.random.default_rng([number, 2024]))
        path = tmp_path / f"{number:03d}{suffix}"
        path.write_bytes(content)
        recipes[str(path)] = recipe
    outcomes = _read_all(list(recipes))
    faults = [
        f"{recipe} (number {Path(path).name}): {fault}"
        for path, recipe in recipes.items()
        for fault in _faults(path, outcomes[path])
    ]
    assert not faults, "\n".join(faults)
    counts = Counter("error" in outcome for outcome in outcomes.values())
    print(f"{kind}: {counts[False]} read, {counts[True]} refused")
    assert counts[False] >= LEAST_READ[kind]
    assert counts[True] >= LEAST_REFUSED[kind]
