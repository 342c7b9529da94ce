"""The HyperModel: builds a candidate, trains it, and scores it under attack.

Source: paper section 2.2.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import ShuffledSlices, mean_normalized_ct, ordered_batches
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.models.unet import build_unet
from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.hyperparameters import architecture_of, declare_space
from robmednas_tf.search.memory import memory_may_run_out
from robmednas_tf.search.scoring import NO_RUNGS, JudgedAtRungs, Outcome, Rungs, Scorer
from robmednas_tf.training.checkpoints import Validation
from robmednas_tf.training.fit import NO_PAUSES, FitResult, MeanLoss, Pauses, fit
from robmednas_tf.training.unet import TrainableUNet, compile_model


@dataclass(frozen=True)
class SearchData:
    """The subjects of a training, prepared.

    Attributes:
        train: Subjects trained on.
        validation: Subjects whose loss chooses the epoch.
        test: Subjects that score the network; they take no part in training.
    """

    train: tuple[PreparedSubject, ...]
    validation: tuple[PreparedSubject, ...]
    test: tuple[PreparedSubject, ...]

    @property
    def names(self) -> dict[str, list[str]]:
        """The subjects' names by part."""
        return {
            field.name: [subject.name for subject in getattr(self, field.name)]
            for field in dataclasses.fields(self)
        }

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a slice."""
        size = self.train[0].image_size
        return (size, size, 1)


class UNetHyperModel(keras_tuner.HyperModel):
    """The candidates of a search, for KerasTuner's own tuners as well as for this project's.

    The weights that score a candidate are the best epoch's average. KerasTuner's own tuners save
    those of the last epoch instead, so that their `get_best_models` gives others; `SearchTuner`
    keeps the ones that scored.

    Args:
        space: The architectures that may be proposed.
        data: The search's sub-dataset.
        training: How a candidate is trained.
        attack: What spoils the MR of the subjects that score.
        seed: With the architecture it fixes weights and order of slices: the same candidate
            scores the same wherever in a search it comes up.
        max_memory_gb: Candidates estimated to need more to train are not built; None for no limit.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: SearchData,
        training: TrainingConfig,
        attack: Perturbation,
        seed: int = 0,
        max_memory_gb: float | None = None,
    ):
        super().__init__(name="unet")
        self.space, self.data, self.training = space, data, training
        self.attack, self.seed, self.max_memory_gb = attack, seed, max_memory_gb

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares the whole space, so that nothing need be built to discover it."""
        declare_space(hp, self.space)

    def build(self, hp: keras_tuner.HyperParameters) -> TrainableUNet:
        """Builds and compiles the candidate that `hp` names.

        Raises:
            InfeasibleTrialError: If its estimated memory exceeds the limit.
        """
        declare_space(hp, self.space)
        return self.build_architecture(architecture_of(hp))

    def build_architecture(self, architecture: Architecture) -> TrainableUNet:
        """Builds and compiles a network of `architecture`.

        Raises:
            InfeasibleTrialError: If its estimated memory exceeds the limit, or memory runs out.
        """
        needed_gb = self.memory_gb(architecture)
        if self.max_memory_gb is not None and needed_gb > self.max_memory_gb:
            raise InfeasibleTrialError(
                f"Training needs about {needed_gb:.2f} GB, more than the limit of "
                f"{self.max_memory_gb:.2f} GB (--max_memory_gb)."
            )
        bias = mean_normalized_ct(self.data.train) if self.training.start_at_mean else None
        with memory_may_run_out("building"):
            unet = build_unet(
                architecture,
                self.data.input_shape,
                kernel_initializer=self.training.kernel_initializer,
                output_bias=bias,
                seed=self.seed_of(architecture),
            )
            model = TrainableUNet(unet)
            compile_model(model, self.training)
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: TrainableUNet,
        *args: Any,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **kwargs: Any,
    ) -> dict[str, float]:
        """Trains and scores a candidate; returns its metrics, every one a possible objective."""
        architecture = architecture_of(hp)
        return self.train_and_score(model, architecture, callbacks).metrics

    def train_and_score(
        self,
        model: TrainableUNet,
        architecture: Architecture,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoint: Path | None = None,
        rungs: Rungs = NO_RUNGS,
    ) -> Outcome:
        """Trains a candidate and scores the best epoch's weights on the test subjects.

        Args:
            model: Built by `build_architecture`.
            architecture: What it was built from.
            callbacks: Keras callbacks of the training.
            checkpoint: Where the training's state is kept after each epoch; one that is there is
                gone on from, with the same result.
            rungs: Where the candidate is scored on its way and may be stopped. One that is not
                comes to the same result as without.

        Raises:
            InfeasibleTrialError: If memory runs out.
            FloatingPointError: If the loss becomes NaN or infinite.
        """
        scorer = Scorer(model, self.data.test, self.attack, self.training.batch_size)
        judged = JudgedAtRungs(scorer, rungs)
        return judged.outcome(self.train(model, architecture, callbacks, checkpoint, judged.pauses))

    def train(
        self,
        model: TrainableUNet,
        architecture: Architecture,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoint: Path | None = None,
        pauses: Pauses = NO_PAUSES,
    ) -> FitResult:
        """Trains a network and leaves the best epoch's weights in it.

        Args:
            model: Built by `build_architecture`.
            architecture: What it was built from.
            callbacks: Keras callbacks of the training.
            checkpoint: Where the training's state is kept after each epoch.
            pauses: Where the training asks whether it goes on.

        Raises:
            InfeasibleTrialError: If memory runs out.
            FloatingPointError: If the loss becomes NaN or infinite.
        """
        with memory_may_run_out("training"):
            return fit(
                model,
                self.training_slices(architecture),
                self.validation(model),
                self.training,
                callbacks,
                checkpoint,
                pauses,
            )

    def training_slices(self, architecture: Architecture) -> ShuffledSlices:
        """Returns the training subjects' slices in the order that `architecture` gets them."""
        return ShuffledSlices(self.data.train, self.training.batch_size, self.seed_of(architecture))

    def validation(self, model: TrainableUNet) -> Validation:
        """Returns what gives a network's loss on the validation subjects."""
        batches = ordered_batches(self.data.validation, self.training.batch_size)
        return MeanLoss(model, batches)

    def memory_gb(self, architecture: Architecture) -> float:
        """Estimates the peak memory of training `architecture`, in 10^9 bytes."""
        cost = estimate_cost(architecture, self.data.input_shape)
        return cost.training_bytes(self.training.batch_size) / 1e9

    def seed_of(self, architecture: Architecture) -> int:
        """Returns the seed of `architecture`'s weights and order of slices."""
        text = f"{self.seed} {architecture.to_json()}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
