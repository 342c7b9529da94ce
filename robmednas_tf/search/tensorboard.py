"""A search's trials in TensorBoard: pictures, and the HParams page."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api

from robmednas_tf.tf_files import written_by_tensorflow
from robmednas_tf.training.scalars import EpochScalars


def write_hparams_config(folder: Path, hp: keras_tuner.HyperParameters, metric: str) -> None:
    """Tells TensorBoard's HParams page which columns a search has.

    Args:
        folder: TensorBoard's root folder.
        hp: Every declared hyperparameter, each a choice among values.
        metric: Name of the objective, shown beside the adversarial Dice.

    Raises:
        OSError: If it cannot be written.
    """
    shutil.rmtree(folder / "search", ignore_errors=True)
    hparams = [
        hparams_api.HParam(each.name, hparams_api.Discrete(list(each.values))) for each in hp.space
    ]
    names = dict.fromkeys((metric, "adversarial_dice", "clean_dice", "val_loss"))
    metrics = [hparams_api.Metric(f"trial/{name}", display_name=name) for name in names]
    with (
        written_by_tensorflow(folder / "search"),
        tf.summary.create_file_writer(str(folder / "search")).as_default(),
    ):
        hparams_api.hparams_config(hparams=hparams, metrics=metrics)


def write_outcome(
    scalars: EpochScalars,
    name: str,
    values: Mapping[str, Any],
    metrics: Mapping[str, float],
    image: np.ndarray,
) -> None:
    """Writes a trained candidate's hyperparameters, metrics and picture.

    Args:
        scalars: The trial's curves; closed afterwards.
        name: The trial's; trials of one name are averaged on the HParams page.
        values: The active hyperparameters.
        metrics: Metrics by name; NaN is left out.
        image: uint8 `(height, width, 3)`.

    Raises:
        OSError: If they cannot be written.
    """
    with scalars.at_step(0):
        hparams_api.hparams(dict(values), trial_id=name)
        for metric, value in metrics.items():
            if math.isfinite(value):
                tf.summary.scalar(f"trial/{metric}", value)
        tf.summary.image("slices", image[np.newaxis])
    scalars.close()


def write_stopped(scalars: EpochScalars, name: str, values: Mapping[str, Any]) -> None:
    """Writes the hyperparameters of a candidate that was stopped at a rung.

    It has no metrics on the HParams page, where they would stand among those of whole trainings.

    Args:
        scalars: The trial's curves; closed afterwards.
        name: The trial's; trials of one name are averaged on the HParams page.
        values: The active hyperparameters.

    Raises:
        OSError: If they cannot be written.
    """
    with scalars.at_step(0):
        hparams_api.hparams(dict(values), trial_id=name)
    scalars.close()


def write_rungs(folder: Path, metric: str, scores: Mapping[int, float]) -> None:
    """Writes a trial's scores at its rungs, by epoch, as a curve of their own.

    Args:
        folder: The trial's.
        metric: Name of the objective.
        scores: By epoch; NaN is left out.

    Raises:
        OSError: If they cannot be written.
    """
    with written_by_tensorflow(folder):
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default():
            for epoch, score in scores.items():
                if math.isfinite(score):
                    tf.summary.scalar(f"rung/{metric}", score, step=epoch)
        writer.close()
