"""A cohort's page, table and thumbnails, from examinations made up here."""

import base64
import csv
import io

import numpy as np
import pytest
from matplotlib.image import imread

from robmednas_tf.examination.subject import Examination, Finding
from robmednas_tf.examination.thumbnail import Thumbnail
from robmednas_tf.report import cohort_wording as wording
from robmednas_tf.report.cohort import CohortReport, write_cohort_csv, write_cohort_report
from robmednas_tf.report.cohort_wording import TIMES, UNKNOWN
from robmednas_tf.report.strip import strip_uri

from .pages import read_page


def disc(rows, columns, radius):
    x, y = np.indices((rows, columns))
    return (x - rows / 2) ** 2 + (y - columns / 2) ** 2 < radius**2


def thumbnail(noise=0, on_one_grid=True):
    rng = np.random.default_rng(0)
    inside = disc(200, 160, 70)
    image = (120 * inside + rng.integers(0, noise + 1, inside.shape)).astype(np.uint8)
    return Thumbnail(image, image, inside, disc(200, 160, 60), on_one_grid)


def sound(name, **others):
    return Examination(
        name,
        **{
            "shape": (160, 200, 40),
            "axes": "RAS",
            "spacing_mm": (1.0, 1.0, 3.27),
            "oblique_degrees": 0.04,
            "num_slices": 40,
            "plane": (200, 160),
            "mr_range": (0.0, 1234.0),
            "ct_range_hu": (-1024.0, 1500.5),
            "body_fraction": 0.42,
            "mr_body_fraction": 0.4,
            "outline_dice": 0.98123456789,
            "num_differing_slices": 0,
            "has_mask": True,
            "mask_dice": 0.99,
            "cropped": dict.fromkeys((64, 96, 128, 160, 192), 0.25) | {256: 0.0},
            "thumbnail": thumbnail(),
            **others,
        },
    )


ERROR = Finding("error", "MR of subject '<b>x' (/a/b.nii) must not be constant. Received: 7.")
WARNING = Finding("warning", "Only 6 axial slices: check that the volume is whole.")


@pytest.fixture
def report(monkeypatch):
    monkeypatch.setattr("robmednas_tf.examination.comparison.IMAGE_SIZES", (128, 192, 256))
    examinations = [
        sound("fine"),
        sound("strange", findings=(WARNING,)),
        Examination("<b>x", findings=(ERROR, WARNING)),
    ]
    return CohortReport("brain", examinations, ["Spacings & all"], "python x", {"data": "here"})


def test_the_page_tells_everything_the_worst_first(tmp_path, report):
    write_cohort_report(tmp_path / "cohort.html", report)
    page = read_page(tmp_path / "cohort.html")
    assert "1 of 3 subjects breaks a rule" in page.text
    assert "1 more is strange enough" in page.text
    assert "Spacings & all" in page.text
    rows = page.table("Subject")
    assert [row[0] for row in rows[1:]] == ["<b>x", "strange", "fine"]
    assert rows[1][1:] == ["1 error, 1 warning", UNKNOWN, "no mask", *[UNKNOWN] * 8]
    assert rows[3][1:] == [
        *(
            "sound",
            "0.981",
            "0.990",
            f"40 {TIMES} 200 {TIMES} 160",
            f"1 {TIMES} 1 {TIMES} 3.27",
            "0 to 1234",
        ),
        *("-1024 to 1500", "40 %", "42 %", "RAS", "0.0°"),
    ]
    assert page.table("Finding")[1:] == [
        ["MR must not be constant", "error", "1", "<b>x"],
        ["Only … axial slices", "warning", "2", "<b>x, strange"],
    ]
    assert page.table("Slices")[1:] == [
        [f"128 {TIMES} 128", "2 of 3", "25.0 % of its body (fine)"],
        [f"192 {TIMES} 192", "2 of 3", "25.0 % of its body (fine)"],
        [f"256 {TIMES} 256", "0 of 3", "nothing"],
    ]
    assert f"The largest plane is 200 {TIMES} 160 pixels (fine)" in page.text
    for finding in (ERROR, WARNING):
        assert f"{finding.severity}: {finding.text}" in page.text
    assert len(page.images) == 2
    assert "No volume could be shown." in page.text
    assert "Networks and synthetic CT" not in page.text and "as PNG and SVG" not in page.text


