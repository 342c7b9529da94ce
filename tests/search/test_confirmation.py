"""Which candidate wins, from scores made up by hand."""

import math

import pytest

from robmednas_tf.search.confirmation import Candidate, Confirmation
from robmednas_tf.search.repeats import RepeatRecord
from robmednas_tf.search.trials import COMPLETED, FAILED, TrialRecord, id_of


def candidate(number, first_score, new_scores, direction="max"):
    trial = TrialRecord(
        id_of(number), number, COMPLETED, 1, "model", {"depth": 1}, score=first_score
    )
    repeats = [
        RepeatRecord(trial.trial_id, place, {}, FAILED, 1, message="out of memory", seconds=2.0)
        if score is None
        else RepeatRecord(trial.trial_id, place, {}, COMPLETED, 1, score=score, seconds=2.0)
        for place, score in enumerate(new_scores, start=1)
    ]
    return Candidate(trial, repeats, direction)


def winner_of(*candidates):
    return Confirmation(candidates).winner.trial.number


def test_the_best_mean_of_the_new_scores_wins_and_the_first_one_counts_for_nothing():
    lucky, good = candidate(4, 0.95, [0.70, 0.72]), candidate(7, 0.80, [0.76, 0.74])
    confirmation = Confirmation([lucky, good])
    assert confirmation.winner is good
    assert confirmation.changed_the_winner
    assert good.mean == pytest.approx(0.75)
    assert lucky.luck == pytest.approx(0.24)
    assert confirmation.mean_luck == pytest.approx((0.24 + 0.05) / 2)
    assert confirmation.seconds == 8.0


def test_small_errors_win_where_the_objective_is_minimised():
    lucky = candidate(0, 40.0, [70.0, 72.0], "min")
    good = candidate(1, 50.0, [61.0, 59.0], "min")
    assert winner_of(lucky, good) == 1
    assert lucky.luck == pytest.approx(31.0)


def test_the_interval_is_students():
    low, high = candidate(0, 0.9, [0.7, 0.8, 0.9]).interval
    # t of 2 degrees of freedom at 97.5 % is 4.30265.
    assert (low, high) == pytest.approx((0.8 - 0.248414, 0.8 + 0.248414), abs=1e-6)
    assert all(math.isnan(end) for end in candidate(0, 0.9, [0.7]).interval)


def test_of_equal_means_the_better_first_score_wins():
    first, second = candidate(5, 0.9, [0.5, 0.75]), candidate(2, 0.8, [0.75, 0.5])
    confirmation = Confirmation([first, second])
    assert confirmation.winner is first
    assert not confirmation.changed_the_winner


def test_a_repeat_that_failed_is_worse_than_any_score():
    assert winner_of(candidate(0, 0.9, [0.9, None]), candidate(1, 0.8, [0.1, 0.1])) == 1
    errors = [candidate(0, 9.0, [9.0, None], "min"), candidate(1, 8.0, [900.0, 900.0], "min")]
    assert winner_of(*errors) == 1
    # As many failures: the scores there are decide.
    assert winner_of(candidate(0, 0.9, [0.2, None]), candidate(1, 0.8, [None, 0.3])) == 1


def test_without_any_repeat_a_candidate_cannot_win():
    assert winner_of(candidate(0, 0.9, [None]), candidate(1, 0.8, [0.0])) == 1


def test_the_first_scores_decide_where_all_repeats_failed():
    confirmation = Confirmation([candidate(3, 0.9, [None, None]), candidate(1, 0.8, [None, None])])
    assert confirmation.winner.trial.number == 3
    assert confirmation.is_decided_by_first_scores
    assert not confirmation.changed_the_winner
    assert math.isnan(confirmation.mean_luck)


def test_a_confirmation_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one candidate"):
        Confirmation([])
    unscored = TrialRecord("0000", 0, FAILED, 1, "model", {})
    with pytest.raises(ValueError, match="Received: trial 0000, FAILED"):
        Candidate(unscored, [], "max")
