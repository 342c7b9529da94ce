"""One training of `scores.py`: a trial as the search has it, scored on the way and at its end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf
from scores_table import (
    AT_RUNGS,
    AVERAGING,
    CONDITIONS,
    END,
    EPOCHS,
    KEYS,
    MEASURES,
    OTHER_AVERAGING,
    RUNGS,
    Job,
    Row,
)

from robmednas_tf.attacks.notation import Perturbation, parse_perturbations
from robmednas_tf.attacks.perturbations import PerturbedInference
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import ShuffledSlices
from robmednas_tf.evaluation.metrics import mean_over_regions
from robmednas_tf.evaluation.volumes import Wanted, evaluate_subject
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel
from robmednas_tf.training.checkpoints import Validation
from robmednas_tf.training.fit import FitResult, fit
from robmednas_tf.training.unet import TrainableUNet

# Scoring takes as long as training, so the rungs are scored on the search's own subject alone,
# and the other averages on two of the four.
NUM_AT_RUNGS, NUM_OF_OTHERS = 1, 2
TRAINING = TrainingConfig(EPOCHS, weight_averaging=AVERAGING)
TO_END = dataclasses.replace(TRAINING, epochs=40, patience=5)
VARIANTS: Mapping[str, TrainingConfig] = {
    "default": TRAINING,
    "keras_start": dataclasses.replace(
        TRAINING, kernel_initializer="glorot_uniform", start_at_mean=False
    ),
    "large_steps": dataclasses.replace(TRAINING, learning_rate=3e-3),
    "one_order": TRAINING,
}


@dataclass(frozen=True)
class Subjects:
    """A cohort's subjects.

    Attributes:
        search: The sub-dataset of a search.
        scoring: Subjects that score; the first is the search's own.
        apart: Subjects that score the end of training alone.
    """

    search: SearchData
    scoring: tuple[PreparedSubject, ...]
    apart: tuple[PreparedSubject, ...] = ()


class OneOrder(UNetHyperModel):
    """Candidates that all get the slices in the same order, whatever their seed."""

    def training_slices(self, architecture: Architecture) -> ShuffledSlices:
        """Returns the slices in the order of seed 0."""
        return ShuffledSlices(self.data.train, self.training.batch_size, 0)


class OtherAverages(keras.callbacks.Callback):
    """Averages of the weights besides the training's own, each with its best epoch so far.

    The rules are those of `FlatAdam` and `BestEpoch`; an average of 0 is the weights themselves.

    Args:
        model: In training.
        decays: Of the averages.
        validate: As in `fit`.
    """

    def __init__(self, model: TrainableUNet, decays: Sequence[float], validate: Validation):
        super().__init__()
        self.decays, self._validate = tuple(decays), validate
        self._variables = list(model.trainable_variables)
        self._shares = tf.constant([[1.0 - decay] for decay in decays])
        flat = _flat(self._variables)
        self._averages = tf.Variable(tf.tile(flat[tf.newaxis], [len(self.decays), 1]))
        self._is_first = True
        self.losses: list[list[float]] = [[] for _ in self.decays]
        self._best = [flat] * len(self.decays)

        @tf.function
        def update(shares: tf.Tensor) -> None:
            self._averages.assign_add((_flat(self._variables) - self._averages) * shares)

        self._update = update

    def on_train_batch_end(self, batch, logs=None):
        """Takes a step into the averages."""
        self._update(tf.ones_like(self._shares) if self._is_first else self._shares)
        self._is_first = False

    def on_epoch_end(self, epoch, logs=None):
        """Validates each average."""
        weights = _flat(self._variables)
        for place, losses in enumerate(self.losses):
            _assign(self._variables, self._averages[place])
            loss = self._validate()["val_loss"]
            if not loss >= min(losses, default=math.inf):
                self._best[place] = tf.identity(self._averages[place])
            losses.append(loss)
        _assign(self._variables, weights)

    def put_best(self, decay: float) -> tuple[int, float]:
        """Puts the best weights of an average in the model; returns their epoch (from 0), loss."""
        place = self.decays.index(decay)
        _assign(self._variables, self._best[place])
        loss = min(self.losses[place])
        return self.losses[place].index(loss), loss


class Scorer:
    """Scores a network's present weights on subjects, clean and in both attacks, as rows.

    Args:
        job: What is trained.
        model: Its network.
    """

    def __init__(self, job: Job, model: TrainableUNet):
        self._keys = dict(zip(KEYS, job.key, strict=True))
        perturbations = parse_perturbations(CONDITIONS[1:])
        self._models = {job.name: PerturbedInference(model, perturbations)}

    def row(
        self,
        epoch: int | str,
        averaging: float,
        part: tuple[str, Sequence[PreparedSubject]],
        best_epoch: int,
        val_loss: float,
    ) -> Row:
        """Returns a row of the table.

        Args:
            epoch: How long was trained.
            averaging: Of the weights.
            part: What the subjects are called, and they.
            best_epoch: Whose weights they are, from 0.
            val_loss: Their loss.
        """
        name, subjects = part
        row = {**self._keys, "epoch": str(epoch), "averaging": f"{averaging:g}", "subjects": name}
        row |= {"best_epoch": str(best_epoch + 1), "val_loss": f"{val_loss:.5f}"}
        for place, subject in enumerate(subjects, start=1):
            for outcome in evaluate_subject(self._models, subject, Wanted())[0]:
                dice, mae = mean_over_regions(outcome.regions)
                texts = f"{dice:.5f}", f"{outcome.regions['bone'].dice:.5f}", f"{mae:.2f}"
                for measure, text in zip(MEASURES, texts, strict=True):
                    row[f"{measure}_{outcome.condition}_{place}"] = text
        return row


def train(job: Job, architecture: Architecture, subjects: Subjects, folder: Path) -> list[Row]:
    """Trains a job's network and returns its rows.

    Args:
        job: What to train.
        architecture: The one of its number.
        subjects: The cohort's.
        folder: Where the training's state is kept between rungs.
    """
    keras.backend.clear_session()
    checkpoint = folder / f"{job.name}.npz"
    # Averages besides the training's own cannot be gone on with: a killed training begins anew.
    checkpoint.unlink(missing_ok=True)
    kind = OneOrder if job.variant == "one_order" else UNetHyperModel
    config = VARIANTS[job.variant]
    hypermodel = kind(
        SearchSpace(), subjects.search, config, Perturbation("fgsm", 0.0), seed=job.seed
    )
    model = hypermodel.build_architecture(architecture)
    validate = hypermodel.validation(model)
    averages = OtherAverages(model, OTHER_AVERAGING[job.cohort], validate)
    scorer = Scorer(job, model)
    slices = hypermodel.training_slices(architecture)

    def trained(training: TrainingConfig, *callbacks: keras.callbacks.Callback) -> FitResult:
        return fit(model, slices, validate, training, callbacks, checkpoint)

    try:
        rows = []
        for rung in RUNGS if job.rungs else ():
            result = trained(dataclasses.replace(config, epochs=rung), averages)
            part = ("scoring", subjects.scoring[:NUM_AT_RUNGS])
            rows.append(scorer.row(rung, AVERAGING, part, result.best_epoch, result.val_loss))
            found = averages.put_best(AT_RUNGS)
            rows.append(scorer.row(rung, AT_RUNGS, part, *found))
        result = trained(config, averages)
        found = (result.best_epoch, result.val_loss)
        for part in (
            ("scoring", subjects.scoring),
            ("validation", subjects.search.validation),
        ):
            rows.append(scorer.row(EPOCHS, AVERAGING, part, *found))
        for decay in averages.decays:
            part = ("scoring", subjects.scoring[:NUM_OF_OTHERS])
            rows.append(scorer.row(EPOCHS, decay, part, *averages.put_best(decay)))
        if job.to_end:
            result = trained(TO_END)
            part = ("apart", subjects.apart)
            rows.append(scorer.row(END, AVERAGING, part, result.best_epoch, result.val_loss))
        return rows
    finally:
        checkpoint.unlink(missing_ok=True)


def _flat(variables: Sequence[keras.Variable]) -> tf.Tensor:
    return tf.concat([tf.reshape(variable.value, [-1]) for variable in variables], axis=0)


def _assign(variables: Sequence[keras.Variable], flat: tf.Tensor) -> None:
    parts = tf.split(flat, [math.prod(variable.shape) for variable in variables])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))
