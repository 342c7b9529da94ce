"""The report of a study: its numbers follow from its results, and its results from their files."""

import csv
import dataclasses
import math
import re

import numpy as np
import pytest
import scipy.stats

from robmednas_tf.attacks.notation import CLEAN
from robmednas_tf.evaluation.statistics import Difference
from robmednas_tf.report.study import write_study
from robmednas_tf.report.study_claims import AGREES, DISAGREES, OPEN, claims, verdict
from robmednas_tf.report.study_contents import ARM, FOLDS, REPORTED, SEEDS
from robmednas_tf.report.study_figures import draw_repeats, draw_searches, draw_studied
from robmednas_tf.report.study_results import read_results, write_results
from robmednas_tf.report.study_tables import (
    MINUS,
    effects_table,
    repeats_table,
    studied_table,
)
from robmednas_tf.report.study_wording import notes
from robmednas_tf.report.wording import UNDEFINED

from .pages import check_figures, read_page
from .studies import ATTACK, STRONGER, make_study


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    """The folder of a study's results, and what was made from them."""
    folder = tmp_path_factory.mktemp("study")
    write_results(folder / "results", study)
    write_study(folder, read_results(folder / "results"))
    return folder


def means_of(study, part, arm, condition, metric="dice", region=None):
    """The naive way: over subjects, of the mean over regions where none is named."""
    found = {}
    for (p, a, number), outcomes in study.outcomes.items():
        if (p, a) != (part, arm):
            continue
        values = []
        for outcome in outcomes:
            if outcome.condition == condition:
                scores = [
                    getattr(score, metric)
                    for name, score in outcome.regions.items()
                    if region in (None, name)
                ]
                defined = [score for score in scores if not math.isnan(score)]
                values += [sum(defined) / len(defined)] if defined else []
        found[number] = sum(values) / len(values)
    return [found[number] for number in sorted(found)]


def test_results_read_back_to_the_last_digit(study, written):
    found = read_results(written / "results")
    assert found.info == study.info
    assert list(found.runs) == list(study.runs)
    assert [repr(each) for each in found.searches] == [repr(each) for each in study.searches]
    assert set(found.outcomes) == set(study.outcomes)
    for key, outcomes in study.outcomes.items():
        # NaN is not itself.
        assert repr(found.outcomes[key]) == repr(outcomes)


def test_tables_made_anew_are_the_same(written, tmp_path):
    write_study(tmp_path, read_results(written / "results"))
    names = sorted(path.name for path in (written / "tables").iterdir())
    kinds = ("tables", "table4", "repeats", "effects", "seeds", "folds")
    assert names == sorted(f"{kind}.{suffix}" for kind in kinds for suffix in ("md", "csv", "tex"))
    for path in (*(written / "tables").iterdir(), written / "report.html"):
        other = tmp_path / path.relative_to(written)
        assert other.read_bytes() == path.read_bytes()


def test_values_are_means_over_subjects_of_means_over_regions(study):
    for part, arm in ((ARM, "random"), (FOLDS, "baseline"), (SEEDS, "robmednas_t")):
        for condition in (CLEAN, ATTACK):
            found = study.values(part, arm, condition, "dice")
            np.testing.assert_allclose(found, means_of(study, part, arm, condition))
            bone = study.values(part, arm, condition, "mae", "bone")
            expected = means_of(study, part, arm, condition, "mae", "bone")
            np.testing.assert_allclose(bone, expected)


def test_the_study_of_seeds_takes_the_baselines_repeats_and_further_ones():
    study = make_study(repeats=2, seeds=5)
    assert [key[0] for key in study.keys(SEEDS, "baseline")] == [ARM, ARM, SEEDS, SEEDS, SEEDS]
    assert len(study.keys(ARM, "baseline")) == 2
    few = make_study(repeats=6, seeds=3)
    assert [key[2] for key in few.keys(SEEDS, "baseline")] == [1, 2, 3]
    assert [key[2] for key in few.keys(SEEDS, "robmednas_t")] == [1, 2, 3]


def test_effects_are_welchs_and_mann_and_whitneys(study):
    rows = {(row[0], row[1]): row[2:] for row in effects_table(study).rows}
    assert len(rows) == 5 * 5
    ours, theirs = (means_of(study, ARM, arm, ATTACK) for arm in ("robmednas_t", "baseline"))
    welch = scipy.stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    low, high = (f"{each:+.3f}" for each in (welch.low, welch.high))
    p = scipy.stats.mannwhitneyu(ours, theirs).pvalue
    interval, found_p, corrected = rows[f"RobMedNAS-T {MINUS} Baseline", "Dice under FGSM 0.06"]
    assert interval == f"{np.mean(ours) - np.mean(theirs):+.3f} [{low}, {high}]"
    assert float(found_p) == pytest.approx(p, rel=0.01)
    assert float(corrected) == pytest.approx(4 * p, rel=0.01)
    ours, theirs = (means_of(study, ARM, arm, STRONGER) for arm in ("robmednas_t", "baseline"))
    interval, *_ = rows[f"RobMedNAS-T {MINUS} Baseline", "Dice under PGD 0.06"]
    assert interval.startswith(f"{np.mean(ours) - np.mean(theirs):+.3f} [")
    # The one comparison of T with R stands alone.
    _, p_of_t, alone = rows[f"RobMedNAS-T {MINUS} RobMedNAS-R", "Dice clean"]
    assert p_of_t == alone