def test_the_page_is_the_same_for_the_same_values(tmp_path, report):
    for name in ("a", "b"):
        write_cohort_report(tmp_path / name, report)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_cohort_without_findings_has_no_alarm(tmp_path):
    write_cohort_report(tmp_path / "p", CohortReport("brain", [sound("a")], [], "python x"))
    page = read_page(tmp_path / "p")
    assert "The only subject can be used: no rule is broken. Nothing is strange." in page.text
    assert "findings" not in page.ids
    assert 'class="lead"' in (tmp_path / "p").read_text()


def test_three_hundred_subjects_fit_into_twenty_megabytes(tmp_path):
    # As noisy as MR and CT of patients are, in grey levels of 256.
    cohort = [sound(f"s{number:03d}", thumbnail=thumbnail(noise=25)) for number in range(300)]
    write_cohort_report(tmp_path / "p", CohortReport("brain", cohort, [], "python x"))
    assert (tmp_path / "p").stat().st_size < 20e6


def test_the_csv_has_a_row_a_subject_and_units_in_its_names(tmp_path, report):
    write_cohort_csv(tmp_path / "cohort.csv", report.examinations)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cohort.csv").read_text())))
    assert [row["subject"] for row in rows] == ["fine", "strange", "<b>x"]
    fine, broken = rows[0], rows[2]
    assert fine["spacing_foot_head_mm"] == "3.27"
    assert (fine["shape_x"], fine["rows"], fine["columns"]) == ("160", "200", "160")
    assert (fine["ct_min_hu"], fine["ct_max_hu"], fine["outline_dice"]) == (
        *("-1024.0", "1500.5", "0.981235"),
    )
    assert (fine["has_mask"], broken["has_mask"], broken["mr_min"]) == ("1", "0", "")
    assert (broken["num_errors"], broken["num_warnings"]) == ("1", "1")
    assert broken["findings"] == f"error: {ERROR.text} | warning: {WARNING.text}"


def pixels(shown):
    uri = strip_uri(shown)
    return imread(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def colour(strip, rgb):
    return np.all(np.abs(strip[..., :3] - np.array(rgb) / 255) < 0.01, axis=-1) & (
        strip[..., 3] == 1
    )


CT_RGB, MR_RGB = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)


def test_a_strip_shows_mr_ct_and_both_outlines():
    strip = pixels(thumbnail())
    assert strip.shape == (200, 608, 4)
    # Tiles of 160 columns in places of 200, with gaps of 4.
    mr, ct, overlay = (strip[:, left + 20 : left + 180] for left in (0, 204, 408))
    for tile in (mr, ct):
        assert tile[100, 80, 0] == pytest.approx(120 / 255, abs=0.02)
        assert tile[2, 2, 0] == 0 and tile[2, 2, 3] == 1
    assert strip[:, 200:204, 3].max() == 0
    for rgb, radius in ((CT_RGB, 60), (MR_RGB, 70)):
        assert not colour(mr, rgb).any() and not colour(ct, rgb).any()
        rows, columns = np.nonzero(colour(overlay, rgb))
        distances = np.hypot(rows - 100, columns - 80)
        assert len(rows) > 100
        assert np.abs(distances - radius).max() < 2


def test_outlines_of_different_grids_are_not_laid_over_each_other():
    overlay = pixels(thumbnail(on_one_grid=False))[:, 408:]
    assert colour(overlay, MR_RGB).any() and not colour(overlay, CT_RGB).any()


def test_a_strip_without_an_mr_shows_the_ct_alone():
    shown = thumbnail()
    strip = pixels(Thumbnail(ct=shown.ct, ct_outline=shown.ct_outline))
    assert strip[:, :204, 3].max() == 0 and strip[:, 404:, 3].max() == 0
    assert strip[:, 224:384, 3].min() == 1
    assert strip_uri(Thumbnail()) == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "MR and CT of subject '1' must share one voxel grid. Received: mr (1, 2).",
            "MR and CT must share one voxel grid",
        ),
        (
            "File '/a/it\\'s.nii' of subject 'b: c' must be NIfTI. Received: x.",
            "File must be NIfTI",
        ),
        ("CT of subject 'x' (/a) must be in HU: minimum in -10000..-500.", "CT must be in HU"),
        ("Oblique by 29 degrees: its slices", "Oblique by … degrees"),
        ("MR has negative values, down to -3: it", "MR has negative values"),
        ("The body fills 99.9 % of the CT: air", "The body fills … % of the CT"),
        (
            "CT: sform and qform disagree by up to 3 mm; the",
            "CT: sform and qform disagree by up to … mm",
        ),
        ("File '/a' must hold one 3-D volume. Received: x", "File must hold one 3-D volume"),
    ],
)
def test_the_kind_of_a_finding_has_no_names_and_numbers(text, kind):
    assert wording.kind(text) == kind
