from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.evaluation.regions import REGIONS
from robmednas_tf.report.evaluation_captions import caption, power_phrase
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE
from robmednas_tf.report.evaluation_tables import MASK_METRICS, result_tables

from .evaluations import make_evaluation, with_scores

FGSM = "fgsm:0.06"


def _evaluation(num_models=3, num_subjects=7, attacks=(FGSM,), **changes):
    return make_evaluation(num_models, num_subjects, attacks, curves=(), num_slices=0, **changes)


def _cell(report, model, region, metric="dice", condition="clean"):
    for table in result_tables(report):
        for cell in table.cells:
            column = cell.column
            if (cell.model, column.region, column.metric, column.condition) == (
                model,
                region,
                metric,
                condition,
            ):
                return cell
    raise AssertionError("no such cell")


def _table(report, name):
    return next(table for table in result_tables(report) if table.name == name)


def test_cells_hold_mean_and_sample_sd_over_subjects():
    report = with_scores(
        _evaluation(num_subjects=3, boneless=()), "Baseline", "bone", dice=[0.7, 0.8, 0.9]
    )
    assert _cell(report, "Baseline", "bone").text == "0.800 ± 0.100"
    report = with_scores(report, "Baseline", "air", mae=[10.0, 20.0, 60.0])
    assert _cell(report, "Baseline", "air", "mae").text == "30.0 ± 26.5"


def test_undefined_subjects_are_left_out_of_mean_and_sd():
    cell = _cell(_evaluation(), "Baseline", "bone")
    values = [v for v in _evaluation().values("Baseline", "clean", "dice", "bone") if v == v]
    assert (cell.summary.num_defined, cell.summary.num_undefined) == (6, 1)
    assert cell.text == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("dice", (0.8, 0.9, 0.7), {"Baseline w/AT"}),
        ("mae", (80.0, 90.0, 70.0), {"RobMedNAS-R"}),
        # 0.8004 and 0.7996 are both printed as 0.800.
        ("dice", (0.8004, 0.7996, 0.79), {"Baseline", "Baseline w/AT"}),
        ("mae", (80.04, 79.96, 80.06), {"Baseline", "Baseline w/AT"}),
        ("dice", (math.nan, 0.5, 0.4), {"Baseline w/AT"}),
        ("mae", (math.nan, math.nan, math.nan), set()),
    ],
)
def test_best_is_judged_as_printed_and_by_the_metrics_direction(metric, values, best):
    report = _evaluation(num_subjects=2)
    for model, value in zip(report.model_names, values, strict=True):
        report = with_scores(report, model, "air", **{metric: [value, value]})
    # Better than all: never best.
    report = with_scores(report, LOOKUP_TABLE, "air", dice=[1.0, 1.0], mae=[0.0, 0.0])
    names = [*report.model_names, LOOKUP_TABLE]
    assert {name for name in names if _cell(report, name, "air", metric).is_best} == best


def test_a_single_model_is_best_of_nothing():
    cells = [cell for table in result_tables(_evaluation(1)) for cell in table.cells]
    assert not any(cell.is_best or cell.comparison for cell in cells)


def test_stars_are_wilcoxons_after_bonferroni():
    report = _evaluation(4, 8, boneless=())
    stars = []
    for cell in _table(report, "dice").cells:
        if cell.model in (report.baseline, LOOKUP_TABLE):
            assert cell.comparison is None
            continue
        values, baseline = (
            report.values(name, cell.column.condition, "dice", cell.column.region)
            for name in (cell.model, report.baseline)
        )
        p_value = scipy.stats.wilcoxon(np.subtract(values, baseline)).pvalue
        assert cell.comparison.p_value == pytest.approx(p_value)
        assert cell.comparison.p_adjusted == pytest.approx(min(1, 3 * p_value))
        assert cell.is_significant == (3 * p_value < 0.05)
        stars.append(cell.is_significant)
    assert any(stars)


@pytest.mark.parametrize(("num_models", "is_star"), [(2, True), (4, True), (5, False)])
def test_the_more_comparisons_the_fewer_stars(num_models, is_star):
    # Seven subjects that all gain: p is 2 / 2^7 = 0.0156, of which three are 0.047 and four 0.0625.
    report = _evaluation(num_models)
    report = with_scores(report, "Baseline", "air", dice=[0.5] * 7)
    gains = [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66]
    report = with_scores(report, "Baseline w/AT", "air", dice=gains)
    assert _cell(report, "Baseline w/AT", "air").is_significant == is_star