def test_folds_are_compared_pair_by_pair_and_seeds_are_not(study):
    rows = {row[0]: row[1:] for row in studied_table(study, FOLDS).rows}
    assert len(rows) == 2 * 5
    ours, theirs = (
        np.array(means_of(study, FOLDS, arm, ATTACK)) for arm in ("robmednas_t", "baseline")
    )
    paired = scipy.stats.ttest_rel(ours, theirs).confidence_interval()
    expected = f"{(ours - theirs).mean():+.3f} [{paired.low:+.3f}, {paired.high:+.3f}]"
    assert rows["Mean of four, Dice"][2] == expected
    # Five folds of one sign: 2 / 2^5.
    assert rows["Mean of four, Dice"][3] == "0.0625"
    # What folds share would hide the difference else.
    unpaired = scipy.stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert unpaired.high - unpaired.low > paired.high - paired.low
    seeds = {row[0]: row[1:] for row in studied_table(study, SEEDS).rows}
    ours, theirs = (
        means_of(study, SEEDS, "robmednas_t", ATTACK),
        means_of(study, ARM, "baseline", ATTACK)[:5],
    )
    welch = scipy.stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert seeds["Mean of four, Dice"][2].endswith(f"[{welch.low:+.3f}, {welch.high:+.3f}]")


def test_tables_2_and_3_are_those_of_an_evaluation(study, written):
    with (written / "tables" / "tables.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {
        (row["model"], row["condition"], row["region"], row["metric"]): row
        for row in rows
        if row["table"] in ("dice", "mae")
    }
    outcomes = study.outcomes[REPORTED, "", 0]
    for model in ("Baseline", "RobMedNAS-T"):
        values = [
            outcome.regions["air"].mae
            for outcome in outcomes
            if (outcome.model, outcome.condition) == (model, ATTACK)
        ]
        assert float(found[model, ATTACK, "air", "mae"]["mean"]) == pytest.approx(np.mean(values))
    # Seven subjects of one sign: 2 / 2^7, times four comparisons.
    row = found["RobMedNAS-T", ATTACK, "air", "dice"]
    assert float(row["p_adjusted"]) == pytest.approx(4 * 2 / 2**7)
    assert "the best of its repeats" in (written / "tables" / "tables.md").read_text()


def test_the_papers_way_to_choose_is_named_wherever_it_matters(tmp_path):
    study = make_study(repeats=2, seeds=0, folds=0, has_curves=False, select_on="test")
    write_study(tmp_path, study)
    for name in ("tables.md", "tables.tex"):
        assert "on these very test subjects" in (tmp_path / "tables" / name).read_text()
    page = (tmp_path / "report.html").read_text()
    assert "its figures are better than it is" in page
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert not {"seeds.md", "folds.md"} & names
    assert not list((tmp_path / "figures").glob("curves*"))


@pytest.mark.parametrize(
    ("low", "high", "sign", "expected"),
    [
        (0.01, 0.03, 1, AGREES),
        (0.01, 0.03, -1, DISAGREES),
        (-0.01, 0.03, 1, OPEN),
        (-0.03, -0.01, -1, AGREES),
        (math.nan, math.nan, 1, OPEN),
    ],
)
def test_a_verdict_goes_by_the_interval(low, high, sign, expected):
    assert verdict(Difference(0.01, low, high, 0.04, 5, 5), sign) == expected


def found_claims(study):
    return {each.statement: each for each in claims(study)}


def statement(found, text):
    (claim,) = [claim for claim in found.values() if text in claim.statement]
    return claim


def test_what_agrees_with_the_paper_is_what_was_made_so(study):
    found = found_claims(study)
    assert len(found) == 18
    expected = {
        "FGSM breaks the hand-crafted network": AGREES,
        "Adversarial training makes it robust": AGREES,
        "It costs accuracy": AGREES,
        "RobMedNAS-T is more robust than the baseline": AGREES,
        # Made less accurate, but still far more robust.
        "Random is more robust than the baseline": AGREES,
        "RobMedNAS-T is as accurate as the baseline": AGREES,
        "More than half of RobMedNAS-R": AGREES,
        # Made the other way round.
        "On average RobMedNAS-R is more robust than T": DISAGREES,
        "The best of RobMedNAS-T": AGREES,
        "The worst of RobMedNAS-T": AGREES,
        "Under other training data": AGREES,
        "Adversarial training holds out best": AGREES,
    }
    assert {text: statement(found, text).verdict for text in expected} == expected
    assert "6 of 6 do" in statement(found, "More than half of RobMedNAS-T").found


