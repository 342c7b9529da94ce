from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from robmednas_tf.checks.table import CHECKS, Finding
from robmednas_tf.report.checks import FLAG
from robmednas_tf.report.evaluation import (
    write_evaluation_figures,
    write_evaluation_report,
    write_tables,
)
from robmednas_tf.report.evaluation_contents import LOOKUP_TABLE
from robmednas_tf.report.evaluation_tables import result_tables
from robmednas_tf.report.wording import UNDEFINED

from .evaluations import make_evaluation, with_scores
from .pages import check_figures, read_page

FGSM = "fgsm:0.06"
FIGURES = {
    *("accuracy_vs_robustness", "curves", "slices_clean"),
    *("slices_fgsm_0.06", "perturbed_fgsm_0.06", "slices_gaussian_0.1", "perturbed_gaussian_0.1"),
}


def _write(folder, report):
    write_evaluation_report(folder / "report.html", report)
    return read_page(folder / "report.html")


def _plain(num_models=3, num_subjects=7, attacks=(FGSM,), **changes):
    return make_evaluation(num_models, num_subjects, attacks, curves=(), num_slices=0, **changes)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A report with all its parts: its values, its folder and its page."""
    folder = tmp_path_factory.mktemp("full")
    report = make_evaluation(4, 7, size=16)
    write_evaluation_figures(folder / "figures", report)
    return report, folder, _write(folder, report)


def test_page_tells_the_evaluation(full):
    report, _, page = full
    best, baseline = (
        [np.mean(report.means(name, each, "dice")) for each in ("clean", FGSM)]
        for name in ("RobMedNAS-T", "Baseline")
    )
    for words in (
        "4 networks for MR-to-CT synthesis were evaluated on 7 subjects of a cohort (STS, test",
        "moves each pixel of the MR up or down by 6 % of the MR's standard deviation",
        "typically 10 % of the MR's standard deviation",
        "Under FGSM 0.06, RobMedNAS-T is the most robust: averaged over the four regions it goes "
        f"from a Dice of {best[0]:.3f} to {best[1]:.3f}",
        f"The baseline, Baseline, goes from a Dice of {baseline[0]:.3f} to {baseline[1]:.3f}",
        f"the Dice of RobMedNAS-T is {round(best[0], 3) - round(baseline[0], 3):.3f} higher than",
        "statistically significant (Wilcoxon, p = 0.0469 after correction for 3 comparisons)",
        "Every network beats the intensity look-up table",
        "Not a medical device.",
        report.command,
        report.notes[0],
    ):
        assert words in page.text
    assert page.text.count("robustness costs") == 1
    assert len(page.images) == len(FIGURES)


def test_sections_come_in_their_order(full):
    ids = [name for name in full[2].ids if "-" not in name or name == "trade-off"]
    assert ids == [
        *("changes", "tables", "trade-off", "curves", "slices", "subjects", "networks"),
        *("glossary", "settings", "limits"),
    ]


def test_changes_go_from_clean_to_attacked(full):
    report, _, page = full
    first, second = (table for table in page.tables if table[0][1:2] == ["Bone, Dice"])
    for table, condition in ((first, FGSM), (second, "gaussian:0.1")):
        for name, row in zip(report.model_names, table[1:], strict=True):
            assert row[0] == name
            for place, (region, metric, digits) in enumerate(
                [("bone", "dice", 3), ("bone", "mae", 1), ("air", "dice", 3)], start=1
            ):
                clean, attacked = (
                    np.nanmean(report.values(name, each, metric, region))
                    for each in ("clean", condition)
                )
                assert row[place] == f"{clean:.{digits}f} → {attacked:.{digits}f}"


def test_tables_stand_on_the_page_with_their_marks(full):
    report, folder, page = full
    tables = [table for table in page.tables if table[1][0] == "Network"]
    for table, result in zip(tables, result_tables(report), strict=True):
        assert table[0][1::3] == result.groups
        for row, cells in zip(table[2:], [*result.rows, result.reference], strict=True):
            assert row[0] == cells[0].model
            assert row[1:] == [cell.text + "*" * cell.is_significant for cell in cells]
    text = (folder / "report.html").read_text(encoding="utf-8")
    cells = [cell for table in result_tables(report) for cell in table.cells]
    for cell in cells:
        if cell.is_best:
            assert f"<strong>{cell.text}</strong>" in text
    num_strong = sum(text.count(f"<strong>{c}</strong>") for c in {cell.text for cell in cells})
    assert num_strong == sum(cell.is_best for cell in cells)


def test_every_subject_stands_under_every_model(full):
    report, _, page = full
    table = page.table("Subject")
    assert len(table) == 1 + len(report.outcomes)
    places = [(row[0], row[1]) for row in table[1:]]
    assert places[0] == ("STS_000", "Baseline")
    assert places[-1] == ("STS_006", LOOKUP_TABLE)
    first = report.outcome("STS_000", "Baseline", "clean")
    assert table[1][2] == "clean"
    assert table[1][4] == f"{first.regions['brain'].dice:.3f}"
    assert table[1][-3:] == [
        f"{first.in_mask.psnr:.2f}",
        f"{first.in_mask.ssim:.3f}",
        f"{first.in_mask.ms_ssim:.3f}",
    ]


def test_networks_stand_with_what_is_known_of_them(full):
    (table,) = (table for table in full[2].tables if table[0][1:2] == ["Training"])
    assert table == [
        ["Network", "Training", "Parameters", "Source"],
        ["Baseline (baseline)", "regular", "1.24 M", "runs/0/model.keras"],
        ["Baseline w/AT", "adversarial, FGSM 0.2", "2.48 M", "runs/1/model.keras"],
        ["RobMedNAS-R", "regular", "not known", "runs/2/model.keras"],
        ["RobMedNAS-T", "regular", "4.96 M", "runs/3/model.keras"],
    ]


def test_figures_are_written_as_png_and_svg(full):
    check_figures(full[1] / "figures", FIGURES)


def test_same_values_same_bytes(tmp_path, full):
    again = make_evaluation(4, 7, size=16)
    paths = write_evaluation_figures(tmp_path / "figures", again)
    write_evaluation_report(tmp_path / "report.html", again)
    assert len(paths) == 2 * len(FIGURES)
    for path in (*paths, tmp_path / "report.html"):
        assert path.read_bytes() == (full[1] / path.relative_to(tmp_path)).read_bytes()


def test_without_slices_curves_and_attacks_little_is_drawn(tmp_path):
    report = _plain(2, 3, attacks=[], has_mask=False, has_lookup_table=False)
    assert write_evaluation_figures(tmp_path, report) == []
    page = _write(tmp_path, report)
    assert page.images == []
    assert "No attack was asked for" in page.text
    assert "the best of all, has a Dice of" in page.text
    assert "look-up table, clean" not in page.text
    assert not any(table[0][:1] == ["Body mask"] for table in page.tables)


@pytest.mark.parametrize(("num_models", "num_subjects"), [(1, 1), (1, 7), (5, 1), (8, 2)])
def test_any_number_of_models_and_subjects(tmp_path, num_models, num_subjects):
    report = make_evaluation(num_models, num_subjects, [FGSM], curves=["fgsm"], size=16)
    page = _write(tmp_path, report)
    assert len(page.images) == 5
    assert "nan" not in page.text.lower()
    plural = "network for" if num_models == 1 else f"{num_models} networks for"
    assert plural in page.text


def test_a_region_empty_everywhere_is_a_dash(tmp_path):
    page = _write(tmp_path, _plain(boneless=range(7)))
    (changes,) = (table for table in page.tables if table[0][1:2] == ["Bone, Dice"])
    assert changes[1][1] == f"{UNDEFINED} → {UNDEFINED}"
    assert "nan" not in page.text.lower()
    assert "Bone leaves out 7 of 7 subjects" in page.text


def test_too_few_subjects_are_told_in_the_first_words(tmp_path):
    page = _write(tmp_path, _plain(3, 3, boneless=()))
    told = "chance cannot be told: with 3 subjects the smallest two-sided p is 0.25, before"
    assert told in page.text
    assert "statistically significant" not in page.text
    page = _write(tmp_path, _plain(3, 1, boneless=()))
    assert "On a single subject no difference can be tested" in page.text


def test_no_significance_is_no_equality(tmp_path):
    report = _plain(2, 7, boneless=(), names=["Baseline", "B"])
    for region in ("brain", "air", "bone", "soft_tissue"):
        for name, lift in (("Baseline", 0.0), ("B", 0.1)):
            gains = [lift * sign * (1 + n / 9) for n, sign in enumerate([1, -1, 1, -1, 1, -1, 1])]
            dice = [0.6 + gain for gain in gains]
            report = with_scores(report, name, region, FGSM, dice=dice)
    page = _write(tmp_path, report)
    assert "is not statistically significant (Wilcoxon, p = " in page.text
    assert "does not show that they are equally robust" in page.text


def test_the_baseline_can_be_the_most_robust(tmp_path):
    page = _write(tmp_path, _plain(3, baseline="RobMedNAS-R", names=["A", "B", "RobMedNAS-R"]))
    assert "Under FGSM 0.06, B is the most robust" in page.text
    page = _write(tmp_path, _plain(3, baseline="Baseline w/AT"))
    assert "Baseline w/AT, the baseline itself, is the most robust" in page.text
    assert "robustness costs" not in page.text


def test_networks_worse_than_the_look_up_table_raise_an_alarm(tmp_path):
    report = with_scores(_plain(), "Baseline", "brain", mae=[3000.0] * 7)
    page = _write(tmp_path, report)
    assert "Baseline does not beat an intensity look-up table" in page.text
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<p class="lead alarm">Baseline does not beat' in text
    assert "Every network beats" not in page.text


def test_networks_without_a_region_raise_an_alarm(tmp_path):
    report = _plain(3, names=["A", "B", "C"])
    # Bone that one subject lacks is undefined there, and no Dice of 0.
    for name, regions in {"B": ["air", "bone"], "C": ["bone"]}.items():
        for region in regions:
            report = with_scores(report, name, region, dice=[0.0] * 6 + [math.nan])
    report = with_scores(report, "A", "bone", dice=[0.0] * 6 + [0.2])
    page = _write(tmp_path, report)
    assert "B finds no air and no bone; C finds no bone, in any subject" in page.text
    assert "A finds no" not in page.text
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<p class="lead alarm">B finds no air' in text


def test_names_are_escaped(tmp_path):
    name = "<b>\"Tom\" & 'Jerry' $x_1$ % \\ {</b>"
    report = make_evaluation(
        names=["_x", name],
        num_subjects=2,
        curves=["fgsm"],
        size=16,
        cohort=name,
        command=name,
        notes=[name],
        settings={name: name},
    )
    page = _write(tmp_path, report)
    assert page.text.count(name) >= 12
    assert all(name in alt for alt in page.images if "slice" not in alt.split()[0])


def test_without_bone_the_mean_of_four_is_of_three(tmp_path):
    report = _plain(1, 1, boneless=(0,))
    row = _write(tmp_path, report).table("Subject")[1]
    regions = report.outcomes[0].regions.values()
    assert row[3] == f"{np.mean([s.dice for s in regions if not math.isnan(s.dice)]):.3f}"
    assert row[6] == UNDEFINED


def test_baseline_must_be_a_model_and_clean_the_first_condition():
    report = _plain()
    with pytest.raises(ValueError, match="'other'"):
        dataclasses.replace(report, baseline="other")
    with pytest.raises(ValueError, match="first condition"):
        dataclasses.replace(report, conditions=[FGSM, "clean"])


def test_many_attacks_are_told_where_their_figures_stand(tmp_path):
    attacks = (FGSM, "pgd:0.06", "apgd:0.06", "worst:0.06", "rician:0.1")
    page = _write(tmp_path, _plain(attacks=attacks))
    assert "perturbed in 5 ways" in page.text
    assert "FGSM 0.06, PGD 0.06, APGD 0.06, Worst attack 0.06 and Rician noise 0.1" in page.text
    # Told once, in the summary or beside the figures, and once more below the tables.
    for words in ("takes 20 steps", "whose size it chooses", "whichever of the attacks"):
        assert page.text.count(words) == 2
    assert "FGSM takes a single step" not in page.text
    assert "FGSM takes a single step" in _write(tmp_path, _plain()).text


def _findings(report, **figures):
    sound = {"zero_gradients": 0.0, "repeatability": 0.0, "steps": 2.0, "destruction": 0.3}
    return [
        Finding(
            name, check, (sound | (figures if name == "RobMedNAS-T" else {})).get(check, math.nan)
        )
        for name in report.model_names
        for check in CHECKS
    ]


def test_flags_stand_beside_the_figures_they_doubt(tmp_path):
    report = _plain(num_models=4, settings={"check_epsilon": 0.1, "check_slices": 12})
    sound = dataclasses.replace(report, findings=_findings(report))
    page = _write(tmp_path, sound)
    assert "can these figures be believed" in page.text
    assert FLAG not in page.text.replace(f"A flag ({FLAG})", "")
    flagged = dataclasses.replace(report, findings=_findings(report, steps=0.5))
    assert flagged.flagged == ["RobMedNAS-T"]
    page = _write(tmp_path, flagged)
    remark = (
        f"{FLAG} Checks flag RobMedNAS-T (not shown: many steps do at least what one does): "
        "figures under attack do not show that it holds out."
    )
    # In the first words and below every table.
    assert page.text.count(remark) >= 2
    assert f"{FLAG} 0.5" in page.text
    assert "The gradient does not show the way to harm" in page.text
    assert f"RobMedNAS-T {FLAG}" in page.text
    assert f"Baseline {FLAG}" not in page.text
    write_tables(tmp_path, flagged)
    for name in ("tables.md", "tables.tex"):
        assert "Checks flag RobMedNAS-T" in (tmp_path / name).read_text(encoding="utf-8")


def test_without_checks_nothing_is_said_of_them(full):
    assert "Checks" not in full[2].text
