"""The confirmation's part of a search's report: its words and figures follow the values."""

import csv
import dataclasses

import pytest

from robmednas_tf.report.confirmation import confirmation_in_short
from robmednas_tf.report.confirmation_csv import write_confirmed_csv
from robmednas_tf.report.search import write_figures, write_search_report
from robmednas_tf.report.wording import UNDEFINED
from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, FAILED, best

from .pages import check_figures, read_page


def repeats(trial_id, scores):
    return [
        RepeatRecord(trial_id, place, {}, FAILED, 1, message="Memory ran out.")
        if score is None
        else RepeatRecord(trial_id, place, {}, COMPLETED, 1, score=score, seconds=30.0)
        for place, score in enumerate(scores, start=1)
    ]


@pytest.fixture(scope="module")
def confirmed(make_report):
    """A function that gives a report whose candidates' new scores lie so far from the first."""

    def make(*shifts, objective="adversarial_dice"):
        report = make_report(12, objective=objective)
        trials = best(report.records, report.direction, len(shifts))
        confirmation = Confirmation(
            [
                Candidate(
                    trial,
                    repeats(trial.trial_id, [s if s is None else trial.score + s for s in some]),
                    report.direction,
                )
                for trial, some in zip(trials, shifts, strict=True)
            ]
        )
        winner = confirmation.winner.trial.trial_id
        return dataclasses.replace(report, confirmation=confirmation, best_trial_id=winner)

    return make


def read(folder, report):
    write_search_report(folder / "report.html", report)
    return read_page(folder / "report.html")


def test_the_page_says_that_the_confirmation_changed_the_winner(tmp_path, confirmed):
    report = confirmed((-0.3, -0.28), (0.01, -0.01))
    lucky, good = report.confirmation.candidates
    page = read(tmp_path, report)
    assert "the best of 11 such scores is biased upward" in page.text
    assert "The 2 best trials were therefore trained and scored again" in page.text
    assert "with 2 further seeds each" in page.text
    assert (
        f"The confirmation changed the winner: trial {lucky.trial.trial_id} had the best first "
        f"score, {lucky.first_score:.3f}, but its new scores average {lucky.mean:.3f}; those of "
        f"trial {good.trial.trial_id} average {good.mean:.3f}."
    ) in page.text
    assert "Of the first scores 0.145 was luck, on average over the candidates." in page.text
    assert f"trial {good.trial.trial_id} has won with a mean of {good.mean:.3f}" in page.text
    assert f"of 2 new seeds; {good.first_score:.3f} at first" in page.text
    low, high = lucky.interval
    assert page.table("Candidate")[0] == [
        *("Candidate", "First score", "New scores", "Their mean", "95 % interval", "Luck")
    ]
    assert page.table("Candidate")[2] == [
        lucky.trial.trial_id,
        f"{lucky.first_score:.3f}",
        f"{lucky.scores[0]:.3f}, {lucky.scores[1]:.3f}",
        f"{lucky.mean:.3f}",
        f"{low:.3f} to {high:.3f}",
        "0.290",
    ]
    assert [row[0] for row in page.table("Candidate")[1:]] == [
        good.trial.trial_id,
        lucky.trial.trial_id,
    ]


def test_the_page_says_that_the_winner_stays(tmp_path, confirmed):
    report = confirmed((0.02, 0.04), (-0.01, -0.01))
    page = read(tmp_path, report)
    first = report.confirmation.candidates[0].trial.trial_id
    assert f"It is trial {first}, which had the best first score, too." in page.text
    assert "changed the winner" not in page.text
    assert "The first scores were no better than the new ones, which are better by 0.010." in (
        page.text
    )


def test_errors_in_hu_are_lucky_when_they_are_small(tmp_path, confirmed):
    page = read(tmp_path, confirmed((30.0,), (1.0,), objective="adversarial_mae"))
    assert "Of the first scores 15.5 was luck" in page.text
    assert [row[4:] for row in page.table("Candidate")[1:]] == [
        [UNDEFINED, "1.0"],
        [UNDEFINED, "30.0"],
    ]
    assert "with 1 further seed each" in page.text


def test_failures_are_said(tmp_path, confirmed):
    report = confirmed((None, 0.0), (-0.2, -0.2))
    page = read(tmp_path, report)
    first = report.confirmation.candidates[0].trial.trial_id
    assert f"Trial {first}, repeat 1 failed: Memory ran out." in page.text
    assert report.best_trial_id != first
    assert page.table("Candidate")[2][2].startswith("failed, ")


def test_the_first_scores_decide_where_all_failed(tmp_path, confirmed):
    report = confirmed((None,), (None,))
    page = read(tmp_path, report)
    assert "nothing is confirmed: the first scores decided" in page.text
    assert "was luck" not in page.text
    assert f"trial {report.best_trial_id}, reached {report.best.score:.3f}" in page.text
    assert confirmation_in_short(report) == ""
    assert "nan" not in page.text.lower()


def test_a_single_candidate_chooses_nothing(tmp_path, confirmed):
    report = confirmed((-0.1, -0.1, -0.1))
    page = read(tmp_path, report)
    assert "The best trial was therefore trained and scored again" in page.text
    assert "chose the winner" not in page.text
    assert "Of the first scores 0.100 was luck." in page.text
    assert confirmation_in_short(report) == (
        "The best trial was trained again with 3 further seeds, and it has the best mean: "
        f"{report.best.score - 0.1:.3f}."
    )


def test_the_table_holds_the_same(tmp_path, confirmed):
    report = confirmed((-0.3, None), (0.01, -0.01))
    write_confirmed_csv(tmp_path / "confirmed.csv", report.confirmation)
    with (tmp_path / "confirmed.csv").open() as file:
        rows = list(csv.DictReader(file))
    lucky, good = report.confirmation.candidates
    assert [row["id"] for row in rows] == [good.trial.trial_id, lucky.trial.trial_id]
    assert [row["first_place"] for row in rows] == ["2", "1"]
    assert [row["failed"] for row in rows] == ["0", "1"]
    assert float(rows[0]["mean"]) == good.mean
    assert float(rows[0]["high"]) == good.interval[1]
    assert float(rows[1]["luck"]) == lucky.luck
    assert (rows[1]["score_2"], rows[1]["low"]) == ("", "")


def test_the_figure_names_every_candidate(tmp_path, confirmed):
    report = confirmed((-0.3, -0.28), (0.01, -0.01))
    write_figures(tmp_path, report)
    names = ["search_curve", "clean_vs_adversarial", "score_vs_parameters", "confirmation"]
    check_figures(tmp_path, [*names, "architecture"])
    page = read(tmp_path, report)
    shown = next(alt for alt in page.images if "confirmed candidates" in alt)
    for candidate in report.confirmation.candidates:
        assert f"trial {candidate.trial.trial_id} {candidate.first_score:.3f} at first" in shown


def test_the_best_trial_must_be_the_confirmations(confirmed):
    report = confirmed((-0.3, -0.28), (0.01, -0.01))
    lucky = report.confirmation.candidates[0].trial.trial_id
    with pytest.raises(ValueError, match=f"Received: '{lucky}', not"):
        dataclasses.replace(report, best_trial_id=lucky)
