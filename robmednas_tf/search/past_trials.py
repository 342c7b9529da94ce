"""Trials of the past as Optuna has them, made and copied quickly; here Optuna is imported.

A search asks with its whole history for every proposal. Optuna's own `create_trial` compares each
distribution with itself, choice by choice, and its storage copies every trial to the last number:
together that took longer than the proposal.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping
from typing import Any

import optuna

# Optuna wants to know when a trial was run, and makes nothing of it.
_SOME_TIME = datetime.datetime(2000, 1, 1)


class _PastTrial(optuna.trial.FrozenTrial):
    def __deepcopy__(self, memo: dict[int, Any]) -> _PastTrial:
        # What is over does not change any more, so that copies may share what they hold.
        return copy.copy(self)


def past_trial(
    state: optuna.trial.TrialState,
    params: dict[str, Any],
    distributions: dict[str, optuna.distributions.BaseDistribution],
    values: list[float] | None = None,
    intermediate_values: Mapping[int, float] | None = None,
) -> optuna.trial.FrozenTrial:
    """Returns what `optuna.trial.create_trial` does, for a study that does not change it.

    Args:
        state: Any but WAITING.
        params: Values by name.
        distributions: As many, of today's kinds.
        values: The scores of a completed trial, one an objective.
        intermediate_values: Scores on the way, by step.
    """
    return _PastTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=values,
        datetime_start=_SOME_TIME,
        datetime_complete=_SOME_TIME if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values=dict(intermediate_values or {}),
    )