def test_columns_are_regions_by_conditions_and_the_reference_is_clean_alone():
    table = _table(_evaluation(), "dice")
    labels = [(column.group, column.label) for column in table.columns]
    expected = [(r.label, title) for r in REGIONS.values() for title in ("Nrm.", "Rob.")]
    assert labels == expected
    assert [row[0].model for row in table.rows] == ["Baseline", "Baseline w/AT", "RobMedNAS-R"]
    assert [cell.text == "n/a" for cell in table.reference] == [False, True] * 4


def test_several_attacks_go_by_their_names():
    table = _table(_evaluation(attacks=(FGSM, "gaussian:0.1")), "mae")
    labels = [column.label for column in table.columns]
    assert labels[:3] == ["Nrm.", "FGSM 0.06", "Gaussian noise 0.1"]


def test_mask_table_is_there_where_it_was_asked_for():
    report = _evaluation()
    table = _table(report, "mask")
    assert table.groups == ["MAE (HU)", "PSNR (dB)", "SSIM", "MS-SSIM"]
    for cell in table.rows[0]:
        values = report.mask_values("Baseline", cell.column.condition, cell.column.metric)
        assert cell.summary.mean == pytest.approx(np.mean(values))
    assert {cell.column.metric for cell in table.cells} == set(MASK_METRICS)
    names = [table.name for table in result_tables(_evaluation(has_mask=False))]
    assert names == ["dice", "mae"]


def test_one_subject_has_neither_sd_nor_test():
    report = _evaluation(num_subjects=1, boneless=())
    cells = [cell for table in result_tables(report) for cell in table.cells]
    assert not any("±" in cell.text or cell.comparison for cell in cells)
    text = caption(report, _table(report, "dice"))
    assert "With 1 subject there is no standard deviation and no test of significance." in text
    assert "Star" not in text


def test_caption_says_what_was_done_to_whom():
    report = _evaluation()
    text = caption(report, _table(report, "dice"))
    for words in (
        "over 7 subjects of STS (part: test)",
        "Rob.: under FGSM 0.06. The attack (FGSM, epsilon 0.06) moves each pixel",
        "differs significantly from the baseline, Baseline (Wilcoxon's signed-rank test",
        "Bonferroni's correction for n = 2 comparisons",
        "(zero difference) is left out",
        "Bone leaves out 1 of 7 subjects (STS_003): empty in truth and prediction.",
        "Last row, for reference: an intensity look-up table",
        "n/a: not measured",
    ):
        assert words in text
    assert "only, whose means" not in text
    assert "empty in the truth." in caption(report, _table(report, "mae"))


def test_caption_without_attack_reference_or_second_model():
    report = _evaluation(1, attacks=(), has_lookup_table=False)
    text = caption(report, _table(report, "dice"))
    assert "With a single model there is nothing to compare." in text
    for word in ("Rob.", "Star", "Bold", "n/a", "Last row", "significant"):
        assert word not in text


def test_caption_tells_where_models_are_undefined_in_different_subjects():
    report = _evaluation(boneless=())
    report = with_scores(report, "Baseline", "bone", dice=[math.nan] + [0.7] * 6)
    text = caption(report, _table(report, "dice"))
    assert (
        "Bone leaves out 1 of 7 subjects (STS_000): empty in truth and prediction, in some models"
        in text
    )


@pytest.mark.parametrize(
    ("num_pairs", "num_comparisons", "words"),
    [
        (7, 3, ""),
        (7, 4, "with 7 subjects the smallest two-sided p is 0.0156, before correction, 0.0625"),
        (6, 1, ""),
        (5, 1, "p is 0.0625, before correction: no difference can be significant"),
        (2, 3, "p is 0.5, before correction, 1 after it"),
    ],
)
def test_too_few_subjects_are_said_to_be_too_few(num_pairs, num_comparisons, words):
    phrase = power_phrase(num_pairs, num_comparisons)
    assert words in phrase
    assert bool(words) == bool(phrase)


def test_caption_says_where_subjects_are_too_few():
    # Of four models three are compared: 7 subjects suffice, the 6 that have bone do not.
    text = caption(_evaluation(4), _table(_evaluation(4), "dice"))
    assert "In Bone, with 6 subjects the smallest two-sided p is 0.0312, before" in text
    assert "with 7 subjects the smallest" not in text
    text = caption(_evaluation(5, boneless=()), _table(_evaluation(5, boneless=()), "dice"))
    assert "With 7 subjects the smallest two-sided p is 0.0156, before correction" in text
    nowhere = _evaluation(3, boneless=range(7))
    assert "No subject can be compared in: Bone." in caption(nowhere, _table(nowhere, "mae"))


def test_a_star_that_one_model_could_win_is_not_ruled_out():
    report = with_scores(
        _evaluation(4, boneless=()), "RobMedNAS-R", "bone", dice=[math.nan] + [0.7] * 6
    )
    assert "can be significant" not in caption(report, _table(report, "dice"))
