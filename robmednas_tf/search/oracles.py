"""The search rules by name: a new one is a class here and a line in `ORACLES`.

Source: paper section 2.2 (RobMedNAS-R, random search; RobMedNAS-T, TPE).
"""

from __future__ import annotations

from collections.abc import Mapping

from robmednas_tf.search.oracle import RecordedOracle
from robmednas_tf.search.sampling import Values, random_values
from robmednas_tf.search.tpe import tpe_values


class RandomOracle(RecordedOracle):
    """Proposes configurations drawn independently at random."""

    name = "random"

    def propose(self, number: int, salt: int) -> tuple[Values, str]:
        """Draws values at random."""
        return random_values(self.hyperparameters, self.seed, number, salt), "random"


class TPEOracle(RecordedOracle):
    """Proposes by a tree-structured Parzen estimator, after a random start."""

    name = "bayesian"

    def default_startup_trials(self) -> int:
        """Returns a quarter of the budget, at least 4 and at most 20."""
        return num_startup_trials(self.max_trials)

    def propose(self, number: int, salt: int) -> tuple[Values, str]:
        """Draws values at random until enough trials have a score, then by the model."""
        if self.ledger.num_scored < self.num_startup_trials:
            return random_values(self.hyperparameters, self.seed, number, salt), "startup"
        values = tpe_values(
            self.hyperparameters,
            self.records(),
            self.objective.direction,
            self.num_startup_trials,
            self.seed,
            number,
            salt,
            self.further_objectives,
        )
        return values, "model"


ORACLES: Mapping[str, type[RecordedOracle]] = {"bayesian": TPEOracle, "random": RandomOracle}


def num_startup_trials(max_trials: int | None) -> int:
    """Returns how many trials of a budget are random before the model proposes.

    A quarter of the budget, at least 4, at most 20: with Optuna's constant 10 a quick search of
    10 trials would be a random one under another name.
    """
    return 20 if max_trials is None else min(20, max(4, max_trials // 4))
