"""Scoring a candidate under attack: at its end, and at rungs on the way there.

A rung is an epoch at which a candidate is scored as if its training ended there, so that a
hopeless one can be stopped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from robmednas_tf.attacks.fgsm import SliceModel
from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.evaluation.inference import AttackedInference, Scores, summarize
from robmednas_tf.search.memory import memory_may_run_out
from robmednas_tf.training.fit import FitResult, Pauses


@dataclass(frozen=True)
class Rungs:
    """Where a candidate is scored on its way.

    Attributes:
        epochs: After how many epochs; before the last.
        goes_on: Told of the epoch and of the metrics that the candidate would end with there;
            says whether it goes on.
    """

    epochs: Collection[int]
    goes_on: Callable[[int, dict[str, float]], bool]


NO_RUNGS = Rungs((), lambda *_: True)


@dataclass(frozen=True)
class Outcome:
    """What training and scoring a candidate gave.

    Attributes:
        fit: The best epoch and the history.
        scores: Each test subject's scores.
        inference: The attack on the trained network, ready for more slices.
        is_stopped: Whether the candidate was stopped at a rung.
    """

    fit: FitResult
    scores: dict[str, Scores]
    inference: AttackedInference
    is_stopped: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """The candidate's metrics by name, as `summarize` names them, and `val_loss`."""
        return {**summarize(list(self.scores.values())), "val_loss": self.fit.val_loss}


@dataclass(frozen=True)
class Scorer:
    """Scores a network with the weights of the moment; its graphs are traced once.

    Args:
        model: The network.
        subjects: Those that score it.
        attack: What spoils the subjects' MR.
        batch_size: Slices a batch.
    """

    model: SliceModel
    subjects: Sequence[PreparedSubject]
    attack: Perturbation
    batch_size: int

    @cached_property
    def _inference(self) -> AttackedInference:
        return AttackedInference(self.model, self.attack, self.batch_size)

    def outcome(self, fit: FitResult) -> Outcome:
        """Scores the network as it is.

        Args:
            fit: The training that has given its weights.

        Raises:
            InfeasibleTrialError: If memory runs out.
            FloatingPointError: If a prediction is not finite.
        """
        with memory_may_run_out("scoring"):
            scores = {subject.name: self._inference.score(subject) for subject in self.subjects}
        return Outcome(fit, scores, self._inference)


class JudgedAtRungs:
    """A candidate's scores at its rungs and at its end.

    Args:
        scorer: Of the candidate.
        rungs: Where it is scored on its way.
    """

    def __init__(self, scorer: Scorer, rungs: Rungs):
        self._scorer, self._rungs = scorer, rungs
        self._stopped: Outcome | None = None

    @property
    def pauses(self) -> Pauses:
        """Where the training has to ask."""
        return Pauses(self._rungs.epochs, self._goes_on)

    def outcome(self, fit: FitResult) -> Outcome:
        """Scores the candidate when its training is over; a stopped one was scored already."""
        return self._stopped or self._scorer.outcome(fit)

    def _goes_on(self, so_far: FitResult) -> bool:
        outcome = self._scorer.outcome(so_far)
        if self._rungs.goes_on(so_far.num_epochs, outcome.metrics):
            return True
        self._stopped = dataclasses.replace(outcome, is_stopped=True)
        return False