def test_the_other_way_round_is_said_too(study):
    swapped = {"baseline": "robmednas_t", "robmednas_t": "baseline"}
    outcomes = {
        key: study.outcomes[key[0], swapped.get(key[1], key[1]), key[2]]
        for key in study.outcomes
        if key[0] in (ARM, FOLDS)
    }
    other = dataclasses.replace(study, outcomes={**study.outcomes, **outcomes})
    found = found_claims(other)
    for text in ("RobMedNAS-T is more robust than the base", "Under other training data"):
        assert statement(found, text).verdict == DISAGREES
    assert "0 of 6 do" in statement(found, "More than half of RobMedNAS-T").found
    assert statement(found, "More than half of RobMedNAS-T").verdict == DISAGREES


def test_single_repeats_decide_nothing_over_repeats():
    study = make_study(repeats=1, seeds=1, folds=2)
    found = found_claims(study)
    for text in ("Random is more", "as accurate", "More than half", "The best of", "scatters"):
        matching = [claim for claim in found.values() if text in claim.statement]
        assert matching
        assert {claim.verdict for claim in matching} == {OPEN}
    rows = effects_table(study).rows
    # A difference, without interval or test.
    assert all(re.fullmatch(rf"[+{MINUS}]?\d+\.\d+", row[2]) for row in rows)
    assert {cell for row in rows for cell in row[3:]} == {UNDEFINED}
    assert any("1 repeat" in note for note in notes(study))


@pytest.mark.parametrize(
    ("best_epoch", "words"),
    [(1, "no later epoch had a lower"), (40, "they had not converged"), (30, None)],
)
def test_trainings_that_were_too_short_are_told(study, best_epoch, words):
    runs = [dataclasses.replace(run, epochs=40, best_epoch=best_epoch) for run in study.runs]
    info = dataclasses.replace(study.info, settings={**study.info.settings, "epochs": "40"})
    told = " ".join(notes(dataclasses.replace(study, info=info, runs=runs)))
    for each in ("no later epoch had a lower", "they had not converged"):
        assert (each in told) == (each == words)
    if words:
        assert f"In {len(runs)} of {len(runs)} trainings" in told


def test_repeats_stand_beside_their_range(study):
    table = repeats_table(study)
    row = next(row for row in table.rows if row[0] == "Baseline")
    values = means_of(study, ARM, "baseline", ATTACK)
    assert row[1] == "6"
    assert row[2] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    assert row[3] == f"{min(values):.3f} to {max(values):.3f}"


def test_figures_show_every_network(study):
    figure = draw_repeats(study)
    points = [axes.collections for axes in figure.axes]
    # Three arms, clean and attacked, six repeats each.
    assert all(sum(len(each.get_offsets()) for each in panel) == 36 for panel in points)
    lines = {line.get_ydata()[0] for axes in figure.axes[:1] for line in axes.get_lines()}
    brain = np.mean(study.values(ARM, "baseline", ATTACK, "dice", "brain"))
    assert any(abs(value - brain) < 1e-12 for value in lines)
    for part in (SEEDS, FOLDS):
        panels = draw_studied(study, part).axes
        counts = [sum(len(each.get_offsets()) for each in axes.collections) for axes in panels]
        assert counts == [2 * 4 * 5] * 2
    curves = [line.get_ydata() for line in draw_searches(study).axes[0].get_lines()]
    assert len(curves) == 2 * (6 + 1)
    assert all(np.nanmax(np.diff(curve)) >= 0 for curve in curves)


def test_the_page_is_whole(study, written):
    page = read_page(written / "report.html")
    names = ("repeats", "seeds", "folds", "searches", "accuracy_vs_robustness", "curves")
    check_figures(written / "figures", (*names, "architecture"))
    for text in (
        "RobMedNAS: the paper's comparison, repeated",
        "7 are tested and take part in nothing else",
        "6 of Random, RobMedNAS-R and RobMedNAS-T",
        "What agrees with the paper, and what does not",
        "made-up heads",
    ):
        assert text in page.text
    heads = {row[0] for table in page.tables for row in table}
    assert {"RobMedNAS-T", "Mean of four, Dice", "Connection Pattern"} <= heads


def test_without_an_attack_nothing_is_claimed(tmp_path):
    study = make_study(repeats=1, seeds=0, folds=0, has_curves=False, conditions=[CLEAN])
    assert claims(study) == []
    write_study(tmp_path, study)
    assert "no statement of the paper" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", ["study.json", "runs.csv", "searches.csv", "metrics.csv"])
def test_results_that_are_none_are_refused_in_one_line(written, tmp_path, name):
    for source in (written / "results").glob("*.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"must hold a study's results") as error:
        read_results(tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r"must hold a study's results"):
        read_results(tmp_path)
