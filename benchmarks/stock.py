"""The straightforward trial: KerasTuner, Keras, CleverHans and NumPy, and nothing besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_tuner
import numpy as np
from stopwatch import Stopwatch, Trial

from robmednas_tf.config import TrainingConfig
from robmednas_tf.data.intensities import denormalize_ct, normalize_ct
from robmednas_tf.data.prepared import PreparedSubject
from robmednas_tf.data.slices import mean_normalized_ct, read_slices
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.models.unet import build_unet
from robmednas_tf.search.hypermodel import SearchData

try:
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method
except ImportError as error:
    raise SystemExit(
        f"The stock side attacks with CleverHans ({error}): pip install --no-deps cleverhans"
    ) from error

EPSILON = 0.2
OBJECTIVE = keras_tuner.Objective("adversarial_dice", "max")


@dataclass(frozen=True)
class Arrays:
    """The sub-dataset in memory: MR, and CT in HU, float32 `(slices, height, width, 1)` each.

    Attributes:
        train: Of all training subjects.
        validation: Of the validation subject.
        test: Of the test subject.
        mean_ct: Mean of the normalised training CT.
        seed_of: Gives the seed of a network's first weights.
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    mean_ct: float
    seed_of: Callable[[Architecture], int]

    @classmethod
    def read(cls, data: SearchData, seed_of: Callable[[Architecture], int]) -> Arrays:
        """Reads all slices."""
        return cls(
            _stack(data.train),
            _stack(data.validation),
            _stack(data.test),
            mean_normalized_ct(data.train),
            seed_of,
        )


class StockHyperModel(keras_tuner.HyperModel):
    """The same candidate with nothing but Keras, CleverHans and NumPy."""

    def __init__(self, architecture: Architecture, arrays: Arrays, training: TrainingConfig):
        super().__init__()
        self.architecture, self.arrays, self.training = architecture, arrays, training
        self.watch = Stopwatch()

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the candidate."""
        model = build_unet(
            Architecture.from_json(hp.Fixed("architecture", self.architecture.to_json())),
            self.arrays.train[0].shape[1:],
            kernel_initializer=self.training.kernel_initializer,
            output_bias=self.arrays.mean_ct,
            seed=self.arrays.seed_of(self.architecture),
        )
        optimizer = keras.optimizers.Adam(
            self.training.learning_rate, amsgrad=True, **self._averaging()
        )
        model.compile(optimizer, loss="mse")
        self.watch.lap("building")
        return model

    def fit(self, hp, model, *args, callbacks=(), **kwargs):
        """Trains a candidate and scores it clean and attacked."""
        (mr, ct), (val_mr, val_ct) = self.arrays.train, self.arrays.validation
        keep = [
            keras.callbacks.EarlyStopping(patience=self.training.epochs, restore_best_weights=True)
        ]
        if self.training.weight_averaging:
            # First: the averaged weights are validated, and kept by the callbacks that follow.
            keep.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
        history = model.fit(
            mr,
            normalize_ct(ct),
            batch_size=self.training.batch_size,
            epochs=self.training.epochs,
            validation_data=(val_mr, normalize_ct(val_ct)),
            validation_batch_size=self.training.batch_size,
            callbacks=[*keep, *callbacks, self.watch],
            verbose=0,
        )
        metrics = {"val_loss": min(history.history["val_loss"]), **self._scores(model)}
        self.watch.lap("attack and scores")
        return metrics

    def _averaging(self) -> dict[str, bool | float]:
        momentum = self.training.weight_averaging
        return {"use_ema": True, "ema_momentum": momentum} if momentum else {}

    def _scores(self, model: keras.Model) -> dict[str, float]:
        mr, ct = self.arrays.test
        attacked = fast_gradient_method(
            model, mr, EPSILON, np.inf, loss_fn=_squared_error, y=normalize_ct(ct)
        )
        scores: dict[str, float] = {}
        for condition, images in (("clean", mr), ("adversarial", attacked.numpy())):
            prediction = model.predict(images, batch_size=self.training.batch_size, verbose=0)
            dice, mae = masked_scores(ct, denormalize_ct(prediction))
            scores |= {f"{condition}_dice": dice, f"{condition}_mae": mae}
        return scores


def stock_trial(
    arrays: Arrays, architecture: Architecture, training: TrainingConfig, folder: Path
) -> Trial:
    hypermodel = StockHyperModel(architecture, arrays, training)
    tuner = keras_tuner.RandomSearch(
        hypermodel, OBJECTIVE, max_trials=1, directory=folder.parent, project_name=folder.name
    )
    hypermodel.watch = watch = Stopwatch()
    tuner.search(verbose=0)
    metrics = tuner.oracle.get_best_trials()[0].metrics
    return watch.trial({name: metrics.get_best_value(name) for name in metrics.metrics})


def masked_scores(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, float]:
    """Returns the mean Dice and the mean MAE in HU over the four regions."""
    regions = (
        lambda hu: hu >= -500,
        lambda hu: hu < -500,
        lambda hu: hu > 500,
        lambda hu: (hu > -500) & (hu < 300),
    )
    dice, mae = [], []
    for region in regions:
        in_true, in_pred = region(y_true), region(y_pred)
        dice.append(2 * (in_true & in_pred).sum() / (in_true.sum() + in_pred.sum()))
        mae.append(np.abs(y_true - y_pred)[in_true].mean())
    return float(np.mean(dice)), float(np.mean(mae))


def _stack(subjects: Sequence[PreparedSubject]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [pair for subject in subjects for pair in read_slices(subject)]
    mr, ct = (np.stack(images)[..., np.newaxis] for images in zip(*pairs, strict=True))
    return mr, ct


def _squared_error(labels, logits):
    return keras.ops.mean(keras.ops.square(labels - logits), axis=(1, 2, 3))
