import re

import pytest

from robmednas_tf.data.cohort import open_folder
from robmednas_tf.data.manifest import read_manifest
from robmednas_tf.data.preprocessing import Preprocessing

LINES = (
    "subject,mr,ct,mask,split",
    "a,a/mr.nii,a/ct.nii,a/mask.nii,train",
    "b,b/1.mha,b/2.mha,,test",
)


def _write(tmp_path, *lines, end="\n", encoding="utf-8"):
    path = tmp_path / "cohort.csv"
    path.write_bytes(end.join([*lines, ""]).encode(encoding))
    return path


def _found(path):
    manifest = read_manifest(path)
    folder = path.parent
    files = [
        {role: file.relative_to(folder).as_posix() for role, file in subject.files().items()}
        for subject in manifest.subjects
    ]
    return [subject.name for subject in manifest.subjects], files, dict(manifest.split)


EXPECTED = (
    ["a", "b"],
    [
        {"mr": "a/mr.nii", "ct": "a/ct.nii", "mask": "a/mask.nii"},
        {"mr": "b/1.mha", "ct": "b/2.mha"},
    ],
    {"a": "train", "b": "test"},
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spreadsheets_forms_of_one_list_are_one_list(tmp_path, end, encoding):
    assert _found(_write(tmp_path, *LINES, end=end, encoding=encoding)) == EXPECTED


@pytest.mark.parametrize(
    "lines",
    [
        (LINES[0], "", LINES[1], ",,,,", " , ,", LINES[2], ""),
        (" subject , mr , ct , mask , split ", *(line.replace(",", " , ") for line in LINES[1:])),
        (
            "split,ct,mask,mr,subject",
            "train,a/ct.nii,a/mask.nii,a/mr.nii,a",
            "test,b/2.mha,,b/1.mha,b",
        ),
        (LINES[0], '"a","a/mr.nii",a/ct.nii,"a/mask.nii",train', LINES[2]),
    ],
    ids=["blank lines", "spaces", "another order", "quotes"],
)
def test_lines_say_the_same_in_other_forms(tmp_path, lines):
    assert _found(_write(tmp_path, *lines)) == EXPECTED


def test_values_with_commas_are_quoted(tmp_path):
    path = _write(tmp_path, "subject,mr,ct", '"Doe, J","x, y/mr.nii",ct.nii')
    assert _found(path) == (["Doe, J"], [{"mr": "x, y/mr.nii", "ct": "ct.nii"}], {})


def test_names_beyond_ascii_are_kept(tmp_path):
    assert _found(_write(tmp_path, "subject,mr,ct", "Żółw,Müller/mr.nii,ct.nii"))[0] == ["Żółw"]


def test_paths_are_the_manifests_own_or_absolute(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = _write(elsewhere, "subject,mr,ct", f"a,../mr.nii,{tmp_path}/ct.nii")
    monkeypatch.chdir(tmp_path)
    (subject,) = read_manifest(path).subjects
    assert subject.files()["mr"].resolve() == tmp_path / "mr.nii"
    assert subject.files()["ct"] == tmp_path / "ct.nii"


def test_columns_may_be_left_out_or_empty(tmp_path):
    assert read_manifest(_write(tmp_path, "subject,mr,ct", "a,1,2")).split == {}
    assert read_manifest(_write(tmp_path, "subject,mr,ct,split", "a,1,2,")).split == {}
    # A line that ends early says nothing of the columns after.
    assert read_manifest(_write(tmp_path, "subject,mr,ct,mask", "a,1,2")).subjects[0].mask is None


def test_settings_reach_every_subject(tmp_path):
    preprocessing = Preprocessing("mask", (1.0, 1.0, 1.0))
    for subject in read_manifest(_write(tmp_path, *LINES), -1000.0, preprocessing).subjects:
        assert (subject.ct_bias, subject.preprocessing) == (-1000.0, preprocessing)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "Received: none"),
        (("subject,mr",), "Received: subject,mr."),
        (("subject;mr;ct", "a;1;2"), "Received: subject;mr;ct."),
        (("subject,mr,ct,age", "a,1,2,30"), "Received: subject,mr,ct,age."),
        (("subject,mr,ct,mr", "a,1,2,3"), "Received: subject,mr,ct,mr."),
        (("subject,mr,ct,", "a,1,2,"), "Received: subject,mr,ct,."),
        (("subject,mr,ct",), "must list subjects. Received: none"),
        (("subject,mr,ct", "a,1,2", "b,,2"), "Line 3.*Missing: mr."),
        (("subject,mr,ct", "a,1,2", "", "b,1"), "Line 4.*Missing: ct."),
        (("subject,mr,ct", ",1,2"), "Line 2.*Missing: subject."),
        (("subject,mr,ct", "a,1,2,3"), "Line 2.*Received: more. Quote"),
        (("subject,mr,ct", "a,1,2", "b,1,2", "a,3,4"), "each subject once. Received twice: a."),
        (("subject,mr,ct,split", "a,1,2,train", "b,1,2,"), "Line 3.*'b'.*Received: ''"),
        (("subject,mr,ct,split", "a,1,2,training"), "Line 2.*'a'.*Received: 'training'"),
        (("subject,mr,ct,split", "a,1,2,Train"), "Line 2.*train, validation, test.*'Train'"),
    ],
)
def test_other_lists_are_refused_with_their_line(tmp_path, lines, says):
    path = _write(tmp_path, *lines)
    with pytest.raises(ValueError, match=says) as refusal:
        read_manifest(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"\xff\xfes\0u\0b\0", b"subject,mr,ct\n\xe9,1,2\n", b"a\0b\n"])
def test_files_that_are_no_text_are_refused(tmp_path, content):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))) as refusal:
        read_manifest(path)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="cannot be read"):
        read_manifest(tmp_path / "missing.csv")


def test_a_manifest_opens_as_a_cohort(tmp_path, cohort_folder):
    names = ("1BB012", "1BA001", "1BC003")
    lines = [
        f"{name},brain/{name}/mr.nii.gz,brain/{name}/ct.nii.gz,{part}"
        for name, part in zip(names, ("test", "train", "validation"), strict=True)
    ]
    cohort = open_folder(_write(cohort_folder.parent, "subject,mr,ct,split", *lines))
    cohort.check()
    assert (cohort.name, cohort.names) == ("cohort", tuple(sorted(names)))
    assert cohort.split == {"1BB012": "test", "1BA001": "train", "1BC003": "validation"}
    assert cohort["1BA001"].read().mask is None


def test_a_file_that_is_not_there_is_named(tmp_path, cohort_folder):
    path = _write(tmp_path, "subject,mr,ct", "a,brain/1BA001/mr.nii.gz,brain/1BA001/missing.nii")
    with pytest.raises(ValueError, match=r"'a'.*missing\.nii.*is missing"):
        open_folder(path).check()


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", ".a"])
def test_names_that_are_paths_are_refused(tmp_path, name):
    path = tmp_path / "cohort.csv"
    path.write_text(f"subject,mr,ct\n{name},mr.nii,ct.nii\n")
    with pytest.raises(ValueError, match=r"Line 2 of manifest.*without slashes"):
        read_manifest(path)
