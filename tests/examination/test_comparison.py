"""Subjects of a cohort side by side: what only the others tell of one."""

from robmednas_tf.data.cohort import open_folder
from robmednas_tf.examination import comparison
from robmednas_tf.examination.subject import Examination


def sound(name, **figures):
    usual = {"spacing_mm": (1.0, 1.0, 2.0), "mr_digest": name, "ct_digest": f"{name}, CT"}
    return Examination(name, **usual | figures)


def test_one_mr_under_two_names_is_an_error_of_both():
    first, second, third = comparison.compare_subjects(
        [sound("a", mr_digest="x"), sound("b", mr_digest="x"), sound("c")]
    )
    assert "same MR as 'b'" in first.errors[0]
    assert "same MR as 'a'" in second.errors[0]
    assert third.findings == ()


def test_two_mrs_of_one_ct_are_an_error_of_both():
    first, second = comparison.compare_subjects(
        [sound("t1", ct_digest="x"), sound("t2", ct_digest="x")]
    )
    assert "'t1' holds the same CT as 't2'" in first.errors[0]
    assert "'t2' holds the same CT as 't1'" in second.errors[0]


def test_a_spacing_far_from_the_median_is_told_of_the_subject_and_of_the_cohort():
    cohort = [sound("a"), sound("b"), sound("c", spacing_mm=(1.0, 1.0, 5.0))]
    a, b, c = comparison.compare_subjects(cohort)
    assert (a.findings, b.findings) == ((), ())
    assert c.warnings == ("Spacing from foot to head is 5 mm, where the cohort's median is 2 mm.",)
    (text,) = comparison.cohort_warnings(cohort)
    assert "2 to 5 mm foot to head" in text and "--spacing_mm=0,0,2 " in text
    assert comparison.cohort_warnings(cohort[:2]) == []


def test_crops_end_with_the_first_size_that_cuts_nothing():
    shares = dict.fromkeys((64, 96, 128, 160, 192, 256, 320, 384, 512), 0.0)
    cohort = [sound("a", cropped={**shares, 64: 0.5, 96: 0.1}), sound("b", cropped=shares)]
    assert [
        (crop.image_size, crop.names, crop.worst, crop.share) for crop in comparison.crops(cohort)
    ] == [(64, ("a",), "a", 0.5), (96, ("a",), "a", 0.1), (128, (), "", 0.0)]
    assert comparison.crops([sound("c")]) == []


def test_folders_without_a_subject_are_named(cohort_folder):
    (cohort_folder / "1BX000").mkdir()
    (text,) = comparison.folders_left_out(cohort_folder, open_folder(cohort_folder))
    assert ": 1BX000. " in text
    (cohort_folder / "1BX000").rename(cohort_folder.parent / "1BX000")
    # Also beside subjects that lie deeper.
    nested = cohort_folder.parent / "Task1"
    nested.mkdir()
    cohort_folder.rename(nested / "brain")
    (cohort_folder.parent / "1BX000").rename(nested / "brain" / "1BX000")
    (text,) = comparison.folders_left_out(nested, open_folder(nested))
    assert ": brain/1BX000. " in text
